/** Shares of packets lost, and how sure they are: Wilson's score interval (1927), 99 % two-sided. */
import type { LossEstimate } from "../figures.ts";

/** undefined: nothing was sent. */
export function lossOf(lost: number, of: number, noise = 0): LossEstimate | undefined {
  if (of <= 0) return undefined;
  const share = Math.min(1, Math.max(0, lost / of));
  const weight = Z2 / of;
  const centre = (share + weight / 2) / (1 + weight);
  const reach = (Z / (1 + weight)) * Math.sqrt((share * (1 - share)) / of + weight / (4 * of));
  return {
    percent: share * 100,
    low: Math.max(0, Math.min(share, centre - reach) - noise) * 100,
    high: Math.min(1, Math.max(share, centre + reach) + noise) * 100,
    of,
  };
}

/** What a round trip loses when each way loses for itself. */
export function bothWays(out: LossEstimate, back: LossEstimate): LossEstimate {
  const joint = (a: number, b: number): number => 100 - ((100 - a) * (100 - b)) / 100;
  return {
    percent: joint(out.percent, back.percent),
    low: joint(out.low, back.low),
    high: joint(out.high, back.high),
    of: Math.min(out.of, back.of),
  };
}

export function worse(a: LossEstimate | undefined, b: LossEstimate | undefined): LossEstimate | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return b.low > a.low || (b.low === a.low && b.percent > a.percent) ? b : a;
}

/** Normal quantile of 0.995. */
export const Z = 2.5758;
const Z2 = Z * Z;
