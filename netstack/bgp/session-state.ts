/** What a session knows, is told and asks for: the vocabulary of session.ts. */
import type { Instant, Ms } from "../../base/unit.ts";
import type { Negotiated } from "./negotiate.ts";
import type { KnownReason, Reason } from "./packet/notification.ts";
import type { BgpState } from "./plan.ts";

export interface SessionConfig {
  /** We call. */
  readonly active: boolean;
  readonly connectRetry: Ms;
  readonly keepalive: Ms;
  /** RFC 4271 §8.1.1: wait so long for the peer's OPEN before ours is sent. */
  readonly delayOpen: Ms | undefined;
}

export interface Session {
  readonly config: SessionConfig;
  readonly state: BgpState;
  /** From the peer's OPEN on. */
  readonly negotiated: Negotiated | undefined;
  readonly keepaliveEvery: Ms | undefined;
  /** Deadlines; one that is not there does not run. */
  readonly timers: Readonly<Partial<Record<Timer, Instant>>>;
  /** Calls that failed in a row. */
  readonly attempts: number;
  /** ConnectRetryCounter. */
  readonly retries: number;
  /** How often a cause ended the session lately (DampPeerOscillations), and when last. */
  readonly strikes: Readonly<Partial<Record<Cause, { readonly count: number; readonly at: Instant }>>>;
  /** Octets handed to the transport, and those of them that it took: for the SendHoldTimer. */
  readonly written: number;
  readonly taken: number;
}

/** Their names are those of the events that their expiry causes. */
export type Timer =
  | "connect-retry-expired"
  | "hold-expired"
  | "keepalive-expired"
  | "delay-open-expired"
  | "idle-hold-expired"
  | "send-hold-expired";

/** Why a session fell; each is damped by itself, so that one cannot hide behind another. */
export type Cause =
  | "tcp"
  | "hold"
  | "send-hold"
  | "header"
  | "open"
  | "update"
  | "fsm"
  | "cease"
  | "notified"
  | "collision"
  | "stopped";

export interface Ending {
  readonly reason: KnownReason;
  readonly data: Uint8Array;
}

export type SessionEvent =
  /** 1, 4: an operator; 3, 5–7: by itself, which waits for the IdleHoldTimer. */
  | { readonly kind: "start"; readonly manual: boolean }
  /** 2, 8.  `idle`: how long to stay away; "for-good" until a manual start. */
  | { readonly kind: "stop"; readonly manual: boolean; readonly ending: Ending; readonly idle: IdleHold }
  | { readonly [T in Timer]: { readonly kind: T } }[Timer] // 9–13; RFC 9687: 29
  /** 16, 17. */
  | { readonly kind: "tcp-connected" }
  | { readonly kind: "tcp-failed" } // 18
  | { readonly kind: "open"; readonly negotiated: Negotiated } // 19; 20 while the DelayOpenTimer runs
  | { readonly kind: "header-error"; readonly ending: Ending } // 21
  | { readonly kind: "open-error"; readonly ending: Ending } // 22
  | { readonly kind: "collision-dump" } // 23
  | { readonly kind: "notification"; readonly reason: Reason } // 24 (unsupported version), 25
  | { readonly kind: "keepalive" } // 26
  | { readonly kind: "update" } // 27
  | { readonly kind: "update-error"; readonly ending: Ending } // 28
  | { readonly kind: "route-refresh" }
  /** RFC 9687: how much of what was written the transport still has. */
  | { readonly kind: "queued"; readonly octets: number }
  /** So many octets were written besides what this machine sends itself. */
  | { readonly kind: "written"; readonly octets: number };
export type SessionEventKind = SessionEvent["kind"];

export type IdleHold =
  | { readonly kind: "damped" }
  | { readonly kind: "for"; readonly span: Ms }
  | { readonly kind: "for-good" };

export type SessionAction =
  | { readonly kind: "connect" }
  | { readonly kind: "send-open" }
  | { readonly kind: "send-keepalive" }
  | { readonly kind: "send-notification"; readonly ending: Ending }
  /** Of the connection or the attempt, whichever there is. */
  | { readonly kind: "close"; readonly reset: boolean }
  /** The message that the event stood for may be looked at. */
  | { readonly kind: "deliver" }
  | { readonly kind: "up"; readonly negotiated: Negotiated }
  /** Established no more. */
  | {
      readonly kind: "down";
      readonly cause: Cause;
      readonly sent: KnownReason | undefined;
      readonly received: Reason | undefined;
    }
  | { readonly kind: "moved"; readonly from: BgpState; readonly to: BgpState; readonly why: string };
