/**
 * The list of path attributes of an UPDATE.  Standards: RFC 4271 §4.3, §6.3, RFC 7606 §3, §4, RFC 6793 §4.2.3.
 * First where each attribute lies, then what they say; what is wrong comes out as data (RFC 7606 §2).
 */
import { err, ok, type Result } from "../../../base/result.ts";
import {
  ATTRIBUTE_TYPES,
  type AttributeName,
  attributeName,
  EXTENDED_LENGTH,
  OPTIONAL,
  PARTIAL,
  type PathAttributes,
  TRANSITIVE,
} from "./attribute.ts";
import { type Draft, emptyDraft, RULES } from "./attribute-rules.ts";
import type { Agreed, AttributeFault, Refused } from "./message.ts";
import type { OctetText } from "./octet-text.ts";
import { AS_TRANS } from "./open.ts";
import { merged } from "./path.ts";

/** Where an attribute lies: header from `at`, value from `from` to `to`. */
export interface Item {
  readonly type: number;
  readonly flags: number;
  readonly at: number;
  readonly from: number;
  readonly to: number;
}
export interface Items {
  readonly items: readonly Item[];
  readonly reach: Item | undefined;
  readonly unreach: Item | undefined;
  /** RFC 7606 §4: an attribute is longer than the list, or the list ends within a header. */
  readonly overrun: { readonly attribute: AttributeName | undefined; readonly at: number } | undefined;
}

export function locate(bytes: Uint8Array, start: number, end: number): Result<Items, Refused> {
  const items: Item[] = [];
  let reach: Item | undefined;
  let unreach: Item | undefined;
  let overrun: Items["overrun"];
  for (let at = start; at < end; ) {
    const flags = bytes[at] as number;
    const extended = (flags & EXTENDED_LENGTH) !== 0;
    const from = at + (extended ? 4 : 3);
    if (from > end) {
      overrun = { attribute: undefined, at };
      break;
    }
    const type = bytes[at + 1] as number;
    const to =
      from + (extended ? ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number) : (bytes[at + 2] as number));
    if (to > end) {
      overrun = { attribute: attributeName(type), at };
      break;
    }
    const item: Item = { type, flags, at, from, to };
    if (isMp(type)) {
      // RFC 7606 §3 (g)
      if ((type === ATTRIBUTE_TYPES.MP_REACH_NLRI ? reach : unreach) !== undefined)
        return err({
          kind: "repeated-mp",
          reason: "update-message/malformed-attribute-list",
          data: new Uint8Array(0),
          attribute: attributeName(type),
        });
      if (type === ATTRIBUTE_TYPES.MP_REACH_NLRI) reach = item;
      else unreach = item;
    }
    items.push(item);
    at = to;
  }
  return ok({ items, reach, unreach, overrun });
}

/** The same for lists that say the same to this session.  MP_REACH_NLRI and MP_UNREACH_NLRI are left out. */
export function addListKey(
  key: OctetText,
  bytes: Uint8Array,
  items: readonly Item[],
  agreed: Agreed,
  nextHop: boolean,
): void {
  // A path of two-octet numbers has other octets than the same one of four; external peers' LOCAL_PREF is not believed.
  key.octet((agreed.fourOctetAsn ? 1 : 0) + (agreed.peer === "external" ? 2 : 0));
  for (const { type, at, to } of items) {
    if (!isMp(type) && (nextHop || type !== ATTRIBUTE_TYPES.NEXT_HOP)) key.add(bytes, at, to);
  }
}

/** More than this is there, too: take what you want of it. */
export type Said = Omit<PathAttributes, "key" | "nextHop">;
export interface DecodedList {
  readonly said: Said;
  /** Of NEXT_HOP. */
  readonly nextHop: Draft["nextHop"];
  readonly faults: readonly AttributeFault[];
}

/** All but the MP attributes.  `announces`: what is missing is missed; `nextHop`: NEXT_HOP matters (RFC 4760 §3: not beside MP_REACH_NLRI alone). */
export function decodeList(
  bytes: Uint8Array,
  items: readonly Item[],
  agreed: Agreed,
  announces: boolean,
  nextHop: boolean,
): Result<DecodedList, Refused> {
  const draft = emptyDraft();
  const faults: AttributeFault[] = [];
  const seen = SEEN.fill(0);
  for (const item of items) {
    const { type, flags, from, to } = item;
    if (isMp(type) || (type === ATTRIBUTE_TYPES.NEXT_HOP && !nextHop)) continue;
    const attribute = attributeName(type);
    if (seen[type] === 1) {
      faults.push({ attribute, why: "repeated", treatment: "attribute-discard" }); // RFC 7606 §3 (g)
      continue;
    }
    seen[type] = 1;
    const rule = RULES[type];
    if (rule === undefined) {
      if ((flags & OPTIONAL) === 0)
        return err({
          kind: "unknown-well-known",
          reason: "update-message/unrecognized-well-known-attribute",
          data: bytes.slice(item.at, to),
          attribute,
        });
      if ((flags & TRANSITIVE) !== 0)
        draft.unknown.push({ type, flags: flags & ~EXTENDED_LENGTH, value: bytes.slice(from, to) });
      continue;
    }
    if (rule.internalOnly && agreed.peer === "external") {
      faults.push({ attribute, why: "from-external", treatment: "attribute-discard" });
      continue;
    }
    if ((flags & (OPTIONAL | TRANSITIVE)) !== rule.flags) {
      faults.push(flagsFault(attribute));
      continue;
    }
    const why = rule.read(draft, bytes, from, to, agreed);
    if (why !== undefined) faults.push({ attribute, why, treatment: rule.malformed });
    else if ((flags & PARTIAL) !== 0 && rule.isPassedOn) draft.partial.push(attribute);
  }
  const missed = (name: keyof typeof ATTRIBUTE_TYPES): void => {
    // RFC 7606 §3 (d)
    if (seen[ATTRIBUTE_TYPES[name]] === 0)
      faults.push({ attribute: name, why: "missing", treatment: "treat-as-withdraw" });
  };
  if (announces) {
    missed("ORIGIN");
    missed("AS_PATH");
    if (nextHop) missed("NEXT_HOP");
  }
  mergeFourOctet(draft);
  if (announces && !startsWith(draft, agreed) && !faults.some((fault) => fault.attribute === "AS_PATH"))
    faults.push({ attribute: "AS_PATH", why: "first-as", treatment: "treat-as-withdraw" }); // RFC 7606 §7.2
  return ok({ said: draft, nextHop: draft.nextHop, faults });
}

/** RFC 7606 §3 (c). */
export function flagsFault(attribute: AttributeName): AttributeFault {
  return { attribute, why: "flags", treatment: "treat-as-withdraw" };
}

/** RFC 7606 §5.2 needs words for what RFC 4271 §6.3 would have said of a fault. */
export function refusedFor(fault: AttributeFault, bytes: Uint8Array, items: readonly Item[]): Refused {
  const item = items.find((each) => attributeName(each.type) === fault.attribute);
  const data = item === undefined ? new Uint8Array(0) : bytes.slice(item.at, item.to);
  const blamed = fault.attribute === undefined ? {} : { attribute: fault.attribute };
  return { kind: "fault-without-nlri", reason: reasonFor(fault), data, ...blamed };
}

function reasonFor({ attribute, why }: AttributeFault): Refused["reason"] {
  if (why === "overrun") return "update-message/malformed-attribute-list";
  if (why === "flags") return "update-message/attribute-flags";
  if (why === "length") return "update-message/attribute-length";
  return (attribute !== undefined && BLAMED[attribute]) || "update-message/optional-attribute";
}

function isMp(type: number): boolean {
  return type === ATTRIBUTE_TYPES.MP_REACH_NLRI || type === ATTRIBUTE_TYPES.MP_UNREACH_NLRI;
}

/** RFC 6793 §4.2.3. */
function mergeFourOctet(draft: Draft): void {
  const { aggregator, as4Aggregator } = draft;
  if (as4Aggregator !== undefined && aggregator !== undefined) {
    if (aggregator.asn !== AS_TRANS) return;
    draft.aggregator = as4Aggregator;
  }
  if (draft.as4Path !== undefined) draft.asPath = merged(draft.asPath, draft.as4Path);
}

function startsWith(draft: Draft, agreed: Agreed): boolean {
  if (agreed.firstAsn === undefined) return true;
  const first = draft.asPath[0]?.asns[0];
  return first === agreed.firstAsn || (!agreed.fourOctetAsn && first === AS_TRANS && agreed.firstAsn > 0xffff);
}

const SEEN = new Uint8Array(256);
const BLAMED: Readonly<Partial<Record<AttributeName, Refused["reason"]>>> = {
  ORIGIN: "update-message/invalid-origin",
  AS_PATH: "update-message/malformed-as-path",
  NEXT_HOP: "update-message/invalid-next-hop",
};
