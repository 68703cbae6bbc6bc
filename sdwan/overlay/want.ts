/**
 * From the plan of a tunnel, what was decided since (carriage, a moved port) and what is there, to the device that is
 * wanted.  Pure.
 */
import type { WireguardPeer, WireguardState } from "../../base/wireguard.ts";
import type { TunnelPeerSpec, TunnelSpec } from "../underlay-plan.ts";
import { canonicalPrefix, type DeviceWant, type PeerWant } from "./device-plan.ts";
import { tunnelMtu } from "./mtu.ts";
import type { PeerLife, PeerOrders } from "./peer-life.ts";

export interface Decided {
  readonly privateKey: string;
  /** As in the packet: shifted to its bits. */
  readonly mark: number;
  readonly listenPort: number;
  /** By site: "direct" or the relaying site. */
  readonly via: ReadonlyMap<string, string>;
  readonly lives: ReadonlyMap<string, PeerLife>;
  readonly orders: ReadonlyMap<string, PeerOrders>;
}

export function deviceWant(spec: TunnelSpec, decided: Decided, have: WireguardState | undefined): DeviceWant {
  const active = new Map(spec.peers.map((peer) => [peer.site, activeKey(peer, have)]));
  const allowed = new Map<string, string[]>();
  for (const peer of carriersFirst(spec.peers, decided.via)) {
    const carrier = active.get(carrierOf(peer, spec.peers, decided.via)) ?? peer.publicKey;
    const list = allowed.get(carrier) ?? [];
    allowed.set(carrier, list);
    for (const text of peer.allowedIps) {
      const prefix = canonicalPrefix(text);
      if (prefix !== undefined && !list.includes(prefix)) list.push(prefix);
    }
  }
  const peers = spec.peers.flatMap((peer): PeerWant[] => {
    const orders = decided.orders.get(peer.site);
    const life = decided.lives.get(peer.site);
    const current = active.get(peer.site);
    const now = have?.peers.find(({ publicKey }) => publicKey === current);
    return keysOf(peer).map((publicKey) => {
      const isActive = publicKey === current;
      return {
        publicKey,
        presharedKey: peer.presharedKey,
        keepalive: peer.keepalive,
        allowedIps: allowed.get(publicKey) ?? [],
        // The other of two keys calls where the site is now: it may be the one that has to.
        endpoint:
          (isActive || orders?.anew === true ? undefined : now?.endpoint) ??
          life?.discovered?.endpoint ??
          life?.configured[0],
        moveTo: isActive ? orders?.moveTo : undefined,
        renew: orders?.anew === true || (isActive && orders?.renew === true),
        anew: orders?.anew === true,
      };
    });
  });
  return { privateKey: decided.privateKey, listenPort: decided.listenPort, mark: decided.mark, peers };
}

/** Of the keys that a site may have at the moment, the one that shook hands last: it is the one that the site has. */
export function activeKey(peer: TunnelPeerSpec, have: WireguardState | undefined): string {
  if (peer.nextPublicKey === undefined) return peer.publicKey;
  const shaken = (key: string): number =>
    have?.peers.find(({ publicKey }) => publicKey === key)?.lastHandshake ?? Number.NEGATIVE_INFINITY;
  return shaken(peer.nextPublicKey) > shaken(peer.publicKey) ? peer.nextPublicKey : peer.publicKey;
}

/** Sites that have another key than before, of those that were known before. */
export function rekeyed(spec: TunnelSpec, before: WireguardState | undefined, now: WireguardState): readonly string[] {
  const known = new Set(before?.peers.map(({ publicKey }) => publicKey));
  return spec.peers
    .filter((peer) => known.has(activeKey(peer, before)) && activeKey(peer, before) !== activeKey(peer, now))
    .map(({ site }) => site);
}

export function peerOf(peer: TunnelPeerSpec, have: WireguardState | undefined): WireguardPeer | undefined {
  const key = activeKey(peer, have);
  return have?.peers.find(({ publicKey }) => publicKey === key);
}

/** How large a packet inside may be; a peer's endpoint is the one that it has, or would have. */
export function mtuOf(
  spec: TunnelSpec,
  have: WireguardState | undefined,
  lives: ReadonlyMap<string, PeerLife>,
  linkMtu: number | undefined,
  pathMtu: number | undefined,
): number {
  const endpoints = spec.peers.map((peer) => peerOf(peer, have)?.endpoint ?? lives.get(peer.site)?.configured[0]);
  return spec.mtu ?? tunnelMtu(linkMtu, pathMtu, endpoints);
}

/** Whether a key is about to take another's place: to be looked at often, since what comes by the new one is dropped. */
export function awaitsKey(spec: TunnelSpec, have: WireguardState | undefined): boolean {
  return spec.peers.some((peer) => peer.nextPublicKey !== undefined && activeKey(peer, have) === peer.publicKey);
}

/** What a device that was found tells of carriage: a peer whose addresses another one has is carried by that one's site. */
export function carriageOf(spec: TunnelSpec, have: WireguardState): ReadonlyMap<string, string> {
  const site = new Map(spec.peers.flatMap((peer) => keysOf(peer).map((key) => [key, peer.site])));
  const owner = new Map(
    have.peers.flatMap((peer) => peer.allowedIps.map((prefix) => [prefix, site.get(peer.publicKey)])),
  );
  const via = new Map<string, string>();
  for (const peer of spec.peers) {
    const holders = new Set(peer.allowedIps.map((text) => owner.get(canonicalPrefix(text) ?? "")));
    const [holder] = holders;
    const relayed = holders.size === 1 && holder !== undefined && holder !== peer.site;
    if (relayed && holder === peer.relay) via.set(peer.site, holder);
  }
  return via;
}

/** The site whose peer carries this one's packets; a relay that is no peer of this device carries nothing. */
export function carrierOf(
  peer: TunnelPeerSpec,
  peers: readonly TunnelPeerSpec[],
  via: ReadonlyMap<string, string>,
): string {
  const chosen = via.get(peer.site) ?? "direct";
  return chosen !== "direct" && peers.some(({ site }) => site === chosen) ? chosen : peer.site;
}

function keysOf({ publicKey, nextPublicKey }: TunnelPeerSpec): readonly string[] {
  return nextPublicKey === undefined || nextPublicKey === publicKey ? [publicKey] : [publicKey, nextPublicKey];
}

/** Of addresses that two sites claim, those of whoever speaks for itself come before those that are carried. */
function carriersFirst(peers: readonly TunnelPeerSpec[], via: ReadonlyMap<string, string>): readonly TunnelPeerSpec[] {
  const direct = peers.filter((peer) => carrierOf(peer, peers, via) === peer.site);
  return [...direct, ...peers.filter((peer) => !direct.includes(peer))];
}
