/**
 * Tracked connections: octets.  Standards: include/uapi/linux/netfilter/nfnetlink_conntrack.h, nf_conntrack_common.h.
 * Left out on purpose: expectations, helpers, labels, security contexts, sequence adjustments, protocols' own information
 * but for TCP's state, creating connections.
 */
import { type Ip, ipOfOctets, isIpv4, octetsOfIp } from "../../../base/address.ts";
import { join } from "../../../base/octets.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import { AF_INET, AF_INET6 } from "../sockaddr.ts";
import { Attributes, attribute, attributeU8, type Malformed, nested } from "./attribute.ts";
import { u8Of, view } from "./octets.ts";

/** One direction of a connection. */
export interface Tuple {
  readonly source: Ip;
  readonly destination: Ip;
  readonly protocol: number;
  /** undefined where the protocol has none. */
  readonly sourcePort: number | undefined;
  readonly destinationPort: number | undefined;
  /** ICMP only: type, code and identifier, which are what tells its "connections" apart. */
  readonly icmp?: { readonly type: number; readonly code: number; readonly id: number };
}

export interface Counted {
  readonly packets: number;
  readonly octets: number;
}

export interface Connection {
  readonly original: Tuple;
  /** As the answers come: where NAT is at work, not the original turned around. */
  readonly reply: Tuple;
  readonly mark: number;
  /** IPS_*: IPS_SEEN_REPLY 2, IPS_ASSURED 4, IPS_SRC_NAT 16, IPS_DST_NAT 32 … */
  readonly status: number;
  /** TCP only: TCP_CONNTRACK_*. */
  readonly tcpState: number | undefined;
  readonly zone: number;
  readonly id: number | undefined;
  /** Both ways; undefined unless net.netfilter.nf_conntrack_acct is on. */
  readonly counted: Counted | undefined;
}

/** Connections whose mark, under the mask, is this. */
export interface MarkFilter {
  readonly mark: number;
  readonly mask: number;
}

export function decodeConnection(payload: Uint8Array): Result<Connection, Malformed> {
  if (payload.length < HEAD) return err({ kind: "short", what: "nfgenmsg", have: payload.length, need: HEAD });
  const family = u8Of(payload, 0);
  if (family !== AF_INET && family !== AF_INET6) {
    return err({ kind: "bad-value", what: "address family", length: family });
  }
  const parsed = Attributes.of(payload.subarray(HEAD));
  if (!parsed.ok) return parsed;
  const all = parsed.value;
  const original = decodeTuple(all.nested(CTA_TUPLE_ORIG), family);
  if (!original.ok) return original;
  const reply = decodeTuple(all.nested(CTA_TUPLE_REPLY), family);
  if (!reply.ok) return reply;
  const tcp = all.nested(CTA_PROTOINFO)?.nested(CTA_PROTOINFO_TCP);
  const connection: Connection = {
    original: original.value,
    reply: reply.value,
    mark: all.u32be(CTA_MARK) ?? 0,
    status: all.u32be(CTA_STATUS) ?? 0,
    tcpState: tcp?.u8(CTA_PROTOINFO_TCP_STATE),
    zone: u16be(all.octets(CTA_ZONE)) ?? 0,
    id: all.u32be(CTA_ID),
    counted: sum(counters(all.nested(CTA_COUNTERS_ORIG)), counters(all.nested(CTA_COUNTERS_REPLY))),
  };
  const refused = all.refused ?? tcp?.refused;
  return refused === undefined ? ok(connection) : err(refused);
}

/** What to dump, or, as a request to delete, what to flush: 0 = both families. */
export function encodeSelection(family: number, filter: MarkFilter): Uint8Array {
  return join([head(family), attribute(CTA_MARK, u32be(filter.mark)), attribute(CTA_MARK_MASK, u32be(filter.mask))]);
}

/** Names one connection: by its original direction, and by its number, so that a successor is never meant. */
export function encodeNamed({ original, zone, id }: Pick<Connection, "original" | "zone" | "id">): Uint8Array {
  const parts = [head(familyOf(original)), encodeTuple(original)];
  if (zone !== 0) parts.push(attribute(CTA_ZONE, u16beOctets(zone)));
  if (id !== undefined) parts.push(attribute(CTA_ID, u32be(id)));
  return join(parts);
}

/** Bits outside the mask stay what they are. */
export function encodeNewMark(connection: Pick<Connection, "original" | "zone">, to: MarkFilter): Uint8Array {
  return join([
    encodeNamed({ ...connection, id: undefined }),
    attribute(CTA_MARK, u32be(to.mark)),
    attribute(CTA_MARK_MASK, u32be(to.mask)),
  ]);
}

export const CT_NEW: number = (1 << 8) | 0;
export const CT_GET: number = (1 << 8) | 1;
export const CT_DELETE: number = (1 << 8) | 2;

export const IPS_SRC_NAT = 0x10;
/** TCP_CONNTRACK_SYN_RECV … LAST_ACK: both ends hold a connection, or a half of it. */
export const TCP_ALIVE: readonly number[] = [2, 3, 4, 5, 6];
export const IPPROTO_TCP = 6;

function encodeTuple(tuple: Tuple): Uint8Array {
  const { source, destination, protocol, sourcePort, destinationPort, icmp } = tuple;
  const v4 = isIpv4(source);
  const proto = [attributeU8(CTA_PROTO_NUM, protocol)];
  if (sourcePort !== undefined) proto.push(attribute(CTA_PROTO_SRC_PORT, u16beOctets(sourcePort)));
  if (destinationPort !== undefined) proto.push(attribute(CTA_PROTO_DST_PORT, u16beOctets(destinationPort)));
  if (icmp !== undefined) {
    const [id, type, code] = v4 ? ICMP4 : ICMP6;
    proto.push(attribute(id, u16beOctets(icmp.id)), attributeU8(type, icmp.type), attributeU8(code, icmp.code));
  }
  return nested(
    CTA_TUPLE_ORIG,
    nested(
      CTA_TUPLE_IP,
      attribute(v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, octetsOfIp(source)),
      attribute(v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, octetsOfIp(destination)),
    ),
    nested(CTA_TUPLE_PROTO, ...proto),
  );
}

function decodeTuple(tuple: Attributes | undefined, family: number): Result<Tuple, Malformed> {
  const ip = tuple?.nested(CTA_TUPLE_IP);
  const proto = tuple?.nested(CTA_TUPLE_PROTO);
  const v4 = family === AF_INET;
  const source = ip?.octets(v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC);
  const destination = ip?.octets(v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST);
  const protocol = proto?.u8(CTA_PROTO_NUM);
  const size = v4 ? 4 : 16;
  if (source?.length !== size || destination?.length !== size || protocol === undefined) {
    return err({ kind: "bad-value", what: "tuple", length: source?.length ?? 0 });
  }
  const [idType, typeType, codeType] = v4 ? ICMP4 : ICMP6;
  const id = u16be(proto?.octets(idType));
  const type = proto?.u8(typeType);
  const code = proto?.u8(codeType);
  const value: Tuple = {
    source: ipOfOctets(source),
    destination: ipOfOctets(destination),
    protocol,
    sourcePort: u16be(proto?.octets(CTA_PROTO_SRC_PORT)),
    destinationPort: u16be(proto?.octets(CTA_PROTO_DST_PORT)),
    ...(id === undefined || type === undefined || code === undefined ? {} : { icmp: { type, code, id } }),
  };
  const refused = tuple?.refused ?? ip?.refused ?? proto?.refused;
  return refused === undefined ? ok(value) : err(refused);
}

function counters(attributes: Attributes | undefined): Counted | undefined {
  const packets = attributes?.octets(CTA_COUNTERS_PACKETS);
  const octets = attributes?.octets(CTA_COUNTERS_BYTES);
  if (packets?.length !== 8 || octets?.length !== 8) return undefined;
  return { packets: Number(view(packets).getBigUint64(0)), octets: Number(view(octets).getBigUint64(0)) };
}

function sum(a: Counted | undefined, b: Counted | undefined): Counted | undefined {
  if (a === undefined || b === undefined) return undefined;
  return { packets: a.packets + b.packets, octets: a.octets + b.octets };
}

function familyOf({ source }: Tuple): number {
  return isIpv4(source) ? AF_INET : AF_INET6;
}
/** struct nfgenmsg: family, version 0, resource 0. */
function head(family: number): Uint8Array {
  return Uint8Array.of(family, 0, 0, 0);
}
function u16be(octets: Uint8Array | undefined): number | undefined {
  return octets?.length === 2 ? view(octets).getUint16(0) : undefined;
}
function u16beOctets(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 0xff);
}
function u32be(value: number): Uint8Array {
  const out = new Uint8Array(4);
  view(out).setUint32(0, value >>> 0);
  return out;
}

const HEAD = 4;
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_STATUS = 3;
const CTA_PROTOINFO = 4;
const CTA_MARK = 8;
const CTA_COUNTERS_ORIG = 9;
const CTA_COUNTERS_REPLY = 10;
const CTA_ID = 12;
const CTA_ZONE = 18;
const CTA_MARK_MASK = 21;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_IP_V4_SRC = 1;
const CTA_IP_V4_DST = 2;
const CTA_IP_V6_SRC = 3;
const CTA_IP_V6_DST = 4;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_SRC_PORT = 2;
const CTA_PROTO_DST_PORT = 3;
/** Identifier, type, code. */
const ICMP4 = [4, 5, 6] as const;
const ICMP6 = [7, 8, 9] as const;
const CTA_COUNTERS_PACKETS = 1;
const CTA_COUNTERS_BYTES = 2;
const CTA_PROTOINFO_TCP = 1;
const CTA_PROTOINFO_TCP_STATE = 1;
