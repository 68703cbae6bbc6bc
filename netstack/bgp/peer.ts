/** A peer: who it is, which of its sessions is the one, how it starts and stops.  Routes are established.ts. */
import { contains, formatIp, type Ip, isLinkLocal, parseIp, parsePrefix } from "../../base/address.ts";
import { type Instant, ms } from "../../base/unit.ts";
import { type Core, event, type Link, linksOf, type Peer, rearm, refuse } from "./core.ts";
import type { Connection, Ends } from "./event.ts";
import { flush } from "./graceful.ts";
import { connected, feed, hurry, linkOf } from "./link.ts";
import type { BgpDynamicSpec, BgpPeerSpec, BgpState } from "./plan.ts";
import { must } from "./policy.ts";
import type { Ending, IdleHold, SessionAction, SessionConfig } from "./session-state.ts";
import { orderOf } from "./sources.ts";

export function createPeer(core: Core, spec: BgpPeerSpec, dynamic: string | undefined, now: Instant): Peer {
  const address = spec.address === undefined ? core.routers.get(spec.ifname ?? "") : must(parseIp(spec.address));
  const source = core.sources.add({
    name: spec.name,
    kind: "external",
    asn: 0,
    routerId: 0,
    order: address === undefined ? "" : orderOf(address),
    ifname: spec.ifname,
  });
  const peer: Omit<Peer, "main"> & { main: Link | undefined } = {
    name: spec.name,
    spec,
    dynamic,
    source,
    address,
    main: undefined,
    second: undefined,
    up: undefined,
    importers: new Map(),
    retained: new Map(),
    last: undefined,
    bfdUp: undefined,
    wakeAt: undefined,
    movedAt: now,
    established: 0,
    lastError: undefined,
    messages: {
      open: { in: 0, out: 0 },
      update: { in: 0, out: 0 },
      notification: { in: 0, out: 0 },
      keepalive: { in: 0, out: 0 },
      "route-refresh": { in: 0, out: 0 },
    },
    refused: {},
    malformed: 0,
  };
  const whole = peer as Peer;
  whole.main = linkOf(whole, configOf(spec), false);
  core.peers.set(spec.name, whole);
  core.changed.add(spec.name);
  core.listsDirty = true;
  return whole;
}

export function configOf(spec: BgpPeerSpec): SessionConfig {
  return {
    active: spec.mode !== "passive",
    connectRetry: ms(spec.connectRetry),
    keepalive: ms(spec.keepalive),
    delayOpen: undefined,
  };
}

export function start(core: Core, peer: Peer, manual: boolean, now: Instant): void {
  if (peer.spec.adminDown || core.stopped) return;
  feed(core, peer.main, { kind: "start", manual }, now);
}
export function stop(
  core: Core,
  peer: Peer,
  ending: Ending,
  how: { readonly idle: IdleHold; readonly manual: boolean },
  now: Instant,
): void {
  for (const link of linksOf(peer)) feed(core, link, { kind: "stop", ending, ...how }, now);
}
/** Its configuration goes, or its call from a prefix is over. */
export function removePeer(core: Core, peer: Peer): void {
  if (!core.peers.delete(peer.name)) return;
  flush(core, peer);
  // Its number may be another's at once: nothing of it may be left.
  for (const rib of Object.values(core.ribs)) rib.paths.eachOf(peer.source, (path) => rib.remove(path));
  core.vacated.push(peer.source);
  core.changed.delete(peer.name);
  core.listsDirty = true;
  core.out.push({ kind: "gone", peer: peer.name });
}

export function stateOf(peer: Peer): BgpState {
  const states = linksOf(peer).map(({ session }) => session.state);
  return ORDER.findLast((state) => states.includes(state)) ?? "idle";
}

/** A session is in another state. */
export function moved(
  core: Core,
  link: Link,
  { from, to, why }: Extract<SessionAction, { readonly kind: "moved" }>,
  now: Instant,
): void {
  const { peer } = link;
  // A second call changes nothing while the first one is further.
  const rank = (state: BgpState): number => ORDER.indexOf(state);
  const beside = linksOf(peer).filter((each) => each !== link);
  const best = Math.max(-1, ...beside.map(({ session }) => rank(session.state)));
  if (Math.max(best, rank(from)) !== Math.max(best, rank(to))) peer.movedAt = now;
  core.changed.add(peer.name);
  if (to === "established") peer.established++;
  if (to === "established" || from === "established")
    event(core, "info", "bgp.moved", { peer: peer.name, from, to, why });
}

/** After each event at a session: which one is the peer's, and whether there is any left. */
export function settled(core: Core, link: Link, now: Instant): void {
  const { peer } = link;
  const { state } = link.session;
  if (link === peer.second) {
    // One that was called has nothing to go back to.
    if (link.connection === undefined) peer.second = undefined;
    else if (state === "established") feed(core, peer.main, { kind: "collision-dump" }, now);
  } else if (state === "idle" && peer.second?.connection !== undefined) {
    const { config, strikes } = link.session;
    const heir = peer.second;
    heir.session = { ...heir.session, config, strikes };
    peer.main = heir;
    peer.second = undefined;
  }
  rearm(peer);
  // Who called from a prefix is forgotten when it could call again: until then its damping, or its end, holds.
  const over = peer.dynamic !== undefined && peer.main.session.state === "active" && peer.retained.size === 0;
  if (over && linksOf(peer).every(({ connection }) => connection === undefined)) removePeer(core, peer);
}

export function incoming(core: Core, connection: Connection, ends: Ends, now: Instant): void {
  const peer = peerAt(core, ends.remote, ends.ifname) ?? adopt(core, ends, now);
  const link = peer === undefined ? undefined : welcome(core, peer, ends);
  if (link === undefined) {
    core.out.push({ kind: "close", connection, reset: true });
    if (peer === undefined) event(core, "info", "bgp.stranger", { remote: formatIp(ends.remote) });
    return;
  }
  link.incoming = true;
  link.connection = connection;
  link.ends = ends;
  core.links.set(connection, link);
  connected(core, link, now);
}

/** The session that takes a call; undefined: none does. */
function welcome(core: Core, peer: Peer, ends: Ends): Link | undefined {
  const { spec, main } = peer;
  const refused =
    spec.mode === "active"
      ? "call-to-active"
      : spec.source !== undefined && must(parseIp(spec.source)) !== ends.local
        ? "call-to-other-address"
        : main.session.state === "idle"
          ? "call-while-idle"
          : peer.second !== undefined
            ? "third-connection"
            : undefined;
  if (refused !== undefined || core.stopped) {
    if (refused !== undefined) refuse(peer, refused);
    return undefined;
  }
  if (main.session.state === "active" && main.connection === undefined) return main;
  const second = linkOf(peer, { ...main.session.config, active: false }, true);
  second.session = { ...second.session, state: "active" };
  peer.second = second;
  return second;
}

export function peerAt(core: Core, remote: Ip, ifname: string | undefined): Peer | undefined {
  for (const peer of core.peers.values()) {
    if (peer.address !== remote) continue;
    if (isLinkLocal(remote) && peer.spec.ifname !== undefined && peer.spec.ifname !== ifname) continue;
    return peer;
  }
  return undefined;
}
export function dynamicAt(core: Core, remote: Ip): BgpDynamicSpec | undefined {
  return core.plan?.dynamic.find(({ prefix }) => contains(must(parsePrefix(prefix)), remote));
}
/** Somebody from a prefix. */
function adopt(core: Core, ends: Ends, now: Instant): Peer | undefined {
  const spec = dynamicAt(core, ends.remote);
  if (spec === undefined || core.stopped) return undefined;
  const siblings = [...core.peers.values()].filter(({ dynamic }) => dynamic === spec.name);
  if (siblings.length >= spec.most) {
    event(core, "warn", "bgp.too-many-dynamic-peers", { name: spec.name, most: spec.most });
    return undefined;
  }
  const peer = createPeer(core, dynamicSpec(spec, ends.remote), spec.name, now);
  peer.main.session = { ...peer.main.session, state: "active" };
  return peer;
}
export function dynamicSpec({ prefix: _prefix, most: _most, ...session }: BgpDynamicSpec, remote: Ip): BgpPeerSpec {
  const address = formatIp(remote);
  return {
    ...session,
    name: `${session.name}/${address}`,
    address,
    ifname: undefined,
    port: 179,
    mode: "passive",
    adminDown: false,
  };
}

/** RFC 5882 §4.2: only the loss of a session that was there means anything; and it means this peer alone. */
export function bfdChanged(core: Core, peer: Peer, up: boolean, wasUp: boolean, now: Instant): void {
  const lost = !up && wasUp && peer.bfdUp !== false;
  peer.bfdUp = up;
  core.changed.add(peer.name);
  if (!lost) return;
  event(core, "warn", "bgp.bfd-down", { peer: peer.name, state: stateOf(peer) });
  // Nothing is kept of a session that BFD ends; but routes kept since before stay: a peer whose BFD ends with its BGP
  // is restarting, and said so by closing its connection first.
  const ending = { reason: "cease/bfd-down", data: new Uint8Array(0) } as const;
  for (const link of linksOf(peer))
    if (link.connection !== undefined)
      feed(core, link, { kind: "stop", manual: false, ending, idle: { kind: "damped" } }, now);
}

/** Unnumbered: another router, or none, is on its interface. */
export function discovered(core: Core, peer: Peer, address: Ip | undefined, now: Instant): void {
  if (peer.address === address) return;
  const had = peer.address !== undefined;
  core.listsDirty = true;
  peer.address = address;
  core.changed.add(peer.name);
  if (address !== undefined)
    core.sources.replace(peer.source, { ...core.sources.get(peer.source), order: orderOf(address) });
  // A router that falls silent is for hold time and BFD to judge; another one in its place is another peer.
  if (had && address !== undefined && linksOf(peer).some(({ connection }) => connection !== undefined))
    stop(core, peer, { reason: "cease/other-configuration-change", data: new Uint8Array(0) }, RESTART, now);
  hurry(core, peer.main, now);
}

/** Away for a moment only. */
export const RESTART = { idle: { kind: "for", span: ms(0) }, manual: false } as const;
const ORDER: readonly BgpState[] = ["idle", "connect", "active", "open-sent", "open-confirm", "established"];
