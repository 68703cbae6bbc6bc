/**
 * Whether an address that somebody told may be one of a site's host.  What is sent to any other (this host itself, a whole
 * wire, a group) would come to those whom nobody meant.
 */
import { type Ip, isIpv4, isLinkLocal } from "../../base/address.ts";
import type { StunAddress } from "../../netstack/stun/packet.ts";

export function isCallable({ ip, port }: StunAddress): boolean {
  return port > 0 && !isLinkLocal(ip) && isHostAddress(ip);
}

function isHostAddress(ip: Ip): boolean {
  if (isIpv4(ip)) {
    const first = ip >>> 24;
    return first !== 0 && first !== 127 && first < 224 && ip >>> 16 !== 0xa9fe;
  }
  // The unspecified one, loopback, IPv4 in another dress, and multicast.
  return !/^(::1?$|::ffff:|ff[0-9a-f]{2}:)/.test(ip);
}
