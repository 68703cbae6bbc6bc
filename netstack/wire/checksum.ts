/** The Internet checksum.  Standards: RFC 1071, RFC 4443 §2.3 with the pseudo-header of RFC 8200 §8.1. */
import { type Ipv6, octetsOfIp } from "../../base/address.ts";

/** One's complement of the one's complement sum; `initial` is an unfolded sum to start from. */
export function checksum(bytes: Uint8Array, initial = 0): number {
  return ~fold(sum(bytes, initial)) & 0xffff;
}

/** Of an upper-layer packet with its checksum field zero; over one with the field filled in it yields 0. */
export function checksum6(source: Ipv6, destination: Ipv6, nextHeader: number, payload: Uint8Array): number {
  const addresses = sum(octetsOfIp(destination), sum(octetsOfIp(source), 0));
  return checksum(payload, addresses + (payload.length >>> 16) + (payload.length & 0xffff) + nextHeader);
}

function sum(bytes: Uint8Array, initial: number): number {
  let total = initial;
  for (let index = 0; index < bytes.length; index += 2) {
    total += (bytes[index] ?? 0) * 256 + (bytes[index + 1] ?? 0); // an odd last octet is padded with zero
  }
  return total;
}

function fold(value: number): number {
  let folded = value;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return folded;
}
