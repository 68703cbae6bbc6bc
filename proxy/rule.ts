/** A rule compiled for this worker: what it does to a request, and where it sends it. */
import { err, ok, type Result } from "../base/result.ts";
import { type Answer, redirectTo } from "./answers.ts";
import { type Member, pick } from "./balance/round-robin.ts";
import type { RuleConfig } from "./config.ts";
import { type BadFilter, compileEdits, type Edits, type RuleEdits } from "./http1/edits.ts";
import type { Backend } from "./pool/backend.ts";
import { type Ticks, ticksOf } from "./wheel.ts";

export class Rule {
  readonly route: string;
  readonly request: Edits;
  readonly response: Edits;
  readonly redirect: Answer | undefined;
  /** Octets; Infinity = no limit. */
  readonly maxBody: number;
  /** Of the whole exchange; 0 = none. */
  readonly timeout: Ticks;
  /** Octets of the path that matched as a prefix; true for the request that was routed last. */
  replaced: number | undefined = undefined;
  readonly #shares: readonly Share[];

  constructor(config: RuleConfig, edits: RuleEdits, maxBody: number, shares: readonly Share[]) {
    this.route = config.route;
    this.request = edits.request;
    this.response = edits.response;
    const redirect = config.filters.find((filter) => filter.type === "RequestRedirect");
    this.redirect = redirect === undefined ? undefined : redirectTo(302, redirect.redirectURL);
    this.maxBody = maxBody;
    this.timeout = config.timeout === undefined ? 0 : ticksOf(config.timeout);
    this.#shares = shares;
  }

  /** The backend for the next request by weight; a backend that is down leaves its share to the others. */
  backend(): Backend | undefined {
    const shares = this.#shares;
    // With one backend its own balancer finds out whether somebody is there.
    if (shares.length === 1) return (shares[0] as Share).backend;
    return pick(shares)?.backend;
  }
}

export function compileRule(
  config: RuleConfig,
  listenerMost: number | undefined,
  backends: ReadonlyMap<string, Backend>,
): Result<Rule, BadFilter | { readonly kind: "backend-unknown"; readonly backend: string }> {
  const edits = compileEdits(config.filters);
  if (!edits.ok) return edits;
  const shares: Share[] = [];
  for (const { backend: name, weight } of config.backends) {
    const backend = backends.get(name);
    if (backend === undefined) return err({ kind: "backend-unknown", backend: name });
    if (weight > 0) shares.push(new Share(backend, weight));
  }
  const maxBody = Math.min(listenerMost ?? Number.POSITIVE_INFINITY, config.maxRequestBodySize ?? Infinity);
  return ok(new Rule(config, edits.value, maxBody, shares));
}

class Share implements Member {
  readonly backend: Backend;
  weight: number;
  credit = 0;
  constructor(backend: Backend, weight: number) {
    this.backend = backend;
    this.weight = weight;
  }
  usable(): boolean {
    return this.backend.up;
  }
}
