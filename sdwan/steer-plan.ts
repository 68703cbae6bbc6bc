/**
 * What control tells pulse about paths, how to measure them and what may choose among them, and what pulse reports: plain
 * data (JSON).  Durations in milliseconds, losses in percent, rates in bits per second.
 *
 * A path is one way to one place: a tunnel from a local link to a remote site's link, or a link itself towards the
 * internet.  A choice is one set of destinations in one routing table, which takes one of its candidates; pulse moves it
 * by replacing the routes of that table, and nothing else.
 */
import type { PathFigures, PathLife } from "./figures.ts";

export interface SteerPlan {
  readonly paths: readonly PathSpec[];
  readonly choices: readonly ChoiceSpec[];
  /** Answer the probes of others on these devices. */
  readonly reflectors: readonly ReflectorSpec[];
}

export interface PathSpec {
  /** "isp1>berlin/isp2", "isp1>internet": local link, site, its link.  Stays the same while the path lives on. */
  readonly id: string;
  readonly link: string;
  /** undefined: the internet. */
  readonly site: string | undefined;
  /** Device that the path's packets leave through: the tunnel's, or the link's own. */
  readonly ifname: string;
  /** Device of the WAN link below; its carrier is the path's life. */
  readonly underlay: string;
  /** What control knows and probes cannot: link down, tunnel not made, quota spent. */
  readonly usable: boolean;
  readonly why: string;
  /** "direct", or the site that relays. */
  readonly via: string;
  readonly probe: ProbeSpec;
  /** Id of the BFD session (netstack/bfd/plan.ts) that guards it: Down after Up is death at once. */
  readonly bfd: string | undefined;
  /** Smaller is cheaper; any unit. */
  readonly cost: number;
  /** What the link is said, or was measured, to carry upwards. */
  readonly bandwidth: number;
  readonly metered: boolean;
}

export type ProbeSpec =
  /** RFC 8762 authenticated mode; with RFC 8972 session id and direct measurement. */
  | {
      readonly kind: "stamp";
      readonly local: string;
      readonly peer: string;
      readonly port: number;
      /** Hex, 32 octets. */
      readonly key: string;
      /** The one that the peer is about to change to: whichever it knows is used. */
      readonly nextKey?: string | undefined;
      readonly pace: Pace;
      /** Whether the device carries this path alone, so that its counters tell the loss of traffic. */
      readonly counters: boolean;
    }
  /** Third parties; a round answers when one of them does. Bound to the device; `mark` is the packet mark (SO_MARK). */
  | { readonly kind: "icmp"; readonly targets: readonly string[]; readonly mark: number; readonly pace: Pace }
  | {
      readonly kind: "tcp";
      readonly targets: readonly { readonly address: string; readonly port: number }[];
      readonly mark: number;
      readonly pace: Pace;
    }
  | {
      readonly kind: "http";
      readonly targets: readonly {
        readonly address: string;
        readonly port: number;
        readonly host: string;
        readonly path: string;
      }[];
      readonly mark: number;
      readonly pace: Pace;
    }
  /** Only the device's carrier and BFD speak for it. */
  | { readonly kind: "none" };

export interface Pace {
  /** Between two probes while all is well; 10–60000. */
  readonly interval: number;
  /** While in doubt; 10–interval. */
  readonly inDoubt: number;
  /** Consecutive probes without an answer after which the path is dead; 2–10. */
  readonly deadAfter: number;
  /** Weight of the newest sample, 0–1 (0.3). */
  readonly alpha: number;
  /** Octets that probes and answers of this path may cost per hour, both ways, IP headers counted; the pace keeps to it. */
  readonly octetsPerHour: number;
}

export interface ReflectorSpec {
  readonly ifname: string;
  readonly local: string;
  readonly port: number;
  /** Address of a peer → its key, hex, 32 octets. */
  readonly peers: Readonly<Record<string, string>>;
  /** Address of a peer → the key that it is about to change to; both are answered. */
  readonly nextKeys?: Readonly<Record<string, string>> | undefined;
}

export interface ChoiceSpec {
  /** "voice→berlin", "voice→internet", "bulk@isp1→berlin".  Stays the same while the choice lives on. */
  readonly id: string;
  /** Of ProxyWANPolicy; "default" for what none matches. */
  readonly policy: string;
  /** undefined: the internet. */
  readonly site: string | undefined;
  readonly table: number;
  /** "10.2.0.0/24"; "0.0.0.0/0" and "::/0" for the internet. */
  readonly destinations: readonly string[];
  readonly strategy: Strategy;
  readonly sla: Sla;
  readonly candidates: readonly CandidateSpec[];
  readonly hold: Hold;
  /** false: keeps the first choice although it is bad, and leaves it only when it is dead. */
  readonly failover: boolean;
  /** Sent nowhere (unreachable) while no candidate is alive, rather than by the main table. */
  readonly killSwitch: boolean;
  /** What leaves by a path that loses more goes by a second one, too; absent: it does not. */
  readonly shield?: ShieldSpec;
}
export interface ShieldSpec {
  /** Percent, from here to there. */
  readonly loss: number;
  /** Whether the second path may be a metered one. */
  readonly metered: boolean;
}

/** A class of its own, as operators wrote it: not what a single link or the answers of a tunnel get. */
export function isWholeClass({ id, policy }: Pick<ChoiceSpec, "id" | "policy">): boolean {
  return id.startsWith(`${policy}→`);
}

export type Strategy = "lowest-latency" | "highest-bandwidth" | "most-reliable" | "lowest-cost" | "weighted";

export interface Sla {
  /** Of the round trip; undefined = any. */
  readonly maxLatency: number | undefined;
  readonly maxJitter: number | undefined;
  /** Percent. */
  readonly maxPacketLoss: number | undefined;
  readonly minMos: number | undefined;
}

export interface CandidateSpec {
  /** Id of the path that is measured. */
  readonly path: string;
  /** 0 is tried first: role, tariff and quota are in it.  A lower tier that keeps the SLA wins over any strategy. */
  readonly tier: number;
  /** For `weighted`: 1–1000. */
  readonly weight: number;
  /** What this one must keep instead of the choice's `sla`: the limits of its link are in it.  Absent: the choice's. */
  readonly sla?: Sla;
  /** Device of its routes: the path's own, or its twin for another DSCP. */
  readonly ifname: string;
  /** Next hops; undefined = on the device itself (tunnels).  A family with `usable: false` is left out. */
  readonly v4: { readonly usable: boolean; readonly gateway: string | undefined };
  readonly v6: { readonly usable: boolean; readonly gateway: string | undefined };
}

export interface Hold {
  /** Bad windows of the last `of` that make a path bad for this choice. */
  readonly bad: number;
  readonly of: number;
  /** Good this long, without a break, before what was bad or dead is chosen again. */
  readonly recover: number;
  /** A better path is taken only if better by so much percent, and by so many milliseconds or loss points … */
  readonly marginPercent: number;
  readonly marginMs: number;
  readonly marginLoss: number;
  /** … in so many evaluations in a row. */
  readonly evaluations: number;
  /** After a move no other one for improvement for so long; doubles while a path flaps, up to `mostRest`. */
  readonly rest: number;
  readonly mostRest: number;
}

/** What pulse says of a path: at each change of life or SLA verdicts, else once a second. */
export interface PathReport {
  readonly id: string;
  readonly life: PathLife;
  /** Milliseconds since the epoch of the last change of life. */
  readonly since: number;
  readonly figures: PathFigures | undefined;
  /** Probes since the path was first in the plan, and refusals of what came: name → how often. */
  readonly sent: number;
  readonly answered: number;
  readonly refused: Readonly<Record<string, number>>;
  /** Now, and what it costs at this pace. */
  readonly interval: number;
  readonly octetsPerHour: number;
}

export interface ChoiceReport {
  readonly id: string;
  /** Path id; undefined: none alive, or not yet decided. */
  readonly chosen: string | undefined;
  readonly state: "chosen" | "least-bad" | "none" | "undecided";
  readonly why: string;
  readonly since: number;
  /** Moves since the choice was first in the plan. */
  readonly moves: number;
  readonly candidates: readonly CandidateReport[];
}

/** A path that loses too much for a class, and the second one that carries copies. */
export interface ShieldReport {
  readonly choice: string;
  readonly policy: string;
  readonly path: string;
  /** At the other end of both. */
  readonly site: string;
  /** Device that packets of the class leave by, when they take the path. */
  readonly from: string;
  /** Path id and device; undefined: none is fit. */
  readonly second: string | undefined;
  readonly to: string | undefined;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly why: string;
}
export interface ShieldChange {
  readonly kind: "began" | "ended";
  readonly choice: string;
  readonly path: string;
  readonly second: string;
  readonly since: number;
  readonly why: string;
}

/** One candidate as it was when the decision fell. */
export interface CandidateReport {
  readonly path: string;
  readonly tier: number;
  readonly verdict: "good" | "bad" | "dead" | "unknown" | "unusable" | "resting";
  /** What the strategy compares, smaller is better; undefined when it has nothing to compare. */
  readonly score: number | undefined;
  /** "loss 5.1 % over 1 %", "lost to isp2>berlin/isp1: 40.1 ms against 12.0 ms" */
  readonly why: string;
  readonly figures: PathFigures | undefined;
}

/** A decision with everything that it was made from: `wan.moved`, `wan.lost`, `wan.stays` events carry it. */
export interface Decision {
  readonly at: number;
  readonly choice: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly reason: "first" | "dead" | "breach" | "better" | "recovered" | "least-bad" | "none" | "plan";
  readonly why: string;
  readonly candidates: readonly CandidateReport[];
}
