/** What the engine knows of one path: its life, its figures, and what it is worth to whom. */
import { after, type Instant, instant, ms, since } from "../../base/unit.ts";
import type { PathFigures, PathLife } from "../figures.ts";
import type { Hold, PathSpec, Sla } from "../steer-plan.ts";
import { Judge } from "./judge.ts";
import { Level } from "./level.ts";

export class Path {
  spec: PathSpec;
  /** What was measured, unless control says that it cannot be used. */
  life: PathLife;
  /** Wall clock of the last change of `life`. */
  sinceWall: number;
  figures: PathFigures | undefined;
  /** Round trip as paths are compared by it. */
  readonly latency = new Level(LATENCY_LAG);
  /** Bits per second upwards, over some seconds: what a choice by bandwidth goes by. */
  used = 0;
  readonly #judges = new Map<string, Judge>();
  #probed: PathLife = { kind: "unknown", why: "not measured yet" };
  /** Of the first time that it lived. */
  #provenAt: Instant | undefined;
  #isProvenTold = false;
  #deaths = 0;
  #deathsAt: Instant = instant(0);
  #usedAt = 0;

  constructor(spec: PathSpec, wall: number) {
    this.spec = spec;
    this.life = spec.usable ? this.#probed : { kind: "dead", why: spec.why };
    this.sinceWall = wall;
  }

  /** undefined: nobody has asked for this combination before. */
  judge(sla: Sla, hold: Hold): Judge {
    const key = judgeKey(sla, hold);
    const known = this.#judges.get(key);
    if (known !== undefined) return known;
    const made = new Judge(sla, hold);
    this.#judges.set(key, made);
    return made;
  }
  /** Those that nobody asks for any more go. */
  keepJudges(keys: ReadonlySet<string>): void {
    for (const key of this.#judges.keys()) if (!keys.has(key)) this.#judges.delete(key);
  }

  /** How many ends it has in common with another. */
  shares({ spec }: Path): number {
    return sharedEnds(this.spec, spec);
  }

  probed(life: PathLife): void {
    this.#probed = life;
  }

  /** Makes one life of all that is known; true: it is another than before. */
  settle(now: Instant, wall: number): boolean {
    const before = this.life;
    const life = this.#combined();
    this.life = life;
    if (life.kind === before.kind) return life.kind !== "alive" && "why" in before && life.why !== before.why;
    this.sinceWall = wall;
    if (life.kind === "dead" && this.#provenAt !== undefined) this.#died(life.why, now);
    if (life.kind === "alive") this.#revived(now);
    return true;
  }

  /** One more window for all judges; false: nothing new in it. */
  measured(figures: PathFigures, now: Instant): boolean {
    if (figures.at === this.figures?.at) return false;
    this.#use(figures);
    if (figures.rtt !== undefined) this.latency.observe(figures.rtt.recent);
    this.figures = figures;
    if (this.life.kind !== "alive") return true;
    for (const judge of this.#judges.values()) judge.observe(figures, now);
    return true;
  }

  wake(now: Instant): void {
    if (this.isProven(now)) this.#isProvenTold = true;
    for (const judge of this.#judges.values()) judge.wake(now);
  }

  /** Its first figures are no verdict yet; where they are rare, time has to do. */
  isProven(now: Instant): boolean {
    return this.#provenAt !== undefined && now >= this.#provenAt;
  }

  get doubtful(): boolean {
    if (this.life.kind !== "alive") return false;
    for (const judge of this.#judges.values()) if (judge.doubtful) return true;
    return false;
  }
  /** When time alone changes what it is worth. */
  get wakeAt(): Instant | undefined {
    if (this.life.kind !== "alive") return undefined;
    let first = this.#isProvenTold ? undefined : this.#provenAt;
    for (const { goodAt, standing } of this.#judges.values()) {
      if (standing === "resting" && goodAt !== undefined && (first === undefined || goodAt < first)) first = goodAt;
    }
    return first;
  }
  /** Deaths, of which time forgives half every ten minutes. */
  deaths(now: Instant): number {
    return this.#deaths * 0.5 ** (since(this.#deathsAt, now) / FORGIVEN);
  }

  #combined(): PathLife {
    return this.spec.usable ? this.#probed : { kind: "dead", why: this.spec.why };
  }

  #died(why: string, now: Instant): void {
    this.#deaths = this.deaths(now) + 1;
    this.#deathsAt = now;
    for (const judge of this.#judges.values()) judge.died(now, why);
  }
  #revived(now: Instant): void {
    // The first time is no return.
    if (this.#provenAt !== undefined) for (const judge of this.#judges.values()) judge.revived(now);
    this.#provenAt ??= after(now, this.spec.probe.kind === "none" ? ms(0) : PROVEN);
  }

  #use(figures: PathFigures): void {
    const span = Math.max(figures.at - this.#usedAt, 0);
    const weight = this.#usedAt === 0 ? 1 : 1 - Math.exp(-span / USED_OVER);
    this.#usedAt = figures.at;
    this.used += (figures.bitsOut - this.used) * weight;
  }
}

/** How many ends two paths have in common. */
export function sharedEnds(a: PathSpec, b: PathSpec): number {
  const far = farEnd(a);
  return Number(a.link === b.link) + Number(far !== undefined && far === farEnd(b));
}

/** "berlin/isp2" of "isp1>berlin/isp2"; the internet is no end that could fail. */
function farEnd({ id, site }: PathSpec): string | undefined {
  return site === undefined ? undefined : id.slice(id.indexOf(">") + 1);
}

export function judgeKey(sla: Sla, hold: Hold): string {
  const { maxLatency, maxJitter, maxPacketLoss, minMos } = sla;
  const { bad, of, recover, mostRest } = hold;
  return [maxLatency, maxJitter, maxPacketLoss, minMos, bad, of, recover, mostRest].join("/");
}

const PROVEN = ms(1000);
const FORGIVEN = 600_000;
const USED_OVER = 5_000;
/** `recent` is a median of a few. */
const LATENCY_LAG = 5;
