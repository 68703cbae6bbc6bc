/** What the strategies compare, smaller is better, and when one path is so much better that a move is worth it. */
import type { Instant } from "../../base/unit.ts";
import type { CandidateSpec, Hold, Sla, Strategy } from "../steer-plan.ts";
import { BUILT_IN_LOSS, jitterOf, worstLoss } from "./judge.ts";
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

/**
 * How bad a path is that keeps no SLA: its worst figure in units of the limit.  Smaller is better; a path that is hardly
 * usable (half of it lost) is worse than any that is slow.
 */
export function badness({ figures }: Path, sla: Sla): number {
  if (figures === undefined) return 0;
  const { maxLatency, maxJitter, minMos, maxPacketLoss = BUILT_IN_LOSS } = sla;
  const jitter = jitterOf(figures);
  const lost = Math.max(worstLoss(figures).percent, figures.lossRecent?.low ?? 0);
  return Math.max(
    lost / Math.max(maxPacketLoss, LEAST_LIMIT),
    maxLatency === undefined || figures.rtt === undefined
      ? 0
      : figures.rtt.smoothed / Math.max(maxLatency, LEAST_LIMIT),
    maxJitter === undefined || jitter === undefined ? 0 : jitter / Math.max(maxJitter, LEAST_LIMIT),
    minMos === undefined ? 0 : minMos / Math.max(figures.mos ?? 1, 1),
  );
}

/** The least bad is left for a better one only if that is better by a quarter at least: bad figures are noisy. */
export function isLessBad(from: number, to: number, { marginPercent }: Hold): boolean {
  return to < from * (1 - Math.max(marginPercent, LEAST_GAIN) / 100);
}

function share(of: number, { marginPercent }: Hold): number {
  return (Math.abs(of) * marginPercent) / 100;
}

const LEAST_LIMIT = 0.1;
const LEAST_GAIN = 25;
