/**
 * Heartbeats of virtual IP nodes.  Standard: our own, docs/protocols/vip.md §3; the layout is drawn there.
 * Everything is in network order.  Strict: what is unknown, out of range or left over is refused by name, so that two
 * versions never half understand each other.  Left out on purpose: encryption (what is said is visible on the segment
 * anyway), negotiation (interval and multiplier are each sender's own).
 */
import { type Ip, type Ipv4, type Ipv6, ipOfOctets, isIpv4, type Mac, octetsOfIp } from "../../base/address.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { type Ms, ms } from "../../base/unit.ts";
import { Reader, Writer } from "../wire/cursor.ts";

export interface Heartbeat {
  /** 1–63 octets of printable ASCII, unique on the segment. */
  readonly node: string;
  /** Larger at each start of the sender. */
  readonly incarnation: number;
  /** Larger with each datagram of an incarnation. */
  readonly sequence: number;
  readonly interval: Ms;
  readonly multiplier: number;
  /** What the sender's frames carry as source. */
  readonly mac: Mac;
  /** One to three of the sender's own: the first it sends from, flows may be handed over to any. */
  readonly addresses: readonly Ip[];
  /** Virtual IPs that the sender owns, or is claiming, on this segment. */
  readonly owned: number;
  readonly echoes: readonly Echo[];
  readonly entries: readonly Entry[];
}
/** The last that the sender heard from a peer: how that peer learns that it is heard. */
export interface Echo {
  /** `nodeId` of the peer's name, because two nodes may start at the same instant. */
  readonly id: number;
  readonly incarnation: number;
  readonly sequence: number;
}
export interface Entry {
  /** The virtual IP's first address: IPv4 if it has one. */
  readonly vip: Ip;
  readonly role: Role;
  readonly priority: number;
  /** Highest term known to the sender; its own if it is the owner. */
  readonly term: number;
  /** What the sender owned when it began to claim (role "claiming"), else what it owns. */
  readonly load: number;
  /** Role "candidate": asks the owner to release to it. */
  readonly wants: boolean;
  /** Role "released": who claims at once, as an index into `echoes`. */
  readonly successor: number | undefined;
  /** Role "released": how long the sender still serves the flows it has. */
  readonly handover: Ms;
}
export type Role = "ineligible" | "listening" | "candidate" | "claiming" | "owner" | "released";

export type Malformed =
  | { readonly kind: "short"; readonly have: number }
  | { readonly kind: "magic"; readonly got: number }
  | { readonly kind: "version"; readonly got: number }
  | { readonly kind: "node-name" }
  | { readonly kind: "interval"; readonly got: number }
  | { readonly kind: "multiplier"; readonly got: number }
  | { readonly kind: "incarnation" }
  | { readonly kind: "sequence" }
  | { readonly kind: "mac" }
  | { readonly kind: "addresses"; readonly count: number }
  | { readonly kind: "family"; readonly got: number }
  | { readonly kind: "role"; readonly got: number }
  | { readonly kind: "priority" }
  | { readonly kind: "detail"; readonly role: Role; readonly got: number }
  | { readonly kind: "handover-of"; readonly role: Role }
  | { readonly kind: "trailing"; readonly octets: number };

/** `bytes` without the authentication trailer. */
export function decode(bytes: Uint8Array): Result<Heartbeat, Malformed> {
  const reader = new Reader(bytes);
  const [magic, version] = [reader.u16(), reader.u8()];
  if (reader.short) return err({ kind: "short", have: bytes.length });
  if (magic !== MAGIC) return err({ kind: "magic", got: magic });
  if (version !== VERSION) return err({ kind: "version", got: version });
  const multiplier = reader.u8();
  const interval = reader.u16();
  const owned = reader.u16();
  const mac = reader.u48();
  const [incarnation, sequence] = [reader.u64(), reader.u64()];
  const [echoCount, entryCount] = [reader.u8(), reader.u8()];
  const name = reader.bytes(reader.u8());
  const addressCount = reader.u8();
  if (reader.short) return err({ kind: "short", have: bytes.length });
  if (addressCount < 1 || addressCount > MOST_ADDRESSES) return err({ kind: "addresses", count: addressCount });
  const addresses: Ip[] = [];
  for (let index = 0; index < addressCount; index++) {
    const address = readIp(reader);
    if (!address.ok) return address;
    addresses.push(address.value);
  }
  if (interval < 10 || interval > 1000) return err({ kind: "interval", got: interval });
  if (multiplier < 2 || multiplier > 10) return err({ kind: "multiplier", got: multiplier });
  if (mac === 0 || Math.floor(mac / 2 ** 40) % 2 === 1) return err({ kind: "mac" });
  if (incarnation === undefined || incarnation === 0) return err({ kind: "incarnation" });
  if (sequence === undefined || sequence === 0) return err({ kind: "sequence" });
  if (name.length < 1 || name.length > MOST_NAME || !name.every((octet) => octet > 0x20 && octet < 0x7f)) {
    return err({ kind: "node-name" });
  }
  const echoes: Echo[] = [];
  for (let index = 0; index < echoCount; index++) {
    const [id, heard, last] = [reader.u32(), reader.u64(), reader.u64()];
    if (reader.short) return err({ kind: "short", have: bytes.length });
    if (heard === undefined) return err({ kind: "incarnation" });
    if (last === undefined) return err({ kind: "sequence" });
    echoes.push({ id, incarnation: heard, sequence: last });
  }
  const entries: Entry[] = [];
  for (let index = 0; index < entryCount; index++) {
    const entry = readEntry(reader, echoCount);
    if (!entry.ok) return entry;
    entries.push(entry.value);
  }
  if (reader.remaining > 0) return err({ kind: "trailing", octets: reader.remaining });
  return ok({
    node: String.fromCharCode(...name),
    incarnation,
    sequence,
    interval: ms(interval),
    multiplier,
    mac: mac as Mac,
    addresses,
    owned,
    echoes,
    entries,
  });
}

/** Without the trailer; `packet` must fit: see `partition`. */
export function encode(packet: Heartbeat): Uint8Array {
  const writer = new Writer(new Uint8Array(MOST_OCTETS));
  writer.u16(MAGIC).u8(VERSION).u8(packet.multiplier).u16(packet.interval).u16(packet.owned).u48(packet.mac);
  writer.u64(packet.incarnation).u64(packet.sequence).u8(packet.echoes.length).u8(packet.entries.length);
  writer.u8(packet.node.length);
  for (let at = 0; at < packet.node.length; at++) writer.u8(packet.node.charCodeAt(at));
  writer.u8(packet.addresses.length);
  for (const address of packet.addresses) writeIp(writer, address);
  for (const echo of packet.echoes) writer.u32(echo.id).u64(echo.incarnation).u64(echo.sequence);
  for (const entry of packet.entries) writeEntry(writer, entry);
  return writer.written();
}

/** Splits entries over datagrams that each fit; every part stands for itself, so a lost one costs only its entries. */
export function partition(node: string, echoes: number, entries: readonly Entry[]): readonly (readonly Entry[])[] {
  const room = MOST_OCTETS - FIXED - node.length - 17 * MOST_ADDRESSES - echoes * ECHO;
  const parts: Entry[][] = [[]];
  let left = room;
  for (const entry of entries) {
    const size = ENTRY + (isIpv4(entry.vip) ? 5 : 17);
    if (left < size || (parts.at(-1)?.length ?? 0) === 255) {
      parts.push([]);
      left = room;
    }
    left -= size;
    parts.at(-1)?.push(entry);
  }
  return parts;
}

/** A node's name in 32 bits (FNV-1a). */
export function nodeId(name: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index++) hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}

function readEntry(reader: Reader, echoes: number): Result<Entry, Malformed> {
  const code = reader.u8();
  const [priority, detail] = [reader.u8(), reader.u8()];
  const [term, load, handover] = [reader.u32(), reader.u16(), reader.u16()];
  const vip = readIp(reader);
  if (reader.short) return err({ kind: "short", have: reader.offset });
  if (!vip.ok) return vip;
  const role = ROLES[code];
  if (role === undefined) return err({ kind: "role", got: code });
  if (priority === 0) return err({ kind: "priority" });
  const wants = role === "candidate" && detail === 1;
  const successor = role === "released" && detail < echoes ? detail : undefined;
  const none = role === "released" ? NOBODY : 0;
  if (!wants && successor === undefined && detail !== none) return err({ kind: "detail", role, got: detail });
  if (handover !== 0 && role !== "released") return err({ kind: "handover-of", role });
  return ok({ vip: vip.value, role, priority, term, load, wants, successor, handover: ms(handover * 10) });
}

function writeEntry(writer: Writer, entry: Entry): void {
  const detail = entry.role === "released" ? (entry.successor ?? NOBODY) : Number(entry.wants);
  writer.u8(ROLES.indexOf(entry.role)).u8(entry.priority).u8(detail).u32(entry.term).u16(entry.load);
  writer.u16(Math.min(0xffff, Math.ceil(entry.handover / 10)));
  writeIp(writer, entry.vip);
}

function readIp(reader: Reader): Result<Ip, Malformed> {
  const family = reader.u8();
  if (family !== 4 && family !== 6)
    return err(reader.short ? { kind: "short", have: 0 } : { kind: "family", got: family });
  if (family === 4) return ok(reader.u32() as Ipv4);
  const octets = reader.bytes(16);
  return octets.length === 16 ? ok(ipv6In(octets)) : err({ kind: "short", have: octets.length });
}

function writeIp(writer: Writer, ip: Ip): void {
  if (isIpv4(ip)) writer.u8(4).u32(ip);
  else writer.u8(6).put(octetsOf(ip));
}

/** The same few addresses come in every heartbeat, and reading and writing the text of each would be half of its cost. */
function ipv6In(octets: Uint8Array): Ipv6 {
  const key = String.fromCharCode(...octets);
  const known = READ.get(key);
  if (known !== undefined) return known;
  return remembered(READ, key, ipOfOctets(octets) as Ipv6);
}
function octetsOf(ip: Ipv6): Uint8Array {
  return WRITTEN.get(ip) ?? remembered(WRITTEN, ip, octetsOfIp(ip));
}
function remembered<K, V>(map: Map<K, V>, key: K, value: V): V {
  if (map.size >= MOST_REMEMBERED) map.clear();
  map.set(key, value);
  return value;
}

export const VERSION = 1;
/** Without the trailer; with it, UDP and IPv6 headers this stays under IPv6's minimum MTU of 1280 (RFC 8200 §5). */
export const MOST_OCTETS = 1200;
export const MOST_NAME = 63;
/** More peers than this are refused: echoes must leave room for entries. */
export const MOST_PEERS = 31;
const MAGIC = 0x4e56; // "NV"
const READ = new Map<string, Ipv6>();
const WRITTEN = new Map<Ipv6, Uint8Array>();
const MOST_REMEMBERED = 2048;
const ROLES: readonly Role[] = ["ineligible", "listening", "candidate", "claiming", "owner", "released"]; // wire order
/** More are of no use to anybody. */
export const MOST_ADDRESSES = 3;
const NOBODY = 0xff;
const FIXED = 34;
const ECHO = 20;
const ENTRY = 11;
