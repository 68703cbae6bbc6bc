/**
 * The decision process: RFC 4271 §9.1.2.2 over all candidates at once, so that the outcome is the same in whatever
 * order they came (MED is not transitive; comparing pairs would make it depend on that).
 *
 * Standards: RFC 4271 §9.1.2, RFC 4456 §9 (originator, cluster list), RFC 9494 §4.3, RFC 8326.  Left out on purpose:
 * RFC 5004 (prefer the oldest), which depends on history.
 */
import type { Entry } from "./attributes.ts";
import type { Source } from "./sources.ts";

/** One path of a prefix that may be used. */
export interface Candidate {
  readonly path: number;
  readonly pathId: number;
  readonly entry: Entry;
  readonly source: Source;
  /** RFC 9494: kept past its peer's restart time. */
  readonly longLivedStale: boolean;
  /** Of the next hop, as the kernel says. */
  readonly metric: number;
}

/** The step that decided. */
export type Why = (typeof STEPS)[number]["why"] | "med" | "only" | "multipath";

export interface Decision {
  readonly best: Candidate;
  /** Equal up to the tie-breakers, the best one first: what several next hops at once may be made of. */
  readonly equal: readonly Candidate[];
  /** Why the best one is: the last step that left somebody behind. */
  readonly why: Why;
}

export function decide(
  candidates: readonly Candidate[],
  lost?: (loser: Candidate, why: Why) => void,
): Decision | undefined {
  let left = candidates;
  let why: Why = "only";
  let equal: readonly Candidate[] = left;
  for (const step of STEPS) {
    if (step.why === "router-id") equal = left;
    if (left.length === 1 && step.why !== "router-id") continue;
    const before = left;
    left =
      step.why === "external"
        ? lowest(
            byMed(left, (loser) => lost?.(loser, "med")),
            step.rank,
          )
        : lowest(left, step.rank);
    if (left.length === before.length) continue;
    why = step.why === "external" && byMed(before).length === left.length ? "med" : step.why;
    if (lost !== undefined) {
      const kept = new Set(left);
      const survivors = step.why === "external" ? byMed(before) : before;
      for (const each of survivors) if (!kept.has(each)) lost(each, step.why);
    }
  }
  const [best] = left;
  if (best === undefined) return undefined;
  return { best, equal: [best, ...equal.filter((each) => each !== best)], why };
}

/** §9.1.2.2 c: of those from one neighbouring AS, the ones with the lowest; none counts as 0. */
function byMed(left: readonly Candidate[], lost?: (loser: Candidate) => void): readonly Candidate[] {
  const least = new Map<number, number>();
  for (const { entry } of left) {
    const med = entry.attributes.med ?? 0;
    least.set(entry.neighborAsn, Math.min(med, least.get(entry.neighborAsn) ?? med));
  }
  return left.filter((each) => {
    const { entry } = each;
    const kept = (entry.attributes.med ?? 0) === least.get(entry.neighborAsn);
    if (!kept) lost?.(each);
    return kept;
  });
}

function lowest(left: readonly Candidate[], rank: (one: Candidate) => number | string): readonly Candidate[] {
  let least: number | string | undefined;
  let kept: Candidate[] = [];
  for (const each of left) {
    const value = rank(each);
    if (least === undefined || value < least) {
      least = value;
      kept = [each];
    } else if (value === least) kept.push(each);
  }
  return kept;
}

/** In this order; the lowest rank stays. */
const STEPS = [
  { why: "long-lived-stale", rank: (c: Candidate) => (c.longLivedStale || c.entry.longLivedStale ? 1 : 0) },
  { why: "local", rank: (c: Candidate) => (c.source.kind === "local" ? 0 : 1) },
  { why: "local-preference", rank: (c: Candidate) => -(c.entry.attributes.localPref ?? DEFAULT_LOCAL_PREF) },
  { why: "as-path-length", rank: (c: Candidate) => c.entry.pathLength },
  { why: "origin", rank: (c: Candidate) => c.entry.originRank },
  // MED comes before this one.
  { why: "external", rank: (c: Candidate) => (c.source.kind === "internal" ? 1 : 0) },
  { why: "next-hop-metric", rank: (c: Candidate) => c.metric },
  { why: "router-id", rank: (c: Candidate) => c.entry.attributes.originatorId ?? c.source.routerId },
  { why: "cluster-list-length", rank: (c: Candidate) => c.entry.attributes.clusterList.length },
  { why: "neighbor-address", rank: (c: Candidate) => c.source.order },
  { why: "path-id", rank: (c: Candidate) => c.pathId },
] as const;

/** §5.1.5 leaves it to us; what everybody uses. */
export const DEFAULT_LOCAL_PREF = 100;
