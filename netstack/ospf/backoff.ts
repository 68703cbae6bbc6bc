/**
 * When routes are computed anew: the first change at once, a storm of them seldom.  Standards: RFC 8405 §5, with its
 * table of states and events; the spans are those that its §6 leaves to us.
 */
import { after, earliest, type Instant, ms } from "../../base/unit.ts";

export interface Backoff {
  state: "quiet" | "short-wait" | "long-wait";
  spfAt: Instant | undefined;
  learnUntil: Instant | undefined;
  holdUntil: Instant | undefined;
}

export function backoff(): Backoff {
  return { state: "quiet", spfAt: undefined, learnUntil: undefined, holdUntil: undefined };
}

/** Something that routes depend on has changed; `lsas`: how much there is to compute with. */
export function changed(b: Backoff, now: Instant, lsas = 0): void {
  expire(b, now);
  b.holdUntil = after(now, HOLD_DOWN);
  if (b.state === "quiet") {
    b.state = "short-wait";
    b.learnUntil = after(now, TIME_TO_LEARN);
    b.spfAt ??= after(now, INITIAL_DELAY);
  } else b.spfAt ??= after(now, b.state === "short-wait" ? SHORT_DELAY : ms(LONG_DELAY + lsas * PER_LSA));
}

/** Is it time to compute?  Then it is done by the caller, now. */
export function due(b: Backoff, now: Instant): boolean {
  expire(b, now);
  if (b.spfAt === undefined || now < b.spfAt) return false;
  b.spfAt = undefined;
  return true;
}

export function nextAt(b: Backoff): Instant | undefined {
  return b.spfAt; // the other two only matter when something changes
}

function expire(b: Backoff, now: Instant): void {
  const next = earliest(b.learnUntil, b.holdUntil);
  if (next === undefined || now < next) return;
  if (b.learnUntil !== undefined && now >= b.learnUntil) {
    b.learnUntil = undefined;
    if (b.state === "short-wait") b.state = "long-wait";
  }
  if (b.holdUntil !== undefined && now >= b.holdUntil) {
    b.holdUntil = undefined;
    b.learnUntil = undefined;
    b.state = "quiet";
  }
}

const INITIAL_DELAY = ms(0);
const SHORT_DELAY = ms(50);
const LONG_DELAY = ms(200);
/** A table of a hundred thousand takes a while: it is computed once a second at most. */
const PER_LSA = 0.01;
const TIME_TO_LEARN = ms(1000);
const HOLD_DOWN = ms(2000);
