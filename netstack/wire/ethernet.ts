/** Ethernet II frames.  Standards: RFC 894, RFC 2464 §7.  Left out on purpose: VLAN tags (the kernel strips them), 802.3 lengths. */
import { type Ipv6, type Mac, octetsOfIp } from "../../base/address.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { Reader, type Writer } from "./cursor.ts";

export interface EthernetHeader {
  readonly destination: Mac;
  readonly source: Mac;
  readonly etherType: number;
}
export type MalformedEthernet =
  | { readonly kind: "ethernet-short"; readonly have: number }
  | { readonly kind: "ethernet-length"; readonly etherType: number };

/** The header; the payload starts at `ETHERNET_HEADER`. */
export function decodeEthernet(frame: Uint8Array): Result<EthernetHeader, MalformedEthernet> {
  const reader = new Reader(frame);
  const header = { destination: reader.u48() as Mac, source: reader.u48() as Mac, etherType: reader.u16() };
  if (reader.short) return err({ kind: "ethernet-short", have: frame.length });
  if (header.etherType < 0x0600) return err({ kind: "ethernet-length", etherType: header.etherType });
  return ok(header);
}

export function encodeEthernet(writer: Writer, header: EthernetHeader): void {
  writer.u48(header.destination).u48(header.source).u16(header.etherType);
}

/** RFC 2464 §7: 33-33 and the last four octets of the group. */
export function macOfGroup6(group: Ipv6): Mac {
  const octets = octetsOfIp(group);
  const tail = octets.subarray(12).reduce((value, octet) => value * 256 + octet, 0);
  return (0x3333 * 2 ** 32 + tail) as Mac;
}

export const ETHERNET_HEADER = 14;
export const ETHER_ARP = 0x0806;
export const ETHER_IPV6 = 0x86dd;
export const BROADCAST = 0xffff_ffff_ffff as Mac;
