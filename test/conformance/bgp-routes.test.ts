/** What RFC 4271 §5 and §9, RFC 1997 and others say MUST become of a route: one peer tells, another hears. */
import { describe, expect, test } from "vitest";
import { formatPrefix, ipv4, ipv6 } from "../../base/address.ts";
import type { PathAttributes } from "../../netstack/bgp/packet/attribute.ts";
import type { Capability } from "../../netstack/bgp/packet/capability.ts";
import { prefixesOf } from "../../netstack/bgp/packet/nlri.ts";
import type { BgpPeerSpec, BgpPlan } from "../../netstack/bgp/plan.ts";
import { type Call, Desk } from "../netstack/bgp/tester.ts";
import { network, peerOf, planOf } from "../netstack/bgp/world.ts";

interface Three {
  readonly desk: Desk;
  /** AS 65002, external. */
  readonly teller: Call;
  /** AS 65003, external. */
  readonly other: Call;
  /** Our own AS. */
  readonly inner: Call;
}
function three(
  some: {
    readonly other?: Partial<BgpPeerSpec>;
    readonly plan?: Partial<BgpPlan>;
    readonly capabilities?: readonly Capability[];
  } = {},
): Three {
  const desk = new Desk();
  const passive = { mode: "passive" } as const;
  desk.plan(
    planOf(65001, "10.0.0.1", {
      peers: [
        peerOf("teller", "10.0.0.2", 65002, passive),
        peerOf("other", "10.0.0.3", 65003, { ...passive, ...some.other }),
        peerOf("inner", "10.0.0.4", 65001, passive),
      ],
      ...some.plan,
    }),
  );
  const teller = desk.call("10.0.0.2").up({ routerId: ipv4("10.0.0.2") });
  const other = desk.call("10.0.0.3").up({ asn: 65003, routerId: ipv4("10.0.0.3") }, some.capabilities);
  const inner = desk.call("10.0.0.4");
  inner.agreed = { ...inner.agreed, peer: "internal" };
  inner.up({ asn: 65001, routerId: ipv4("10.0.0.4") });
  return { desk, teller, other, inner };
}
/** The last that was said of a prefix: its attributes; "withdrawn"; undefined: nothing. */
function heard(call: Call, wanted: string): PathAttributes | "withdrawn" | undefined {
  let last: PathAttributes | "withdrawn" | undefined;
  for (const message of call.messages) {
    if (message.kind !== "update") continue;
    for (const nlri of message.unreach) if (prefixesOf(nlri).map(formatPrefix).includes(wanted)) last = "withdrawn";
    for (const { nlri, attributes } of message.reach)
      if (prefixesOf(nlri).map(formatPrefix).includes(wanted)) last = attributes;
  }
  return last;
}
const P = "198.51.100.0/24";
const path = (...asns: number[]) => [{ kind: "sequence" as const, asns }];

describe("RFC 4271 §5: attributes", () => {
  test("an optional transitive attribute that nobody knows is passed on, the Partial bit set; a non-transitive one is not", () => {
    const { teller, other, inner } = three();
    const value = Uint8Array.of(1, 2, 3);
    teller.announce([P], { unknown: [{ type: 99, flags: 0xc0, value }] });
    for (const call of [other, inner])
      expect(heard(call, P)).toMatchObject({ unknown: [{ type: 99, flags: 0xe0, value }] });
    teller.announce([P], { unknown: [{ type: 98, flags: 0x80, value }] });
    for (const call of [other, inner]) expect(heard(call, P)).toMatchObject({ unknown: [] });
  });
  test("§5.1.1: ORIGIN is not changed", () => {
    const { teller, other } = three();
    teller.announce([P], { origin: "incomplete" });
    expect(heard(other, P)).toMatchObject({ origin: "incomplete" });
  });
  test("§5.1.2: our AS in front to external peers, no change to internal ones", () => {
    const { teller, other, inner } = three();
    teller.announce([P], { asPath: path(65002, 7, 8) });
    expect(heard(other, P)).toMatchObject({ asPath: path(65001, 65002, 7, 8) });
    expect(heard(inner, P)).toMatchObject({ asPath: path(65002, 7, 8) });
  });
  test("§5.1.2: a path that begins with a set gets a sequence in front of it", () => {
    const { teller, other } = three();
    teller.announce([P], { asPath: [...path(65002), { kind: "set", asns: [5, 6] }] });
    expect(heard(other, P)).toMatchObject({ asPath: [...path(65001, 65002), { kind: "set", asns: [5, 6] }] });
  });
  test("§5.1.3: ourselves as next hop to external peers; as it is to internal ones", () => {
    const { teller, other, inner } = three();
    teller.announce([P]);
    expect(heard(other, P)).toMatchObject({ nextHop: { global: ipv4("10.0.0.1") } });
    expect(heard(inner, P)).toMatchObject({ nextHop: { global: ipv4("10.0.0.2") } });
  });
  test("RFC 2545 §3: a link-local next hop stays on its link: an internal peer gets the global one, or ourselves", () => {
    const { teller, inner } = three();
    const linkLocal = ipv6("fe80::2");
    teller.announce(["2001:db8:7::/48"], { nextHop: { global: undefined, linkLocal } });
    expect(heard(inner, "2001:db8:7::/48")).toMatchObject({
      nextHop: { global: ipv6("2001:db8::1"), linkLocal: undefined },
    });
    teller.announce(["2001:db8:7::/48"], { nextHop: { global: ipv6("2001:db8::2"), linkLocal } });
    expect(heard(inner, "2001:db8:7::/48")).toMatchObject({
      nextHop: { global: ipv6("2001:db8::2"), linkLocal: undefined },
    });
  });
  test("RFC 8950 §4: an IPv6 next hop of an IPv4 route is told to an internal peer only where that was agreed", () => {
    const capability: Capability = { kind: "extended-next-hop", families: [{ family: "ipv4", nextHop: "ipv6" }] };
    const global = ipv6("2001:db8::2");
    for (const agreed of [false, true]) {
      const desk = new Desk();
      const spec = { mode: "passive", extendedNextHop: true } as const;
      desk.plan(
        planOf(65001, "10.0.0.1", {
          peers: [peerOf("teller", "10.0.0.2", 65002, spec), peerOf("inner", "10.0.0.4", 65001, spec)],
        }),
      );
      const teller = desk.call("10.0.0.2").up({ routerId: ipv4("10.0.0.2") }, [capability]);
      const inner = desk.call("10.0.0.4");
      inner.agreed = { ...inner.agreed, peer: "internal", extendedNextHop: true };
      inner.up({ asn: 65001, routerId: ipv4("10.0.0.4") }, agreed ? [capability] : []);
      teller.announce([P], { nextHop: { global, linkLocal: undefined } });
      expect(heard(inner, P)).toMatchObject({ nextHop: { global: agreed ? global : ipv4("10.0.0.1") } });
    }
  });
  test("§5.1.3: a route with ourselves as next hop is not used", () => {
    const { desk, teller, other } = three();
    teller.announce([P], { nextHop: { global: ipv4("10.0.0.1"), linkLocal: undefined } });
    expect(heard(other, P)).toBeUndefined();
    expect(desk.speaker.routes({ prefix: undefined, peer: "teller", most: 9 }).routes).toMatchObject([
      { best: false, why: "own-next-hop" },
    ]);
  });
  test("§5.1.4: a MED may go to internal peers, never from one neighbouring AS to another", () => {
    const { teller, other, inner } = three();
    teller.announce([P], { med: 9 });
    expect(heard(inner, P)).toMatchObject({ med: 9 });
    expect(heard(other, P)).toMatchObject({ med: undefined });
  });
  test("§5.1.4: a MED can be removed by configuration, before the decision", () => {
    const set = { med: "remove" } as const;
    const { teller, desk } = three();
    const without = peerOf("teller", "10.0.0.2", 65002, {
      mode: "passive",
      import: { rules: [{ name: "r", match: {}, action: "accept", set }], otherwise: "reject" },
    });
    teller.announce([P], { med: 9 });
    const plan = planOf(65001, "10.0.0.1", { peers: [without] });
    desk.plan(plan);
    expect(desk.speaker.routes({ prefix: undefined, peer: "teller", most: 9 }).routes).toMatchObject([
      { med: undefined },
    ]);
  });
  test("§5.1.5: LOCAL_PREF goes to every internal peer and to no external one; from an external one it is ignored", () => {
    const { desk, teller, other, inner } = three();
    teller.agreed = { ...teller.agreed, peer: "internal" }; // writes LOCAL_PREF, which it must not
    teller.announce([P], { localPref: 500 });
    expect(heard(inner, P)).toMatchObject({ localPref: 100 });
    expect(heard(other, P)).toMatchObject({ localPref: undefined });
    expect(desk.speaker.report("teller", 0)).toMatchObject({ state: "established" });
  });
  test("§5.1.6, §5.1.7: ATOMIC_AGGREGATE and AGGREGATOR stay", () => {
    const { teller, other } = three();
    const aggregator = { asn: 4_200_000_000, address: ipv4("10.9.9.9") };
    teller.announce([P], { atomicAggregate: true, aggregator });
    expect(heard(other, P)).toMatchObject({ atomicAggregate: true, aggregator });
  });
  test("RFC 4456 §8: ORIGINATOR_ID and CLUSTER_LIST do not leave the AS; our own identifier in it is a loop", () => {
    const { desk, other, inner } = three();
    inner.announce([P], {
      asPath: path(7),
      originatorId: ipv4("10.0.0.9"),
      clusterList: [ipv4("10.0.0.8")],
      localPref: 100,
    });
    expect(heard(other, P)).toMatchObject({ originatorId: undefined, clusterList: [] });
    inner.announce([P], { asPath: path(7), originatorId: ipv4("10.0.0.1"), localPref: 100 });
    expect(heard(other, P)).toBe("withdrawn");
    expect(desk.speaker.routes({ prefix: undefined, peer: "inner", most: 9 }).routes).toMatchObject([
      { why: "originator-loop" },
    ]);
  });
});

describe("RFC 4271 §9: routes in, routes out", () => {
  test("§3.1, §9: an announcement replaces the one before it; a withdrawal ends it", () => {
    const { desk, teller, other } = three();
    teller.announce([P], { asPath: path(65002, 7) });
    teller.announce([P], { asPath: path(65002, 8) });
    expect(heard(other, P)).toMatchObject({ asPath: path(65001, 65002, 8) });
    expect(desk.speaker.stats().paths).toBe(1);
    teller.withdraw([P]);
    expect(heard(other, P)).toBe("withdrawn");
    teller.withdraw([P]); // of what is not there
    expect(desk.speaker.report("teller", 0)?.state).toBe("established");
  });
  test("§9.1.2: a path with our own AS in it is excluded", () => {
    const { desk, teller, other } = three();
    teller.announce([P], { asPath: path(65002, 65001) });
    expect(heard(other, P)).toBeUndefined();
    expect(desk.speaker.report("teller", 0)?.families[0]).toMatchObject({ received: 1, accepted: 0 });
  });
  test("§9.1.2.1: a route whose next hop cannot be reached is excluded, and withdrawn where it was told", () => {
    const { desk, teller, other } = three();
    teller.announce([P]);
    desk.feed({ kind: "next-hop", ip: ipv4("10.0.0.2"), metric: undefined });
    expect(heard(other, P)).toBe("withdrawn");
    desk.feed({ kind: "next-hop", ip: ipv4("10.0.0.2"), metric: 1 });
    expect(heard(other, P)).toMatchObject({ origin: "igp" });
  });
  test("§9.2: what an internal peer said is not told to internal peers; nobody hears its own", () => {
    const desk = new Desk();
    const names = ["10.0.0.4", "10.0.0.5"];
    desk.plan(
      planOf(65001, "10.0.0.1", { peers: names.map((name) => peerOf(name, name, 65001, { mode: "passive" })) }),
    );
    const [a, b] = names.map((name) => {
      const call = desk.call(name);
      call.agreed = { ...call.agreed, peer: "internal" };
      return call.up({ asn: 65001, routerId: ipv4(name) });
    });
    a?.announce([P], { asPath: path(7), localPref: 100 });
    expect(desk.speaker.routes({ prefix: undefined, peer: undefined, most: 9 }).routes).toMatchObject([{ best: true }]);
    expect(b && heard(b, P)).toBeUndefined();
    expect(a && heard(a, P)).toBeUndefined();
  });
  test("§9.1.4: the routes of a session go with it", () => {
    const { desk, teller, other } = three();
    teller.announce([P]);
    desk.feed({ kind: "closed", connection: teller.connection, why: "reset" });
    expect(heard(other, P)).toBe("withdrawn");
    expect(desk.speaker.stats().paths).toBe(0);
  });
  test("§4.3, RFC 8654 §4: no message is longer than the peer can take, nor shorter than it could be", () => {
    const plan = {
      networks: Array.from({ length: 6000 }, (_, index) => network(`10.${index >> 8}.${index & 255}.0/24`)),
    };
    const sizes = (capabilities: readonly Capability[]) => {
      const { other } = three({ plan, capabilities });
      const updates = other.messages.filter(({ kind }) => kind === "update");
      expect(
        updates
          .flatMap((each) => (each.kind === "update" ? each.reach : []))
          .reduce((sum, { nlri }) => sum + nlri.count, 0),
      ).toBe(6000);
      return updates.length;
    };
    // 4 octets a prefix: some 1,000 fit 4,096 octets, all fit 65,535.
    expect(sizes([])).toBe(6);
    expect(sizes([{ kind: "extended-message" }])).toBe(1);
  });
});

describe("RFC 1997, RFC 8326: well-known communities", () => {
  const told = (community: number): readonly [boolean, boolean] => {
    const { teller, other, inner } = three();
    teller.announce([P], { communities: [community] });
    return [heard(other, P) !== undefined, heard(inner, P) !== undefined];
  };
  test("NO_EXPORT and NO_EXPORT_SUBCONFED are not told to external peers, NO_ADVERTISE to nobody", () => {
    expect(told(0xffffff01)).toEqual([false, true]);
    expect(told(0xffffff03)).toEqual([false, true]);
    expect(told(0xffffff02)).toEqual([false, false]);
    expect(told(0x00010001)).toEqual([true, true]);
  });
  test("RFC 8326 §4.3: a route that is about to go is told inside with LOCAL_PREF 0, and stays usable", () => {
    const { teller, other, inner } = three();
    teller.announce([P], { communities: [0xffff0000] });
    expect(heard(inner, P)).toMatchObject({ localPref: 0, communities: [0xffff0000] });
    expect(heard(other, P)).toMatchObject({ communities: [0xffff0000] });
  });
  test("RFC 8326 §4.2: our own graceful shutdown marks all that we say, and unmarks it when it is called off", () => {
    const { desk, other, inner } = three({ plan: { networks: [network("192.0.2.1/32")] } });
    const plan = (gracefulShutdown: boolean) =>
      planOf(65001, "10.0.0.1", {
        peers: [
          peerOf("teller", "10.0.0.2", 65002, { mode: "passive" }),
          peerOf("other", "10.0.0.3", 65003, { mode: "passive" }),
          peerOf("inner", "10.0.0.4", 65001, { mode: "passive" }),
        ],
        networks: [network("192.0.2.1/32")],
        gracefulShutdown,
      });
    desk.plan(plan(true));
    expect(heard(other, "192.0.2.1/32")).toMatchObject({ communities: [0xffff0000] });
    expect(heard(inner, "192.0.2.1/32")).toMatchObject({ communities: [0xffff0000], localPref: 0 });
    desk.plan(plan(false));
    expect(heard(other, "192.0.2.1/32")).toMatchObject({ communities: [] });
    expect(heard(inner, "192.0.2.1/32")).toMatchObject({ communities: [], localPref: 100 });
  });
});

describe("RFC 7313: refresh, from the other side", () => {
  test("§4.1: a request is answered with the whole table, between BoRR and EoRR where both can", () => {
    const capabilities: readonly Capability[] = [{ kind: "route-refresh" }, { kind: "enhanced-route-refresh" }];
    const { other } = three({ plan: { networks: [network("192.0.2.1/32")] }, capabilities });
    const from = other.messages.length;
    other.say({ kind: "route-refresh", family: "ipv4", what: "request" });
    expect(other.messages.slice(from).map((each) => (each.kind === "route-refresh" ? each.what : each.kind))).toEqual([
      "begin",
      "update",
      "end",
    ]);
  });
  test("RFC 2918 §4: without marks where it cannot", () => {
    const { other } = three({
      plan: { networks: [network("192.0.2.1/32")] },
      capabilities: [{ kind: "route-refresh" }],
    });
    const from = other.messages.length;
    other.say({ kind: "route-refresh", family: "ipv4", what: "request" });
    expect(other.said.slice(from)).toEqual(["update"]);
  });
  test("§5: an EoRR without a BoRR, and a subtype that nobody knows, change nothing", () => {
    const capabilities: readonly Capability[] = [{ kind: "route-refresh" }, { kind: "enhanced-route-refresh" }];
    const { desk, other } = three({ capabilities });
    other.announce([P], { asPath: path(65003), nextHop: { global: ipv4("10.0.0.3"), linkLocal: undefined } });
    const from = other.messages.length;
    other.say({ kind: "route-refresh", family: "ipv4", what: "end" });
    other.say({ kind: "route-refresh", family: "ipv4", what: 9 });
    expect(other.said.slice(from)).toEqual([]);
    expect(desk.speaker.report("other", 0)).toMatchObject({ state: "established", refused: { "refresh/9": 1 } });
    expect(desk.speaker.stats().paths).toBe(1);
  });
});
