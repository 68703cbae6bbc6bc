/** Packets as tests see and make them. */
import { formatIp, ipOfOctets, octetsOfIp } from "../../../base/address.ts";
import { join } from "../../../base/octets.ts";
import { checksum } from "../../../netstack/wire/checksum.ts";
import { Reader, Writer } from "../../../netstack/wire/cursor.ts";
import { ipOf } from "./plans.ts";

export interface PacketSeen {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly dscp: number;
  readonly tcpFlags: number;
  readonly mss: number | undefined;
}

/** undefined: no IP packet, or one that hosts send of their own accord (neighbour discovery, multicast). */
export function seenOf(bytes: Uint8Array): PacketSeen | undefined {
  const reader = new Reader(bytes);
  const first = reader.u16();
  const v4 = first >>> 12 === 4;
  if (!v4 && first >>> 12 !== 6) return undefined;
  const dscp = v4 ? (first & 0xff) >>> 2 : ((first >>> 4) & 0xff) >>> 2;
  const protocol = bytes[v4 ? 9 : 6] ?? 0;
  const size = v4 ? 4 : 16;
  reader.skip((v4 ? 12 : 8) - 2);
  const [source, destination] = [ipOfOctets(reader.bytes(size)), ipOfOctets(reader.bytes(size))].map(formatIp);
  if (v4) reader.skip((((first >>> 8) & 15) - 5) * 4);
  const ported = protocol === 6 || protocol === 17;
  const [sourcePort, destinationPort] = ported ? [reader.u16(), reader.u16()] : [0, 0];
  if (source === undefined || destination === undefined || /^(fe80|ff)/.test(destination)) return undefined;
  const tcpFlags = protocol === 6 ? (bytes[reader.offset + 9] ?? 0) : 0;
  const mss = protocol === 6 && (tcpFlags & 2) !== 0 ? mssOf(bytes.subarray(reader.offset - 4)) : undefined;
  return { source, destination, protocol, sourcePort, destinationPort, dscp, tcpFlags, mss };
}

export interface Made {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly dscp: number;
  /** TCP only: greatest segment size. */
  readonly mss?: number;
}

/** The first packet of a flow: an empty UDP datagram, a SYN, an echo request, or the protocol's number and nothing else. */
export function packetOf(made: Made): Uint8Array {
  const { source, destination, protocol, sourcePort, destinationPort, dscp, mss } = made;
  const v4 = !source.includes(":");
  const payload = new Writer(new Uint8Array(24));
  if (protocol === 6) {
    payload
      .u16(sourcePort)
      .u16(destinationPort)
      .u32(1)
      .u32(0)
      .u16(mss === undefined ? 0x5002 : 0x6002)
      .u16(1000)
      .u32(0);
    if (mss !== undefined) payload.u16(0x0204).u16(mss);
  } else if (protocol === 17) payload.u16(sourcePort).u16(destinationPort).u16(8).u16(0);
  else if (protocol === 1 || protocol === 58)
    payload
      .u8(protocol === 1 ? 8 : 128)
      .u8(0)
      .u16(0)
      .u16(sourcePort)
      .u16(1);
  else payload.u32(0).u32(0);
  const body = payload.written();
  const [from, to] = [octetsOfIp(ipOf(source)), octetsOfIp(ipOf(destination))];
  const pseudo = protocol === 1 ? [] : [from, to, Uint8Array.of(0, protocol, 0, body.length)];
  const sum = checksum(join([...pseudo, body]));
  const at = { 6: 16, 17: 6, 1: 2, 58: 2 }[protocol];
  if (at !== undefined) body.set([sum >>> 8, sum & 0xff], at);
  const head = new Writer(new Uint8Array(40));
  if (v4)
    head
      .u8(0x45)
      .u8(dscp << 2)
      .u16(20 + body.length)
      .u32(0)
      .u8(64)
      .u8(protocol)
      .u16(0)
      .put(from)
      .put(to);
  else
    head
      .u32(0x6000_0000 + dscp * 2 ** 22)
      .u16(body.length)
      .u8(protocol)
      .u8(64)
      .put(from)
      .put(to);
  return join([head.written(), body]);
}

function mssOf(segment: Uint8Array): number | undefined {
  const end = ((segment[12] ?? 0) >>> 4) * 4;
  for (let at = 20; at < end; ) {
    const kind = segment[at] ?? 0;
    if (kind === 0) return undefined;
    if (kind === 2) return ((segment[at + 2] ?? 0) << 8) + (segment[at + 3] ?? 0);
    at += kind === 1 ? 1 : Math.max(2, segment[at + 1] ?? 2);
  }
  return undefined;
}
