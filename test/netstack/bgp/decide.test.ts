/** RFC 4271 §9.1.2.2: each step decides when all before it are equal, and the order of arrival never does. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ipv4 } from "../../../base/address.ts";
import { AttributeStore } from "../../../netstack/bgp/attributes.ts";
import { type Candidate, decide } from "../../../netstack/bgp/decide.ts";
import { NextHops } from "../../../netstack/bgp/next-hops.ts";
import { NO_OPTIONAL, type PathAttributes } from "../../../netstack/bgp/packet/attribute.ts";
import { attributesOf } from "../../../netstack/bgp/packet/attributes.ts";
import { Rib } from "../../../netstack/bgp/rib.ts";
import { orderOf, type Source, Sources } from "../../../netstack/bgp/sources.ts";

const store = new AttributeStore();
function attributes(some: Partial<PathAttributes>): PathAttributes {
  return attributesOf({
    origin: "igp",
    asPath: [{ kind: "sequence", asns: [65001] }],
    nextHop: { global: ipv4("10.0.0.9"), linkLocal: undefined },
    ...NO_OPTIONAL,
    ...some,
  });
}
let paths = 0;
function candidate(
  some: Partial<PathAttributes>,
  source: Partial<Source> = {},
  rest: Partial<Pick<Candidate, "metric" | "longLivedStale" | "pathId">> = {},
): Candidate {
  return {
    path: ++paths,
    pathId: 0,
    entry: store.entry(store.id(attributes(some))),
    source: {
      name: "p",
      kind: "external",
      asn: 65001,
      routerId: ipv4("10.0.0.5"),
      order: orderOf(ipv4("10.0.0.5")),
      ifname: undefined,
      ...source,
    },
    longLivedStale: false,
    metric: 0,
    ...rest,
  };
}
const path = (...asns: number[]) => ({ asPath: [{ kind: "sequence" as const, asns }] });

describe("RFC 4271 §9.1.2.2: the winner first, and why", () => {
  const cases: readonly (readonly [why: string, winner: Candidate, loser: Candidate])[] = [
    ["long-lived-stale", candidate({ localPref: 1 }), candidate({ localPref: 900 }, {}, { longLivedStale: true })],
    ["local", candidate({}, { kind: "local" }), candidate({ localPref: 900 })],
    ["local-preference", candidate({ localPref: 101, ...path(1, 2, 3) }), candidate({})],
    ["as-path-length", candidate({ ...path(1, 2), origin: "incomplete" }), candidate(path(1, 2, 3))],
    ["as-path-length", candidate({ asPath: [{ kind: "set", asns: [1, 2, 3] }] }), candidate(path(1, 2))],
    ["origin", candidate({ origin: "egp", med: 9 }), candidate({ origin: "incomplete" })],
    ["med", candidate({ med: 5 }, { kind: "internal" }), candidate({ med: 6 })],
    ["med", candidate({}, { kind: "internal" }), candidate({ med: 1 })],
    [
      "external",
      candidate({ ...path(1), med: 9 }, {}, { metric: 9 }),
      candidate({ ...path(2), med: 1 }, { kind: "internal" }),
    ],
    ["next-hop-metric", candidate({}, { routerId: 9 }, { metric: 1 }), candidate({}, { routerId: 1 }, { metric: 2 })],
    ["router-id", candidate({}, { routerId: 1, order: "9" }), candidate({}, { routerId: 2, order: "1" })],
    ["router-id", candidate({ originatorId: ipv4("0.0.0.1") }, { routerId: 9 }), candidate({}, { routerId: 2 })],
    [
      "cluster-list-length",
      candidate({ clusterList: [ipv4("1.1.1.1")] }, { order: "9" }),
      candidate({ clusterList: [ipv4("1.1.1.1"), ipv4("1.1.1.2")] }, { order: "1" }),
    ],
    [
      "neighbor-address",
      candidate({}, { order: orderOf(ipv4("9.0.0.1")) }),
      candidate({}, { order: orderOf(ipv4("10.0.0.1")) }),
    ],
    ["path-id", candidate({}, {}, { pathId: 1 }), candidate({}, {}, { pathId: 2 })],
  ];
  for (const [index, [why, winner, loser]] of cases.entries())
    test(`${why} (${index})`, () => {
      for (const both of [
        [winner, loser],
        [loser, winner],
      ]) {
        const lost: unknown[] = [];
        const decision = decide(both, (each, reason) => lost.push([each.path, reason]));
        expect(decision?.best).toBe(winner);
        expect(decision?.why).toBe(why);
        expect(lost).toEqual([[loser.path, why]]);
      }
    });
  test("nothing to choose from", () => expect(decide([])).toBeUndefined());
  test("§9.1.2.2 c: MED is compared within one neighbouring AS only, whoever else is there", () => {
    const [a, b, c] = [
      candidate({ ...path(1), med: 10 }, { routerId: 1 }),
      candidate({ ...path(1), med: 5 }, { routerId: 3 }),
      candidate({ ...path(2), med: 100 }, { routerId: 2 }),
    ];
    for (const order of [
      [a, b, c],
      [c, b, a],
      [b, c, a],
      [a, c, b],
    ] as const)
      expect(decide(order)?.best).toBe(c);
  });
});

const anyCandidate = fc
  .record({
    localPref: fc.constantFrom(undefined, 100, 200),
    med: fc.constantFrom(undefined, 0, 5, 9),
    asns: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
    origin: fc.constantFrom("igp" as const, "incomplete" as const),
    kind: fc.constantFrom("external" as const, "internal" as const),
    routerId: fc.integer({ min: 1, max: 3 }),
    order: fc.integer({ min: 1, max: 9 }),
    metric: fc.integer({ min: 0, max: 1 }),
  })
  .map(({ localPref, med, asns, origin, kind, routerId, order, metric }) =>
    candidate({ localPref, med, origin, ...path(...asns) }, { kind, routerId, order: String(order) }, { metric }),
  );

test("the outcome does not depend on the order in which paths came", () => {
  fc.assert(
    fc.property(
      fc
        .uniqueArray(anyCandidate, { minLength: 1, maxLength: 8, selector: ({ source }) => source.order })
        .chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
      ([all, shuffled]) => {
        const [one, other] = [decide(all), decide(shuffled)];
        expect(other?.best).toBe(one?.best);
        expect(other?.why).toBe(one?.why);
        expect(new Set(other?.equal)).toEqual(new Set(one?.equal));
        // Whoever is the best of all is the best of itself and any one that is no neighbour's MED apart.
        expect(one?.equal[0]).toBe(one?.best);
      },
    ),
    { numRuns: 2000 },
  );
});

test("a RIB that lived through any sequence of announcements and withdrawals is as one that knew only the last of each", () => {
  const step = fc.record({
    source: fc.integer({ min: 1, max: 4 }),
    prefix: fc.integer({ min: 1, max: 3 }),
    pathId: fc.integer({ min: 0, max: 1 }),
    what: fc.option(fc.record({ med: fc.integer({ min: 0, max: 3 }), asn: fc.integer({ min: 1, max: 2 }) }), {
      nil: undefined,
    }),
  });
  const fresh = () => {
    const attributesIn = new AttributeStore();
    const sources = new Sources(1);
    const rib = new Rib("ipv4", attributesIn, sources, new NextHops());
    for (let index = 1; index <= 4; index++)
      sources.add({
        name: `p${index}`,
        kind: index % 2 === 0 ? "internal" : "external",
        asn: index,
        routerId: 7,
        order: `${index}`,
        ifname: undefined,
      });
    return { rib, attributesIn };
  };
  const apply = (
    { rib, attributesIn }: ReturnType<typeof fresh>,
    {
      source,
      prefix,
      pathId,
      what,
    }: { source: number; prefix: number; pathId: number; what: { med: number; asn: number } | undefined },
  ) => {
    const id = rib.table.id({ ip: ipv4(`10.${prefix}.0.0`), length: 16 });
    if (what === undefined) rib.unset(id, source, pathId);
    else {
      const set = attributesIn.id(attributes({ med: what.med, ...path(what.asn) }));
      rib.set(id, source, pathId, set, set);
    }
  };
  const view = ({ rib }: ReturnType<typeof fresh>) =>
    [1, 2, 3].map((prefix) => {
      const id = rib.table.id({ ip: ipv4(`10.${prefix}.0.0`), length: 16 });
      const decision = rib.decision(id);
      const best = rib.best(id);
      expect(decision?.best.path ?? 0).toBe(best);
      return (
        decision && [decision.best.source.name, decision.best.pathId, decision.best.entry.attributes.key, decision.why]
      );
    });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const lived = fresh();
      const changes: number[] = [];
      for (const [index, each] of steps.entries()) {
        apply(lived, each);
        if (index % 3 === 0) lived.rib.settle((prefix) => changes.push(prefix));
      }
      lived.rib.settle(() => {});
      const last = new Map(steps.map((each) => [`${each.source} ${each.prefix} ${each.pathId}`, each]));
      const knew = fresh();
      for (const each of [...last.values()].toReversed()) apply(knew, each);
      knew.rib.settle(() => {});
      expect(view(lived)).toEqual(view(knew));
      for (let source = 1; source <= 4; source++) expect(lived.rib.counts(source)).toEqual(knew.rib.counts(source));
    }),
    { numRuns: 500 },
  );
});
