/** Address ranges of pools as pairs of numbers, which order, overlap and count. */
import { type Ip, ipOfOctets, isIpv4, octetsOfIp, type Prefix } from "../base/address.ts";
import type { PoolSpec } from "./pool.ts";

/** First and last address, both included. */
export interface Range {
  readonly v6: boolean;
  readonly first: bigint;
  readonly last: bigint;
}

/** In numeric order, IPv4 first. */
export function rangesOf(pool: PoolSpec): readonly Range[] {
  const ranges = [...pool.cidrs.map(rangeOfPrefix), ...pool.addresses.map((ip) => rangeOfIp(ip))];
  return ranges.sort((a, b) => Number(a.v6) - Number(b.v6) || (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
}

export function rangeOfIp(ip: Ip): Range {
  const value = numberOf(ip);
  return { v6: !isIpv4(ip), first: value, last: value };
}

function rangeOfPrefix({ ip, length }: Prefix): Range {
  const v6 = !isIpv4(ip);
  const first = numberOf(ip);
  const last = first + (1n << BigInt((v6 ? 128 : 32) - length)) - 1n;
  // Network and broadcast address are no hosts' (RFC 1122 §3.2.1.3); a /31 has neither (RFC 3021).
  if (!v6 && length < 31) return { v6, first: first + 1n, last: last - 1n };
  // RFC 4291 §2.6.1: the lowest address of an IPv6 subnet is the routers' anycast address.
  return v6 && length < 127 ? { v6, first: first + 1n, last } : { v6, first, last };
}

export function overlap(a: Range, b: Range): boolean {
  return a.v6 === b.v6 && a.first <= b.last && b.first <= a.last;
}
export function within(ranges: readonly Range[], ip: Ip): boolean {
  const one = rangeOfIp(ip);
  return ranges.some((range) => overlap(range, one));
}

export function numberOf(ip: Ip): bigint {
  return octetsOfIp(ip).reduce((value, octet) => (value << 8n) | BigInt(octet), 0n);
}
export function ipOf(value: bigint, v6: boolean): Ip {
  const octets = new Uint8Array(v6 ? 16 : 4);
  for (let index = octets.length - 1, rest = value; index >= 0; index--, rest >>= 8n)
    octets[index] = Number(rest & 255n);
  return ipOfOctets(octets);
}
