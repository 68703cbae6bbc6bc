/**
 * The loss shield: which classes are sent by two paths, and by which second one.  Pure.
 *
 * A path that loses more than a class bears, from here to there, is shielded for the class: what is sent by it, and the
 * answers to what the other site sends by it.  The evidence is that by which SLAs are judged (judge.ts), of this
 * direction alone where it is told apart; the far end does the same for the other one.  The second path is one that
 * lives and shares the fewest ends with the first, and not a metered one unless the policy says so; it stays while it
 * lives and none shares less.  A path that is dead is not shielded: the class leaves it.
 */
import { earliest, type Instant, type Ms, ms } from "../../base/unit.ts";
import type { PathFigures, PathLife } from "../figures.ts";
import type {
  CandidateSpec,
  ChoiceSpec,
  Hold,
  PathSpec,
  ShieldChange,
  ShieldReport,
  SteerPlan,
} from "../steer-plan.ts";
import type { Moment } from "./choice.ts";
import { Judge } from "./judge.ts";
import { sharedEnds } from "./path.ts";

export interface ShieldNews {
  /** All that there are now. */
  readonly shields: readonly ShieldReport[];
  readonly changes: readonly ShieldChange[];
}

export class Shields {
  #choices: readonly Shielded[] = [];
  readonly #paths = new Map<string, Watched>();
  /** By choice and path. */
  readonly #shields = new Map<string, ShieldReport>();

  /** The whole truth; what was gathered of paths that the plan had before stays. */
  plan({ paths, choices }: Pick<SteerPlan, "paths" | "choices">): void {
    this.#choices = choices.filter(isShielded);
    const used = new Set(this.#choices.flatMap(({ candidates }) => candidates.map(({ path }) => path)));
    const wanted = new Map(paths.flatMap((spec) => (used.has(spec.id) ? [[spec.id, spec] as const] : [])));
    for (const id of this.#paths.keys()) if (!wanted.has(id)) this.#paths.delete(id);
    for (const [id, spec] of wanted) {
      const path = this.#paths.get(id) ?? { spec, isAlive: false, at: 0, judges: new Map<string, Judge>() };
      this.#paths.set(id, path);
      path.spec = spec;
      const keys = new Set(this.#choices.flatMap((each) => (uses(each, id) ? [keyOf(each)] : [])));
      for (const key of path.judges.keys()) if (!keys.has(key)) path.judges.delete(key);
    }
  }

  life(id: string, life: PathLife): void {
    const path = this.#paths.get(id);
    if (path === undefined) return;
    path.isAlive = life.kind === "alive";
    // What it lost before it died says nothing of what comes after.
    if (life.kind === "dead") path.judges.clear();
  }

  /** One more window; takes effect with `evaluate`. */
  measured(id: string, figures: PathFigures, now: Instant): void {
    const path = this.#paths.get(id);
    if (path === undefined || !path.isAlive || figures.at === path.at) return;
    path.at = figures.at;
    const one = outward(figures);
    for (const choice of this.#choices) if (uses(choice, id)) judgeOf(path, choice);
    for (const judge of path.judges.values()) judge.observe(one, now);
  }

  /** undefined: all is as it was. */
  evaluate({ now, wall }: Moment): ShieldNews | undefined {
    const changes: ShieldChange[] = [];
    const there = new Set<string>();
    let news = false;
    for (const path of this.#paths.values()) for (const judge of path.judges.values()) judge.wake(now);
    for (const choice of this.#choices) {
      for (const candidate of choice.candidates) {
        const found = this.#shield(choice, candidate, wall);
        if (found === undefined) continue;
        const key = `${choice.id} ${candidate.path}`;
        const before = this.#shields.get(key);
        there.add(key);
        const next = before?.second === found.second ? { ...found, since: before?.since ?? wall } : found;
        if (before !== undefined && isSame(before, next)) continue;
        this.#shields.set(key, next);
        news = true;
        if (before?.second !== next.second) changes.push(...changed(before, next));
      }
    }
    for (const [key, before] of this.#shields) {
      if (there.has(key)) continue;
      this.#shields.delete(key);
      news = true;
      const { choice, path, second, since } = before;
      if (second !== undefined) changes.push({ kind: "ended", choice, path, second, since, why: this.#ending(before) });
    }
    return news ? { shields: [...this.#shields.values()], changes } : undefined;
  }

  get all(): readonly ShieldReport[] {
    return [...this.#shields.values()];
  }

  /** When time alone ends one. */
  get wakeAt(): Instant | undefined {
    let first: Instant | undefined;
    for (const { judges } of this.#paths.values())
      for (const { standing, goodAt } of judges.values()) if (standing === "resting") first = earliest(first, goodAt);
    return first;
  }

  /** Paths of which the loss goes towards the limit. */
  *doubtful(): Iterable<string> {
    for (const [id, { isAlive, judges }] of this.#paths)
      if (isAlive && [...judges.values()].some(({ doubtful }) => doubtful)) yield id;
  }

  #shield(choice: Shielded, { path: id, ifname }: CandidateSpec, wall: number): ShieldReport | undefined {
    const path = this.#paths.get(id);
    const judge = path?.judges.get(keyOf(choice));
    const site = path?.spec.site;
    if (path === undefined || judge === undefined || site === undefined) return undefined;
    if (!path.isAlive || !path.spec.usable || judge.standing === "good") return undefined;
    const second = this.#second(choice, path);
    const breach = judge.breach;
    const lost = breach?.kind === "loss" ? breach.value : choice.shield.loss;
    return {
      choice: choice.id,
      policy: choice.policy,
      path: id,
      site,
      from: ifname,
      second: second?.path,
      to: second?.ifname,
      since: wall,
      why: `${lost.toFixed(1)} % lost there, over ${choice.shield.loss} %${second === undefined ? "; no second path lives" : ""}`,
    };
  }

  #second(choice: Shielded, path: Watched): CandidateSpec | undefined {
    const shares = ({ path: id }: CandidateSpec): number => {
      const other = this.#paths.get(id);
      return other === undefined ? 0 : sharedEnds(path.spec, other.spec);
    };
    const fit = choice.candidates.filter((each) => {
      const other = this.#paths.get(each.path);
      if (other === undefined || other === path || !other.isAlive || !other.spec.usable) return false;
      // By the same device nothing would be gained, by the same link seldom anything.
      if (other.spec.site !== path.spec.site || shares(each) > 1) return false;
      return choice.shield.metered || !other.spec.metered;
    });
    const lossy = ({ path: id }: CandidateSpec): number =>
      (this.#paths.get(id)?.judges.get(keyOf(choice))?.standing ?? "good") === "good" ? 0 : 1;
    const order = (a: CandidateSpec, b: CandidateSpec): number =>
      shares(a) - shares(b) || lossy(a) - lossy(b) || a.tier - b.tier || (a.path < b.path ? -1 : 1);
    const [best] = fit.toSorted(order);
    const before = this.#shields.get(`${choice.id} ${path.spec.id}`)?.second;
    const kept = fit.find((each) => each.path === before);
    return kept !== undefined && best !== undefined && shares(kept) === shares(best) ? kept : best;
  }

  #ending({ choice: id, path: name }: ShieldReport): string {
    const choice = this.#choices.find((each) => each.id === id);
    const path = this.#paths.get(name);
    if (choice === undefined || path === undefined) return "the plan is another";
    if (!path.isAlive || !path.spec.usable) return `${name} is dead`;
    return `no more than ${choice.shield.loss} % lost for a while`;
  }
}

interface Watched {
  spec: PathSpec;
  isAlive: boolean;
  /** Of the newest figures. */
  at: number;
  /** By what is asked of it. */
  readonly judges: Map<string, Judge>;
}

type Shielded = ChoiceSpec & { readonly shield: NonNullable<ChoiceSpec["shield"]> };

function isShielded(choice: ChoiceSpec): choice is Shielded {
  return choice.shield !== undefined;
}

function uses({ candidates }: ChoiceSpec, path: string): boolean {
  return candidates.some((each) => each.path === path);
}

function judgeOf(path: Watched, choice: Shielded): void {
  const key = keyOf(choice);
  if (path.judges.has(key)) return;
  const sla = { maxLatency: undefined, maxJitter: undefined, maxPacketLoss: choice.shield.loss, minMos: undefined };
  path.judges.set(key, new Judge(sla, holdOf(choice.hold)));
}

function keyOf({ shield, hold }: Shielded): string {
  const { bad, of, recover, mostRest } = holdOf(hold);
  return [shield.loss, bad, of, recover, mostRest].join("/");
}

/** A shield costs nothing but octets: it may go sooner than a path is taken back. */
function holdOf(hold: Hold): Hold {
  const least = (a: number, b: Ms): Ms => ms(Math.min(a, b));
  return { ...hold, recover: least(hold.recover, CALM), mostRest: least(hold.mostRest, LONGEST_CALM) };
}

/** The direction from here to there, where it is told apart. */
function outward(figures: PathFigures): PathFigures {
  const { counted, lossOut, loss } = figures;
  const only = counted?.out === undefined ? counted : { out: counted.out, back: undefined, round: undefined };
  return { ...figures, loss: lossOut ?? loss, lossBack: undefined, counted: only };
}

function changed(before: ShieldReport | undefined, next: ShieldReport): readonly ShieldChange[] {
  const { choice, path, second, since, why } = next;
  if (second !== undefined) return [{ kind: "began", choice, path, second, since, why }];
  if (before?.second === undefined) return [];
  return [{ kind: "ended", choice, path, second: before.second, since: before.since, why: "no second path lives" }];
}

/** Figures in the reason change all the time. */
function isSame(a: ShieldReport, b: ShieldReport): boolean {
  return a.second === b.second && a.from === b.from && a.to === b.to && a.site === b.site;
}

/** Without loss over the limit for so long, it ends; longer each time that it had to begin again. */
const CALM = ms(10_000);
const LONGEST_CALM = ms(60_000);
