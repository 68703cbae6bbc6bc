/** Import and export policy, and what is told to whom. */
import { describe, expect, test } from "vitest";
import type { BgpRule } from "../../../netstack/bgp/plan.ts";
import { topology } from "./topologies.ts";
import { network } from "./world.ts";

const rule = (some: Partial<BgpRule>): BgpRule => ({ name: "r", match: {}, action: "accept", set: {}, ...some });
const accept = (...rules: BgpRule[]) => ({ rules, otherwise: "accept" as const });
const VIP = "192.0.2.1/32";

describe("policy", () => {
  test("prefix ranges, communities, paths, next hops; the first rule that matches decides", () => {
    const networks = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "172.16.0.0/12"].map((prefix) =>
      network(prefix, { communities: ["65001:5"] }),
    );
    const policy = {
      rules: [
        rule({ name: "longer", match: { prefixes: [{ prefix: "10.0.0.0/8", ge: 24 }] }, action: "reject" }),
        rule({
          name: "ten",
          match: { prefixes: [{ prefix: "10.0.0.0/8", le: 16 }], communities: ["65001:5"] },
          set: {
            localPref: 200,
            med: 9,
            prepend: 2,
            addCommunities: ["65002:1", "65002:1:1"],
            removeCommunities: ["65001:5"],
          },
        }),
        rule({
          name: "path",
          match: { asPath: "^65001$", nextHops: ["10.0.0.1"], largeCommunities: ["1:1:1"] },
          action: "accept",
        }),
      ],
      otherwise: "reject" as const,
    };
    const it = topology(
      5,
      [
        ["a", 65001, networks],
        ["b", 65002],
      ],
      [["a", "b", {}, { import: policy }]],
    );
    expect([...it.at("b").best().values()]).toMatchObject([
      {
        prefix: "10.0.0.0/8",
        localPref: 200,
        med: 9,
        asPath: "65001 65001 65001",
        communities: ["65002:1"],
        largeCommunities: ["65002:1:1"],
      },
      { prefix: "10.1.0.0/16" },
    ]);
    expect(it.at("b").speaker.report("a", 0)?.families[0]).toMatchObject({ received: 4, accepted: 2 });
  });
  test("export: next hop, MED and prepending for one peer only", () => {
    const set = { nextHop: "10.0.0.9", med: 77, prepend: 1 };
    const it = topology(
      6,
      [
        ["a", 65001, [network(VIP)]],
        ["b", 65002],
        ["c", 65003],
      ],
      [
        ["a", "b", { export: accept(rule({ set })) }],
        ["a", "c"],
      ],
    );
    expect(it.at("b").best().get(VIP)).toMatchObject({ nextHop: "10.0.0.9", med: 77, asPath: "65001 65001" });
    expect(it.at("c").best().get(VIP)).toMatchObject({ nextHop: "10.0.0.1", med: undefined, asPath: "65001" });
  });
  test("export of what is ours alone: by its path, as this peer would see it, less our one number in front", () => {
    const own = (asn: number) => ({
      rules: [rule({ match: { asPath: `^(?:${asn}(?: ${asn})*)?$` } })],
      otherwise: "reject" as const,
    });
    const it = topology(
      17,
      [
        ["x", 65009, [network("10.9.0.0/16")]],
        ["a", 65001, [network(VIP, { prepend: 2 }), network("192.0.2.2/32")]],
        ["b", 65002],
        ["c", 65003],
      ],
      [
        ["x", "a"],
        ["a", "b", { export: own(65001) }],
        ["a", "c", { export: own(65111), localAsn: 65111 }, { asn: 65111 }],
      ],
    );
    expect(it.at("b").routes("a")).toMatchObject([
      { prefix: VIP, asPath: "65001 65001 65001" },
      { prefix: "192.0.2.2/32", asPath: "65001" },
    ]);
    expect(it.at("c").routes("a")).toMatchObject([
      { prefix: VIP, asPath: "65111 65111 65111" },
      { prefix: "192.0.2.2/32", asPath: "65111" },
    ]);
  });
  test("internal peers: next hop self when policy says so", () => {
    const it = topology(
      7,
      [
        ["x", 65009, [network(VIP)]],
        ["a", 65001],
        ["b", 65001],
      ],
      [
        ["x", "a"],
        ["a", "b", { export: accept(rule({ set: { nextHop: "self" } })) }],
      ],
    );
    expect(it.at("b").best().get(VIP)?.nextHop).toBe("10.0.0.2");
  });
});

describe("networks", () => {
  test("are told to whom they are meant for, each in its own way", () => {
    const it = topology(
      8,
      [
        [
          "a",
          65001,
          [network(VIP, { peers: ["b"], med: 1 }), network(VIP, { med: 2 }), network("192.0.2.2/32", { peers: ["c"] })],
        ],
        ["b", 65002],
        ["c", 65003],
      ],
      [
        ["a", "b"],
        ["a", "c"],
      ],
    );
    expect(it.at("b").routes("a")).toMatchObject([{ prefix: VIP, med: 1 }]);
    expect(it.at("c").routes("a")).toMatchObject([{ prefix: VIP, med: 2 }, { prefix: "192.0.2.2/32" }]);
    it.replan("a", [network(VIP, { med: 3 })]);
    it.world.run(100);
    expect(it.at("b").routes("a")).toMatchObject([{ prefix: VIP, med: 3 }]);
    expect(it.at("c").routes("a")).toMatchObject([{ prefix: VIP, med: 3 }]);
  });
  test("of IPv6 over a session of IPv4 have an IPv6 next hop", () => {
    const it = topology(
      9,
      [
        ["a", 65001, [network("2001:db8:1::/48")]],
        ["b", 65002],
      ],
      [["a", "b"]],
    );
    expect(it.at("b").best().get("2001:db8:1::/48")?.nextHop).toBe("2001:db8::1");
  });
  test("changes of one turn are told once", () => {
    const it = topology(
      10,
      [
        ["a", 65001],
        ["b", 65002],
      ],
      [["a", "b"]],
    );
    const before = it.at("a").speaker.report("b", 0)?.messages["update"]?.out ?? 0;
    it.replan(
      "a",
      Array.from({ length: 500 }, (_, index) => network(`10.${index >> 8}.${index & 255}.0/24`)),
    );
    it.world.run(100);
    expect(it.at("b").best().size).toBe(500);
    expect((it.at("a").speaker.report("b", 0)?.messages["update"]?.out ?? 0) - before).toBeLessThan(5);
  });
});
