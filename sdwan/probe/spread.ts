/** Round trips as a window tells them. */
import type { Spread } from "../figures.ts";

/** `samples` in the order of their probes; undefined: none. */
export function spreadOf(samples: readonly number[], smoothed: number): Spread | undefined {
  if (samples.length === 0) return undefined;
  const sorted = Float64Array.from(samples).sort();
  return {
    smoothed,
    least: sorted[0] ?? 0,
    median: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    recent: recentOf(samples.slice(-RECENT)) ?? 0,
  };
}

/** Median of the few newest; undefined: there are none. */
export function recentOf(newest: readonly number[]): number | undefined {
  return newest.length === 0 ? undefined : quantile(Float64Array.from(newest).sort(), 0.5);
}

/** The nearest rank. */
function quantile(sorted: Float64Array, q: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * q) - 1)] ?? 0;
}

export const RECENT = 5;
