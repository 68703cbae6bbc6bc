/**
 * What pulse is asked to do about virtual IPs, and what it reports of them: plain data (JSON).  Durations in
 * milliseconds.  All that control and pulse tell each other: daemon/pulse/words.ts.
 */
export interface VipPlan {
  /** This node's name: unique on the segment. */
  readonly node: string;
  /** Shared secret of the segment's nodes, hex, 32 octets. */
  readonly key: string;
  readonly segments: readonly SegmentPlan[];
}

/** One interface and the virtual IPs on it. */
export interface SegmentPlan {
  readonly ifname: string;
  /** 10–1000 */
  readonly interval: number;
  /** Heartbeats missed before a peer is dead: 2–10. Detection time = interval × multiplier. */
  readonly multiplier: number;
  readonly port: number;
  /** Unicast peers; empty = the link-local multicast group. */
  readonly peers: readonly string[];
  /** Addresses that answer ARP/NS while this host's link works; an owner that hears neither a peer nor a witness steps down. */
  readonly witnesses: readonly string[];
  readonly vips: readonly VipSpec[];
}

export interface VipSpec {
  readonly name: string;
  /** "192.0.2.10/32"; at least one of both families. They move together. */
  readonly address4: string | undefined;
  readonly address6: string | undefined;
  /** 1–255, higher wins among candidates. */
  readonly priority: number;
  /** Take over from a lower priority that is healthy, after this many ms of being a better candidate; undefined = never. */
  readonly preemptDelay: number | undefined;
  /** What an owner does when a stranger (no node of ours) claims the address: RFC 5227 §2.4 (b) or (a). */
  readonly onConflict: "defend" | "yield";
  /** Does what is behind the address work here? Decided by control (health gate). */
  readonly eligible: boolean;
  /** Why not, as a condition code. */
  readonly why: string;
}

/** What the engine of virtual IPs tells control. */
export type VipNews =
  | { readonly kind: "withdrawn" }
  | { readonly kind: "vip"; readonly vip: VipReport }
  | { readonly kind: "peer"; readonly peer: PeerReport }
  /** An event with its reasons, for the log and `novactl events`. */
  | { readonly kind: "event"; readonly name: string; readonly fields: Readonly<Record<string, unknown>> };

export type VipState = "listening" | "standby" | "claiming" | "owner" | "ineligible" | "conflict" | "no-link";

export interface VipReport {
  readonly name: string;
  readonly state: VipState;
  /** Monotonic per virtual IP over all nodes: each take-over has a higher term. */
  readonly term: number;
  /** Node name of the owner as far as known here. */
  readonly owner: string | undefined;
  readonly why: string;
  /** MAC that answers for the address although no node of ours owns it. */
  readonly conflictWith: string | undefined;
}

export interface PeerReport {
  readonly node: string;
  readonly ifname: string;
  readonly state: "up" | "one-way" | "down";
  readonly address: string;
}
