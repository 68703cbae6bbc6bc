/** Datagram sockets: what sockets.ts opens and what DatagramMeta tells, on both engines. */
import { describe, expect, test } from "vitest";
import { ipv4, ipv6 } from "../../../base/address.ts";
import * as libc from "../../../netstack/kernel/libc.ts";
import type { DatagramHandler, DatagramMeta, Datagrams } from "../../../netstack/kernel/loop.ts";
import { decodeInet, decodeSocketAddress, encodeInet, encodeLink } from "../../../netstack/kernel/sockaddr.ts";
import { openPacket, openRaw, openUdp, type UdpOptions } from "../../../netstack/kernel/sockets.ts";
import { nameOf } from "../../../netstack/kernel/stream-socket.ts";
import { ENGINES, LOOPBACK, open, until } from "./loop-probe.ts";
import { Segment } from "./segment.ts";

const META = { ttl: true, packetInfo: true, stamp: true };
const lo = libc.ifNameToIndex("lo");

class Heard implements DatagramHandler {
  readonly texts: string[] = [];
  readonly metas: DatagramMeta[] = [];
  readonly errnos: number[] = [];
  received(_socket: Datagrams, bytes: Uint8Array, meta: DatagramMeta): void {
    this.texts.push(Buffer.from(bytes).toString());
    this.metas.push({ ...meta, from: Uint8Array.from(meta.from) });
  }
  failed(_socket: Datagrams, errno: number): void {
    this.errnos.push(errno);
  }
}

function addressOf(socket: Datagrams): Uint8Array {
  const name = nameOf(socket.fd);
  if (name === undefined) throw new Error("no name");
  return encodeInet(name);
}

describe.each(ENGINES)("datagrams on %s", (engine) => {
  test.each([
    ["IPv4", ipv4("127.0.0.1")],
    ["IPv6", ipv6("::1")],
  ] as const)("%s: octets with sender, TTL, packet info and time stamp", (_family, ip) => {
    using loop = open(engine);
    const heard = new Heard();
    const options: UdpOptions = { bind: { ip, port: 0 }, ttl: 77, meta: META, trafficClass: 0xc0, priority: 6 };
    const a = loop.datagrams(openUdp(options), heard);
    const b = loop.datagrams(openUdp(options), new Heard());
    const before = BigInt(Date.now()) * 1_000_000n - 5_000_000n;
    expect(b.send(Buffer.from("one"), addressOf(a))).toBe(0);
    expect(b.send(Buffer.alloc(0), addressOf(a))).toBe(0);
    until(loop, "both", () => heard.texts.length === 2);
    expect(heard.texts).toEqual(["one", ""]);
    const [meta] = heard.metas;
    expect(decodeInet(meta?.from ?? new Uint8Array())).toEqual(nameOf(b.fd));
    expect(meta).toMatchObject({ ttl: 77, ifindex: lo, to: ip, truncated: false });
    expect(meta?.stamp).toBeGreaterThan(before);
  });

  test.each([
    ["IPv4", ipv4("127.0.0.1")],
    ["IPv6", ipv6("::1")],
  ] as const)("GTSM (RFC 5082) on %s: the kernel drops what arrives below the least TTL", (_family, ip) => {
    using loop = open(engine);
    const heard = new Heard();
    const a = loop.datagrams(openUdp({ bind: { ip, port: 0 }, minTtl: 255 }), heard);
    const near = loop.datagrams(openUdp({ bind: { ip, port: 0 }, ttl: 255 }), new Heard());
    const far = loop.datagrams(openUdp({ bind: { ip, port: 0 }, ttl: 254 }), new Heard());
    far.send(Buffer.from("far"), addressOf(a));
    near.send(Buffer.from("near"), addressOf(a));
    until(loop, "near", () => heard.texts.length > 0);
    expect(heard.texts).toEqual(["near"]);
  });

  test.skipIf(process.getuid?.() !== 0)("multicast is joined and sent on one interface", () => {
    using segment = new Segment({
      a: [ipv4("192.0.2.1"), ipv6("2001:db8::1")],
      b: [ipv4("192.0.2.2"), ipv6("2001:db8::2")],
    });
    using loop = open(engine);
    for (const [any, group] of [
      [ipv4("0.0.0.0"), ipv4("239.1.2.3")],
      [ipv6("::"), ipv6("ff02::4e45")],
    ] as const) {
      const heard = [new Heard(), new Heard()] as const;
      const port = 47112;
      const sockets = ["a", "b"].map((name, index) => {
        const host = segment.host(name);
        const multicast = { ifindex: host.index, groups: [group], loop: false };
        const options: UdpOptions = {
          bind: { ip: any, port },
          reuseAddress: true,
          multicast,
          meta: META,
          minTtl: 255,
          ttl: 255,
        };
        return loop.datagrams(
          host.do(() => openUdp(options)),
          heard[index === 0 ? 0 : 1],
        );
      });
      expect(sockets[0]?.send(Buffer.from("all"), encodeInet({ ip: group, port }, segment.host("a").index))).toBe(0);
      until(loop, "the group", () => heard[1].texts.length === 1);
      expect(heard[1].metas[0]).toMatchObject({ to: group, ifindex: segment.host("b").index, ttl: 255 });
      expect(heard[0].texts).toEqual([]);
    }
  });

  test("a datagram longer than a chunk says that it was cut", () => {
    using loop = open(engine, { chunkSize: 4096 });
    const heard = new Heard();
    const a = loop.datagrams(openUdp({ bind: { ip: LOOPBACK, port: 0 } }), heard);
    const b = loop.datagrams(openUdp({ bind: { ip: LOOPBACK, port: 0 } }), new Heard());
    b.send(Buffer.alloc(9000, 97), addressOf(a));
    b.send(Buffer.alloc(3500, 98), addressOf(a));
    until(loop, "both", () => heard.texts.length === 2);
    const [cut, whole] = heard.texts;
    expect(heard.metas[0]?.truncated).toBe((cut?.length ?? 0) < 9000);
    expect(cut?.length).toBeGreaterThanOrEqual(3500);
    expect(whole?.length).toBe(3500);
    expect(heard.metas[1]?.truncated).toBe(false);
  });

  test("an error of the socket is told, and it goes on", () => {
    using loop = open(engine);
    const heard = new Heard();
    const gone = openUdp({ bind: { ip: LOOPBACK, port: 0 } });
    const to = nameOf(gone);
    libc.close(gone);
    const fd = openUdp({ bind: { ip: LOOPBACK, port: 0 } });
    const address = encodeInet(to ?? { ip: LOOPBACK, port: 9 });
    connect(fd, address, address.length);
    const socket = loop.datagrams(fd, heard);
    socket.send(Buffer.from("x"));
    until(loop, "ECONNREFUSED", () => heard.errnos.length > 0);
    expect(heard.errnos[0]).toBe(111);
    const self = addressOf(socket);
    const other = loop.datagrams(openUdp({ bind: to ?? { ip: LOOPBACK, port: 0 } }), new Heard());
    other.send(Buffer.from("again"), self);
    until(loop, "the next", () => heard.texts.includes("again"));
  });

  test("disposing from within received ends it", () => {
    using loop = open(engine);
    let calls = 0;
    const a = loop.datagrams(openUdp({ bind: { ip: LOOPBACK, port: 0 } }), {
      received(socket, bytes) {
        calls++;
        socket[Symbol.dispose]();
        expect(bytes[0]).toBe(120);
      },
    });
    const b = loop.datagrams(openUdp({ bind: { ip: LOOPBACK, port: 0 } }), new Heard());
    const to = addressOf(a);
    b.send(Buffer.from("x"), to);
    b.send(Buffer.from("x"), to);
    until(loop, "one", () => calls > 0);
    for (let turn = 0; turn < 5; turn++) loop.turn(false);
    expect(calls).toBe(1);
    expect(() => a.send(Buffer.from("x"), to)).toThrow(TypeError);
  });

  test.skipIf(process.getuid?.() !== 0)("packet sockets hear one ethertype, filtered before the first frame", () => {
    using loop = open(engine);
    const heard = new Heard();
    // Keep UDP to port 47113: ldb [9]; jeq 17; ldxb 4*([0]&0xf); ldh [x+2]; jeq 47113 (cooked: offsets from the IP header).
    const filter = [
      [0x30, 0, 0, 9],
      [0x15, 0, 4, 17],
      [0xb1, 0, 0, 0],
      [0x48, 0, 0, 2],
      [0x15, 0, 1, 47113],
      [0x06, 0, 0, 0xffff],
      [0x06, 0, 0, 0],
    ] as const;
    const packets = loop.datagrams(
      openPacket({ ifindex: lo, ethertype: 0x0800, cooked: true, filter, stamp: true }),
      heard,
    );
    const b = loop.datagrams(openUdp({ bind: { ip: LOOPBACK, port: 0 } }), new Heard());
    b.send(Buffer.from("other"), encodeInet({ ip: LOOPBACK, port: 47114 }));
    b.send(Buffer.from("kept"), encodeInet({ ip: LOOPBACK, port: 47113 }));
    until(loop, "the packet", () => heard.texts.length > 0);
    expect(heard.texts[0]?.endsWith("kept")).toBe(true);
    expect(decodeSocketAddress(heard.metas[0]?.from ?? new Uint8Array())).toMatchObject({ kind: "link", ifindex: lo });
    expect(heard.metas[0]?.stamp).toBeTypeOf("bigint");
    // What is sent through it arrives like any frame.
    expect(packets.send(Buffer.from([0x45]), encodeLink(lo, 0x88b5, 0 as never))).toBe(0);
  });

  test.skipIf(process.getuid?.() !== 0)("raw sockets send and receive ICMP echo", () => {
    using loop = open(engine);
    const heard = new Heard();
    const raw = loop.datagrams(openRaw({ family: 4, protocol: 1, bind: LOOPBACK, device: "lo", meta: META }), heard);
    const echo = Buffer.from("0800f7ff00000000", "hex");
    expect(raw.send(echo, encodeInet({ ip: LOOPBACK, port: 0 }))).toBe(0);
    until(loop, "request and reply", () => heard.texts.length >= 2);
    expect(heard.metas[0]).toMatchObject({ ifindex: lo, to: LOOPBACK });
  });
});

const connect = libc.declare<typeof libc.bind>("int connect(int, void *, uint32)");
