import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Ip, type Ipv4, ipv4, ipv6 } from "../../../base/address.ts";
import { assign, compare, outranks, weight } from "../../../netstack/vip/rank.ts";

const IP = ipv4("10.0.0.100");

describe("§5.2 turn", () => {
  test("priority, then fewest owned, then hash, then name", () => {
    const a = { node: "a", priority: 100, load: 3 };
    expect(compare({ ...a, priority: 101, load: 9 }, a, IP)).toBeLessThan(0);
    expect(compare({ ...a, node: "b", load: 2 }, a, IP)).toBeLessThan(0);
    const [b, c] = [
      { ...a, node: "b" },
      { ...a, node: "c" },
    ];
    expect(Math.sign(compare(b, c, IP))).toBe(Math.sign(weight("c", IP) - weight("b", IP)));
  });

  test("every node computes the same, whatever the order in which it knows things", () => {
    const candidate = fc.record({
      node: fc.constantFrom("a", "b", "c", "d"),
      priority: fc.integer({ min: 1, max: 3 }),
      load: fc.nat(5),
    });
    const candidates = fc.uniqueArray(candidate, { selector: (each) => each.node, minLength: 1 });
    const vips = fc.uniqueArray(
      fc.nat(50).map((low) => (IP + low) as Ip),
      { minLength: 1, maxLength: 20 },
    );
    fc.assert(
      fc.property(vips, candidates, (addresses, found) => {
        const orphans = addresses.map((vip) => ({ vip, candidates: found }));
        const turned = orphans.map((each) => ({ ...each, candidates: found.toReversed() })).toReversed();
        const order = (map: ReturnType<typeof assign>): unknown =>
          addresses.map((vip) => map.get(vip)?.map((each) => each.node));
        expect(order(assign(orphans))).toEqual(order(assign(turned)));
      }),
    );
  });

  test("equals share what became free, within one", () => {
    const vips = Array.from({ length: 31 }, (_, index) => (IP + index) as Ipv4);
    const candidates = ["a", "b", "c"].map((node) => ({ node, priority: 1, load: 0 }));
    const firsts = [...assign(vips.map((vip) => ({ vip, candidates }))).values()].map((order) => order[0]?.node);
    const counts = ["a", "b", "c"].map((node) => firsts.filter((first) => first === node).length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  });

  test("the hash spreads addresses and nodes of both families evenly", () => {
    let a = 0;
    for (let index = 0; index < 1000; index++) {
      const ip = index % 2 === 0 ? ((IP + index) as Ipv4) : ipv6(`fd00::${index.toString(16)}`);
      if (weight("edge-a", ip) > weight("edge-b", ip)) a++;
    }
    expect(a).toBeGreaterThan(430);
    expect(a).toBeLessThan(570);
  });
});

describe("§4 of two owners", () => {
  test("the later claim keeps, then priority, then the smaller name: one of both always", () => {
    const claim = fc.record({ node: fc.constantFrom("a", "b"), term: fc.nat(2), priority: fc.nat(2) });
    fc.assert(
      fc.property(claim, claim, (one, other) => {
        fc.pre(one.node !== other.node);
        expect(outranks(one, other)).toBe(!outranks(other, one));
        if (one.term > other.term) expect(outranks(one, other)).toBe(true);
      }),
    );
  });
});
