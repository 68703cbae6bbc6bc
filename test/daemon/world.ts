/** A configuration in which every field of every kind is written, and a host on which all of it works. */
import { type Prefix, parsePrefix } from "../../base/address.ts";
import { type Desired, desired } from "../../daemon/desired.ts";
import type { Facts } from "../../daemon/facts.ts";
import { type Allocated, allocate } from "../../resources/allocate.ts";
import { formatDiagnostic, isError } from "../../resources/diagnostic.ts";
import type { ResourceSet } from "../../resources/kinds.ts";
import { loadResources } from "../../resources/load.ts";
import { routingTogether } from "../../resources/routing-together.ts";
import { loadSettings, type Settings } from "../../resources/settings.ts";

export type Document = { readonly kind: string; readonly metadata: object; readonly spec: object };
const API = "novaedge.io/v1alpha1";

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

/** Virtual IPs for routers: two that can be together, and two that say the same in other fields. */
export const ROUTED: readonly (readonly Document[])[] = [
  [
    {
      kind: "ProxyVIP",
      metadata: { name: "anycast" },
      spec: {
        mode: "BGP",
        address: "203.0.113.10",
        ipv6Address: "2001:db8:a::10",
        ports: [80],
        bgpConfig: {
          localAS: 65001,
          routerID: "192.0.2.7",
          peers: [{ address: "192.0.2.1", as: 65000, port: 1179 }],
          localPreference: 200,
          med: 10,
          prepend: 1,
          communities: ["65001:10", "no-export"],
          largeCommunities: ["65001:1:2"],
          extendedCommunities: ["rt:65001:5"],
        },
        bfd: {
          enabled: true,
          detectMultiplier: 5,
          desiredMinTxInterval: "100ms",
          requiredMinRxInterval: "150ms",
          echoMode: true,
        },
        healthPolicy: { requireGateway: false },
      },
    },
    {
      kind: "ProxyVIP",
      metadata: { name: "ospf" },
      spec: {
        mode: "OSPF",
        address: "203.0.113.20",
        ports: [80],
        ospfConfig: {
          routerID: "192.0.2.7",
          areaID: 1,
          cost: 20,
          metricType: "host",
          tag: 7,
          helloInterval: 2,
          deadInterval: 9,
          authType: "md5",
          authKey: "secret",
          authKeyId: 3,
          gracefulRestart: true,
        },
        healthPolicy: { requireGateway: false },
      },
    },
  ],
  [
    {
      kind: "ProxyVIP",
      metadata: { name: "anycast" },
      spec: {
        mode: "BGP",
        address: "203.0.113.10",
        ports: [80],
        bgpConfig: { localASBase: 64512, peers: [{ address: "192.0.2.1", as: 65000 }] },
      },
    },
    {
      kind: "ProxyVIP",
      metadata: { name: "ospf" },
      spec: {
        mode: "OSPF",
        address: "203.0.113.20",
        ports: [80],
        ospfConfig: { authType: "hmac-sha256", authKeyFile: "/s/one" },
      },
    },
  ],
];

const SESSION = {
  localAsn: 64999,
  source: "192.0.2.7",
  holdTime: "9s",
  keepalive: "2s",
  connectRetry: "3s",
  families: ["ipv4", "ipv6"],
  addPathReceive: ["ipv4"],
  maxPrefixes: {
    ipv4: { limit: 1000, warnAt: 50, restartAfter: "4s" },
    ipv6: { limit: 500, warnAt: 60, restartAfter: "5m" },
  },
  extendedNextHop: true,
  gracefulRestart: {
    enabled: true,
    restartTime: "60s",
    stalePathTime: "90s",
    longLived: "1h",
    notification: false,
  },
  import: "in",
  export: "out",
  bfd: { profile: "fast" },
};
const INTERFACE = {
  type: "broadcast",
  passive: false,
  cost: 5,
  priority: 2,
  hello: "2s",
  dead: "8s",
  retransmit: "4s",
  transmitDelay: "2s",
  mtuIgnore: true,
  poll: "60s",
  bfd: { profile: "fast" },
};
const KEYS = [
  { id: 1, algorithm: "hmac-sha256", secret: "one" },
  { id: 2, algorithm: "hmac-sha512", secretFile: "/s/one" },
];
/** Routers of the node, described in full. */
export const ROUTERS: object = {
  bgp: {
    asn: 65001,
    routerId: "192.0.2.7",
    listen: { port: 1179, addresses: ["192.0.2.7"] },
    gracefulShutdown: true,
    gracefulRestart: {
      enabled: true,
      restartTime: "100s",
      stalePathTime: "200s",
      longLived: "2h",
      notification: true,
    },
    install: { table: 100, metric: 30, multipath: 4 },
    prefixLists: [{ name: "ours", prefixes: [{ prefix: "203.0.113.0/24", ge: 28, le: 32 }] }],
    policies: [
      {
        name: "in",
        rules: [
          {
            name: "first",
            match: {
              prefixLists: ["ours"],
              prefixes: [{ prefix: "198.51.100.0/24", ge: 25, le: 30 }],
              communities: ["65000:1"],
              largeCommunities: ["65000:1:1"],
              asPath: "^65000",
              nextHops: ["192.0.2.1"],
            },
            action: "accept",
            set: {
              localPreference: 150,
              med: 7,
              prepend: 2,
              addCommunities: ["65001:2"],
              removeCommunities: ["65000:3"],
              nextHop: "self",
            },
          },
        ],
        otherwise: "reject",
      },
      { name: "out", rules: [], otherwise: "accept" },
    ],
    networks: [
      {
        prefix: "203.0.113.128/25",
        localPreference: 90,
        med: 5,
        prepend: 3,
        communities: ["65001:9"],
        largeCommunities: ["65001:9:9"],
        extendedCommunities: ["soo:65001:9"],
        peers: ["tor1"],
      },
    ],
    peers: [
      {
        ...SESSION,
        name: "tor1",
        address: "192.0.2.1",
        interface: "eth0",
        port: 1179,
        mode: "active",
        enabled: true,
        asn: 65000,
        password: "secret",
        ttlSecurity: 1,
      },
      { name: "tor2", address: "198.51.100.1", asn: "internal", passwordFile: "/s/one", multihop: 3 },
      { name: "tor3", address: "198.51.100.2", asn: 65003, ao: { keyId: 1, algorithm: "hmac-sha256", key: "k" } },
      { name: "tor4", address: "198.51.100.3", asn: 65004, ao: { keyId: 2, keyFile: "/s/one" } },
    ],
    dynamic: [
      { ...SESSION, name: "servers", prefix: "10.1.0.0/16", most: 10, asn: 65100, password: "secret", ttlSecurity: 2 },
      { name: "d2", prefix: "10.2.0.0/16", asn: 65101, passwordFile: "/s/one", multihop: 3 },
      { name: "d3", prefix: "10.3.0.0/16", asn: 65102, ao: { keyId: 1, algorithm: "hmac-sha256", key: "k" } },
      { name: "d4", prefix: "10.4.0.0/16", asn: 65103, ao: { keyId: 2, keyFile: "/s/one" } },
    ],
  },
  ospf: {
    routerId: "192.0.2.7",
    maxMetric: true,
    gracefulRestart: { enabled: true, period: "60s", helper: true },
    install: { table: 101, metric: 40 },
    v2: {
      areas: [
        {
          id: 1,
          kind: "nssa",
          interfaces: [
            { ...INTERFACE, name: "eth0", auth: { keys: KEYS }, instanceId: 0 },
            {
              name: "eth1",
              type: "nbma",
              neighbors: [{ address: "198.51.100.1", priority: 3 }],
              auth: { password: "pw" },
            },
            { name: "eth2", auth: { passwordFile: "/s/one" } },
          ],
        },
      ],
    },
    v3: {
      areas: [
        {
          id: 1,
          kind: "stub",
          interfaces: [
            { ...INTERFACE, name: "eth0", auth: { keys: KEYS }, instanceId: 3 },
            { name: "eth1", type: "nbma", neighbors: [{ address: "fe80::1", priority: 3 }] },
          ],
        },
      ],
    },
  },
  bfd: {
    profiles: [
      {
        name: "fast",
        interval: "50ms",
        minRx: "60ms",
        multiplier: 4,
        echoInterval: "100ms",
        minEchoRx: "200ms",
        demand: true,
      },
      { name: "slow", interval: "900ms" },
    ],
    sessions: [
      {
        name: "far",
        peer: "198.51.100.9",
        local: "198.51.100.7",
        multihop: true,
        minTtl: 250,
        passive: true,
        profile: "slow",
        auth: { type: "meticulous-sha1", keyId: 2, key: "secret" },
        enabled: true,
      },
      { name: "near", peer: "192.0.2.9", interface: "eth0", auth: { type: "simple", keyFile: "/s/one" } },
    ],
    unsolicited: [{ interface: "eth1", from: ["198.51.100.0/24"], most: 4, profile: "fast" }],
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
  ]),
  routerId: undefined,
};

export interface World {
  readonly resources: ResourceSet;
  readonly settings: Settings;
  readonly allocated: Allocated;
  readonly desired: Desired;
}

/** undefined where the configuration is refused; `why` then says so. */
export function world(
  documents: readonly object[],
  settings: object = SETTINGS,
  facts: Facts = FACTS,
): World | { readonly why: string } {
  const items = documents.map((each) => ({ apiVersion: API, ...each }));
  const loaded = loadResources([{ file: "f", content: JSON.stringify({ kind: "List", items }) }]);
  const own = loadSettings({ file: "s", content: JSON.stringify(settings) });
  const together = own.settings === undefined ? [] : routingTogether(own.settings, loaded.resources);
  const problems = [...loaded.diagnostics, ...own.diagnostics, ...together].filter(isError);
  if (problems.length > 0 || own.settings === undefined) return { why: problems.map(formatDiagnostic).join("\n") };
  const allocated = allocate(loaded.resources, []);
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
