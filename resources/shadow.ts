/**
 * Rules that no request can reach, because others before them ask for exactly the same: two teams claim one host.  A
 * warning, for the precedence (proxy/route/table.ts) decides it and traffic flows.  Only equal conditions are found; that
 * one regular expression covers another is left to whoever wrote them.
 */
import { diagnosticAt } from "./check.ts";
import type { Diagnostic } from "./diagnostic.ts";
import { type Gateway, qualifiedName, type ResourceSet, type Route } from "./kinds.ts";
import type { RuleSpec } from "./route.ts";

export function shadowed(set: ResourceSet): readonly Diagnostic[] {
  const found = new Map<string, Diagnostic>();
  for (const gateway of set.gateways) {
    for (const listener of gateway.spec.listeners) {
      const owners = new Map<string, string>();
      // Routes come in the order of their names, which is the order that decides.
      for (const route of set.routes.filter((each) => attached(each, gateway, listener.name))) {
        for (const [index, rule] of route.spec.rules.entries()) {
          const conditions = conditionsOf(route, rule);
          const before = conditions.map((each) => owners.get(each));
          const [first] = before;
          const place = `${qualifiedName(route.metadata)} ${index}`;
          if (first !== undefined && before.every((each) => each !== undefined)) {
            found.set(place, warning(route, index, first));
          }
          const own = `rule ${index} of ProxyRoute ${qualifiedName(route.metadata)}`;
          for (const each of conditions) if (!owners.has(each)) owners.set(each, own);
        }
      }
    }
  }
  return [...found.values()];
}

function warning(route: Route, index: number, owner: string): Diagnostic {
  const message = `no request reaches this rule: ${owner} has the same hosts and matches, and comes first`;
  const at = ["spec", "rules", index];
  return { ...diagnosticAt(route.source, at, "value", "NEVER_MATCHES", message), severity: "warning" };
}

function attached(route: Route, gateway: Gateway, listener: string): boolean {
  const name = qualifiedName(gateway.metadata);
  return route.spec.parentRefs.some(
    (parent) =>
      `${parent.namespace ?? route.metadata.namespace}/${parent.name}` === name &&
      (parent.sectionName === undefined || parent.sectionName === listener),
  );
}

/** Each pair of host and alternative, spelt so that equal conditions are equal texts. */
function conditionsOf(route: Route, rule: RuleSpec): readonly string[] {
  const hosts = route.spec.hostnames.length === 0 ? ["*"] : route.spec.hostnames;
  const alternatives = rule.matches.length === 0 ? [undefined] : rule.matches;
  return alternatives.flatMap((match) => {
    const sorted = (values: readonly { readonly name: string }[], fold: (name: string) => string): readonly string[] =>
      values.map((each) => JSON.stringify({ ...each, name: fold(each.name) })).sort();
    const { path, method, headers = [], queryParams = [] } = match ?? {};
    const conditions = [
      path === undefined ? "" : `${path.type} ${path.value}`,
      method ?? "",
      sorted(headers, (name) => name.toLowerCase()),
      sorted(queryParams, (name) => name),
    ];
    return hosts.map((host) => JSON.stringify([host, conditions]));
  });
}
