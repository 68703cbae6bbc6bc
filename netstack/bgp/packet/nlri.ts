/**
 * Lists of prefixes as they stand on the wire.  Standards: RFC 4271 §4.3, RFC 4760 §5, RFC 7606 §5.3, RFC 7911 §3.
 * A list is checked once and then walked over where it lies: a hundred thousand prefixes cost no object each, and
 * whoever keeps them (a RIB) decides in what form.
 */
import { formatPrefix, type Ip, ipOfOctets, isIpv4, octetsOfIp, type Prefix } from "../../../base/address.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import type { Family } from "./family.ts";

/** A checked list.  `octets` is a view of the receive buffer: gone at the next read, so keep what you want of it. */
export interface Nlri {
  readonly family: Family;
  readonly octets: Uint8Array;
  /** How many prefixes. */
  readonly count: number;
  /** RFC 7911: each has a path identifier before it. */
  readonly paths: boolean;
}

/**
 * Fits `PrefixTable.idOfWire`, which takes a prefix from octets, as `PrefixTable.write` fits `UpdateWriter.at`: no key
 * object or string is made on the way of a route in or out.  `bits` of prefix length, and the octets that they need from
 * `at` on; what follows the bits is to be ignored.
 */
export type VisitPrefix = (octets: Uint8Array, at: number, bits: number, pathId: number) => void;

export interface BadNlri {
  readonly kind: "bits" | "short";
  /** Offset into the list. */
  readonly at: number;
}

export function decodeNlri(
  bytes: Uint8Array,
  start: number,
  end: number,
  family: Family,
  paths: boolean,
): Result<Nlri, BadNlri> {
  const most = bitsOf(family);
  let count = 0;
  for (let at = start; at < end; count++) {
    if (paths) at += PATH_ID;
    if (at >= end) return err({ kind: "short", at: at - start });
    const bits = bytes[at] as number;
    if (bits > most) return err({ kind: "bits", at: at - start });
    at += 1 + ((bits + 7) >>> 3);
    if (at > end) return err({ kind: "short", at: at - start });
  }
  // Most lists are empty, and a view costs more than the rest of the message.
  return ok({ family, octets: count === 0 ? EMPTY : bytes.subarray(start, end), count, paths });
}

export function eachPrefix(list: Nlri, visit: VisitPrefix): void {
  const { octets, paths } = list;
  for (let at = 0; at < octets.length; ) {
    let pathId = 0;
    if (paths) {
      pathId = u32(octets, at);
      at += PATH_ID;
    }
    const bits = octets[at] as number;
    visit(octets, at + 1, bits, pathId);
    at += 1 + ((bits + 7) >>> 3);
  }
}

/** For people and tests; a RIB reads the octets. */
export function prefixesOf(list: Nlri): readonly Prefix[] {
  const prefixes: Prefix[] = [];
  eachPrefix(list, (octets, at, bits) => prefixes.push(prefixAt(octets, at, bits, list.family)));
  return prefixes;
}
export function pathIdsOf(list: Nlri): readonly number[] {
  const ids: number[] = [];
  eachPrefix(list, (_octets, _at, _bits, pathId) => ids.push(pathId));
  return ids;
}

/** The other way about: a list of a few. */
export function nlriOf(family: Family, prefixes: readonly Prefix[], pathIds?: readonly number[]): Nlri {
  const octets: number[] = [];
  prefixes.forEach((prefix, index) => {
    if (isIpv4(prefix.ip) !== (family === "ipv4")) throw new TypeError(`${formatPrefix(prefix)} is not ${family}`);
    const id = pathIds?.[index] ?? 0;
    if (pathIds !== undefined) octets.push(id >>> 24, (id >>> 16) & 255, (id >>> 8) & 255, id & 255);
    octets.push(prefix.length, ...octetsOfIp(prefix.ip).subarray(0, (prefix.length + 7) >>> 3));
  });
  return { family, octets: Uint8Array.from(octets), count: prefixes.length, paths: pathIds !== undefined };
}

/**
 * RFC 4271 §6.3: a prefix that is semantically incorrect is ignored; here multicast and IPv6 link-local ones, which no
 * unicast route can have.  The list without them, and they; the same list when there is none.
 */
export function withoutImpossible(list: Nlri): { readonly list: Nlri; readonly impossible: readonly Prefix[] } {
  let found = 0;
  eachPrefix(list, (octets, at, bits) => {
    if (isImpossible(octets, at, bits, list.family)) found++;
  });
  if (found === 0) return { list, impossible: [] };
  const impossible: Prefix[] = [];
  const kept = new Uint8Array(list.octets.length);
  let to = 0;
  let from = 0;
  eachPrefix(list, (octets, at, bits) => {
    const next = at + ((bits + 7) >>> 3);
    if (isImpossible(octets, at, bits, list.family)) {
      impossible.push(prefixAt(octets, at, bits, list.family));
    } else {
      kept.set(octets.subarray(from, next), to);
      to += next - from;
    }
    from = next;
  });
  return { list: { ...list, octets: kept.subarray(0, to), count: list.count - found }, impossible };
}

export function isMulticast(ip: Ip): boolean {
  return isIpv4(ip) ? ip >>> 28 === 14 : ip.startsWith("ff");
}

function isImpossible(octets: Uint8Array, at: number, bits: number, family: Family): boolean {
  const first = octets[at] as number;
  if (family === "ipv4") return bits >= 4 && first >>> 4 === 14;
  if (bits >= 8 && first === 0xff) return true;
  return bits >= 10 && first === 0xfe && (octets[at + 1] as number) >>> 6 === 2;
}

export function prefixAt(octets: Uint8Array, at: number, bits: number, family: Family): Prefix {
  const address = new Uint8Array(bitsOf(family) / 8);
  const whole = bits >>> 3;
  address.set(octets.subarray(at, at + whole));
  if ((bits & 7) !== 0) address[whole] = (octets[at + whole] as number) & (0xff00 >>> (bits & 7));
  return { ip: ipOfOctets(address), length: bits };
}

function bitsOf(family: Family): number {
  return family === "ipv4" ? 32 : 128;
}
function u32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  );
}

const PATH_ID = 4;
const EMPTY = new Uint8Array(0);
