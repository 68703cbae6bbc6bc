/**
 * One connection's state machine: RFC 4271 §8, with the events' numbers of §8.1 beside their names.  A peer has one of
 * these, and a second one while two connections collide (§6.8; peer.ts decides which one gets `collision-dump`).
 *
 * Standards: RFC 4271 §8.2.2, RFC 6608 (FSM subcodes), RFC 9687 (SendHoldTimer), RFC 2918/7313 (ROUTE-REFRESH).
 * Left out on purpose: events 14 and 15 (the speaker accepts valid connections only), sending a NOTIFICATION before an
 * OPEN.  Departures, as every implementation has them: a connection attempt that fails leads to Active and not to Idle,
 * where the peer's own call would be refused; a NOTIFICATION is never answered by one (§6.4).
 */
import { after, type Instant, ms } from "../../base/unit.ts";
import { CELLS } from "./session-cells.ts";
import { draftOf, KEEPALIVE_EARLY } from "./session-moves.ts";
import type { Session, SessionAction, SessionConfig, SessionEvent, Timer } from "./session-state.ts";

export function sessionOf(config: SessionConfig): Session {
  return {
    config,
    state: "idle",
    negotiated: undefined,
    keepaliveEvery: undefined,
    timers: {},
    attempts: 0,
    retries: 0,
    strikes: {},
    written: 0,
    taken: 0,
  };
}

/** `jitter` is between 0.75 and 1 (RFC 4271 §10), drawn anew for each call. */
export function step(
  session: Session,
  event: SessionEvent,
  now: Instant,
  jitter = 1,
): readonly [Session, readonly SessionAction[]] {
  const draft = draftOf(session, now, jitter);
  CELLS[session.state][event.kind](draft, event as never);
  return [draft.session, draft.out];
}

/**
 * The timer that has expired first; it gets a `step`, and so the next one, unless that stopped it.  A KEEPALIVE that is
 * almost due counts: somebody is awake, and of hundreds of sessions each would wake us by itself.
 */
export function expired({ timers, keepaliveEvery }: Session, now: Instant): Timer | undefined {
  const first = firstOf(timers);
  if (first !== undefined && (timers[first] ?? now) <= now) return first;
  const keepalive = timers["keepalive-expired"];
  if (keepalive === undefined || keepaliveEvery === undefined) return undefined;
  return keepalive <= after(now, ms(keepaliveEvery * KEEPALIVE_EARLY)) ? "keepalive-expired" : undefined;
}

export function nextWake({ timers }: Session): Instant | undefined {
  const first = firstOf(timers);
  return first === undefined ? undefined : timers[first];
}

/** Asked for at every message: no list is made. */
function firstOf(timers: Session["timers"]): Timer | undefined {
  let first: Timer | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const timer of TIMERS) {
    const at = timers[timer];
    if (at === undefined || at >= least) continue;
    first = timer;
    least = at;
  }
  return first;
}

const TIMERS: readonly Timer[] = [
  "hold-expired",
  "keepalive-expired",
  "send-hold-expired",
  "connect-retry-expired",
  "delay-open-expired",
  "idle-hold-expired",
];
