/** The fixed IPv6 header.  Standards: RFC 8200 §3.  Left out on purpose: extension headers (what we read never carries them). */
import { type Ipv6, ipOfOctets, octetsOfIp } from "../../base/address.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { Reader, type Writer } from "./cursor.ts";

export interface Ipv6Header {
  readonly nextHeader: number;
  readonly hopLimit: number;
  readonly source: Ipv6;
  readonly destination: Ipv6;
  readonly payloadLength: number;
}
export type MalformedIpv6 =
  | { readonly kind: "ipv6-short"; readonly have: number }
  | { readonly kind: "ipv6-version"; readonly got: number }
  | { readonly kind: "ipv6-payload-length"; readonly said: number; readonly have: number };

/** `bytes` starts at the IPv6 header; octets after the payload are Ethernet padding. */
export function decodeIpv6(bytes: Uint8Array): Result<Ipv6Header, MalformedIpv6> {
  const reader = new Reader(bytes);
  const version = reader.u32() >>> 28;
  const payloadLength = reader.u16();
  const nextHeader = reader.u8();
  const hopLimit = reader.u8();
  const source = reader.bytes(16);
  const destination = reader.bytes(16);
  if (reader.short) return err({ kind: "ipv6-short", have: bytes.length });
  if (version !== 6) return err({ kind: "ipv6-version", got: version });
  if (payloadLength > reader.remaining) {
    return err({ kind: "ipv6-payload-length", said: payloadLength, have: reader.remaining });
  }
  return ok({
    nextHeader,
    hopLimit,
    payloadLength,
    source: ipOfOctets(source) as Ipv6,
    destination: ipOfOctets(destination) as Ipv6,
  });
}

export function encodeIpv6(writer: Writer, header: Ipv6Header): void {
  writer.u32(0x6000_0000).u16(header.payloadLength).u8(header.nextHeader).u8(header.hopLimit);
  writer.put(octetsOfIp(header.source)).put(octetsOfIp(header.destination));
}

export const IPV6_HEADER = 40;
