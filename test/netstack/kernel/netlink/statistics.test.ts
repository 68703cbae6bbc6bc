/** Counters of interfaces. */
import { describe, expect, test } from "vitest";
import { ipv4 } from "../../../../base/address.ts";
import { close, sendto } from "../../../../netstack/kernel/libc.ts";
import { RouteSocket } from "../../../../netstack/kernel/netlink/route-socket.ts";
import { decodeCounters } from "../../../../netstack/kernel/netlink/statistics.ts";
import { encodeInet } from "../../../../netstack/kernel/sockaddr.ts";
import { openUdp } from "../../../../netstack/kernel/sockets.ts";
import { Segment, UNABLE } from "../segment.ts";

describe("struct rtnl_link_stats64", () => {
  test("answers that are too short are refused", () => {
    expect(decodeCounters(new Uint8Array(4))).toMatchObject({
      ok: false,
      error: { kind: "short", what: "if_stats_msg" },
    });
    expect(decodeCounters(new Uint8Array(12))).toMatchObject({ ok: false, error: { what: "rtnl_link_stats64" } });
  });
});

describe.skipIf(UNABLE !== undefined)("the kernel's counters", () => {
  test("what was sent is counted, on both ends of a pair", () => {
    using segment = new Segment({ a: [ipv4("192.0.2.1")] });
    const host = segment.host("a");
    const lo = host.route.indexOf("lo");
    const before = host.route.counters(lo);
    host.do(() => {
      const fd = openUdp({ bind: { ip: ipv4("127.0.0.1"), port: 0 } });
      const to = encodeInet({ ip: ipv4("127.0.0.1"), port: 9 });
      for (let n = 0; n < 10; n++) sendto(fd, new Uint8Array(1000), 1000, 0, to, to.length);
      close(fd);
    });
    const after = host.route.counters(lo);
    if (before === undefined || after === undefined) throw new Error("no counters");
    // Each packet with its headers, and what ICMP answers.
    expect(after.sent.octets - before.sent.octets).toBeGreaterThanOrEqual(10 * 1028);
    expect(after.sent.packets - before.sent.packets).toBeGreaterThanOrEqual(10);
    expect(after.received).toEqual(after.sent);
  });
  test("an interface that is not there has none", () => {
    using route = new RouteSocket();
    expect(route.counters(0x7fff_fff0)).toBeUndefined();
  });
});
