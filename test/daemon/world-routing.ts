/** A configuration of routing in which every field is written. */
import type { Document } from "./world.ts";

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
  bfd: { profile: "fast", multihop: true },
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
    prefixLists: [
      { name: "ours", prefixes: [{ prefix: "203.0.113.0/24", ge: 28, le: 32 }] },
      { name: "ours2", prefixes: [{ prefix: "203.0.114.0/24" }] },
    ],
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
              nextHop: "192.0.2.9",
            },
          },
          { name: "last", action: "accept" },
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
        extendedCommunities: ["ro:65001:9"],
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
      {
        name: "tor2",
        address: "198.51.100.1",
        asn: "internal",
        passwordFile: "/s/one",
        multihop: 3,
        families: ["ipv4"],
      },
      { name: "tor3", address: "198.51.100.2", asn: 65003, ao: { keyId: 1, algorithm: "hmac-sha256", key: "k" } },
      { name: "tor4", address: "198.51.100.3", asn: 65004, ao: { keyId: 2, keyFile: "/s/one" } },
    ],
    dynamic: [
      { ...SESSION, name: "servers", prefix: "10.1.0.0/16", most: 10, asn: 65100, password: "secret", ttlSecurity: 2 },
      { name: "d2", prefix: "10.2.0.0/16", asn: 65101, passwordFile: "/s/one", multihop: 3, families: ["ipv4"] },
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
            { ...INTERFACE, name: "eth0", auth: { keys: KEYS, extendedSequence: true } },
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
      {
        name: "near",
        peer: "192.0.2.9",
        interface: "eth0",
        multihop: false,
        profile: "slow",
        auth: { type: "simple", keyFile: "/s/one" },
      },
    ],
    unsolicited: [{ interface: "eth1", from: ["198.51.100.0/24"], most: 4, profile: "fast" }],
  },
};
