/**
 * Links and remote sites of the resources as one picture: which site is ours, its links in their order, the others with
 * theirs, and the networks of each.  Both ends of a tunnel make the same picture of it: what numbers a link gets depends on
 * names alone.
 */
import { formatIp, type Ip, isIpv4, type Prefix } from "../base/address.ts";
import type { RemoteCluster, ResourceSet, WanLink } from "./kinds.ts";
import { ipOf, numberOf } from "./range.ts";
import type { Settings } from "./settings.ts";
import type { Bandwidth, HostPort } from "./wan-values.ts";

export interface WanSites {
  /** undefined: neither settings nor resources say it. */
  readonly site: string | undefined;
  /** In the order of their names: a link's place is its number. */
  readonly links: readonly WanLink[];
  /** Every site but ours that is not paused, in the order of their names. */
  readonly remotes: readonly RemoteSite[];
}

export interface RemoteSite {
  readonly name: string;
  readonly cluster: RemoteCluster;
  /** Site through which it is reached; undefined: by tunnels of its own. */
  readonly via: string | undefined;
  /** Site that relays while there is no direct way. */
  readonly relay: string | undefined;
  /** In the order of their names. */
  readonly links: readonly RemoteLink[];
  /** Of its host in the overlay. */
  readonly address: Ip;
  /** Its part of the overlay, and the networks behind it. */
  readonly networks: readonly Prefix[];
}

export interface RemoteLink {
  readonly name: string;
  readonly host: string | undefined;
  /** First port of its tunnels. */
  readonly port: number;
  readonly bandwidth: Bandwidth | undefined;
  /** Its cost and tariff. */
  readonly cost: number;
  readonly backup: boolean;
  readonly metered: boolean;
  readonly sla: WanLink["spec"]["sla"] | undefined;
}

/** Tunnels of a link for one remote link each; devices of other code points follow after all links'. */
export const MOST_LINKS = 8;
export const FIRST_PORT = 51_820;
/** A link without a ProxyWANLink: a site that is known by its endpoint alone. */
const ONLY_LINK = "wan";

export function wanSites({ sdwan }: Settings, { wanLinks, remoteClusters }: ResourceSet): WanSites {
  const site = sdwan.site ?? deduced(wanLinks, remoteClusters);
  const of = (name: string): readonly WanLink[] => inOrder(wanLinks.filter(({ spec }) => spec.site === name));
  const all = remoteClusters
    .filter(({ spec }) => !spec.paused && spec.clusterName !== site)
    .toSorted((a, b) => (a.spec.clusterName < b.spec.clusterName ? -1 : 1));
  const { kind, hubs } = sdwan.topology;
  const known = new Set(all.map(({ spec }) => spec.clusterName));
  const usableHubs = hubs.filter((hub) => known.has(hub));
  const isHub = site !== undefined && hubs.includes(site);
  const remotes = all.map((cluster): RemoteSite => {
    const { clusterName: name, connection, overlayCIDR } = cluster.spec;
    const { tunnel } = connection;
    const { via, relay, wireGuard } = tunnel;
    const others = usableHubs.filter((hub) => hub !== name);
    const spoke = kind === "hub-and-spoke" && !isHub && !hubs.includes(name) ? others[0] : undefined;
    return {
      name,
      cluster,
      via: via ?? spoke,
      relay: relay ?? relayOf(tunnel.relayEndpoint, wanLinks, all) ?? others[0],
      links: remoteLinks(of(name), wireGuard),
      address: firstHost(overlayCIDR),
      networks: [overlayCIDR, ...wireGuard.allowedIPs],
    };
  });
  return { site, links: site === undefined ? [] : of(site), remotes };
}

/** The one site that links name and that is no remote one. */
function deduced(links: readonly WanLink[], clusters: readonly RemoteCluster[]): string | undefined {
  const remote = new Set(clusters.map(({ spec }) => spec.clusterName));
  const own = new Set(links.map(({ spec }) => spec.site).filter((name) => !remote.has(name)));
  const [only, ...more] = own;
  return more.length === 0 ? only : undefined;
}

function inOrder(links: readonly WanLink[]): readonly WanLink[] {
  return links.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

/** First UDP port of a link's tunnels; `index` is its place among the links of its site. */
export function firstPort({ spec }: WanLink, index: number): number {
  return spec.tunnelEndpoint.port ?? FIRST_PORT + MOST_LINKS * index;
}
/** Of the tunnel to a site's link number `far`, whose outer packets carry this code point. */
export function tunnelPort(first: number, far: number, dscp: number): number {
  return first + far + MOST_LINKS * MOST_LINKS * dscp;
}

export function isMetered({ spec }: WanLink): boolean {
  return spec.metered || spec.quota !== undefined || spec.tariff > 0;
}

type WireGuard = RemoteCluster["spec"]["connection"]["tunnel"]["wireGuard"];
function remoteLinks(links: readonly WanLink[], { endpoint, listenPort }: WireGuard): readonly RemoteLink[] {
  if (links.length === 0) {
    const port = endpoint?.port ?? listenPort;
    const unknown = { bandwidth: undefined, cost: 0, backup: false, metered: false, sla: undefined };
    return [{ name: ONLY_LINK, host: endpoint?.host, port, ...unknown }];
  }
  return links.map((link, index): RemoteLink => {
    const { spec, metadata } = link;
    const { publicIP } = spec.tunnelEndpoint;
    return {
      name: metadata.name,
      host: publicIP === undefined ? undefined : formatIp(publicIP),
      port: firstPort(link, index),
      bandwidth: spec.bandwidth,
      cost: spec.cost + spec.tariff,
      backup: spec.role === "backup",
      metered: isMetered(link),
      sla: spec.sla,
    };
  });
}

/** The site that is reached at this endpoint. */
export function relayOf(
  endpoint: HostPort | undefined,
  links: readonly WanLink[],
  clusters: readonly RemoteCluster[],
): string | undefined {
  if (endpoint === undefined) return undefined;
  const site = clusters.find(({ spec }) => {
    const { wireGuard } = spec.connection.tunnel;
    return sameEndpoint(endpoint, wireGuard.endpoint);
  });
  if (site !== undefined) return site.spec.clusterName;
  return links.find(({ spec }) => {
    const { publicIP, port } = spec.tunnelEndpoint;
    return publicIP !== undefined && sameEndpoint(endpoint, { host: formatIp(publicIP), port });
  })?.spec.site;
}
/** A port that one of the two leaves out is none to differ by. */
function sameEndpoint(a: HostPort, b: HostPort | undefined): boolean {
  return b !== undefined && a.host === b.host && (a.port === undefined || b.port === undefined || a.port === b.port);
}

/** The host's address in its part of the overlay. */
export function firstHost({ ip, length }: Prefix): Ip {
  const v6 = !isIpv4(ip);
  const full = v6 ? 128 : 32;
  return length === full ? ip : ipOf(numberOf(ip) + 1n, v6);
}
