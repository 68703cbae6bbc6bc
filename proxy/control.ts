/**
 * What passes between control and one data-plane process.
 * fd 3: a Unix stream of frames (u32 little-endian length, then JSON), both ways.
 * fd 4: a Unix seqpacket; each message is the UTF-8 listener key with one listening socket (SCM_RIGHTS).
 * Control sends the sockets of a configuration before the configuration itself. EOF on both means that control died: the
 * process finishes what it carries (at most 5 s) and exits. EOF on fd 3 alone: it serves on, and another control may take it
 * over (netstack/kernel/channel.ts), which hears hello, all that lasts, and `told`.
 * Started as `node proxy/main.ts --worker N [--engine auto|io_uring|epoll] [--user NAME] [--log-level LEVEL]`; access log
 * on fd 1, its own log on fd 2 (JSON lines); the arguments may follow later (netstack/kernel/arguments.ts). As root it
 * becomes `--user` (default "nobody") before it reads a message.
 */
import { type About, is } from "../base/told.ts";
import type { ProxyConfig } from "./config.ts";

export type ToDataplane =
  | { readonly kind: "config"; readonly config: ProxyConfig }
  /** Finish: answer with `Connection: close`, close what is idle, stop accepting, exit 0 when empty or after `grace` ms. */
  | { readonly kind: "drain"; readonly grace: number }
  /**
   * Routers will soon send elsewhere, and the kernel drops new calls: every answer says close, what is quiet is closed,
   * what still comes is served.  `hushed` follows when no connection is left.
   */
  | { readonly kind: "hush" }
  | { readonly kind: "ping"; readonly n: number }
  /** Only worker 0 checks: control relays its findings to the other workers (all of them again after a worker's start). */
  | { readonly kind: "health"; readonly backend: string; readonly endpoint: string; readonly healthy: boolean };

export type FromDataplane =
  | { readonly kind: "hello"; readonly pid: number; readonly engine: string; readonly why: string }
  /** The configuration is in force; `listening` are the keys that accept now. */
  | { readonly kind: "applied"; readonly version: string; readonly listening: readonly string[] }
  /** The configuration does not compile here; the one before stays in force. */
  | { readonly kind: "refused"; readonly version: string; readonly why: string }
  | { readonly kind: "pong"; readonly n: number }
  | { readonly kind: "hushed" }
  /** After a change of control: all that lasts has been said again. */
  | { readonly kind: "told" }
  /** `endpoint` is "address:port" ("[v6]:port"). Sent on change, and for all endpoints after each configuration; only worker 0 checks. */
  | {
      readonly kind: "health";
      readonly backend: string;
      readonly endpoint: string;
      readonly healthy: boolean;
      readonly why: string;
    }
  /** Once a second while something changed: monotonic counters since the process started. */
  | { readonly kind: "stats"; readonly stats: DataplaneStats };

export interface DataplaneStats {
  readonly connections: number;
  readonly requestsInFlight: number;
  readonly connectionsTotal: number;
  /** key "method|statusClass|backend" → count */
  readonly requests: Readonly<Record<string, number>>;
  /** backend → cumulative histogram of durations, seconds; buckets in DURATION_BUCKETS, then the sum */
  readonly durations: Readonly<Record<string, readonly number[]>>;
  /** key "backend|endpoint|result" → count */
  readonly upstream: Readonly<Record<string, number>>;
  /** backend → [active, idle, hits, misses] */
  readonly pools: Readonly<Record<string, readonly [number, number, number, number]>>;
  /** reason → refused requests (framing errors, limits) */
  readonly refused: Readonly<Record<string, number>>;
}

/** Upper bounds in seconds, Prometheus style; +Inf is implied. */
export const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** What the next control must hear again. */
export function lastingOfDataplane(message: FromDataplane): About | undefined {
  switch (message.kind) {
    case "applied":
    case "stats":
      return is(message.kind);
    case "health":
      return is("health", message.backend, message.endpoint);
    case "hello":
    case "hushed":
    case "pong":
    case "refused":
    case "told":
      return undefined; // said once, or asked for
  }
}
