/** What the segment machine is told, and what it asks for.  The driver performs actions in order and drops none. */
import type { Ip, Mac } from "../../base/address.ts";
import type { Instant, Ms } from "../../base/unit.ts";
import type { Heartbeat } from "./packet.ts";
import type { PeerReport, VipReport } from "./plan.ts";
import type { Timing } from "./timing.ts";

/** A virtual IP is known by its first address, the IPv4 one if it has both. */
export type VipId = Ip;

export interface SegmentConfig {
  readonly node: string;
  readonly ifname: string;
  /** Larger at each start of this process. */
  readonly incarnation: number;
  readonly timing: Timing;
  readonly witnesses: readonly Ip[];
  readonly vips: readonly VipConfig[];
}
export interface VipConfig {
  readonly name: string;
  /** One or two; the first is the id. */
  readonly addresses: readonly Ip[];
  readonly priority: number;
  readonly preemptDelay: Ms | undefined;
  readonly onConflict: "defend" | "yield";
  readonly eligible: boolean;
  readonly why: string;
}

export type Event =
  | { readonly kind: "wake" }
  | { readonly kind: "configured"; readonly config: SegmentConfig }
  /** Carrier, and how this node appears on the segment; no address: nothing to send from yet. */
  | { readonly kind: "link"; readonly up: boolean; readonly mac: Mac; readonly addresses: readonly Ip[] }
  /** Proven by `open`. */
  | { readonly kind: "heartbeat"; readonly packet: Heartbeat }
  /** A station other than ours uses `ip` as its own: any ARP packet with it as sender, any advertisement for it. */
  | { readonly kind: "asserted"; readonly ip: Ip; readonly mac: Mac }
  /** A station other than ours asks whether `ip` is free. */
  | { readonly kind: "probed"; readonly ip: Ip; readonly mac: Mac }
  /** The kernel's answer to `renew`, at once; `lost` had lapsed and stay so. */
  | { readonly kind: "renewed"; readonly lost: readonly VipId[] }
  /** The kernel's answer to `claim`, at once: what began; all others did not. */
  | { readonly kind: "claimed"; readonly begun: readonly VipId[] }
  /** Give everything up; serve known flows for `handover`. */
  | { readonly kind: "withdraw"; readonly handover: Ms };

/** A virtual IP's addresses, held or not held together. */
export interface Holding {
  readonly vip: VipId;
  readonly addresses: readonly Ip[];
}

export type Action =
  /** One atomic set of leases; `renewed` follows before anything else happens. */
  | { readonly kind: "renew"; readonly holdings: readonly Holding[]; readonly span: Ms }
  /** Install lease and addresses unless the clock is past `before`; `claimed` follows before anything else happens. */
  | { readonly kind: "claim"; readonly holdings: readonly Holding[]; readonly span: Ms; readonly before: Instant }
  /** Lease, draining and addresses go at once. */
  | { readonly kind: "drop"; readonly holding: Holding }
  /** Answer for it no more, but serve the flows there are; a `drop` follows later. */
  | { readonly kind: "drain"; readonly holding: Holding; readonly span: Ms }
  /** Pass flows that we do not know on to the node that owned the address. */
  | { readonly kind: "handover"; readonly address: Ip; readonly previous: Ip; readonly span: Ms }
  /** Sends below are worthless, and may be harmful, after `before`: a driver that is late drops them. */
  | { readonly kind: "heartbeat"; readonly packet: Heartbeat; readonly before: Instant }
  | { readonly kind: "probe"; readonly ip: Ip; readonly before: Instant }
  | { readonly kind: "announce"; readonly ip: Ip; readonly before: Instant }
  | { readonly kind: "witness"; readonly ip: Ip; readonly before: Instant }
  | { readonly kind: "report"; readonly report: VipReport }
  | { readonly kind: "peer"; readonly report: PeerReport }
  | { readonly kind: "withdrawn" }
  | { readonly kind: "refused"; readonly why: Refused; readonly node: string }
  | { readonly kind: "event"; readonly name: string; readonly fields: Readonly<Record<string, unknown>> };

/** Heartbeats that are well formed and authentic, and yet not taken. */
export type Refused =
  | "own" // our own datagram came back
  | "name-taken" // another process with our node name
  | "stale-incarnation" // from before the peer's last start: a replay, or a clock that went back
  | "replayed" // sequence seen before, or older
  | "too-many-peers"
  | "link-down";
