/** What is counted of decisions, for metrics: kept over restarts of pulse and of the wan process. */
import type { ChoiceSpec, Decision } from "../../sdwan/steer-plan.ts";

export class WanCounters {
  /** "link|strategy" → how often a path of the link was taken. */
  readonly selections = new Map<string, number>();
  /** "from|to" → how often a path was left that was dead or bad. */
  readonly failovers = new Map<string, number>();

  decided({ from, to, reason }: Decision, choice: ChoiceSpec | undefined): void {
    if (to === undefined || from === to) return;
    add(this.selections, `${linkOf(to)}|${choice?.strategy ?? ""}`);
    if (from !== undefined && LEFT.has(reason)) add(this.failovers, `${linkOf(from)}|${linkOf(to)}`);
  }
}

/** "isp1>berlin/isp2" → "isp1" */
export function linkOf(path: string): string {
  return path.slice(0, Math.max(0, path.indexOf(">")));
}

const LEFT: ReadonlySet<string> = new Set(["dead", "breach", "least-bad"]);

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
