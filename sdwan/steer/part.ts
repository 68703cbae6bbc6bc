/** What of the plan for links and tunnels the steering of packets needs (underlay-plan.ts says what each means). */
import type { LinkReport, UnderlayPlan } from "../underlay-plan.ts";

export type SteeringPlan = Pick<
  UnderlayPlan,
  "links" | "tunnels" | "lanes" | "classes" | "overlay" | "prefixes" | "rendezvous"
>;

/** What is known of a link now; gateways are those that routes of the link's table get. */
export type LinkFacts = Pick<LinkReport, "name" | "ifname" | "state" | "gateway4" | "gateway6">;

/** How values of the mark lie in packets: the constants of netstack/kernel/marks.ts, which pure code does not import. */
export interface MarkLayout {
  readonly mask: number;
  /** A value in its bits. */
  readonly of: (value: number) => number;
}
