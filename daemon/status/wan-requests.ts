/** What a policy asks of requests, and whether the proxy of this host knows. */
import type { WanPolicy } from "../../resources/kinds.ts";
import { isForRequestsOnly } from "../../resources/wan-requests.ts";
import type { WanRequestsStatus } from "../admin/wan-api.ts";
import type { WanPlan } from "../desired/wan.ts";

/** undefined: it asks nothing of them.  `proxied`: class → token that the rules in the kernel know. */
export function requestsStatus(
  proxied: ReadonlyMap<string, number>,
  { underlay }: WanPlan,
  policy: WanPolicy,
): WanRequestsStatus | undefined {
  const { hosts, paths, headers } = policy.spec.match;
  if (hosts.length === 0 && !isForRequestsOnly(policy)) return undefined;
  const { name } = policy.metadata;
  // The last one is its own: those before stand for code point 0 and address.
  const token = underlay.classes.findLast((each) => each.name === name && each.match.proxied.length === 1)?.match
    .proxied[0];
  const proxy = token === undefined ? "none" : proxied.get(name) === token ? "matching" : "waiting";
  return { hosts, paths, headers, proxy };
}
