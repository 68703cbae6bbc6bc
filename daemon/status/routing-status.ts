/** Routing as the admin API and the metrics show it.  Pure but for what it asks the parts. */
import type { BgpPeerSpec } from "../../netstack/bgp/plan.ts";
import type { BgpPeerStatus, BgpStatus, OspfStatus, RoutingSummary } from "../admin/routing-api.ts";
import type { RoutingMeasured } from "../metrics/routing.ts";
import type { Bfd } from "../parts/bfd.ts";
import type { Routing } from "../parts/routing.ts";

/** Clients know a session by the id of their wish; people want to know how it is. */
export function bgpStatus({ plan, peers }: Routing, bfd: Bfd): BgpStatus {
  const bgp = plan?.bgp;
  if (bgp === undefined) return { router: undefined, peers: [] };
  const specs = new Map(bgp.peers.map((spec) => [spec.name, spec]));
  const silent = bgp.peers.filter(({ name }) => !peers.has(name)).map(unreported);
  const reported = [...peers.values()].map(
    (report): BgpPeerStatus => ({
      ...report,
      bfd: bfd.stateFor(report.bfd),
      adminDown: specs.get(report.name)?.adminDown === true,
    }),
  );
  return {
    router: {
      asn: bgp.asn,
      routerId: bgp.routerId,
      port: bgp.listen.port,
      gracefulShutdown: bgp.gracefulShutdown,
      networks: bgp.networks.map(({ prefix }) => prefix),
    },
    peers: [...reported, ...silent].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

/** Wanted, and the routing process has not said anything about it. */
function unreported({ name, address, ifname, asn, adminDown }: BgpPeerSpec): BgpPeerStatus {
  return {
    name,
    address,
    ifname,
    asn: typeof asn === "number" ? asn : undefined,
    routerId: undefined,
    state: "idle",
    since: 0,
    holdTime: 0,
    keepalive: 0,
    capabilities: [],
    families: [],
    messages: {},
    established: 0,
    lastError: undefined,
    bfd: undefined,
    refused: {},
    adminDown,
  };
}

export function ospfStatus({ plan, interfaces }: Routing): OspfStatus {
  return {
    routers: (plan?.ospf ?? []).map(({ version, routerId, areas, maxMetric, networks }) => ({
      version,
      routerId,
      areas: areas.map(({ id }) => id),
      maxMetric,
      networks: networks.map(({ prefix }) => prefix),
    })),
    interfaces: interfaces.toSorted((a, b) => a.version - b.version || (a.ifname < b.ifname ? -1 : 1)),
  };
}

/** How routing is measured: own prefixes count while their virtual IP is announced and somebody hears of them. */
export function routingMeasured(routing: Routing, bfd: Bfd): RoutingMeasured {
  const { plan, vips } = routing;
  const bgp = bgpStatus(routing, bfd);
  const ospf = ospfStatus(routing);
  const silent = new Set(
    (plan?.vips ?? [])
      .filter(({ name }) => vips.get(name)?.report.state !== "announced")
      .flatMap((vip) => vip.addresses),
  );
  const told = (prefixes: readonly string[]): number => prefixes.filter((prefix) => !silent.has(prefix)).length;
  const heard = bgp.peers.some(({ state }) => state === "established");
  const adjacent = ospf.interfaces.some(({ neighbors }) => neighbors.some(({ state }) => state === "full"));
  return {
    bgp,
    ospf,
    bfd: bfd.status,
    announced: {
      bgp: heard ? told(bgp.router?.networks ?? []) : 0,
      ospf: adjacent ? told(ospf.routers.flatMap(({ networks }) => networks)) : 0,
    },
  };
}

export function routingSummary(routing: Routing, bfd: Bfd): RoutingSummary {
  const { plan, interfaces } = routing;
  const { sessions } = bfd.status;
  const { peers } = bgpStatus(routing, bfd);
  const neighbors = interfaces.flatMap((each) => each.neighbors);
  const [ospf] = plan?.ospf ?? [];
  return {
    bgp:
      plan?.bgp === undefined
        ? undefined
        : {
            asn: plan.bgp.asn,
            routerId: plan.bgp.routerId,
            peers: peers.length,
            established: peers.filter(({ state }) => state === "established").length,
            gracefulShutdown: plan.bgp.gracefulShutdown,
          },
    ospf:
      ospf === undefined
        ? undefined
        : {
            routerId: ospf.routerId,
            interfaces: interfaces.length,
            neighbors: neighbors.length,
            full: neighbors.filter(({ state }) => state === "full").length,
            maxMetric: plan?.ospf.some(({ maxMetric }) => maxMetric) === true,
          },
    bfd: { sessions: sessions.length, up: sessions.filter(({ state }) => state === "up").length },
  };
}
