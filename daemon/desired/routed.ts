/** A virtual IP that routers are told of, meant for this node, with its addresses. */
import { bitsOf, formatIp, type Ip } from "../../base/address.ts";
import type { Vip } from "../../resources/kinds.ts";

export interface Routed {
  readonly vip: Vip;
  readonly addresses: readonly Ip[];
}

export function hostPrefix(ip: Ip): string {
  return `${formatIp(ip)}/${bitsOf(ip)}`;
}
