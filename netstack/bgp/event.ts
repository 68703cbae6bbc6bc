/**
 * What the BGP speaker is told, and what it asks for.  The driver performs actions in order and drops none.
 *
 * Octets, not messages, cross this edge: how a message is decoded depends on what its session negotiated.  Route
 * traffic is pulled, so that a peer or a kernel that stalls costs no memory: see `nextUpdates` and `nextRoutes`.
 */
import type { Ip, Prefix } from "../../base/address.ts";
import type { Instant } from "../../base/unit.ts";
import type { BfdSpec } from "../bfd/plan.ts";
import type { BgpPeerReport, BgpPlan, BgpRouteReport, BgpSession } from "./plan.ts";

/** Names a TCP connection, ours or the peer's; from `Speaker.allot`, never used twice. */
export type Connection = number;

export type Event =
  | { readonly kind: "wake" }
  /** The first one starts the peers (automatic start, RFC 4271 §8.1.2); each later one changes what differs, and no more. */
  | { readonly kind: "plan"; readonly plan: BgpPlan }
  /** What `connect` asked for is there. */
  | { readonly kind: "opened"; readonly connection: Connection; readonly ends: Ends }
  /** Somebody called.  Answered by `send`, or by `close` if it is nobody's peer. */
  | { readonly kind: "incoming"; readonly connection: Connection; readonly ends: Ends }
  | { readonly kind: "received"; readonly connection: Connection; readonly bytes: Uint8Array }
  /** The connection failed, was closed by the peer, or never came to be.  Not told of what we closed ourselves. */
  | { readonly kind: "closed"; readonly connection: Connection; readonly why: string }
  /**
   * Octets given to `send` and `nextUpdates` that the kernel has not taken: told at the end of a turn in which
   * something was written and some are left, whenever some of those were taken, and at 0 (RFC 9687).
   */
  | { readonly kind: "queued"; readonly connection: Connection; readonly octets: number }
  /** RFC 5882 §4: a session of `bfd` changed; `wasUp` tells a loss from a session that never came up. */
  | { readonly kind: "bfd"; readonly id: string; readonly up: boolean; readonly wasUp: boolean }
  /** Unnumbered: the router that lives on the interface now; undefined = none known. */
  | { readonly kind: "discovered"; readonly ifname: string; readonly address: Ip | undefined }
  /** What the kernel says of a next hop of `track`; until then it counts as reachable at metric 0. */
  | { readonly kind: "next-hop"; readonly ip: Ip; readonly metric: number | undefined }
  /** An interface lost or regained its carrier: directly connected peers on it go at once. */
  | { readonly kind: "link"; readonly ifname: string; readonly up: boolean }
  /** `novactl bgp clear`.  "hard" also ends a max-prefix shut down and every damping. */
  | { readonly kind: "clear"; readonly peer: string; readonly how: "hard" | "refresh-in" | "refresh-out" }
  /** Drain: everything we announce is depreferred (RFC 8326) at once and withdrawn at `until`; `withdrawn` follows. */
  | { readonly kind: "withdraw"; readonly until: Instant }
  /** `keep`: connections close as by a crash, so that peers keep our routes (RFC 4724); else Cease first. */
  | { readonly kind: "stop"; readonly keep: boolean; readonly why: string }
  /** `peer`: its name, its address, or undefined for all; `on` false ends what the same `peer` began. */
  | { readonly kind: "trace"; readonly peer: string | undefined; readonly on: boolean };

export interface Ends {
  readonly local: Ip;
  readonly remote: Ip;
  /** The interface of a directly connected peer. */
  readonly ifname: string | undefined;
  /** Our addresses on that interface, link-local ones too: next hops of families that `local` is not of. */
  readonly addresses: readonly Ip[];
}

export type Action =
  /** `opened` or `closed` follows; a `close` meanwhile gives up. */
  | { readonly kind: "connect"; readonly connection: Connection; readonly call: Call }
  | { readonly kind: "send"; readonly connection: Connection; readonly bytes: Uint8Array }
  /** After what was sent.  `reset`: at once, dropping what is queued (RST). */
  | { readonly kind: "close"; readonly connection: Connection; readonly reset: boolean }
  /** Updates wait: call `nextUpdates` when there is room, until it returns nothing. */
  | { readonly kind: "updates"; readonly connection: Connection }
  /** Routes for the kernel wait: call `nextRoutes` until it returns nothing. */
  | { readonly kind: "routes" }
  /** All peers that are expected have sent their tables, and `nextRoutes` has handed out what came of them: kernel
   *  routes of ours that nobody asked for may go. */
  | { readonly kind: "converged" }
  /** The complete list of BFD sessions that are wanted now. */
  | { readonly kind: "bfd"; readonly sessions: readonly BfdSpec[] }
  /** Interfaces on which routers shall be looked for (unnumbered): the complete list. */
  | { readonly kind: "discover"; readonly ifnames: readonly string[] }
  /** Next hops whose reachability matters from now on, or no more. */
  | { readonly kind: "track"; readonly ip: Ip; readonly ifname: string | undefined; readonly wanted: boolean }
  /** Something of `report(peer)` changed (state, counters of prefixes, last error); at most once a turn each. */
  | { readonly kind: "changed"; readonly peer: string }
  | { readonly kind: "gone"; readonly peer: string }
  /** After `withdraw`: every peer has been sent the withdrawal of everything. */
  | { readonly kind: "withdrawn" }
  | { readonly kind: "trace"; readonly peer: string; readonly direction: "in" | "out" | "state"; readonly text: string }
  | {
      readonly kind: "event";
      readonly level: "info" | "warn";
      readonly name: string;
      readonly fields: Readonly<Record<string, unknown>>;
    };

/** Everything that a socket to a peer needs. */
export interface Call {
  readonly peer: string;
  readonly ip: Ip;
  readonly port: number;
  readonly ifname: string | undefined;
  readonly session: BgpSession;
}

/** Which peer an incoming connection would be of: its keys and TTL rules are those of `session`. */
export interface Expected {
  readonly peer: string;
  readonly session: BgpSession;
}

/** A route for the kernel; no next hops: it goes. */
export interface RouteChange {
  readonly prefix: Prefix;
  readonly nextHops: readonly { readonly ip: Ip; readonly ifname: string | undefined }[];
}

/** Ask for routes: all that are given must hold. */
export interface RouteQuery {
  readonly prefix: Prefix | undefined;
  readonly peer: string | undefined;
  readonly most: number;
}

/** What the tables hold, of all peers and families. */
export interface Stats {
  readonly prefixes: number;
  readonly paths: number;
  /** Different sets of attributes, received or made here. */
  readonly attributeSets: number;
}

/**
 * The contract of class Speaker.  One mutation, then all its actions, then the next mutation; nothing is called out.
 * After each call `nextWake` is asked again.
 */
export interface BgpSpeaker {
  handle(event: Event, now: Instant): readonly Action[];
  nextWake(): Instant | undefined;
  allot(): Connection;
  /**
   * Whole UPDATE (and End-of-RIB, ROUTE-REFRESH) messages for a connection, about `room` octets of them (at most one
   * message more); empty: nothing waits, and another `updates` will tell when there is.
   */
  nextUpdates(connection: Connection, room: number, now: Instant): readonly Uint8Array[];
  /** The next changes for the kernel, at most `most`, each prefix in its newest state. */
  nextRoutes(most: number): readonly RouteChange[];
  /** Actions that `nextUpdates` caused are handed out by the next `handle`; `epoch` is added to an Instant for `since`. */
  report(peer: string, epoch: number): BgpPeerReport | undefined;
  peers(): readonly string[];
  stats?(): Stats;
  routes(query: RouteQuery): { readonly routes: readonly BgpRouteReport[]; readonly more: number };
  expected(remote: Ip, ifname: string | undefined): Expected | undefined;
}
