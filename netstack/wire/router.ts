/**
 * Router advertisements and solicitations as a raw ICMPv6 socket carries them: without the IPv6 header, the checksum
 * being the kernel's.  Standards: RFC 4861 §4.1, §4.2, §6.1, §6.2.3.
 * Left out on purpose: prefixes, MTU, reachable and retransmission times: these say "a router is here" and configure
 * nobody (unnumbered BGP); what others say of those is skipped.
 */
import { type Mac, octetsOfMac } from "../../base/address.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { Reader, Writer } from "./cursor.ts";

export type RouterMessage =
  | { readonly kind: "solicitation" }
  /** `lifetime`: seconds for which it may be a default router; 0 = it is none, yet it is a router. */
  | { readonly kind: "advertisement"; readonly lifetime: number };

export type MalformedRouter =
  | { readonly kind: "nd-short"; readonly have: number }
  | { readonly kind: "nd-type"; readonly type: number; readonly code: number }
  | { readonly kind: "nd-option-length" };

/** §6.1; that source and hop limit are right is the receiver's to check. */
export function decodeRouter(bytes: Uint8Array): Result<RouterMessage, MalformedRouter> {
  const reader = new Reader(bytes);
  const [type, code] = [reader.u8(), reader.u8()];
  reader.skip(2);
  if (reader.short) return err({ kind: "nd-short", have: bytes.length });
  if (code !== 0 || (type !== ROUTER_SOLICITATION && type !== ROUTER_ADVERTISEMENT))
    return err({ kind: "nd-type", type, code });
  if (type === ROUTER_SOLICITATION) {
    reader.skip(4);
    return options(reader, bytes, { kind: "solicitation" });
  }
  reader.skip(2);
  const lifetime = reader.u16();
  reader.skip(8);
  return options(reader, bytes, { kind: "advertisement", lifetime });
}

/** `mac`: the source link-layer address option, which saves the others a solicitation. */
export function encodeRouter(message: RouterMessage, mac: Mac | undefined): Uint8Array {
  const advertisement = message.kind === "advertisement";
  const out = new Writer(new Uint8Array((advertisement ? 16 : 8) + (mac === undefined ? 0 : 8)));
  out.u8(advertisement ? ROUTER_ADVERTISEMENT : ROUTER_SOLICITATION).zeros(3);
  // Hop limit 0: unspecified; no flags.
  if (advertisement) out.u16(0).u16(message.lifetime).zeros(8);
  else out.zeros(4);
  if (mac !== undefined) out.u8(SOURCE_LINK_LAYER).u8(1).put(octetsOfMac(mac));
  return out.written();
}

export const ROUTER_SOLICITATION = 133;
export const ROUTER_ADVERTISEMENT = 134;

/** "All included options have a length that is greater than zero." */
function options(reader: Reader, bytes: Uint8Array, message: RouterMessage): Result<RouterMessage, MalformedRouter> {
  if (reader.short) return err({ kind: "nd-short", have: bytes.length });
  while (reader.remaining > 0) {
    reader.skip(1);
    const length = reader.u8();
    if (length === 0) return err({ kind: "nd-option-length" });
    reader.skip(length * 8 - 2);
  }
  return reader.short ? err({ kind: "nd-option-length" }) : ok(message);
}

const SOURCE_LINK_LAYER = 1;
