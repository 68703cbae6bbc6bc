/** Sockets for routing sessions, between two hosts of a network of our own, on both engines. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ipv4, ipv6, parsePrefix } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { ENOPROTOOPT } from "../../../netstack/kernel/errno.ts";
import * as libc from "../../../netstack/kernel/libc.ts";
import type { Endpoint, Loop, Stream } from "../../../netstack/kernel/loop.ts";
import { type ListenOptions, listenTcp, openTcp, type TcpOptions } from "../../../netstack/kernel/sockets.ts";
import {
  addTcpKey,
  aoAdd,
  removeTcpKey,
  setHops,
  setUserTimeout,
  type TcpKey,
} from "../../../netstack/kernel/tcp-options.ts";
import { ENGINES, open, Probe, until } from "./loop-probe.ts";
import { type Host, Segment, sweep, UNABLE } from "./segment.ts";

const A4 = ipv4("192.0.2.1");
const B4 = ipv4("192.0.2.2");
const A6 = ipv6("2001:db8::1");
const B6 = ipv6("2001:db8::2");
const PORT = 179;

describe.skipIf(UNABLE !== undefined).each(ENGINES)("TCP for routing sessions on %s", (engine) => {
  let segment: Segment;
  let a: Host;
  let b: Host;
  beforeAll(() => {
    sweep();
    segment = new Segment({ a: [A4, A6], b: [B4, B6] });
    a = segment.host("a");
    b = segment.host("b");
  });
  afterAll(() => segment[Symbol.dispose]());

  let port = PORT;

  /** What came of a connection from b to a, at a port of its own: the streams of both ends, or the errno at b. */
  function call(
    loop: Loop,
    listen: Partial<ListenOptions>,
    connect: Omit<TcpOptions, "family">,
    at: Endpoint,
  ): Outcome {
    return begun(loop, listen, connect, at)();
  }
  /** Several at a time, since the kernel takes a second to give up each. */
  function begun(
    loop: Loop,
    listen: Partial<ListenOptions>,
    connect: Omit<TcpOptions, "family">,
    at: Endpoint,
  ): () => Outcome {
    const to = { ...at, port: port++ };
    const listener = a.do(() => listenTcp({ ip: to.ip, port: to.port, hops: { ttl: 255, minTtl: 0 }, ...listen }));
    const farProbe = new Probe(loop);
    let far: Stream | undefined;
    const accepting = loop.accept(listener, {
      accepted(stream) {
        far = stream;
        return farProbe;
      },
    });
    const socket = b.do(() => openTcp({ family: typeof to.ip === "number" ? 4 : 6, ...connect }));
    setUserTimeout(socket, 100); // what is not answered at once is given up at the first retransmission
    const nearProbe = new Probe(loop);
    const near = loop.connect(to, nearProbe, { socket });
    return () => {
      until(loop, "an outcome", () => nearProbe.why !== undefined || (nearProbe.opens === 1 && far !== undefined));
      accepting[Symbol.dispose]();
      if (nearProbe.why?.kind === "failed") return { kind: "failed", errno: nearProbe.why.errno };
      if (far === undefined) throw new Error("opened, yet not accepted");
      return { kind: "open", near, nearProbe, far, farProbe };
    };
  }

  function closed(loop: Loop, outcome: Outcome): void {
    if (outcome.kind !== "open") return;
    outcome.near.abort();
    until(loop, "both closed", () => outcome.nearProbe.why !== undefined && outcome.farProbe.why !== undefined);
  }

  test.each([
    ["IPv4", A4, B4, "192.0.2.0/24"],
    ["IPv6", A6, B6, "2001:db8::/64"],
  ])(
    "RFC 2385 over %s: the right key connects, a wrong one or none does not; so for a prefix of peers",
    (_, to, from, prefix) => {
      using loop = open(engine);
      const endpoint = { ip: to, port: PORT };
      const right = (peer: string): TcpKey => ({ kind: "md5", peer: prefixOf(peer), key: Buffer.from("secret") });
      const wrong = (peer: string): TcpKey => ({ kind: "md5", peer: prefixOf(peer), key: Buffer.from("Secret") });
      // Signed, yet nobody asked for it: dropped as well.
      const dropped = [begun(loop, {}, { keys: [right(text(to))] }, endpoint)];
      for (const peers of [`${text(from)}`, prefix]) {
        const keys = [right(peers)];
        const good = call(loop, { keys }, { keys: [right(text(to))] }, endpoint);
        if (good.kind !== "open") throw new Error(`errno ${good.errno}`);
        good.near.write(Buffer.from("signed"));
        until(loop, "octets", () => good.farProbe.text === "signed");
        closed(loop, good);
        dropped.push(begun(loop, { keys }, { keys: [wrong(text(to))] }, endpoint), begun(loop, { keys }, {}, endpoint));
      }
      expect(dropped.map((outcome) => outcome())).toEqual(dropped.map(() => TIMED_OUT));
    },
  );

  test("a key of a listener is changed and taken away while it listens", () => {
    using loop = open(engine);
    const key = (word: string, peer: string): TcpKey => ({ kind: "md5", peer: prefixOf(peer), key: Buffer.from(word) });
    const fd = a.do(() => listenTcp({ ip: A4, port: PORT, keys: [key("one", "192.0.2.2")] }));
    let accepted = 0;
    using _accepting = loop.accept(fd, {
      accepted() {
        accepted++;
        return undefined;
      },
    });
    const probe = (keys: readonly TcpKey[]): Probe => {
      const socket = b.do(() => openTcp({ family: 4, keys }));
      setUserTimeout(socket, 100);
      const made = new Probe(loop);
      loop.connect({ ip: A4, port: PORT }, made, { socket });
      until(loop, "an outcome", () => made.why !== undefined || made.opens === 1);
      return made;
    };
    addTcpKey(fd, key("two", "192.0.2.2"));
    expect(probe([key("one", "192.0.2.1")]).opens).toBe(0);
    expect(probe([key("two", "192.0.2.1")]).opens).toBe(1);
    removeTcpKey(fd, key("", "192.0.2.2"));
    removeTcpKey(fd, key("", "192.0.2.2"));
    expect(probe([]).opens).toBe(1);
    until(loop, "accepting", () => accepted === 2);
  });

  test.each([
    ["IPv4", A4],
    ["IPv6", A6],
  ])("RFC 5082 §3 over %s: what comes with a lower TTL than allowed is dropped by the kernel", (_, to) => {
    using loop = open(engine);
    const endpoint = { ip: to, port: PORT };
    const near = call(loop, {}, { hops: { ttl: 255, minTtl: 255 } }, endpoint);
    if (near.kind !== "open") throw new Error(`errno ${near.errno}`);
    const v6 = typeof to !== "number";
    setHops(near.far.fd, v6, { ttl: 254, minTtl: 255 });
    // What we send has travelled too far for the other side; what it sends, ours with 254, has as well.
    near.far.write(Buffer.from("from afar"));
    near.near.write(Buffer.from("adjacent"));
    until(loop, "the good direction", () => near.farProbe.text === "adjacent");
    until(loop, "giving up", () => near.nearProbe.why !== undefined);
    expect(near.nearProbe.text).toBe("");
    expect(near.nearProbe.why).toEqual({ kind: "failed", errno: 110 });
    near.far.abort();
    until(loop, "closed", () => near.farProbe.why !== undefined);
    // A SYN-ACK that travelled too far.
    expect(call(loop, { hops: { ttl: 64, minTtl: 0 } }, { hops: { ttl: 255, minTtl: 255 } }, endpoint)).toEqual(
      TIMED_OUT,
    );
  });

  test("a prepared socket: bound to a source and to a device; both ends tell the addresses", () => {
    using loop = open(engine);
    const bound = { bind: { ip: B4, port: 0 }, device: "e0" };
    const good = call(loop, { device: "e0" }, bound, { ip: A4, port: PORT });
    if (good.kind !== "open") throw new Error(`errno ${good.errno}`);
    expect(good.near.local?.ip).toBe(B4);
    expect(good.far.remote).toEqual(good.near.local);
    expect(good.near.remote).toEqual(good.far.local);
    closed(loop, good);
    const device = { device: "lo" };
    expect(call(loop, {}, device, { ip: A4, port: PORT })).toMatchObject({ kind: "failed" });
  });

  test("RFC 4007 §6: link-local peers are told apart by the interface, at both ends", () => {
    using loop = open(engine);
    const linkLocal = a.route
      .addresses(a.index)
      .find((each) => typeof each.ip !== "number" && each.ip.startsWith("fe80"));
    if (linkLocal === undefined) throw new Error("no link-local address");
    const { ip } = linkLocal;
    const good = call(loop, { scope: a.index }, {}, { ip, port: PORT, scope: b.index });
    if (good.kind !== "open") throw new Error(`errno ${good.errno}`);
    expect(good.near.remote).toMatchObject({ ip, scope: b.index });
    expect(good.far.local).toMatchObject({ ip, scope: a.index });
    expect(good.far.remote).toMatchObject({ ip: good.near.local?.ip, scope: a.index });
    closed(loop, good);
    expect(call(loop, { scope: a.index }, {}, { ip, port: PORT })).toEqual({ kind: "failed", errno: 22 });
  });
});

describe("TCP-AO", () => {
  const key: TcpKey & { readonly kind: "ao" } = {
    kind: "ao",
    peer: prefixOf("192.0.2.2"),
    keyId: 7,
    algorithm: "hmac-sha1-96",
    key: Buffer.from("secret"),
  };

  test("RFC 5925: where the kernel has it a key is taken; where not, a Fault says so", () => {
    const fd = openTcp({ family: 4 });
    const missing = libc.setsockopt(fd, 6, 38, new Uint8Array(4), 4) < 0 && libc.errno() === ENOPROTOOPT;
    try {
      if (missing) {
        expect(() => addTcpKey(fd, key)).toThrow(Fault);
        expect(() => addTcpKey(fd, key)).toThrow(/KERNEL_MISSING.*TCP-AO.*6\.7/);
      } else {
        addTcpKey(fd, key);
        removeTcpKey(fd, key);
      }
    } finally {
      libc.close(fd);
    }
  });

  test("struct tcp_ao_add as <linux/tcp.h> lays it out", () => {
    const octets = Buffer.from(aoAdd(key));
    expect(octets.length).toBe(288);
    expect(octets.toString("hex", 0, 8)).toBe("02000000c0000202");
    expect(octets.toString("latin1", 128, 138)).toBe("hmac(sha1)");
    expect([...octets.subarray(202, 208)]).toEqual([32, 7, 7, 12, 0, 6]);
    expect(octets.toString("latin1", 208, 214)).toBe("secret");
  });

  test("a key of no octets, or of too many, is a bug of the caller", () => {
    for (const length of [0, 81]) {
      for (const kind of ["md5", "ao"] as const) {
        expect(() => addTcpKey(-1, { ...key, kind, key: new Uint8Array(length) })).toThrow(TypeError);
      }
    }
  });
});

type Outcome =
  | { readonly kind: "failed"; readonly errno: number }
  | {
      readonly kind: "open";
      readonly near: Stream;
      readonly nearProbe: Probe;
      readonly far: Stream;
      readonly farProbe: Probe;
    };

const TIMED_OUT: Outcome = { kind: "failed", errno: 110 };

function prefixOf(peer: string): TcpKey["peer"] {
  const prefix = parsePrefix(peer);
  if (!prefix.ok) throw new Error(peer);
  return prefix.value;
}

function text(ip: Endpoint["ip"]): string {
  return typeof ip === "number" ? [ip >>> 24, (ip >>> 16) & 255, (ip >>> 8) & 255, ip & 255].join(".") : ip;
}
