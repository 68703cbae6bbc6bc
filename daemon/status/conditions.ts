/** Conditions with since when they hold; what comes and goes is an event. */
import type { Condition } from "../admin/api.ts";
import type { DesiredCondition } from "../desired/desired.ts";
import type { Events } from "../events.ts";

export class Conditions {
  #now: readonly Condition[] = [];
  readonly #events: Events;
  readonly #wall: () => number;

  constructor(events: Events, wall: () => number) {
    this.#events = events;
    this.#wall = wall;
  }

  get list(): readonly Condition[] {
    return this.#now;
  }

  /** All that hold now; one code and subject hold once. */
  replace(conditions: readonly DesiredCondition[]): void {
    const before = new Map(this.#now.map((each) => [keyOf(each), each]));
    const next = new Map<string, Condition>();
    for (const condition of conditions) {
      const key = keyOf(condition);
      if (next.has(key)) continue;
      const old = before.get(key);
      next.set(key, { ...condition, since: old?.since ?? this.#wall() });
      if (old?.message === condition.message && old.severity === condition.severity) continue;
      const { code, subject, message, severity } = condition;
      const level = severity === "info" ? "info" : severity === "warning" ? "warn" : "error";
      this.#events.emit("condition.raised", { code, subject, message }, level);
    }
    for (const [key, { code, subject }] of before) {
      if (!next.has(key)) this.#events.emit("condition.cleared", { code, subject });
    }
    this.#now = [...next.values()].toSorted((a, b) => rank(a) - rank(b) || (keyOf(a) < keyOf(b) ? -1 : 1));
  }
}

function keyOf({ code, subject }: DesiredCondition): string {
  return `${code} ${subject}`;
}

function rank({ severity }: Condition): number {
  return severity === "error" ? 0 : severity === "warning" ? 1 : 2;
}
