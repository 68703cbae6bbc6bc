/**
 * What control tells pulse, and what pulse reports: plain data (JSON).  Durations in milliseconds.  Virtual IPs are
 * described here, BFD in netstack/bfd/plan.ts.
 */
import type { TraceLine } from "../../base/trace.ts";
import type { BfdPlan, BfdReport } from "../bfd/plan.ts";

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

export type ToPulse =
  | { readonly kind: "plan"; readonly plan: VipPlan }
  /** Give everything up, tell the peers, hand flows over; `withdrawn` follows when no address answers here any more. */
  | { readonly kind: "withdraw"; readonly handover: number }
  /** Remove all that pulse made in the kernel and exit 0. */
  | { readonly kind: "stop" }
  /** All that BFD shall watch from now on; sessions that the last plan had with the same parameters are not touched. */
  | { readonly kind: "bfd"; readonly plan: BfdPlan }
  /** Every BFD session is reported at once, with its counters as they are. */
  | { readonly kind: "bfd-report" }
  /** Lines follow for what matches, until `untrace`; `n` tells several traces apart. */
  | {
      readonly kind: "trace";
      readonly n: number;
      readonly protocol: "bfd" | "arp";
      /** BFD: the peer's address; ARP: any address (IPv4 or IPv6) that is asked for or answered.  undefined = all. */
      readonly peer: string | undefined;
    }
  | { readonly kind: "untrace"; readonly n: number }
  | { readonly kind: "ping"; readonly n: number };

export type FromPulse =
  | { readonly kind: "hello"; readonly pid: number; readonly scheduling: string }
  | { readonly kind: "pong"; readonly n: number }
  | { readonly kind: "withdrawn" }
  | { readonly kind: "vip"; readonly vip: VipReport }
  | { readonly kind: "peer"; readonly peer: PeerReport }
  /** At each change of state or of the timers in force; for the counters' sake every ten seconds while they move. */
  | { readonly kind: "bfd"; readonly report: BfdReport }
  /** The session is no more: out of the plan, or a stranger's that went down. */
  | { readonly kind: "bfd-gone"; readonly id: string }
  /** BFD packets that belong to no session: name of the refusal → how often.  With the reports that `bfd-report` asks for. */
  | { readonly kind: "bfd-strays"; readonly refused: Readonly<Record<string, number>> }
  | { readonly kind: "trace"; readonly n: number; readonly line: TraceLine }
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
