/** What the speaker wants of others because of its peers: BFD sessions, router discovery. */
import { formatIp } from "../../base/address.ts";
import type { BfdSpec } from "../bfd/plan.ts";
import type { Core, Peer } from "./core.ts";

/** From the start, and not only once the session is up: a peer may wait for BFD before it speaks BGP. */
export function bfdWishes(core: Core): readonly BfdSpec[] {
  const wishes: BfdSpec[] = [];
  for (const peer of core.peers.values()) {
    const { spec, address } = peer;
    if (spec.bfd === undefined || address === undefined || spec.adminDown || core.stopped) continue;
    wishes.push({
      id: bfdId(peer),
      peer: formatIp(address),
      local: spec.source,
      ifname: spec.multihop === undefined ? spec.ifname : undefined,
      hops: spec.multihop === undefined ? "single" : "multi",
      // RFC 5883 §5: so many hops at most.
      minTtl: spec.multihop === undefined ? 255 : Math.max(1, 256 - spec.multihop),
      role: "active",
      timing: spec.bfd,
      auth: undefined,
      adminDown: false,
    });
  }
  return wishes;
}
export function bfdId(peer: Peer): string {
  return `bgp:${peer.name}`;
}

export function discoveryWishes(core: Core): readonly string[] {
  const ifnames = new Set<string>();
  for (const { spec } of core.peers.values())
    if (spec.address === undefined && spec.ifname !== undefined && !spec.adminDown) ifnames.add(spec.ifname);
  return [...ifnames].toSorted();
}
