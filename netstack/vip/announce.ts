/**
 * When to tell the segment who owns an address: a burst after each claim, then a slow refresh, all through one paced
 * queue, so that a node that takes over hundreds of addresses does not flood the switches.
 * Standards: RFC 5227 §2.3, RFC 4861 §7.2.6, with a burst faster than theirs: see docs/protocols/vip.md §7.
 */
import type { Ip } from "../../base/address.ts";
import { after, type Instant, instant, type Ms, ms, seconds } from "../../base/unit.ts";
import { weight } from "./rank.ts";

export class Announcer {
  readonly #node: string;
  readonly #due = new Map<Ip, { at: Instant; round: number }>();
  /** Nothing is due before; asked at every event, so it must cost nothing. */
  #notBefore = Number.POSITIVE_INFINITY;
  #tokens = MOST_AT_ONCE;
  #filledAt: Instant | undefined;

  constructor(node: string) {
    this.#node = node;
  }

  /** Starts a burst, or starts it again. */
  start(ip: Ip, now: Instant): void {
    this.#due.set(ip, { at: now, round: 0 });
    this.#notBefore = Math.min(this.#notBefore, now);
  }
  stop(ip: Ip): void {
    this.#due.delete(ip);
  }

  /** What to announce now.  First announcements go before repetitions. */
  due(now: Instant): readonly Ip[] {
    if (now < this.#notBefore) return NOTHING;
    this.#fill(now);
    const ready = [...this.#due].filter(([, each]) => each.at <= now).sort(([, a], [, b]) => a.round - b.round);
    const chosen = ready.slice(0, Math.floor(this.#tokens));
    this.#tokens -= chosen.length;
    for (const [ip, each] of chosen) {
      const gap = BURST[each.round] ?? ms(REFRESH + JITTER * (weight(`${this.#node}${each.round}`, ip) / 2 ** 32));
      each.at = after(now, gap);
      each.round++;
    }
    this.#notBefore = Number.POSITIVE_INFINITY;
    for (const { at } of this.#due.values()) this.#notBefore = Math.min(this.#notBefore, at);
    return chosen.map(([ip]) => ip);
  }

  nextAt(now: Instant): Instant | undefined {
    if (this.#due.size === 0) return undefined;
    if (this.#notBefore > now) return instant(this.#notBefore);
    return after(now, ms(Math.max(1, (1 - this.#tokens) * PACE))); // ready but paced
  }

  #fill(now: Instant): void {
    const elapsed = this.#filledAt === undefined ? 0 : Math.max(0, now - this.#filledAt);
    this.#tokens = Math.min(MOST_AT_ONCE, this.#tokens + elapsed / PACE);
    this.#filledAt = now;
  }
}

const NOTHING: readonly Ip[] = [];
/** Gaps between the announcements of a burst: 0, 50, 250, 1000, 2000 ms after the claim. */
const BURST: readonly Ms[] = [50, 200, 750, 1000].map(ms);
const REFRESH = seconds(60);
const JITTER = seconds(6);
/** Addresses announced without pause, then one per `PACE` milliseconds. */
const MOST_AT_ONCE = 32;
const PACE = 2;
