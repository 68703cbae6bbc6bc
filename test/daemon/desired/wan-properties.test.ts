/** Whatever links, sites and policies there are: nothing is named, marked or numbered twice, and nothing changes for nothing. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { WanPlan } from "../../../daemon/desired/wan.ts";
import { link, policy, remote, type WantedFrom, wanted } from "./wan-world.ts";

const planOf = (from?: WantedFrom): WanPlan => {
  const { plan } = wanted(from).wish;
  if (plan === undefined) throw new Error("nothing is planned");
  return plan;
};
const shown = (plan: WanPlan | undefined): unknown => [plan?.underlay, plan?.steer];

describe("properties", () => {
  const role = fc.constantFrom("primary", "backup", "loadbalance");
  const worlds = fc.record({
    links: fc.array(fc.record({ role, metered: fc.boolean() }), { minLength: 1, maxLength: 3 }),
    far: fc.integer({ min: 0, max: 3 }),
    policies: fc.array(fc.record({ dscp: fc.constantFrom(0, 46, 10), priority: fc.integer({ min: 0, max: 3 }) }), {
      maxLength: 3,
    }),
  });
  type Drawn = typeof worlds extends fc.Arbitrary<infer World> ? World : never;
  const documents = ({ links, far, policies }: Drawn): WantedFrom["documents"] => [
    ...links.map(({ role: own, metered }, index) => link("berlin", `isp${index + 1}`, { role: own, metered })),
    ...Array.from({ length: far }, (_, index) => link("madrid", `isp${index + 1}`)),
    remote("madrid"),
    ...policies.map(({ dscp, priority }, index) => policy(`p${index}`, { dscpClass: dscp }, { priority })),
  ];
  const sizes = { sdwan: { site: "berlin", overlayCIDR: "10.255.1.0/24" } };

  it("equal inputs, equal plans; marks, tables of lanes, ports and devices differ; every choice has a table of a lane", () => {
    fc.assert(
      fc.property(worlds, (drawn) => {
        const from = { documents: documents(drawn) ?? [], settings: sizes };
        const plan = planOf(from);
        expect(shown(planOf(from))).toEqual(shown(plan));
        const { lanes, tunnels, links } = plan.underlay;
        const distinct = (all: readonly unknown[]): void => expect(new Set(all).size).toBe(all.length);
        distinct(lanes.map(({ mark }) => mark));
        distinct(lanes.map(({ table }) => table));
        distinct(tunnels.map(({ listenPort }) => listenPort));
        distinct(tunnels.map(({ ifname }) => ifname));
        distinct(plan.steer.paths.map(({ id }) => id));
        distinct(plan.steer.choices.map(({ id }) => id));
        for (const { mark } of lanes) expect(mark).toBeGreaterThan(0);
        for (const { mark } of lanes) expect(mark).toBeLessThan(64);
        const tables = new Set(lanes.map(({ table }) => table));
        const paths = new Set(plan.steer.paths.map(({ id }) => id));
        for (const choice of plan.steer.choices) {
          expect(tables).toContain(choice.table);
          for (const { path } of choice.candidates) expect(paths).toContain(path);
        }
        for (const { ifname } of tunnels) expect(ifname.length).toBeLessThanOrEqual(15);
        for (const { mark } of tunnels) expect(links.map((each) => each.mark)).toContain(mark);
        // No two choices write the same destination of the same table.
        distinct(
          plan.steer.choices.flatMap(({ table, destinations }) => destinations.map((each) => `${table} ${each}`)),
        );
      }),
      { numRuns: 60 },
    );
  });

  it("a policy that comes, goes or comes back changes no value of another lane", () => {
    fc.assert(
      fc.property(worlds, (drawn) => {
        const base = documents(drawn) ?? [];
        const first = wanted({ documents: base, settings: sizes });
        const more = wanted({
          documents: [...base, policy("extra", {}, { priority: 1000 })],
          settings: sizes,
          marks: first.marks,
        });
        const back = wanted({ documents: base, settings: sizes, marks: more.marks });
        const again = wanted({ documents: [...base, policy("extra")], settings: sizes, marks: back.marks });
        const of = (marks: typeof first.marks): ReadonlyMap<string, number> =>
          new Map(marks.map(({ key, value }) => [key, value]));
        for (const [key, value] of of(first.marks))
          for (const each of [more, back, again]) expect(of(each.marks).get(key)).toBe(value);
        expect(of(again.marks).get("class/extra")).toBe(of(more.marks).get("class/extra"));
        expect(shown(back.wish.plan)).toEqual(shown(first.wish.plan));
      }),
      { numRuns: 40 },
    );
  });
});
