/**
 * OPEN messages.  Standards: RFC 4271 §4.2, §6.2, RFC 5492 §4, RFC 6286 §2, RFC 6793 §4.1, RFC 7607 §2, RFC 9072.
 * Whether the peer is the one that was expected is not known here.
 */
import type { Ipv4 } from "../../../base/address.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import { seconds } from "../../../base/unit.ts";
import { Reader, Writer } from "../../wire/cursor.ts";
import { type Capability, decodeCapabilities, encodeCapability } from "./capability.ts";
import { framed, HEADER, MOST } from "./framing.ts";
import type { Open, RefusalKind, Refused } from "./message.ts";
import type { KnownReason } from "./notification.ts";

/** RFC 6793 §9: stands for a number that needs four octets. */
export const AS_TRANS = 23456;

export function decodeOpen(bytes: Uint8Array, start: number, end: number): Result<Open, Refused> {
  const reader = new Reader(bytes, start + HEADER, end);
  const version = reader.u8();
  const twoOctets = reader.u16();
  const hold = reader.u16();
  const routerId = reader.u32() as Ipv4;
  if (version !== VERSION) {
    return refuse("version", "open-message/unsupported-version-number", Uint8Array.of(0, VERSION));
  }
  const capabilities = parameters(bytes, reader);
  if (!capabilities.ok) return capabilities;
  const four = capabilities.value.findLast((each) => each.kind === "four-octet-asn");
  const asn = four?.asn ?? twoOctets;
  if (asn === 0 || twoOctets === 0) return refuse("asn-zero", "open-message/bad-peer-as");
  if (hold === 1 || hold === 2) return refuse("hold-time", "open-message/unacceptable-hold-time");
  if (routerId === 0) return refuse("router-id-zero", "open-message/bad-bgp-identifier");
  return ok({ kind: "open", asn, holdTime: seconds(hold), routerId, capabilities: capabilities.value });
}

/** All capabilities in one parameter (RFC 5492 §4); what does not fit the old length is extended (RFC 9072 §2). */
export function encodeOpen(open: Omit<Open, "kind">): Uint8Array {
  const octets = open.capabilities.flatMap((each) => [...encodeCapability(each)]);
  const long = octets.length > 253;
  const rest = octets.length === 0 ? 0 : octets.length + (long ? 3 : 2);
  const bytes = framed("open", FIXED + rest + (long ? 3 : 0));
  if (bytes.length > MOST) throw new TypeError(`capabilities of ${octets.length} octets in an OPEN`);
  const writer = new Writer(bytes.subarray(HEADER));
  writer.u8(VERSION).u16(open.asn > 0xffff ? AS_TRANS : open.asn);
  writer.u16(open.holdTime / 1000).u32(open.routerId);
  if (long) writer.u8(EXTENDED).u8(EXTENDED).u16(rest).u8(CAPABILITIES).u16(octets.length);
  else writer.u8(rest);
  if (!long && rest > 0) writer.u8(CAPABILITIES).u8(octets.length);
  writer.put(Uint8Array.from(octets));
  return bytes;
}

function parameters(bytes: Uint8Array, reader: Reader): Result<readonly Capability[], Refused> {
  let length = reader.u8();
  let lengthOctets = 1;
  // RFC 9072 §2: the type says so; what the length says is then ignored, but for 0.
  if (length !== 0 && bytes[reader.offset] === EXTENDED) {
    reader.skip(1);
    length = reader.u16();
    lengthOctets = 2;
  }
  if (reader.short || length !== reader.remaining) return refuse("parameters-length", "open-message/unspecific");
  const capabilities: Capability[] = [];
  while (reader.remaining > 0) {
    const type = reader.u8();
    const inner = reader.sub(lengthOctets === 2 ? reader.u16() : reader.u8());
    if (reader.short || inner.short) return refuse("parameter-length", "open-message/unspecific");
    if (type !== CAPABILITIES) return refuse("parameter-type", "open-message/unsupported-optional-parameter");
    const some = decodeCapabilities(inner);
    if (!some.ok) return refuse("capability-length", "open-message/unspecific");
    capabilities.push(...some.value);
  }
  return ok(capabilities);
}

function refuse(kind: RefusalKind, reason: KnownReason, data = new Uint8Array(0)): Result<never, Refused> {
  return err({ kind, reason, data });
}

const VERSION = 4;
/** Octets before the parameters. */
const FIXED = 10;
/** Parameter type (RFC 5492 §4). */
const CAPABILITIES = 2;
/** RFC 9072 §2. */
const EXTENDED = 255;
