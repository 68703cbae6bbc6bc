/** A token bucket: what anybody on the segment can provoke happens a few times at once, then steadily. */
import { after, type Instant, type Ms } from "../../base/unit.ts";

export class Pace {
  readonly #most: number;
  #tokens: number;
  #filledAt: Instant | undefined;

  constructor(most: number) {
    this.#most = most;
    this.#tokens = most;
  }

  /** Whether it may happen now; if so it counts. */
  take(now: Instant, gap: Ms): boolean {
    this.#fill(now, gap);
    // Instants are sums: what is due exactly now must not be missed by a rounding, and then wake for ever.
    if (this.#tokens < 1 - 1e-6) return false;
    this.#tokens = Math.max(0, this.#tokens - 1);
    return true;
  }

  /** When it may happen next, after `take` refused. */
  nextAt(now: Instant, gap: Ms): Instant {
    this.#fill(now, gap);
    return after(now, ((1 - this.#tokens) * gap) as Ms);
  }

  #fill(now: Instant, gap: Ms): void {
    const elapsed = this.#filledAt === undefined ? 0 : Math.max(0, now - this.#filledAt);
    this.#tokens = Math.min(this.#most, this.#tokens + elapsed / gap);
    this.#filledAt = now;
  }
}
