/**
 * Policies by what requests say: host, path, headers.  The data plane sees that, and begins its connections to servers
 * with a token, a value of the DSCP field by which the ruleset of this host knows the class; it is never on the wire.
 */
import type { Findings } from "./finding.ts";
import type { WanPolicy } from "./kinds.ts";
import type { Settings } from "./settings.ts";

/** Only a request has what it asks for: no other packet is of this class. */
export function isForRequestsOnly({ spec: { match } }: WanPolicy): boolean {
  return match.paths.length + Object.keys(match.headers).length > 0;
}

/** Requests that the data plane carries may be of this class: over TCP, by no interface, with code point 0 to begin with. */
export function takesRequests(policy: WanPolicy): boolean {
  const { hosts, protocols, interfaces, dscp } = policy.spec.match;
  if (hosts.length === 0 && !isForRequestsOnly(policy)) return false;
  const isTcp = protocols.length === 0 || protocols.some((each) => TCP.has(each));
  return isTcp && interfaces.length === 0 && (dscp.length === 0 || dscp.includes(0));
}

/**
 * By name of the policy: the value of its mark, which stays the same over edits and restarts, unless packets may come with
 * that code point.  `mark`: of a policy's class.  What finds no value is left out; `requestClashes` has refused it.
 */
export function requestTokens(
  policies: readonly WanPolicy[],
  mark: (policy: string) => number,
): ReadonlyMap<string, number> {
  const matched = matchedCodes(policies);
  const names = policies
    .filter(takesRequests)
    .map(({ metadata }) => metadata.name)
    .toSorted();
  const tokens = new Map<string, number>();
  for (const name of names) if (!matched.has(mark(name))) tokens.set(name, mark(name));
  const used = new Set(tokens.values());
  const free = VALUES.filter((value) => !used.has(value) && !matched.has(value));
  for (const name of names) {
    if (tokens.has(name)) continue;
    const value = free.pop();
    if (value !== undefined) tokens.set(name, value);
  }
  return tokens;
}

/** Fields of one policy. */
export function requestFindings(policy: WanPolicy, findings: Findings): void {
  const { match } = policy.spec;
  const names = Object.keys(match.headers);
  const at = ["spec", "match"];
  findings.unique(
    match.paths.map((_, index) => [...at, "paths", index]),
    match.paths,
    "entry",
  );
  for (const [index, name] of names.entries()) {
    const lower = name.toLowerCase();
    if (lower === "host") {
      findings.contradiction([...at, "headers", name], "the header Host is what hosts is for", "use hosts");
    }
    if (names.findIndex((each) => each.toLowerCase() === lower) < index) {
      findings.contradiction([...at, "headers", name], `header ${lower} twice`, "make two policies of it");
    }
  }
  if (!isForRequestsOnly(policy)) return;
  const what = match.paths.length > 0 ? "paths" : "headers";
  const others = [
    ["interfaces", match.interfaces.length > 0],
    ["users", match.users.length > 0],
    ["dscp", match.dscp.length > 0],
    ["protocols", match.protocols.length > 0 && !match.protocols.some((each) => TCP.has(each))],
  ] as const;
  for (const [field, isWritten] of others) {
    if (!isWritten) continue;
    const message = `${what} are those of requests that the proxy carries, which have no ${field === "protocols" ? "other protocol than tcp" : field}`;
    findings.contradiction([...at, field], message, "remove it, or make two policies of it");
  }
}

export interface RequestClash {
  readonly policy: WanPolicy;
  readonly field: "paths" | "headers" | "dscp" | "hosts";
  readonly message: string;
  readonly hint: string;
}

/** All policies, and the settings of this host. */
export function requestClashes(settings: Settings, policies: readonly WanPolicy[]): readonly RequestClash[] {
  const out: RequestClash[] = [];
  if (settings.dataplane.user === "root") {
    for (const policy of policies.filter(isForRequestsOnly)) {
      const field = policy.spec.match.paths.length > 0 ? "paths" : "headers";
      const message = `${field} need data planes with a user of their own: dataplane.user is root`;
      out.push({ policy, field, message, hint: "write another dataplane.user" });
    }
  }
  const room = VALUES.length - matchedCodes(policies).size;
  for (const policy of policies.filter(takesRequests).slice(room)) {
    const field = isForRequestsOnly(policy) ? (policy.spec.match.paths.length > 0 ? "paths" : "headers") : "hosts";
    const message = `at most ${room} policies of requests beside the code points that policies match`;
    out.push({ policy, field, message, hint: "match fewer code points" });
  }
  return out;
}

function matchedCodes(policies: readonly WanPolicy[]): ReadonlySet<number> {
  return new Set(policies.flatMap(({ spec }) => spec.match.dscp).filter((each) => each !== 0));
}

/** Of the DSCP field: all but 0, which is no token. */
const VALUES: readonly number[] = Array.from({ length: 63 }, (_, index) => index + 1);
const TCP: ReadonlySet<string> = new Set(["tcp", "6"]);
