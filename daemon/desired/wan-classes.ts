/**
 * Policies → the classes of the ruleset, and those that the data plane knows requests by.  A policy by host names has
 * both: addresses that DNS answers give, and the token of requests for the host.
 */
import { formatPrefix } from "../../base/address.ts";
import type { ClassConfig } from "../../proxy/config.ts";
import type { WanPolicy } from "../../resources/kinds.ts";
import { keyOf } from "../../resources/wan-lanes.ts";
import { isForRequestsOnly, requestTokens, takesRequests } from "../../resources/wan-requests.ts";
import { type ClassMatch, type ClassSpec, EVERYTHING } from "../../sdwan/underlay-plan.ts";
import type { DesiredCondition } from "./desired.ts";
import { steered, type WanWorld } from "./wan-world.ts";

/** In the order in which they are tried.  `specOf`: what belongs to a policy by what packets say. */
export function classSpecs(world: WanWorld, specOf: (policy: WanPolicy) => ClassSpec): readonly ClassSpec[] {
  const tokens = tokensOf(world);
  return steered(world.layout).flatMap((policy) => specsOf(world, policy, specOf(policy), tokens));
}

/** Of those the ruleset in the kernel knows the token of already: a token must never meet rules that do not. */
export function requestClasses(world: WanWorld): readonly ClassConfig[] {
  const tokens = tokensOf(world);
  return steered(world.layout).flatMap((policy): readonly ClassConfig[] => {
    const { name } = policy.metadata;
    const token = tokens.get(name);
    if (token === undefined || world.facts.proxied.get(name) !== token) return [];
    const { hosts, paths, headers, sources, destinations, ports } = policy.spec.match;
    return [
      {
        name,
        token,
        hosts,
        paths,
        headers: Object.entries(headers).map(([header, value]) => ({ name: header, value })),
        sources: sources.map(formatPrefix),
        destinations: destinations.map(formatPrefix),
        ports,
      },
    ];
  });
}

export function requestConditions({ layout, facts, carriesRequests }: WanWorld): readonly DesiredCondition[] {
  if (!carriesRequests || facts.dataplaneUser !== undefined) return [];
  return steered(layout)
    .filter(takesRequests)
    .map(({ metadata }) => ({
      code: "WAN_INCOMPLETE",
      severity: "warning",
      subject: `ProxyWANPolicy/${metadata.namespace}/${metadata.name}`,
      message: "requests through the proxy are not matched: data planes have no user of their own on this host",
    }));
}

/** Empty where nobody carries requests: then the ruleset has nothing to know them by. */
function tokensOf({ layout, facts, carriesRequests, mark }: WanWorld): ReadonlyMap<string, number> {
  const user = facts.dataplaneUser;
  if (!carriesRequests || user === undefined) return new Map();
  const tokens = requestTokens(layout.policies, (name) => mark(keyOf({ kind: "class", name })));
  const theirs = new Set(
    steered(layout)
      .filter(({ spec }) => spec.match.users.length === 0 || usersOf(spec.match.users, facts.users).includes(user))
      .map(({ metadata }) => metadata.name),
  );
  return new Map([...tokens].filter(([name]) => theirs.has(name)));
}

function specsOf(
  { facts: { dataplaneUser: user } }: WanWorld,
  policy: WanPolicy,
  base: ClassSpec,
  tokens: ReadonlyMap<string, number>,
): readonly ClassSpec[] {
  const of = (match: Partial<ClassMatch>): ClassSpec => ({ ...base, match: { ...EVERYTHING, ...match } });
  const own = tokens.get(policy.metadata.name);
  if (user === undefined || tokens.size === 0) return isForRequestsOnly(policy) ? [] : [base];
  const proxied = own === undefined ? [] : [of({ users: [user], proxied: [own] })];
  if (isForRequestsOnly(policy)) return proxied;
  const { match } = base;
  // A token stands where code point 0 would be.
  const isZero = match.dscp.includes(0) && (match.users.length === 0 || match.users.includes(user));
  const zero = isZero ? [of({ ...match, dscp: [], users: [user], proxied: [...tokens.values()] })] : [];
  return [base, ...zero, ...proxied];
}

/** Numbers of users; names that this host does not know are left out. */
export function usersOf(written: readonly (string | number)[], known: ReadonlyMap<string, number>): readonly number[] {
  return written.flatMap((each) => (typeof each === "number" ? each : (known.get(each) ?? [])));
}
