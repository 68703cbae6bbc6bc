/**
 * What each attribute must look like, and what it costs when it does not: RFC 7606 §7, in its order.  Standards:
 * RFC 4271 §5, RFC 1997, RFC 4360, RFC 8092 §5, RFC 4456 §8, RFC 6793 §6, RFC 7607 §2.
 */
import type { Ipv4 } from "../../../base/address.ts";
import {
  type AsPath,
  ATTRIBUTE_TYPES,
  type AttributeName,
  type ExtendedCommunity,
  type LargeCommunity,
  OPTIONAL,
  type Origin,
  TRANSITIVE,
  type UnknownAttribute,
} from "./attribute.ts";
import type { Agreed, AttributeFaultKind } from "./message.ts";
import { decodePath } from "./path.ts";

/** PathAttributes being read. */
export interface Draft {
  origin: Origin;
  asPath: AsPath;
  nextHop: Ipv4 | undefined;
  med: number | undefined;
  localPref: number | undefined;
  atomicAggregate: boolean;
  aggregator: Aggregator | undefined;
  communities: readonly number[];
  extendedCommunities: readonly ExtendedCommunity[];
  largeCommunities: readonly LargeCommunity[];
  originatorId: Ipv4 | undefined;
  clusterList: readonly Ipv4[];
  readonly unknown: UnknownAttribute[];
  readonly partial: AttributeName[];
  as4Path: AsPath | undefined;
  as4Aggregator: Aggregator | undefined;
}
interface Aggregator {
  readonly asn: number;
  readonly address: Ipv4;
}

export function emptyDraft(): Draft {
  return {
    origin: "incomplete",
    asPath: [],
    nextHop: undefined,
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
    as4Path: undefined,
    as4Aggregator: undefined,
  };
}

export interface Rule {
  /** The two bits that RFC 7606 §3 (c) is about. */
  readonly flags: number;
  readonly malformed: "treat-as-withdraw" | "attribute-discard";
  /** From an external peer it is discarded, whatever it looks like. */
  readonly internalOnly: boolean;
  /** Optional transitive, and said again to others: its Partial bit matters. */
  readonly isPassedOn: boolean;
  read(draft: Draft, bytes: Uint8Array, from: number, to: number, agreed: Agreed): AttributeFaultKind | undefined;
}

const WELL_KNOWN = TRANSITIVE;
const NON_TRANSITIVE = OPTIONAL;
const BOTH = OPTIONAL | TRANSITIVE;

/** By type code; undefined: not known here. */
export const RULES: readonly (Rule | undefined)[] = byType({
  // §7.1
  ORIGIN: rule(WELL_KNOWN, "treat-as-withdraw", (draft, bytes, from, to) => {
    if (to - from !== 1) return "length";
    const origin = ORIGINS[bytes[from] as number];
    if (origin === undefined) return "value";
    draft.origin = origin;
    return undefined;
  }),
  // §7.2
  AS_PATH: rule(WELL_KNOWN, "treat-as-withdraw", (draft, bytes, from, to, agreed) => {
    const path = decodePath(bytes, from, to, agreed.fourOctetAsn ? 4 : 2);
    if (!path.ok) return path.error;
    if (path.value.some(isConfederation)) return "confederation"; // RFC 5065 §5
    draft.asPath = path.value;
    return undefined;
  }),
  // §7.3
  NEXT_HOP: rule(WELL_KNOWN, "treat-as-withdraw", (draft, bytes, from, to) => {
    if (to - from !== 4) return "length";
    const address = u32(bytes, from) as Ipv4;
    if (!isHost(address)) return "next-hop";
    draft.nextHop = address;
    return undefined;
  }),
  // §7.4
  MULTI_EXIT_DISC: rule(NON_TRANSITIVE, "treat-as-withdraw", (draft, bytes, from, to) => {
    if (to - from !== 4) return "length";
    draft.med = u32(bytes, from);
    return undefined;
  }),
  // §7.5
  LOCAL_PREF: internal(WELL_KNOWN, (draft, bytes, from, to) => {
    if (to - from !== 4) return "length";
    draft.localPref = u32(bytes, from);
    return undefined;
  }),
  // §7.6
  ATOMIC_AGGREGATE: rule(WELL_KNOWN, "attribute-discard", (draft, _bytes, from, to) => {
    if (to !== from) return "length";
    draft.atomicAggregate = true;
    return undefined;
  }),
  // §7.7
  AGGREGATOR: rule(BOTH, "attribute-discard", (draft, bytes, from, to, agreed) => {
    const width = agreed.fourOctetAsn ? 4 : 2;
    if (to - from !== width + 4) return "length";
    const asn = width === 4 ? u32(bytes, from) : u32(bytes, from) >>> 16;
    if (asn === 0) return "as-zero";
    draft.aggregator = { asn, address: u32(bytes, from + width) as Ipv4 };
    return undefined;
  }),
  // §7.8
  COMMUNITIES: rule(BOTH, "treat-as-withdraw", (draft, bytes, from, to) => {
    if (!isMultiple(to - from, 4)) return "length";
    draft.communities = words(bytes, from, to);
    return undefined;
  }),
  // §7.9
  ORIGINATOR_ID: internal(NON_TRANSITIVE, (draft, bytes, from, to) => {
    if (to - from !== 4) return "length";
    draft.originatorId = u32(bytes, from) as Ipv4;
    return undefined;
  }),
  // §7.10
  CLUSTER_LIST: internal(NON_TRANSITIVE, (draft, bytes, from, to) => {
    if (!isMultiple(to - from, 4)) return "length";
    draft.clusterList = words(bytes, from, to) as readonly Ipv4[];
    return undefined;
  }),
  // §7.11, §7.12: in mp.ts
  // §7.14
  EXTENDED_COMMUNITIES: rule(BOTH, "treat-as-withdraw", (draft, bytes, from, to) => {
    if (!isMultiple(to - from, 8)) return "length";
    const all = words(bytes, from, to);
    draft.extendedCommunities = all.flatMap((high, index) =>
      index % 2 === 0 ? [{ high, low: all[index + 1] as number }] : [],
    );
    return undefined;
  }),
  // RFC 6793 §6
  AS4_PATH: merging((draft, bytes, from, to, agreed) => {
    if (agreed.fourOctetAsn) return "from-new-speaker"; // §4.1
    if (to - from < 6) return "length";
    const path = decodePath(bytes, from, to, 4);
    if (!path.ok) return path.error;
    draft.as4Path = path.value.filter((segment) => !isConfederation(segment));
    return undefined;
  }),
  AS4_AGGREGATOR: merging((draft, bytes, from, to, agreed) => {
    if (agreed.fourOctetAsn) return "from-new-speaker";
    if (to - from !== 8) return "length";
    const asn = u32(bytes, from);
    if (asn === 0) return "as-zero";
    draft.as4Aggregator = { asn, address: u32(bytes, from + 4) as Ipv4 };
    return undefined;
  }),
  // RFC 8092 §3, §6
  LARGE_COMMUNITIES: rule(BOTH, "treat-as-withdraw", (draft, bytes, from, to) => {
    if (!isMultiple(to - from, 12)) return "length";
    const all = new Map<string, LargeCommunity>();
    for (let at = from; at < to; at += 12) {
      const each = { global: u32(bytes, at), local1: u32(bytes, at + 4), local2: u32(bytes, at + 8) };
      all.set(`${each.global}:${each.local1}:${each.local2}`, each);
    }
    draft.largeCommunities = [...all.values()];
    return undefined;
  }),
});

/** RFC 4271 §6.3: "a valid IP host address": neither "this network", multicast, reserved nor broadcast. */
export function isHost(address: Ipv4): boolean {
  return address >= 0x01000000 && address < 0xe0000000;
}

export function u32(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16);
  return (high | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0;
}

function rule(flags: number, malformed: Rule["malformed"], read: Rule["read"]): Rule {
  return { flags, malformed, internalOnly: false, isPassedOn: flags === BOTH, read };
}
function internal(flags: number, read: Rule["read"]): Rule {
  return { ...rule(flags, "treat-as-withdraw", read), internalOnly: true };
}
/** RFC 6793 §4.2.3: what it says becomes part of another one. */
function merging(read: Rule["read"]): Rule {
  return { ...rule(BOTH, "attribute-discard", read), isPassedOn: false };
}
function byType(
  rules: Readonly<Record<Exclude<keyof typeof ATTRIBUTE_TYPES, `MP_${string}`>, Rule>>,
): readonly (Rule | undefined)[] {
  const table: (Rule | undefined)[] = Array.from({ length: 256 });
  for (const [name, each] of Object.entries(rules)) table[ATTRIBUTE_TYPES[name as keyof typeof ATTRIBUTE_TYPES]] = each;
  return table;
}
function isConfederation(segment: AsPath[number]): boolean {
  return segment.kind === "confed-sequence" || segment.kind === "confed-set";
}
function isMultiple(length: number, of: number): boolean {
  return length > 0 && length % of === 0;
}
function words(bytes: Uint8Array, from: number, to: number): readonly number[] {
  const all: number[] = [];
  for (let at = from; at < to; at += 4) all.push(u32(bytes, at));
  return all;
}

/** RFC 4271 §4.3 (a), wire order. */
export const ORIGINS = ["igp", "egp", "incomplete"] as const;
