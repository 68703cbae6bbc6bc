/**
 * MP_REACH_NLRI and MP_UNREACH_NLRI.  Standards: RFC 4760 §3, §4, §7, RFC 2545 §3, RFC 8950 §4, RFC 7606 §5.3, §7.11,
 * §7.12.  Next hops are read as they are met, not only as they should be: a link-local address alone, twice, or behind
 * an unspecified one means the same.
 */
import { type Ipv4, type Ipv6, ipOfOctets, isLinkLocal } from "../../../base/address.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import { type AttributeName, attributeName, type NextHop, OPTIONAL, TRANSITIVE } from "./attribute.ts";
import { flagsFault, type Item, type Items } from "./attribute-list.ts";
import { isHost } from "./attribute-rules.ts";
import { type AnyFamily, familyOf, isFamily } from "./family.ts";
import type { Agreed, AttributeFault, RefusalKind, Refused } from "./message.ts";
import { decodeNlri, isMulticast, type Nlri } from "./nlri.ts";

export interface MpRoutes {
  readonly mpReach: MpReach | undefined;
  readonly mpUnreach: Nlri | undefined;
  /** Something is announced that nobody here looks at: a family that was not agreed on, or cannot be read. */
  readonly otherReach: boolean;
  /** Of MP_UNREACH_NLRI when it has no prefixes. */
  readonly mpEnd: AnyFamily | undefined;
}
export interface MpReach {
  readonly nlri: Nlri;
  /** undefined: no address that anything could be sent to. */
  readonly nextHop: NextHop | undefined;
  /** Where its octets lie. */
  readonly nextHopAt: number;
  readonly nextHopEnd: number;
}
export interface DecodedMp extends MpRoutes {
  readonly faults: AttributeFault[];
  readonly skipped: AnyFamily[];
}

export function decodeMp(bytes: Uint8Array, items: Items, agreed: Agreed): Result<DecodedMp, Refused> {
  const faults: AttributeFault[] = [];
  const skipped: AnyFamily[] = [];
  let mpReach: MpReach | undefined;
  let mpUnreach: Nlri | undefined;
  let mpEnd: AnyFamily | undefined;
  for (const item of [items.reach, items.unreach]) {
    if (item === undefined) continue;
    const attribute = attributeName(item.type);
    if ((item.flags & (OPTIONAL | TRANSITIVE)) !== OPTIONAL) faults.push(flagsFault(attribute));
    const read = item === items.reach ? decodeReach(bytes, item, agreed) : decodeUnreach(bytes, item, agreed);
    if (!read.ok) {
      const { kind, family } = read.error;
      if (agreed.unreadable === "session-reset" || family === undefined)
        return err(refusedMp(kind, bytes.slice(item.at, item.to), attribute));
      faults.push({ attribute, why: FAULT_OF[kind], treatment: "afi-safi-disable", family });
      continue;
    }
    const { value } = read;
    if (value.kind === "skipped") skipped.push(value.family);
    if (value.kind === "unreach") mpUnreach = value.nlri;
    if (value.kind !== "reach") {
      if (value.empty) mpEnd = value.family;
      continue;
    }
    mpReach = value;
    if (value.nextHop === undefined && value.nlri.count > 0)
      faults.push({ attribute, why: "next-hop", treatment: "treat-as-withdraw" });
  }
  const otherReach = items.reach !== undefined && mpReach === undefined;
  return ok({ mpReach, mpUnreach, otherReach, mpEnd, faults, skipped });
}

/** RFC 4760 §7, RFC 7606 §7.11. */
export function refusedMp(kind: Unreadable["kind"], data: Uint8Array, attribute: AttributeName): Refused {
  return { kind, reason: "update-message/optional-attribute", data, attribute };
}

/** `family` undefined: not even that could be read. */
interface Unreadable {
  readonly kind: Extract<RefusalKind, "mp-length" | "mp-next-hop-length" | "mp-prefix">;
  readonly family: AnyFamily | undefined;
}
type Skipped = { readonly kind: "skipped"; readonly family: AnyFamily; readonly empty: boolean };

function decodeReach(
  bytes: Uint8Array,
  { from, to }: Item,
  agreed: Agreed,
): Result<(MpReach & { readonly kind: "reach" }) | Skipped, Unreadable> {
  if (to - from < 5) return err({ kind: "mp-length", family: to - from < 3 ? undefined : familyAt(bytes, from) });
  const family = familyAt(bytes, from);
  if (!isFamily(family) || !agreed.families.includes(family)) return ok({ kind: "skipped", family, empty: false });
  const length = bytes[from + 3] as number;
  const nextHopAt = from + 4;
  const nextHopEnd = nextHopAt + length;
  const allowed =
    family === "ipv4"
      ? length === 4 || (agreed.extendedNextHop && (length === 16 || length === 32))
      : length === 16 || length === 32;
  // The octet that follows it is reserved (once the number of SNPAs), and ignored.
  if (!allowed || nextHopEnd + 1 > to) return err({ kind: "mp-next-hop-length", family });
  const nlri = decodeNlri(bytes, nextHopEnd + 1, to, family, agreed.addPathReceive.includes(family));
  if (!nlri.ok) return err({ kind: "mp-prefix", family });
  const nextHop = decodeNextHop(bytes.subarray(nextHopAt, nextHopEnd));
  return ok({ kind: "reach", nlri: nlri.value, nextHop, nextHopAt, nextHopEnd });
}

function decodeUnreach(
  bytes: Uint8Array,
  { from, to }: Item,
  agreed: Agreed,
): Result<
  Skipped | { readonly kind: "unreach"; readonly nlri: Nlri; readonly family: AnyFamily; readonly empty: boolean },
  Unreadable
> {
  if (to - from < 3) return err({ kind: "mp-length", family: undefined });
  const family = familyAt(bytes, from);
  const empty = to - from === 3;
  if (!isFamily(family) || !agreed.families.includes(family)) return ok({ kind: "skipped", family, empty });
  const nlri = decodeNlri(bytes, from + 3, to, family, agreed.addPathReceive.includes(family));
  return nlri.ok ? ok({ kind: "unreach", nlri: nlri.value, family, empty }) : err({ kind: "mp-prefix", family });
}

/** 4, 16 or 32 octets. */
export function decodeNextHop(octets: Uint8Array): NextHop | undefined {
  if (octets.length === 4) {
    const address = ipOfOctets(octets) as Ipv4;
    return isHost(address) ? { global: address, linkLocal: undefined } : undefined;
  }
  const first = ipOfOctets(octets.subarray(0, 16)) as Ipv6;
  const second = octets.length === 32 ? (ipOfOctets(octets.subarray(16)) as Ipv6) : undefined;
  const linkLocal = second !== undefined && isLinkLocal(second) ? second : isLinkLocal(first) ? first : undefined;
  const global = isLinkLocal(first) || !isUsable(first) ? undefined : first;
  return global === undefined && linkLocal === undefined ? undefined : { global, linkLocal };
}

function isUsable(ip: Ipv6): boolean {
  return ip !== "::" && ip !== "::1" && !isMulticast(ip);
}
function familyAt(bytes: Uint8Array, at: number): AnyFamily {
  return familyOf(((bytes[at] as number) << 8) | (bytes[at + 1] as number), bytes[at + 2] as number);
}

const FAULT_OF = { "mp-length": "length", "mp-next-hop-length": "next-hop-length", "mp-prefix": "prefix" } as const;
