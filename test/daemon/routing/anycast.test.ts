/** Addresses on `lo` of a host of its own. */
import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { formatIp, type Ip, ipv4, ipv6, isIpv4 } from "../../../base/address.ts";
import { Anycast } from "../../../daemon/routing/anycast.ts";
import { audit, remove } from "../../../netstack/kernel/audit.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import { ADDRESS_PROTOCOL, ROUTED_ADDRESS_PROTOCOL } from "../../../netstack/kernel/marks.ts";
import { Holdings } from "../../../netstack/vip/driver/holdings.ts";
import { open, until } from "../../netstack/kernel/loop-probe.ts";
import { type Host, Segment, UNABLE } from "../../netstack/kernel/segment.ts";

const V4 = ipv4("192.0.2.10");
const V6 = ipv6("2001:db8::10");

describe.skipIf(UNABLE !== undefined)("addresses that routers are told of", () => {
  let segment: Segment;
  let host: Host;
  let loop: Loop;
  let lo: number;
  const warnings: string[] = [];
  let moves = 0;
  beforeEach(() => {
    segment = new Segment({ a: [ipv4("192.0.2.1")] });
    host = segment.host("a");
    lo = host.route.indexOf("lo");
    loop = host.do(() => open("epoll"));
    warnings.length = 0;
    moves = 0;
  });
  afterEach(() => {
    loop[Symbol.dispose]();
    segment[Symbol.dispose]();
  });

  const born = (): Anycast =>
    host.do(
      () =>
        new Anycast({
          loop,
          warn: (name, fields) => warnings.push(`${name} ${String(fields["address"])}`),
          moved: () => moves++,
        }),
    );
  const there = (): readonly string[] =>
    host.route
      .addresses(lo)
      .filter(({ protocol }) => protocol === ROUTED_ADDRESS_PROTOCOL)
      .map(({ ip, prefixLength }) => `${formatIp(ip)}/${prefixLength}`);

  test("bound at once and answering at once; gone when they have not been wanted for a while", () => {
    using anycast = born();
    anycast.want([V4, V6]);
    expect(there()).toEqual(["192.0.2.10/32", "2001:db8::10/128"]);
    const six = host.route.addresses(lo).find(({ ip }) => ip === V6);
    expect(six).toMatchObject({ tentative: false, scope: 0 });
    expect([anycast.hindrance(V4), anycast.hindrance(V6)]).toEqual([undefined, undefined]);
    anycast.want([V6]);
    expect(there().length).toBe(2);
    expect(anycast.hindrance(V4)).toBe("not wanted");
    until(loop, "unbound", () => there().length === 1);
    anycast.clear();
    expect(there()).toEqual([]);
  });

  test("wanted again in time: it never leaves", () => {
    using anycast = born();
    anycast.want([V4]);
    anycast.want([]);
    anycast.want([V4, V6]);
    anycast.want([V4]);
    until(loop, "the other one unbound", () => there().length === 1);
    expect(there()).toEqual(["192.0.2.10/32"]);
  });

  test("a crash leaves them; the next life takes over what it wants and removes the rest", () => {
    const before = born();
    before.want([V4, V6]);
    before[Symbol.dispose]();
    using after = born();
    expect(after.found).toBe(2);
    after.want([V6]);
    expect(there().length).toBe(2);
    until(loop, "unbound", () => there().length === 1);
    expect(there()).toEqual(["2001:db8::10/128"]);
    expect(warnings).toEqual([]);
  });

  test("what a stranger takes away is put back and said; what a stranger has put there is used and left", () => {
    host.route.addAddress({ ip: V6, prefixLength: 128, index: lo });
    using anycast = born();
    anycast.want([V4, V6]);
    expect(warnings).toEqual(["vip.address-foreign 2001:db8::10"]);
    expect(anycast.hindrance(V6)).toBeUndefined();
    host.route.deleteAddress(V4, 32, lo);
    until(loop, "restored", () => there().length === 1);
    expect(warnings[1]).toBe("vip.address-restored 192.0.2.10");
    anycast.clear();
    expect(there()).toEqual([]);
    expect(host.route.addresses(lo).some(({ ip }) => ip === V6)).toBe(true);
  });

  test("an address that a stranger has replaced meanwhile is his: it stays when ours go", () => {
    using anycast = born();
    anycast.want([V4, V6]);
    const replace = (): void => {
      host.do(() => execFileSync("ip", ["address", "replace", "192.0.2.10/32", "dev", "lo"]));
    };
    const his = (): boolean => host.route.addresses(lo).some(({ ip }) => ip === V4);
    replace();
    expect(there()).toEqual(["2001:db8::10/128"]);
    anycast.want([]);
    until(loop, "unbound", () => there().length === 0);
    expect(his()).toBe(true);
    host.route.deleteAddress(V4, 32, lo);
    anycast.want([V4]);
    expect(there()).toEqual(["192.0.2.10/32"]);
    replace();
    anycast.clear();
    expect(his()).toBe(true);
  });

  test("an address that cannot be bound says why, and is bound as soon as it can be", () => {
    const refusing = host.route.addresses(lo).find(({ ip }) => !isIpv4(ip));
    if (refusing === undefined) throw new Error("no ::1");
    // Somebody has it on another interface: IPv6 addresses are unique on a host.
    host.route.addAddress({ ip: V6, prefixLength: 64, index: host.index, noDad: true });
    using anycast = born();
    anycast.want([V4, V6]);
    if (anycast.hindrance(V6) === undefined) return; // this kernel takes it twice, which is as good
    expect(there()).toEqual(["192.0.2.10/32"]);
    host.route.deleteAddress(V6, 64, host.index);
    until(loop, "bound", () => there().length === 2);
    expect(moves).toBe(1);
  });

  test("pulse, starting beside it, leaves them alone; `novactl cleanup` finds them", () => {
    using anycast = born();
    anycast.want([V4]);
    host.route.addAddress({ ip: ipv4("192.0.2.99"), prefixLength: 32, index: host.index, protocol: ADDRESS_PROTOCOL });
    host.do(() => {
      using holdings = new Holdings({ repaired: () => undefined, foreign: () => undefined });
      expect(holdings.sweep()).toBe(1);
    });
    expect(there()).toEqual(["192.0.2.10/32"]);
    const found = host.do(audit);
    expect(found.addresses.map(({ ip, ifname }): readonly [Ip, string] => [ip, ifname])).toEqual([[V4, "lo"]]);
    anycast.want([]);
    host.do(() => remove(found));
    expect(there()).toEqual([]);
  });
});
