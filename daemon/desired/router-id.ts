/** The router id of a node that writes none: the lowest IPv4 address of its interfaces, kept once it was chosen. */
import { formatIp, type Ipv4, isIpv4 } from "../../base/address.ts";
import type { Facts, InterfaceFact } from "./facts.ts";

export function derivedRouterId({ routerId, interfaces }: Pick<Facts, "routerId" | "interfaces">): string | undefined {
  return routerId ?? lowest(interfaces);
}

function lowest(interfaces: readonly InterfaceFact[]): string | undefined {
  const found = interfaces
    .flatMap(({ addresses }) => addresses.filter(isIpv4))
    // Loopback and link-local (RFC 3927) addresses are those of many hosts.
    .filter((ip) => ip >>> 24 !== 127 && ip >>> 16 !== 0xa9fe && ip !== 0)
    .toSorted((a: Ipv4, b: Ipv4) => a - b)[0];
  return found === undefined ? undefined : formatIp(found);
}
