/** The router's rules said again without any cleverness: every alternative is tried, the matching ones are ranked. */
import type { MatchConfig, RuleConfig, ValueMatch } from "../../../proxy/config.ts";

export interface PlainRequest {
  readonly host: string;
  readonly target: string;
  readonly method: string;
  readonly fields: string;
}
export interface Choice {
  readonly rule: RuleConfig;
  readonly match: MatchConfig | undefined;
}

export function best(rules: readonly RuleConfig[], request: PlainRequest): Choice | undefined {
  const all = rules.flatMap((rule) => {
    const hosts = rule.hostnames.length === 0 ? ["*"] : rule.hostnames;
    const matches = rule.matches.length === 0 ? [undefined] : rule.matches;
    return hosts.flatMap((host) =>
      matches.map((match, at) => ({ rule, match, rank: rankOf(rule, host, match, at, request) })),
    );
  });
  const matching = all.filter((each) => each.rank !== undefined) as {
    rule: RuleConfig;
    match: MatchConfig | undefined;
    rank: Rank;
  }[];
  return matching.sort((a, b) => compareRanks(a.rank, b.rank))[0];
}

type Rank = readonly (number | string)[];

/** Undefined: it does not match.  Otherwise lower is better, place by place. */
function rankOf(
  rule: RuleConfig,
  hostname: string,
  match: MatchConfig | undefined,
  at: number,
  request: PlainRequest,
): Rank | undefined {
  const host = rankOfHost(hostname.toLowerCase(), request.host.toLowerCase().replace(/:\d+$/, ""));
  const url = new URL(`http://h${request.target.replace(/^\/+/, "/")}`);
  const path = rankOfPath(match, url.pathname.replaceAll("%61", "a"));
  if (host === undefined || path === undefined) return undefined;
  if (match?.method !== undefined && match.method !== request.method) return undefined;
  const fields = request.fields
    .split("\r\n")
    .filter(Boolean)
    .map((line) => [line.split(":")[0]?.toLowerCase(), line.split(":")[1]?.trim()] as const);
  if (
    !(match?.headers ?? []).every((each) =>
      fields.some(([name, value]) => name === each.name && holds(each, value ?? "")),
    )
  )
    return undefined;
  if (
    !(match?.queryParams ?? []).every((each) => url.searchParams.getAll(each.name).some((value) => holds(each, value)))
  )
    return undefined;
  return [
    ...host,
    ...path,
    match?.method === undefined ? 1 : 0,
    -(match?.headers.length ?? 0),
    -(match?.queryParams.length ?? 0),
    rule.route,
    rule.index,
    at,
  ];
}

function rankOfHost(pattern: string, host: string): Rank | undefined {
  if (pattern === "*") return [3, 0];
  if (pattern.startsWith("*."))
    return host.endsWith(pattern.slice(1)) && host.length > pattern.length - 1 ? [1, -pattern.length] : undefined;
  if (pattern.endsWith(".*"))
    return host.startsWith(pattern.slice(0, -1)) && host.length > pattern.length - 1 ? [2, -pattern.length] : undefined;
  return pattern === host ? [0, 0] : undefined;
}

function rankOfPath(match: MatchConfig | undefined, path: string): Rank | undefined {
  const given = match?.path;
  if (given === undefined) return [3, 0];
  if (given.type === "RegularExpression") return new RegExp(`^(?:${given.value})$`).test(path) ? [2, 0] : undefined;
  const value = new URL(`http://h${given.value}`).pathname;
  if (given.type === "Exact") return value === path ? [0, 0] : undefined;
  const prefix = value.replace(/\/$/, "");
  return path === prefix || path.startsWith(`${prefix}/`) ? [1, -prefix.length] : undefined;
}

function holds(match: ValueMatch, value: string): boolean {
  return match.type === "Exact" ? match.value === value : new RegExp(`^(?:${match.value})$`).test(value);
}

function compareRanks(a: Rank, b: Rank): number {
  for (const [at, left] of a.entries()) {
    const right = b[at] ?? 0;
    if (left < right) return -1;
    if (left > right) return 1;
  }
  return 0;
}
