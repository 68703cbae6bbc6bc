/**
 * Neighbour solicitations and advertisements, and those of duplicate address detection.
 * Standards: RFC 4861 §4.3, §4.4, §7.1, §7.2.6; RFC 4862 §5.4; RFC 4443 §2.1.  Left out on purpose: router messages,
 * redirects, SEND (RFC 3971).
 */
import { type Ipv6, ipOfOctets, ipv6, type Mac, macOfOctets, octetsOfIp } from "../../base/address.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { checksum6 } from "./checksum.ts";
import { Reader, Writer } from "./cursor.ts";
import { ETHER_IPV6, ETHERNET_HEADER, encodeEthernet, macOfGroup6 } from "./ethernet.ts";
import { decodeIpv6, encodeIpv6, IPV6_HEADER, type MalformedIpv6 } from "./ipv6.ts";

export type NeighbourMessage = Solicitation | Advertisement;
export interface Solicitation {
  readonly kind: "solicitation";
  readonly source: Ipv6;
  readonly destination: Ipv6;
  readonly target: Ipv6;
  /** Source link-layer address option; absent in a DAD probe. */
  readonly mac: Mac | undefined;
}
export interface Advertisement {
  readonly kind: "advertisement";
  readonly source: Ipv6;
  readonly destination: Ipv6;
  readonly target: Ipv6;
  readonly router: boolean;
  readonly solicited: boolean;
  readonly override: boolean;
  /** Target link-layer address option. */
  readonly mac: Mac | undefined;
}
export type MalformedNeighbour =
  | MalformedIpv6
  | { readonly kind: "nd-not-icmp6"; readonly nextHeader: number }
  | { readonly kind: "nd-hop-limit"; readonly got: number }
  | { readonly kind: "nd-short"; readonly have: number }
  | { readonly kind: "nd-checksum" }
  | { readonly kind: "nd-type"; readonly type: number; readonly code: number }
  | { readonly kind: "nd-target-multicast" }
  | { readonly kind: "nd-option-length" }
  | { readonly kind: "nd-probe-destination" }
  | { readonly kind: "nd-probe-option" }
  | { readonly kind: "nd-solicited-multicast" };

/** `bytes` starts at the IPv6 header. */
export function decodeNeighbour(bytes: Uint8Array): Result<NeighbourMessage, MalformedNeighbour> {
  const ip = decodeIpv6(bytes);
  if (!ip.ok) return ip;
  const { source, destination } = ip.value;
  if (ip.value.nextHeader !== ICMP6) return err({ kind: "nd-not-icmp6", nextHeader: ip.value.nextHeader });
  if (ip.value.hopLimit !== 255) return err({ kind: "nd-hop-limit", got: ip.value.hopLimit }); // RFC 4861 §7.1
  const body = bytes.subarray(IPV6_HEADER, IPV6_HEADER + ip.value.payloadLength);
  if (body.length < 24) return err({ kind: "nd-short", have: body.length });
  if (checksum6(source, destination, ICMP6, body) !== 0) return err({ kind: "nd-checksum" });
  const reader = new Reader(body);
  const [type, code] = [reader.u8(), reader.u8()];
  if ((type !== SOLICITATION && type !== ADVERTISEMENT) || code !== 0) return err({ kind: "nd-type", type, code });
  reader.skip(2);
  const flags = reader.u32();
  const target = ipOfOctets(reader.bytes(16)) as Ipv6;
  if (target.startsWith("ff")) return err({ kind: "nd-target-multicast" });
  const option = linkLayer(reader, type === SOLICITATION ? 1 : 2);
  if (!option.ok) return option;
  const mac = option.value;
  if (type === SOLICITATION) {
    if (source === UNSPECIFIED) {
      if (destination !== solicitedNode(target)) return err({ kind: "nd-probe-destination" }); // §7.1.1
      if (mac !== undefined) return err({ kind: "nd-probe-option" }); // §7.1.1
    }
    return ok({ kind: "solicitation", source, destination, target, mac });
  }
  const solicited = (flags & 0x4000_0000) !== 0;
  if (solicited && destination.startsWith("ff")) return err({ kind: "nd-solicited-multicast" }); // §7.1.2
  const [router, override] = [flags >>> 31 === 1, (flags & 0x2000_0000) !== 0];
  return ok({ kind: "advertisement", source, destination, target, router, solicited, override, mac });
}

/** A whole Ethernet frame from `station`. */
export function encodeNeighbour(station: Mac, to: Mac, message: NeighbourMessage): Uint8Array {
  const length = message.mac === undefined ? 24 : 32;
  const frame = new Writer(new Uint8Array(ETHERNET_HEADER + IPV6_HEADER + length));
  encodeEthernet(frame, { destination: to, source: station, etherType: ETHER_IPV6 });
  const { source, destination } = message;
  encodeIpv6(frame, { nextHeader: ICMP6, hopLimit: 255, source, destination, payloadLength: length });
  const start = frame.length;
  frame.u8(message.kind === "solicitation" ? SOLICITATION : ADVERTISEMENT).zeros(3);
  frame.u32(message.kind === "solicitation" ? 0 : flagsOf(message)).put(octetsOfIp(message.target));
  if (message.mac !== undefined) {
    frame
      .u8(message.kind === "solicitation" ? 1 : 2)
      .u8(1)
      .u48(message.mac);
  }
  const sum = checksum6(source, destination, ICMP6, frame.bytes.subarray(start));
  frame.bytes[start + 2] = sum >>> 8;
  frame.bytes[start + 3] = sum & 0xff;
  return frame.written();
}

/** RFC 4862 §5.4.2: from the unspecified address to the solicited-node group, no option. */
export function dadProbe(station: Mac, target: Ipv6): Uint8Array {
  const destination = solicitedNode(target);
  return encodeNeighbour(station, macOfGroup6(destination), {
    kind: "solicitation",
    source: UNSPECIFIED,
    destination,
    target,
    mac: undefined,
  });
}

/** An address resolution request (RFC 4861 §7.2.2), used to ask a witness. */
export function solicit(station: Mac, source: Ipv6, target: Ipv6): Uint8Array {
  const destination = solicitedNode(target);
  return encodeNeighbour(station, macOfGroup6(destination), {
    kind: "solicitation",
    source,
    destination,
    target,
    mac: station,
  });
}

/** RFC 4861 §7.2.6: unsolicited, override, to all nodes, from the announced address itself. */
export function unsolicitedAdvertisement(station: Mac, ip: Ipv6): Uint8Array {
  return encodeNeighbour(station, macOfGroup6(ALL_NODES), {
    kind: "advertisement",
    source: ip,
    destination: ALL_NODES,
    target: ip,
    router: false,
    solicited: false,
    override: true,
    mac: station,
  });
}

/** RFC 4291 §2.7.1: ff02::1:ff00:0/104 and the last 24 bits of the address. */
export function solicitedNode(target: Ipv6): Ipv6 {
  const group = octetsOfIp(SOLICITED_NODE);
  group.set(octetsOfIp(target).subarray(13), 13);
  return ipOfOctets(group) as Ipv6;
}

function linkLayer(reader: Reader, wanted: number): Result<Mac | undefined, { readonly kind: "nd-option-length" }> {
  let mac: Mac | undefined;
  while (reader.remaining > 0) {
    const [type, length] = [reader.u8(), reader.u8()];
    if (length === 0) return err({ kind: "nd-option-length" }); // §4.6: the packet must be discarded
    const value = reader.bytes(length * 8 - 2);
    if (reader.short) return err({ kind: "nd-option-length" });
    if (type !== wanted) continue;
    if (length !== 1) return err({ kind: "nd-option-length" });
    mac ??= macOfOctets(value);
  }
  return ok(mac);
}

function flagsOf(message: Advertisement): number {
  return (
    (message.router ? 0x8000_0000 : 0) + (message.solicited ? 0x4000_0000 : 0) + (message.override ? 0x2000_0000 : 0)
  );
}

export const UNSPECIFIED: Ipv6 = ipv6("::");
export const ALL_NODES: Ipv6 = ipv6("ff02::1");
const SOLICITED_NODE: Ipv6 = ipv6("ff02::1:ff00:0");
const ICMP6 = 58;
const SOLICITATION = 135;
const ADVERTISEMENT = 136;
