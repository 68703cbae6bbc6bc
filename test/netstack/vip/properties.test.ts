/** docs/protocols/vip.md §10: the guarantees, over random schedules of faults. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ms } from "../../../base/unit.ts";
import { detection, type Timing } from "../../../netstack/vip/timing.ts";
import { type Fault, Run, type Scenario, scenarios } from "./schedule.ts";
import { DEFAULT } from "./sim.ts";

/** Schedules that broke earlier drafts. */
const BROKEN: readonly Scenario[] = [
  // A release that names a sleeper, which hears of it when it wakes: by then another had claimed.
  scenario(3, 2, 0, [
    [0, { kind: "ineligible", node: 0 }],
    [0, { kind: "freeze", node: 1 }],
    [0, { kind: "eligible", node: 0 }],
  ]),
  // Two claim at once; one does not hear the other.
  scenario(3, 1, 0, [
    [0, { kind: "filter-heartbeats", node: 1, towards: 0 }],
    [58, { kind: "isolate", node: 2 }],
    [304, { kind: "ineligible", node: 0 }],
  ]),
  // The same, while it still counts as alive.
  scenario(3, 2, 17914650, [
    [254, { kind: "filter-heartbeats", node: 1, towards: 2 }],
    [0, { kind: "isolate", node: 0 }],
  ]),
  // An owner that is starved and cut off, and whose link is joined again.
  scenario(3, 3, 0, [
    [53, { kind: "starve", node: 1, lateness: 160 }],
    [303, { kind: "freeze", node: 0 }],
    [102, { kind: "isolate", node: 1 }],
    [0, { kind: "freeze", node: 0 }],
  ]),
  // A claim whose probes went into a cut link, which is joined again before the claim is due.
  scenario(3, 1, 8258436, [
    [0, { kind: "isolate", node: 2 }],
    [189, { kind: "isolate", node: 0 }],
    [116, { kind: "heal" }],
    [25, { kind: "isolate", node: 0 }],
    [0, { kind: "ineligible", node: 0 }],
  ]),
  // A cut that ends right after it swallowed the last probe.
  scenario(2, 2, 0, [
    [0, { kind: "freeze", node: 0 }],
    [4, { kind: "heal" }],
    [0, { kind: "isolate", node: 0 }],
    [0, { kind: "thaw", node: 0 }],
    [176, { kind: "heal" }],
    [0, { kind: "start", node: 0 }],
  ]),
];
/** The gate plays the same schedules for everybody; VIP_RUNS=5000 looks for new ones. */
const HUNT = process.env["VIP_RUNS"];
const PLAYED = HUNT === undefined ? { numRuns: 300, seed: 1 } : { numRuns: Number(HUNT) };
const FAST: Timing = { interval: ms(10), multiplier: 3 };
const HOST: readonly Fault["kind"][] = ["kill", "start", "freeze", "thaw", "freeze-after", "starve"];
/** Not both in one schedule: together they hide an owner's heartbeats and its answers (docs/protocols/vip.md §10). */
const CUTS: readonly Fault["kind"][] = ["cut", "plug", "isolate", "heal"];
const FILTERS: readonly Fault["kind"][] = ["cut", "plug", "filter-heartbeats", "heal"];
const LINK: readonly Fault["kind"][] = ["cut", "plug", "isolate", "filter-heartbeats", "heal"];
const WILL: readonly Fault["kind"][] = ["withdraw", "ineligible", "eligible"];
const WILD: readonly Fault["kind"][] = ["filter-all", "loss", "stranger"];

describe.each([
  ["100 ms", DEFAULT],
  ["10 ms", FAST],
])("at an interval of %s", (_, timing) => {
  test.each([
    ["cut links", CUTS],
    ["filtered heartbeats", FILTERS],
  ])("G1: two nodes never answer a client for one address, by kill, freeze, starvation, %s", (_faults, link) => {
    fc.assert(
      fc.property(scenarios([...HOST, ...link, ...WILL], fc.constant(true)), (scenario) => {
        const run = new Run(scenario, timing)
          .play()
          .recover()
          .pass(10 * detection(timing));
        expect(run.doubleAnswers()).toEqual([]);
        expect(run.world.violations).toEqual([]);
      }),
      PLAYED,
    );
  });

  test.each(BROKEN)("G1, schedule %#", (each) => {
    const run = new Run(each, timing)
      .play()
      .recover()
      .pass(10 * detection(timing));
    expect(run.doubleAnswers()).toEqual([]);
  });

  test("G2: two owners that hear each other do not last one detection time, whatever happens", () => {
    fc.assert(
      fc.property(scenarios([...HOST, ...LINK, ...WILL, ...WILD], fc.boolean()), (scenario) => {
        const run = new Run(scenario, timing)
          .play()
          .recover()
          .pass(10 * detection(timing));
        expect(run.longestHeardDouble()).toBeLessThan(detection(timing));
        expect(run.world.violations).toEqual([]);
      }),
      PLAYED,
    );
  });

  test("G3: when every fault is over each address has one owner, in bounded time, and it stays (sticky)", () => {
    fc.assert(
      fc.property(scenarios([...HOST, ...LINK, ...WILL, ...WILD], fc.boolean()), (scenario) => {
        const stranger = scenario.steps.some(({ fault }) => fault.kind === "stranger" && fault.present);
        const run = new Run(scenario, timing).play().recover();
        run.pass((stranger ? 10_500 : 0) + 5 * detection(timing));
        for (const ip of run.addresses) expect(run.world.owners(ip)).toHaveLength(1);
        const claims = run.world.claims.length;
        run.pass(20 * detection(timing));
        for (const ip of run.addresses) expect(run.world.owners(ip)).toHaveLength(1);
        expect(run.world.claims.length).toBe(claims);
      }),
      PLAYED,
    );
  });

  test("G5: filtered heartbeats move nothing, with or without a witness", () => {
    fc.assert(
      fc.property(scenarios(["filter-heartbeats", "heal"], fc.boolean()), (scenario) => {
        const run = new Run(scenario, timing).play();
        expect(run.world.claims.length).toBe(scenario.vips);
      }),
      PLAYED,
    );
  });

  test("G4: each take-over has a higher term, as long as nobody is cut off from what is said", () => {
    const kinds: readonly Fault["kind"][] = ["freeze", "thaw", "ineligible", "eligible"];
    fc.assert(
      fc.property(scenarios(kinds, fc.constant(true)), (scenario) => {
        const run = new Run(scenario, timing)
          .play()
          .recover()
          .pass(10 * detection(timing));
        for (const ip of run.addresses) {
          const terms = run.world.claims.filter((claim) => claim.ip === ip).map((claim) => claim.term);
          expect(terms).toEqual([...new Set(terms)].sort((a, b) => a - b));
        }
      }),
      PLAYED,
    );
  });
});

function scenario(nodes: number, vips: number, seed: number, steps: readonly (readonly [number, Fault])[]): Scenario {
  return { nodes, vips, seed, witness: true, steps: steps.map(([wait, fault]) => ({ wait, fault })) };
}
