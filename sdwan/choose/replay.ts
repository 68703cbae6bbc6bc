/**
 * Recorded measurements through the engine that decides now, with any policy: what it would have chosen, and how long its
 * choices would have kept their SLA.  A pure function.  Records come a second apart at best, windows ten times as often:
 * each record is shown as a full set of windows, its packets spread over them.
 */
import { type Instant, instant } from "../../base/unit.ts";
import type { PacketCount, PathFigures } from "../figures.ts";
import type { ChoiceReport, Decision, SteerPlan } from "../steer-plan.ts";
import { Chooser, type ChooserAction } from "./chooser.ts";
import type { Recorded } from "./record.ts";

export interface Replayed {
  readonly decisions: readonly Decision[];
  readonly choices: readonly ReplayedChoice[];
  /** Milliseconds since the epoch; undefined: there are no records. */
  readonly from: number | undefined;
  readonly until: number | undefined;
}

export interface ReplayedChoice {
  readonly id: string;
  readonly moves: number;
  /** Milliseconds by path that carried it. */
  readonly spent: Readonly<Record<string, number>>;
  /** Milliseconds in which what carried it kept the SLA; did not, or was not trusted again yet; in which nothing was alive. */
  readonly kept: number;
  readonly broken: number;
  readonly none: number;
}

/** `records` in the order of time. */
export function replay(plan: Pick<SteerPlan, "paths" | "choices">, records: Iterable<Recorded>): Replayed {
  return new Replay(plan).run(records);
}

class Replay {
  readonly #chooser = new Chooser();
  readonly #plan: Pick<SteerPlan, "paths" | "choices">;
  readonly #windows: number;
  readonly #decisions: Decision[] = [];
  readonly #accounts = new Map<string, Account>();
  readonly #before = new Map<string, PathFigures>();
  #from: number | undefined;
  #now = 0;

  constructor({ paths, choices }: Pick<SteerPlan, "paths" | "choices">) {
    // What control knew then is in the lives that were recorded; what it knows now is not.
    this.#plan = { paths: paths.map((path) => ({ ...path, usable: true })), choices };
    this.#windows = Math.max(1, ...choices.map(({ hold }) => hold.of));
  }

  run(records: Iterable<Recorded>): Replayed {
    for (const record of records) this.#take(record);
    return {
      decisions: this.#decisions,
      choices: [...this.#accounts].map(([id, account]) => account.closed(id, this.#now)),
      from: this.#from,
      until: this.#from === undefined ? undefined : this.#now,
    };
  }

  #take({ path, at, life, figures }: Recorded): void {
    if (this.#from === undefined) this.#begin(at);
    this.#advance(at);
    this.#perform(this.#chooser.life(path, life, this.#at));
    if (figures === undefined) return;
    const before = this.#before.get(path);
    this.#before.set(path, figures);
    for (let window = 1; window <= this.#windows; window++) {
      const share = window / this.#windows;
      // Of each its own time, or it would pass for the same one.
      const shown = { ...figures, at: at - this.#windows + window, counted: between(before, figures, share) };
      this.#chooser.measured(path, shown, this.#at.now);
      this.#perform(this.#chooser.evaluate(this.#at));
    }
  }

  #begin(at: number): void {
    this.#from = at;
    this.#now = at;
    for (const { id } of this.#plan.choices) this.#accounts.set(id, new Account(at));
    this.#perform(this.#chooser.plan(this.#plan, this.#at));
    // Nothing may be expected of what was never measured.
    for (const { id } of this.#plan.paths) {
      this.#perform(this.#chooser.life(id, { kind: "dead", why: "nothing was recorded of it" }, this.#at));
    }
  }

  /** To the next record, by all times at which something falls due of itself. */
  #advance(to: number): void {
    for (let due = this.#chooser.wakeAt; due !== undefined && due < to; due = this.#chooser.wakeAt) {
      this.#now = Math.max(this.#now, due);
      const actions = this.#chooser.evaluate(this.#at);
      this.#perform(actions);
      // It waits for something else, too.
      if (actions.length === 0 && this.#chooser.wakeAt === due) break;
    }
    this.#now = Math.max(this.#now, to);
  }

  get #at(): { readonly now: Instant; readonly wall: number } {
    return { now: instant(this.#now), wall: this.#now };
  }

  #perform(actions: readonly ChooserAction[]): void {
    for (const action of actions) {
      if (action.kind !== "decided") continue;
      this.#decisions.push(action.decision);
      this.#accounts.get(action.report.id)?.turn(action.report, this.#now);
    }
  }
}

/** Where the time of one choice went. */
class Account {
  #since: number;
  #report: ChoiceReport | undefined;
  readonly #spent: Record<string, number> = {};
  #kept = 0;
  #broken = 0;
  #none = 0;

  constructor(at: number) {
    this.#since = at;
  }

  turn(report: ChoiceReport, now: number): void {
    this.#book(now);
    this.#report = report;
  }
  closed(id: string, now: number): ReplayedChoice {
    this.#book(now);
    const { moves = 0 } = this.#report ?? {};
    return { id, moves, spent: { ...this.#spent }, kept: this.#kept, broken: this.#broken, none: this.#none };
  }

  #book(now: number): void {
    const span = now - this.#since;
    this.#since = now;
    const { chosen, state } = this.#report ?? {};
    if (chosen === undefined) {
      if (state === "none") this.#none += span;
      return;
    }
    this.#spent[chosen] = (this.#spent[chosen] ?? 0) + span;
    if (state === "least-bad") this.#broken += span;
    else this.#kept += span;
  }
}

/** Counts on the way from one record to the next. */
function between(before: PathFigures | undefined, now: PathFigures, share: number): PathFigures["counted"] {
  const { counted } = now;
  const was = before?.counted;
  if (counted === undefined || was === undefined) return counted;
  const part = (from: PacketCount | undefined, to: PacketCount | undefined): PacketCount | undefined => {
    if (from === undefined || to === undefined || to.of < from.of) return to;
    return { of: from.of + (to.of - from.of) * share, lost: from.lost + (to.lost - from.lost) * share };
  };
  return {
    out: part(was.out, counted.out),
    back: part(was.back, counted.back),
    round: part(was.round, counted.round),
  };
}
