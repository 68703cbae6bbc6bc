/** Weights as a short sequence in which turns are taken. */

/**
 * Whose turn it is at each place: as often as its weight says, and as evenly spread as can be (smooth weighted round
 * robin).  Weights are made small first: nobody sees the difference between 1000:333 and 3:1.
 */
export function shares<T>(weights: readonly (readonly [T, number])[]): readonly T[] {
  const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
  if (total === 0) return [];
  const divisor = weights.reduce((common, [, weight]) => greatest(common, weight), 0);
  const exact = total / divisor <= MOST;
  const scaled = weights.map(([of, weight]) => ({
    of,
    weight: exact ? weight / divisor : Math.max(1, Math.round((weight * MOST) / total)),
    credit: 0,
  }));
  const places = scaled.reduce((sum, { weight }) => sum + weight, 0);
  return Array.from({ length: places }, () => {
    for (const each of scaled) each.credit += each.weight;
    const next = scaled.reduce((best, each) => (each.credit > best.credit ? each : best));
    next.credit -= places;
    return next.of;
  });
}

function greatest(a: number, b: number): number {
  return b === 0 ? a : greatest(b, a % b);
}

const MOST = 100;
