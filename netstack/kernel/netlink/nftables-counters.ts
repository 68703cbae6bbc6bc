/**
 * Named counters of nftables.  Standards: include/uapi/linux/netfilter/nf_tables.h (NFT_MSG_GETOBJ, nft_counter_attributes).
 * Left out on purpose: other kinds of objects (quotas, limits, helpers), and setting counters back.
 */
import { join } from "../../../base/octets.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import { Attributes, attribute, attributeText, type Malformed } from "./attribute.ts";
import { type Family, HEADS } from "./nftables-elements.ts";

export interface NamedCounter {
  readonly name: string;
  readonly packets: number;
  readonly octets: number;
}

/** The dump of a table's counters. */
export function encodeListCounters(family: Family, table: string): Uint8Array {
  return join([HEADS[family], attributeText(NFTA_OBJ_TABLE, table), attribute(NFTA_OBJ_TYPE, COUNTER_BE)]);
}

export function decodeCounter(payload: Uint8Array): Result<NamedCounter, Malformed> {
  if (payload.length < HEAD) return err({ kind: "short", what: "nfgenmsg", have: payload.length, need: HEAD });
  const parsed = Attributes.of(payload.subarray(HEAD));
  if (!parsed.ok) return parsed;
  const attributes = parsed.value;
  const data = attributes.nested(NFTA_OBJ_DATA);
  const value = {
    name: attributes.text(NFTA_OBJ_NAME) ?? "",
    packets: data?.u64be(NFTA_COUNTER_PACKETS) ?? 0,
    octets: data?.u64be(NFTA_COUNTER_BYTES) ?? 0,
  };
  const refused = attributes.refused ?? data?.refused;
  return refused === undefined ? ok(value) : err(refused);
}

export const NFT_LIST_OBJECTS = (10 << 8) | 19;
const HEAD = 4;
const NFTA_OBJ_TABLE = 1;
const NFTA_OBJ_NAME = 2;
const NFTA_OBJ_TYPE = 3;
const NFTA_OBJ_DATA = 4;
/** NFT_OBJECT_COUNTER. */
const COUNTER_BE = Uint8Array.of(0, 0, 0, 1);
const NFTA_COUNTER_BYTES = 1;
const NFTA_COUNTER_PACKETS = 2;
