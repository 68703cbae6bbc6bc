/**
 * Evidence that the variation of a delay is over its limit, from the differences themselves and not from the smoothed figure
 * made of them (RFC 3550 jitter lags by 16 packets, and its neighbours are nearly the same).  A cumulative sum, as for losses
 * (evidence.ts): differences are spread about exponentially around their mean, which tells how much likelier each makes a
 * rival mean; how much less, or more, they really spread is learnt.
 */
import type { Varied } from "../figures.ts";
import type { Evidence } from "./evidence.ts";

export class VariationEvidence implements Evidence {
  readonly #limit: number;
  readonly #rivals: readonly Rival[];
  #before: Varied | undefined;
  #last: Varied | undefined;
  /** Variance of what a window tells, in what exponential differences would have. */
  #dispersion = 1;
  #slowOf = 0;
  #slowSum = 0;
  /** Milliseconds, each window as much as any other: more probes in doubt make nothing usual. */
  #usual = 0;
  #windows = 0;
  #newOf = 0;
  #newSum = 0;

  /** Milliseconds. */
  constructor(limit: number) {
    this.#limit = Math.max(limit, LEAST_LIMIT);
    this.#rivals = RIVALS.map((times) => ({
      perUnit: (1 - 1 / times) / this.#limit,
      perSample: Math.log(times),
      sum: 0,
    }));
  }

  observe(total: Varied): void {
    const before = this.#before;
    this.#before = total;
    // Counted anew: there is no difference to learn from.
    if (before === undefined || total.of <= before.of || total.sum < before.sum) return;
    const fresh = { of: total.of - before.of, sum: total.sum - before.sum };
    this.#learn(fresh);
    const { of, sum } = fresh;
    this.#newOf += of - this.#newOf / NEW;
    this.#newSum += sum - this.#newSum / NEW;
    this.#slowOf += of - this.#slowOf / SLOW;
    this.#slowSum += Math.min(sum, of * this.#limit * MOST_IN_SLOW) - this.#slowSum / SLOW;
    this.#windows++;
    this.#usual += (sum / of - this.#usual) / Math.min(this.#windows, SLOW);
    for (const each of this.#rivals) {
      const gained = (sum * each.perUnit - of * each.perSample) / this.#dispersion;
      // One spike, however high, is one window's worth.
      each.sum = Math.max(0, Math.min(each.sum + Math.min(gained, MOST_GAIN), ENOUGH + ABOVE));
    }
  }

  get strength(): number {
    return Math.max(Math.max(...this.#rivals.map(({ sum }) => sum)) / this.#enough, this.#slowly);
  }
  /** Milliseconds, over the newest second or so. */
  get value(): number {
    return this.#newOf === 0 ? 0 : this.#newSum / this.#newOf;
  }

  /** What was far from its limit has jumped if it is over it now; what lives close to it has to prove more. */
  get #enough(): number {
    const close = Math.min(Math.max((this.#usual / this.#limit - FAR) / (CLOSE - FAR), 0), 1);
    return ENOUGH_FAR + close * (ENOUGH - ENOUGH_FAR);
  }

  /** A small excess that lasts: the long mean is over the limit by more than its own error explains. */
  get #slowly(): number {
    if (this.#slowOf < SLOW) return 0;
    const error = this.#limit * Math.sqrt(this.#dispersion / this.#slowOf);
    return Math.max(0, (this.#slowSum / this.#slowOf - this.#limit) / (ERRORS * error));
  }

  /** From two neighbours, so that a change of level is in one pair alone. */
  #learn(fresh: Varied): void {
    const last = this.#last;
    this.#last = fresh;
    if (last === undefined) return;
    // Of what is far below the limit nobody asks how it spreads.
    const mean = Math.max((fresh.sum + last.sum) / (fresh.of + last.of), this.#limit);
    const apart = (fresh.sum / fresh.of - last.sum / last.of) / mean;
    const seen = Math.min((apart * apart) / (1 / fresh.of + 1 / last.of), MOST_SEEN);
    this.#dispersion = Math.max(LEAST_DISPERSION, this.#dispersion + (seen - this.#dispersion) / MEMORY);
  }
}

interface Rival {
  readonly perUnit: number;
  readonly perSample: number;
  sum: number;
}

/** Milliseconds. */
const LEAST_LIMIT = 0.1;
/** Rival means, in units of the limit: one finds what is somewhat over, one what is far over. */
const RIVALS = [1.5, 3] as const;
/** Windows that are remembered. */
const NEW = 10;
const SLOW = 300;
/** In units of the limit. */
const MOST_IN_SLOW = 4;
/** Natural logarithm of how much likelier the rival must be, where the mean lives close to the limit, and far from it. */
const ENOUGH = 10;
const ENOUGH_FAR = 4;
const FAR = 0.3;
const CLOSE = 0.7;
const ABOVE = 2;
const MOST_GAIN = 1.7;
const ERRORS = 5;
const LEAST_DISPERSION = 0.65;
const MOST_SEEN = 10;
const MEMORY = 40;
