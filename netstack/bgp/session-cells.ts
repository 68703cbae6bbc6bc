/** RFC 4271 §8.2.2 as a table: every state, every event; a missing cell does not compile. */
import type { BgpState } from "./plan.ts";
import {
  begin,
  call,
  clear,
  confirm,
  connected,
  type Draft,
  endingOf,
  type Fall,
  fall,
  held,
  keepalive,
  move,
  open,
  runs,
  sendHold,
  set,
  setRetry,
} from "./session-moves.ts";
import type { SessionEvent, SessionEventKind } from "./session-state.ts";

type Of<K extends SessionEventKind> = Extract<SessionEvent, { readonly kind: K }>;
type Cell<K extends SessionEventKind> = (d: Draft, event: Of<K>) => void;
type Row = { readonly [K in SessionEventKind]: Cell<K> };

const ignore = (): void => {};

/** The transport has taken something, or has nothing left: RFC 9687 §3.3. */
const queued: Cell<"queued"> = (d, { octets }) => {
  const taken = d.session.written - octets;
  const moved = taken > d.session.taken;
  d.session = { ...d.session, taken };
  if (d.session.state !== "established") return;
  if (octets === 0) clear(d, "send-hold-expired");
  else if (moved || !runs(d, "send-hold-expired")) set(d, "send-hold-expired", sendHold(d));
};
const written: Cell<"written"> = (d, { octets }) => {
  d.session = { ...d.session, written: d.session.written + octets };
};

const idle: Row = {
  start: (d, { manual }) => {
    if (manual || !runs(d, "idle-hold-expired")) begin(d, manual ? "manual-start" : "automatic-start");
  },
  stop: (d, { idle: hold }) => {
    // Stays away longer, or for good, than what put it here said.
    if (hold.kind === "for-good") clear(d, "idle-hold-expired");
    if (hold.kind === "for") set(d, "idle-hold-expired", hold.span);
  },
  "connect-retry-expired": ignore,
  "hold-expired": ignore,
  "keepalive-expired": ignore,
  "delay-open-expired": ignore,
  "idle-hold-expired": (d) => begin(d, "idle-hold-expired"),
  "send-hold-expired": ignore,
  "tcp-connected": (d) => d.out.push({ kind: "close", reset: false }), // "refuses all incoming BGP connections"
  "tcp-failed": ignore,
  open: ignore,
  "header-error": ignore,
  "open-error": ignore,
  "collision-dump": ignore,
  notification: ignore,
  keepalive: ignore,
  update: ignore,
  "update-error": ignore,
  "route-refresh": ignore,
  queued: ignore,
  written: ignore,
};

/** Connect and Active: no OPEN of ours is out, so nothing is said when they end. */
function quiet(cause: Fall["cause"], why: string): (d: Draft) => void {
  return (d) => fall(d, { cause, why });
}
const waiting: Row = {
  start: ignore,
  stop: (d, { manual, idle: hold }) => fall(d, { cause: "stopped", why: "stopped", idle: hold, manual }),
  "connect-retry-expired": (d) => {
    clear(d, "delay-open-expired");
    d.session = { ...d.session, attempts: d.session.attempts + 1 };
    call(d, "connect-retry-expired");
  },
  "hold-expired": quiet("fsm", "hold-expired"),
  "keepalive-expired": quiet("fsm", "keepalive-expired"),
  "delay-open-expired": (d) => open(d, "delay-open-expired"),
  "idle-hold-expired": quiet("fsm", "idle-hold-expired"),
  "send-hold-expired": quiet("fsm", "send-hold-expired"),
  "tcp-connected": connected,
  "tcp-failed": ignore, // replaced below
  open: (d, { negotiated }) => {
    // 20 while the DelayOpenTimer runs, else 19: nobody can have sent one, there is no connection.
    if (!runs(d, "delay-open-expired")) return fall(d, { cause: "fsm", why: "open-unexpected" });
    d.out.push({ kind: "send-open" });
    confirm(d, negotiated);
  },
  "header-error": quiet("header", "header-error"),
  "open-error": quiet("open", "open-error"),
  "collision-dump": quiet("collision", "collision"),
  notification: (d, { reason }) =>
    // 24 with the DelayOpenTimer running is no failure of the peer: it does not count.
    fall(d, {
      cause: "notified",
      why: "notification",
      received: reason,
      manual: reason === VERSION && runs(d, "delay-open-expired"),
    }),
  keepalive: quiet("fsm", "keepalive"),
  update: quiet("fsm", "update"),
  "update-error": quiet("fsm", "update-error"),
  "route-refresh": quiet("fsm", "route-refresh"),
  queued,
  written,
};
const connect: Row = {
  ...waiting,
  "connect-retry-expired": (d, event) => {
    d.out.push({ kind: "close", reset: true });
    waiting["connect-retry-expired"](d, event);
  },
  "tcp-failed": (d) => {
    clear(d, "delay-open-expired");
    d.session = { ...d.session, attempts: d.session.attempts + 1 };
    setRetry(d);
    move(d, "active", "tcp-failed");
  },
};
const active: Row = {
  ...waiting,
  "tcp-failed": (d) => fall(d, { cause: "tcp", why: "tcp-failed" }),
};

/** The cells that OpenSent, OpenConfirm and Established share; `unexpected` is RFC 6608's name for the rest. */
function speaking(unexpected: Of<"stop">["ending"]["reason"]): Row {
  const wrong =
    (why: string): ((d: Draft) => void) =>
    (d) =>
      fall(d, { cause: "fsm", why, send: endingOf(unexpected) });
  return {
    start: ignore,
    stop: (d, { manual, ending, idle: hold }) =>
      fall(d, { cause: "stopped", why: "stopped", send: ending, idle: hold, manual }),
    "connect-retry-expired": wrong("connect-retry-expired"),
    "hold-expired": (d) => fall(d, { cause: "hold", why: "hold-expired", send: endingOf("hold-timer-expired") }),
    "keepalive-expired": wrong("keepalive-expired"),
    "delay-open-expired": wrong("delay-open-expired"),
    "idle-hold-expired": wrong("idle-hold-expired"),
    "send-hold-expired": wrong("send-hold-expired"),
    "tcp-connected": ignore, // the second connection has a session of its own (§6.8)
    "tcp-failed": (d) => fall(d, { cause: "tcp", why: "tcp-failed" }),
    open: wrong("open"),
    "header-error": (d, { ending }) => fall(d, { cause: "header", why: "header-error", send: ending }),
    "open-error": (d, { ending }) => fall(d, { cause: "open", why: "open-error", send: ending }),
    "collision-dump": (d) =>
      fall(d, {
        cause: "collision",
        why: "collision",
        send: endingOf("cease/connection-collision-resolution"),
      }),
    notification: (d, { reason }) =>
      // 24 is about our version, not about the peer's conduct: it does not count.
      fall(d, { cause: "notified", why: "notification", received: reason, manual: reason === VERSION }),
    keepalive: wrong("keepalive"),
    update: wrong("update"),
    "update-error": wrong("update-error"),
    "route-refresh": wrong("route-refresh"),
    queued,
    written,
  };
}
const openSent: Row = {
  ...speaking("fsm/unexpected-message-in-open-sent"),
  "tcp-failed": (d) => {
    d.out.push({ kind: "close", reset: false });
    clear(d, "hold-expired", "delay-open-expired");
    d.session = { ...d.session, attempts: d.session.attempts + 1 };
    if (d.session.config.active) setRetry(d);
    move(d, "active", "tcp-failed");
  },
  open: (d, { negotiated }) => confirm(d, negotiated),
};
const openConfirm: Row = {
  ...speaking("fsm/unexpected-message-in-open-confirm"),
  "keepalive-expired": keepalive,
  keepalive: (d) => {
    held(d);
    move(d, "established", "keepalive-received");
    const { negotiated } = d.session;
    if (negotiated === undefined) throw new TypeError("OpenConfirm without an OPEN");
    d.out.push({ kind: "up", negotiated });
  },
};
const established: Row = {
  ...speaking("fsm/unexpected-message-in-established"),
  "keepalive-expired": keepalive,
  "send-hold-expired": (d) =>
    // RFC 9687 §3.3: the NOTIFICATION can hardly be read by a peer that reads nothing; TCP is reset behind it.
    fall(d, { cause: "send-hold", why: "send-hold-expired", send: endingOf("send-hold-timer-expired"), reset: true }),
  keepalive: held,
  update: (d) => {
    held(d);
    d.out.push({ kind: "deliver" });
  },
  "update-error": (d, { ending }) => fall(d, { cause: "update", why: "update-error", send: ending }),
  "route-refresh": (d) => {
    held(d);
    d.out.push({ kind: "deliver" });
  },
};

/** RFC 4271 §8.1.5, event 24. */
const VERSION = "open-message/unsupported-version-number";

export const CELLS: Readonly<Record<BgpState, Row>> = {
  idle,
  connect,
  active,
  "open-sent": openSent,
  "open-confirm": openConfirm,
  established,
};
