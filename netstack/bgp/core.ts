/** What the parts of the speaker share: plan, tables, peers, and the actions of the call under way. */
import type { Ip, Ipv4 } from "../../base/address.ts";
import { earliest, type Instant } from "../../base/unit.ts";
import type { AttributeStore } from "./attributes.ts";
import type { Action, Connection, Ends } from "./event.ts";
import type { Exporter } from "./exporting.ts";
import type { Fib } from "./fib.ts";
import type { Importer } from "./importing.ts";
import type { Locals } from "./locals.ts";
import type { Negotiated } from "./negotiate.ts";
import type { NextHops } from "./next-hops.ts";
import type { Family } from "./packet/family.ts";
import type { Framer } from "./packet/framing.ts";
import type { Interner } from "./packet/interner.ts";
import type { MessageKind, Open, RouteRefresh, Update } from "./packet/message.ts";
import type { BgpPeerSpec, BgpPlan } from "./plan.ts";
import type { Rib } from "./rib.ts";
import type { RibOut } from "./rib-out.ts";
import { nextWake } from "./session.ts";
import type { Session, SessionAction } from "./session-state.ts";
import type { Sources } from "./sources.ts";

/** Where the life of a session leads outside it: the other parts of the speaker, none of which link.ts may import. */
export interface Hooks {
  /** An OPEN that was understood. */
  opened(link: Link, open: Open, now: Instant): void;
  begin(link: Link, negotiated: Negotiated, now: Instant): void;
  end(peer: Peer, how: Extract<SessionAction, { readonly kind: "down" }>, now: Instant): void;
  updated(peer: Peer, update: Update, now: Instant): void;
  refreshed(peer: Peer, refresh: RouteRefresh, now: Instant): void;
  moved(link: Link, how: Extract<SessionAction, { readonly kind: "moved" }>, now: Instant): void;
  /** After each event at a session. */
  settled(link: Link, now: Instant): void;
}

export interface Core {
  readonly on: Hooks;
  /** undefined until the first one. */
  plan: BgpPlan | undefined;
  routerId: Ipv4;
  readonly store: AttributeStore;
  readonly sources: Sources;
  readonly hops: NextHops;
  readonly ribs: Readonly<Record<Family, Rib>>;
  readonly locals: Locals;
  readonly fib: Fib;
  readonly peers: Map<string, Peer>;
  readonly links: Map<Connection, Link>;
  /** Between 0.75 and 1, drawn anew. */
  readonly jitter: () => number;
  readonly allot: () => Connection;
  out: Action[];
  readonly changed: Set<string>;
  /** Some peer may have updates that it has not been told of. */
  outDirty: boolean;
  /** RFC 4724 §4.1: peers that restart gracefully hear nothing until all of them have spoken, or until then. */
  deferral: { readonly until: Instant; readonly sweepAt: Instant; readonly over: boolean } | undefined;
  /** Peers that keep our routes, and have not told us all of theirs since we started: whom the deferral waits for. */
  readonly unheard: Set<string>;
  /** The same, and those that restart like us: until they have spoken, too, what an earlier life learnt stays. */
  readonly unsynced: Set<string>;
  /** Drain: depreferred now, silent from `until` on. */
  drain: { readonly until: Instant; silent: boolean; told: boolean } | undefined;
  /** `discovered`, by interface. */
  readonly routers: Map<string, Ip>;
  /** Peers, or where they are, changed: the lists made of them may be others now. */
  listsDirty: boolean;
  /** Patterns of `trace`; undefined: everybody. */
  readonly traces: Set<string | undefined>;
  stopped: boolean;
  /** RFC 4724 §3: say that we have restarted. */
  restarting: boolean;
  /** Numbers of peers that are gone; free once the tables have been settled. */
  readonly vacated: number[];
  /** Something is to be handed out although nothing happens. */
  wakeSoon: Instant | undefined;
}

/** A session with its connection: usually one for each peer, two while they collide. */
export interface Link {
  readonly peer: Peer;
  /** They called. */
  incoming: boolean;
  session: Session;
  /** Or the attempt. */
  connection: Connection | undefined;
  ends: Ends | undefined;
  framer: Framer;
  interner: Interner;
  /** What we sent. */
  ours: Open | undefined;
}

export interface Peer {
  readonly name: string;
  spec: BgpPeerSpec;
  /** Made by a call from a prefix: it goes when its session does. */
  readonly dynamic: string | undefined;
  /** Number of it as a source of routes. */
  readonly source: number;
  address: Ip | undefined;
  main: Link;
  second: Link | undefined;
  /** While Established. */
  up: Up | undefined;
  /** Of the routes that are here; stays while they are kept past the session. */
  readonly importers: Map<Family, Importer>;
  /** RFC 4724, 9494, by family. */
  readonly retained: Map<Family, Retained>;
  /** Of the session that the retained routes are of. */
  last: Negotiated | undefined;
  bfdUp: boolean | undefined;
  wakeAt: Instant | undefined;
  // What reports tell.
  movedAt: Instant;
  established: number;
  lastError: string | undefined;
  readonly messages: Record<MessageKind, { in: number; out: number }>;
  readonly refused: Record<string, number>;
  /** UPDATE messages so far. */
  malformed: number;
}

export interface Retained {
  /** The peer is away; it is back and has yet to say End-of-RIB; it has been away for long. */
  phase: "restarting" | "stale" | "long-lived";
  until: Instant;
}

export interface Up {
  readonly link: Link;
  readonly negotiated: Negotiated;
  readonly families: Map<Family, Channel>;
  /** The driver knows that something waits. */
  told: boolean;
  /** Messages that go with the next updates: refresh requests. */
  readonly extra: Uint8Array[];
}

/** One family of a session. */
export interface Channel {
  readonly family: Family;
  readonly out: RibOut;
  exporter: Exporter;
  /** End-of-RIB was received. */
  synced: boolean;
  warned: boolean;
  /** RFC 7313 §4.2: until when the peer's refresh may take. */
  refreshUntil: Instant | undefined;
  noNextHop: boolean;
}

export function event(
  core: Core,
  level: "info" | "warn",
  name: string,
  fields: Readonly<Record<string, unknown>>,
): void {
  core.out.push({ kind: "event", level, name, fields });
}
/** Names of what a peer may make up (families, subtypes) are bounded like all that it may cause. */
export function refuse(peer: Peer, why: string): void {
  const full = peer.refused[why] === undefined && Object.keys(peer.refused).length >= MOST_REFUSALS;
  const name = full ? "other" : why;
  peer.refused[name] = (peer.refused[name] ?? 0) + 1;
}
export function traces(core: Core, peer: Peer): boolean {
  if (core.traces.size === 0) return false;
  return core.traces.has(undefined) || core.traces.has(peer.name) || core.traces.has(peer.spec.address);
}
export function linksOf(peer: Peer): readonly Link[] {
  return peer.second === undefined ? [peer.main] : [peer.main, peer.second];
}

/** To be called after anything that touched a peer. */
export function rearm(peer: Peer): void {
  let wake = earliest(nextWake(peer.main.session), peer.second && nextWake(peer.second.session));
  for (const { until } of peer.retained.values()) wake = earliest(wake, until);
  if (peer.up !== undefined)
    for (const { refreshUntil } of peer.up.families.values()) wake = earliest(wake, refreshUntil);
  peer.wakeAt = wake;
}

const MOST_REFUSALS = 64;
