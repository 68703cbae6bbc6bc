/** Paths whose truth a test sets, measured as a prober would, and a Chooser over them: all under a virtual clock. */
import type { Ms } from "../../../base/unit.ts";
import { instant } from "../../../base/unit.ts";
import { Chooser, type ChooserAction } from "../../../sdwan/choose/chooser.ts";
import type { LossEstimate, PathFigures, PathLife, Varied } from "../../../sdwan/figures.ts";
import type { CandidateSpec, ChoiceSpec, Decision, Hold, PathSpec, Sla, SteerPlan } from "../../../sdwan/steer-plan.ts";

export interface Truth {
  /** Milliseconds, and the standard deviation of single probes. */
  rtt: number;
  noise: number;
  /** Mean of the interarrival jitter. */
  jitter: number;
  /** Percent, each way. */
  lossOut: number;
  lossBack: number;
  /** Lost packets come in runs of about so many. */
  burst: number;
  /** Nothing comes back. */
  black: boolean;
  /** Packets per second of traffic, counted at both ends; 0: only probes. */
  traffic: number;
  bitsOut: number;
}

export function fine(rtt = 20): Truth {
  return { rtt, noise: 0.3, jitter: 0.2, lossOut: 0, lossBack: 0, burst: 1, black: false, traffic: 0, bitsOut: 0 };
}

/** As a prober sees it: a probe each 100 ms, each 50 ms in doubt, each 10 ms in alarm, medians of five, windows of a hundred. */
class Measured {
  readonly truth: Truth;
  readonly #random: () => number;
  readonly #rtts: number[] = [];
  readonly #fates: boolean[] = [];
  #jitterOut: number;
  #outLost = 0;
  #outOf = 0;
  #backLost = 0;
  #backOf = 0;
  #missed = 0;
  #varied: Varied = { of: 0, sum: 0 };
  #badOut = false;
  #badBack = false;
  life: PathLife = { kind: "unknown", why: "not measured yet" };

  constructor(truth: Truth, random: () => number) {
    this.truth = truth;
    this.#random = random;
    this.#jitterOut = truth.jitter;
  }

  /** So many milliseconds have gone by, with so many probes. */
  step(span: number, probes: number): void {
    for (let each = 0; each < probes; each++) this.#probe(span / probes);
  }

  #probe(span: number): void {
    const { truth } = this;
    const packets = 1 + Math.round((truth.traffic * span) / 1000);
    let answered = !truth.black;
    for (let each = 0; each < packets; each++) {
      const out = truth.black || this.#lost("out");
      const back = truth.black || this.#lost("back");
      this.#outOf++;
      this.#backOf++;
      if (out) this.#outLost++;
      if (back) this.#backLost++;
      if (each === 0 && (out || back)) answered = false;
    }
    this.#fates.push(answered);
    if (this.#fates.length > 100) this.#fates.shift();
    // Those that count are as far apart as in doubt.
    this.#missed = answered ? 0 : this.#missed + Math.min(span / 50, 1);
    if (this.#missed >= this.#deadAfter()) this.life = { kind: "dead", why: "3 probes in a row were not answered" };
    else if (answered) this.life = { kind: "alive" };
    if (!answered) return;
    this.#rtts.push(Math.max(truth.rtt + truth.noise * this.#normal(), 0.01));
    if (this.#rtts.length > 100) this.#rtts.shift();
    // Each difference is about exponential around the truth, and RFC 3550 takes a sixteenth of it.
    const difference = -Math.log(1 - this.#random()) * truth.jitter;
    this.#jitterOut += (difference - this.#jitterOut) / 16;
    this.#varied = { of: this.#varied.of + 1, sum: this.#varied.sum + difference };
  }

  /** Where some are always lost, more of them say nothing: as the prober has it. */
  #deadAfter(): number {
    const lost = this.#fates.filter((each) => !each).length / this.#fates.length;
    if (this.truth.black || lost === 0) return 3;
    return Math.max(3, Math.min(8, Math.ceil(Math.log(1e-8) / Math.log(Math.min(lost, 0.5)))));
  }

  figures(at: number): PathFigures | undefined {
    const newest = this.#rtts.slice(-5).toSorted((a, b) => a - b);
    const all = this.#rtts.toSorted((a, b) => a - b);
    const median = all[all.length >> 1];
    const recent = newest[newest.length >> 1];
    if (median === undefined || recent === undefined) return undefined;
    const lost = this.#fates.filter((each) => !each).length;
    return {
      at,
      rtt: { smoothed: recent, least: all[0] ?? 0, median, p95: all[Math.floor(all.length * 0.95)] ?? median, recent },
      jitterOut: this.#jitterOut,
      jitterBack: this.truth.jitter / 2,
      loss: estimate(lost, this.#fates.length),
      lossOut: undefined,
      lossBack: undefined,
      counted: {
        out: { of: this.#outOf, lost: this.#outLost },
        back: { of: this.#backOf, lost: this.#backLost },
        round: undefined,
      },
      varied: { out: this.#varied, back: undefined, round: undefined },
      reordered: 0,
      duplicated: 0,
      mos: 4.2,
      bitsOut: this.truth.bitsOut,
      bitsBack: 0,
    };
  }

  /** Gilbert: a loss is followed by another so often that runs have the length asked for. */
  #lost(way: "out" | "back"): boolean {
    const { lossOut, lossBack, burst } = this.truth;
    const share = (way === "out" ? lossOut : lossBack) / 100;
    if (share === 0) return false;
    const wasBad = way === "out" ? this.#badOut : this.#badBack;
    const stays = 1 - 1 / burst;
    const begins = ((1 - stays) * share) / (1 - share);
    const bad = this.#random() < (burst === 1 ? share : wasBad ? stays : begins);
    if (way === "out") this.#badOut = bad;
    else this.#badBack = bad;
    return bad;
  }

  #normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random());
  }
}

export class World {
  readonly chooser = new Chooser();
  readonly decisions: Decision[] = [];
  readonly carried = new Map<string, string | undefined>();
  /** Milliseconds since the beginning. */
  now = 0;
  readonly #paths = new Map<string, Measured>();
  readonly #random: () => number;
  #plan: Pick<SteerPlan, "paths" | "choices">;

  constructor(plan: Pick<SteerPlan, "paths" | "choices">, truths: Readonly<Record<string, Truth>>, seed = 1) {
    this.#random = mulberry(seed);
    for (const [id, truth] of Object.entries(truths)) this.#paths.set(id, new Measured(truth, this.#random));
    this.#plan = plan;
    this.#take(this.chooser.plan(plan, this.at));
  }

  get at(): { readonly now: ReturnType<typeof instant>; readonly wall: number } {
    return { now: instant(this.now), wall: START + this.now };
  }
  truth(path: string): Truth {
    const found = this.#paths.get(path);
    if (found === undefined) throw new TypeError(path);
    return found.truth;
  }
  figures(path: string): PathFigures | undefined {
    return this.#paths.get(path)?.figures(this.at.wall);
  }
  life(path: string): PathLife {
    return this.#paths.get(path)?.life ?? { kind: "unknown", why: "no such path" };
  }
  chosen(choice = "c"): string | undefined {
    return this.chooser.report(choice, this.at)?.chosen;
  }
  state(choice = "c"): string | undefined {
    return this.chooser.report(choice, this.at)?.state;
  }
  /** Moves from one path to another. */
  get moves(): readonly Decision[] {
    return this.decisions.filter(({ from, to }) => from !== undefined && to !== undefined && from !== to);
  }

  plan(plan: Pick<SteerPlan, "paths" | "choices">): void {
    this.#plan = plan;
    this.#take(this.chooser.plan(plan, this.at));
  }
  get planned(): Pick<SteerPlan, "paths" | "choices"> {
    return this.#plan;
  }

  run(span: Ms | number): void {
    for (const end = this.now + span; this.now < end; ) this.step();
  }
  /** At most `most`; how long it took, or undefined. */
  until(is: () => boolean, most: number): number | undefined {
    const from = this.now;
    while (!is()) {
      if (this.now - from >= most) return undefined;
      this.step();
    }
    return this.now - from;
  }

  step(): void {
    const [inDoubt] = this.chooser.doubtful();
    const span = inDoubt === undefined ? 100 : 50;
    const alarming = this.chooser.alarming();
    this.now += span;
    for (const [id, path] of this.#paths) {
      const before = path.life.kind;
      path.step(span, alarming.has(id) ? 5 : 1);
      if (path.life.kind !== before) this.#take(this.chooser.life(id, path.life, this.at));
      const figures = path.figures(START + this.now);
      if (figures !== undefined) this.chooser.measured(id, figures, this.at.now);
    }
    this.#take(this.chooser.evaluate(this.at));
  }

  /** What the prober says beside what it measures: devices, BFD. */
  dies(path: string, why: string): void {
    this.#take(this.chooser.life(path, { kind: "dead", why }, this.at));
  }

  forget(path: string, why: string): void {
    this.#take(this.chooser.life(path, { kind: "unknown", why }, this.at));
  }
  /** From now on nobody says anything of it. */
  mute(path: string): void {
    this.#paths.delete(path);
  }

  #take(actions: readonly ChooserAction[]): void {
    for (const action of actions) {
      if (action.kind === "decided") this.decisions.push(action.decision);
      else if (action.kind === "carry") this.carried.set(action.choice, action.carrier?.path);
      else this.carried.delete(action.choice);
    }
  }
}

export function pathSpec(id: string, more: Partial<PathSpec> = {}): PathSpec {
  return {
    id,
    link: id,
    site: "berlin",
    ifname: `nv${id}`,
    underlay: `eth-${id}`,
    usable: true,
    why: "",
    via: "direct",
    probe: { kind: "icmp", targets: [], mark: 0, pace: PACE },
    bfd: undefined,
    cost: 10,
    bandwidth: 100e6,
    metered: false,
    ...more,
  };
}

export function candidate(path: string, more: Partial<CandidateSpec> = {}): CandidateSpec {
  const family = { usable: true, gateway: undefined };
  return { path, tier: 0, weight: 1, ifname: `nv${path}`, v4: family, v6: family, ...more };
}

export const HOLD: Hold = {
  bad: 3,
  of: 5,
  recover: 30_000,
  marginPercent: 10,
  marginMs: 5,
  marginLoss: 1,
  evaluations: 3,
  rest: 8_000,
  mostRest: 600_000,
};
export const ANY: Sla = { maxLatency: undefined, maxJitter: undefined, maxPacketLoss: undefined, minMos: undefined };

export function choiceSpec(candidates: readonly CandidateSpec[], more: Partial<ChoiceSpec> = {}): ChoiceSpec {
  return {
    id: "c",
    policy: "voice",
    site: "berlin",
    table: 11_001,
    destinations: ["10.2.0.0/24"],
    strategy: "lowest-latency",
    sla: ANY,
    candidates,
    hold: HOLD,
    failover: true,
    killSwitch: false,
    ...more,
  };
}

/** Two paths, "a" before "b" by its latency. */
export function pair(more: Partial<ChoiceSpec> = {}): Pick<SteerPlan, "paths" | "choices"> {
  return { paths: [pathSpec("a"), pathSpec("b")], choices: [choiceSpec([candidate("a"), candidate("b")], more)] };
}

export function estimate(lost: number, of: number): LossEstimate {
  if (of === 0) return { percent: 0, low: 0, high: 100, of };
  const z = 2.576;
  const share = lost / of;
  const middle = share + (z * z) / (2 * of);
  const half = z * Math.sqrt((share * (1 - share)) / of + (z * z) / (4 * of * of));
  const all = 1 + (z * z) / of;
  return { percent: share * 100, low: (100 * (middle - half)) / all, high: (100 * (middle + half)) / all, of };
}

export function mulberry(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const PACE = { interval: 100, inDoubt: 50, deadAfter: 3, alpha: 0.3, octetsPerHour: 1e9 };
const START = 1_700_000_000_000;
