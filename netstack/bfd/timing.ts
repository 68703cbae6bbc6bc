/** Intervals.  Standards: RFC 5880 §6.8.2–6.8.4, §6.8.7; RFC 7419 §2 (any interval is supported, so the common ones are). */
import { type Ms, ms } from "../../base/unit.ts";

/**
 * §6.8.7: each interval is shortened by a random 0 to 25 %; with a multiplier of 1 by at least 10 %, so that one packet
 * that is a little late is not a failure.  `random` is in [0, 1).
 */
export function jitter(multiplier: number, random: number): number {
  return multiplier === 1 ? 0.9 - 0.15 * random : 1 - 0.25 * random;
}

/** The most that a packet may go early: then none goes before three quarters of the interval (§6.8.7). */
export const EARLIEST = 0.75;

/** §6.8.3: while not Up, not less than one second. */
export function slow(span: Ms): Ms {
  return ms(Math.max(span, 1000));
}

export function longer(a: Ms, b: Ms): Ms {
  return a > b ? a : b;
}
