/** What a test and ospf-program.ts tell each other. */
import type { TraceLine } from "../../base/trace.ts";
import type { BfdReport, BfdSpec } from "../../netstack/bfd/plan.ts";
import type { OspfInterfaceReport, OspfLsaReport, OspfPlan, OspfRouteReport } from "../../netstack/ospf/plan.ts";

export type ToOspf =
  | { readonly kind: "plan"; readonly plan: OspfPlan }
  | { readonly kind: "bfd"; readonly report: BfdReport }
  | { readonly kind: "withdraw"; readonly grace: number }
  | { readonly kind: "stop"; readonly keep: boolean }
  | { readonly kind: "ask" };

export type FromOspf =
  | { readonly kind: "ready" }
  | { readonly kind: "bfd"; readonly sessions: readonly BfdSpec[] }
  | { readonly kind: "event"; readonly name: string; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly kind: "report"; readonly report: OspfInterfaceReport }
  | { readonly kind: "report-gone"; readonly ifname: string }
  | { readonly kind: "trace"; readonly line: TraceLine }
  | { readonly kind: "withdrawn" }
  | { readonly kind: "stopped" }
  | { readonly kind: "answer"; readonly lsas: readonly OspfLsaReport[]; readonly routes: readonly OspfRouteReport[] };
