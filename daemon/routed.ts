/** A virtual IP that routers are told of, meant for this node, with its addresses. */
import { formatIp, type Ip, isIpv4 } from "../base/address.ts";
import type { Vip } from "../resources/kinds.ts";

export interface Routed {
  readonly vip: Vip;
  readonly addresses: readonly Ip[];
}

export function hostPrefix(ip: Ip): string {
  return `${formatIp(ip)}/${isIpv4(ip) ? 32 : 128}`;
}
