/** Routing in the admin API: what `novactl bgp`, `ospf`, `bfd` and `trace` ask, and what they are told. */
import type { TraceLine } from "../../base/trace.ts";
import type { BfdReport } from "../../netstack/bfd/plan.ts";
import type { BgpPeerReport, BgpRouteReport } from "../../netstack/bgp/plan.ts";
import type { OspfInterfaceReport, OspfLsaReport, OspfRouteReport } from "../../netstack/ospf/plan.ts";

export interface RoutingCalls {
  readonly "GET /v1/bgp": { readonly request: undefined; readonly answer: BgpStatus };
  /** Query: `prefix`, `peer`, `limit`. */
  readonly "GET /v1/bgp/routes": { readonly request: undefined; readonly answer: BgpRoutes };
  readonly "POST /v1/bgp/clear": { readonly request: ClearRequest; readonly answer: ClearAnswer };
  readonly "GET /v1/ospf": { readonly request: undefined; readonly answer: OspfStatus };
  readonly "GET /v1/ospf/database": { readonly request: undefined; readonly answer: OspfDatabase };
  readonly "GET /v1/ospf/routes": { readonly request: undefined; readonly answer: OspfRoutes };
  readonly "GET /v1/bfd": { readonly request: undefined; readonly answer: BfdStatus };
  /** Query: `protocol`, `peer`.  Answer: one `TraceLine` a line, without end. */
  readonly "GET /v1/trace": { readonly request: undefined; readonly answer: TraceLine };
}

export interface BgpStatus {
  /** undefined: no BGP is wanted here. */
  readonly router: BgpRouterStatus | undefined;
  readonly peers: readonly BgpPeerStatus[];
}
interface BgpRouterStatus {
  readonly asn: number;
  readonly routerId: string;
  readonly port: number;
  readonly gracefulShutdown: boolean;
  /** What this node announces while it may. */
  readonly networks: readonly string[];
}
export interface BgpPeerStatus extends BgpPeerReport {
  /** Held down by the operator. */
  readonly adminDown: boolean;
}
export interface BgpRoutes {
  readonly routes: readonly BgpRouteReport[];
  /** That were left out. */
  readonly more: number;
}
export interface ClearRequest {
  readonly peer: string;
  readonly how: "hard" | "refresh-in" | "refresh-out";
}
export interface ClearAnswer extends ClearRequest {}

export interface OspfStatus {
  /** Empty: no OSPF is wanted here. */
  readonly routers: readonly OspfRouterStatus[];
  readonly interfaces: readonly OspfInterfaceReport[];
}
interface OspfRouterStatus {
  readonly version: 2 | 3;
  readonly routerId: string;
  readonly areas: readonly string[];
  readonly maxMetric: boolean;
  readonly networks: readonly string[];
}
export interface OspfDatabase {
  readonly lsas: readonly OspfLsaReport[];
}
export interface OspfRoutes {
  readonly routes: readonly OspfRouteReport[];
}

export interface BfdStatus {
  readonly sessions: readonly BfdSessionStatus[];
  /** Packets that belong to no session, by the name of the refusal. */
  readonly strays: Readonly<Record<string, number>>;
}
export interface BfdSessionStatus extends BfdReport {
  /** Who asked for it: "static/far", "bgp/tor1" …; none: a stranger opened it. */
  readonly clients: readonly string[];
}

/** In `Status`: how routing is, in a few numbers. */
export interface RoutingSummary {
  readonly bgp: BgpSummary | undefined;
  readonly ospf: OspfSummary | undefined;
  readonly bfd: { readonly sessions: number; readonly up: number };
}
interface BgpSummary {
  readonly asn: number;
  readonly routerId: string;
  readonly peers: number;
  readonly established: number;
  /** Everything is announced as the last choice. */
  readonly gracefulShutdown: boolean;
}
interface OspfSummary {
  readonly routerId: string;
  readonly interfaces: number;
  readonly neighbors: number;
  readonly full: number;
  /** This host is the last choice for everything. */
  readonly maxMetric: boolean;
}
