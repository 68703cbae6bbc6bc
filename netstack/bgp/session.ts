/**
 * One connection's state machine: RFC 4271 §8, with the events' numbers of §8.1 beside their names.  A peer has one of
 * these, and a second one while two connections collide (§6.8; peer.ts decides which one gets `collision-dump`).
 *
 * Standards: RFC 4271 §8.2.2, RFC 6608 (FSM subcodes), RFC 9687 (SendHoldTimer), RFC 2918/7313 (ROUTE-REFRESH).
 * Left out on purpose: events 14 and 15 (the speaker accepts valid connections only), sending a NOTIFICATION before an
 * OPEN.  Departures, as every implementation has them: a connection attempt that fails leads to Active and not to Idle,
 * where the peer's own call would be refused; a NOTIFICATION is never answered by one (§6.4).
 */
import type { Instant } from "../../base/unit.ts";
import { CELLS } from "./session-cells.ts";
import { draftOf } from "./session-moves.ts";
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

/** Those that have expired, in the order of their deadlines; each gets one `step`, unless the one before stopped it. */
export function expired(session: Session, now: Instant): Timer | undefined {
  const [first] = running(session).filter(([, at]) => at <= now);
  return first?.[0];
}

export function nextWake(session: Session): Instant | undefined {
  return running(session)[0]?.[1];
}

function running(session: Session): readonly (readonly [Timer, Instant])[] {
  const all = Object.entries(session.timers) as [Timer, Instant | undefined][];
  return all.filter((each): each is [Timer, Instant] => each[1] !== undefined).toSorted((a, b) => a[1] - b[1]);
}
