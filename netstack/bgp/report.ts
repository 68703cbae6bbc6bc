/** What operators see of peers and routes: made when somebody asks. */
import { formatIp, formatPrefix, isIpv4 } from "../../base/address.ts";
import { type Core, linksOf, type Peer } from "./core.ts";
import type { RouteQuery } from "./event.ts";
import { communityText, extendedCommunityText, largeCommunityText } from "./packet/community.ts";
import type { Family } from "./packet/family.ts";
import { pathText } from "./packet/path.ts";
import { type PathIndex, STALE } from "./paths.ts";
import { stateOf } from "./peer.ts";
import type { BgpPeerReport, BgpRouteReport } from "./plan.ts";
import type { PrefixId } from "./prefixes.ts";
import type { Rib } from "./rib.ts";
import { LOCAL } from "./sources.ts";
import { bfdId } from "./wishes.ts";

export function peerReport(core: Core, peer: Peer, epoch: number): BgpPeerReport {
  const { spec, up } = peer;
  const negotiated = up?.negotiated;
  const keepalive = linksOf(peer).find(({ session }) => session.state === "established")?.session.keepaliveEvery;
  return {
    name: peer.name,
    address: peer.address === undefined ? undefined : formatIp(peer.address),
    ifname: up?.link.ends?.ifname ?? spec.ifname,
    asn: negotiated?.asn ?? (typeof spec.asn === "number" ? spec.asn : undefined),
    routerId: negotiated === undefined ? undefined : formatIp(negotiated.routerId),
    state: stateOf(peer),
    since: Math.round(peer.movedAt + epoch),
    holdTime: negotiated?.holdTime ?? 0,
    keepalive: keepalive ?? 0,
    capabilities: negotiated?.capabilities ?? [],
    families: spec.families.map(({ family }) => ({
      family,
      received: core.ribs[family].counts(peer.source).received,
      accepted: core.ribs[family].counts(peer.source).accepted,
      announced: up?.families.get(family)?.out.announced ?? 0,
      stale: core.ribs[family].counts(peer.source).stale,
    })),
    messages: structureOf(peer),
    established: peer.established,
    lastError: peer.lastError,
    bfd: spec.bfd === undefined ? undefined : bfdId(peer),
    refused: { ...peer.refused },
  };
}
function structureOf({ messages }: Peer): BgpPeerReport["messages"] {
  return Object.fromEntries(Object.entries(messages).map(([kind, counts]) => [kind, { ...counts }]));
}

export function routesFor(
  core: Core,
  query: RouteQuery,
): { readonly routes: readonly BgpRouteReport[]; readonly more: number } {
  const routes: BgpRouteReport[] = [];
  let more = 0;
  const source = query.peer === undefined ? undefined : sourceOf(core, query.peer);
  if (query.peer !== undefined && source === undefined) return { routes, more };
  for (const rib of Object.values(core.ribs)) {
    for (const prefix of prefixesOf(rib, query)) {
      const { paths } = rib;
      const wanted: PathIndex[] = [];
      for (let path = paths.first(prefix); path !== 0; path = paths.next(path))
        if (source === undefined || paths.source(path) === source) wanted.push(path);
      if (wanted.length === 0) continue;
      if (routes.length + wanted.length > query.most) more += wanted.length;
      else routes.push(...reportsOf(core, rib, prefix, wanted));
    }
  }
  return { routes, more };
}
function sourceOf(core: Core, name: string): number | undefined {
  return name === "local" ? LOCAL : core.peers.get(name)?.source;
}
function prefixesOf(rib: Rib, { prefix }: RouteQuery): readonly PrefixId[] {
  if (prefix !== undefined) {
    if (isIpv4(prefix.ip) !== (rib.family === "ipv4")) return [];
    const id = rib.table.find(prefix);
    return id === 0 ? [] : [id];
  }
  const ids: PrefixId[] = [];
  for (let id = 1; id < rib.table.bound; id++) if (rib.paths.first(id) !== 0) ids.push(id);
  return ids.sort((a, b) => rib.table.compare(a, b));
}

function reportsOf(core: Core, rib: Rib, prefix: PrefixId, wanted: readonly PathIndex[]): readonly BgpRouteReport[] {
  const lost = new Map<PathIndex, string>();
  const decision = rib.decision(prefix, (loser, why) => lost.set(loser.path, why));
  for (const { path } of decision?.equal ?? []) if (path !== decision?.best.path) lost.set(path, "multipath");
  const { paths } = rib;
  return wanted.map((path) => {
    const used = paths.attributes(path);
    const { attributes, nextHop } = core.store.entry(used === 0 ? paths.raw(path) : used);
    const source = paths.source(path);
    const { name } = core.sources.get(source);
    const best = decision?.best.path === path;
    return {
      prefix: formatPrefix(rib.table.prefix(prefix)),
      peer: name,
      best,
      stale: (paths.flags(path) & STALE) !== 0,
      nextHop: source === LOCAL ? "self" : formatIp(nextHop),
      asPath: pathText(attributes.asPath),
      origin: attributes.origin,
      med: attributes.med,
      localPref: attributes.localPref,
      communities: [
        ...attributes.communities.map(communityText),
        ...attributes.extendedCommunities.map(extendedCommunityText),
      ],
      largeCommunities: attributes.largeCommunities.map(largeCommunityText),
      why: best ? (decision?.why ?? "only") : (lost.get(path) ?? unusable(core, rib.family, name, prefix, path, rib)),
    };
  });
}
function unusable(core: Core, family: Family, name: string, prefix: PrefixId, path: PathIndex, rib: Rib): string {
  const importer = core.peers.get(name)?.importers.get(family);
  return importer?.why(prefix, rib.paths.raw(path)) ?? "next-hop-unreachable";
}
