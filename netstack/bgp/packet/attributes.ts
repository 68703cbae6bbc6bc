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
import { octetText } from "./attribute-list.ts";
import { ORIGINS } from "./attribute-rules.ts";
import type { Agreed } from "./message.ts";
import { AS_TRANS } from "./open.ts";
import { encodePath, needsFourOctets } from "./path.ts";

/** Attributes that were made here: with a key, so that equal ones can be found to be equal. */
export function attributesOf(attributes: Omit<PathAttributes, "key">): PathAttributes {
  const octets = encodeAttributes(attributes, { fourOctetAsn: true, peer: "internal" }, false);
  const { global, linkLocal } = attributes.nextHop;
  const hops = [global, linkLocal].map((ip) => {
    const address = ip === undefined ? new Uint8Array(0) : octetsOfIp(ip);
    return String.fromCharCode(address.length) + octetText(address, 0, address.length);
  });
  return { ...attributes, key: OWN + octetText(octets, 0, octets.length) + hops.join("") };
}

/** `nextHop`: as NEXT_HOP; it must be an IPv4 one. */
export function encodeAttributes(
  attributes: Omit<PathAttributes, "key">,
  agreed: Pick<Agreed, "fourOctetAsn" | "peer">,
  nextHop: boolean,
): Uint8Array {
  const { asPath, aggregator, partial } = attributes;
  const out = new List(partial);
  const width = agreed.fourOctetAsn ? 4 : 2;
  const internal = agreed.peer === "internal";
  out.add("ORIGIN", WELL_KNOWN, [ORIGINS.indexOf(attributes.origin)]);
  out.add("AS_PATH", WELL_KNOWN, encodePath(asPath, width));
  if (nextHop) out.add("NEXT_HOP", WELL_KNOWN, ipv4Octets(attributes.nextHop));
  if (attributes.med !== undefined) out.add("MULTI_EXIT_DISC", OPTIONAL, u32s([attributes.med]));
  // RFC 4271 §5.1.5, RFC 4456 §8: never to another AS.
  if (attributes.localPref !== undefined && internal) out.add("LOCAL_PREF", WELL_KNOWN, u32s([attributes.localPref]));
  if (attributes.atomicAggregate) out.add("ATOMIC_AGGREGATE", WELL_KNOWN, []);
  const lost = aggregator !== undefined && width === 2 && aggregator.asn > 0xffff;
  if (aggregator !== undefined) {
    const asn = lost ? AS_TRANS : aggregator.asn;
    const octets = u32s([asn]).slice(4 - width);
    out.add("AGGREGATOR", OPTIONAL | TRANSITIVE, [...octets, ...u32s([aggregator.address])]);
  }
  if (attributes.communities.length > 0) out.add("COMMUNITIES", OPTIONAL | TRANSITIVE, u32s(attributes.communities));
  if (attributes.originatorId !== undefined && internal)
    out.add("ORIGINATOR_ID", OPTIONAL, u32s([attributes.originatorId]));
  if (attributes.clusterList.length > 0 && internal) out.add("CLUSTER_LIST", OPTIONAL, u32s(attributes.clusterList));
  if (attributes.extendedCommunities.length > 0) {
    const words = attributes.extendedCommunities.flatMap(({ high, low }) => [high, low]);
    out.add("EXTENDED_COMMUNITIES", OPTIONAL | TRANSITIVE, u32s(words));
  }
  if (width === 2 && needsFourOctets(asPath)) {
    const path = asPath.filter(({ kind }) => kind === "sequence" || kind === "set");
    out.add("AS4_PATH", OPTIONAL | TRANSITIVE, encodePath(path, 4));
  }
  if (lost) out.add("AS4_AGGREGATOR", OPTIONAL | TRANSITIVE, u32s([aggregator.asn, aggregator.address]));
  if (attributes.largeCommunities.length > 0) {
    const words = attributes.largeCommunities.flatMap(({ global, local1, local2 }) => [global, local1, local2]);
    out.add("LARGE_COMMUNITIES", OPTIONAL | TRANSITIVE, u32s(words));
  }
  // RFC 4271 §9: passed on by somebody who does not understand them.
  for (const { type, flags, value } of attributes.unknown) out.add(type, flags | PARTIAL, value);
  return out.octets();
}

/** 4, 16 or 32 octets.  A link-local address alone stands twice: what is understood most widely. */
export function nextHopOctets({ global, linkLocal }: NextHop): Uint8Array {
  if (global !== undefined && (linkLocal === undefined || isIpv4(global))) return octetsOfIp(global);
  if (linkLocal === undefined) throw new TypeError("a next hop without an address");
  return Uint8Array.of(...octetsOfIp(global ?? linkLocal), ...octetsOfIp(linkLocal));
}

class List {
  readonly #octets: number[] = [];
  readonly #partial: readonly AttributeName[];
  constructor(partial: readonly AttributeName[]) {
    this.#partial = partial;
  }
  add(name: AttributeName, flags: number, value: ArrayLike<number>): void {
    const long = value.length > 255;
    const partial = this.#partial.includes(name) ? PARTIAL : 0;
    this.#octets.push((flags & ~EXTENDED_LENGTH) | partial | (long ? EXTENDED_LENGTH : 0), attributeType(name));
    if (long) this.#octets.push(value.length >>> 8);
    this.#octets.push(value.length & 255);
    for (let at = 0; at < value.length; at++) this.#octets.push(value[at] as number);
  }
  octets(): Uint8Array {
    return Uint8Array.from(this.#octets);
  }
}

function ipv4Octets({ global }: NextHop): Uint8Array {
  if (global === undefined || !isIpv4(global)) throw new TypeError("NEXT_HOP needs an IPv4 address");
  return octetsOfIp(global);
}
function u32s(words: readonly number[]): number[] {
  return words.flatMap((word) => [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255]);
}

const WELL_KNOWN = TRANSITIVE;
/** No key of received octets begins so. */
const OWN = "\u0004";
