/** WireGuard's configuration as it behaves: who gets an address takes it from whoever had it. */
import type { WireguardChange, WireguardPeer, WireguardState } from "../../../base/wireguard.ts";

/** Every state that the device passes through; the last is what it is in the end. */
export function applied(state: WireguardState, change: WireguardChange): readonly WireguardState[] {
  const { peers, ...own } = change;
  const states: WireguardState[] = [{ ...state, ...own }];
  for (const each of peers) {
    const now = states.at(-1) ?? state;
    const others = now.peers.filter(({ publicKey }) => publicKey !== each.publicKey);
    if (each.kind === "remove") {
      states.push({ ...now, peers: others });
      continue;
    }
    const taken = new Set(each.allowedIps);
    const before = now.peers.find(({ publicKey }) => publicKey === each.publicKey) ?? emptyPeer(each.publicKey);
    const after: WireguardPeer = {
      ...before,
      presharedKey: each.presharedKey === undefined ? before.presharedKey : keyOf(each.presharedKey),
      endpoint: each.endpoint ?? before.endpoint,
      keepalive: each.keepalive ?? before.keepalive,
      allowedIps: [...new Set([...before.allowedIps, ...taken])],
    };
    const robbed = others.map((peer) => ({ ...peer, allowedIps: peer.allowedIps.filter((one) => !taken.has(one)) }));
    states.push({ ...now, peers: [...robbed, after] });
  }
  return states;
}

export function emptyPeer(publicKey: string): WireguardPeer {
  return {
    publicKey,
    presharedKey: undefined,
    endpoint: undefined,
    keepalive: 0,
    lastHandshake: undefined,
    received: 0,
    sent: 0,
    allowedIps: [],
  };
}

export const BARE: WireguardState = { privateKey: undefined, listenPort: 0, mark: 0, peers: [] };

function keyOf(key: string): string | undefined {
  return key === "none" ? undefined : key;
}
