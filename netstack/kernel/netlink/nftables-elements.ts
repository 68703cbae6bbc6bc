/**
 * Elements of nftables sets and maps, straight over nfnetlink: what renews a lease every few milliseconds cannot afford
 * the parser of libnftables, and a batch that never changes need not be encoded twice.
 * Standards: include/uapi/linux/netfilter/{nfnetlink,nf_tables}.h.  Rules and sets themselves are made by nftables.ts.
 * Left out on purpose: intervals, element comments and expressions, and listing verdict maps.
 */

import { join } from "../../../base/octets.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import { type Ms, ms } from "../../../base/unit.ts";
import { Attributes, attribute, decodeAttributes, type Malformed } from "./attribute.ts";
import { Builder } from "./builder.ts";
import { NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST } from "./message.ts";
import { aligned, LITTLE, text, view } from "./octets.ts";

export type Family = "inet" | "ip" | "arp" | "netdev" | "bridge" | "ip6";

export interface SetRef {
  readonly family: Family;
  readonly table: string;
  readonly name: string;
}

export interface Element {
  readonly key: Uint8Array;
  /** Of a map: a value … */
  readonly data?: Uint8Array;
  /** … or, when adding, the chain to go to. */
  readonly goto?: string;
  /** undefined = for ever. */
  readonly timeout?: Ms;
  /** What is left of the timeout; when adding, absent means all of it. */
  readonly expires?: Ms;
}

export interface Change {
  readonly kind: "add" | "delete";
  readonly set: SetRef;
  readonly elements: readonly Element[];
}

/**
 * Changes as one transaction, ready to be sent many times: `stamp` it with a sequence number before each.  Only the last
 * change asks for an acknowledgement; refusals come unasked.
 */
export function encodeBatch(changes: readonly Change[]): Uint8Array {
  const batch = new Builder();
  batch.message(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST).put(NFTABLES_HEAD);
  changes.forEach((change, index) => {
    writeChange(batch, change, index === changes.length - 1 ? NLM_F_ACK : 0);
  });
  batch.message(NFNL_MSG_BATCH_END, NLM_F_REQUEST).put(NFTABLES_HEAD);
  return batch.built();
}

/**
 * The changes after which every element is there with its full timeout, whether it was there, expired or new, on every
 * kernel: to add an element that exists says nothing before Linux 6.12, and to delete one that is missing fails.
 */
export function placing(set: SetRef, elements: readonly Element[]): readonly Change[] {
  return [
    { kind: "add", set, elements },
    { kind: "delete", set, elements: elements.map(({ key }) => ({ key })) },
    { kind: "add", set, elements },
  ];
}

/**
 * The changes that give elements that are alive their full timeout again; with one that has expired, the transaction
 * fails (ENOENT).
 */
export function renewal(set: SetRef, elements: readonly Element[]): readonly Change[] {
  return placing(set, elements).slice(1);
}

/** The changes after which the elements are gone, whether they were there or not. */
export function removal(set: SetRef, elements: readonly Element[]): readonly Change[] {
  return placing(set, elements).slice(0, 2);
}

/** Writes a sequence number into every message of a batch. */
export function stamp(batch: Uint8Array, sequence: number): void {
  const words = view(batch);
  for (let at = 0; at < batch.length; at += aligned(words.getUint32(at, LITTLE))) {
    words.setUint32(at + 8, sequence, LITTLE);
  }
}

/** The request that dumps a set's elements. */
export function encodeListElements(set: SetRef): Uint8Array {
  const [table, name] = [text(set.table), text(set.name)];
  return join([HEADS[set.family], attribute(NFTA_SET_ELEM_LIST_TABLE, table), attribute(NFTA_SET_ELEM_LIST_SET, name)]);
}

export function decodeElements(payload: Uint8Array): Result<readonly Element[], Malformed> {
  if (payload.length < HEAD) return err({ kind: "short", what: "nfgenmsg", have: payload.length, need: HEAD });
  const message = Attributes.of(payload.subarray(HEAD));
  if (!message.ok) return message;
  const list = decodeAttributes(message.value.octets(NFTA_SET_ELEM_LIST_ELEMENTS) ?? new Uint8Array(0));
  if (!list.ok) return list;
  const out: Element[] = [];
  for (const each of list.value) {
    const element = decodeElement(each.value);
    if (!element.ok) return element;
    out.push(element.value);
  }
  return ok(out);
}

function decodeElement(value: Uint8Array): Result<Element, Malformed> {
  const parsed = Attributes.of(value);
  if (!parsed.ok) return parsed;
  const element = parsed.value;
  const key = element.nested(NFTA_SET_ELEM_KEY)?.octets(NFTA_DATA_VALUE);
  const data = element.nested(NFTA_SET_ELEM_DATA)?.octets(NFTA_DATA_VALUE);
  const timeout = element.u64be(NFTA_SET_ELEM_TIMEOUT);
  const expires = element.u64be(NFTA_SET_ELEM_EXPIRATION);
  if (element.refused !== undefined) return err(element.refused);
  if (key === undefined) return err({ kind: "bad-value", what: "element without a key", length: value.length });
  return ok({
    key: key.slice(),
    ...(data === undefined ? {} : { data: data.slice() }),
    ...(timeout === undefined ? {} : { timeout: ms(timeout) }),
    ...(expires === undefined ? {} : { expires: ms(expires) }),
  });
}

function writeChange(batch: Builder, change: Change, flags: number): void {
  const { set, kind, elements } = change;
  const type = (NFNL_SUBSYS_NFTABLES << 8) | (kind === "add" ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM);
  batch
    .message(type, NLM_F_REQUEST | (kind === "add" ? NLM_F_CREATE : 0) | flags)
    .put(HEADS[set.family])
    .attribute(NFTA_SET_ELEM_LIST_TABLE, text(set.table))
    .attribute(NFTA_SET_ELEM_LIST_SET, text(set.name));
  const list = batch.begin(NFTA_SET_ELEM_LIST_ELEMENTS);
  for (const element of elements) writeElement(batch, element);
  batch.end(list);
}

function writeElement(batch: Builder, element: Element): void {
  const whole = batch.begin(NFTA_LIST_ELEM);
  const key = batch.begin(NFTA_SET_ELEM_KEY);
  batch.attribute(NFTA_DATA_VALUE, element.key).end(key);
  if (element.data !== undefined || element.goto !== undefined) {
    const data = batch.begin(NFTA_SET_ELEM_DATA);
    if (element.data !== undefined) batch.attribute(NFTA_DATA_VALUE, element.data);
    if (element.goto !== undefined) {
      const verdict = batch.begin(NFTA_DATA_VERDICT);
      batch.u32be(NFTA_VERDICT_CODE, NFT_GOTO).attribute(NFTA_VERDICT_CHAIN, text(element.goto)).end(verdict);
    }
    batch.end(data);
  }
  if (element.timeout !== undefined) batch.u64be(NFTA_SET_ELEM_TIMEOUT, Math.ceil(element.timeout));
  if (element.expires !== undefined) batch.u64be(NFTA_SET_ELEM_EXPIRATION, Math.ceil(element.expires));
  batch.end(whole);
}

export const NFT_LIST_ELEMENTS = (10 << 8) | 13;
/** struct nfgenmsg: family, version 0, resource id in network order. */
export const HEADS: Readonly<Record<Family, Uint8Array>> = {
  inet: Uint8Array.of(1, 0, 0, 0),
  ip: Uint8Array.of(2, 0, 0, 0),
  arp: Uint8Array.of(3, 0, 0, 0),
  netdev: Uint8Array.of(5, 0, 0, 0),
  bridge: Uint8Array.of(7, 0, 0, 0),
  ip6: Uint8Array.of(10, 0, 0, 0),
};
const HEAD = 4;
const NFNL_SUBSYS_NFTABLES = 10;
const NFTABLES_HEAD = Uint8Array.of(0, 0, 0, NFNL_SUBSYS_NFTABLES);
const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
const NFT_MSG_NEWSETELEM = 12;
const NFT_MSG_DELSETELEM = 14;
const NFTA_SET_ELEM_LIST_TABLE = 1;
const NFTA_SET_ELEM_LIST_SET = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
const NFTA_LIST_ELEM = 1;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_SET_ELEM_DATA = 2;
const NFTA_SET_ELEM_TIMEOUT = 4;
const NFTA_SET_ELEM_EXPIRATION = 5;
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;
const NFTA_VERDICT_CHAIN = 2;
const NFT_GOTO = -4;
