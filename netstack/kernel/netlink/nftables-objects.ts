/**
 * nftables tables, chains and rules as far as an audit needs them: names, hooks, comments, how many rules.
 * Standards: include/uapi/linux/netfilter/nf_tables.h; table comments as libnftnl lays them out in user data.
 * Left out on purpose: what rules say (nftables.ts prints it).
 */

import { join } from "../../../base/octets.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import { Attributes, attributeText, decodeAttributes, type Malformed } from "./attribute.ts";
import { type Family, HEADS } from "./nftables-elements.ts";
import { textOf, u8Of } from "./octets.ts";

export interface TableHead {
  readonly family: Family;
  readonly name: string;
  readonly comment: string | undefined;
}

export interface ChainHead {
  readonly family: Family;
  readonly table: string;
  readonly name: string;
  /** Interfaces that a netdev chain hangs on; empty for all others. */
  readonly devices: readonly string[];
  /** A chain that the kernel calls by itself. */
  readonly base: boolean;
}

export interface RuleHead {
  readonly family: Family;
  readonly table: string;
  readonly chain: string;
}

export function decodeTable(payload: Uint8Array): Result<TableHead, Malformed> {
  return object(payload, (family, attributes) => ({
    family,
    name: attributes.text(NFTA_NAME) ?? "",
    comment: commentOf(attributes.octets(NFTA_TABLE_USERDATA)),
  }));
}

export function decodeChain(payload: Uint8Array): Result<ChainHead, Malformed> {
  return object(payload, (family, attributes) => {
    const hook = attributes.nested(NFTA_CHAIN_HOOK);
    const device = hook?.text(NFTA_HOOK_DEV);
    const devices = decodeAttributes(hook?.octets(NFTA_HOOK_DEVS) ?? new Uint8Array(0));
    if (!devices.ok) attributes.refuse(devices.error);
    const several = devices.ok ? devices.value.map((each) => textOf(each.value)) : [];
    return {
      family,
      table: attributes.text(NFTA_CHAIN_TABLE) ?? "",
      name: attributes.text(NFTA_CHAIN_NAME) ?? "",
      devices: several.length > 0 || device === undefined ? several : [device],
      base: hook !== undefined,
    };
  });
}

export function decodeRule(payload: Uint8Array): Result<RuleHead, Malformed> {
  return object(payload, (family, attributes) => ({
    family,
    table: attributes.text(NFTA_RULE_TABLE) ?? "",
    chain: attributes.text(NFTA_RULE_CHAIN) ?? "",
  }));
}

export function encodeListChains(family: Family): Uint8Array {
  return HEADS[family];
}

export function encodeListRules(family: Family, table: string): Uint8Array {
  return join([HEADS[family], attributeText(NFTA_RULE_TABLE, table)]);
}

/** The dump of all families. */
export const EVERYTHING: Uint8Array = Uint8Array.of(0, 0, 0, 0);
const SUBSYSTEM = 10 << 8;
export const NFT_LIST_TABLES = SUBSYSTEM | 1;
export const NFT_LIST_CHAINS = SUBSYSTEM | 4;
export const NFT_LIST_RULES = SUBSYSTEM | 7;

function object<T>(payload: Uint8Array, read: (family: Family, attributes: Attributes) => T): Result<T, Malformed> {
  if (payload.length < HEAD) return err({ kind: "short", what: "nfgenmsg", have: payload.length, need: HEAD });
  const family = FAMILIES[u8Of(payload)];
  if (family === undefined) return err({ kind: "bad-value", what: "nftables family", length: u8Of(payload) });
  const attributes = Attributes.of(payload.subarray(HEAD));
  if (!attributes.ok) return attributes;
  const value = read(family, attributes.value);
  return attributes.value.refused === undefined ? ok(value) : err(attributes.value.refused);
}

/** User data is a list of (type, length, value) octets; a table's comment is type 0. */
function commentOf(data: Uint8Array | undefined): string | undefined {
  if (data === undefined) return undefined;
  for (let at = 0; at + 2 <= data.length; at += 2 + u8Of(data, at + 1)) {
    if (u8Of(data, at) === 0) return textOf(data.subarray(at + 2, at + 2 + u8Of(data, at + 1)));
  }
  return undefined;
}

const FAMILIES: Readonly<Record<number, Family>> = {
  1: "inet",
  2: "ip",
  3: "arp",
  5: "netdev",
  7: "bridge",
  10: "ip6",
};
const HEAD = 4;
const NFTA_NAME = 1;
const NFTA_TABLE_USERDATA = 6;
const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFTA_CHAIN_HOOK = 4;
const NFTA_HOOK_DEV = 3;
const NFTA_HOOK_DEVS = 4;
const NFTA_RULE_TABLE = 1;
const NFTA_RULE_CHAIN = 2;
