import { describe, expect, test } from "vitest";
import { ipv4, ipv6, type Mac } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { errnoName } from "../../../netstack/kernel/errno.ts";
import * as libc from "../../../netstack/kernel/libc.ts";
import * as sockaddr from "../../../netstack/kernel/sockaddr.ts";
import { listenTcp, openUdp } from "../../../netstack/kernel/sockets.ts";
import { nameOf } from "../../../netstack/kernel/stream-socket.ts";

function fault(act: () => number): Fault {
  try {
    libc.close(act());
  } catch (cause) {
    if (cause instanceof Fault) return cause;
    throw cause;
  }
  throw new Error("no Fault");
}

describe("opening sockets", () => {
  test("a taken port is a Fault with the address, and leaves nothing open", () => {
    const fd = listenTcp({ ip: ipv4("127.0.0.1"), port: 0 });
    const port = nameOf(fd)?.port ?? 0;
    const taken = fault(() => listenTcp({ ip: ipv4("127.0.0.1"), port }));
    expect(taken.code).toBe("ADDRESS_TAKEN");
    expect(taken.fields).toEqual({ address: `127.0.0.1 port ${port}` });
    const again = libc.socket(2, 1, 0);
    expect(again).toBeLessThan(fd + 2);
    libc.close(again);
    libc.close(fd);
  });

  test("an address that is not here is refused by name, unless freebind", () => {
    const elsewhere = { ip: ipv4("192.0.2.77"), port: 0 };
    expect(fault(() => listenTcp(elsewhere)).fields).toMatchObject({ call: "bind", errno: "EADDRNOTAVAIL" });
    libc.close(listenTcp({ ...elsewhere, freebind: true }));
    const six = { ip: ipv6("2001:db8::77"), port: 0 };
    expect(fault(() => listenTcp(six)).fields).toMatchObject({ call: "bind", errno: "EADDRNOTAVAIL" });
    libc.close(listenTcp({ ...six, freebind: true }));
  });

  test("SO_REUSEPORT shares a port between sockets that all ask for it", () => {
    const a = listenTcp({ ip: ipv4("127.0.0.1"), port: 0, reusePort: true });
    const port = nameOf(a)?.port ?? 0;
    const b = listenTcp({ ip: ipv4("127.0.0.1"), port, reusePort: true });
    expect(nameOf(b)?.port).toBe(port);
    expect(fault(() => listenTcp({ ip: ipv4("127.0.0.1"), port })).code).toBe("ADDRESS_TAKEN");
    libc.close(a);
    libc.close(b);
  });

  test("an IPv6 wildcard does not take the IPv4 port", () => {
    const six = listenTcp({ ip: ipv6("::"), port: 0 });
    libc.close(listenTcp({ ip: ipv4("127.0.0.1"), port: nameOf(six)?.port ?? 0 }));
    libc.close(six);
  });

  test("a dual-stack IPv6 wildcard does", () => {
    const six = listenTcp({ ip: ipv6("::"), port: 0, dualStack: true });
    const port = nameOf(six)?.port ?? 0;
    expect(fault(() => listenTcp({ ip: ipv4("127.0.0.1"), port })).code).toBe("ADDRESS_TAKEN");
    libc.close(six);
  });

  test("an unknown device is named by the failing option", () => {
    const options = { bind: { ip: ipv4("127.0.0.1"), port: 0 }, device: "nv-none" };
    expect(fault(() => openUdp(options)).fields).toMatchObject({ option: "SO_BINDTODEVICE", errno: "ENODEV" });
  });

  test("a group of the other family is a bug of the caller", () => {
    const multicast = { ifindex: 1, groups: [ipv6("ff02::1")], loop: false };
    expect(() => openUdp({ bind: { ip: ipv4("0.0.0.0"), port: 0 }, multicast })).toThrow(TypeError);
  });
});

describe("socket addresses", () => {
  test.each([
    ["02001f90c0000201 0000000000000000", sockaddr.encodeInet({ ip: ipv4("192.0.2.1"), port: 8080 })],
    [
      "0a00 0050 00000000 fe800000000000000000000000000001 03000000",
      sockaddr.encodeInet({ ip: ipv6("fe80::1"), port: 80 }, 3),
    ],
    ["1100 0806 02000000 0000 00 06 0200000000010000", sockaddr.encodeLink(2, 0x0806, 0x020000000001 as Mac)],
    ["0100 2f782f7900", sockaddr.encodeUnix("/x/y")],
    ["0100 006162", sockaddr.encodeUnix("\0ab")],
    ["1000 0000 07000000 11000000", sockaddr.encodeNetlink(7, 0x11)],
  ])("%s", (hex, bytes) => {
    expect(Buffer.from(bytes).toString("hex")).toBe(hex.replaceAll(" ", ""));
  });

  test("decode what was encoded", () => {
    const round = (bytes: Uint8Array): unknown => sockaddr.decodeSocketAddress(bytes);
    const six = { ip: ipv6("fe80::1"), port: 80 };
    expect(round(sockaddr.encodeInet(six, 3))).toEqual({ kind: "ip", ...six, scope: 3 });
    expect(round(sockaddr.encodeUnix("/x/y"))).toEqual({ kind: "unix", path: "/x/y" });
    expect(round(sockaddr.encodeUnix("\0ab"))).toEqual({ kind: "unix", path: "\0ab" });
    expect(round(sockaddr.encodeNetlink(7, 3))).toEqual({ kind: "netlink", port: 7, groups: 3 });
    const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
    expect(round(sockaddr.encodeLink(2, 0x0806, 0x020000000001 as Mac))).toEqual({
      kind: "link",
      ifindex: 2,
      ethertype: 0x0806,
      mac,
    });
  });

  test("anything shorter than its family needs is of no known kind", () => {
    for (const full of [
      sockaddr.encodeInet({ ip: ipv6("::1"), port: 1 }),
      sockaddr.encodeLink(1, 2),
      sockaddr.encodeNetlink(1, 1),
    ]) {
      for (let length = 0; length < 12; length++)
        expect(sockaddr.decodeSocketAddress(full.subarray(0, length)).kind).toBe("other");
    }
  });

  test("errno has a name", () => {
    expect([errnoName(98), errnoName(104), errnoName(4711)]).toEqual(["EADDRINUSE", "ECONNRESET", "errno 4711"]);
  });
});
