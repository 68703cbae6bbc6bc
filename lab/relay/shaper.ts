/**
 * What a link does to each frame of one direction, decided when it arrives: dropped, or delivered at an instant.
 * Order of effects, as on a real path: blackhole, loss, the bottleneck's queue and rate, then propagation delay.
 */
import { type Instant, instant } from "../../base/unit.ts";
import type { Impairment } from "../description.ts";
import type { Random } from "../random.ts";

export type Verdict =
  | { readonly kind: "deliver"; readonly at: Instant }
  | { readonly kind: "drop"; readonly why: "blackhole" | "loss" | "queue" };

export class Shaper {
  #impairment: Impairment = {};
  readonly #random: Random;
  #seen = 0;
  /** When the bottleneck has sent all it accepted. */
  #freeAt = 0;
  /** The slow walk of the delay, in [-1, 1], and when it was last moved. */
  #walk = 0;
  #walkedAt = 0;
  #lastAt = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** From now on; frames accepted before keep their instants. */
  impair(impairment: Impairment): void {
    this.#impairment = impairment;
    this.#seen = 0;
    this.#freeAt = 0;
    this.#lastAt = 0;
  }

  /** `size` in octets. */
  offer(size: number, now: Instant): Verdict {
    const { delay = 0, jitter = 0, order = "reorder", loss = 0, rate, queue = 50, blackhole } = this.#impairment;
    if (blackhole === true) return BLACKHOLE;
    this.#seen++;
    if (typeof loss === "number" ? loss > 0 && this.#random() * 100 < loss : this.#seen % loss.everyNth === 0)
      return LOST;
    let departs: number = now;
    if (rate !== undefined) {
      const begins = Math.max(now, this.#freeAt);
      if (begins - now > queue) return QUEUE_FULL;
      this.#freeAt = begins + (size * 8000) / rate;
      departs = this.#freeAt;
    }
    if (jitter === 0) return { kind: "deliver", at: instant(departs + delay) };
    if (order === "reorder")
      return { kind: "deliver", at: instant(departs + Math.max(0, delay + jitter * (this.#random() * 2 - 1))) };
    this.#step(now);
    // Independent delays with order enforced would be a running maximum, which raises the mean; a walk does not.
    this.#lastAt = Math.max(this.#lastAt, departs + Math.max(0, delay + jitter * this.#walk));
    return { kind: "deliver", at: instant(this.#lastAt) };
  }

  /** A random walk between reflecting walls visits all delays equally often; SPREAD makes it forget within about 0.2 s. */
  #step(now: Instant): void {
    const elapsed = Math.min(now - this.#walkedAt, 1000);
    this.#walkedAt = now;
    const normal = Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random());
    const moved = this.#walk + normal * SPREAD * Math.sqrt(elapsed);
    const folded = (((moved + 1) % 4) + 4) % 4; // unfold the mirrors: period 4
    this.#walk = folded <= 2 ? folded - 1 : 3 - folded;
  }
}

const BLACKHOLE: Verdict = { kind: "drop", why: "blackhole" };
const LOST: Verdict = { kind: "drop", why: "loss" };
const QUEUE_FULL: Verdict = { kind: "drop", why: "queue" };
/** Per square root of a millisecond. */
const SPREAD = 0.063;
