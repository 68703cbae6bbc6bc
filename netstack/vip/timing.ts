/**
 * The spans of the protocol, all from the heartbeat's interval and multiplier; proofs in docs/protocols/vip.md.
 *
 *   last heartbeat heard      lease over        claim
 *          |------ lease ---------|--- window -----|
 *          |------------- detection ---------------|
 */
import { type Ms, ms } from "../../base/unit.ts";

export interface Timing {
  readonly interval: Ms;
  readonly multiplier: number;
}

/** Silence after which a peer is dead. */
export function detection(timing: Timing): Ms {
  return ms(timing.interval * timing.multiplier);
}
/** What an owner renews its lease to, before each heartbeat: it ends one window before anybody may take over. */
export function lease(timing: Timing): Ms {
  return ms(detection(timing) - window(timing));
}
/** Between the end of a dead owner's lease and its successor's claim: only a living owner answers a probe in it. */
export function window(timing: Timing): Ms {
  return ms(timing.interval / 2);
}
/** How much longer each worse candidate waits, so that it hears the better one's claim first. */
export function stagger(timing: Timing): Ms {
  return ms(timing.interval / 2);
}
/** Between heartbeats that do not wait for their turn, when there are many: a claim is still heard within its window. */
export function urgentGap(timing: Timing): Ms {
  return ms(timing.interval / 4);
}
/**
 * Silence of all peers and witnesses after which an owner is cut off.  Shorter than detection by one interval, because
 * what peers heard last of it may be an interval older than the cut, and by half a window, because a cut may end right
 * after it swallowed the last probe: by then the owner must know.  Never under an interval and a half, or one lost
 * datagram would do.
 */
export function isolation(timing: Timing): Ms {
  return ms(Math.max(timing.interval * 1.5, detection(timing) - timing.interval - window(timing) / 2));
}
