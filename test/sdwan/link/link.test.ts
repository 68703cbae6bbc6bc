/** A WAN link's state, under a virtual clock. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ipv4, ipv6 } from "../../../base/address.ts";
import { after, instant, seconds } from "../../../base/unit.ts";
import { addresses, gateways, type Link, type LinkEvent, linkOf, nextWake, step } from "../../../sdwan/link/link.ts";
import type { DefaultRoute, Seen, SeenAddress } from "../../../sdwan/link/seen.ts";
import type { LinkSpec } from "../../../sdwan/underlay-plan.ts";

const SPEC: LinkSpec = {
  name: "isp1",
  ifname: "eth1",
  mark: 1,
  table: 11_001,
  gateway4: "auto",
  gateway6: "auto",
  masquerade: true,
  publicIp: undefined,
  mtu: undefined,
  quota: undefined,
  bandwidthTest: undefined,
};
const own = (ip: SeenAddress["ip"], more: Partial<SeenAddress> = {}): SeenAddress => ({
  ip,
  prefixLength: 24,
  peer: undefined,
  usable: true,
  temporary: false,
  ...more,
});
const V4 = own(ipv4("192.0.2.10"));
const V6 = own(ipv6("2001:db8::10"), { prefixLength: 64 });
const VIA4: DefaultRoute = { family: 4, gateway: ipv4("192.0.2.1"), metric: 100 };
const VIA6: DefaultRoute = { family: 6, gateway: ipv6("fe80::1"), metric: 1024 };
const GOOD: Seen = { index: 3, up: true, carrier: true, mtu: 1500, addresses: [V4, V6], defaults: [VIA4, VIA6] };
const T0 = instant(1_000_000);
const seen = (change: Partial<Seen>): LinkEvent => ({ kind: "seen", seen: { ...GOOD, ...change } });
const judge = (change: Partial<Seen>, spec: Partial<LinkSpec> = {}): Link =>
  linkOf({ ...SPEC, ...spec }, { ...GOOD, ...change }, T0);

describe("state of a link, and why", () => {
  test.each<[string, Seen | undefined, Partial<LinkSpec>, string, string]>([
    ["all there", GOOD, {}, "up", "carrier, address and gateway"],
    ["no interface", undefined, {}, "down", "no interface eth1"],
    ["switched off", { ...GOOD, up: false }, {}, "down", "eth1 is switched off"],
    ["no carrier", { ...GOOD, carrier: false }, {}, "down", "no carrier"],
    ["no address", { ...GOOD, addresses: [] }, {}, "down", "no address"],
    ["only unusable ones", { ...GOOD, addresses: [{ ...V4, usable: false }] }, {}, "down", "no address"],
    ["no route", { ...GOOD, defaults: [] }, {}, "down", "no gateway: the main table has no default route by eth1"],
    ["no way", { ...GOOD, defaults: [] }, { gateway4: "none", gateway6: "none" }, "down", "no gateway"],
    ["one family alone", { ...GOOD, defaults: [VIA6] }, {}, "up", "carrier, address and gateway"],
    ["static", { ...GOOD, defaults: [] }, { gateway4: "192.0.2.254" }, "up", "carrier, address and gateway"],
    [
      "static without its family",
      { ...GOOD, addresses: [V6] },
      { gateway4: "192.0.2.254" },
      "degraded",
      "no IPv4 address for gateway 192.0.2.254",
    ],
  ])("%s", (_, picture, spec, state, why) => {
    const link = linkOf({ ...SPEC, ...spec }, picture, T0);
    expect([link.state, link.why]).toEqual([state, why]);
  });

  test("third parties that do not answer degrade it, and say nothing about a link that is down", () => {
    const up = linkOf(SPEC, GOOD, T0);
    const silent = step(up, { kind: "internet", alive: false }, T0);
    expect([silent.state, silent.why]).toEqual(["degraded", "the internet does not answer by it"]);
    expect(step(silent, seen({ carrier: false }), T0).why).toBe("no carrier");
    expect(step(silent, { kind: "internet", alive: true }, T0).state).toBe("up");
    expect(step(silent, { kind: "internet", alive: undefined }, T0).state).toBe("up");
  });
});

describe("gateway and sources", () => {
  test("auto: the default route with the lowest metric, whoever made it; another one when that goes", () => {
    const dhcp: DefaultRoute = { family: 4, gateway: ipv4("192.0.2.2"), metric: 50 };
    expect(gateways(judge({ defaults: [VIA4, dhcp] })).gateway4).toBe("192.0.2.2");
    expect(gateways(step(judge({ defaults: [VIA4, dhcp] }), seen({ defaults: [VIA4] }), T0)).gateway4).toBe(
      "192.0.2.1",
    );
    expect(gateways(judge({}))).toEqual({ gateway4: "192.0.2.1", gateway6: "fe80::1" });
  });
  test("none, and a family without an address, have none", () => {
    expect(gateways(judge({}, { gateway6: "none" }))).toEqual({ gateway4: "192.0.2.1", gateway6: undefined });
    expect(gateways(judge({ addresses: [V4] })).gateway6).toBeUndefined();
  });
  test("point to point: the other end, or the interface itself", () => {
    const bare: readonly DefaultRoute[] = [{ family: 4, gateway: undefined, metric: 0 }];
    const peer = own(ipv4("100.64.0.2"), { prefixLength: 32, peer: ipv4("100.64.0.1") });
    expect(gateways(judge({ addresses: [peer], defaults: bare })).gateway4).toBe("100.64.0.1");
    expect(gateways(judge({ addresses: [V4], defaults: bare })).gateway4).toBe("0.0.0.0");
    const bare6: readonly DefaultRoute[] = [{ family: 6, gateway: undefined, metric: 0 }];
    expect(gateways(judge({ defaults: bare6 })).gateway6).toBe("::");
  });
  test("RFC 8981: temporary addresses come last", () => {
    const passing = own(ipv6("2001:db8::abcd"), { temporary: true });
    expect(addresses(judge({ addresses: [passing, V6, V4] }))).toEqual([
      "2001:db8::10",
      "192.0.2.10",
      "2001:db8::abcd",
    ]);
  });
});

describe("flapping carrier", () => {
  const flap = (times: number, every: number): { readonly link: Link; readonly at: typeof T0 } => {
    let link = linkOf(SPEC, GOOD, T0);
    let at = T0;
    for (let time = 0; time < times; time++) {
      at = after(at, seconds(every));
      link = step(link, seen({ carrier: false }), at);
      expect(link.state).toBe("down");
      link = step(link, seen({}), at);
    }
    return { link, at };
  };

  test("the first losses cost nothing; the third within seconds is believed to be over later", () => {
    expect(flap(2, 3).link.state).toBe("up");
    const { link, at } = flap(3, 3);
    expect([link.state, link.why]).toEqual(["degraded", "flapping: lost 3 times lately"]);
    const wake = nextWake(link);
    if (wake === undefined) throw new Error("nothing is awaited");
    expect(wake - at).toBeGreaterThan(seconds(15));
    expect(wake - at).toBeLessThan(seconds(30));
    expect(step(link, { kind: "wake" }, instant(wake - 100)).state).toBe("degraded");
    const over = step(link, { kind: "wake" }, wake);
    expect([over.state, nextWake(over)]).toEqual(["up", undefined]);
  });
  test("losses that are minutes apart are no flapping", () => {
    expect(flap(20, 120).link.state).toBe("up");
  });
  test("down is never delayed, and no hold lasts longer than a minute", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 60 }), (gaps) => {
        let link = linkOf(SPEC, GOOD, T0);
        let at = T0;
        for (const gap of gaps) {
          at = instant(at + gap);
          link = step(link, seen({ carrier: false }), at);
          expect(link.state).toBe("down");
          at = instant(at + gap);
          link = step(link, seen({}), at);
          expect(link.state).not.toBe("down");
          const wake = nextWake(link);
          expect(link.state === "degraded").toBe(wake !== undefined);
          if (wake === undefined) continue;
          expect(wake - at).toBeLessThanOrEqual(seconds(61));
          expect(step(link, { kind: "wake" }, wake).state).toBe("up");
        }
      }),
    );
  });
});
