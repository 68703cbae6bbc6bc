/** What an admin API may say about routing, for tests of both of its sides. */

import { err, ok } from "../../base/result.ts";
import type { TraceLine } from "../../base/trace.ts";
import type { RoutingActions } from "../../daemon/admin/routing-actions.ts";
import type { BfdSessionStatus, BgpPeerStatus } from "../../daemon/admin/routing-api.ts";
import type { OspfInterfaceReport } from "../../netstack/ospf/plan.ts";

export const PEERS: readonly BgpPeerStatus[] = [
  {
    name: "tor1",
    address: "192.0.2.1",
    ifname: undefined,
    asn: 65000,
    routerId: "192.0.2.1",
    state: "established",
    since: 40_000,
    holdTime: 90_000,
    keepalive: 30_000,
    capabilities: ["route-refresh", "four-octet-as"],
    families: [
      { family: "ipv4", received: 20, accepted: 10, announced: 3, stale: 0 },
      { family: "ipv6", received: 2, accepted: 1, announced: 4, stale: 1 },
    ],
    messages: { update: { in: 5, out: 6 }, keepalive: { in: 7, out: 8 } },
    established: 2,
    lastError: "hold-timer-expired received",
    bfd: "up",
    refused: { "bad-marker": 1 },
    adminDown: false,
  },
  {
    name: "tor2",
    address: "192.0.2.2",
    ifname: undefined,
    asn: undefined,
    routerId: undefined,
    state: "active",
    since: 90_000,
    holdTime: 0,
    keepalive: 0,
    capabilities: [],
    families: [],
    messages: {},
    established: 0,
    lastError: undefined,
    bfd: undefined,
    refused: {},
    adminDown: true,
  },
];

export const INTERFACES: readonly OspfInterfaceReport[] = [
  {
    version: 2,
    ifname: "eth0",
    area: "0.0.0.1",
    state: "dr",
    dr: "192.0.2.7",
    bdr: "192.0.2.1",
    neighbors: [
      {
        routerId: "192.0.2.1",
        address: "10.0.0.1",
        priority: 1,
        state: "full",
        since: 0,
        deadIn: 38_000,
        retransmissions: 2,
        bfd: "up",
        lastError: undefined,
      },
      {
        routerId: "192.0.2.2",
        address: "10.0.0.2",
        priority: 0,
        state: "ex-start",
        since: 0,
        deadIn: 31_000,
        retransmissions: 9,
        bfd: undefined,
        lastError: "mtu-mismatch",
      },
    ],
    refused: { "auth-key": 3 },
  },
];

const SESSION: BfdSessionStatus = {
  id: "192.0.2.1",
  peer: "192.0.2.1",
  local: "192.0.2.7",
  ifname: "eth0",
  hops: "single",
  unsolicited: false,
  state: "up",
  wasUp: true,
  remoteState: "up",
  diagnostic: "none",
  remoteDiagnostic: "none",
  localDiscriminator: 17,
  remoteDiscriminator: 18,
  txInterval: 50,
  detectionTime: 150,
  echoInterval: undefined,
  heard: undefined,
  since: 70_000,
  flaps: 1,
  received: 100,
  sent: 101,
  refused: {},
  lastRefusal: undefined,
  clients: ["bgp/tor1"],
};
export const SESSIONS: readonly BfdSessionStatus[] = [
  SESSION,
  {
    ...SESSION,
    id: "192.0.2.9",
    peer: "192.0.2.9",
    state: "down",
    diagnostic: "control-detection-expired",
    clients: [],
  },
];

export const TRACE: TraceLine = {
  at: 5_000,
  protocol: "bgp",
  peer: "tor1",
  direction: "in",
  text: "KEEPALIVE",
};

export const ROUTING_ANSWERS: RoutingActions = {
  bgp: () => ({
    router: { asn: 65001, routerId: "192.0.2.7", port: 179, gracefulShutdown: false, networks: ["203.0.113.10/32"] },
    peers: PEERS,
  }),
  bgpRoutes: ({ prefix, peer }) =>
    Promise.resolve(
      ok({
        routes: [
          {
            prefix: prefix ?? "198.51.100.0/24",
            peer: peer ?? "tor1",
            best: true,
            stale: false,
            nextHop: "192.0.2.1",
            asPath: "65000 65010",
            origin: "igp",
            med: 5,
            localPref: 100,
            communities: ["65000:1"],
            largeCommunities: [],
            why: "as-path-length",
          },
        ],
        more: 4,
      }),
    ),
  clear: (request) =>
    Promise.resolve(
      request.peer === "tor1"
        ? ok(request)
        : err({ code: "NOT_FOUND", message: `there is no BGP peer ${request.peer}`, problems: [] }),
    ),
  ospf: () => ({
    routers: [
      { version: 2, routerId: "192.0.2.7", areas: ["0.0.0.1"], maxMetric: false, networks: ["203.0.113.20/32"] },
    ],
    interfaces: INTERFACES,
  }),
  ospfDatabase: () =>
    Promise.resolve(
      ok({
        lsas: [
          {
            area: "0.0.0.1",
            type: "router",
            id: "192.0.2.7",
            advertisingRouter: "192.0.2.7",
            age: 12,
            sequence: -2_147_483_647,
            checksum: 0xbeef,
            length: 48,
          },
        ],
      }),
    ),
  ospfRoutes: () =>
    Promise.resolve(
      ok({
        routes: [
          {
            prefix: "10.9.0.0/16",
            kind: "intra-area",
            cost: 30,
            nextHops: [
              { address: "10.0.0.1", ifname: "eth0" },
              { address: undefined, ifname: "eth1" },
            ],
          },
        ],
      }),
    ),
  bfd: () => Promise.resolve({ sessions: SESSIONS, strays: { "no-session": 2 } }),
  untraceable: () => undefined,
  trace: (_protocol, _peer, line) => {
    line(TRACE);
    return { [Symbol.dispose]: () => undefined };
  },
};
