/** All small worlds, and what holds in any. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { instant } from "../../../base/unit.ts";
import { Chooser, type ChooserAction } from "../../../sdwan/choose/chooser.ts";
import type { PathFigures, PathLife } from "../../../sdwan/figures.ts";
import type { Decision, SteerPlan, Strategy } from "../../../sdwan/steer-plan.ts";
import { ANY, candidate, choiceSpec, estimate, HOLD, pathSpec } from "./world.ts";

type Kind = "good" | "bad" | "dead" | "unknown" | "unusable";
const KINDS: readonly Kind[] = ["good", "bad", "dead", "unknown", "unusable"];
const SLA = { ...ANY, maxLatency: 100 };

describe("two candidates: all kinds, tiers, beginnings and wishes", () => {
  for (const failover of [true, false]) {
    for (const killSwitch of [false, true]) {
      for (const adopted of [undefined, "a", "b"]) {
        test(`failover ${failover}, kill switch ${killSwitch}, found on ${adopted ?? "nothing"}`, () => {
          for (const a of KINDS) {
            for (const b of KINDS) {
              for (const tierOfB of [0, 1]) {
                const world = { a, b, tierOfB, failover, killSwitch, adopted };
                expect({ ...world, ...settle(world) }).toEqual({ ...world, ...expected(world) });
              }
            }
          }
        });
      }
    }
  }
});

interface Small {
  readonly a: Kind;
  readonly b: Kind;
  readonly tierOfB: number;
  readonly failover: boolean;
  readonly killSwitch: boolean;
  readonly adopted: string | undefined;
}

/** Said in another way than the engine does it. */
function expected(world: Small): { readonly chosen: string | undefined; readonly carried: string | undefined } {
  const { tierOfB, failover, killSwitch, adopted } = world;
  const kind = (path: string): Kind => (path === "a" ? world.a : world.b);
  const tier = (path: string): number => (path === "a" ? 0 : tierOfB);
  const of = (...kinds: readonly Kind[]): readonly string[] => ["a", "b"].filter((path) => kinds.includes(kind(path)));
  const first = (paths: readonly string[]): string | undefined =>
    paths.toSorted((x, y) => tier(x) - tier(y) || Number(y === adopted) - Number(x === adopted) || (x < y ? -1 : 1))[0];
  const carry = (chosen: string | undefined) => ({ chosen, carried: chosen });
  const mayStay = adopted !== undefined && (kind(adopted) === "bad" || kind(adopted) === "unknown");
  // What it was found on is bad, and shall not be left for that: only a lower tier is worth it.
  if (!failover && adopted !== undefined && kind(adopted) === "bad")
    return carry(first(of("good").filter((path) => tier(path) < tier(adopted))) ?? adopted);
  const [good, bad, unknown] = [first(of("good")), of("bad"), of("unknown")];
  if (good !== undefined) return carry(good);
  if (mayStay && (kind(adopted) === "bad" || bad.length === 0 || kind(adopted) === "unknown")) return carry(adopted);
  if (bad.length > 0) return carry(first(bad));
  if (unknown.length > 0) return carry(adopted === undefined ? undefined : first(unknown));
  // The last routes: of what died last.
  return {
    chosen: undefined,
    carried: killSwitch ? undefined : adopted && (world.a === "dead" && world.b === "dead" ? "b" : adopted),
  };
}

function settle({ a, b, tierOfB, failover, killSwitch, adopted }: Small): ReturnType<typeof expected> {
  const chooser = new Chooser();
  const path = (id: string, kind: Kind) => pathSpec(id, kind === "unusable" ? { usable: false, why: "quota" } : {});
  const candidates = [candidate("a"), candidate("b", { tier: tierOfB })];
  const choice = choiceSpec(candidates, { sla: SLA, failover, killSwitch });
  const at = (now: number) => ({ now: instant(now), wall: now });
  chooser.plan({ paths: [path("a", a), path("b", b)], choices: [choice] }, at(0));
  if (adopted !== undefined) chooser.adopt("c", adopted);
  for (let now = 100; now <= 60_000; now += 100) {
    for (const [id, kind] of [
      ["a", a],
      ["b", b],
    ] as const) {
      if (kind === "dead" && now === 300) chooser.life(id, { kind: "dead", why: "silent" }, at(now));
      if (kind !== "good" && kind !== "bad") continue;
      if (now === 200) chooser.life(id, { kind: "alive" }, at(now));
      chooser.measured(id, figures(now, kind === "good" ? 20 : 400), instant(now));
    }
    chooser.evaluate(at(now));
  }
  return { chosen: chooser.report("c", at(60_000))?.chosen, carried: chooser.carrierOf("c")?.path };
}

type Step =
  | { readonly kind: "life"; readonly path: number; readonly alive: boolean }
  | { readonly kind: "figures"; readonly path: number; readonly rtt: number; readonly lost: number }
  | { readonly kind: "usable"; readonly path: number; readonly usable: boolean }
  | { readonly kind: "time"; readonly span: number };

const PATHS = ["a", "b", "c", "d"];
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("life" as const), path: fc.nat(3), alive: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("figures" as const),
      path: fc.nat(3),
      rtt: fc.constantFrom(5, 20, 90, 110, 400),
      lost: fc.constantFrom(0, 0, 0, 1, 5, 50),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("usable" as const), path: fc.nat(3), usable: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("time" as const), span: fc.constantFrom(100, 1000, 10_000) }) },
);
const strategy = fc.constantFrom<Strategy>(
  "lowest-latency",
  "highest-bandwidth",
  "most-reliable",
  "lowest-cost",
  "weighted",
);
const tiers = fc.array(fc.nat(2), { minLength: 4, maxLength: 4 });

describe("any world", () => {
  test("never on what is dead while anything lives; every move has a reason that its candidates bear out", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), strategy, tiers, fc.boolean(), (steps, how, tier, failover) => {
        const world = new Any(how, tier, failover);
        for (const each of steps) {
          world.take(each);
          const alive = PATHS.filter((path) => world.isAlive(path));
          const { chosen, state } = world.chooser.report("c", world.at) ?? {};
          if (chosen !== undefined && alive.length > 0 && world.isDead(chosen))
            throw new Error(`${chosen} is dead, ${alive.join()} not`);
          if (alive.length === 0 && state === "chosen" && chosen !== undefined && world.isDead(chosen))
            throw new Error("all are dead");
        }
        for (const decision of world.decisions) bearsOut(decision);
      }),
      { numRuns: 150 },
    );
  });

  test("however links flap between good and bad, moves that no death asked for are bounded", () => {
    const spans = fc.array(
      fc.record({ path: fc.nat(3), bad: fc.boolean(), windows: fc.integer({ min: 1, max: 80 }) }),
      {
        minLength: 200,
        maxLength: 400,
      },
    );
    fc.assert(
      fc.property(spans, strategy, tiers, (flaps, how, tier) => {
        const world = new Any(how, tier, true);
        for (const path of [0, 1, 2, 3]) world.take({ kind: "life", path, alive: true });
        const rtts = [20, 20, 20, 20];
        for (const { path, bad, windows } of flaps) {
          rtts[path] = bad ? 400 : 20 + path;
          for (let window = 0; window < windows; window++) {
            rtts.forEach((rtt, each) => world.take({ kind: "figures", path: each, rtt, lost: 0 }));
            world.take({ kind: "time", span: 100 });
          }
        }
        // Each path is trusted again ever later, and each improvement waits twice as long as the one before.
        const spans = Math.log2(HOLD.mostRest / HOLD.recover) + Math.log2(HOLD.mostRest / HOLD.rest);
        const most = PATHS.length * (spans + 2 + world.now / HOLD.mostRest);
        expect(world.decisions.filter(({ from, to }) => from !== undefined && from !== to).length).toBeLessThan(most);
      }),
      { numRuns: 8 },
    );
  });
});

/** What a decision says happened must be in the figures that it was made from. */
function bearsOut({ from, to, reason, why, candidates }: Decision): void {
  const verdict = (path: string | undefined): string =>
    candidates.find((each) => each.path === path)?.verdict ?? "gone";
  if (why === "" || candidates.length === 0) throw new Error("a decision without reasons");
  if (to !== undefined && ["dead", "unusable"].includes(verdict(to))) throw new Error(`to what is ${verdict(to)}`);
  const fits: Readonly<Record<Decision["reason"], boolean>> = {
    first: true,
    plan: true,
    dead: ["dead", "unusable"].includes(verdict(from)),
    breach: verdict(from) === "bad" && ["good", "resting"].includes(verdict(to)),
    better: verdict(to) === "good" || (verdict(from) === "resting" && verdict(to) === "resting"),
    recovered: from === undefined || from === to || verdict(to) !== "bad" || verdict(from) !== "good",
    "least-bad": verdict(from) === "bad" && (verdict(to) === "bad" || from === to),
    none: to === undefined && candidates.every((each) => ["dead", "unusable"].includes(each.verdict)),
  };
  if (!fits[reason]) throw new Error(`${reason}: ${why}: ${verdict(from)} → ${verdict(to)}`);
}

class Any {
  readonly chooser = new Chooser();
  readonly decisions: Decision[] = [];
  now = 0;
  readonly #lives = new Map<string, PathLife["kind"]>();
  readonly #usable = new Map(PATHS.map((path) => [path, true]));
  readonly #lost = new Map(PATHS.map((path) => [path, { of: 0, lost: 0 }]));
  readonly #plan: (usable: ReadonlyMap<string, boolean>) => Pick<SteerPlan, "paths" | "choices">;

  constructor(strategy: Strategy, tiers: readonly number[], failover: boolean) {
    const candidates = PATHS.map((path, index) => candidate(path, { tier: tiers[index] ?? 0, weight: index + 1 }));
    const choices = [choiceSpec(candidates, { strategy, failover, sla: { ...SLA, maxPacketLoss: 2 } })];
    this.#plan = (usable) => ({
      paths: PATHS.map((path, index) => pathSpec(path, { usable: usable.get(path) === true, why: "off", cost: index })),
      choices,
    });
    this.#take(this.chooser.plan(this.#plan(this.#usable), this.at));
  }

  get at() {
    return { now: instant(this.now), wall: this.now };
  }
  isAlive(path: string): boolean {
    return this.#usable.get(path) === true && this.#lives.get(path) === "alive";
  }
  isDead(path: string): boolean {
    return this.#usable.get(path) !== true || this.#lives.get(path) === "dead";
  }

  take(step: Step): void {
    switch (step.kind) {
      case "life": {
        const path = PATHS[step.path] ?? "a";
        const life: PathLife = step.alive ? { kind: "alive" } : { kind: "dead", why: "silent" };
        this.#lives.set(path, life.kind);
        return this.#take(this.chooser.life(path, life, this.at));
      }
      case "figures": {
        const path = PATHS[step.path] ?? "a";
        const { of, lost } = this.#lost.get(path) ?? { of: 0, lost: 0 };
        const counted = { of: of + 100, lost: lost + step.lost };
        this.#lost.set(path, counted);
        this.chooser.measured(
          path,
          { ...figures(++this.now, step.rtt), counted: { out: counted, back: undefined, round: undefined } },
          this.at.now,
        );
        return this.#take(this.chooser.evaluate(this.at));
      }
      case "usable":
        this.#usable.set(PATHS[step.path] ?? "a", step.usable);
        return this.#take(this.chooser.plan(this.#plan(this.#usable), this.at));
      case "time":
        this.now += step.span;
        return this.#take(this.chooser.evaluate(this.at));
    }
  }

  #take(actions: readonly ChooserAction[]): void {
    for (const action of actions) if (action.kind === "decided") this.decisions.push(action.decision);
  }
}

function figures(at: number, rtt: number): PathFigures {
  return {
    at,
    rtt: { smoothed: rtt, least: rtt, median: rtt, p95: rtt, recent: rtt },
    jitterOut: 0,
    jitterBack: 0,
    loss: estimate(0, 100),
    lossOut: undefined,
    lossBack: undefined,
    reordered: 0,
    duplicated: 0,
    mos: 4,
    bitsOut: 0,
    bitsBack: 0,
  };
}
