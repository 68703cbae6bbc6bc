/** RFC 4271 §8.2.2: every state and every event of §8.1, as a table.  Events 14 and 15 never reach the machine. */
import { describe, expect, test } from "vitest";
import { ipv4 } from "../../base/address.ts";
import { instant, ms } from "../../base/unit.ts";
import type { Negotiated } from "../../netstack/bgp/negotiate.ts";
import { BEFORE_OPEN } from "../../netstack/bgp/packet/codec.ts";
import type { BgpState } from "../../netstack/bgp/plan.ts";
import { expired, nextWake, sessionOf, step } from "../../netstack/bgp/session.ts";
import type {
  Session,
  SessionAction,
  SessionConfig,
  SessionEvent,
  SessionEventKind,
} from "../../netstack/bgp/session-state.ts";

const CONFIG: SessionConfig = { active: true, connectRetry: ms(120_000), keepalive: ms(30_000), delayOpen: undefined };
const T0 = instant(1_000_000);
const NEGOTIATED: Negotiated = {
  agreed: BEFORE_OPEN,
  asn: 65002,
  routerId: ipv4("10.0.0.2"),
  holdTime: ms(90_000),
  capabilities: [],
  graceful: undefined,
  longLived: new Map(),
};
const NOTHING = new Uint8Array(0);
const EVENTS: { readonly [K in SessionEventKind]: Extract<SessionEvent, { kind: K }> } = {
  start: { kind: "start", manual: false },
  stop: {
    kind: "stop",
    manual: true,
    ending: { reason: "cease/administrative-shutdown", data: NOTHING },
    idle: { kind: "for-good" },
  },
  "connect-retry-expired": { kind: "connect-retry-expired" },
  "hold-expired": { kind: "hold-expired" },
  "keepalive-expired": { kind: "keepalive-expired" },
  "delay-open-expired": { kind: "delay-open-expired" },
  "idle-hold-expired": { kind: "idle-hold-expired" },
  "send-hold-expired": { kind: "send-hold-expired" },
  "tcp-connected": { kind: "tcp-connected" },
  "tcp-failed": { kind: "tcp-failed" },
  open: { kind: "open", negotiated: NEGOTIATED },
  "header-error": {
    kind: "header-error",
    ending: { reason: "message-header/connection-not-synchronized", data: NOTHING },
  },
  "open-error": { kind: "open-error", ending: { reason: "open-message/bad-peer-as", data: NOTHING } },
  "collision-dump": { kind: "collision-dump" },
  notification: { kind: "notification", reason: "cease/administrative-reset" },
  keepalive: { kind: "keepalive" },
  update: { kind: "update" },
  "update-error": {
    kind: "update-error",
    ending: { reason: "update-message/malformed-attribute-list", data: NOTHING },
  },
  "route-refresh": { kind: "route-refresh" },
  queued: { kind: "queued", octets: 0 },
  written: { kind: "written", octets: 1 },
};

/** Paths to each state. */
const ROADS: Readonly<Record<BgpState, readonly SessionEvent[]>> = {
  idle: [],
  connect: [EVENTS.start],
  active: [EVENTS.start, EVENTS["tcp-failed"]],
  "open-sent": [EVENTS.start, EVENTS["tcp-connected"]],
  "open-confirm": [EVENTS.start, EVENTS["tcp-connected"], EVENTS.open],
  established: [EVENTS.start, EVENTS["tcp-connected"], EVENTS.open, EVENTS.keepalive],
};
function in_(state: BgpState, config: SessionConfig = CONFIG): Session {
  const session = ROADS[state].reduce((before, event) => step(before, event, T0)[0], sessionOf(config));
  expect(session.state).toBe(state);
  return session;
}
function text(action: SessionAction): string {
  if (action.kind === "send-notification") return `!${action.ending.reason}`;
  if (action.kind === "moved") return action.to;
  return action.kind === "down" ? `down(${action.cause})` : action.kind;
}
function outcome(session: Session, event: SessionEvent): string {
  const [after, actions] = step(session, event, T0);
  const moved = actions.some(({ kind }) => kind === "moved");
  return [...actions.map(text), ...(moved ? [] : [`(${after.state})`])].join(" ");
}

const FSM_SENT = "!fsm/unexpected-message-in-open-sent close idle";
const FSM_CONFIRM = "!fsm/unexpected-message-in-open-confirm close idle";
const FSM_UP = "!fsm/unexpected-message-in-established close down(fsm) idle";
/** What comes out, in order; a state in brackets was not left. */
const TABLE: Readonly<Record<BgpState, Readonly<Record<SessionEventKind, string>>>> = {
  idle: {
    start: "connect connect",
    stop: "(idle)",
    "connect-retry-expired": "(idle)",
    "hold-expired": "(idle)",
    "keepalive-expired": "(idle)",
    "delay-open-expired": "(idle)",
    "idle-hold-expired": "connect connect",
    "send-hold-expired": "(idle)",
    "tcp-connected": "close (idle)",
    "tcp-failed": "(idle)",
    open: "(idle)",
    "header-error": "(idle)",
    "open-error": "(idle)",
    "collision-dump": "(idle)",
    notification: "(idle)",
    keepalive: "(idle)",
    update: "(idle)",
    "update-error": "(idle)",
    "route-refresh": "(idle)",
    queued: "(idle)",
    written: "(idle)",
  },
  connect: {
    start: "(connect)",
    stop: "close idle",
    "connect-retry-expired": "close connect (connect)",
    "hold-expired": "close idle",
    "keepalive-expired": "close idle",
    "delay-open-expired": "send-open open-sent",
    "idle-hold-expired": "close idle",
    "send-hold-expired": "close idle",
    "tcp-connected": "send-open open-sent",
    "tcp-failed": "active",
    open: "close idle",
    "header-error": "close idle",
    "open-error": "close idle",
    "collision-dump": "close idle",
    notification: "close idle",
    keepalive: "close idle",
    update: "close idle",
    "update-error": "close idle",
    "route-refresh": "close idle",
    queued: "(connect)",
    written: "(connect)",
  },
  active: {
    start: "(active)",
    stop: "close idle",
    "connect-retry-expired": "connect connect",
    "hold-expired": "close idle",
    "keepalive-expired": "close idle",
    "delay-open-expired": "send-open open-sent",
    "idle-hold-expired": "close idle",
    "send-hold-expired": "close idle",
    "tcp-connected": "send-open open-sent",
    "tcp-failed": "close idle",
    open: "close idle",
    "header-error": "close idle",
    "open-error": "close idle",
    "collision-dump": "close idle",
    notification: "close idle",
    keepalive: "close idle",
    update: "close idle",
    "update-error": "close idle",
    "route-refresh": "close idle",
    queued: "(active)",
    written: "(active)",
  },
  "open-sent": {
    start: "(open-sent)",
    stop: "!cease/administrative-shutdown close idle",
    "connect-retry-expired": FSM_SENT,
    "hold-expired": "!hold-timer-expired close idle",
    "keepalive-expired": FSM_SENT,
    "delay-open-expired": FSM_SENT,
    "idle-hold-expired": FSM_SENT,
    "send-hold-expired": FSM_SENT,
    "tcp-connected": "(open-sent)",
    "tcp-failed": "close active",
    open: "send-keepalive open-confirm",
    "header-error": "!message-header/connection-not-synchronized close idle",
    "open-error": "!open-message/bad-peer-as close idle",
    "collision-dump": "!cease/connection-collision-resolution close idle",
    notification: "close idle",
    keepalive: FSM_SENT,
    update: FSM_SENT,
    "update-error": FSM_SENT,
    "route-refresh": FSM_SENT,
    queued: "(open-sent)",
    written: "(open-sent)",
  },
  "open-confirm": {
    start: "(open-confirm)",
    stop: "!cease/administrative-shutdown close idle",
    "connect-retry-expired": FSM_CONFIRM,
    "hold-expired": "!hold-timer-expired close idle",
    "keepalive-expired": "send-keepalive (open-confirm)",
    "delay-open-expired": FSM_CONFIRM,
    "idle-hold-expired": FSM_CONFIRM,
    "send-hold-expired": FSM_CONFIRM,
    "tcp-connected": "(open-confirm)",
    "tcp-failed": "close idle",
    open: FSM_CONFIRM,
    "header-error": "!message-header/connection-not-synchronized close idle",
    "open-error": "!open-message/bad-peer-as close idle",
    "collision-dump": "!cease/connection-collision-resolution close idle",
    notification: "close idle",
    keepalive: "established up",
    update: FSM_CONFIRM,
    "update-error": FSM_CONFIRM,
    "route-refresh": FSM_CONFIRM,
    queued: "(open-confirm)",
    written: "(open-confirm)",
  },
  established: {
    start: "(established)",
    stop: "!cease/administrative-shutdown close down(stopped) idle",
    "connect-retry-expired": FSM_UP,
    "hold-expired": "!hold-timer-expired close down(hold) idle",
    "keepalive-expired": "send-keepalive (established)",
    "delay-open-expired": FSM_UP,
    "idle-hold-expired": FSM_UP,
    "send-hold-expired": "!send-hold-timer-expired close down(send-hold) idle",
    "tcp-connected": "(established)",
    "tcp-failed": "close down(tcp) idle",
    open: FSM_UP,
    "header-error": "!message-header/connection-not-synchronized close down(header) idle",
    "open-error": "!open-message/bad-peer-as close down(open) idle",
    "collision-dump": "!cease/connection-collision-resolution close down(collision) idle",
    notification: "close down(notified) idle",
    keepalive: "(established)",
    update: "deliver (established)",
    "update-error": "!update-message/malformed-attribute-list close down(update) idle",
    "route-refresh": "deliver (established)",
    queued: "(established)",
    written: "(established)",
  },
};

describe("RFC 4271 §8.2.2: state x event", () => {
  for (const [state, row] of Object.entries(TABLE) as [BgpState, Record<SessionEventKind, string>][])
    for (const [kind, wanted] of Object.entries(row) as [SessionEventKind, string][])
      test(`${state} x ${kind}`, () => expect(outcome(in_(state), EVENTS[kind])).toBe(wanted));

  test("the same with the DelayOpenTimer running: events 12, 16–20, 24, 25", () => {
    const delayed = { ...CONFIG, delayOpen: ms(5000) };
    for (const state of ["connect", "active"] as const) {
      const [waiting, actions] = step(in_(state, delayed), EVENTS["tcp-connected"], T0);
      expect(waiting.state).toBe(state);
      expect(actions).toEqual([]);
      expect(waiting.timers["delay-open-expired"]).toBe(T0 + 5000);
      expect(waiting.timers["connect-retry-expired"]).toBeUndefined();
      expect(outcome(waiting, EVENTS["delay-open-expired"])).toBe("send-open open-sent");
      expect(outcome(waiting, EVENTS.open)).toBe("send-open send-keepalive open-confirm");
      expect(outcome(waiting, EVENTS.notification)).toBe("close idle");
    }
    const [waiting] = step(in_("connect", delayed), EVENTS["tcp-connected"], T0);
    const [failed] = step(waiting, EVENTS["tcp-failed"], T0);
    expect(failed.state).toBe("active");
    expect(failed.timers["delay-open-expired"]).toBeUndefined();
    expect(failed.timers["connect-retry-expired"]).toBeDefined();
    const version = { kind: "notification", reason: "open-message/unsupported-version-number" } as const;
    expect(step(waiting, version, T0)[0].retries).toBe(0);
    expect(step(waiting, EVENTS.notification, T0)[0].retries).toBe(1);
  });
});

describe("RFC 4271 §8: timers and counters", () => {
  test("§8.1.1: a passive session listens", () => {
    expect(outcome(sessionOf({ ...CONFIG, active: false }), EVENTS.start)).toBe("active");
  });
  test("§8.2.2: the hold timer is large while the peer's OPEN is awaited, then as negotiated", () => {
    expect(in_("open-sent").timers["hold-expired"]).toBe(T0 + 240_000);
    expect(in_("open-confirm").timers["hold-expired"]).toBe(T0 + 90_000);
  });
  test("§4.4: keepalives go out at a third of the hold time at most, jittered (§10)", () => {
    expect(in_("open-confirm").timers["keepalive-expired"]).toBe(T0 + 30_000);
    const [short] = step(
      in_("open-sent"),
      { kind: "open", negotiated: { ...NEGOTIATED, holdTime: ms(9000) } },
      T0,
      0.8,
    );
    expect(short.timers["keepalive-expired"]).toBe(T0 + 3000 * 0.8);
  });
  test("§4.2: a hold time of 0 means neither timer", () => {
    const [session] = step(in_("open-sent"), { kind: "open", negotiated: { ...NEGOTIATED, holdTime: ms(0) } }, T0);
    expect(session.timers).toEqual({});
    const [up] = step(session, EVENTS.keepalive, T0);
    expect(nextWake(up)).toBeUndefined();
  });
  test("§8.2.2: KEEPALIVE and UPDATE restart the hold timer", () => {
    const later = instant(T0 + 50_000);
    for (const event of [EVENTS.keepalive, EVENTS.update, EVENTS["route-refresh"]])
      expect(step(in_("established"), event, later)[0].timers["hold-expired"]).toBe(later + 90_000);
  });
  test("§8.1.1: ConnectRetryCounter counts failures, a manual stop clears it", () => {
    expect(step(in_("established"), EVENTS["tcp-failed"], T0)[0].retries).toBe(1);
    expect(step(in_("established"), EVENTS.stop, T0)[0].retries).toBe(0);
  });
  test("§8.1.1 DampPeerOscillations: each cause doubles its own idle hold time, and forgets slowly", () => {
    let session = in_("established");
    const holds: number[] = [];
    let now = T0;
    for (let round = 0; round < 12; round++) {
      [session] = step(session, EVENTS["update-error"], now);
      holds.push((session.timers["idle-hold-expired"] ?? 0) - now);
      expect(step(session, EVENTS.start, now)[0].state).toBe("idle"); // events 6, 7
      now = instant(session.timers["idle-hold-expired"] ?? 0);
      expect(expired(session, now)).toBe("idle-hold-expired");
      for (const event of [EVENTS["idle-hold-expired"], EVENTS["tcp-connected"], EVENTS.open, EVENTS.keepalive])
        [session] = step(session, event, now);
      expect(session.state).toBe("established");
    }
    expect(holds.slice(0, 4)).toEqual([500, 1000, 2000, 4000]);
    expect(holds.at(-1)).toBe(120_000);
    // Another cause starts from its own beginning.
    const [other] = step(session, EVENTS["hold-expired"], now);
    expect((other.timers["idle-hold-expired"] ?? 0) - now).toBe(500);
    // An hour of quiet forgets all.
    const [forgiven] = step(session, EVENTS["update-error"], instant(now + 3_600_000));
    expect((forgiven.timers["idle-hold-expired"] ?? 0) - now - 3_600_000).toBe(500);
  });
  test("§8.1.2: a manual start does not wait for the idle hold timer", () => {
    const [idle] = step(in_("established"), EVENTS["update-error"], T0);
    expect(step(idle, { kind: "start", manual: true }, T0)[0].state).toBe("connect");
  });
  test("stopped for good stays idle; stopped for a while comes back", () => {
    expect(nextWake(step(in_("established"), EVENTS.stop, T0)[0])).toBeUndefined();
    const pause = { ...EVENTS.stop, idle: { kind: "for", span: ms(5000) } } as const;
    expect(nextWake(step(in_("established"), pause, T0)[0])).toBe(T0 + 5000);
  });
  test("calls that fail are tried again at growing intervals up to ConnectRetryTime", () => {
    let session = in_("connect");
    const spans: number[] = [];
    for (let round = 0; round < 17; round++) {
      [session] = step(session, EVENTS["tcp-failed"], T0);
      spans.push((session.timers["connect-retry-expired"] ?? 0) - T0);
      [session] = step(session, EVENTS["connect-retry-expired"], T0);
    }
    expect(spans[0]).toBeLessThan(3000);
    expect(spans.at(-1)).toBe(120_000);
  });
});

describe("RFC 9687: SendHoldTimer", () => {
  test("§3.3: runs while octets wait, restarts when some are taken, ends when none wait", () => {
    let session = in_("established");
    const at = (span: number) => instant(T0 + span);
    [session] = step(session, { kind: "written", octets: 1000 }, at(0));
    [session] = step(session, { kind: "queued", octets: 400 }, at(0));
    expect(session.timers["send-hold-expired"]).toBe(at(480_000));
    [session] = step(session, { kind: "queued", octets: 400 }, at(1000));
    expect(session.timers["send-hold-expired"]).toBe(at(480_000));
    // More is written behind it, nothing is taken.
    [session] = step(session, { kind: "written", octets: 19 }, at(2000));
    [session] = step(session, { kind: "queued", octets: 419 }, at(2000));
    expect(session.timers["send-hold-expired"]).toBe(at(480_000));
    [session] = step(session, { kind: "queued", octets: 100 }, at(3000));
    expect(session.timers["send-hold-expired"]).toBe(at(483_000));
    [session] = step(session, { kind: "queued", octets: 0 }, at(4000));
    expect(session.timers["send-hold-expired"]).toBeUndefined();
  });
  test("§3.2: the greater of 8 minutes and twice the hold time", () => {
    let [session] = step(in_("open-sent"), { kind: "open", negotiated: { ...NEGOTIATED, holdTime: ms(600_000) } }, T0);
    [session] = step(session, EVENTS.keepalive, T0);
    [session] = step(session, { kind: "written", octets: 10 }, T0);
    [session] = step(session, { kind: "queued", octets: 10 }, T0);
    expect(session.timers["send-hold-expired"]).toBe(T0 + 1_200_000);
  });
});
