/** What the strategies compare, smaller is better, and when one path is so much better that a move is worth it. */
import type { Instant } from "../../base/unit.ts";
import type { CandidateSpec, Hold, Sla, Strategy } from "../steer-plan.ts";
import { BUILT_IN_LOSS, type Judge, jitterOf, worstLoss } from "./judge.ts";
import type { Path } from "./path.ts";

/** `moving`: bits per second that come along with the choice if it is not on this path yet. */
export function scoreOf(
  strategy: Strategy,
  { path, spec, moving }: { readonly path: Path; readonly spec: CandidateSpec; readonly moving: number },
  now: Instant,
): number | undefined {
  switch (strategy) {
    case "lowest-latency":
      return path.latency.value;
    case "highest-bandwidth":
      return -(path.spec.bandwidth - path.used - moving);
    case "most-reliable":
      return (path.figures === undefined ? 0 : worstLoss(path.figures).percent) + path.deaths(now);
    case "lowest-cost":
      return path.spec.cost;
    case "weighted":
      return -spec.weight;
  }
}

/** Whether `to` is better than `from` by all that the operator asks for. */
export function isWorthAMove(
  strategy: Strategy,
  from: number | undefined,
  to: number | undefined,
  hold: Hold,
): boolean {
  if (to === undefined) return false;
  if (from === undefined) return true;
  const gain = from - to;
  if (gain <= 0) return false;
  switch (strategy) {
    case "lowest-latency":
      return gain >= share(from, hold) && gain >= hold.marginMs;
    case "highest-bandwidth":
      return gain >= share(from, hold);
    case "most-reliable":
      return gain >= share(from, hold) && gain >= hold.marginLoss;
    // Not measured, hence without noise: any difference is meant.
    case "lowest-cost":
    case "weighted":
      return true;
  }
}

/** In units of the limit; `low` and `high`: what it may be. */
export interface Badness {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/**
 * How bad a path is that keeps no SLA: its worst figure in units of the limit.  Smaller is better; a path that is hardly
 * usable (half of it lost) is worse than any that is slow.
 */
export function badness({ figures }: Path, { lost }: Judge, sla: Sla): Badness {
  if (figures === undefined) return { value: 0, low: 0, high: Number.POSITIVE_INFINITY };
  const { maxLatency, maxJitter, minMos, maxPacketLoss = BUILT_IN_LOSS } = sla;
  const per = (value: number, limit: number | undefined): number =>
    limit === undefined ? 0 : value / Math.max(limit, LEAST_LIMIT);
  const levels = Math.max(
    per(figures.rtt?.smoothed ?? 0, maxLatency),
    per(jitterOf(figures) ?? 0, maxJitter),
    minMos === undefined ? 0 : minMos / Math.max(figures.mos ?? 1, 1),
  );
  const { percent, low, high } = lost ?? { low: 0, high: 100, ...worstLoss(figures) };
  return {
    value: Math.max(per(percent, maxPacketLoss), levels),
    low: Math.max(per(low, maxPacketLoss), levels * (1 - LEVEL_NOISE)),
    high: Math.max(per(high, maxPacketLoss), levels * (1 + LEVEL_NOISE)),
  };
}

function share(of: number, { marginPercent }: Hold): number {
  return (Math.abs(of) * marginPercent) / 100;
}

const LEAST_LIMIT = 0.1;
/** Of what is smoothed. */
const LEVEL_NOISE = 0.15;
