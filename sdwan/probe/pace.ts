/**
 * How often a path is asked.  The octets that its probes may cost per hour lie in a bucket which holds three minutes'
 * worth: doubts are paid from it, and when it is empty the pace is what the budget refills.  In no hour more is spent
 * than the budget, since the bucket's content and the refill together are the budget.
 */
import { after, type Instant, instant, type Ms, ms, since } from "../../base/unit.ts";
import type { Pace } from "../steer-plan.ts";

/** `alarm`: in doubt, and somebody is about to decide. */
export type Urgency = "calm" | "doubt" | "alarm" | "idle";

export function isUrgent(urgency: Urgency): boolean {
  return urgency === "doubt" || urgency === "alarm";
}

export class Pacer {
  #pace: Pace;
  /** Of a probe and its answer. */
  #cost: number;
  #octets: number;
  #filledAt: Instant;

  constructor(pace: Pace, cost: number, now: Instant) {
    this.#pace = pace;
    this.#cost = cost;
    this.#octets = this.#room;
    this.#filledAt = now;
  }

  /** What was spent stays spent. */
  change(pace: Pace, cost: number, now: Instant): void {
    this.#fill(now);
    this.#pace = pace;
    this.#cost = cost;
    this.#octets = Math.min(this.#octets, this.#room);
  }

  /** Between two probes, as long as it is like this. */
  interval(urgency: Urgency): Ms {
    return ms(Math.max(this.#wanted(urgency), isUrgent(urgency) ? 0 : this.#cost / this.#refill));
  }

  /** What this costs per hour, and never more than the budget. */
  octetsPerHour(urgency: Urgency): number {
    return Math.min(this.#pace.octetsPerHour, (this.#cost * HOUR) / this.interval(urgency));
  }

  /** When the probe after one at `last` is due. */
  next(last: Instant, urgency: Urgency, now: Instant): Instant {
    this.#fill(now);
    const due = this.#aligned(after(last, this.interval(urgency)), urgency);
    if (this.#octets >= this.#cost) return due;
    const paid = after(now, ms((this.#cost - this.#octets) / this.#refill));
    return paid > due ? paid : due;
  }

  /** Several paths wake the process together, a few times in an interval; in doubt each is as fast as it can be. */
  #aligned(due: Instant, urgency: Urgency): Instant {
    const wanted = this.#wanted(urgency);
    // What the budget slows down is not hurried.
    if (isUrgent(urgency) || this.interval(urgency) > wanted) return due;
    const grain = Math.min(wanted / SLOTS, MOST_GRAIN);
    return instant(Math.round(due / grain) * grain);
  }

  /** A probe is sent now. */
  spend(times: number, now: Instant): void {
    this.#fill(now);
    this.#octets -= this.#cost * times;
  }

  #wanted(urgency: Urgency): number {
    const { interval, inDoubt } = this.#pace;
    if (urgency === "doubt") return Math.min(interval, inDoubt);
    if (urgency === "alarm") return Math.min(interval, Math.max(inDoubt / ALARM, FASTEST));
    return urgency === "idle" ? Math.max(interval, Math.min(interval * IDLE, MOST_IDLE)) : interval;
  }

  get #room(): number {
    return Math.max(this.#pace.octetsPerHour * SAVED, this.#cost);
  }
  /** Octets per millisecond. */
  get #refill(): number {
    return (this.#pace.octetsPerHour * (1 - SAVED)) / HOUR;
  }
  #fill(now: Instant): void {
    this.#octets = Math.min(this.#room, this.#octets + since(this.#filledAt, now) * this.#refill);
    this.#filledAt = now;
  }
}

const HOUR = 3_600_000;
const SAVED = 1 / 20;
/** So many times as often as in doubt, and in milliseconds. */
const ALARM = 5;
const FASTEST = 10;
const IDLE = 4;
const MOST_IDLE = 10_000;
/** Of an interval, in which paths over the same link are told apart. */
export const SLOTS = 4;
const MOST_GRAIN = 25;
