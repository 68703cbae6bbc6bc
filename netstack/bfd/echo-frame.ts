/**
 * Echo packets as Ethernet frames: the kernel would never send a packet out that is addressed to itself.
 * Standards: RFC 5881 §4 (UDP port 3785; addressed so that the peer's forwarding plane returns it), RFC 791 §3.1,
 * RFC 768, RFC 8200.  Left out on purpose: fragments, IPv6 extension headers (an echo has neither).
 */
import { type Ip, ipOfOctets, isIpv4, type Mac, octetsOfIp } from "../../base/address.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { checksum, checksum6 } from "../wire/checksum.ts";
import { Reader, Writer } from "../wire/cursor.ts";
import { decodeEthernet, ETHER_IPV6, ETHERNET_HEADER, encodeEthernet } from "../wire/ethernet.ts";
import { decodeIpv6, encodeIpv6, IPV6_HEADER } from "../wire/ipv6.ts";

export interface EchoFrame {
  readonly destinationMac: Mac;
  readonly sourceMac: Mac;
  readonly source: Ip;
  readonly destination: Ip;
  readonly ttl: number;
  readonly sourcePort: number;
  readonly payload: Uint8Array;
}
export type NoEcho = { readonly kind: "echo-frame"; readonly why: string };

export function encodeEchoFrame(frame: EchoFrame): Uint8Array {
  const { source, destination, payload, ttl } = frame;
  const v4 = isIpv4(source);
  const udpLength = UDP_HEADER + payload.length;
  const header = v4 ? IPV4_HEADER : IPV6_HEADER;
  const writer = new Writer(new Uint8Array(ETHERNET_HEADER + header + udpLength));
  encodeEthernet(writer, {
    destination: frame.destinationMac,
    source: frame.sourceMac,
    etherType: v4 ? ETHER_IPV4 : ETHER_IPV6,
  });
  if (v4) {
    writer
      .u8(0x45)
      .u8(NETWORK_CONTROL)
      .u16(IPV4_HEADER + udpLength)
      .u32(DO_NOT_FRAGMENT)
      .u8(ttl)
      .u8(UDP)
      .u16(0);
    writer.put(octetsOfIp(source)).put(octetsOfIp(destination));
  } else if (!isIpv4(destination)) {
    encodeIpv6(writer, { nextHeader: UDP, hopLimit: ttl, source, destination, payloadLength: udpLength });
  } else throw new TypeError("an echo between address families");
  writer.u16(frame.sourcePort).u16(ECHO_PORT).u16(udpLength).u16(0).put(payload);
  const bytes = writer.written();
  const udp = bytes.subarray(ETHERNET_HEADER + header);
  if (v4) {
    put16(bytes, ETHERNET_HEADER + 10, checksum(bytes.subarray(ETHERNET_HEADER, ETHERNET_HEADER + IPV4_HEADER)));
    put16(udp, 6, 0); // RFC 768: none; the proof inside is stronger
  } else if (!isIpv4(source) && !isIpv4(destination)) {
    put16(udp, 6, checksum6(source, destination, UDP, udp) || 0xffff);
  }
  return bytes;
}

/** `payload` is a view. */
export function decodeEchoFrame(bytes: Uint8Array): Result<EchoFrame, NoEcho> {
  const ethernet = decodeEthernet(bytes);
  if (!ethernet.ok) return no(ethernet.error.kind);
  const { destination: destinationMac, source: sourceMac, etherType } = ethernet.value;
  const packet = bytes.subarray(ETHERNET_HEADER);
  const ip = etherType === ETHER_IPV4 ? ipv4Of(packet) : etherType === ETHER_IPV6 ? ipv6Of(packet) : no("ethertype");
  if (!ip.ok) return ip;
  const { source, destination, ttl, content } = ip.value;
  const reader = new Reader(content);
  const [sourcePort, port, length] = [reader.u16(), reader.u16(), reader.u16()];
  if (reader.short || port !== ECHO_PORT) return no("port");
  if (length < UDP_HEADER || length > content.length) return no("udp-length");
  const payload = content.subarray(UDP_HEADER, length);
  return ok({ destinationMac, sourceMac, source, destination, ttl, sourcePort, payload });
}

/**
 * What a forwarding plane makes of the frame: the way back, one hop older, and not an octet else (FRR checks sums that
 * RFC 768 lets be absent).  `swap`: the addresses too, for echoes that are addressed to us.  undefined = too old.
 */
export function reflected(bytes: Uint8Array, swap: boolean): Uint8Array | undefined {
  const back = new Uint8Array(bytes);
  back.set(bytes.subarray(6, 12), 0);
  back.set(bytes.subarray(0, 6), 6);
  const v4 = back[12] === ETHER_IPV4 >>> 8;
  const age = ETHERNET_HEADER + (v4 ? 8 : 7);
  const ttl = back[age] ?? 0;
  if (ttl <= 1) return undefined;
  back[age] = ttl - 1;
  if (swap) {
    const [at, length] = v4 ? [ETHERNET_HEADER + 12, 4] : [ETHERNET_HEADER + 8, 16];
    back.set(bytes.subarray(at + length, at + 2 * length), at);
    back.set(bytes.subarray(at, at + length), at + length);
  }
  if (v4) {
    const header = back.subarray(ETHERNET_HEADER, ETHERNET_HEADER + ((back[ETHERNET_HEADER] ?? 0) & 15) * 4);
    put16(header, 10, 0);
    put16(header, 10, checksum(header));
  }
  return back;
}

interface Inner {
  readonly source: Ip;
  readonly destination: Ip;
  readonly ttl: number;
  readonly content: Uint8Array;
}

function ipv4Of(packet: Uint8Array): Result<Inner, NoEcho> {
  const first = packet[0] ?? 0;
  const header = (first & 15) * 4;
  const view = new Reader(packet, 2);
  const total = view.u16();
  view.skip(2);
  const fragment = view.u16() & 0x3fff; // more fragments, or not the first
  const [ttl, protocol] = [view.u8(), view.u8()];
  view.skip(2);
  const [source, destination] = [view.bytes(4), view.bytes(4)];
  if (view.short || first >> 4 !== 4 || header < IPV4_HEADER) return no("ipv4-header");
  if (total < header || total > packet.length || fragment !== 0) return no("ipv4-length");
  if (protocol !== UDP) return no("protocol");
  return ok({
    source: ipOfOctets(source),
    destination: ipOfOctets(destination),
    ttl,
    content: packet.subarray(header, total),
  });
}

function ipv6Of(packet: Uint8Array): Result<Inner, NoEcho> {
  const header = decodeIpv6(packet);
  if (!header.ok) return no(header.error.kind);
  const { source, destination, hopLimit, nextHeader, payloadLength } = header.value;
  if (nextHeader !== UDP) return no("protocol");
  const content = packet.subarray(IPV6_HEADER, IPV6_HEADER + payloadLength);
  return ok({ source, destination, ttl: hopLimit, content });
}

function no(why: string): { readonly ok: false; readonly error: NoEcho } {
  return err({ kind: "echo-frame", why });
}

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value & 0xff;
}

/** RFC 5881 §4 */
export const ECHO_PORT = 3785;
const ETHER_IPV4 = 0x0800;
const IPV4_HEADER = 20;
const UDP_HEADER = 8;
const UDP = 17;
const NETWORK_CONTROL = 48 << 2;
const DO_NOT_FRAGMENT = 0x4000;
