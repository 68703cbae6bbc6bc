/**
 * All choices over all paths: the engine that pulse runs on measurements as they come, and `novactl wan what-if` on
 * recorded ones.  It knows no clock: whoever runs it says when it is, and calls `evaluate` when figures have changed (ten
 * times a second is one window each) and at `wakeAt`.  Life and death are acted upon at once.
 * Left out on purpose: what else moves with a choice (routes: sdwan/steer; flows that are bound to a link: control).
 */
import type { Instant } from "../../base/unit.ts";
import { earliest } from "../../base/unit.ts";
import type { PathFigures, PathLife } from "../figures.ts";
import type { CandidateSpec, ChoiceReport, Decision, SteerPlan } from "../steer-plan.ts";
import { Choice, type Moment } from "./choice.ts";
import { Path } from "./path.ts";

export type ChooserAction =
  /** What carries the choice is another now, or its way: `carrier` undefined = nothing may. */
  | { readonly kind: "carry"; readonly choice: string; readonly carrier: CandidateSpec | undefined }
  | { readonly kind: "decided"; readonly decision: Decision; readonly report: ChoiceReport }
  | { readonly kind: "gone"; readonly choice: string };

export class Chooser {
  readonly #paths = new Map<string, Path>();
  readonly #choices = new Map<string, Choice>();
  /** Choices by the paths that they may take. */
  readonly #users = new Map<string, Choice[]>();
  readonly #dirty = new Set<Choice>();

  /** The whole truth; what is the same as before goes on undisturbed. */
  plan(plan: Pick<SteerPlan, "paths" | "choices">, at: Moment): readonly ChooserAction[] {
    const actions: ChooserAction[] = [];
    this.#planPaths(plan.paths, at);
    const wanted = new Set(plan.choices.map(({ id }) => id));
    for (const id of this.#choices.keys()) {
      if (wanted.has(id)) continue;
      this.#choices.delete(id);
      actions.push({ kind: "gone", choice: id });
    }
    const carried = new Map([...this.#choices].map(([id, { carrier }]) => [id, carrier]));
    this.#users.clear();
    for (const spec of plan.choices) {
      const choice = this.#choices.get(spec.id) ?? new Choice(spec, at);
      this.#choices.set(spec.id, choice);
      choice.plan(spec, this.#paths, at);
      this.#dirty.add(choice);
      for (const { path } of spec.candidates) this.#users.set(path, [...(this.#users.get(path) ?? []), choice]);
    }
    this.#forgetJudges();
    actions.push(...this.#decide(at));
    // The way of what carries a choice may be another although the choice is the same.
    const told = new Set(actions.map((action) => (action.kind === "carry" ? action.choice : undefined)));
    for (const [id, { carrier }] of this.#choices) {
      if (!told.has(id) && JSON.stringify(carrier) !== JSON.stringify(carried.get(id)))
        actions.push({ kind: "carry", choice: id, carrier });
    }
    return actions;
  }

  /** What the routing table says that carries a choice; before anything is known of its candidates. */
  adopt(choice: string, path: string): void {
    this.#choices.get(choice)?.adopt(path);
  }

  life(id: string, life: PathLife, at: Moment): readonly ChooserAction[] {
    const path = this.#paths.get(id);
    if (path === undefined) return [];
    path.probed(life);
    return this.#settle([path], at);
  }

  /** One more window; takes effect with `evaluate`. */
  measured(id: string, figures: PathFigures, now: Instant): void {
    const path = this.#paths.get(id);
    if (path?.measured(figures, now) === true) this.#touch(path);
  }

  /** Decides where anything has changed. */
  evaluate(at: Moment): readonly ChooserAction[] {
    for (const path of this.#paths.values()) {
      const due = path.wakeAt;
      if (due === undefined || due > at.now) continue;
      path.wake(at.now);
      this.#touch(path);
    }
    for (const choice of this.#choices.values()) {
      if (choice.wakeAt !== undefined && choice.wakeAt <= at.now) this.#dirty.add(choice);
    }
    return this.#decide(at);
  }

  /** `evaluate` is due then although nothing comes. */
  get wakeAt(): Instant | undefined {
    let first: Instant | undefined;
    for (const { wakeAt } of this.#paths.values()) first = earliest(first, wakeAt);
    for (const { wakeAt } of this.#choices.values()) first = earliest(first, wakeAt);
    return first;
  }

  /** Paths of which something goes towards a breach. */
  *doubtful(): Iterable<string> {
    for (const [id, path] of this.#paths) if (path.doubtful) yield id;
  }
  /** Paths that a decision is about to fall on. */
  alarming(): ReadonlySet<string> {
    const out = new Set<string>();
    for (const { alarming } of this.#choices.values()) for (const id of alarming) out.add(id);
    return out;
  }
  carrierOf(choice: string): CandidateSpec | undefined {
    return this.#choices.get(choice)?.carrier;
  }
  report(choice: string, at: Moment): ChoiceReport | undefined {
    return this.#choices.get(choice)?.report(at);
  }
  /** Choices, and something that is another when a candidate's verdict is. */
  *verdicts(): Iterable<readonly [string, string]> {
    for (const [id, { verdicts }] of this.#choices) yield [id, verdicts];
  }
  reports(at: Moment): readonly ChoiceReport[] {
    return [...this.#choices.values()].map((choice) => choice.report(at));
  }

  #planPaths(specs: SteerPlan["paths"], at: Moment): void {
    const wanted = new Set(specs.map(({ id }) => id));
    for (const id of this.#paths.keys()) if (!wanted.has(id)) this.#paths.delete(id);
    for (const spec of specs) {
      const known = this.#paths.get(spec.id);
      const path = known ?? new Path(spec, at.wall);
      this.#paths.set(spec.id, path);
      path.spec = spec;
      path.settle(at.now, at.wall);
    }
  }

  #settle(paths: readonly Path[], at: Moment): readonly ChooserAction[] {
    for (const path of paths) if (path.settle(at.now, at.wall)) this.#touch(path);
    return this.#decide(at);
  }

  #touch(path: Path): void {
    for (const choice of this.#users.get(path.spec.id) ?? []) this.#dirty.add(choice);
  }

  #decide(at: Moment): readonly ChooserAction[] {
    if (this.#dirty.size === 0) return [];
    const carry: ChooserAction[] = [];
    const told: ChooserAction[] = [];
    for (const choice of this.#dirty) {
      const before = choice.carrier;
      const decision = choice.decide(at, (path) => this.#sharers(path));
      if (decision === undefined) continue;
      const { carrier } = choice;
      if (carrier !== before) carry.push({ kind: "carry", choice: choice.spec.id, carrier });
      told.push({ kind: "decided", decision, report: choice.report(at) });
    }
    this.#dirty.clear();
    return [...carry, ...told];
  }

  #sharers(path: string): number {
    let count = 0;
    for (const choice of this.#users.get(path) ?? []) if (choice.current === path) count++;
    return count;
  }

  #forgetJudges(): void {
    for (const [id, path] of this.#paths) {
      path.keepJudges(new Set((this.#users.get(id) ?? []).flatMap(({ judgeKeys }) => judgeKeys)));
    }
  }
}
