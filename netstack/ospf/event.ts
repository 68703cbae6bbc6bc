/**
 * What an OSPF router (one machine: one version, all its areas and interfaces) is told, and what it asks for.  The
 * driver feeds one event at a time to `Router.step`, performs the actions in their order, and feeds "wake" when
 * `nextWake()` has come.
 */
import type { Ip, Prefix } from "../../base/address.ts";
import type { BfdReport, BfdSpec } from "../bfd/plan.ts";
import type { Packet } from "./packet/packet.ts";
import type { OspfInterfaceReport, OspfPlan, OspfRouteReport } from "./plan.ts";

/** An interface as the kernel has it.  Interfaces that the plan does not name may be told as well: they are ignored. */
export interface Link {
  readonly ifname: string;
  readonly ifindex: number;
  /** Administratively up, and with carrier. */
  readonly up: boolean;
  readonly loopback: boolean;
  /** Of the IP layer. */
  readonly mtu: number;
  /** Both families, link-local ones too (v3 sends from the first), without tentative and without virtual IPs. */
  readonly addresses: readonly LinkAddress[];
}
export interface LinkAddress {
  readonly ip: Ip;
  readonly length: number;
  /** Point-to-point addressing: the other end. */
  readonly peer?: Ip;
}

/** What the codec found out about a packet's authentication; that it is right has been proven before. */
export type Proven =
  | { readonly kind: "none" | "simple" }
  /** `sequence` is what must not decrease per neighbor: 32 bits in RFC 2328 D.3, 64 in RFC 7474 and RFC 7166. */
  | { readonly kind: "cryptographic"; readonly keyId: number; readonly sequence: bigint };

export type Event =
  | { readonly kind: "wake" }
  /** Desired state; the machine finds the difference and touches what differs. */
  | { readonly kind: "configured"; readonly plan: OspfPlan }
  | { readonly kind: "link"; readonly link: Link }
  | { readonly kind: "link-gone"; readonly ifname: string }
  /** A packet of our version that decodes and whose authentication is right for that interface. */
  | {
      readonly kind: "packet";
      readonly ifname: string;
      readonly source: Ip;
      readonly destination: Ip;
      readonly packet: Packet;
      readonly proven: Proven;
    }
  /** The codec or the authentication refused one: counted with the interface under this name. */
  | { readonly kind: "refused"; readonly ifname: string; readonly why: string }
  | { readonly kind: "bfd"; readonly report: BfdReport }
  /**
   * `keep`: graceful restart (RFC 3623 §2.1): grace LSAs are flooded, routes stay.  Otherwise all that is ours is
   * flushed and the neighbors are told by empty hellos.  `stopped` follows, within a few seconds at most.
   */
  | { readonly kind: "stop"; readonly keep: boolean };

export interface NextHop {
  readonly ifname: string;
  readonly ifindex: number;
  /** v3: link-local. undefined: the destination is on the link itself. */
  readonly address: Ip | undefined;
}

export interface Route {
  readonly prefix: Prefix;
  readonly kind: OspfRouteReport["kind"];
  readonly cost: number;
  /** External: its tag, else 0. */
  readonly tag: number;
  /** Equal cost, in a stable order. */
  readonly nextHops: readonly NextHop[];
}

export type Action =
  /** v3: `source` is the link-local address; v2: the interface's.  TTL 1: there are no virtual links. */
  | {
      readonly kind: "send";
      readonly ifname: string;
      readonly source: Ip;
      readonly destination: Ip;
      readonly packet: Packet;
    }
  /** Which multicast groups the interface shall be a member of now: AllSPFRouters, AllDRouters. */
  | { readonly kind: "groups"; readonly ifname: string; readonly allSpf: boolean; readonly allDr: boolean }
  /**
   * To be installed or replaced (`set`), and removed (`gone`).  Only routes with a gateway: what is on our own links
   * is the kernel's.  While a restart's grace period lasts nothing is told; its end brings `routes` with `complete`.
   */
  | {
      readonly kind: "routes";
      readonly set: readonly Route[];
      readonly gone: readonly Prefix[];
      /** Everything there shall be: what an earlier life left beyond it goes. */
      readonly complete: boolean;
    }
  /** All BFD sessions that are wanted now. */
  | { readonly kind: "bfd"; readonly sessions: readonly BfdSpec[] }
  | { readonly kind: "report"; readonly report: OspfInterfaceReport }
  | { readonly kind: "report-gone"; readonly ifname: string }
  /** A state transition, for `trace`. */
  | { readonly kind: "moved"; readonly ifname: string; readonly peer: string; readonly text: string }
  /** `name` "ospf.…"; `fields.level` may be "warn". */
  | { readonly kind: "event"; readonly name: string; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly kind: "stopped" };

/** Packets, or LSAs in them, that are well formed and yet not taken: counted per interface under these names. */
export type Refused =
  | "interface-unknown"
  | "interface-down"
  | "passive"
  | "version"
  | "instance-mismatch"
  | "area-mismatch"
  | "virtual-link"
  | "own-packet"
  | "router-id-zero"
  | "router-id-ours"
  | "source-not-on-link"
  | "not-for-us"
  | "not-designated"
  | "replayed"
  | "hello-interval-mismatch"
  | "dead-interval-mismatch"
  | "mask-mismatch"
  | "options-mismatch"
  | "neighbor-not-configured"
  | "neighbor-unknown"
  | "router-id-changed"
  | "too-many-neighbors"
  | "neighbor-state"
  | "mtu-mismatch"
  | "dd-duplicate"
  | "dd-sequence"
  | "dd-options"
  | "lsa-checksum"
  | "lsa-type"
  | "lsa-malformed"
  | "lsa-scope"
  | "lsa-too-soon"
  | "lsa-older"
  | "lsa-maxage-unknown"
  | "database-full"
  | "request-unknown"
  | "ack-unknown";
