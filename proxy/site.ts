/** What a listener serves: its rules compiled, swapped as a whole by a reload. */
import { err, ok, type Result } from "../base/result.ts";
import type { AccessLogConfig, ListenerConfig } from "./config.ts";
import type { RequestHead } from "./http1/head.ts";
import type { Backend } from "./pool/backend.ts";
import { compileRouter, type Router } from "./route/table.ts";
import { compileRule, type Rule } from "./rule.ts";

export class Site {
  /** Octets; Infinity = no limit. */
  readonly maxBody: number;
  /** undefined: off. */
  readonly log: AccessLogConfig | undefined;
  readonly #router: Router;
  readonly #rules: readonly Rule[];

  constructor(config: ListenerConfig, router: Router, rules: readonly Rule[]) {
    this.maxBody = config.maxRequestBodySize ?? Number.POSITIVE_INFINITY;
    this.log = config.accessLog.enabled ? config.accessLog : undefined;
    this.#router = router;
    this.#rules = rules;
  }

  route(head: RequestHead): Rule | undefined {
    const route = this.#router.find(head);
    if (route === undefined) return undefined;
    const rule = this.#rules[route.ruleIndex] as Rule;
    rule.replaced = route.replaced;
    return rule;
  }
}

/** The reason is for the log: control has checked the same things before. */
export function compileSite(config: ListenerConfig, backends: ReadonlyMap<string, Backend>): Result<Site, object> {
  const router = compileRouter(config.rules, config.hostnames);
  if (!router.ok) return router;
  const rules: Rule[] = [];
  for (const each of config.rules) {
    const rule = compileRule(each, config.maxRequestBodySize, backends);
    if (!rule.ok) return err({ ...rule.error, route: each.route, index: each.index });
    rules.push(rule.value);
  }
  return ok(new Site(config, router.value, rules));
}
