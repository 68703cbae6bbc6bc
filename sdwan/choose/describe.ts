/** Decisions in words that an operator understands. */
import type { Instant } from "../../base/unit.ts";
import { since } from "../../base/unit.ts";
import type { CandidateReport, ChoiceReport, ChoiceSpec, Decision, Strategy } from "../steer-plan.ts";
import type { Candidate } from "./choice.ts";
import type { Breach } from "./judge.ts";

export function describeCandidate(
  { spec, path, judge, verdict, score }: Candidate,
  at: { readonly chosen: Candidate | undefined; readonly strategy: Strategy; readonly now: Instant },
): string {
  const { chosen, strategy, now } = at;
  switch (verdict) {
    case "unusable":
      return path.spec.why;
    case "dead":
      return path.life.kind === "alive" ? "" : path.life.why;
    case "unknown":
      return path.life.kind === "alive" ? "not measured yet" : path.life.why;
    case "bad":
      return judge.breach === undefined ? "breaks the SLA" : describeBreach(judge.breach);
    case "resting": {
      const left = judge.goodAt === undefined ? undefined : Math.max(since(now, judge.goodAt), 0);
      const rest = left === undefined ? "keeps the SLA again" : `keeps the SLA again, trusted in ${seconds(left)}`;
      return judge.breach === undefined ? rest : `${rest}; before: ${describeBreach(judge.breach)}`;
    }
    case "good":
      break;
  }
  if (chosen === undefined) return "keeps the SLA";
  if (chosen.spec.path === spec.path) return describeScore(strategy, score);
  if (chosen.verdict === "good" || chosen.verdict === "resting") {
    if (spec.tier !== chosen.spec.tier)
      return `lost to ${chosen.spec.path}: tier ${spec.tier} against ${chosen.spec.tier}`;
    const [own, other] = [describeScore(strategy, score), describeScore(strategy, chosen.score)];
    const isLess = (score ?? Number.MAX_VALUE) < (chosen.score ?? Number.MAX_VALUE);
    return isLess
      ? `better than ${chosen.spec.path}, not by enough: ${own} against ${other}`
      : `lost to ${chosen.spec.path}: ${own} against ${other}`;
  }
  return "keeps the SLA";
}

export function describeBreach(breach: Breach): string {
  switch (breach.kind) {
    case "dead":
      return `was dead: ${breach.why}`;
    case "loss":
      return `loss${breach.direction} ${number(breach.value)} % over ${number(breach.limit)} %`;
    case "latency":
      return `round trip ${number(breach.value)} ms over ${number(breach.limit)} ms`;
    case "jitter":
      return `jitter ${number(breach.value)} ms over ${number(breach.limit)} ms`;
    case "mos":
      return `MOS ${breach.value.toFixed(2)} under ${breach.limit.toFixed(2)}`;
  }
}

export function describeDecision(of: {
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly reason: Decision["reason"];
  readonly state: ChoiceReport["state"];
  readonly candidates: readonly CandidateReport[];
  readonly spec: ChoiceSpec;
}): string {
  const { from, to, reason, state, candidates, spec } = of;
  const whyOf = (path: string | undefined): string => {
    const found = candidates.find((each) => each.path === path);
    return found === undefined ? "no candidate any more" : found.why;
  };
  const target = candidates.find((each) => each.path === to);
  switch (reason) {
    case "first":
      return from === to ? `stays on ${to}, as it was found: ${whyOf(to)}` : `first choice: ${whyOf(to)}`;
    case "dead":
      return `${from} is dead (${whyOf(from)}); ${to} ${standing(target)}`;
    case "breach":
      return `${from} breaks the SLA (${whyOf(from)}); ${to} ${standing(target)}`;
    case "better":
      return `${to} is better than ${from}: ${whyOf(to)}, before ${scoreIn(candidates, from, spec.strategy)}`;
    case "recovered":
      if (from === to) return `${to} keeps the SLA again`;
      if (from === undefined) return `${to} ${standing(target)}, after nothing was alive`;
      return !candidates.some((each) => each.path === from && each.verdict === "good")
        ? `${to} ${standing(target)} again; ${from} (${whyOf(from)})`
        : `${to} ${standing(target)} again and comes before ${from}`;
    case "least-bad":
      if (from === to) return `${to} breaks the SLA (${whyOf(to)}), and nothing is better`;
      return `none keeps the SLA; ${to} (${whyOf(to)}) is less bad than ${from} (${whyOf(from)})`;
    case "none":
      return `no candidate is alive; ${state === "none" && spec.killSwitch ? "nothing is sent" : "the last routes stay"}`;
    case "plan":
      return from === undefined
        ? `the plan is new: ${to} ${standing(target)}`
        : `the plan has changed: ${to} in place of ${from}`;
  }
}

function standing(report: CandidateReport | undefined): string {
  switch (report?.verdict) {
    case "good":
      return "keeps the SLA";
    case "resting":
      return "has kept the SLA for a while";
    case "bad":
      return `is alive, though it breaks the SLA (${report.why})`;
    case "unknown":
      return "may be alive";
    case "dead":
    case "unusable":
    case undefined:
      return "is there";
  }
}

function scoreIn(candidates: readonly CandidateReport[], path: string | undefined, strategy: Strategy): string {
  return describeScore(strategy, candidates.find((each) => each.path === path)?.score);
}

function describeScore(strategy: Strategy, score: number | undefined): string {
  if (score === undefined) return "nothing measured";
  switch (strategy) {
    case "lowest-latency":
      return `${number(score)} ms`;
    case "highest-bandwidth":
      return `${number(-score / 1e6)} Mbit/s free`;
    case "most-reliable":
      return `${number(score)} points of loss and failures`;
    case "lowest-cost":
      return `cost ${number(score)}`;
    case "weighted":
      return `weight ${number(-score)}`;
  }
}

function number(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(Math.abs(value) < 1 ? 2 : 1);
}

function seconds(span: number): string {
  return `${Math.ceil(span / 1000)} s`;
}
