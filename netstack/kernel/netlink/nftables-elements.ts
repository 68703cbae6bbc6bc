/**
 * Elements of nftables sets and maps, straight over nfnetlink: what renews a lease every few milliseconds cannot afford
 * the parser of libnftables, and a batch that never changes need not be encoded twice.
 * Standards: include/uapi/linux/netfilter/{nfnetlink,nf_tables}.h.  Rules and sets themselves are made by nftables.ts.
 * Left out on purpose: intervals, element comments and expressions, and listing verdict maps.
 */
import { err, ok, type Result } from "../../../base/result.ts";
import { type Ms, ms } from "../../../base/unit.ts";
import { Attributes, attribute, attributeText, decodeAttributes, type Malformed, nested } from "./attribute.ts";
import { encodeMessage, NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST } from "./message.ts";
import { aligned, join, LITTLE, u32be, u64be, view } from "./octets.ts";

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
  const last = changes.length - 1;
  return join([
    encodeMessage(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, 0, head(0, NFNL_SUBSYS_NFTABLES)),
    ...changes.map((change, index) => encodeChange(change, index === last ? NLM_F_ACK : 0)),
    encodeMessage(NFNL_MSG_BATCH_END, NLM_F_REQUEST, 0, head(0, NFNL_SUBSYS_NFTABLES)),
  ]);
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
  return join([head(FAMILIES[set.family], 0), ...named(set)]);
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

function encodeChange(change: Change, flags: number): Uint8Array {
  const type = (NFNL_SUBSYS_NFTABLES << 8) | (change.kind === "add" ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM);
  const create = change.kind === "add" ? NLM_F_CREATE : 0;
  return encodeMessage(
    type,
    NLM_F_REQUEST | create | flags,
    0,
    head(FAMILIES[change.set.family], 0),
    ...named(change.set),
    nested(NFTA_SET_ELEM_LIST_ELEMENTS, ...change.elements.map(encodeElement)),
  );
}

function encodeElement(element: Element): Uint8Array {
  const parts = [nested(NFTA_SET_ELEM_KEY, attribute(NFTA_DATA_VALUE, element.key))];
  if (element.data !== undefined) parts.push(nested(NFTA_SET_ELEM_DATA, attribute(NFTA_DATA_VALUE, element.data)));
  if (element.goto !== undefined) {
    const verdict = [attribute(NFTA_VERDICT_CODE, u32be(NFT_GOTO)), attributeText(NFTA_VERDICT_CHAIN, element.goto)];
    parts.push(nested(NFTA_SET_ELEM_DATA, nested(NFTA_DATA_VERDICT, ...verdict)));
  }
  if (element.timeout !== undefined) {
    parts.push(attribute(NFTA_SET_ELEM_TIMEOUT, u64be(Math.ceil(element.timeout))));
  }
  if (element.expires !== undefined) {
    parts.push(attribute(NFTA_SET_ELEM_EXPIRATION, u64be(Math.ceil(element.expires))));
  }
  return nested(NFTA_LIST_ELEM, ...parts);
}

function named(set: SetRef): readonly Uint8Array[] {
  return [attributeText(NFTA_SET_ELEM_LIST_TABLE, set.table), attributeText(NFTA_SET_ELEM_LIST_SET, set.name)];
}

/** struct nfgenmsg: family, version 0, resource id in network order. */
function head(family: number, resource: number): Uint8Array {
  return Uint8Array.of(family, 0, resource >>> 8, resource & 0xff);
}

export const NFT_LIST_ELEMENTS = (10 << 8) | 13;
const FAMILIES: Record<Family, number> = { inet: 1, ip: 2, arp: 3, netdev: 5, bridge: 7, ip6: 10 };
const HEAD = 4;
const NFNL_SUBSYS_NFTABLES = 10;
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
