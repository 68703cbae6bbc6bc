/**
 * ARP for IPv4 over Ethernet, and the packets of address conflict detection.
 * Standards: RFC 826, RFC 5227 §1.1, §2.1.1, §2.3.  Left out on purpose: other hardware and protocol types, RARP.
 */
import type { Ipv4, Mac } from "../../base/address.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { Reader, Writer } from "./cursor.ts";
import { BROADCAST, ETHER_ARP, ETHERNET_HEADER, encodeEthernet } from "./ethernet.ts";

export interface ArpPacket {
  readonly operation: "request" | "reply";
  readonly senderMac: Mac;
  readonly senderIp: Ipv4;
  readonly targetMac: Mac;
  readonly targetIp: Ipv4;
}
export type MalformedArp =
  | { readonly kind: "arp-short"; readonly have: number }
  | { readonly kind: "arp-hardware"; readonly type: number; readonly length: number }
  | { readonly kind: "arp-protocol"; readonly type: number; readonly length: number }
  | { readonly kind: "arp-operation"; readonly got: number }
  | { readonly kind: "arp-sender-mac" };

/** `bytes` starts at the ARP header; octets after its end are Ethernet padding. */
export function decodeArp(bytes: Uint8Array): Result<ArpPacket, MalformedArp> {
  const reader = new Reader(bytes);
  const [hardware, protocol] = [reader.u16(), reader.u16()];
  const [hardwareLength, protocolLength] = [reader.u8(), reader.u8()];
  const operation = reader.u16();
  const senderMac = reader.u48() as Mac;
  const senderIp = reader.u32() as Ipv4;
  const targetMac = reader.u48() as Mac;
  const targetIp = reader.u32() as Ipv4;
  if (reader.short) return err({ kind: "arp-short", have: bytes.length });
  if (hardware !== 1 || hardwareLength !== 6) {
    return err({ kind: "arp-hardware", type: hardware, length: hardwareLength });
  }
  if (protocol !== 0x0800 || protocolLength !== 4) {
    return err({ kind: "arp-protocol", type: protocol, length: protocolLength });
  }
  if (operation !== 1 && operation !== 2) return err({ kind: "arp-operation", got: operation });
  // A group address or none as sender cannot be a station's own.
  if (senderMac === 0 || Math.floor(senderMac / 2 ** 40) % 2 === 1) return err({ kind: "arp-sender-mac" });
  return ok({ operation: operation === 1 ? "request" : "reply", senderMac, senderIp, targetMac, targetIp });
}

/** A whole Ethernet frame, padded to the minimum of 60 octets. */
export function encodeArp(packet: ArpPacket, destination: Mac = BROADCAST): Uint8Array {
  const writer = new Writer(new Uint8Array(60));
  encodeEthernet(writer, { destination, source: packet.senderMac, etherType: ETHER_ARP });
  writer
    .u16(1)
    .u16(0x0800)
    .u8(6)
    .u8(4)
    .u16(packet.operation === "request" ? 1 : 2)
    .u48(packet.senderMac)
    .u32(packet.senderIp)
    .u48(packet.targetMac)
    .u32(packet.targetIp)
    .zeros(60 - ETHERNET_HEADER - ARP_LENGTH);
  return writer.written();
}

/** RFC 5227 §2.1.1: sender address all zero, so that no cache on the link is polluted. */
export function arpProbe(mac: Mac, target: Ipv4): Uint8Array {
  return encodeArp({ operation: "request", senderMac: mac, senderIp: 0 as Ipv4, targetMac: NO_MAC, targetIp: target });
}

/** RFC 5227 §2.3: sender and target address are the announced one. */
export function arpAnnouncement(mac: Mac, ip: Ipv4, form: "request" | "reply"): Uint8Array {
  const targetMac = form === "request" ? NO_MAC : BROADCAST; // RFC 5227 §3: some stacks heed only one of both forms
  return encodeArp({ operation: form, senderMac: mac, senderIp: ip, targetMac, targetIp: ip });
}

export function arpRequest(mac: Mac, from: Ipv4, target: Ipv4): Uint8Array {
  return encodeArp({ operation: "request", senderMac: mac, senderIp: from, targetMac: NO_MAC, targetIp: target });
}

const ARP_LENGTH = 28;
const NO_MAC = 0 as Mac;
