/**
 * Measuring, choosing and moving, joined: probes and BFD say what paths are like, the engine chooses, routes follow, all
 * within one turn of the loop; control is told afterwards.  Nothing runs before there is a plan.
 */
import { unreachable } from "../../base/result.ts";
import { after, earliest, type Instant, type Ms, ms } from "../../base/unit.ts";
import type { BfdNews } from "../../netstack/bfd/driver/bfd-driver.ts";
import type { Loop } from "../../netstack/kernel/loop.ts";
import type { Moment } from "../../sdwan/choose/choice.ts";
import { Chooser, type ChooserAction } from "../../sdwan/choose/chooser.ts";
import { Shields } from "../../sdwan/choose/shield.ts";
import { Prober } from "../../sdwan/probe/driver/prober.ts";
import { Lanes } from "../../sdwan/steer/driver/lanes.ts";
import type { CandidateSpec, SteerPlan } from "../../sdwan/steer-plan.ts";
import type { FromPulse } from "./words.ts";

export interface SteeringParts {
  readonly loop: Loop;
  readonly tell: (message: FromPulse) => void;
  /** Milliseconds since the epoch. */
  readonly wall: () => number;
}

export class Steering implements Disposable {
  readonly #parts: SteeringParts;
  readonly #chooser = new Chooser();
  readonly #shields = new Shields();
  readonly #prober: Prober;
  #lanes: Lanes | undefined;
  #plan: SteerPlan = { paths: [], choices: [], reflectors: [] };
  /** Paths whose figures are others since the last window. */
  readonly #measured = new Set<string>();
  #windowAt: Instant | undefined;
  #window: Disposable | undefined;
  #waking: Disposable | undefined;
  #wakeAt: Instant | undefined;
  #reporting: Disposable | undefined;
  #rounds = 0;
  /** Of choices, as they were told. */
  readonly #verdicts = new Map<string, string>();

  constructor(parts: SteeringParts) {
    this.#parts = parts;
    const { loop, tell, wall } = parts;
    this.#prober = new Prober({
      loop,
      wall,
      on: {
        life: (path, life) => {
          this.#perform(this.#chooser.life(path, life, this.#now()));
          this.#shields.life(path, life);
          this.#shield();
          this.#reportPath(path);
        },
        measured: (path) => {
          this.#measured.add(path);
          this.#windowSoon();
        },
        event: (name, fields) => tell({ kind: "event", name, fields }),
      },
    });
  }

  plan(plan: SteerPlan): void {
    const before = this.#plan;
    if (this.#lanes === undefined && plan.choices.length === 0 && plan.paths.length + plan.reflectors.length === 0)
      return;
    this.#plan = plan;
    const { loop, tell } = this.#parts;
    const event = (name: string, fields: Readonly<Record<string, unknown>>): void =>
      tell({ kind: "event", name, fields });
    this.#lanes ??= new Lanes({ loop, event });
    // Deaths that the prober finds at once belong to the new plan.
    const known = new Set(before.choices.map(({ id }) => id));
    const fresh = plan.choices.filter(({ id }) => !known.has(id));
    const actions = this.#chooser.plan(plan, this.#now());
    for (const [choice, path] of this.#lanes.find(fresh)) this.#chooser.adopt(choice, path);
    this.#shields.plan(plan);
    this.#prober.plan(plan.paths, plan.reflectors);
    for (const { id } of plan.paths) {
      if (before.paths.some((each) => each.id === id)) continue;
      this.#perform(this.#chooser.life(id, this.#prober.life(id), this.#now()));
      this.#shields.life(id, this.#prober.life(id));
    }
    this.#lanes.plan(plan.choices, (choice) => this.#chooser.carrierOf(choice));
    this.#perform(actions.filter(({ kind }) => kind !== "carry"));
    const paths = new Set(plan.paths.map(({ id }) => id));
    for (const { id } of before.paths) if (!paths.has(id)) tell({ kind: "path-gone", id });
    this.#shield();
    this.report();
    this.#reportLater();
    this.#arm();
  }

  /** What BFD tells control concerns paths, too: at once. */
  bfd(news: BfdNews): void {
    if (news.kind === "bfd") this.#prober.bfd(news.report.id, news.report.state);
    else if (news.kind === "bfd-gone") this.#prober.bfdGone(news.id);
  }

  /** Everything that control may want to know, now. */
  report(): void {
    for (const { id } of this.#plan.paths) this.#reportPath(id);
    for (const report of this.#chooser.reports(this.#now())) this.#parts.tell({ kind: "choice", report });
    const shields = this.#shields.all;
    if (shields.length > 0) this.#parts.tell({ kind: "shields", shields, changes: [] });
  }

  /** The routes of choices go, too; without it they stay and go on carrying traffic. */
  remove(): void {
    this.#lanes?.remove();
  }

  [Symbol.dispose](): void {
    this.#window?.[Symbol.dispose]();
    this.#waking?.[Symbol.dispose]();
    this.#reporting?.[Symbol.dispose]();
    this.#prober[Symbol.dispose]();
    this.#lanes?.[Symbol.dispose]();
  }

  #now(): Moment {
    return { now: this.#parts.loop.now(), wall: this.#parts.wall() };
  }

  #perform(actions: readonly ChooserAction[]): void {
    const { tell } = this.#parts;
    const moves = new Map<string, CandidateSpec | undefined>();
    for (const action of actions) if (action.kind === "carry") moves.set(action.choice, action.carrier);
    if (moves.size > 0) this.#lanes?.carry(moves);
    for (const action of actions) {
      switch (action.kind) {
        case "carry":
          break;
        case "decided":
          tell({ kind: "choice", report: action.report });
          tell({ kind: "decision", decision: action.decision });
          break;
        case "gone":
          this.#verdicts.delete(action.choice);
          tell({ kind: "choice-gone", id: action.choice });
          break;
        default:
          unreachable(action);
      }
    }
    if (actions.length > 0) this.#arm();
  }

  /** Figures come one by one; a window is what came within a tenth of a second, or half of that in doubt. */
  #windowSoon(): void {
    if (this.#window !== undefined) return;
    const { loop } = this.#parts;
    const now = loop.turnAt();
    const [doubt] = this.#chooser.doubtful();
    const due = after(this.#windowAt ?? now, doubt === undefined ? WINDOW : WINDOW_IN_DOUBT);
    this.#window = loop.wakeAt(due > now ? due : now, () => this.#look());
  }

  #look(): void {
    this.#window = undefined;
    const at = this.#now();
    this.#windowAt = at.now;
    for (const id of this.#measured) {
      const figures = this.#prober.figures(id);
      if (figures === undefined) continue;
      this.#chooser.measured(id, figures, at.now);
      this.#shields.measured(id, figures, at.now);
    }
    this.#measured.clear();
    this.#perform(this.#chooser.evaluate(at));
    this.#shield();
    for (const id of this.#chooser.doubtful()) this.#prober.doubt(id);
    for (const id of this.#chooser.alarming()) this.#prober.alarm(id);
    for (const id of this.#shields.doubtful()) this.#prober.doubt(id);
    this.#arm();
  }

  #shield(): void {
    const news = this.#shields.evaluate(this.#now());
    if (news !== undefined) this.#parts.tell({ kind: "shields", ...news });
  }

  /** For what time alone decides. */
  #arm(): void {
    const { loop } = this.#parts;
    const due = earliest(this.#chooser.wakeAt, this.#shields.wakeAt);
    if (due === this.#wakeAt) return;
    this.#waking?.[Symbol.dispose]();
    this.#wakeAt = due;
    if (due === undefined) return;
    // Not again in the same turn: what is due and waits for something else must not spin.
    const soonest = after(loop.now(), WINDOW_IN_DOUBT);
    this.#waking = loop.wakeAt(due < soonest ? soonest : due, () => {
      this.#wakeAt = undefined;
      this.#perform(this.#chooser.evaluate(this.#now()));
      this.#shield();
      this.#arm();
    });
  }

  /** Paths have new figures each second; of a choice those are no news unless a verdict is another. */
  #reportNews(): void {
    for (const { id } of this.#plan.paths) this.#reportPath(id);
    this.#rounds = (this.#rounds + 1) % CHOICES_EVERY;
    const at = this.#now();
    for (const [id, verdicts] of this.#chooser.verdicts()) {
      if (this.#rounds !== 0 && this.#verdicts.get(id) === verdicts) continue;
      this.#verdicts.set(id, verdicts);
      const report = this.#chooser.report(id, at);
      if (report !== undefined) this.#parts.tell({ kind: "choice", report });
    }
  }

  #reportPath(id: string): void {
    const report = this.#prober.report(id);
    if (report !== undefined) this.#parts.tell({ kind: "path", report });
  }

  #reportLater(): void {
    const { loop } = this.#parts;
    if (this.#plan.paths.length === 0) {
      this.#reporting?.[Symbol.dispose]();
      this.#reporting = undefined;
      return;
    }
    this.#reporting ??= loop.wakeAt(after(loop.now(), REPORT_EVERY), () => {
      this.#reporting = undefined;
      this.#reportNews();
      this.#reportLater();
    });
  }
}

const WINDOW: Ms = ms(100);
const WINDOW_IN_DOUBT: Ms = ms(50);
const REPORT_EVERY: Ms = ms(1000);
/** Rounds of reports. */
const CHOICES_EVERY = 10;
