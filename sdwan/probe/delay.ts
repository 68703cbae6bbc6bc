/**
 * How long an answer may take.  Standards: RFC 6298 §2 (smoothed round trip and its variation, first deadline of one
 * second).  The deadline itself is ours: a probe is missed long before a transport would send again.
 */
import { type Ms, ms } from "../../base/unit.ts";

export class Delay {
  #smoothed: number | undefined;
  #variation = 0;

  get smoothed(): number | undefined {
    return this.#smoothed;
  }

  add(rtt: number): void {
    if (this.#smoothed === undefined) {
      this.#smoothed = rtt;
      this.#variation = rtt / 2;
      return;
    }
    this.#variation += (Math.abs(this.#smoothed - rtt) - this.#variation) / 4;
    this.#smoothed += (rtt - this.#smoothed) / 8;
  }

  /** Since sending, of a path that is asked every `interval` while all is well. */
  deadline(interval: number): Ms {
    const smoothed = this.#smoothed;
    if (smoothed === undefined) return ms(Math.max(interval / 2, FIRST));
    return ms(Math.max(interval / 2, smoothed + 4 * this.#variation, 2 * smoothed + 5));
  }

  /** When an answer is so late that the next probe should not wait: before the deadline, since it proves nothing. */
  suspicion(interval: number): Ms {
    const deadline = this.deadline(interval);
    const smoothed = this.#smoothed;
    if (smoothed === undefined) return deadline;
    return ms(Math.min(deadline, smoothed + Math.max(4 * this.#variation, smoothed / 8, LEAST_ODD)));
  }

  /** Whether this one is far from what was usual: a change may be under way. */
  isOdd(rtt: number): boolean {
    const smoothed = this.#smoothed;
    return smoothed !== undefined && rtt > smoothed + Math.max(4 * this.#variation, smoothed / 4, LEAST_ODD);
  }

  forget(): void {
    this.#smoothed = undefined;
    this.#variation = 0;
  }
}

const FIRST = 1000;
const LEAST_ODD = 3;
