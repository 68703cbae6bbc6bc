/**
 * Echo requests of a certain size, their answers, and what routers say when one was too big for them.
 * Standards: RFC 792, RFC 1191 §4 (next-hop MTU), RFC 4443 §3.2, §4.1.
 */
import { checksum } from "../../netstack/wire/checksum.ts";

export interface Echo {
  /** 0–65535 each. */
  readonly id: number;
  readonly sequence: number;
  /** Eight octets that nobody off the path can know. */
  readonly token: Uint8Array;
}

export type Heard =
  | { readonly kind: "answer"; readonly echo: Echo; readonly size: number }
  | { readonly kind: "too-big"; readonly id: number; readonly sequence: number; readonly mtu: number }
  | { readonly kind: "other" };

/** The ICMP message in an IP packet of `size` octets.  The checksum of ICMPv6 is the kernel's business (RFC 3542 §3.1). */
export function encodeEcho(family: 4 | 6, { id, sequence, token }: Echo, size: number): Uint8Array {
  const length = size - IP_HEADER[family];
  if (length < HEADER + TOKEN || token.length !== TOKEN) throw new TypeError(`an echo request of ${size} octets`);
  const out = new Uint8Array(length);
  out[0] = REQUEST[family];
  const view = new DataView(out.buffer);
  view.setUint16(4, id);
  view.setUint16(6, sequence);
  out.set(token, HEADER);
  if (family === 4) view.setUint16(2, checksum(out));
  return out;
}

/** What a raw socket hands over: IPv4 with its header, IPv6 without. */
export function decodeEcho(family: 4 | 6, packet: Uint8Array): Heard {
  const icmp = family === 4 ? payloadOf(packet) : packet;
  if (icmp === undefined || icmp.length < HEADER) return OTHER;
  const view = viewOf(icmp);
  const [type, code] = [icmp[0], icmp[1]];
  if (type === REPLY[family] && icmp.length >= HEADER + TOKEN) {
    const token = icmp.slice(HEADER, HEADER + TOKEN);
    const echo = { id: view.getUint16(4), sequence: view.getUint16(6), token };
    return { kind: "answer", echo, size: icmp.length + IP_HEADER[family] };
  }
  const tooBig = family === 4 ? type === UNREACHABLE && code === FRAGMENTATION_NEEDED : type === PACKET_TOO_BIG;
  if (!tooBig) return OTHER;
  const mtu = family === 4 ? view.getUint16(6) : view.getUint32(4);
  const quoted = quotedEcho(family, icmp.subarray(HEADER));
  return quoted === undefined ? OTHER : { kind: "too-big", ...quoted, mtu };
}

/** Of the packet that was too big its IP header and at least eight octets come back. */
function quotedEcho(family: 4 | 6, packet: Uint8Array): { readonly id: number; readonly sequence: number } | undefined {
  const icmp = family === 4 ? payloadOf(packet) : packet[6] === ICMPV6 ? packet.subarray(IP_HEADER[6]) : undefined;
  if (icmp === undefined || icmp.length < HEADER || icmp[0] !== REQUEST[family]) return undefined;
  const view = viewOf(icmp);
  return { id: view.getUint16(4), sequence: view.getUint16(6) };
}

function payloadOf(packet: Uint8Array): Uint8Array | undefined {
  const head = packet[0] ?? 0;
  const length = (head & 0xf) * 4;
  if (head >> 4 !== 4 || length < IP_HEADER[4] || packet.length < length || packet[9] !== ICMP) return undefined;
  return packet.subarray(length);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const OTHER: Heard = { kind: "other" };
const IP_HEADER = { 4: 20, 6: 40 } as const;
const HEADER = 8;
const TOKEN = 8;
const ICMP = 1;
const ICMPV6 = 58;
const REQUEST = { 4: 8, 6: 128 } as const;
const REPLY = { 4: 0, 6: 129 } as const;
const UNREACHABLE = 3;
const FRAGMENTATION_NEEDED = 4;
const PACKET_TOO_BIG = 2;
