/** What the configuration reference says beside the fields: examples (a test loads them) and the rules of the files. */

import type { Kind } from "../resources/names.ts";
import { WAN_EXAMPLES } from "./reference-wan.ts";

export const INTRODUCTION = `# Configuration reference

<!-- Written by \`npm run docs\` from the schemas in resources/; do not edit. -->

A node reads its settings from \`/etc/novaedge/novaedge.yaml\` and its resources from all \`*.yaml\` and \`*.yml\` files of
\`/etc/novaedge/conf.d\`, in the order of their names. The daemon watches both; SIGHUP, \`novactl reload\` and
\`novactl apply\` do the same. Resources are shaped like Kubernetes objects: apiVersion, kind, metadata, spec.

Files are read strictly. An unknown field, a wrong type, a reference that leads nowhere, a name twice: each is reported as
\`file:line:column: error: …\` with the nearest right name, **nothing** of the change takes effect, and what ran goes on
running. \`novactl check -c DIR\` does the same reading without a daemon and exits with 78 when something is wrong.

- Durations: \`50ms\`, \`2s\`, \`1h30m\`. Sizes: octets (\`4096\`) or \`512Ki\`, \`10Mi\`, \`1G\`. Ports: 1–65535.
- YAML 1.2: \`yes\` and \`no\` are texts; \`true\` and \`false\` are not. No tags, no merge keys (\`<<\`).
- A field that this page does not name does not exist. One that other versions know is refused by its own message.
- [schema/resources.json](schema/resources.json) and [schema/settings.json](schema/settings.json) are for editors.
`;

export const SETTINGS_NOTES = `What a node is. All fields are optional; most changes of \`node\` and \`l2\`, and all of \`bgp\`, \`ospf\`, \`bfd\` and
\`routing\`, take effect at once; the rest needs a restart (the daemon says so).

**Routing.** One node is one BGP router and one OSPF router of each version. \`bgp\`, \`ospf\` and \`bfd\` describe them in
full; virtual IPs of modes BGP and OSPF add their addresses and, where a few fields suffice, everything else: see ProxyVIP.
The routing process runs only while there is something to route. A changed policy or network ends no session; a changed peer
touches no other.

Nothing is learnt and only what is ours is announced, to external and internal peers alike, until \`import\` and \`export\`
say otherwise (RFC 8212). \`own\` are the virtual IPs and \`bgp.networks\`; \`all\` makes this node a transit.

Secrets stand in the file, or in a file of their own (\`passwordFile\`, \`keyFile\`, \`secretFile\`: one line, not readable by
everybody); no command, log line or finding shows them. TCP-AO needs Linux 6.7; on an older kernel the peer stays down and
says why.
`;

export const SDWAN_NOTES = `
**SD-WAN.** \`sdwan\` says which site this host is; ProxyWANLink, ProxyWANPolicy and NovaEdgeRemoteCluster say the rest, and
the same files may be read by every site. Without a link of this host's site nothing is done. Concepts, a quick start and
what is made in the kernel: [sdwan.md](sdwan.md).
`;

export const KIND_NOTES: Readonly<Record<Kind, string>> = {
  ProxyGateway: `With \`vipRef\` the listeners listen on the addresses of that virtual IP, on every node, owner or not: a take-over waits
for nothing. Two gateways may share a virtual IP, but not a port on it.
`,
  ProxyRoute: `Among the rules of a listener the most specific wins, whatever the order of files: host exact, then suffix (longer
first), then prefix, then any; path exact, then prefix (longer first), then regular expression; then a method; then more
headers; then more query parameters; then the route's name and the rule's position. \`PathPrefix\` compares whole segments.
A route belongs only to the gateways in \`parentRefs\`.
`,
  ProxyBackend: `Endpoints are addresses; an unhealthy one gets no requests until it has answered \`healthyThreshold\` checks in a row.
`,
  ProxyVIP: `A node may own the address (it is *eligible*) while all of this holds:

1. \`nodeSelector\` matches the node's labels;
2. a gateway refers to the virtual IP (unless \`healthPolicy.requireGateway\` is false);
3. a data plane of the node accepts on every port in \`ports\`, on every address of the virtual IP;
4. enough of the endpoints that the routes of its gateways reach are healthy: at least \`minHealthyNodes\` and at least
   \`minHealthyPercent\`; with neither written, one.

Among eligible nodes the priority decides, then which node has fewer virtual IPs, then a hash that spreads equals; an owner
stays owner unless \`l2.preempt\` says otherwise. An IPv4 and an IPv6 address of one virtual IP move together. The address is bound as /32 or /128.

**Modes BGP and OSPF.** There is no owner: *every* eligible node binds the address to \`lo\` and announces it, and routers
share the traffic (ECMP). A node that is not eligible withdraws first and unbinds later. \`healthPolicy.minHealthyNodes\` is how
many endpoints a node needs behind the address before it announces it.

- Router id: \`bgp.routerId\` (\`ospf.routerId\`) of the node, else \`routerID\` here, else the lowest IPv4 address of the
  node's interfaces, which is kept. Nodes that read the same file must not share one: leave it out here.
- AS: \`bgp.asn\` of the node, or \`localAS\`, or \`localASBase\` plus the last octet of the router id (65000 and 10.0.3.7 make
  65007; nodes of different /24 networks may collide). Two different ones for one node are refused.
- \`bgpConfig.peers\` become peers of the node, or are found among \`bgp.peers\` by their address; only they hear the
  address. Without any, all peers of the node hear it.
- Mode OSPF on a node whose settings describe no \`ospf.v2\` or \`ospf.v3\`: interfaces with a default route, with the area,
  timers, authentication and \`bfd\` of the virtual IP, which must agree. Otherwise the settings describe the interfaces, and
  those fields are refused here.
- Several nodes answer for one address, so a flow that routers move must find the same endpoint behind another node. Until
  a balance policy that does so is there, \`LB_NOT_CONSISTENT\` says which backends are concerned.
`,
  ProxyIPPool: `A virtual IP with a \`poolRef\`, or without any address where a pool has \`autoAssign\`, is given the first free address in
numeric order. It keeps it as long as it exists, also over restarts (\`paths.state\`). Nodes that share a virtual IP compute the
same address as long as they saw the same files from the beginning; where that cannot be promised (a node joins later,
files were applied in another order), write the addresses.
`,
  ProxyWANLink: `Links of all sites may stand in one directory that every site reads: those of \`sdwan.site\` are this host's own, the others
are where its tunnels lead. A site's links count in the order of their names: tunnel k of a link leads to the k-th link of
every other site and listens on \`tunnelEndpoint.port\` + k.

\`maxPacketLoss: "1%"\` is plain. Bare numbers were documented as a ratio and used as percent elsewhere: below 1 it is read as a
ratio (0.01 is 1 %), from 1 on as percent, and a warning says which.
`,
  ProxyWANPolicy: `Flows are classified once, when they begin; the highest \`priority\` that matches decides. Unmatched traffic to other sites
takes the best path by latency; unmatched traffic to the internet is left to the host's main routing table.
`,
  NovaEdgeRemoteCluster: `Both sites name each other: each has the other's public key (\`novactl wan keys\` shows one's own) and \`overlayCIDR\`.
`,
};

/** Further documents of a kind, each with a word about it. */
export const MORE_EXAMPLES: Readonly<Partial<Record<Kind, string>>> = {
  ProxyVIP: `metadata:
  name: anycast
spec:
  address: 203.0.113.10
  ipv6Address: 2001:db8:ffff::10
  mode: BGP
  ports: [80]
  healthPolicy: {minHealthyNodes: 2}
  bgpConfig:
    localAS: 65001
    peers: [{address: 10.0.0.1, as: 65000}, {address: 10.0.0.2, as: 65000}]
    communities: ["65001:80"]
  bfd: {desiredMinTxInterval: 50ms, requiredMinRxInterval: 50ms}
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyVIP
metadata:
  name: inside
spec:
  address: 203.0.113.20
  mode: OSPF
  ports: [80]
  ospfConfig: {areaID: 0, cost: 20, metricType: external-1}
`,
};

export const EXAMPLES: Readonly<Record<Kind | "settings", string>> = {
  ...WAN_EXAMPLES,
  settings: `node:
  name: edge-1
  labels: {rack: a}
  priority: 150
l2:
  heartbeat: {interval: 100ms, multiplier: 3}
  witnesses: auto
  keyFile: /etc/novaedge/l2.key
bgp:
  asn: 65001
  routerId: 10.0.0.7
  prefixLists:
    - name: default
      prefixes: [{prefix: 0.0.0.0/0}]
  policies:
    - name: only-default
      rules:
        - {name: default, match: {prefixLists: [default]}, action: accept}
  peers:
    - name: tor1
      address: 10.0.0.1
      asn: 65000
      holdTime: 9s
      passwordFile: /etc/novaedge/tor.key
      ttlSecurity: 1
      import: only-default
      maxPrefixes: {ipv4: {limit: 100, restartAfter: 5m}}
      bfd: {profile: fast}
    - {name: uplink, interface: eth1, asn: external}
ospf:
  v2:
    areas:
      - id: 0
        interfaces:
          - name: eth2
            type: point-to-point
            auth: {keys: [{id: 1, algorithm: hmac-sha256, secretFile: /etc/novaedge/ospf.key}]}
            bfd: {profile: fast}
bfd:
  profiles:
    - {name: fast, interval: 50ms, multiplier: 3}
dataplane:
  workers: auto
sdwan:
  site: berlin
  overlayCIDR: 10.255.1.0/24
  prefixes: [10.1.0.0/16]
  stun: {servers: ["stun1.example.com:3478", "stun2.example.com:3478"]}
`,
  ProxyGateway: `metadata:
  name: web
spec:
  vipRef: edge
  listeners:
    - name: http
      port: 80
      protocol: HTTP
      hostnames: [www.example.com, "*.shop.example.com"]
      maxRequestBodySize: 10Mi
  accessLog:
    format: json
    excludePaths: [/healthz]
`,
  ProxyRoute: `metadata:
  name: shop
spec:
  parentRefs:
    - name: web
  hostnames: [www.example.com]
  rules:
    - matches:
        - path: {type: PathPrefix, value: /api}
          headers: [{name: X-Version, value: "2"}]
      filters:
        - type: AddHeader
          add: [{name: X-From, value: edge}]
      backendRefs:
        - {name: api, weight: 9}
        - {name: api-next, weight: 1}
      timeout: 5s
    - matches:
        - path: {type: Exact, value: /old}
      filters:
        - {type: RequestRedirect, redirectURL: "https://www.example.com/new"}
    - backendRef: {name: api}
`,
  ProxyBackend: `metadata:
  name: api
spec:
  endpoints:
    - {address: 10.0.0.11, port: 8080}
    - {address: 10.0.0.12, port: 8080, weight: 2}
  healthCheck:
    interval: 2s
    timeout: 1s
    httpPath: /healthz
`,
  ProxyVIP: `metadata:
  name: edge
spec:
  address: 192.0.2.10
  ipv6Address: 2001:db8::10
  mode: L2ARP
  ports: [80]
  healthPolicy:
    minHealthyNodes: 2
  l2:
    priorities:
      - nodeSelector: {matchLabels: {rack: a}}
        priority: 200
    preempt: true
    preemptDelay: 30s
`,
  ProxyIPPool: `metadata:
  name: public
spec:
  cidrs: [198.51.100.0/28]
  addresses: ["2001:db8::100"]
`,
};
