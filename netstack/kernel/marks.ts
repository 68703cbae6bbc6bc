/**
 * What is ours in the kernel.  Everything that we create carries one of these marks, so that a restart finds it again,
 * `novactl cleanup` can remove it, and nothing of anybody else is touched.  docs/kernel-state.md is the operator's page.
 */

/**
 * Routing protocol number of our routes and rules (rtm_protocol, FRA_PROTOCOL).  Free in the kernel's rtnetlink.h and in
 * iproute2's rt_protos: 110 is "n".  systemd/rt_protos.d/novaedge.conf gives it its name.
 */
export const ROUTE_PROTOCOL = 110;
/** Routes learnt by BGP and by OSPF: numbers of their own, so that each puts in order what it left behind and no more. */
export const BGP_ROUTE_PROTOCOL = 111;
export const OSPF_ROUTE_PROTOCOL = 112;
export const ROUTE_PROTOCOLS: readonly number[] = [ROUTE_PROTOCOL, BGP_ROUTE_PROTOCOL, OSPF_ROUTE_PROTOCOL];
/** Who added an address (IFA_PROTO, Linux 5.18).  Up to 3 are the kernel's own; the rest is free for programs. */
export const ADDRESS_PROTOCOL = 110;
/** Of virtual IPs that routers are told of, on `lo`: they belong to the routing process, the others to pulse. */
export const ROUTED_ADDRESS_PROTOCOL = 111;
/** Of this host in the overlay, on its tunnels: they belong to the wan process. */
export const OVERLAY_ADDRESS_PROTOCOL = 112;
export const ADDRESS_PROTOCOLS: readonly number[] = [
  ADDRESS_PROTOCOL,
  ROUTED_ADDRESS_PROTOCOL,
  OVERLAY_ADDRESS_PROTOCOL,
];

/** nftables tables of ours begin with this; so does nothing else. */
export const TABLE_PREFIX = "novaedge";
/** Tables of the fence around virtual IPs (fence.ts), in the families arp, ip, ip6 and netdev. */
export const VIP_TABLE = `${TABLE_PREFIX}_vip`;

/** Preference of our routing rules: before main (32766), after what people number by hand (up to 9999 mostly). */
export const RULE_PREFERENCE = { first: 11_000, last: 11_999 } as const;

/**
 * Bits of packet and connection marks that are ours.  Clear of what Kubernetes (0xc000), Tailscale (0xff0000), Cilium
 * (0xf00) and mwan3 (0x3f00) use; Calico's default (0xffff0000) covers everything and must be narrowed beside us.
 */
export const MARK_MASK = 0x3f00_0000;

/** Names of interfaces that we create begin with this … */
export const INTERFACE_PREFIX = "nv";
/** … and carry this alias, which is what decides. */
export const INTERFACE_ALIAS = "novaedge";

/** The packet mark of a value of ours (1–63), as SO_MARK, `ip rule` and WireGuard's fwmark take it: MARK_MASK goes with it. */
export function packetMark(value: number): number {
  if (!(value >= 1 && value <= MARK_MASK / MARK_UNIT)) throw new TypeError(`a mark of value ${value}`);
  return Math.trunc(value) * MARK_UNIT;
}
/** The value in a packet or connection mark; 0 = none of ours. */
export function markValue(mark: number): number {
  return Math.trunc(((mark >>> 0) & MARK_MASK) / MARK_UNIT);
}
/** Lowest bit of the mask. */
const MARK_UNIT = 0x0100_0000;
