/**
 * The router: which rule answers a request.  Compiled from all rules of a listener; the answer depends on the set of
 * rules only, not on their order in the list, and a lookup costs the same with ten rules as with ten thousand.
 *
 * Precedence, each line deciding only what the lines before leave open:
 *   1. host: exact > "*.suffix" (longer first) > "prefix.*" (longer first) > any
 *   2. path: exact > prefix (longer first) > regular expression > no path condition
 *   3. a method condition > none
 *   4. more header conditions > fewer
 *   5. more query conditions > fewer
 *   6. the route's name, the rule's index in it, the match's index in the rule: lower first
 * A rule that fails a condition leaves the request to the next in this order, also to one of a less specific host.
 *
 * What matches:
 * - "*.example.com" matches a.example.com and a.b.example.com, not example.com; "api.*" matches api.example and api.a.b.
 *   Case, port and a trailing dot of the host do not matter.
 * - A prefix matches whole segments: "/api" and "/api/" match /api, /api/ and /api/x, not /apiv2.  Exact is exact.
 *   Case matters.  Values are normalised as request paths are (http1/path.ts); empty segments do not count.
 * - Regular expressions match the whole value.  They run on what clients send and come from the operator, who must not
 *   write one that backtracks without bound; they are tried only when nothing cheaper matched.
 * - A header condition holds if any line of that name has the value; a query condition likewise, after decoding.
 */
import { err, ok, type Result } from "../../base/result.ts";
import type { MatchConfig, RuleConfig } from "../config.ts";
import type { RequestHead } from "../http1/head.ts";
import { type BadCondition, type Conditions, compileConditions, compileRegExp, hold } from "./conditions.ts";
import { type BadHost, HostTable } from "./hosts.ts";
import { type BadPath, PathTable, pathOctets } from "./paths.ts";

/** One alternative of a rule: what a lookup finds. */
export interface Route {
  readonly rule: RuleConfig;
  /** Where `rule` is in the list that the router was compiled from. */
  readonly ruleIndex: number;
  /** undefined: the rule has no matches, and so takes everything. */
  readonly match: MatchConfig | undefined;
  /** Octets of the matched prefix; undefined for other matches. For writeRequestHead. */
  readonly replaced: number | undefined;
}

export type BadRule = (BadHost | BadPath | BadCondition) & { readonly route: string; readonly index: number };

export interface Router {
  /** The best route, or undefined: nothing matches, or the listener does not serve this host. */
  find(head: RequestHead): Route | undefined;
  /** Whether the listener serves the request's host at all. */
  admits(head: RequestHead): boolean;
}

/** `hostnames`: what the listener serves, in the forms of RuleConfig.hostnames; empty for all. */
export function compileRouter(
  rules: readonly RuleConfig[],
  hostnames: readonly string[] = [],
): Result<Router, BadRule> {
  const served = new HostTable<true>(() => true);
  for (const pattern of hostnames) {
    const bad = served.at(pattern);
    if (typeof bad === "object") return err({ ...bad, route: "", index: 0 });
  }
  const hosts = new HostTable<PathTable<Candidate>>(() => new PathTable<Candidate>());
  for (const [ruleIndex, rule] of rules.entries()) {
    const bad = addRule(hosts, rule, ruleIndex);
    if (bad !== undefined) return err({ ...bad, route: rule.route, index: rule.index });
  }
  for (const paths of hosts.values()) paths.sort(compare);
  return ok(new CompiledRouter(hosts, hostnames.length === 0 ? undefined : served));
}

/** The tie-breaks 3 to 6. */
export function compare(a: Candidate, b: Candidate): number {
  return (
    Number(b.conditions.method !== undefined) - Number(a.conditions.method !== undefined) ||
    b.conditions.headers.length - a.conditions.headers.length ||
    b.conditions.query.length - a.conditions.query.length ||
    (a.rule.route < b.rule.route ? -1 : a.rule.route > b.rule.route ? 1 : 0) ||
    a.rule.index - b.rule.index ||
    a.matchIndex - b.matchIndex
  );
}

interface Candidate extends Route {
  readonly conditions: Conditions;
  readonly matchIndex: number;
}

class CompiledRouter implements Router {
  readonly #hosts: HostTable<PathTable<Candidate>>;
  readonly #served: HostTable<true> | undefined;
  readonly #inHost: (paths: PathTable<Candidate>, head: RequestHead) => Route | undefined;
  constructor(hosts: HostTable<PathTable<Candidate>>, served: HostTable<true> | undefined) {
    this.#hosts = hosts;
    this.#served = served;
    this.#inHost = (paths, head) => paths.find(head, accepts);
  }
  find(head: RequestHead): Route | undefined {
    return this.admits(head) ? this.#hosts.find(head, this.#inHost) : undefined;
  }
  admits(head: RequestHead): boolean {
    return this.#served === undefined || this.#served.find(head, yes) === true;
  }
}

function accepts(candidate: Candidate, head: RequestHead): boolean {
  return hold(candidate.conditions, head);
}
function yes(): true {
  return true;
}

function addRule(
  hosts: HostTable<PathTable<Candidate>>,
  rule: RuleConfig,
  ruleIndex: number,
): BadHost | BadPath | BadCondition | undefined {
  const patterns = rule.hostnames.length === 0 ? ["*"] : rule.hostnames;
  const matches = rule.matches.length === 0 ? [undefined] : rule.matches;
  for (const [matchIndex, match] of matches.entries()) {
    const conditions = compileConditions(match);
    if (!conditions.ok) return conditions.error;
    const base = { rule, ruleIndex, match, matchIndex, conditions: conditions.value, replaced: undefined };
    for (const pattern of patterns) {
      const paths = hosts.at(pattern);
      if ("kind" in paths) return paths;
      const bad = addPath(paths, match, base);
      if (bad !== undefined) return bad;
    }
  }
  return undefined;
}

function addPath(
  paths: PathTable<Candidate>,
  match: MatchConfig | undefined,
  candidate: Candidate,
): BadPath | BadCondition | undefined {
  const path = match?.path;
  if (path === undefined) {
    paths.addAny(candidate);
    return undefined;
  }
  if (path.type === "RegularExpression") {
    const pattern = compileRegExp(path.value);
    if (!pattern.ok) return pattern.error;
    paths.addPattern(pattern.value, candidate);
    return undefined;
  }
  const octets = pathOctets(path.value);
  if (!octets.ok) return octets.error;
  if (path.type === "Exact") {
    paths.addExact(octets.value, candidate);
    return undefined;
  }
  const prefix = octets.value.at(-1) === SLASH ? octets.value.subarray(0, -1) : octets.value;
  paths.addPrefix(prefix, { ...candidate, replaced: prefix.length });
  return undefined;
}

const SLASH = 0x2f;
