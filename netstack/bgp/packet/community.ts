/**
 * Communities in words.  Standards: RFC 1997, RFC 4360 §3, RFC 5668, RFC 8092 §4.1, and IANA's well-known ones
 * (RFC 3765, RFC 7611, RFC 7999, RFC 8326, RFC 9494).
 */
import { formatIp, type Ipv4, parseIpv4 } from "../../../base/address.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import type { ExtendedCommunity, LargeCommunity } from "./attribute.ts";

export type ParsedCommunity =
  | { readonly kind: "standard"; readonly value: number }
  | { readonly kind: "extended"; readonly value: ExtendedCommunity }
  | { readonly kind: "large"; readonly value: LargeCommunity };
export interface BadCommunity {
  readonly kind: "bad-community";
  readonly text: string;
}

export const WELL_KNOWN = {
  "graceful-shutdown": 0xffff0000,
  "accept-own": 0xffff0001,
  "llgr-stale": 0xffff0006,
  "no-llgr": 0xffff0007,
  blackhole: 0xffff029a,
  "no-export": 0xffffff01,
  "no-advertise": 0xffffff02,
  "no-export-subconfed": 0xffffff03,
  "no-peer": 0xffffff04,
} as const;
export type WellKnownCommunity = keyof typeof WELL_KNOWN;

/**
 * "65000:1", "no-export" …; large: "65000:1:2"; extended: "rt:65000:1", "ro:192.0.2.1:7", "rt:4200000001:1",
 * or any by its octets, "0x0002fde800000001".
 */
export function parseCommunity(text: string): Result<ParsedCommunity, BadCommunity> {
  if (isWellKnown(text)) return ok({ kind: "standard", value: WELL_KNOWN[text] });
  const extended = parseExtended(text);
  if (extended !== undefined) return ok({ kind: "extended", value: extended });
  const parts = text.split(":");
  const [a, b, c] = parts.map((part) => decimal(part, parts.length === 2 ? 0xffff : 0xffffffff));
  if (parts.length === 2 && a !== undefined && b !== undefined) return ok({ kind: "standard", value: a * 65536 + b });
  if (parts.length === 3 && a !== undefined && b !== undefined && c !== undefined)
    return ok({ kind: "large", value: { global: a, local1: b, local2: c } });
  return err({ kind: "bad-community", text });
}

export function communityText(value: number): string {
  return NAMES.get(value) ?? `${value >>> 16}:${value & 0xffff}`;
}
export function largeCommunityText({ global, local1, local2 }: LargeCommunity): string {
  return `${global}:${local1}:${local2}`;
}
export function extendedCommunityText({ high, low }: ExtendedCommunity): string {
  const name = SUBTYPES.find((each) => each.code === ((high >>> 16) & 255))?.name;
  const type = high >>> 24;
  // Bit 0x40 says non-transitive (§3.1); only transitive ones have a short form here.
  if (name !== undefined && type === TWO_OCTET_AS) return `${name}:${high & 0xffff}:${low}`;
  const number = low & 0xffff;
  const global = (high & 0xffff) * 65536 + (low >>> 16);
  if (name !== undefined && type === IPV4) return `${name}:${formatIp(global as Ipv4)}:${number}`;
  // A small number that came in four octets must not read like one of two.
  if (name !== undefined && type === FOUR_OCTET_AS && global > 0xffff) return `${name}:${global}:${number}`;
  return `0x${hex(high)}${hex(low)}`;
}

function parseExtended(text: string): ExtendedCommunity | undefined {
  if (/^0x[0-9a-f]{16}$/i.test(text))
    return { high: Number.parseInt(text.slice(2, 10), 16), low: Number.parseInt(text.slice(10), 16) };
  const [name, global = "", local = "", ...rest] = text.split(":");
  const subtype = SUBTYPES.find((each) => each.name === name);
  if (subtype === undefined || rest.length > 0) return undefined;
  const head = (type: number): number => type * 2 ** 24 + subtype.code * 65536;
  const ip = parseIpv4(global);
  const asn = ip.ok ? ip.value : decimal(global, 0xffffffff);
  const short = !ip.ok && asn !== undefined && asn <= 0xffff;
  const number = decimal(local, short ? 0xffffffff : 0xffff);
  if (asn === undefined || number === undefined) return undefined;
  if (short) return { high: head(TWO_OCTET_AS) + asn, low: number };
  return { high: head(ip.ok ? IPV4 : FOUR_OCTET_AS) + (asn >>> 16), low: (asn & 0xffff) * 65536 + number };
}

function isWellKnown(text: string): text is WellKnownCommunity {
  return Object.hasOwn(WELL_KNOWN, text);
}
function decimal(text: string, most: number): number | undefined {
  if (!/^(0|[1-9][0-9]{0,9})$/.test(text)) return undefined;
  const value = Number(text);
  return value > most ? undefined : value;
}
function hex(word: number): string {
  return word.toString(16).padStart(8, "0");
}

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(WELL_KNOWN).map(([name, value]) => [value, name]));
/** Types (high octet), RFC 4360 §3.1, §3.2, RFC 5668 §2. */
const TWO_OCTET_AS = 0x00;
const IPV4 = 0x01;
const FOUR_OCTET_AS = 0x02;
/** Route Target and Route Origin, RFC 4360 §4, §5. */
const SUBTYPES = [
  { name: "rt", code: 0x02 },
  { name: "ro", code: 0x03 },
] as const;
