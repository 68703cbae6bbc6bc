/** Interarrival jitter.  Standards: RFC 3550 §6.4.1, §A.8. */
import { type Instant, type Ms, since } from "../../base/unit.ts";
import type { Varied } from "../figures.ts";

/**
 * Of one direction: needs no common clock, only that both run equally fast.  Each packet is compared with the newest one
 * that was sent at least `spacing` before: when more are sent in doubt, a slow swing of the delay does not seem to calm down.
 */
export class Jitter {
  #past: { readonly sentAt: Instant; readonly transit: number }[] = [];
  #jitter: number | undefined;
  #of = 0;
  #sum = 0;

  /** undefined before there were two packets. */
  get value(): number | undefined {
    return this.#jitter;
  }
  get total(): Varied | undefined {
    return this.#of === 0 ? undefined : { of: this.#of, sum: this.#sum };
  }

  /** Received less sent, by whatever clocks: in the order of arrival. */
  add(transit: number, sentAt: Instant, spacing: Ms): void {
    const last = this.#past.findLast((each) => since(each.sentAt, sentAt) >= spacing);
    this.#past.push({ sentAt, transit });
    if (this.#past.length > MOST) this.#past.shift();
    if (last === undefined) return;
    const difference = Math.abs(transit - last.transit);
    this.#of++;
    this.#sum += difference;
    this.#jitter = this.#jitter === undefined ? difference : this.#jitter + (difference - this.#jitter) / 16;
  }

  /** The next packet is compared with nothing: a clock was set, or another target answers. */
  restart(): void {
    this.#past = [];
  }
}

const MOST = 8;
