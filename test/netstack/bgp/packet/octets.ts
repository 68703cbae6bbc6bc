/** Messages made octet by octet, so that what our encoder would never write can be written. */
import type { Ipv4 } from "../../../../base/address.ts";
import type { Result } from "../../../../base/result.ts";
import { BEFORE_OPEN, decode } from "../../../../netstack/bgp/packet/codec.ts";
import { Interner } from "../../../../netstack/bgp/packet/interner.ts";
import type { Agreed, Message, Refused, Update } from "../../../../netstack/bgp/packet/message.ts";

export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ""), "hex"));
export const text = (octets: Uint8Array): string => Buffer.from(octets).toString("hex");

export const TYPES = { open: 1, update: 2, notification: 3, keepalive: 4, refresh: 5 } as const;
export function message(type: number, body: string | Uint8Array, length?: number): Uint8Array {
  const octets = typeof body === "string" ? hex(body) : body;
  const whole = length ?? 19 + octets.length;
  return Uint8Array.of(...Array.from({ length: 16 }, () => 0xff), whole >>> 8, whole & 255, type, ...octets);
}

export interface Parts {
  readonly withdrawn?: string;
  /** Each a whole attribute. */
  readonly attributes?: readonly string[];
  readonly nlri?: string;
}
export function update({ withdrawn = "", attributes = [], nlri = "" }: Parts): Uint8Array {
  const gone = hex(withdrawn);
  const list = hex(attributes.join(""));
  return message(TYPES.update, `${u16(gone.length)}${text(gone)}${u16(list.length)}${text(list)}${nlri}`);
}
export function attribute(flags: number, type: number, value: string): string {
  const octets = hex(value);
  const length = (flags & 0x10) === 0 ? u8(octets.length) : u16(octets.length);
  return u8(flags) + u8(type) + length + text(octets);
}
export const u8 = (value: number): string => value.toString(16).padStart(2, "0");
export const u16 = (value: number): string => value.toString(16).padStart(4, "0");

/** 192.0.2.0/24 and what it takes to announce it to a peer that knows four-octet numbers. */
export const NLRI = "18c00002";
export const ORIGIN = attribute(0x40, 1, "00");
export const AS_PATH = attribute(0x40, 2, "02010000fde9");
export const NEXT_HOP = attribute(0x40, 3, "0a000001");
export const MANDATORY = [ORIGIN, AS_PATH, NEXT_HOP] as const;
/** 2001:db8::/32 by 2001:db8::1. */
export const MP_REACH = attribute(0x80, 14, "00020110 20010db8000000000000000000000001 00 2020010db8");
export const MP_UNREACH = attribute(0x80, 15, "000201 2020010db8");

export const EXTERNAL: Agreed = { ...BEFORE_OPEN, fourOctetAsn: true, families: ["ipv4", "ipv6"] };
export const INTERNAL: Agreed = { ...EXTERNAL, peer: "internal" };
export const OLD: Agreed = { ...EXTERNAL, fourOctetAsn: false };

export function read(bytes: Uint8Array, agreed: Agreed = EXTERNAL): Result<Message, Refused> {
  return decode(bytes, 0, bytes.length, agreed, new Interner());
}
export function readUpdate(bytes: Uint8Array, agreed: Agreed = EXTERNAL): Update {
  const found = read(bytes, agreed);
  if (!found.ok) throw new Error(`refused: ${found.error.kind}`);
  if (found.value.kind !== "update") throw new Error(found.value.kind);
  return found.value;
}
export function refusal(bytes: Uint8Array, agreed: Agreed = EXTERNAL): Refused {
  const found = read(bytes, agreed);
  if (found.ok) throw new Error(`not refused: ${found.value.kind}`);
  return found.error;
}
/** The announced route's attributes: there must be one. */
export function said(bytes: Uint8Array, agreed: Agreed = EXTERNAL) {
  const { reach } = readUpdate(bytes, agreed);
  const [first] = reach;
  if (first === undefined || reach.length !== 1) throw new Error(`${reach.length} announcements`);
  return first.attributes;
}
export const id = (octets: string): Ipv4 => Number.parseInt(octets, 16) as Ipv4;
