/**
 * One choice: which of its candidates carries it.  Away from what is dead at once; away from what is bad at once to what
 * is good, and to what is less bad only in the end; for improvement only by margins, several times in a row, and not
 * before the last move had its rest, which doubles while moves follow one another.  Where nothing is better, it stays.
 */
import { unreachable } from "../../base/result.ts";
import { after, type Instant, instant, type Ms, ms, since } from "../../base/unit.ts";
import type { CandidateReport, CandidateSpec, ChoiceReport, ChoiceSpec, Decision } from "../steer-plan.ts";
import { describeCandidate, describeDecision } from "./describe.ts";
import { Judge } from "./judge.ts";
import { judgeKey, type Path } from "./path.ts";
import { Relief } from "./relief.ts";
import { type Badness, badness, isWorthAMove, scoreOf } from "./score.ts";

export type Verdict = CandidateReport["verdict"];

export interface Candidate {
  readonly spec: CandidateSpec;
  readonly path: Path;
  readonly judge: Judge;
  verdict: Verdict;
  score: number | undefined;
}

export interface Moment {
  readonly now: Instant;
  /** Milliseconds since the epoch. */
  readonly wall: number;
}

export class Choice {
  #spec: ChoiceSpec;
  #candidates: readonly Candidate[] = [];
  /** Path id of what carries it, also while that is dead and there is nothing else. */
  #current: string | undefined;
  /** What `failover: false` holds on to. */
  #home: string | undefined;
  #state: ChoiceReport["state"] = "undecided";
  #since: number;
  #moves = 0;
  #plannedAt: Instant;
  /** The others have had their time to be measured, too. */
  #isSettled = false;
  /** A new plan is followed without rest and repetition. */
  #isNewlyPlanned = true;
  #unknownSince: Instant | undefined;
  #wanted: string | undefined;
  #streak = 0;
  #movedAt: Instant | undefined;
  #restUntil: Instant = instant(0);
  #restless = 0;
  readonly #relief = new Relief();
  /** Bits per second that are taken to be its own. */
  #load = 0;
  #why = "nothing is measured yet";

  constructor(spec: ChoiceSpec, at: Moment) {
    this.#spec = spec;
    this.#since = at.wall;
    this.#plannedAt = at.now;
  }

  get spec(): ChoiceSpec {
    return this.#spec;
  }
  get current(): string | undefined {
    return this.#current;
  }
  /** What the routes shall be; undefined with a current path: it is dead, and the operator wants nothing sent. */
  get carrier(): CandidateSpec | undefined {
    if (this.#state === "none" && this.#spec.killSwitch) return undefined;
    return this.#candidates.find(({ spec }) => spec.path === this.#current)?.spec;
  }
  get judgeKeys(): readonly string[] {
    const { candidates, sla, hold } = this.#spec;
    return candidates.map((each) => judgeKey(each.sla ?? sla, hold));
  }
  /** When time alone may change something. */
  get wakeAt(): Instant | undefined {
    return this.#state === "undecided" && !this.#isSettled ? after(this.#plannedAt, SETTLE) : undefined;
  }

  /** The tables say so. */
  adopt(path: string): void {
    if (this.#current !== undefined || !this.#spec.candidates.some((each) => each.path === path)) return;
    this.#current = path;
    this.#home = path;
    this.#isNewlyPlanned = false;
    this.#why = "found so in the routing table";
  }

  plan(spec: ChoiceSpec, paths: ReadonlyMap<string, Path>, at: Moment): void {
    const isNew = this.#candidates.length === 0 || JSON.stringify(spec) !== JSON.stringify(this.#spec);
    this.#spec = spec;
    this.#candidates = spec.candidates.flatMap((each): Candidate[] => {
      const path = paths.get(each.path);
      const judge = path?.judge(each.sla ?? spec.sla, spec.hold);
      return path === undefined || judge === undefined
        ? []
        : [{ spec: each, path, judge, verdict: "unknown", score: undefined }];
    });
    if (!isNew) return;
    this.#isNewlyPlanned = true;
    this.#plannedAt = at.now;
    if (this.#candidates.some((each) => each.spec.path === this.#current)) return;
    this.#current = undefined;
    this.#home = undefined;
  }

  /** `sharers`: how many choices a path carries. */
  decide(at: Moment, sharers: (path: string) => number): Decision | undefined {
    this.#look(at, sharers);
    this.#isSettled = since(this.#plannedAt, at.now) >= SETTLE;
    const current = this.#candidates.find(({ spec }) => spec.path === this.#current);
    if (current === undefined) return this.#begin(at);
    if (current.verdict !== "unknown") this.#unknownSince = undefined;
    if (current.verdict !== "bad") this.#relief.over();
    switch (current.verdict) {
      case "dead":
      case "unusable":
        return this.#flee(current, at);
      case "unknown":
        return this.#wait(current, at);
      case "bad":
        return this.#spec.failover ? this.#suffer(current, at) : this.#improve(current, at);
      case "good":
      case "resting":
        return this.#improve(current, at);
      default:
        return unreachable(current.verdict);
    }
  }

  report(at: Moment): ChoiceReport {
    return {
      id: this.#spec.id,
      chosen: this.#state === "none" ? undefined : this.#current,
      state: this.#state,
      why: this.#why,
      since: this.#since,
      moves: this.#moves,
      candidates: this.#reports(at),
    };
  }

  /** Paths that a decision is about to fall on: what may be left, and where to. */
  get alarming(): readonly string[] {
    const current = this.#candidates.find(({ spec }) => spec.path === this.#current);
    if (current === undefined || !(isSuspect(current) || this.#relief.isWaiting)) return [];
    const others = this.#candidates.filter((each) => each !== current && each.path.life.kind === "alive");
    const first = others.toSorted((a, b) => this.#compare(a, b, this.#spec.failover, current.path));
    return [current, ...first.slice(0, MOST_ALARMING)].map(({ spec }) => spec.path);
  }

  /** Of all candidates: when it is another, a report has news beside figures. */
  get verdicts(): string {
    return this.#candidates.map(({ verdict }) => verdict).join();
  }

  #look({ now }: Moment, sharers: (path: string) => number): void {
    const { strategy } = this.#spec;
    const current = this.#candidates.find(({ spec }) => spec.path === this.#current)?.path;
    this.#load = current === undefined ? 0 : current.used / Math.max(sharers(current.spec.id), 1);
    for (const each of this.#candidates) {
      each.verdict = verdictOf(each, now);
      const moving = each.spec.path === this.#current ? 0 : this.#load;
      each.score = scoreOf(strategy, { ...each, moving }, now);
    }
  }

  /** Nothing carries it yet: the first to be measured need not be the best. */
  #begin(at: Moment): Decision | undefined {
    const best = this.#best(this.#candidates);
    if (best === undefined) return this.#none(at);
    const unknown = this.#candidates.some(({ verdict }) => verdict === "unknown");
    if (this.#state === "undecided" && unknown && (!this.#isSettled || best.verdict === "unknown")) return undefined;
    if (this.#state === "none") return this.#move(best, "recovered", at);
    return this.#move(best, this.#state === "undecided" ? "first" : "plan", at);
  }

  /** What carries it is dead: anything that may live is better. */
  #flee(current: Candidate, at: Moment): Decision | undefined {
    const others = this.#candidates.filter((each) => each !== current);
    const best = this.#best(others, current.path);
    if (best === undefined) return this.#none(at);
    return this.#move(best, this.#state === "none" ? "recovered" : "dead", at);
  }

  /** What carries it cannot be judged: it is left only when others have been good for long. */
  #wait(current: Candidate, at: Moment): Decision | undefined {
    if (this.#state === "none") return this.#move(current, "recovered", at);
    this.#unknownSince ??= at.now;
    if (since(this.#unknownSince, at.now) < UNKNOWN_PATIENCE) return undefined;
    const best = this.#best(this.#candidates.filter(({ verdict }) => verdict === "good"));
    return best === undefined ? undefined : this.#want(best, "better", at);
  }

  /** What carries it breaks the SLA. */
  #suffer(current: Candidate, at: Moment): Decision | undefined {
    const good = this.#best(
      this.#candidates.filter(({ verdict }) => verdict === "good"),
      current.path,
    );
    const away = good === undefined ? "stay" : this.#away(current, good, at);
    if (good !== undefined && away === "go") return this.#move(good, "breach", at);
    if (away === "wait") return undefined;
    const resting = this.#best(
      this.#candidates.filter((each) => this.#isRested(each, at)),
      current.path,
    );
    if (resting !== undefined) return this.#want(resting, "breach", at) ?? this.#stay(current, "least-bad", at);
    const { hold } = this.#spec;
    const least = this.#best(this.#candidates.filter(({ verdict }) => verdict === "bad"));
    const [from, to] = [this.#badness(current), this.#badness(least ?? current)];
    if (least !== undefined && least !== current && this.#relief.toBad(from, least.spec.path, to, hold, at.now))
      return this.#want(least, "least-bad", at) ?? this.#stay(current, "least-bad", at);
    this.#streak = 0;
    return this.#stay(current, "least-bad", at);
  }

  #away(current: Candidate, good: Candidate, { now }: Moment): ReturnType<Relief["toSuspect"]> {
    if (!isSuspect(good)) return "go";
    return this.#relief.toSuspect(this.#badness(current), this.#badness(good), this.#spec.hold, now);
  }

  /** In need it is taken before its rest is over, but not with its first answer. */
  #isRested({ verdict, judge }: Candidate, { now }: Moment): boolean {
    return verdict === "resting" && judge.kept(now) >= Math.min(this.#spec.hold.recover, NEEDED_REST);
  }

  /** What carries it does; is there something that does it better? */
  #improve(current: Candidate, at: Moment): Decision | undefined {
    const stays = this.#stay(current, undefined, at);
    const better = this.#better(current, at);
    if (better === undefined) {
      this.#streak = 0;
      this.#isNewlyPlanned = false;
      return stays;
    }
    const isReturn = better.spec.tier < current.spec.tier;
    return this.#want(better, isReturn ? "recovered" : "better", at) ?? stays;
  }

  #better(current: Candidate, at: Moment): Candidate | undefined {
    const { strategy, hold, failover } = this.#spec;
    // While the current one rests, the others need not be more trustworthy than that.
    const isFit = (each: Candidate): boolean =>
      (each.verdict === "good" && !isSuspect(each)) || (current.verdict === "resting" && this.#isRested(each, at));
    const isAsked = ({ spec }: Candidate): boolean =>
      failover || spec.tier < current.spec.tier || spec.path === this.#home;
    const best = this.#best(this.#candidates.filter((each) => isFit(each) && isAsked(each)));
    if (best === undefined || best === current || best.spec.tier > current.spec.tier) return undefined;
    if (best.spec.tier < current.spec.tier || !failover) return best;
    const isSettled = strategy !== "lowest-latency" || (best.path.latency.isSettled && current.path.latency.isSettled);
    return isSettled && isWorthAMove(strategy, current.score, best.score, hold) ? best : undefined;
  }

  /** A move that can wait: it must be wanted several times in a row, and rest must be over. */
  #want(to: Candidate, reason: Decision["reason"], at: Moment): Decision | undefined {
    this.#streak = this.#wanted === to.spec.path ? this.#streak + 1 : 1;
    this.#wanted = to.spec.path;
    if (this.#isNewlyPlanned) return this.#move(to, "plan", at);
    if (this.#streak < this.#spec.hold.evaluations || at.now < this.#restUntil) return undefined;
    return this.#move(to, reason, at);
  }

  #move(to: Candidate, reason: Decision["reason"], at: Moment): Decision {
    const from = this.#current;
    this.#carryOver(to);
    this.#current = to.spec.path;
    this.#home ??= to.spec.path;
    this.#streak = 0;
    this.#unknownSince = undefined;
    this.#isNewlyPlanned = false;
    if (from !== to.spec.path && from !== undefined) this.#moves++;
    if (reason !== "first" && reason !== "plan") this.#rest(at.now);
    return this.#told(from, to.verdict === "bad" ? "least-bad" : "chosen", reason, at);
  }

  /** The load is where the choice is, and figures tell so only seconds later: the next choice must not count on the old. */
  #carryOver(to: Candidate): void {
    const from = this.#candidates.find(({ spec }) => spec.path === this.#current);
    if (from === undefined || from === to) return;
    from.path.used -= this.#load;
    to.path.used += this.#load;
  }

  /** undefined: nothing that anybody would want to read. */
  #stay(current: Candidate, reason: Decision["reason"] | undefined, at: Moment): Decision | undefined {
    const isBad = current.verdict === "bad" && this.#spec.failover;
    const state = isBad ? "least-bad" : "chosen";
    // What rests may relapse with the next window: nobody wants to read of each.
    const isNews = current.verdict !== "resting" || this.#state !== "least-bad";
    if (state === this.#state || !isNews) return undefined;
    const was = this.#state;
    const known = was === "undecided" ? "first" : "recovered";
    return this.#told(current.spec.path, state, reason ?? known, at);
  }

  #none(at: Moment): Decision | undefined {
    if (this.#state === "none") return undefined;
    const unknown = this.#candidates.some(({ verdict }) => verdict === "unknown");
    if (this.#state === "undecided" && (unknown || !this.#isSettled)) return undefined;
    return this.#told(this.#current, "none", "none", at);
  }

  #told(from: string | undefined, state: ChoiceReport["state"], reason: Decision["reason"], at: Moment): Decision {
    this.#state = state;
    this.#since = at.wall;
    const to = state === "none" ? undefined : this.#current;
    const candidates = this.#reports(at);
    this.#why = describeDecision({ from, to, reason, state, candidates, spec: this.#spec });
    return { at: at.wall, choice: this.#spec.id, from, to, reason, why: this.#why, candidates };
  }

  /** Moves that follow one another make the next one wait, longer each time. */
  #rest(now: Instant): void {
    const { rest, mostRest } = this.#spec.hold;
    const restOf = (times: number): Ms => ms(Math.min(rest * 2 ** Math.min(times, 30), Math.max(rest, mostRest)));
    const last = this.#movedAt === undefined ? undefined : since(this.#movedAt, now);
    const calm = restOf(this.#restless) * CALM;
    this.#restless = last === undefined || last > calm ? 0 : this.#restless + 1;
    this.#movedAt = now;
    this.#restUntil = after(now, restOf(this.#restless));
  }

  /**
   * Of those that can carry anything: the most trustworthy kind, the lowest tier, the best score, the first name.  What has
   * an end in common with a path that fails is likely to fail with it, only that it is not known yet: it comes later.
   */
  #best(among: readonly Candidate[], failing?: Path): Candidate | undefined {
    const { failover } = this.#spec;
    let best: Candidate | undefined;
    for (const each of among) {
      if (each.verdict === "dead" || each.verdict === "unusable") continue;
      if (best === undefined || this.#compare(each, best, failover, failing) < 0) best = each;
    }
    return best;
  }

  #badness({ path, judge, spec }: Candidate): Badness {
    return badness(path, judge, spec.sla ?? this.#spec.sla);
  }

  #compare(a: Candidate, b: Candidate, failover: boolean, failing: Path | undefined): number {
    const trust = TRUST[a.verdict] - TRUST[b.verdict];
    if (trust !== 0) return trust;
    const life = Number(b.path.life.kind === "alive") - Number(a.path.life.kind === "alive");
    if (life !== 0) return life;
    if (a.verdict === "bad") {
      const less = this.#badness(a).value - this.#badness(b).value;
      if (less !== 0) return less;
    }
    if (failing !== undefined && isSuspect(a) !== isSuspect(b)) return isSuspect(a) ? 1 : -1;
    if (a.spec.tier !== b.spec.tier) return a.spec.tier - b.spec.tier;
    const fate = failing === undefined ? 0 : a.path.shares(failing) - b.path.shares(failing);
    if (fate !== 0) return fate;
    if (!failover && (a.spec.path === this.#home) !== (b.spec.path === this.#home))
      return a.spec.path === this.#home ? -1 : 1;
    const score = (a.score ?? Number.MAX_VALUE) - (b.score ?? Number.MAX_VALUE);
    if (score !== 0) return score;
    if (a.spec.path === this.#current) return -1;
    if (b.spec.path === this.#current) return 1;
    return a.spec.path < b.spec.path ? -1 : 1;
  }

  #reports({ now }: Moment): readonly CandidateReport[] {
    const chosen = this.#candidates.find(({ spec }) => spec.path === this.#current);
    return this.#candidates.map((each) => {
      const { spec, path, verdict, score } = each;
      const why = describeCandidate(each, { chosen, strategy: this.#spec.strategy, now });
      return { path: spec.path, tier: spec.tier, verdict, score, why, figures: path.figures };
    });
  }
}

function verdictOf({ path, judge }: Candidate, now: Instant): Verdict {
  if (!path.spec.usable) return "unusable";
  const { kind } = path.life;
  if (kind !== "alive") return kind;
  return judge.isProven || path.isProven(now) ? judge.standing : "unknown";
}

/** Good as far as is known, but something is on its way. */
function isSuspect({ path, judge }: Candidate): boolean {
  return judge.doubtful || (path.figures?.overdue ?? 0) > 0;
}

const TRUST: Readonly<Record<Verdict, number>> = { good: 0, resting: 1, bad: 2, unknown: 3, dead: 4, unusable: 5 };
/** So long the others may take to be measured, too. */
const SETTLE = ms(1000);
const NEEDED_REST = ms(5000);
const MOST_ALARMING = 3;
const UNKNOWN_PATIENCE = ms(10_000);
/** Rests without a move after which the next one is the first again. */
const CALM = 4;
