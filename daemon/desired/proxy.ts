/** Gateways, routes and backends → the configuration of the data plane, names resolved. */
import { createHash } from "node:crypto";
import { formatIp, type Ip, ipv4, ipv6, parseIp } from "../../base/address.ts";
import { ms } from "../../base/unit.ts";
import type {
  AccessLogConfig,
  BackendConfig,
  FilterConfig,
  HealthCheckConfig,
  ListenerConfig,
  ProxyConfig,
  RuleConfig,
} from "../../proxy/config.ts";
import type { Allocation } from "../../resources/allocate.ts";
import type { ListenerSpec } from "../../resources/gateway.ts";
import { hostnamesOverlap } from "../../resources/hostname.ts";
import {
  type Backend,
  type Gateway,
  qualifiedName,
  type ResourceSet,
  type Route,
  type Vip,
} from "../../resources/kinds.ts";
import type { FilterSpec, RuleSpec } from "../../resources/route.ts";
import { familiesOf } from "../../resources/vip.ts";
import { endpointText, type Facts } from "./facts.ts";

export interface SocketWanted {
  readonly key: string;
  readonly ip: Ip;
  readonly port: number;
}

export function proxyConfig(
  resources: ResourceSet,
  allocations: readonly Allocation[],
  facts: Pick<Facts, "ipv6">,
): { readonly proxy: ProxyConfig; readonly sockets: readonly SocketWanted[] } {
  const listeners: ListenerConfig[] = [];
  const sockets: SocketWanted[] = [];
  for (const gateway of resources.gateways) {
    const addresses = addressesOf(gateway, resources, allocations).filter(
      (each) => facts.ipv6 || typeof each === "number",
    );
    for (const listener of gateway.spec.listeners) {
      for (const ip of addresses) {
        const config = listenerConfig(gateway, listener, ip, resources.routes);
        listeners.push(config);
        sockets.push({ key: config.key, ip, port: listener.port });
      }
    }
  }
  const backends = resources.backends.map(backendConfig);
  const version = createHash("sha256").update(JSON.stringify({ listeners, backends })).digest("hex").slice(0, 16);
  return { proxy: { version, listeners, backends }, sockets };
}

/** The VIP's addresses; without a VIP all of the host's.  A VIP whose addresses are incomplete is listened for nowhere. */
function addressesOf(gateway: Gateway, { vips }: ResourceSet, allocations: readonly Allocation[]): readonly Ip[] {
  const { vipRef } = gateway.spec;
  if (vipRef === undefined) return [ipv4("0.0.0.0"), ipv6("::")];
  const vip = vips.find((each) => each.metadata.name === vipRef);
  return vip === undefined ? [] : vipAddresses(vip, allocations);
}

/** Written or allocated; empty unless each family that the VIP shall have is there, because they move together. */
export function vipAddresses(vip: Vip, allocations: readonly Allocation[]): readonly Ip[] {
  const { v4, v6 } = familiesOf(vip.spec);
  const given = (family: Allocation["family"]): Ip | undefined => {
    const text = allocations.find((each) => each.vip === vip.metadata.name && each.family === family)?.address;
    const parsed = text === undefined ? undefined : parseIp(text);
    return parsed?.ok === true ? parsed.value : undefined;
  };
  const wanted = [
    ...(v4 ? [vip.spec.address ?? given("ipv4")] : []),
    ...(v6 ? [vip.spec.ipv6Address ?? given("ipv6")] : []),
  ];
  const found = wanted.filter((each) => each !== undefined);
  return found.length === wanted.length ? found : [];
}

/** "gateway/listener@address:port" */
export function listenerKey(gateway: string, listener: string, ip: Ip, port: number): string {
  return `${gateway}/${listener}@${endpointText(ip, port)}`;
}

function listenerConfig(gateway: Gateway, listener: ListenerSpec, ip: Ip, routes: readonly Route[]): ListenerConfig {
  const name = qualifiedName(gateway.metadata);
  return {
    key: listenerKey(name, listener.name, ip, listener.port),
    gateway: name,
    name: listener.name,
    protocol: listener.protocol,
    hostnames: listener.hostnames,
    maxRequestBodySize: listener.maxRequestBodySize,
    accessLog: accessLogConfig(gateway),
    rules: routes.filter((route) => attached(route, name, listener)).flatMap(ruleConfigs),
  };
}

function accessLogConfig({ spec: { accessLog } }: Gateway): AccessLogConfig {
  if (accessLog === undefined)
    return { enabled: false, format: "json", excludePaths: [], filterStatusCodes: [], sampleRate: 1 };
  const { enabled, format, excludePaths, filterStatusCodes, sampleRate } = accessLog;
  return { enabled, format, excludePaths, filterStatusCodes, sampleRate };
}

function attached(route: Route, gateway: string, listener: ListenerSpec): boolean {
  const refers = route.spec.parentRefs.some(
    (parent) =>
      `${parent.namespace ?? route.metadata.namespace}/${parent.name}` === gateway &&
      (parent.sectionName === undefined || parent.sectionName === listener.name),
  );
  return refers && hostnamesOverlap(listener.hostnames, route.spec.hostnames);
}

function ruleConfigs(route: Route): readonly RuleConfig[] {
  return route.spec.rules.map((rule, index) => ({
    route: qualifiedName(route.metadata),
    index,
    hostnames: route.spec.hostnames,
    matches: rule.matches.map(({ path, method, headers, queryParams }) => ({ path, method, headers, queryParams })),
    filters: rule.filters.map(filterConfig),
    backends: backendsOf(route, rule),
    timeout: rule.timeout ?? rule.limits?.requestTimeout,
    maxRequestBodySize: rule.maxRequestBodySize ?? rule.limits?.maxRequestBodySize,
  }));
}

function backendsOf(route: Route, rule: RuleSpec): RuleConfig["backends"] {
  const refs = rule.backendRefs ?? (rule.backendRef === undefined ? [] : [rule.backendRef]);
  return refs.map(({ name, namespace, weight }) => ({
    backend: `${namespace ?? route.metadata.namespace}/${name}`,
    weight,
  }));
}

/** The schema's filters are the data plane's; the assignment proves that it stays so. */
function filterConfig(filter: FilterSpec): FilterConfig {
  return filter;
}

function backendConfig({ metadata, spec }: Backend): BackendConfig {
  const { maxIdleConns, maxIdleConnsPerHost, maxConnsPerHost, idleConnTimeout } = spec.connectionPool;
  return {
    name: qualifiedName(metadata),
    endpoints: spec.endpoints.map(({ address, port, weight }) => ({ address: formatIp(address), port, weight })),
    lbPolicy: spec.lbPolicy,
    connectTimeout: spec.connectTimeout,
    idleTimeout: spec.idleTimeout,
    healthCheck: healthCheckConfig(spec.healthCheck),
    pool: { maxIdleConns, maxIdleConnsPerHost, maxConnsPerHost, idleConnTimeout },
  };
}

function healthCheckConfig(spec: Backend["spec"]["healthCheck"]): HealthCheckConfig | undefined {
  if (spec === undefined) return undefined;
  const { interval, timeout, healthyThreshold, unhealthyThreshold, httpPath, httpHealthCheck } = spec;
  return {
    interval,
    timeout: timeout ?? ms(Math.min(interval, DEFAULT_CHECK_TIMEOUT)),
    healthyThreshold,
    unhealthyThreshold,
    httpPath: httpPath ?? httpHealthCheck?.path,
  };
}

/** Milliseconds. */
const DEFAULT_CHECK_TIMEOUT = 5000;
