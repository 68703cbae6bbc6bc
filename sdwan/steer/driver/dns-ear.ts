/**
 * Hears the DNS messages that pass by this host, in either direction, on all interfaces: a packet socket with a filter in
 * the kernel, so that nothing else wakes anybody.  Needs to hear questions too (learn.ts says why).
 */
import { type Ip, ipOfOctets } from "../../../base/address.ts";
import {
  AND,
  type BpfInstruction,
  DROP,
  JUMP_EQUAL,
  LOAD_HALF,
  LOAD_HALF_AT_X,
  LOAD_HEADER_LENGTH,
  LOAD_OCTET,
  PASS,
} from "../../../netstack/kernel/bpf.ts";
import type { Datagrams, Loop } from "../../../netstack/kernel/loop.ts";
import { openPacket } from "../../../netstack/kernel/sockets.ts";
import { Reader } from "../../../netstack/wire/cursor.ts";
import { decodeDns } from "../../../netstack/wire/dns.ts";
import type { Overheard } from "../learn.ts";

export interface DnsListener {
  heard(message: Overheard): void;
  /** Something on port 53 that is no DNS message. */
  refused(why: string): void;
}

export function hearDns(loop: Loop, on: DnsListener): Disposable {
  const fd = openPacket({ ifindex: 0, ethertype: ETH_P_ALL, cooked: true, filter: FILTER, receiveBuffer: 1 << 20 });
  return loop.datagrams(fd, {
    received(_socket: Datagrams, bytes: Uint8Array, { truncated }): void {
      const datagram = truncated ? undefined : udpOf(bytes);
      if (datagram === undefined) return on.refused("short");
      const message = decodeDns(datagram.payload);
      if (!message.ok) return on.refused(message.error.kind);
      const { payload: _, ...ends } = datagram;
      on.heard({ ...ends, message: message.value });
    },
  });
}

interface Datagram extends Omit<Overheard, "message"> {
  readonly payload: Uint8Array;
}

/** A whole UDP datagram in an IP packet without extension headers, as the filter lets it through. */
export function udpOf(packet: Uint8Array): Datagram | undefined {
  const reader = new Reader(packet);
  const first = reader.u8();
  const v4 = first >>> 4 === 4;
  const size = v4 ? 4 : 16;
  if (!v4 && first >>> 4 !== 6) return undefined;
  // More fragments to come: what is here is not all of it.
  if (v4 && ((packet[6] ?? 0) & 0x20) !== 0) return undefined;
  reader.skip((v4 ? 12 : 8) - 1);
  const source = reader.bytes(size);
  const destination = reader.bytes(size);
  if (v4) reader.skip(((first & 15) - 5) * 4);
  const [sourcePort, destinationPort] = [reader.u16(), reader.u16()];
  const length = reader.u16() - UDP_HEADER;
  reader.skip(2);
  if (reader.short || (v4 && (first & 15) < 5) || length < 0) return undefined;
  const payload = reader.bytes(length);
  if (reader.short) return undefined;
  const ip = (octets: Uint8Array): Ip => ipOfOctets(octets);
  return { source: ip(source), destination: ip(destination), sourcePort, destinationPort, payload };
}

const ETH_P_ALL = 3;
const UDP = 17;
const DNS = 53;
const UDP_HEADER = 8;
/** Counted from the IP header, where a cooked packet begins: UDP from or to port 53, no later fragment. */
const FILTER: readonly BpfInstruction[] = [
  [LOAD_OCTET, 0, 0, 0],
  [AND, 0, 0, 0xf0],
  [JUMP_EQUAL, 0, 10, 0x40],
  [LOAD_OCTET, 0, 0, 9],
  [JUMP_EQUAL, 0, 16, UDP],
  [LOAD_HALF, 0, 0, 6],
  [AND, 0, 0, 0x1fff],
  [JUMP_EQUAL, 0, 13, 0],
  [LOAD_HEADER_LENGTH, 0, 0, 0],
  [LOAD_HALF_AT_X, 0, 0, 0],
  [JUMP_EQUAL, 9, 0, DNS],
  [LOAD_HALF_AT_X, 0, 0, 2],
  [JUMP_EQUAL, 7, 8, DNS],
  [JUMP_EQUAL, 0, 7, 0x60],
  [LOAD_OCTET, 0, 0, 6],
  [JUMP_EQUAL, 0, 5, UDP],
  [LOAD_HALF, 0, 0, 40],
  [JUMP_EQUAL, 2, 0, DNS],
  [LOAD_HALF, 0, 0, 42],
  [JUMP_EQUAL, 0, 1, DNS],
  PASS,
  DROP,
];
