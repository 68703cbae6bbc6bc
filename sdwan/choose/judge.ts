/**
 * What one path is worth to those who ask the same of it: good, bad, or resting (it keeps the SLA again, and has to go on
 * doing so for a while).  N bad windows of the last M make it bad; only `recover` without a break makes it good again,
 * twice as long with each relapse.  Whether it is alive at all is decided before (life.ts).
 */
import { after, type Instant, type Ms, ms, since } from "../../base/unit.ts";
import type { LossEstimate, PathFigures, Varied } from "../figures.ts";
import { worse } from "../probe/loss.ts";
import type { Hold, Sla } from "../steer-plan.ts";
import { LevelEvidence, LossEvidence, lossStrength, OF_JITTER, OF_LATENCY } from "./evidence.ts";
import { VariationEvidence } from "./variation.ts";

export type Standing = "good" | "bad" | "resting";

export class Judge {
  readonly #sla: Sla;
  readonly #hold: Hold;
  /** Percent. */
  readonly #lossLimit: number;
  #gathered: Gathered;
  /** The newest windows, youngest in the lowest bit: 1 = bad. */
  #windows = 0;
  #seen = 0;
  #standing: Standing = "good";
  /** Since when it keeps the SLA without a break; undefined: it does not. */
  #keptSince: Instant | undefined;
  #relapses = 0;
  /** Of the last time that it became good again; undefined: it always was. */
  #goodSince: Instant | undefined;
  #breach: Breach | undefined;

  constructor(sla: Sla, hold: Hold) {
    this.#sla = sla;
    this.#hold = hold;
    this.#lossLimit = sla.maxPacketLoss ?? BUILT_IN_LOSS;
    this.#gathered = this.#anew();
  }

  get standing(): Standing {
    return this.#standing;
  }
  /** It has seen as many windows as a verdict may take. */
  get isProven(): boolean {
    return this.#seen >= this.#hold.of;
  }
  /** What broke the SLA last; undefined while good. */
  get breach(): Breach | undefined {
    return this.#standing === "good" ? undefined : this.#breach;
  }
  /** Something goes towards a breach: worth measuring fast. */
  get doubtful(): boolean {
    return this.#standing === "good" && (this.#windows !== 0 || this.#gathered.strongest > DOUBT);
  }
  /** Of the worse direction, lately; undefined: packets are not counted. */
  get lost(): LossEstimate | undefined {
    return this.#gathered.range;
  }
  /** When it will be good if nothing breaks the SLA before. */
  get goodAt(): Instant | undefined {
    if (this.#standing === "good" || this.#keptSince === undefined) return undefined;
    return after(this.#keptSince, this.#rest);
  }

  /** How long it has kept the SLA without a break. */
  kept(now: Instant): Ms {
    return this.#keptSince === undefined ? ms(0) : since(this.#keptSince, now);
  }

  /** One more window. */
  observe(figures: PathFigures, now: Instant): void {
    const over = this.#gathered.observe(figures, this.#sla, this.#lossLimit);
    this.#seen++;
    const all = 2 ** Math.min(this.#hold.of, MOST_WINDOWS) - 1;
    this.#windows = ((this.#windows << 1) | (over === undefined ? 0 : 1)) & all;
    if (over !== undefined) this.#breach = over;
    if (bits(this.#windows) >= this.#hold.bad) this.#fell(now);
    else if (this.#standing !== "good") this.#rise(figures, over, now);
  }

  /** It was dead, or there was nothing to see: what was gathered before says nothing about now. */
  died(now: Instant, why: string): void {
    this.#breach = { kind: "dead", why };
    this.#fell(now);
    this.#gathered = this.#anew();
    this.#windows = 0;
  }
  revived(now: Instant): void {
    if (this.#standing === "good") return;
    this.#standing = "resting";
    this.#keptSince = now;
  }

  /** Time alone makes good what rests. */
  wake(now: Instant): void {
    const at = this.goodAt;
    if (at === undefined || now < at || this.#standing !== "resting") return;
    this.#standing = "good";
    this.#goodSince = now;
  }

  #fell(now: Instant): void {
    this.#keptSince = undefined;
    if (this.#standing === "bad") return;
    // A rest that was broken is no relapse: it had not been trusted yet.
    if (this.#standing === "good") {
      const calm = this.#goodSince === undefined ? undefined : since(this.#goodSince, now);
      this.#relapses = calm === undefined || calm > this.#mostRest * CALM ? 0 : this.#relapses + 1;
    }
    this.#standing = "bad";
  }

  #rise(figures: PathFigures, over: Breach | undefined, now: Instant): void {
    if (over !== undefined || this.#windows !== 0) {
      this.#standing = "bad";
      this.#keptSince = undefined;
      return;
    }
    // Good again means: under the limits with room to spare, as far as is known since it came back.
    const lost = figures.counted === undefined ? worstLoss(figures) : this.#gathered.lost;
    const close = breachOf(figures, this.#sla, lost, this.#lossLimit, ROOM);
    if (close !== undefined) {
      this.#breach = close;
      this.#keptSince = undefined;
      return;
    }
    this.#standing = "resting";
    this.#keptSince ??= now;
    this.wake(now);
  }

  get #mostRest(): Ms {
    return ms(Math.max(this.#hold.mostRest, this.#hold.recover));
  }
  get #rest(): Ms {
    return ms(Math.min(this.#hold.recover * 2 ** Math.min(this.#relapses, 30), this.#mostRest));
  }

  #anew(): Gathered {
    return new Gathered(this.#sla, this.#lossLimit);
  }
}

/** What is over its limit. */
export type Breach =
  | { readonly kind: "dead"; readonly why: string }
  | { readonly kind: "latency" | "jitter" | "mos"; readonly value: number; readonly limit: number }
  | { readonly kind: "loss"; readonly value: number; readonly limit: number; readonly direction: string };

interface Lost {
  /** Percent. */
  readonly percent: number;
  readonly direction: string;
}

/** The first figure that is over its limit (times `room`), just as it is now, without asking how sure that is. */
function breachOf(figures: PathFigures, sla: Sla, lost: Lost, lossLimit: number, room: number): Breach | undefined {
  if (lost.percent > lossLimit * room) {
    return { kind: "loss", value: lost.percent, limit: lossLimit, direction: lost.direction };
  }
  const { maxLatency, maxJitter, minMos } = sla;
  const latency = figures.rtt?.recent;
  if (maxLatency !== undefined && latency !== undefined && latency > maxLatency * room)
    return { kind: "latency", value: latency, limit: maxLatency };
  const jitter = jitterOf(figures);
  if (maxJitter !== undefined && jitter !== undefined && jitter > maxJitter * room)
    return { kind: "jitter", value: jitter, limit: maxJitter };
  if (minMos !== undefined && figures.mos !== undefined && figures.mos < minMos)
    return { kind: "mos", value: figures.mos, limit: minMos };
  return undefined;
}

/** Of the worse direction; of round trips where the two are not told apart. */
export function jitterOf({ jitterOut, jitterBack, jitterRound }: PathFigures): number | undefined {
  if (jitterOut === undefined && jitterBack === undefined) return jitterRound;
  return Math.max(jitterOut ?? 0, jitterBack ?? 0);
}

/** Of the worse direction; of round trips where the two are not told apart. */
export function worstLoss(figures: PathFigures): Lost {
  const { loss, lossOut, lossBack } = figures;
  if (lossOut === undefined && lossBack === undefined) return { ...loss, direction: "" };
  const out = lossOut ?? NO_LOSS;
  const back = lossBack ?? NO_LOSS;
  return out.percent >= back.percent ? { ...out, direction: " there" } : { ...back, direction: " back" };
}

/** Without an SLA. */
export const BUILT_IN_LOSS = 2;

/** All evidence against one path, for one set of limits. */
class Gathered {
  readonly #latency: LevelEvidence | undefined;
  readonly #jitter: LevelEvidence | undefined;
  /** Of each direction, and of round trips: where differences are counted. */
  readonly #varied: readonly VariationEvidence[];
  readonly #mos: LevelEvidence | undefined;
  readonly #out: LossEvidence;
  readonly #back: LossEvidence;
  readonly #round: LossEvidence;
  strongest = 0;

  constructor({ maxLatency, maxJitter, minMos }: Sla, lossLimit: number) {
    this.#latency = maxLatency === undefined ? undefined : new LevelEvidence(maxLatency, OF_LATENCY);
    this.#jitter = maxJitter === undefined ? undefined : new LevelEvidence(maxJitter, OF_JITTER);
    this.#varied = maxJitter === undefined ? [] : WAYS.map(() => new VariationEvidence(maxJitter));
    this.#mos = minMos === undefined ? undefined : new LevelEvidence(-minMos, OF_JITTER);
    this.#out = new LossEvidence(lossLimit);
    this.#back = new LossEvidence(lossLimit);
    this.#round = new LossEvidence(lossLimit);
  }

  /** What is over its limit for sure, the strongest evidence first. */
  observe(figures: PathFigures, sla: Sla, lossLimit: number): Breach | undefined {
    const { rtt, mos } = figures;
    const { maxLatency, maxJitter, minMos } = sla;
    let strongest = 0;
    let breach: Breach | undefined;
    const weigh = (strength: number, name: () => Breach): void => {
      if (strength <= strongest) return;
      strongest = strength;
      if (strength >= 1) breach = name();
    };
    weigh(this.#loss(figures, lossLimit), () => {
      const { percent, direction } = figures.counted === undefined ? worstLoss(figures) : this.#worst;
      return { kind: "loss", value: percent, limit: lossLimit, direction };
    });
    if (maxLatency !== undefined && rtt !== undefined) {
      this.#latency?.observe(rtt.recent);
      weigh(this.#latency?.strength ?? 0, () => ({ kind: "latency", value: rtt.recent, limit: maxLatency }));
    }
    const jitter = maxJitter === undefined ? undefined : jitterOf(figures);
    if (maxJitter !== undefined && jitter !== undefined) {
      const found = this.#vary(figures);
      if (found === undefined) this.#jitter?.observe(jitter);
      const { strength, value } = found ?? { strength: this.#jitter?.strength ?? 0, value: jitter };
      weigh(strength, () => ({ kind: "jitter", value, limit: maxJitter }));
    }
    if (minMos !== undefined && mos !== undefined) {
      this.#mos?.observe(-mos);
      weigh(this.#mos?.strength ?? 0, () => ({ kind: "mos", value: mos, limit: minMos }));
    }
    this.strongest = strongest;
    return breach;
  }

  /** Over the windows that are remembered, but never from before it was last dead. */
  get lost(): Lost {
    const ways = [
      { percent: this.#out.usual, direction: " there" },
      { percent: this.#back.usual, direction: " back" },
      { percent: this.#round.usual, direction: "" },
    ] as const;
    return ways.reduce((worst, each) => (each.percent > worst.percent ? each : worst));
  }

  get range(): LossEstimate | undefined {
    return worse(worse(this.#out.range, this.#back.range), this.#round.range);
  }

  /** undefined: differences are not counted. */
  #vary({ varied }: PathFigures): { readonly strength: number; readonly value: number } | undefined {
    if (varied === undefined) return undefined;
    // Where the directions are told apart, the sum of them tells nothing more.
    const isApart = varied.out !== undefined || varied.back !== undefined;
    let worst: VariationEvidence | undefined;
    for (const [index, way] of WAYS.entries()) {
      const evidence = this.#varied[index];
      const total: Varied | undefined = isApart && way === "round" ? undefined : varied[way];
      if (evidence === undefined || total === undefined) continue;
      evidence.observe(total);
      if (worst === undefined || evidence.strength > worst.strength) worst = evidence;
    }
    return worst;
  }

  get #worst(): Lost {
    const all = [
      { strength: this.#out.strength, percent: this.#out.rate, direction: " there" },
      { strength: this.#back.strength, percent: this.#back.rate, direction: " back" },
      { strength: this.#round.strength, percent: this.#round.rate, direction: "" },
    ] as const;
    return all.reduce((worst, each) => (each.strength > worst.strength ? each : worst));
  }

  #loss(figures: PathFigures, limit: number): number {
    const { counted, loss, lossOut, lossBack } = figures;
    if (counted === undefined) {
      return Math.max(...[loss, lossOut, lossBack].map((each) => (each === undefined ? 0 : lossStrength(each, limit))));
    }
    if (counted.out !== undefined) this.#out.observe(counted.out);
    if (counted.back !== undefined) this.#back.observe(counted.back);
    // Where packets are counted, probes are among them; that one was late for its deadline tells nothing more.
    const isCounted = counted.out !== undefined && counted.back !== undefined;
    if (counted.round !== undefined && !isCounted) this.#round.observe(counted.round);
    return Math.max(this.#out.strength, this.#back.strength, this.#round.strength);
  }
}

function bits(word: number): number {
  let count = 0;
  for (let rest = word; rest !== 0; rest &= rest - 1) count++;
  return count;
}

const NO_LOSS = { percent: 0 };
const ROOM = 0.95;
const DOUBT = 0.3;
const WAYS = ["out", "back", "round"] as const;
/** Bits of a word. */
const MOST_WINDOWS = 30;
/** A path that was good for so many of its longest rests is forgiven. */
const CALM = 2;
