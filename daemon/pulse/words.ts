/**
 * What control tells pulse, and what pulse reports: plain data (JSON).  Durations in milliseconds.  Virtual IPs are
 * described in netstack/vip/plan.ts, BFD in netstack/bfd/plan.ts, paths and choices in sdwan/steer-plan.ts.
 */
import { type About, gone, is } from "../../base/told.ts";
import type { TraceLine } from "../../base/trace.ts";
import type { BfdPlan, BfdReport } from "../../netstack/bfd/plan.ts";
import type { VipNews, VipPlan } from "../../netstack/vip/plan.ts";
import type {
  ChoiceReport,
  Decision,
  PathReport,
  ShieldChange,
  ShieldReport,
  SteerPlan,
} from "../../sdwan/steer-plan.ts";

export type ToPulse =
  | { readonly kind: "plan"; readonly plan: VipPlan }
  /** Give everything up, tell the peers, hand flows over; `withdrawn` follows when no address answers here any more. */
  | { readonly kind: "withdraw"; readonly handover: number }
  /**
   * Remove all that pulse made in the kernel and exit 0.  `lanes` true: the routes of choices, too; else they stay and go
   * on carrying traffic, as they do when pulse is killed.
   */
  | { readonly kind: "stop"; readonly lanes?: boolean }
  /** All that BFD shall watch from now on; sessions that the last plan had with the same parameters are not touched. */
  | { readonly kind: "bfd"; readonly plan: BfdPlan }
  /** Every BFD session is reported at once, with its counters as they are. */
  | { readonly kind: "bfd-report" }
  /** All paths to measure and all choices to make from now on; what the last plan had in the same words is not touched. */
  | { readonly kind: "steer"; readonly plan: SteerPlan }
  /** Every path and every choice is reported at once, with its counters as they are. */
  | { readonly kind: "path-report" }
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
  | VipNews
  /** At each change of state or of the timers in force; for the counters' sake every ten seconds while they move. */
  | { readonly kind: "bfd"; readonly report: BfdReport }
  /** The session is no more: out of the plan, or a stranger's that went down. */
  | { readonly kind: "bfd-gone"; readonly id: string }
  /** BFD packets that belong to no session: name of the refusal → how often.  With the reports that `bfd-report` asks for. */
  | { readonly kind: "bfd-strays"; readonly refused: Readonly<Record<string, number>> }
  /** At each change of life or of a verdict, else once a second. */
  | { readonly kind: "path"; readonly report: PathReport }
  | { readonly kind: "path-gone"; readonly id: string }
  /** At each decision and change of a verdict, else each ten seconds. */
  | { readonly kind: "choice"; readonly report: ChoiceReport }
  | { readonly kind: "choice-gone"; readonly id: string }
  /** After the `choice` that it led to. */
  | { readonly kind: "decision"; readonly decision: Decision }
  /** All shields that there are, with what has changed; nothing when there was none and is none. */
  | { readonly kind: "shields"; readonly shields: readonly ShieldReport[]; readonly changes: readonly ShieldChange[] }
  | { readonly kind: "trace"; readonly n: number; readonly line: TraceLine };

export type FromPulseOnPaths = Extract<
  FromPulse,
  { readonly kind: "path" | "path-gone" | "choice" | "choice-gone" | "decision" | "shields" }
>;

/** What the next control must hear again. */
export function lastingOfPulse(message: FromPulse): About | undefined {
  switch (message.kind) {
    case "vip":
      return is("vip", message.vip.name);
    case "peer":
      return is("peer", message.peer.ifname, message.peer.node);
    case "bfd":
    case "path":
    case "choice":
      return is(message.kind, message.report.id);
    case "bfd-gone":
      return gone("bfd", message.id);
    case "path-gone":
      return gone("path", message.id);
    case "choice-gone":
      return gone("choice", message.id);
    case "shields":
      return is("shields");
    case "hello":
    case "pong":
    case "event":
    case "withdrawn":
    case "bfd-strays":
    case "decision":
    case "trace":
      return undefined; // said once, or asked for
  }
}
