/**
 * Health of one endpoint: thresholds of results in a row.  The first result of all decides at once, so that a start is
 * not slower than one check.  Sans-IO; the driver is checker.ts.
 */
import { after, type Instant, type Ms } from "../../base/unit.ts";
import type { HealthCheckConfig } from "../config.ts";

export interface Health {
  /** "unknown" until the first result; traffic may use an unknown endpoint. */
  readonly state: "unknown" | "healthy" | "unhealthy";
  /** Results in a row that speak against `state`. */
  readonly against: number;
  /** What the last result said. */
  readonly why: string;
  /** undefined while a check is under way. */
  readonly checkAt: Instant | undefined;
}
export type Event =
  | { readonly kind: "wake" }
  | { readonly kind: "checked"; readonly healthy: boolean; readonly why: string };
export type Action =
  | { readonly kind: "check" }
  | { readonly kind: "turned"; readonly healthy: boolean; readonly why: string };

/** `chance` in [0, 1) spreads the first checks over at most FIRST_SPREAD. */
export function born(interval: Ms, now: Instant, chance: number): Health {
  const spread = Math.min(interval, FIRST_SPREAD) * chance;
  return { state: "unknown", against: 0, why: "not checked yet", checkAt: after(now, spread as Ms) };
}

export function step(
  health: Health,
  event: Event,
  config: HealthCheckConfig,
  now: Instant,
  chance: number,
): readonly [Health, readonly Action[]] {
  if (event.kind === "wake") {
    if (health.checkAt === undefined || now < health.checkAt) return [health, []];
    return [{ ...health, checkAt: undefined }, [{ kind: "check" }]];
  }
  // ±10 %, so that the checks of many hosts do not fall into step.
  const checkAt = after(now, (config.interval * (0.9 + 0.2 * chance)) as Ms);
  const heard = event.healthy ? "healthy" : "unhealthy";
  const { why } = event;
  if (heard === health.state) return [{ state: heard, against: 0, why, checkAt }, []];
  const against = health.against + 1;
  const needed = health.state === "unknown" ? 1 : event.healthy ? config.healthyThreshold : config.unhealthyThreshold;
  if (against < needed) return [{ ...health, against, why, checkAt }, []];
  return [{ state: heard, against: 0, why, checkAt }, [{ kind: "turned", healthy: event.healthy, why }]];
}

export function nextWake(health: Health): Instant | undefined {
  return health.checkAt;
}

const FIRST_SPREAD = 50; // ms
