/**
 * Path attributes as values: types, and the names of the types.  Standards: RFC 4271 §4.3, §5, RFC 1997, RFC 4360,
 * RFC 8092, RFC 4456 §8, RFC 4760 §3, RFC 6793.  Next hops of MP_REACH_NLRI are here too, so that one object says all
 * that is said about a route; an UPDATE with routes of two families therefore has two of them.
 */
import type { Ip, Ipv4, Ipv6 } from "../../../base/address.ts";

export interface PathAttributes {
  /**
   * Equal only for equal attributes: one character for each octet that was received, without the NLRI.  Attributes made
   * here rather than received have one by `attributesOf`.
   */
  readonly key: string;
  readonly origin: Origin;
  readonly asPath: AsPath;
  readonly nextHop: NextHop;
  readonly med: number | undefined;
  readonly localPref: number | undefined;
  readonly atomicAggregate: boolean;
  readonly aggregator: { readonly asn: number; readonly address: Ipv4 } | undefined;
  /** u32 each; `communityText` has the words. */
  readonly communities: readonly number[];
  readonly extendedCommunities: readonly ExtendedCommunity[];
  readonly largeCommunities: readonly LargeCommunity[];
  readonly originatorId: Ipv4 | undefined;
  readonly clusterList: readonly Ipv4[];
  /** Optional transitive ones that nobody here understands: passed on, the Partial bit set (RFC 4271 §9). */
  readonly unknown: readonly UnknownAttribute[];
  /** Known ones that came with the Partial bit: it stays set (RFC 4271 §5). */
  readonly partial: readonly AttributeName[];
}

/** Those that a route need not have, absent. */
export const NO_OPTIONAL = {
  med: undefined,
  localPref: undefined,
  atomicAggregate: false,
  aggregator: undefined,
  communities: [],
  extendedCommunities: [],
  largeCommunities: [],
  originatorId: undefined,
  clusterList: [],
  unknown: [],
  partial: [],
} as const satisfies Partial<PathAttributes>;

export type Origin = "igp" | "egp" | "incomplete";

export type AsPath = readonly AsSegment[];
export interface AsSegment {
  readonly kind: "sequence" | "set" | "confed-sequence" | "confed-set";
  /** Four-octet numbers, never empty. */
  readonly asns: readonly number[];
}

/** At least one of the two.  IPv4: `global` only. */
export interface NextHop {
  readonly global: Ip | undefined;
  readonly linkLocal: Ipv6 | undefined;
}

/** Eight octets. */
export interface ExtendedCommunity {
  readonly high: number;
  readonly low: number;
}
/** RFC 8092 §3. */
export interface LargeCommunity {
  readonly global: number;
  readonly local1: number;
  readonly local2: number;
}
export interface UnknownAttribute {
  readonly type: number;
  /** As received, without the Extended Length bit. */
  readonly flags: number;
  readonly value: Uint8Array;
}

/** The RFCs' names; a number is a type that is not known here. */
export type AttributeName = keyof typeof ATTRIBUTE_TYPES | number;
export const ATTRIBUTE_TYPES = {
  ORIGIN: 1,
  AS_PATH: 2,
  NEXT_HOP: 3,
  MULTI_EXIT_DISC: 4,
  LOCAL_PREF: 5,
  ATOMIC_AGGREGATE: 6,
  AGGREGATOR: 7,
  COMMUNITIES: 8,
  ORIGINATOR_ID: 9,
  CLUSTER_LIST: 10,
  MP_REACH_NLRI: 14,
  MP_UNREACH_NLRI: 15,
  EXTENDED_COMMUNITIES: 16,
  AS4_PATH: 17,
  AS4_AGGREGATOR: 18,
  LARGE_COMMUNITIES: 32,
} as const;

export function attributeName(type: number): AttributeName {
  return NAMES.get(type) ?? type;
}
export function attributeType(name: AttributeName): number {
  return typeof name === "number" ? name : ATTRIBUTE_TYPES[name];
}

/** Attribute Flags, RFC 4271 §4.3. */
export const OPTIONAL = 0x80;
export const TRANSITIVE = 0x40;
export const PARTIAL = 0x20;
export const EXTENDED_LENGTH = 0x10;

const NAMES: ReadonlyMap<number, AttributeName> = new Map(
  (Object.keys(ATTRIBUTE_TYPES) as (keyof typeof ATTRIBUTE_TYPES)[]).map((name) => [ATTRIBUTE_TYPES[name], name]),
);
