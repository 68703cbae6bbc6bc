/** What control and the routing process (BGP, OSPF, the addresses that they announce) tell each other: plain data (JSON). */
import { type About, gone, is } from "../../base/told.ts";
import type { TraceLine } from "../../base/trace.ts";
import type { BfdReport, BfdSpec } from "../../netstack/bfd/plan.ts";
import type { BgpPeerReport, BgpPlan, BgpRouteReport } from "../../netstack/bgp/plan.ts";
import type { OspfInterfaceReport, OspfLsaReport, OspfPlan, OspfRouteReport } from "../../netstack/ospf/plan.ts";

export interface RoutingPlan {
  readonly bgp: BgpPlan | undefined;
  /** At most one of each version. */
  readonly ospf: readonly OspfPlan[];
  readonly vips: readonly RoutedVip[];
}

/** A virtual IP that routers are told of.  The address is bound to `lo` before, and unbound after, it is announced. */
export interface RoutedVip {
  readonly name: string;
  /** "192.0.2.10/32", "2001:db8::10/128" */
  readonly addresses: readonly string[];
  /** What the health gate says; the networks of `bgp` and `ospf` for it are announced only while true. */
  readonly eligible: boolean;
  readonly why: string;
  /** TCP ports on which a data plane must accept at each address; looked at while control says nothing. */
  readonly ports: readonly number[];
}

export type ToRouting =
  | { readonly kind: "plan"; readonly plan: RoutingPlan }
  /** All that pulse knows of a session that was asked for. */
  | { readonly kind: "bfd"; readonly report: BfdReport }
  /** Drain: GRACEFUL_SHUTDOWN or max-metric at once, withdrawal after `grace`, then `withdrawn` follows. */
  | { readonly kind: "withdraw"; readonly grace: number }
  /** `keep`: graceful restart, peers keep our routes; addresses and kernel routes stay. */
  | { readonly kind: "stop"; readonly keep: boolean }
  | { readonly kind: "ask"; readonly n: number; readonly question: RoutingQuestion }
  /** Lines of `trace` follow for what matches, until `untrace`. */
  | { readonly kind: "trace"; readonly n: number; readonly protocol: "bgp" | "ospf"; readonly peer: string | undefined }
  | { readonly kind: "untrace"; readonly n: number }
  /** An operator's hand: `novactl bgp clear`. */
  | { readonly kind: "clear"; readonly peer: string; readonly how: "hard" | "refresh-in" | "refresh-out" }
  | { readonly kind: "ping"; readonly n: number };

export type RoutingQuestion =
  | {
      readonly of: "bgp-routes";
      readonly prefix: string | undefined;
      readonly peer: string | undefined;
      readonly most: number;
    }
  | { readonly of: "ospf-lsdb" }
  | { readonly of: "ospf-routes" };

export type RoutingAnswer =
  | { readonly of: "bgp-routes"; readonly routes: readonly BgpRouteReport[]; readonly more: number }
  | { readonly of: "ospf-lsdb"; readonly lsas: readonly OspfLsaReport[] }
  | { readonly of: "ospf-routes"; readonly routes: readonly OspfRouteReport[] };

export type FromRouting =
  | { readonly kind: "hello"; readonly pid: number }
  | { readonly kind: "pong"; readonly n: number }
  /** The complete list of BFD sessions that BGP and OSPF want now; control passes it on to pulse. */
  | { readonly kind: "bfd"; readonly sessions: readonly BfdSpec[] }
  | { readonly kind: "bgp-peer"; readonly peer: BgpPeerReport }
  | { readonly kind: "bgp-peer-gone"; readonly name: string }
  | { readonly kind: "ospf-interface"; readonly interface: OspfInterfaceReport }
  | { readonly kind: "ospf-interface-gone"; readonly version: 2 | 3; readonly ifname: string }
  | { readonly kind: "vip"; readonly vip: RoutedVipReport }
  | { readonly kind: "answer"; readonly n: number; readonly answer: RoutingAnswer }
  | { readonly kind: "trace"; readonly n: number; readonly line: TraceLine }
  | { readonly kind: "withdrawn" }
  | { readonly kind: "event"; readonly name: string; readonly fields: Readonly<Record<string, unknown>> };

export interface RoutedVipReport {
  readonly name: string;
  /** `announced`: all its addresses are, each to somebody who takes routes of its family. */
  readonly state: "announced" | "bound" | "withdrawn" | "failed";
  /** Of `bound`: NO_NETWORK, NO_PEER, or NO_PEER and those of its addresses that nobody hears of. */
  readonly why: string;
}

/** What the next control must hear again. */
export function lastingOfRouting(message: FromRouting): About | undefined {
  switch (message.kind) {
    case "bfd":
      return is("bfd");
    case "bgp-peer":
      return is("bgp-peer", message.peer.name);
    case "bgp-peer-gone":
      return gone("bgp-peer", message.name);
    case "ospf-interface":
      return is("ospf", message.interface.version, message.interface.ifname);
    case "ospf-interface-gone":
      return gone("ospf", message.version, message.ifname);
    case "vip":
      return is("vip", message.vip.name);
    case "answer":
    case "event":
    case "hello":
    case "pong":
    case "trace":
    case "withdrawn":
      return undefined; // said once, or asked for
  }
}
