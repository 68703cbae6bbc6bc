/** A configuration in which every field of every kind is written, and a host on which all of it works. */
import { type Prefix, parsePrefix } from "../../base/address.ts";
import { type Desired, desired } from "../../daemon/desired/desired.ts";
import type { Facts } from "../../daemon/desired/facts.ts";
import { type Allocated, allocate } from "../../resources/allocate.ts";
import { formatDiagnostic, isError } from "../../resources/diagnostic.ts";
import type { ResourceSet } from "../../resources/kinds.ts";
import { loadResources } from "../../resources/load.ts";
import { loadSettings, type Settings } from "../../resources/settings.ts";
import { together } from "../../resources/together.ts";

export type Document = { readonly kind: string; readonly metadata: object; readonly spec: object };
export const API = "novaedge.io/v1alpha1";

export const HEADERS = [{ name: "X-A", value: "1" }];
export const DOCUMENTS: Readonly<Record<string, Document>> = {
  pool: {
    kind: "ProxyIPPool",
    metadata: { name: "p" },
    spec: { cidrs: ["198.51.100.0/29"], addresses: ["198.51.100.100"], autoAssign: true },
  },
  given: {
    kind: "ProxyVIP",
    metadata: { name: "given" },
    spec: { mode: "L2ARP", ports: [22], poolRef: { name: "p" }, l2: { interface: "eth1", preempt: true } },
  },
  auto: {
    kind: "ProxyVIP",
    metadata: { name: "auto" },
    spec: {
      mode: "L2ARP",
      addressFamily: "ipv4",
      ports: [22],
      healthPolicy: { requireGateway: true },
      l2: { interface: "eth1" },
    },
  },
  vip: {
    kind: "ProxyVIP",
    metadata: { name: "edge" },
    spec: {
      address: "192.0.2.10",
      ipv6Address: "2001:db8::10",
      mode: "L2ARP",
      ports: [80, 81],
      nodeSelector: {
        matchLabels: { rack: "a" },
        matchExpressions: [
          { key: "rack", operator: "In", values: ["a", "b"] },
          { key: "rack", operator: "NotIn", values: ["z"] },
          { key: "rack", operator: "Exists" },
          { key: "gone", operator: "DoesNotExist" },
        ],
      },
      healthPolicy: { minHealthyNodes: 1, minHealthyPercent: 50, requireGateway: true },
      l2: {
        priorities: [
          {
            nodeSelector: {
              matchLabels: { rack: "a" },
              matchExpressions: [
                { key: "rack", operator: "In", values: ["a"] },
                { key: "rack", operator: "NotIn", values: ["z"] },
              ],
            },
            priority: 150,
          },
        ],
        preempt: true,
        preemptDelay: "3s",
        onConflict: "defend",
      },
    },
  },
  gateway: {
    kind: "ProxyGateway",
    metadata: { name: "web", namespace: "shop" },
    spec: {
      vipRef: "edge",
      listeners: [
        { name: "http", port: 80, protocol: "HTTP", hostnames: ["*.example.com"], maxRequestBodySize: "1Mi" },
        { name: "alt", port: 81, protocol: "HTTP" },
      ],
      accessLog: {
        enabled: true,
        format: "json",
        excludePaths: ["/healthz"],
        filterStatusCodes: [500],
        sampleRate: 0.5,
      },
    },
  },
  other: {
    kind: "ProxyGateway",
    metadata: { name: "other", namespace: "shop" },
    spec: { listeners: [{ name: "http", port: 8080, protocol: "HTTP" }] },
  },
  route: {
    kind: "ProxyRoute",
    metadata: { name: "all", namespace: "shop" },
    spec: {
      parentRefs: [{ name: "web", namespace: "shop", sectionName: "http" }],
      hostnames: ["www.example.com"],
      rules: [
        {
          matches: [
            {
              path: { type: "PathPrefix", value: "/api" },
              headers: [{ type: "Exact", name: "X-H", value: "h" }],
              queryParams: [{ type: "Exact", name: "q", value: "v" }],
              method: "GET",
            },
          ],
          filters: [
            { type: "AddHeader", add: HEADERS },
            { type: "RemoveHeader", remove: ["X-B"] },
            { type: "ResponseAddHeader", responseAdd: HEADERS },
            { type: "ResponseSetHeader", responseSet: HEADERS },
            { type: "ResponseRemoveHeader", responseRemove: ["X-C"] },
            { type: "URLRewrite", rewritePath: "/v1" },
          ],
          backendRefs: [{ name: "api", namespace: "shop", weight: 3 }],
          timeout: "5s",
          maxRequestBodySize: 4096,
        },
        {
          backendRef: { name: "api", namespace: "shop", weight: 2 },
          limits: { maxRequestBodySize: "2Ki", requestTimeout: "7s" },
        },
        { filters: [{ type: "RequestRedirect", redirectURL: "https://example.com/" }] },
      ],
    },
  },
  api: {
    kind: "ProxyBackend",
    metadata: { name: "api", namespace: "shop" },
    spec: {
      endpoints: [
        { address: "10.0.0.1", port: 8080, weight: 2 },
        { address: "2001:db8::1", port: 8081, weight: 1 },
      ],
      lbPolicy: "RoundRobin",
      connectTimeout: "1s",
      idleTimeout: "30s",
      healthCheck: { interval: "2s", timeout: "1s", healthyThreshold: 3, unhealthyThreshold: 4, httpPath: "/up" },
      connectionPool: { maxIdleConns: 50, maxIdleConnsPerHost: 5, maxConnsPerHost: 20, idleConnTimeout: "10s" },
    },
  },
  second: {
    kind: "ProxyBackend",
    metadata: { name: "api2", namespace: "shop" },
    spec: { endpoints: [{ address: "10.0.0.2", port: 8080 }], healthCheck: { httpHealthCheck: { path: "/up" } } },
  },
};

export const SETTINGS: object = {
  node: { name: "edge-1", labels: { rack: "a" }, priority: 120 },
  l2: {
    heartbeat: { interval: "50ms", multiplier: 4, port: 9477 },
    interface: "eth0",
    peers: ["192.0.2.2"],
    witnesses: ["192.0.2.254"],
  },
};

const prefix = (text: string): Prefix => {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new TypeError(text);
  return parsed.value;
};

/** Everything listens, everything is healthy. */
export const FACTS: Facts = {
  hostname: "host",
  key: "00".repeat(32),
  ipv6: true,
  interfaces: [
    {
      name: "eth0",
      addresses: [prefix("192.0.2.7/32").ip],
      networks: [prefix("192.0.2.0/24"), prefix("2001:db8::/64")],
      gateways: [prefix("192.0.2.1").ip],
    },
    { name: "eth1", addresses: [prefix("198.51.100.7/32").ip], networks: [prefix("198.51.100.0/24")], gateways: [] },
    { name: "eth2", addresses: [], networks: [], gateways: [] },
  ],
  listening: new Set([
    "shop/web/http@192.0.2.10:80",
    "shop/web/http@[2001:db8::10]:80",
    "shop/web/alt@192.0.2.10:81",
    "shop/web/alt@[2001:db8::10]:81",
  ]),
  health: new Map([
    ["shop/api|10.0.0.1:8080", true],
    ["shop/api|[2001:db8::1]:8081", true],
    ["shop/api2|10.0.0.2:8080", true],
  ]),
  draining: false,
  secrets: new Map([
    ["/s/one", "first"],
    ["/s/two", "second"],
    ["/elsewhere", "third"],
  ]),
  routerId: undefined,
};

export interface World {
  readonly resources: ResourceSet;
  readonly settings: Settings;
  readonly allocated: Allocated;
  readonly desired: Desired;
}

/** Reading YAML is most of the work, and most worlds differ from the one before in only one of their parts. */
const loadedFrom = remembering((documents: readonly object[]) => {
  const items = documents.map((each) => ({ apiVersion: API, ...each }));
  return loadResources([{ file: "f", content: JSON.stringify({ kind: "List", items }) }]);
});
const settingsFrom = remembering((settings: object) => loadSettings({ file: "s", content: JSON.stringify(settings) }));
const allocatedFor = remembering((resources: ResourceSet) => allocate(resources, []));
function remembering<From extends object, To>(make: (from: From) => To): (from: From) => To {
  const made = new WeakMap<From, To>();
  return (from) => {
    const known = made.get(from) ?? make(from);
    made.set(from, known);
    return known;
  };
}

/** `why` says so where the configuration is refused.  Documents and settings must not be changed in place. */
export function world(
  documents: readonly object[],
  settings: object = SETTINGS,
  facts: Facts = FACTS,
): World | { readonly why: string } {
  const loaded = loadedFrom(documents);
  const own = settingsFrom(settings);
  const found = own.settings === undefined ? [] : together(own.settings, loaded.resources);
  const problems = [...loaded.diagnostics, ...own.diagnostics, ...found].filter(isError);
  if (problems.length > 0 || own.settings === undefined) return { why: problems.map(formatDiagnostic).join("\n") };
  const allocated = allocatedFor(loaded.resources);
  return {
    resources: loaded.resources,
    settings: own.settings,
    allocated,
    desired: desired(own.settings, loaded.resources, allocated, facts),
  };
}
export function rightWorld(...arguments_: Parameters<typeof world>): World {
  const made = world(...arguments_);
  if ("why" in made) throw new TypeError(made.why);
  return made;
}
