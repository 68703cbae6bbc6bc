/**
 * A session that is up: its routes in, and what it is told.  Standards: RFC 4271 §9, RFC 7606 (by the codec), RFC 4486 §4
 * (prefix limit), RFC 2918, RFC 7313, RFC 4724.
 */
import { type Ip, isIpv4, isLinkLocal } from "../../base/address.ts";
import { after, type Instant, ms } from "../../base/unit.ts";
import { type Channel, type Core, event, type Link, type Peer, rearm, refuse } from "./core.ts";
import type { Ends } from "./event.ts";
import { Exporter } from "./exporting.ts";
import { endOfRib, mark, resume, retain, sweep } from "./graceful.ts";
import { Importer } from "./importing.ts";
import { feed } from "./link.ts";
import type { Negotiated } from "./negotiate.ts";
import type { NextHop } from "./packet/attribute.ts";
import { afiOf, type Family, isFamily, safiOf } from "./packet/family.ts";
import type { RouteRefresh, Update } from "./packet/message.ts";
import { eachPrefix } from "./packet/nlri.ts";
import { LONG_LIVED_STALE, REFRESHING } from "./paths.ts";
import { Policy } from "./policy.ts";
import { RibOut } from "./rib-out.ts";
import type { SessionAction } from "./session-state.ts";
import { orderOf } from "./sources.ts";

export function begin(core: Core, link: Link, negotiated: Negotiated, now: Instant): void {
  const { peer, ends } = link;
  const { agreed } = negotiated;
  core.sources.replace(peer.source, {
    name: peer.name,
    kind: agreed.peer,
    asn: negotiated.asn,
    routerId: negotiated.routerId,
    order: ends === undefined ? "" : orderOf(ends.remote),
    ifname: ends?.ifname ?? peer.spec.ifname,
  });
  peer.up = { link, negotiated, families: new Map(), told: false, extra: [] };
  peer.last = negotiated;
  // Before the importers of what is kept are replaced: what goes, goes by the old ones.
  resume(core, peer, negotiated, now);
  const marks = negotiated.capabilities.includes("graceful-restart");
  for (const family of agreed.families) {
    peer.importers.set(family, importerOf(core, peer, negotiated, ends, family));
    const channel: Channel = {
      family,
      out: new RibOut(),
      exporter: exporterOf(core, peer, negotiated, ends, family),
      synced: false,
      warned: false,
      refreshUntil: undefined,
      noNextHop: false,
    };
    channel.out.start(marks);
    peer.up.families.set(family, channel);
  }
  defer(core, peer, negotiated);
  core.outDirty = true;
}

export function end(
  core: Core,
  peer: Peer,
  { cause, received }: Extract<SessionAction, { readonly kind: "down" }>,
  now: Instant,
): void {
  peer.up = undefined;
  retain(core, peer, cause, received, now);
  core.changed.add(peer.name);
}

/**
 * RFC 4724 §4.1: whom to wait for after our own restart.  Who restarts as well is not waited for, or both would wait; but
 * it, too, will say End-of-RIB, as everybody does who has the capability, whatever families it names.
 */
function defer(core: Core, peer: Peer, { graceful }: Negotiated): void {
  if (graceful === undefined || graceful.restarting) core.unheard.delete(peer.name);
  if (graceful === undefined) core.unsynced.delete(peer.name);
}

export function importerOf(
  core: Core,
  peer: Peer,
  negotiated: Negotiated,
  ends: Ends | undefined,
  family: Family,
): Importer {
  const own = new Set<Ip>(ends === undefined ? [] : [ends.local, ...ends.addresses]);
  return new Importer({
    store: core.store,
    external: negotiated.agreed.peer === "external",
    asns: [...new Set([core.plan?.asn ?? 0, peer.spec.localAsn ?? core.plan?.asn ?? 0])],
    routerId: core.routerId,
    isOurs: (ip) => own.has(ip),
    policy: new Policy(peer.spec.import, {
      store: core.store,
      table: core.ribs[family].table,
      prepend: negotiated.asn,
      self: undefined,
    }),
  });
}
export function exporterOf(
  core: Core,
  peer: Peer,
  negotiated: Negotiated,
  ends: Ends | undefined,
  family: Family,
): Exporter {
  const { agreed, longLived } = negotiated;
  const external = agreed.peer === "external";
  const asn = peer.spec.localAsn ?? core.plan?.asn ?? 0;
  const self = ends === undefined ? undefined : selfOf(ends, family, agreed.extendedNextHop);
  const rib = core.ribs[family];
  return new Exporter({
    store: core.store,
    sources: core.sources,
    rib,
    peer: peer.source,
    external,
    asn,
    self,
    extendedNextHop: agreed.extendedNextHop,
    longLived: longLived.has(family),
    gracefulShutdown: core.plan?.gracefulShutdown === true || core.drain !== undefined,
    policy: new Policy(peer.spec.export, {
      store: core.store,
      table: rib.table,
      prepend: external ? asn : undefined,
      self,
    }),
    hears: (audience) => core.locals.hears(audience, peer.name),
  });
}

/** RFC 4271 §5.1.3, RFC 2545 §3, RFC 8950 §4: the address of ours that the peer can send to. */
export function selfOf({ local, addresses, ifname }: Ends, family: Family, extended: boolean): NextHop | undefined {
  const global = addresses.find((ip) => !isIpv4(ip) && !isLinkLocal(ip));
  // RFC 2545 §3: only to who is on the same link.
  const linkLocal = ifname === undefined ? undefined : addresses.find((ip) => !isIpv4(ip) && isLinkLocal(ip));
  const ipv6 = (): NextHop | undefined => {
    const first = !isIpv4(local) && !isLinkLocal(local) ? local : global;
    const second = !isIpv4(local) && isLinkLocal(local) ? local : linkLocal;
    if (first === undefined && second === undefined) return undefined;
    return { global: first, linkLocal: second === undefined || isIpv4(second) ? undefined : second };
  };
  if (family === "ipv6") return ipv6();
  if (isIpv4(local)) return { global: local, linkLocal: undefined };
  if (extended) return ipv6();
  const ipv4 = addresses.find(isIpv4);
  return ipv4 === undefined ? undefined : { global: ipv4, linkLocal: undefined };
}

export function updated(core: Core, peer: Peer, update: Update, now: Instant): void {
  const { source } = peer;
  for (const { attribute, why, treatment } of update.faults) refuse(peer, `${treatment}/${attribute ?? "list"}/${why}`);
  for (const family of update.skipped) refuse(peer, `skipped/${family}`);
  if (update.impossible.length > 0) refuse(peer, "impossible-prefix");
  for (const nlri of update.unreach) {
    const rib = core.ribs[nlri.family];
    eachPrefix(nlri, (octets, at, bits, pathId) => {
      const prefix = rib.table.findWire(octets, at, bits);
      if (prefix !== 0) rib.unset(prefix, source, pathId);
    });
  }
  for (const { nlri, attributes } of update.reach) {
    const rib = core.ribs[nlri.family];
    const importer = peer.importers.get(nlri.family);
    if (importer === undefined) throw new TypeError("a family that was not agreed on");
    const raw = core.store.id(attributes);
    const use = importer.forSet(raw);
    eachPrefix(nlri, (octets, at, bits, pathId) => {
      const prefix = rib.table.idOfWire(octets, at, bits);
      rib.set(prefix, source, pathId, raw, use(prefix));
    });
    if (!limited(core, peer, nlri.family, now)) return;
  }
  if (update.endOfRib !== undefined && isFamily(update.endOfRib)) synced(core, peer, update.endOfRib);
  core.changed.add(peer.name);
}

/** Whether the session goes on. */
export function limited(core: Core, peer: Peer, family: Family, now: Instant): boolean {
  const { up } = peer;
  if (up === undefined) return false;
  const { received } = core.ribs[family].counts(peer.source);
  const most = peer.spec.families.find((each) => each.family === family)?.maxPrefixes ?? DEFAULT_MOST;
  const channel = up.families.get(family);
  if (channel !== undefined && !channel.warned && received > (most.limit * most.warnAt) / 100) {
    channel.warned = true;
    event(core, "warn", "bgp.many-prefixes", { peer: peer.name, family, received, limit: most.limit });
  }
  if (received <= most.limit) return true;
  event(core, "warn", "bgp.too-many-prefixes", { peer: peer.name, family, received, limit: most.limit });
  // RFC 4486 §4: the family and the limit.
  const [afi, limit] = [afiOf(family), most.limit];
  const data = Uint8Array.of(afi >>> 8, afi, safiOf(family), limit >>> 24, limit >>> 16, limit >>> 8, limit);
  const idle =
    most.restartAfter === undefined
      ? ({ kind: "for-good" } as const)
      : ({ kind: "for", span: ms(most.restartAfter) } as const);
  const ending = { reason: "cease/maximum-number-of-prefixes-reached", data } as const;
  feed(core, up.link, { kind: "stop", manual: false, ending, idle }, now);
  return false;
}

function synced(core: Core, peer: Peer, family: Family): void {
  const channel = peer.up?.families.get(family);
  if (channel === undefined) return;
  channel.synced = true;
  endOfRib(core, peer, family);
  rearm(peer);
  if (![...(peer.up?.families.values() ?? [])].every((each) => each.synced)) return;
  core.unheard.delete(peer.name);
  core.unsynced.delete(peer.name);
}

export function refreshed(core: Core, peer: Peer, { family, what }: RouteRefresh, now: Instant): void {
  const channel = isFamily(family) ? peer.up?.families.get(family) : undefined;
  if (channel === undefined || !isFamily(family)) {
    refuse(peer, `refresh/${family}`); // RFC 2918 §4: ignored
    return;
  }
  switch (what) {
    case "request":
      channel.out.refresh(peer.up?.negotiated.agreed.enhancedRouteRefresh === true);
      core.outDirty = true;
      return;
    case "begin":
      mark(core, peer, family, REFRESHING);
      channel.refreshUntil = after(now, REFRESH_PATIENCE);
      break;
    case "end":
      // RFC 7313 §4.2: what was not said again between the marks is gone.
      if (channel.refreshUntil !== undefined) sweep(core, peer, family, REFRESHING);
      channel.refreshUntil = undefined;
      break;
    default:
      refuse(peer, `refresh/${String(what)}`); // RFC 7313 §5: ignored
      return;
  }
  rearm(peer);
}

/** RFC 7313 §4.2: an EoRR that never comes. */
export function expireRefreshes(core: Core, peer: Peer, now: Instant): void {
  for (const channel of peer.up?.families.values() ?? []) {
    if (channel.refreshUntil === undefined || now < channel.refreshUntil) continue;
    channel.refreshUntil = undefined;
    sweep(core, peer, channel.family, REFRESHING);
    event(core, "warn", "bgp.refresh-unfinished", { peer: peer.name, family: channel.family });
  }
  rearm(peer);
}

/** Import policy is another now: Adj-RIB-In is looked at again, and no session notices. */
export function reimport(core: Core, peer: Peer): void {
  const negotiated = peer.up?.negotiated ?? peer.last;
  if (negotiated === undefined) return;
  for (const family of peer.importers.keys()) {
    const importer = importerOf(core, peer, negotiated, peer.up?.link.ends, family);
    peer.importers.set(family, importer);
    const rib = core.ribs[family];
    rib.paths.eachOf(peer.source, (path) => {
      const [raw, flags] = [rib.paths.raw(path), rib.paths.flags(path)];
      const taken = importer.apply(rib.paths.prefix(path), raw);
      rib.update(path, raw, taken !== 0 && (flags & LONG_LIVED_STALE) !== 0 ? importer.longLived(taken) : taken, flags);
    });
  }
}
/** The same for what it is told. */
export function reexport(core: Core, peer: Peer): void {
  const { up } = peer;
  for (const channel of up?.families.values() ?? []) {
    if (up === undefined) return;
    channel.exporter = exporterOf(core, peer, up.negotiated, up.link.ends, channel.family);
    channel.out.review();
  }
  core.outDirty = true;
}

/** Where nothing was configured: far more than a router's neighbour should have, far less than memory. */
const DEFAULT_MOST = { limit: 500_000, warnAt: 80, restartAfter: 300_000 };
const REFRESH_PATIENCE = ms(300_000);
