/** What the cells of session.ts are made of: timers, the way to Idle and its damping. */
import { after, type Instant, type Ms, ms } from "../../base/unit.ts";
import type { Negotiated } from "./negotiate.ts";
import type { KnownReason, Reason } from "./packet/notification.ts";
import type { BgpState } from "./plan.ts";
import type { Cause, Ending, IdleHold, Session, SessionAction, Timer } from "./session-state.ts";

/** A session being changed by one event. */
export interface Draft {
  session: Session;
  readonly now: Instant;
  readonly jitter: number;
  readonly out: SessionAction[];
}

export function draftOf(session: Session, now: Instant, jitter: number): Draft {
  return { session, now, jitter, out: [] };
}

export function set(d: Draft, timer: Timer, span: Ms): void {
  const at = after(d.now, span);
  // Of many messages that are read at once each begins the hold time anew.
  if (d.session.timers[timer] === at) return;
  d.session = { ...d.session, timers: { ...d.session.timers, [timer]: at } };
}
export function clear(d: Draft, ...gone: readonly Timer[]): void {
  const timers = { ...d.session.timers };
  for (const timer of gone) delete timers[timer];
  d.session = { ...d.session, timers };
}
export function runs(d: Draft, timer: Timer): boolean {
  return d.session.timers[timer] !== undefined;
}

export function move(d: Draft, to: BgpState, why: string): void {
  const from = d.session.state;
  d.session = { ...d.session, state: to };
  d.out.push({ kind: "moved", from, to, why });
}

/** Calls, or listens only. */
export function begin(d: Draft, why: string): void {
  d.session = { ...d.session, retries: 0 };
  clear(d, "idle-hold-expired");
  if (d.session.config.active) call(d, why);
  else move(d, "active", why);
}
export function call(d: Draft, why: string): void {
  // The whole time, whatever came before: TCP has its own idea of when to say something again.
  set(d, "connect-retry-expired", ms(Math.max(LEAST_RETRY, d.session.config.connectRetry) * d.jitter));
  d.out.push({ kind: "connect" });
  if (d.session.state !== "connect") move(d, "connect", why);
}
/**
 * After a call that was refused.  §10 suggests 120 s; the first ones come sooner: most peers that refuse are just
 * starting, or just saw us go.
 */
export function setRetry(d: Draft): void {
  const { attempts, config } = d.session;
  const span = Math.max(
    LEAST_RETRY,
    Math.min(FIRST_RETRY * 2 ** Math.min(Math.max(0, attempts - QUICK), 16), config.connectRetry),
  );
  set(d, "connect-retry-expired", ms(span * d.jitter));
}

/** The transport is there: our OPEN goes, or waits for the peer's. */
export function connected(d: Draft): void {
  clear(d, "connect-retry-expired");
  d.session = { ...d.session, attempts: 0, written: 0, taken: 0 };
  const { delayOpen } = d.session.config;
  if (delayOpen === undefined) open(d, "tcp-connected");
  else set(d, "delay-open-expired", delayOpen);
}
export function open(d: Draft, why: string): void {
  clear(d, "connect-retry-expired", "delay-open-expired");
  d.out.push({ kind: "send-open" });
  set(d, "hold-expired", LARGE_HOLD);
  move(d, "open-sent", why);
}
/** The peer's OPEN is good. */
export function confirm(d: Draft, negotiated: Negotiated): void {
  clear(d, "connect-retry-expired", "delay-open-expired");
  const { holdTime } = negotiated;
  const every = holdTime === 0 ? undefined : ms(Math.min(d.session.config.keepalive, holdTime / 3));
  d.session = { ...d.session, negotiated, keepaliveEvery: every };
  keepalive(d);
  held(d);
  move(d, "open-confirm", "open-received");
}

/** §4.4: none at all when the hold time is 0. */
export function keepalive(d: Draft): void {
  d.out.push({ kind: "send-keepalive" });
  const { keepaliveEvery } = d.session;
  if (keepaliveEvery === undefined) clear(d, "keepalive-expired");
  else set(d, "keepalive-expired", ms(keepaliveEvery * Math.max(d.jitter, LEAST_JITTER + KEEPALIVE_EARLY)));
}
/** The peer was heard. */
export function held(d: Draft): void {
  const holdTime = d.session.negotiated?.holdTime ?? ms(0);
  if (holdTime === 0) clear(d, "hold-expired");
  else set(d, "hold-expired", holdTime);
}

/** RFC 9687 §3.2: the time to take at least one octet of what waits. */
export function sendHold(d: Draft): Ms {
  return ms(Math.max(SEND_HOLD, 2 * (d.session.negotiated?.holdTime ?? 0)));
}

export interface Fall {
  readonly cause: Cause;
  readonly why: string;
  readonly send?: Ending;
  readonly received?: Reason;
  readonly idle?: IdleHold;
  /** RST: what is queued would never be read. */
  readonly reset?: boolean;
  readonly manual?: boolean;
}

/** Everything to Idle: notification, connection, timers, counter, damping. */
export function fall(d: Draft, how: Fall): void {
  const { state } = d.session;
  if (how.send !== undefined) d.out.push({ kind: "send-notification", ending: how.send });
  d.out.push({ kind: "close", reset: how.reset ?? false });
  if (state === "established")
    d.out.push({ kind: "down", cause: how.cause, sent: how.send?.reason, received: how.received });
  const retries = how.manual === true ? 0 : d.session.retries + 1;
  d.session = {
    ...d.session,
    timers: {},
    negotiated: undefined,
    keepaliveEvery: undefined,
    attempts: 0,
    retries,
    written: 0,
    taken: 0,
  };
  const idle = how.idle ?? { kind: "damped" };
  if (idle.kind === "damped") set(d, "idle-hold-expired", ms(strike(d, how.cause) * d.jitter));
  if (idle.kind === "for") set(d, "idle-hold-expired", idle.span);
  move(d, "idle", how.why);
}

/** Reason of what was sent, in the words of reports. */
export function endingOf(reason: KnownReason): Ending {
  return { reason, data: EMPTY };
}

/**
 * How long to stay idle: doubles with each time the cause is seen again, and forgets one for every `FORGIVEN` of quiet.
 * Being Established does not forgive, or a peer that fails right after could flap for ever at full speed.
 */
function strike(d: Draft, cause: Cause): number {
  const before = d.session.strikes[cause];
  const quiet = before === undefined ? 0 : Math.floor((d.now - before.at) / FORGIVEN);
  const count = Math.max(0, (before?.count ?? 0) - quiet) + 1;
  d.session = { ...d.session, strikes: { ...d.session.strikes, [cause]: { count, at: d.now } } };
  return Math.min(FIRST_IDLE * 2 ** Math.min(count - 1, 16), MOST_IDLE);
}

/** Part of its interval by which a KEEPALIVE may go with others, rather than be waited for by itself. */
export const KEEPALIVE_EARLY = 0.05;
/** §10: no interval is shortened to less. */
const LEAST_JITTER = 0.75;
const EMPTY = new Uint8Array(0);
/** §8.2.2: "a HoldTimer value of 4 minutes is suggested". */
const LARGE_HOLD = ms(240_000);
const SEND_HOLD = 480_000;
const FIRST_RETRY = 1000;
const LEAST_RETRY = 250;
/** So many times at the first interval. */
const QUICK = 8;
const FIRST_IDLE = 500;
const MOST_IDLE = 120_000;
const FORGIVEN = 300_000;
