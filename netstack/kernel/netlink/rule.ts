/**
 * Routing policy rules.  Standards: rtnetlink(7), include/uapi/linux/fib_rules.h.
 * Left out on purpose: port ranges, uid ranges, l3mdev, suppressing by group, goto and nop when adding.
 */
import { type Ip, ipOfOctets, isIpv4, masked, octetsOfIp, type Prefix } from "../../../base/address.ts";
import { join } from "../../../base/octets.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import { AF_INET, AF_INET6 } from "../sockaddr.ts";
import { Attributes, attribute, attributeText, attributeU8, attributeU32, type Malformed } from "./attribute.ts";
import { u8, u8Of, u32 } from "./octets.ts";

export interface Rule {
  readonly family: "ip" | "ip6";
  /** Lower is asked first. */
  readonly preference: number;
  readonly from: Prefix | undefined;
  readonly to: Prefix | undefined;
  readonly mark: number | undefined;
  readonly mask: number | undefined;
  readonly iif: string | undefined;
  readonly oif: string | undefined;
  /** Table to look in; 0 for rules that do something else. */
  readonly table: number;
  /** Routes with a prefix no longer than this do not count; undefined = all count. */
  readonly suppress: number | undefined;
  readonly action: "lookup" | "goto" | "nop" | "blackhole" | "unreachable" | "prohibit" | "other";
  readonly protocol: number;
}

export function decodeRule(payload: Uint8Array): Result<Rule, Malformed> {
  if (payload.length < HEAD) return err({ kind: "short", what: "fib_rule_hdr", have: payload.length, need: HEAD });
  const family = u8Of(payload, 0);
  if (family !== AF_INET && family !== AF_INET6) {
    return err({ kind: "bad-value", what: "address family", length: family });
  }
  const parsed = Attributes.of(payload.subarray(HEAD));
  if (!parsed.ok) return parsed;
  const attributes = parsed.value;
  const size = family === AF_INET ? 4 : 16;
  const rule: Rule = {
    family: family === AF_INET ? "ip" : "ip6",
    preference: attributes.u32(FRA_PRIORITY) ?? 0,
    from: prefixIn(attributes, FRA_SRC, u8Of(payload, 2), size),
    to: prefixIn(attributes, FRA_DST, u8Of(payload, 1), size),
    mark: attributes.u32(FRA_FWMARK),
    mask: attributes.u32(FRA_FWMASK),
    iif: attributes.text(FRA_IIFNAME),
    oif: attributes.text(FRA_OIFNAME),
    table: attributes.u32(FRA_TABLE) ?? u8Of(payload, 4),
    suppress: suppressed(attributes),
    action: ACTIONS[u8Of(payload, 7)] ?? "other",
    protocol: attributes.u8(FRA_PROTOCOL) ?? 0,
  };
  return attributes.refused === undefined ? ok(rule) : err(attributes.refused);
}

export interface NewRule {
  readonly family: "ip" | "ip6";
  readonly preference: number;
  readonly table: number;
  readonly protocol: number;
  readonly from?: Prefix;
  readonly to?: Prefix;
  readonly mark?: number;
  /** Absent = all bits. */
  readonly mask?: number;
  readonly iif?: string;
  readonly oif?: string;
  readonly suppress?: number;
}

/** A rule that is there, as a request names it: to delete exactly it. */
export function orderOf({
  family,
  preference,
  table,
  protocol,
  from,
  to,
  mark,
  mask,
  iif,
  oif,
  suppress,
}: Rule): NewRule {
  return {
    family,
    preference,
    table,
    protocol,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(mark === undefined ? {} : { mark }),
    ...(mask === undefined ? {} : { mask }),
    ...(iif === undefined ? {} : { iif }),
    ...(oif === undefined ? {} : { oif }),
    ...(suppress === undefined ? {} : { suppress }),
  };
}

export function encodeRule(rule: NewRule): Uint8Array {
  const v4 = rule.family === "ip";
  for (const prefix of [rule.from, rule.to]) {
    if (prefix !== undefined && isIpv4(prefix.ip) !== v4) throw new TypeError("a prefix of another address family");
  }
  const parts = [
    u8(v4 ? AF_INET : AF_INET6),
    u8(rule.to?.length ?? 0),
    u8(rule.from?.length ?? 0),
    u8(0),
    u8(rule.table < 256 ? rule.table : 0),
    u8(0),
    u8(0),
    u8(FR_ACT_TO_TBL),
    u32(0),
    attributeU32(FRA_PRIORITY, rule.preference),
    attributeU32(FRA_TABLE, rule.table),
    attributeU8(FRA_PROTOCOL, rule.protocol),
  ];
  if (rule.from !== undefined) parts.push(attribute(FRA_SRC, octetsOfIp(rule.from.ip)));
  if (rule.to !== undefined) parts.push(attribute(FRA_DST, octetsOfIp(rule.to.ip)));
  if (rule.mark !== undefined) parts.push(attributeU32(FRA_FWMARK, rule.mark));
  if (rule.mask !== undefined) parts.push(attributeU32(FRA_FWMASK, rule.mask));
  if (rule.suppress !== undefined) parts.push(attributeU32(FRA_SUPPRESS_PREFIXLEN, rule.suppress));
  if (rule.iif !== undefined) parts.push(attributeText(FRA_IIFNAME, rule.iif));
  if (rule.oif !== undefined) parts.push(attributeText(FRA_OIFNAME, rule.oif));
  return join(parts);
}

export function encodeGetRules(family: number): Uint8Array {
  return join([u8(family), new Uint8Array(HEAD - 1)]);
}

export const RTM_NEWRULE = 32;
export const RTM_DELRULE = 33;
export const RTM_GETRULE = 34;

function prefixIn(attributes: Attributes, type: number, length: number, size: number): Prefix | undefined {
  const octets = attributes.octets(type);
  if (octets === undefined) return undefined;
  if (octets.length === size && length <= size * 8) {
    const ip: Ip = ipOfOctets(octets);
    return { ip: masked(ip, length), length };
  }
  attributes.refuse({ kind: "bad-value", what: `prefix in attribute ${type}`, length: octets.length });
  return undefined;
}

/** The kernel writes -1 for "none" where it writes it at all. */
function suppressed(attributes: Attributes): number | undefined {
  const length = attributes.u32(FRA_SUPPRESS_PREFIXLEN);
  return length === undefined || length > 128 ? undefined : length;
}

const HEAD = 12;
const FRA_DST = 1;
const FRA_SRC = 2;
const FRA_IIFNAME = 3;
const FRA_PRIORITY = 6;
const FRA_FWMARK = 10;
const FRA_SUPPRESS_PREFIXLEN = 14;
const FRA_TABLE = 15;
const FRA_FWMASK = 16;
const FRA_OIFNAME = 17;
const FRA_PROTOCOL = 21;
const FR_ACT_TO_TBL = 1;
const ACTIONS = ["other", "lookup", "goto", "nop", "other", "other", "blackhole", "unreachable", "prohibit"] as const;
