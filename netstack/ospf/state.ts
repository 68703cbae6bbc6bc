/** What the machines of one router share: areas, interfaces, neighbors (RFC 2328 §6, §9, §10). */
import type { Ip } from "../../base/address.ts";
import type { Instant } from "../../base/unit.ts";
import type { BfdReport } from "../bfd/plan.ts";
import type { Backoff } from "./backoff.ts";
import type { Dialect } from "./dialect.ts";
import type { Action, Link, NextHop, Refused, Route } from "./event.ts";
import type { Heap } from "./heap.ts";
import type { Database, Entry } from "./lsdb.ts";
import type { LsaHeader, LsaKey } from "./packet/lsa.ts";
import type { DatabaseDescription } from "./packet/packet.ts";
import type { OspfArea, OspfInterfaceSpec, OspfInterfaceState, OspfNeighborState, OspfPlan } from "./plan.ts";

export interface State {
  readonly dialect: Dialect;
  plan: OspfPlan;
  routerId: number;
  readonly areas: Map<number, Area>;
  /** Those of the plan, by name. */
  readonly interfaces: Map<string, Interface>;
  /** All that the driver told of. */
  readonly links: Map<string, Link>;
  /** AS scope. */
  readonly database: Database;
  readonly out: Action[];
  /** When each LSA has to be looked at: refresh, check, death.  Stale elements are skipped. */
  readonly ages: Heap<{ readonly home: Home; readonly entry: Entry }>;
  /** Entries that die, until all have acknowledged them (§14). */
  readonly dying: Map<Entry, Home>;
  /** Neighbors of which something that we had asked for arrived in this step. */
  readonly settled: Set<Neighbor>;
  /** Entries whose content is new in this step. */
  readonly contents: { readonly home: Home; readonly entry: Entry }[];
  readonly origin: Origin;
  readonly backoff: Backoff;
  routes: Table;
  restart: Restart;
  /** The driver has to be told the whole table: nothing, or only an earlier life, told it before. */
  untold: boolean;
  /** The BFD sessions that were asked for last, as text. */
  bfdAsked: string;
  stopping: { readonly keep: boolean; readonly until: Instant } | undefined;
  stopped: boolean;
  /** Packets that no interface of ours can count. */
  readonly refused: Record<string, number>;
  duplicateToldAt: Instant;
  /** What was said once about the plan. */
  readonly warned: Set<string>;
}

/** Where an LSA lives: how far it is flooded. */
export type Home =
  | { readonly kind: "as"; readonly database: Database }
  | { readonly kind: "area"; readonly area: Area; readonly database: Database }
  | { readonly kind: "link"; readonly iface: Interface; readonly database: Database };

export interface Area {
  readonly id: number;
  readonly name: string;
  kind: OspfArea["kind"];
  readonly home: Home & { readonly kind: "area" };
  /** RFC 3101 §3.1: we translate type 7 into type 5. */
  translating: boolean;
}

export interface Interface {
  readonly name: string;
  spec: OspfInterfaceSpec;
  readonly area: Area;
  readonly home: Home & { readonly kind: "link" };
  link: Link | undefined;
  state: OspfInterfaceState;
  /** As in hellos: v2 addresses, v3 router IDs; 0 = none. */
  dr: number;
  bdr: number;
  helloAt: Instant | undefined;
  /** One more hello leaves then. */
  extraHelloAt: Instant | undefined;
  extraHelloSent: Instant;
  waitUntil: Instant | undefined;
  readonly neighbors: Map<string, Neighbor>;
  /** Events for its machine, after the packet that brought them about. */
  readonly changes: Set<"neighbor-change" | "backup-seen">;
  /** Acknowledgements that wait to be sent together (§13.5). */
  readonly acks: Map<string, LsaHeader>;
  acksAt: Instant | undefined;
  /** LSAs that leave with the end of this step. */
  readonly outbox: Map<string, Entry>;
  /** There was more than leaves at once. */
  outboxAt: Instant | undefined;
  readonly refused: Record<string, number>;
  /** By neighbor: why it went down last. */
  readonly errors: Map<string, string>;
  reported: string;
  reportedAt: Instant;
  refusalsReported: boolean;
  groups: string;
}

export interface Neighbor {
  readonly key: string;
  readonly iface: Interface;
  /** 0: configured (NBMA) and not heard yet. */
  routerId: number;
  address: Ip;
  interfaceId: number;
  priority: number;
  dr: number;
  bdr: number;
  options: number;
  /** Of its database descriptions: O bit. */
  opaque: boolean;
  state: OspfNeighborState;
  since: Instant;
  inactiveAt: Instant | undefined;
  /** NBMA: when it gets its next hello. */
  pollAt: Instant | undefined;
  /** We are the master (§10.6). */
  master: boolean;
  sequence: number;
  /** Headers that the neighbor has not been told of yet. */
  summary: LsaHeader[];
  lastReceived: DatabaseDescription | undefined;
  lastSent: DatabaseDescription | undefined;
  descriptionAt: Instant | undefined;
  /** Slave: the last description may be asked for again until then (§10.8). */
  keepUntil: Instant | undefined;
  readonly requests: Map<string, LsaHeader>;
  /** Asked for in the request that is out. */
  readonly asked: Map<string, LsaKey>;
  requestAt: Instant | undefined;
  /** When we told it that what it sent is old (§13 (8)). */
  readonly answered: Map<string, Instant>;
  readonly retransmissions: Map<string, Entry>;
  retransmitAt: Instant | undefined;
  retransmitted: number;
  /** Per packet kind in v3, one for all in v2. */
  readonly sequences: Map<string, bigint>;
  bfd: BfdReport | undefined;
  /** We are its helper while it restarts (RFC 3623 §3). */
  helping: { readonly until: Instant } | undefined;
  /** Its last hello named us. */
  mutual: boolean;
}

/** When we originated what (§12.4: MinLSInterval), and what waits. */
export interface Origin {
  dirty: boolean;
  readonly originatedAt: Map<string, Instant>;
  /** Those from an earlier life, or from a stranger, that we answered once without delay (§13.4). */
  readonly fought: Set<string>;
  retryAt: Instant | undefined;
  /** v3: link state IDs of prefixes. */
  readonly ids: Map<string, number>;
  nextId: number;
}

export interface Table {
  readonly prefixes: ReadonlyMap<string, TableRoute>;
  readonly routers: ReadonlyMap<number, readonly RouterRoute[]>;
  /** What the driver was told. */
  readonly told: ReadonlyMap<string, Route>;
}
/** How to get to an area border or AS boundary router. */
export interface RouterRoute {
  readonly routerId: number;
  readonly area: number;
  readonly cost: number;
  readonly hops: readonly NextHop[];
  readonly border: boolean;
  readonly boundary: boolean;
  readonly kind: "intra-area" | "inter-area";
}
export interface TableRoute extends Route {
  readonly area: number | undefined;
}

export type Restart =
  | { readonly kind: "none" }
  /** RFC 3623 §2: we are back, and wait for all adjacencies of before. */
  | { readonly kind: "restarting"; readonly until: Instant };

export function refuse(iface: Interface, why: Refused): void {
  count(iface, why);
}
/** Under names of others, too: the codec's. */
export function count(iface: Interface, why: string): void {
  iface.refused[why] = (iface.refused[why] ?? 0) + 1;
  iface.refusalsReported = false;
}

export function event(state: State, name: string, fields: Readonly<Record<string, unknown>>): void {
  state.out.push({ kind: "event", name, fields });
}

export function* neighborsOf(state: State): Iterable<Neighbor> {
  for (const iface of state.interfaces.values()) yield* iface.neighbors.values();
}

const RANK: Readonly<Record<OspfNeighborState, number>> = {
  down: 0,
  attempt: 1,
  init: 2,
  "2-way": 3,
  "ex-start": 4,
  exchange: 5,
  loading: 6,
  full: 7,
};
/** "The neighbor's state is … or greater" (§10.1). */
export function atLeast(neighbor: Neighbor, state: OspfNeighborState): boolean {
  return RANK[neighbor.state] >= RANK[state];
}
/** Advertised as adjacent: Full, or restarting with our help (RFC 3623 §3.2). */
export function isAdjacent(neighbor: Neighbor): boolean {
  return neighbor.state === "full" || neighbor.helping !== undefined;
}
export function fullCount(iface: Interface): number {
  let count = 0;
  for (const neighbor of iface.neighbors.values()) if (isAdjacent(neighbor)) count++;
  return count;
}

/** The database that an LSA of this type belongs to on that interface; undefined: of no scope that is known. */
export function homeOf(state: State, iface: Interface, type: number): Home | undefined {
  const scope = state.dialect.scopeOf(type);
  if (scope === "reserved") return undefined;
  if (scope === "as") return { kind: "as", database: state.database };
  return scope === "area" ? iface.area.home : iface.home;
}
export function homesOfAll(state: State): readonly Home[] {
  const links = [...state.interfaces.values()].map((iface) => iface.home);
  return [{ kind: "as", database: state.database }, ...[...state.areas.values()].map((area) => area.home), ...links];
}
export function homesOf(iface: Interface, state: State): readonly Home[] {
  return [{ kind: "as", database: state.database }, iface.area.home, iface.home];
}
export function reaches(home: Home, iface: Interface): boolean {
  if (home.kind === "link") return home.iface === iface;
  return home.kind === "area" ? home.area === iface.area : iface.area.kind === "normal";
}

/** Is an LSA of that type in its place there (§10.6, §13 (2), (3), RFC 3101 §2.2)? */
export function tolerates(state: State, iface: Interface, home: Home, type: number): boolean {
  if (!state.dialect.accepts(type) || !reaches(home, iface)) return false;
  return type !== state.dialect.types.nssa || iface.area.kind === "nssa";
}
