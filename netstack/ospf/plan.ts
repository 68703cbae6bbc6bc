/** What the OSPF routers of this host (v2 for IPv4, v3 for IPv6) shall do, and what they report: plain data (JSON). */
import type { BfdTiming } from "../bfd/plan.ts";

export interface OspfPlan {
  readonly version: 2 | 3;
  readonly routerId: string;
  readonly areas: readonly OspfArea[];
  /** What we announce for virtual IPs. */
  readonly networks: readonly OspfNetwork[];
  /** Learnt routes go to the kernel with our protocol number. */
  readonly install: { readonly table: number; readonly metric: number } | undefined;
  /** RFC 6987: be no transit, and the last choice for what is ours. */
  readonly maxMetric: boolean;
  /** RFC 3623 / RFC 5187; `period` in milliseconds, on the wire seconds. */
  readonly gracefulRestart: { readonly period: number; readonly helper: boolean } | undefined;
  /** We have just restarted with our forwarding state kept. */
  readonly restarting: boolean;
}

export interface OspfArea {
  /** Dotted quad. */
  readonly id: string;
  readonly kind: "normal" | "stub" | "nssa";
  readonly interfaces: readonly OspfInterfaceSpec[];
}

export interface OspfInterfaceSpec {
  readonly ifname: string;
  readonly type: "broadcast" | "point-to-point" | "nbma";
  readonly passive: boolean;
  readonly cost: number;
  /** 0–255; 0 = never designated. */
  readonly priority: number;
  /** Milliseconds; on the wire seconds. */
  readonly hello: number;
  readonly dead: number;
  readonly retransmit: number;
  readonly transmitDelay: number;
  readonly mtuIgnore: boolean;
  /** v3 only, 0–255. */
  readonly instanceId: number;
  readonly auth: OspfAuth | undefined;
  /** NBMA only. */
  readonly neighbors: readonly { readonly address: string; readonly priority: number }[];
  /** NBMA: how often dead neighbors are tried. */
  readonly poll: number;
  readonly bfd: BfdTiming | undefined;
}

/** The first key sends, all are accepted: keys are changed by overlapping. */
export type OspfAuth =
  | { readonly kind: "simple"; readonly password: string }
  | {
      readonly kind: "cryptographic";
      /** v2: 64-bit sequence numbers (RFC 7474, AuType 3); v3 always has them. */
      readonly extended?: boolean;
      readonly keys: readonly {
        /** v2: 0–255; v3 (RFC 7166): security association, 0–65535. */
        readonly id: number;
        readonly algorithm: "md5" | "hmac-sha1" | "hmac-sha256" | "hmac-sha384" | "hmac-sha512";
        readonly secret: string;
      }[];
    };

export interface OspfNetwork {
  readonly prefix: string;
  /** AS-external (type 5; type 7 in an NSSA) with metric type 1 or 2, or a host route of the router LSA / intra-area prefix. */
  readonly as: "external-1" | "external-2" | "host";
  readonly metric: number;
  readonly tag: number;
  /** `host`: the area that hears it; undefined = the first. */
  readonly area: string | undefined;
}

export type OspfNeighborState = "down" | "attempt" | "init" | "2-way" | "ex-start" | "exchange" | "loading" | "full";
export type OspfInterfaceState = "down" | "loopback" | "waiting" | "point-to-point" | "dr-other" | "backup" | "dr";

export interface OspfInterfaceReport {
  readonly version: 2 | 3;
  readonly ifname: string;
  readonly area: string;
  readonly state: OspfInterfaceState;
  readonly dr: string | undefined;
  readonly bdr: string | undefined;
  readonly neighbors: readonly OspfNeighborReport[];
  readonly refused: Readonly<Record<string, number>>;
}

export interface OspfNeighborReport {
  readonly routerId: string;
  readonly address: string;
  readonly priority: number;
  readonly state: OspfNeighborState;
  readonly since: number;
  readonly deadIn: number;
  readonly retransmissions: number;
  readonly bfd: string | undefined;
  /** "1-way", "inactivity-timer", "mtu-mismatch" … */
  readonly lastError: string | undefined;
}

export interface OspfLsaReport {
  readonly area: string | undefined;
  readonly type: string;
  readonly id: string;
  readonly advertisingRouter: string;
  readonly age: number;
  readonly sequence: number;
  readonly checksum: number;
  readonly length: number;
}

export interface OspfRouteReport {
  readonly prefix: string;
  readonly kind: "intra-area" | "inter-area" | "external-1" | "external-2";
  readonly cost: number;
  readonly nextHops: readonly { readonly address: string | undefined; readonly ifname: string }[];
}
