/**
 * What must change in a WireGuard device so that it becomes what is wanted; nothing when it is that already.  Pure.
 *
 * Nothing is lost on the way: peers that are equal are not touched; new ones come before old ones go, so that an address
 * passes from one to the other in one step; an address that nobody shall have any more is given to a peer that does not
 * exist, which is removed, because WireGuard's own way (all addresses of a peer replaced) leaves a moment without any.
 * Peers that call us come before those that we call: who is called must know the caller.
 */
import { formatPrefix, parsePrefix } from "../../base/address.ts";
import type { WireguardChange, WireguardPeer, WireguardPeerChange, WireguardState } from "../../base/wireguard.ts";

export interface DeviceWant {
  readonly privateKey: string;
  readonly listenPort: number;
  /** As in the packet: shifted to its bits. */
  readonly mark: number;
  readonly peers: readonly PeerWant[];
}

export interface PeerWant {
  readonly publicKey: string;
  readonly presharedKey: string | undefined;
  /** Seconds; 0 = none. */
  readonly keepalive: number;
  /** An address that two peers want belongs to the first of them. */
  readonly allowedIps: readonly string[];
  /** For a peer that has none: an endpoint that is there may have been roamed to, and stays. */
  readonly endpoint: string | undefined;
  /** This endpoint now, even when it is the same: WireGuard forgets the source address that it stuck to. */
  readonly moveTo: string | undefined;
  /** Removed and made again, so that it starts a handshake at once; for peers that never had one. */
  readonly renew: boolean;
  /** … and forgets where it was: that was another end. */
  readonly anew: boolean;
}

/** undefined when the device is as wanted. */
export function planDevice(want: DeviceWant, have: WireguardState): WireguardChange | undefined {
  const there = new Map(have.peers.map((peer) => [peer.publicKey, peer]));
  const owned = owners(want.peers);
  const sets: { readonly calls: boolean; readonly change: WireguardPeerChange }[] = [];
  for (const peer of want.peers) {
    for (const change of planPeer(peer, there.get(peer.publicKey), owned))
      sets.push({ calls: (peer.moveTo ?? peer.endpoint) !== undefined, change });
  }
  const wanted = new Set(want.peers.map(({ publicKey }) => publicKey));
  const removed = have.peers.filter(({ publicKey }) => !wanted.has(publicKey));
  const surplus = have.peers
    .filter(({ publicKey }) => wanted.has(publicKey))
    .flatMap(({ allowedIps }) => allowedIps.filter((prefix) => !owned.has(prefix)));
  const peers: WireguardPeerChange[] = [
    ...sets.filter(({ calls }) => !calls).map(({ change }) => change),
    ...sets.filter(({ calls }) => calls).map(({ change }) => change),
    ...(surplus.length === 0 ? [] : takenAway(surplus)),
    ...removed.map(({ publicKey }): WireguardPeerChange => ({ kind: "remove", publicKey })),
  ];
  const own = {
    ...(have.privateKey === want.privateKey ? {} : { privateKey: want.privateKey }),
    ...(have.listenPort === want.listenPort ? {} : { listenPort: want.listenPort }),
    ...(have.mark === want.mark ? {} : { mark: want.mark }),
  };
  return peers.length === 0 && Object.keys(own).length === 0 ? undefined : { ...own, peers };
}

/** As the kernel writes it; what is no prefix is undefined. */
export function canonicalPrefix(text: string): string | undefined {
  const prefix = parsePrefix(text);
  return prefix.ok ? formatPrefix(prefix.value) : undefined;
}

/** For an operator: what differed, without the keys. */
export function describeChange(change: WireguardChange | undefined, more: readonly string[]): string {
  const { peers = [], ...own } = change ?? {};
  const touched = peers.length === 0 ? [] : [`${peers.length} changes of peers`];
  return [...more, ...Object.keys(own), ...touched].join(", ");
}

function planPeer(
  want: PeerWant,
  have: WireguardPeer | undefined,
  owned: ReadonlyMap<string, string>,
): readonly WireguardPeerChange[] {
  const { publicKey } = want;
  const mine = want.allowedIps.filter((prefix) => owned.get(prefix) === publicKey);
  const kept = want.anew ? undefined : have?.endpoint;
  const endpoint = want.moveTo ?? want.endpoint;
  if (have === undefined || want.renew) {
    const fresh: WireguardPeerChange = {
      kind: "set",
      publicKey,
      presharedKey: want.presharedKey ?? "none",
      keepalive: want.keepalive,
      allowedIps: mine,
      ...(endpoint === undefined && kept === undefined ? {} : { endpoint: endpoint ?? kept ?? "" }),
    };
    return have === undefined ? [fresh] : [{ kind: "remove", publicKey }, fresh];
  }
  const missing = mine.filter((prefix) => !have.allowedIps.includes(prefix));
  const move = want.moveTo ?? (have.endpoint === undefined ? want.endpoint : undefined);
  const change = {
    ...(have.presharedKey === want.presharedKey ? {} : { presharedKey: want.presharedKey ?? "none" }),
    ...(have.keepalive === want.keepalive ? {} : { keepalive: want.keepalive }),
    ...(missing.length === 0 ? {} : { allowedIps: missing }),
    ...(move === undefined ? {} : { endpoint: move }),
  };
  if (Object.keys(change).length === 0) return [];
  // Turning the keepalive off and on sends one at once: the far end learns where we are now.
  if (want.moveTo !== undefined && want.keepalive > 0) {
    return [
      { kind: "set", publicKey, ...change, keepalive: 0 },
      { kind: "set", publicKey, keepalive: want.keepalive },
    ];
  }
  return [{ kind: "set", publicKey, ...change }];
}

function owners(peers: readonly PeerWant[]): ReadonlyMap<string, string> {
  const owned = new Map<string, string>();
  for (const { publicKey, allowedIps } of peers) {
    for (const prefix of allowedIps) if (!owned.has(prefix)) owned.set(prefix, publicKey);
  }
  return owned;
}

function takenAway(prefixes: readonly string[]): readonly WireguardPeerChange[] {
  return [
    { kind: "set", publicKey: NOBODY, allowedIps: prefixes },
    { kind: "remove", publicKey: NOBODY },
  ];
}

/** 32 octets that nobody has the private key of: "novaedge: a peer that is nobody.". */
export const NOBODY = "bm92YWVkZ2U6IGEgcGVlciB0aGF0IGlzIG5vYm9keS4=";
