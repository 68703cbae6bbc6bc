/**
 * Path attributes, written.  Standards: RFC 4271 §4.3, §5, RFC 6793 §4.2.2 (for peers that know two-octet numbers only),
 * RFC 4760 §3.  In the order of their types (RFC 4271 §5), but for MP_REACH_NLRI, which comes first (RFC 7606 §5.1) and
 * is written where its prefixes are.
 */
import { isIpv4, octetsOfIp } from "../../../base/address.ts";
import {
  type AttributeName,
  attributeType,
  EXTENDED_LENGTH,
  type NextHop,
  OPTIONAL,
  PARTIAL,
  type PathAttributes,
  TRANSITIVE,
} from "./attribute.ts";
import { ORIGINS } from "./attribute-rules.ts";
import type { Agreed } from "./message.ts";
import { OctetText } from "./octet-text.ts";
import { Octets } from "./octets.ts";
import { AS_TRANS } from "./open.ts";
import { needsFourOctets, writePath } from "./path.ts";

/** Attributes that were made here: with a key, so that equal ones can be found to be equal. */
export function attributesOf(attributes: Omit<PathAttributes, "key">): PathAttributes {
  const out = writeAttributes(attributes, CANONICAL, false);
  const { global, linkLocal } = attributes.nextHop;
  for (const ip of [global, linkLocal]) {
    if (ip === undefined) out.u8(0);
    else if (isIpv4(ip)) out.u8(4).u32(ip);
    else out.u8(16).put(octetsOfIp(ip));
  }
  // No key of received octets begins so.
  return { ...attributes, key: KEY.clear().octet(4).add(out.bytes, 0, out.length).text() };
}

/** `nextHop`: as NEXT_HOP; it must be an IPv4 one. */
export function encodeAttributes(
  attributes: Omit<PathAttributes, "key">,
  agreed: Pick<Agreed, "fourOctetAsn" | "peer">,
  nextHop: boolean,
): Uint8Array {
  return writeAttributes(attributes, agreed, nextHop).slice();
}

function writeAttributes(
  attributes: Omit<PathAttributes, "key">,
  agreed: Pick<Agreed, "fourOctetAsn" | "peer">,
  nextHop: boolean,
): Octets {
  const { asPath, aggregator, communities, extendedCommunities, largeCommunities, clusterList, partial } = attributes;
  const list = LIST.start(partial);
  const { out } = list;
  const width = agreed.fourOctetAsn ? 4 : 2;
  const internal = agreed.peer === "internal";
  list.begin("ORIGIN", WELL_KNOWN);
  out.u8(ORIGINS.indexOf(attributes.origin));
  list.end();
  list.begin("AS_PATH", WELL_KNOWN);
  writePath(out, asPath, width);
  list.end();
  if (nextHop) list.words("NEXT_HOP", WELL_KNOWN, ipv4Of(attributes.nextHop));
  if (attributes.med !== undefined) list.words("MULTI_EXIT_DISC", OPTIONAL, attributes.med);
  // RFC 4271 §5.1.5, RFC 4456 §8: never to another AS.
  if (attributes.localPref !== undefined && internal) list.words("LOCAL_PREF", WELL_KNOWN, attributes.localPref);
  if (attributes.atomicAggregate) list.words("ATOMIC_AGGREGATE", WELL_KNOWN);
  const lost = aggregator !== undefined && width === 2 && aggregator.asn > 0xffff;
  if (aggregator !== undefined) {
    list.begin("AGGREGATOR", BOTH);
    if (width === 4) out.u32(aggregator.asn);
    else out.u16(lost ? AS_TRANS : aggregator.asn);
    out.u32(aggregator.address);
    list.end();
  }
  if (communities.length > 0) list.words("COMMUNITIES", BOTH, ...communities);
  if (attributes.originatorId !== undefined && internal) list.words("ORIGINATOR_ID", OPTIONAL, attributes.originatorId);
  if (clusterList.length > 0 && internal) list.words("CLUSTER_LIST", OPTIONAL, ...clusterList);
  if (extendedCommunities.length > 0) {
    list.begin("EXTENDED_COMMUNITIES", BOTH);
    for (const { high, low } of extendedCommunities) out.u32(high).u32(low);
    list.end();
  }
  if (width === 2 && needsFourOctets(asPath)) {
    list.begin("AS4_PATH", BOTH);
    writePath(
      out,
      asPath.filter(({ kind }) => kind === "sequence" || kind === "set"),
      4,
    );
    list.end();
  }
  if (lost) list.words("AS4_AGGREGATOR", BOTH, aggregator.asn, aggregator.address);
  if (largeCommunities.length > 0) {
    list.begin("LARGE_COMMUNITIES", BOTH);
    for (const { global, local1, local2 } of largeCommunities) out.u32(global).u32(local1).u32(local2);
    list.end();
  }
  // RFC 4271 §9: passed on by somebody who does not understand them.
  for (const { type, flags, value } of attributes.unknown) {
    list.begin(type, flags | PARTIAL);
    out.put(value);
    list.end();
  }
  return out;
}

/** 4, 16 or 32 octets.  A link-local address alone stands twice: what is understood most widely. */
export function nextHopOctets({ global, linkLocal }: NextHop): Uint8Array {
  if (global !== undefined && (linkLocal === undefined || isIpv4(global))) return octetsOfIp(global);
  if (linkLocal === undefined) throw new TypeError("a next hop without an address");
  return Uint8Array.of(...octetsOfIp(global ?? linkLocal), ...octetsOfIp(linkLocal));
}

/** One attribute after another: `begin`, its value, `end`. */
class List {
  readonly out = new Octets();
  #partial: readonly AttributeName[] = [];
  /** Where the header of the one being written lies. */
  #at = 0;

  start(partial: readonly AttributeName[]): this {
    this.out.clear();
    this.#partial = partial;
    return this;
  }
  begin(name: AttributeName, flags: number): void {
    const partial = this.#partial.length > 0 && this.#partial.includes(name) ? PARTIAL : 0;
    this.#at = this.out.length;
    this.out
      .u8((flags & ~EXTENDED_LENGTH) | partial)
      .u8(attributeType(name))
      .u8(0);
  }
  end(): void {
    const { out } = this;
    const length = out.length - this.#at - 3;
    out.bytes[this.#at + 2] = length;
    if (length <= 255) return;
    out.insert(this.#at + 2, length >>> 8);
    out.bytes[this.#at] = (out.bytes[this.#at] as number) | EXTENDED_LENGTH;
  }
  words(name: AttributeName, flags: number, ...words: readonly number[]): void {
    this.begin(name, flags);
    for (const word of words) this.out.u32(word);
    this.end();
  }
}

function ipv4Of({ global }: NextHop): number {
  if (global === undefined || !isIpv4(global)) throw new TypeError("NEXT_HOP needs an IPv4 address");
  return global;
}

const WELL_KNOWN = TRANSITIVE;
const BOTH = OPTIONAL | TRANSITIVE;
const LIST = new List();
const KEY = new OctetText();
/** As keys have them. */
const CANONICAL = { fourOctetAsn: true, peer: "internal" } as const;
