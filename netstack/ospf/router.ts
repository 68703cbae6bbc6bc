/** The OSPF router: see event.ts. */
import type { Instant } from "../../base/unit.ts";
import { instant } from "../../base/unit.ts";
import type { Action, Event } from "./event.ts";
import type { OspfLsaReport, OspfPlan, OspfRouteReport } from "./plan.ts";

export class Router {
  readonly #plan: OspfPlan;

  constructor(plan: OspfPlan, _now: Instant) {
    this.#plan = plan;
  }

  get version(): 2 | 3 {
    return this.#plan.version;
  }
  step(_event: Event, _now: Instant): readonly Action[] {
    return [];
  }
  /** Step with "wake" then, or a little later; undefined: nothing is due. */
  nextWake(): Instant | undefined {
    return instant(Number.POSITIVE_INFINITY);
  }
  database(_now: Instant): readonly OspfLsaReport[] {
    return [];
  }
  routes(): readonly OspfRouteReport[] {
    return [];
  }
}
