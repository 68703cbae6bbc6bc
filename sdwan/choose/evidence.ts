/**
 * Evidence that a figure is over its limit, gathered window by window (cumulative sums: E. S. Page, Biometrika 41, 1954).
 * What is far over its limit is sure after two windows, a loss after four; what is a little over takes as long as its own
 * noise makes necessary; what hovers just under never gets there, however often chance lifts single windows above.
 */
import type { LossEstimate, PacketCount } from "../figures.ts";
import { lossOf } from "../probe/loss.ts";
import { Noise } from "./level.ts";

/** How far what was seen goes towards a breach: 0 nothing, 1 and more enough. */
export interface Evidence {
  readonly strength: number;
}

export interface LevelTuning {
  /** Windows after which a figure is independent of what it was. */
  readonly lag: number;
  /** What must be gathered, in units of the noise. */
  readonly enough: number;
}

/** `recent` medians: a few probes overlap. */
export const OF_LATENCY: LevelTuning = { lag: 5, enough: 60 };
/** RFC 3550 jitter remembers 16 packets; the E-model is made of it. */
export const OF_JITTER: LevelTuning = { lag: 20, enough: 250 };

/** A figure that has a level and noise around it: round trip, jitter, MOS. */
export class LevelEvidence implements Evidence {
  readonly #limit: number;
  readonly #tuning: LevelTuning;
  readonly #noise: Noise;
  #sum = 0;
  /** Over about `SLOW` windows. */
  #mean = 0;
  #windows = 0;
  /** Windows in a row that kept the limit. */
  #kept = 0;

  /** Over `limit` is a breach; negate both for a figure that shall not fall. */
  constructor(limit: number, tuning: LevelTuning) {
    this.#limit = limit;
    this.#tuning = tuning;
    this.#noise = new Noise(tuning.lag, LEVEL.noiseAtFirst * Math.abs(limit));
  }

  observe(value: number): void {
    const { lag, enough } = this.#tuning;
    this.#kept = value > this.#limit ? 0 : this.#kept + 1;
    // What was over is over: the long mean must not remember it for longer than that takes to be sure.
    if (this.#kept === LEVEL.forget * lag) this.#windows = 0;
    this.#windows++;
    this.#noise.observe(value, LEVEL.finest * Math.abs(this.#limit));
    const noise = Math.max(this.#noise.value, LEVEL.leastNoise * Math.abs(this.#limit));
    // Single windows far over the limit are the sum's to judge; a mean would remember them for too long.
    const counted = Math.min(value, this.#limit + LEVEL.mostInMean * noise);
    this.#mean += (counted - this.#mean) / Math.min(this.#windows, SLOW);
    const most = enough / 2 + LEVEL.slack;
    const excess = Math.max(-most, Math.min((value - this.#limit) / noise, most));
    this.#sum = Math.max(0, Math.min(this.#sum + excess - LEVEL.slack, LEVEL.ceiling * enough));
  }

  get strength(): number {
    return Math.max(this.#sum / this.#tuning.enough, this.#slowly());
  }

  /** A small excess that lasts: the long mean is over the limit by more than its own error explains. */
  #slowly(): number {
    const { lag } = this.#tuning;
    if (this.#windows < SLOW_LEAST) return 0;
    const independent = (2 * Math.min(this.#windows, SLOW)) / (2 * lag);
    const error = Math.max(this.#noise.value, LEVEL.finest * Math.abs(this.#limit)) / Math.sqrt(independent);
    return Math.max(0, (this.#mean - this.#limit) / (LEVEL.errors * error));
  }
}

/** Losses in one direction, from packets that were counted since the last window. */
export class LossEvidence implements Evidence {
  readonly #limit: number;
  /** Two rival rates, each with its own sum: one finds what is somewhat over, one what is far over. */
  readonly #rivals: readonly Rival[];
  #before: PacketCount | undefined;
  #lastLost = 0;
  /** How much more losses come in bursts than independent ones would (index of dispersion), 1 and more. */
  #bursts = 1;
  #newOf = 0;
  #newLost = 0;
  #midOf = 0;
  #midLost = 0;
  #slowOf = 0;
  #slowLost = 0;
  /** Packets since the last loss. */
  #kept = 0;

  /** Percent. */
  constructor(limit: number) {
    const share = Math.min(Math.max(limit, LOSS.leastLimit), LOSS.mostLimit) / 100;
    this.#limit = share;
    this.#rivals = [
      rival(share, Math.min(Math.max(2.5 * share, share + 0.01), LOSS.mostRival)),
      rival(share, Math.min(Math.max(10 * share, share + 0.1), LOSS.mostRival)),
    ];
  }

  observe(count: PacketCount): void {
    const before = this.#before;
    this.#before = count;
    // Counted anew (the device or the peer is another): there is no difference to learn from.
    if (before === undefined || count.of < before.of) return;
    const of = count.of - before.of;
    // Less than before: answers came late, and what was gathered from their absence is given back.
    const lost = Math.min(count.lost - before.lost, of);
    if (of === 0 && lost === 0) return;
    if (lost >= 0) this.#learnBursts(lost);
    this.#kept = lost > 0 ? 0 : this.#kept + of;
    if (this.#kept * this.#limit > LOSS.forget) this.#slowOf = this.#slowLost = 0;
    this.#newOf += of - this.#newOf / NEW;
    this.#newLost = Math.max(0, this.#newLost + lost - this.#newLost / NEW);
    this.#midOf += of - this.#midOf / MID;
    this.#midLost = Math.max(0, this.#midLost + lost - this.#midLost / MID);
    this.#slowOf += of - this.#slowOf / SLOW;
    const most = Math.max(LOSS.mostInSlow * this.#limit * of, LOSS.leastInSlow);
    this.#slowLost = Math.max(0, this.#slowLost + Math.min(lost, most) - this.#slowLost / SLOW);
    const dispersion = this.#dispersion;
    for (const each of this.#rivals) {
      const gained = (lost * each.perLost - (of - lost) * each.perKept) / dispersion;
      // One burst, however long, is one window's worth: it takes several windows to be sure.
      each.sum = Math.max(0, Math.min(each.sum + Math.min(gained, LOSS.mostGain), LOSS.enough + LOSS.above));
    }
  }

  get strength(): number {
    const fast = Math.max(...this.#rivals.map(({ sum }) => sum)) / LOSS.enough;
    return Math.max(fast, likelihood(this.#slowLost, this.#slowOf, this.#limit) / (LOSS.slowEnough * this.#dispersion));
  }
  /** Percent, over the newest second or so of losses. */
  get rate(): number {
    return this.#newOf === 0 ? 0 : (100 * this.#newLost) / this.#newOf;
  }
  /** Over some seconds, with how sure it is; undefined: nothing was counted. */
  get range(): LossEstimate | undefined {
    return lossOf(this.#midLost / this.#dispersion, this.#midOf / this.#dispersion);
  }
  /** Percent, over half a minute, or since losses ceased. */
  get usual(): number {
    return this.#slowOf === 0 ? 0 : (100 * this.#slowLost) / this.#slowOf;
  }

  /** Short windows cut bursts into pieces, and see less of them than there is. */
  get #dispersion(): number {
    return 1 + LOSS.cut * (this.#bursts - 1);
  }

  /** Given the losses of two windows together, independent ones are split between them with this expectation of 1. */
  #learnBursts(lost: number): void {
    const together = lost + this.#lastLost;
    const apart = lost - this.#lastLost;
    this.#lastLost = lost;
    if (together === 0) return;
    const seen = Math.min((apart * apart) / together, LOSS.mostBursts);
    this.#bursts = Math.max(1, this.#bursts + (seen - this.#bursts) / LOSS.burstMemory);
  }
}

/**
 * Where packets are not counted, only estimated over windows that overlap: the logarithm of how much likelier the losses
 * are at their own rate than at the limit; 0 when they are not over it.
 */
export function lossStrength(estimate: { readonly percent: number; readonly of: number }, limit: number): number {
  const share = Math.min(Math.max(limit, LOSS.leastLimit), LOSS.mostLimit) / 100;
  return likelihood((estimate.percent / 100) * estimate.of, estimate.of, share) / LOSS.windowEnough;
}

interface Rival {
  readonly perLost: number;
  readonly perKept: number;
  sum: number;
}

function rival(limit: number, rate: number): Rival {
  return { perLost: Math.log(rate / limit), perKept: Math.log((1 - limit) / (1 - rate)), sum: 0 };
}

function likelihood(lost: number, of: number, limit: number): number {
  if (of <= 0) return 0;
  const share = Math.min(lost / of, 1);
  if (share <= limit) return 0;
  const kept = share === 1 ? 0 : (1 - share) * Math.log((1 - share) / (1 - limit));
  return of * (share * Math.log(share / limit) + kept);
}

/** Windows that the slow means remember: half a minute of them. */
const SLOW = 300;
const SLOW_LEAST = 50;
const NEW = 10;
const MID = 40;
const LEVEL = {
  /** Standard deviations per window that are forgiven: what the limit itself would gather. */
  slack: 0.75,
  noiseAtFirst: 0.05,
  /** Shares of the limit: noise is never believed to be less. */
  leastNoise: 0.02,
  finest: 0.001,
  errors: 3,
  forget: 8,
  mostInMean: 3,
  /** So that what is over soon counts as over. */
  ceiling: 1.25,
} as const;
const LOSS = {
  leastLimit: 0.01,
  mostLimit: 90,
  mostRival: 0.95,
  /**
   * Natural logarithm of how much likelier the rival must be.  Of 1,000 packets/s, 5 % lost: over a limit of 1 % found
   * within 0.4 s (19 of 20 times 0.65 s), over one of 2 % within 0.7 s (1.3 s); with 7 in place of 8, 0.9 of the limit
   * passes for a breach once in four hours.
   */
  enough: 8,
  above: 2,
  mostGain: 2.3,
  cut: 3,
  slowEnough: 12,
  /** Of one window, in what the limit allows it, and in packets: bursts are the sums' to judge. */
  mostInSlow: 4,
  leastInSlow: 2,
  /** Losses that the limit would have allowed since the last one. */
  forget: 6,
  windowEnough: 9,
  mostBursts: 20,
  burstMemory: 100,
} as const;
