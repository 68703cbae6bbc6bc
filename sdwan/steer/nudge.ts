/**
 * A TCP segment that makes one end of a connection say where it stands, as if the other end had sent it: one octet far
 * outside of any window, which has to be answered by an acknowledgement (RFC 9293 §3.10.7.4) and is never taken as data.
 * The rule for flows of a dead link turns that acknowledgement into a reset which the receiver believes (RFC 5961 §3.2:
 * its sequence number is exactly the next expected one).
 */
import { type Ip, isIpv4, octetsOfIp } from "../../base/address.ts";
import { join } from "../../base/octets.ts";
import { checksum } from "../../netstack/wire/checksum.ts";
import { Writer } from "../../netstack/wire/cursor.ts";
import { encodeIpv6, IPV6_HEADER } from "../../netstack/wire/ipv6.ts";

/**
 * Socket priority of such segments, as a number and as nftables writes it.  They are of no flow that the kernel tracks: it
 * would take them for a new one in the opposite direction, and drop them (driver/untracked.ts keeps them out of it).
 */
export const NUDGE_PRIORITY = 0x6e76_0001;
export const NUDGE_CLASS = "6e76:0001";

export interface NudgeEnds {
  readonly from: Ip;
  readonly fromPort: number;
  readonly to: Ip;
  readonly toPort: number;
}

/** A whole IP packet, for a raw socket. */
export function encodeNudge({ from, fromPort, to, toPort }: NudgeEnds): Uint8Array {
  const segment = new Writer(new Uint8Array(SEGMENT));
  // Acknowledging nothing that was ever sent, so that no receiver can take the octet for data.
  segment
    .u16(fromPort)
    .u16(toPort)
    .u32(SEQUENCE)
    .u32(0)
    .u8(5 << 4)
    .u8(ACK)
    .u16(0)
    .u32(0)
    .u8(0);
  const payload = segment.bytes;
  const sum = checksum(join([octetsOfIp(from), octetsOfIp(to), Uint8Array.of(0, TCP, 0, SEGMENT), payload]));
  payload.set([sum >>> 8, sum & 0xff], CHECKSUM_AT);
  if (isIpv4(from)) {
    const packet = new Writer(new Uint8Array(20 + SEGMENT));
    // Length, identification and checksum are filled in by the kernel; don't fragment.
    packet
      .u8(0x45)
      .u8(0)
      .u16(20 + SEGMENT)
      .u16(0)
      .u16(0x4000)
      .u8(HOPS)
      .u8(TCP)
      .u16(0);
    return packet.put(octetsOfIp(from)).put(octetsOfIp(to)).put(payload).bytes;
  }
  const packet = new Writer(new Uint8Array(IPV6_HEADER + SEGMENT));
  if (isIpv4(to)) throw new TypeError("a connection between address families");
  encodeIpv6(packet, { nextHeader: TCP, hopLimit: HOPS, payloadLength: SEGMENT, source: from, destination: to });
  return packet.put(payload).bytes;
}

const SEGMENT = 21;
const CHECKSUM_AT = 16;
const TCP = 6;
const ACK = 0x10;
const HOPS = 64;
const SEQUENCE = 0;
