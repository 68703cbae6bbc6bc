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
    const hops = spec.bfdHops ?? (spec.multihop === undefined ? "single" : "multi");
    wishes.push({
      id: bfdId(peer),
      peer: formatIp(address),
      local: spec.source,
      ifname: hops === "single" ? spec.ifname : undefined,
      hops,
      // RFC 5883 lets everybody choose what TTL to send (BIRD: 64): only who asked for GTSM counts the hops.
      minTtl: hops === "single" ? 255 : spec.ttlSecurity === undefined ? 1 : 256 - spec.ttlSecurity,
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
