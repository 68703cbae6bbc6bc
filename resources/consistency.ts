/** Fields of one resource that contradict each other. */
import { isIpv4 } from "../base/address.ts";
import { diagnosticAt } from "./check.ts";
import type { Diagnostic } from "./diagnostic.ts";
import type { AnyResource, Backend, Gateway, Pool, Route, Vip } from "./kinds.ts";
import { announcement } from "./vip-consistency.ts";
import { remoteCluster, wanLink, wanPolicy } from "./wan-consistency.ts";
import type { Path } from "./yaml.ts";

export function consistency(resource: AnyResource): readonly Diagnostic[] {
  switch (resource.kind) {
    case "ProxyGateway":
      return gateway(resource);
    case "ProxyRoute":
      return route(resource);
    case "ProxyBackend":
      return backend(resource);
    case "ProxyVIP":
      return vip(resource);
    case "ProxyIPPool":
      return pool(resource);
    case "ProxyWANLink":
      return wanLink(resource);
    case "ProxyWANPolicy":
      return wanPolicy(resource);
    case "NovaEdgeRemoteCluster":
      return remoteCluster(resource);
  }
}

function contradiction(resource: AnyResource, path: Path, message: string, hint?: string): Diagnostic {
  return diagnosticAt(resource.source, path, "key", "CONTRADICTION", message, { hint });
}
function duplicate(resource: AnyResource, path: Path, message: string, hint?: string): Diagnostic {
  return diagnosticAt(resource.source, path, "value", "DUPLICATE", message, { hint });
}

function gateway(resource: Gateway): readonly Diagnostic[] {
  const out: Diagnostic[] = [];
  const names = new Set<string>();
  const ports = new Map<number, string>();
  for (const [index, listener] of resource.spec.listeners.entries()) {
    const at = ["spec", "listeners", index];
    if (names.has(listener.name))
      out.push(duplicate(resource, [...at, "name"], `two listeners named ${listener.name}`));
    const other = ports.get(listener.port);
    if (other !== undefined) {
      const hint = "give one listener all hostnames";
      out.push(duplicate(resource, [...at, "port"], `port ${listener.port} is already listener ${other}'s`, hint));
    }
    names.add(listener.name);
    ports.set(listener.port, listener.name);
  }
  return out;
}

function route(resource: Route): readonly Diagnostic[] {
  const out: Diagnostic[] = [];
  for (const [index, rule] of resource.spec.rules.entries()) {
    const at = ["spec", "rules", index];
    const redirects = rule.filters.some((filter) => filter.type === "RequestRedirect");
    if (rule.backendRefs !== undefined && rule.backendRef !== undefined) {
      out.push(
        contradiction(resource, [...at, "backendRef"], "backendRef and backendRefs say the same thing", "keep one"),
      );
    }
    if (rule.backendRefs === undefined && rule.backendRef === undefined && !redirects) {
      const message = "a rule needs backendRefs (or a RequestRedirect filter)";
      out.push(diagnosticAt(resource.source, at, "value", "FIELD_MISSING", message));
    }
    if (redirects && (rule.backendRefs !== undefined || rule.backendRef !== undefined)) {
      const message = "a rule that redirects asks no backend";
      const field = rule.backendRefs === undefined ? "backendRef" : "backendRefs";
      out.push(contradiction(resource, [...at, field], message, "remove the backends or the redirect"));
    }
    for (const type of ["RequestRedirect", "URLRewrite"] as const) {
      const places = rule.filters.flatMap((filter, place) => (filter.type === type ? [place] : []));
      for (const place of places.slice(1)) {
        out.push(contradiction(resource, [...at, "filters", place], `a second ${type} in one rule`, "keep one"));
      }
    }
    if (rule.limits?.requestTimeout !== undefined && rule.timeout !== undefined) {
      const message = "timeout and limits.requestTimeout say the same thing";
      out.push(contradiction(resource, [...at, "limits", "requestTimeout"], message, "keep one"));
    }
    if (rule.limits?.maxRequestBodySize !== undefined && rule.maxRequestBodySize !== undefined) {
      const message = "maxRequestBodySize and limits.maxRequestBodySize say the same thing";
      out.push(contradiction(resource, [...at, "limits", "maxRequestBodySize"], message, "keep one"));
    }
  }
  return out;
}

function backend(resource: Backend): readonly Diagnostic[] {
  const out: Diagnostic[] = [];
  const seen = new Set<string>();
  for (const [index, { address, port }] of resource.spec.endpoints.entries()) {
    const key = `${address} ${port}`;
    if (seen.has(key)) {
      out.push(duplicate(resource, ["spec", "endpoints", index], "the same endpoint twice", "use weight"));
    }
    seen.add(key);
  }
  const { healthCheck } = resource.spec;
  if (healthCheck?.httpPath !== undefined && healthCheck.httpHealthCheck !== undefined) {
    const message = "httpPath and httpHealthCheck say the same thing";
    out.push(contradiction(resource, ["spec", "healthCheck", "httpHealthCheck"], message, "keep one"));
  }
  if (healthCheck?.timeout !== undefined && healthCheck.timeout > healthCheck.interval) {
    const message = "a check may not take longer than the interval between two";
    out.push(contradiction(resource, ["spec", "healthCheck", "timeout"], message, "raise interval or lower timeout"));
  }
  return out;
}

function vip(resource: Vip): readonly Diagnostic[] {
  const out: Diagnostic[] = [...announcement(resource)];
  const { address, ipv6Address, addressFamily, poolRef, ports, l2 } = resource.spec;
  if (addressFamily === "ipv4" && ipv6Address !== undefined) {
    out.push(
      contradiction(resource, ["spec", "ipv6Address"], "an IPv6 address, but addressFamily is ipv4", "use dual"),
    );
  }
  if (addressFamily === "ipv6" && address !== undefined) {
    out.push(contradiction(resource, ["spec", "address"], "an IPv4 address, but addressFamily is ipv6", "use dual"));
  }
  const written = address !== undefined || ipv6Address !== undefined;
  if (
    addressFamily === "dual" &&
    poolRef === undefined &&
    written &&
    (address === undefined || ipv6Address === undefined)
  ) {
    const missing = address === undefined ? "address" : "ipv6Address";
    const message = `addressFamily is dual, but there is no ${missing}`;
    out.push(contradiction(resource, ["spec", "addressFamily"], message, `write ${missing} or a poolRef`));
  }
  if (l2.preemptDelay !== undefined && !l2.preempt) {
    const message = "preemptDelay without preempt does nothing";
    out.push(contradiction(resource, ["spec", "l2", "preemptDelay"], message, "write preempt: true"));
  }
  for (const [index, port] of ports.entries()) {
    if (ports.indexOf(port) < index) out.push(duplicate(resource, ["spec", "ports", index], `port ${port} twice`));
  }
  return out;
}

function pool(resource: Pool): readonly Diagnostic[] {
  const { cidrs, addresses } = resource.spec;
  if (cidrs.length + addresses.length === 0) {
    return [diagnosticAt(resource.source, ["spec"], "value", "FIELD_MISSING", "a pool needs cidrs or addresses")];
  }
  return addresses.flatMap((address, index) =>
    addresses.indexOf(address) < index
      ? [duplicate(resource, ["spec", "addresses", index], `${isIpv4(address) ? "IPv4" : "IPv6"} address twice`)]
      : [],
  );
}
