/**
 * A penalty for each loss, which halves with time: after the manner of RFC 2439 §4.2 (route flap damping), with spans of
 * a WAN link.  It delays good news only: a loss is a loss at once.
 */
import { after, type Instant, ms, seconds } from "../../base/unit.ts";

export interface Flapping {
  readonly penalty: number;
  /** When it was that large. */
  readonly at: Instant;
  /** Losses since the penalty was last forgotten. */
  readonly losses: number;
  readonly held: boolean;
}

export function steady(now: Instant): Flapping {
  return { penalty: 0, at: now, losses: 0, held: false };
}

export function lost(flapping: Flapping, now: Instant): Flapping {
  const before = penaltyAt(flapping, now);
  const penalty = Math.min(before + LOSS, MOST);
  const losses = before < FORGOTTEN ? 1 : flapping.losses + 1;
  return { penalty, at: now, losses, held: flapping.held || penalty > HOLD };
}

/** What remains of it now: no longer held when the penalty has become small. */
export function settled(flapping: Flapping, now: Instant): Flapping {
  if (!flapping.held || penaltyAt(flapping, now) > REUSE) return flapping;
  return { ...flapping, held: false };
}

/** When it will be trusted again; undefined: it is. */
export function heldUntil(flapping: Flapping): Instant | undefined {
  if (!flapping.held) return undefined;
  // Rounded up: at that instant the penalty must have fallen below.
  const span = Math.ceil(HALF_LIFE * Math.log2(flapping.penalty / REUSE)) + 1;
  return after(flapping.at, ms(Math.max(span, 0)));
}

function penaltyAt({ penalty, at }: Flapping, now: Instant): number {
  return penalty * 2 ** -((now - at) / HALF_LIFE);
}

const HALF_LIFE = seconds(15);
const LOSS = 1000;
/** Three losses within some seconds. */
const HOLD = 2500;
const REUSE = 1000;
/** Keeps the longest hold to a minute. */
const MOST = 16_000;
const FORGOTTEN = 100;
