/**
 * Extensions of STAMP packets: what follows the base packet.  Standards: RFC 8972 §4 (flags, lengths), §4.5 (Direct
 * Measurement), §4.8 (HMAC TLV: over the sequence number of the packet and all TLVs before it; only Extra Padding may
 * follow).  Left out on purpose: all other TLVs, which are reflected with the U flag, as §4 asks for.
 */
import { sameSecret } from "../../base/octets.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { Reader, Writer } from "../../netstack/wire/cursor.ts";
import { HMAC, type Seal } from "./packet.ts";

/** Packets that the device carried, modulo 2^32: §4.5, in the words of that section. */
export interface Counters {
  readonly senderTx: number;
  readonly reflectorRx: number;
  readonly reflectorTx: number;
}

export interface Extensions {
  readonly counters: Counters | undefined;
}

export type Refused =
  /** A TLV is longer than what is left, or shorter than its type wants. */
  | { readonly kind: "bad-tlv"; readonly offset: number }
  /** TLVs other than padding without the HMAC TLV, or one that does not match, or one in another place than the last. */
  | { readonly kind: "bad-tlv-hmac" }
  /** The reflector said so (flags M, I). */
  | { readonly kind: "tlv-refused-by-peer"; readonly flags: number };

/** Octets that a sender's counters take in a packet, with the HMAC TLV behind them. */
export const COUNTERS = 36;

/** `sequence` is the first field of the packet that carries them. */
export function encodeCounters(counters: Counters, sequence: number, seal: Seal): Uint8Array {
  const bytes = new Uint8Array(COUNTERS);
  const own = bytes.subarray(0, COUNTERS - HEADER - HMAC);
  // §4: a sender sets U, and the reflector clears it if it knows the type.
  write(own, counters, UNRECOGNISED);
  const digest = proof(sequence, own, seal);
  new Writer(bytes.subarray(own.length)).u8(UNRECOGNISED).u8(HMAC_TLV).u16(HMAC).put(digest);
  return bytes;
}

/** As many octets that say nothing (RFC 8972 §4.1), and hence need no proof. */
export function encodePadding(): Uint8Array {
  return PADDED;
}

/** Whether the sender of these TLVs wants to know counters: whoever answers need not read them otherwise. */
export function asksForCounters(bytes: Uint8Array): boolean {
  const parsed = parse(bytes);
  return parsed.ok && parsed.value.some(({ type }) => type === DIRECT_MEASUREMENT);
}

/** What a sender makes of TLVs that came back to it. */
export function decodeReflected(bytes: Uint8Array, sequence: number, seal: Seal): Result<Extensions, Refused> {
  const parsed = parse(bytes);
  if (!parsed.ok) return parsed;
  let flags = 0;
  for (const { at } of parsed.value) flags |= (bytes[at] ?? 0) & (MALFORMED | INTEGRITY);
  if (flags !== 0) return err({ kind: "tlv-refused-by-peer", flags });
  if (!isProved(bytes, parsed.value, sequence, seal)) return err({ kind: "bad-tlv-hmac" });
  const found = parsed.value.find(({ type }) => type === DIRECT_MEASUREMENT);
  // A reflector that does not know the type leaves U set, and the counters as they were.
  if (found === undefined || ((bytes[found.at] ?? 0) & UNRECOGNISED) !== 0) return ok({ counters: undefined });
  const reader = new Reader(bytes, found.at + HEADER);
  return ok({ counters: { senderTx: reader.u32(), reflectorRx: reader.u32(), reflectorTx: reader.u32() } });
}

/**
 * The TLVs of a reply: the same octets in the same places, so that a reply is never longer than what it answers.  With
 * counters filled in and a new HMAC where everything is right, with the flags of §4 and §4.8 where something is not.
 * Without counters (`now` undefined) their TLV is one that is not known here.
 */
export function reflect(
  bytes: Uint8Array,
  { request, reply }: { readonly request: number; readonly reply: number },
  now: Omit<Counters, "senderTx"> | undefined,
  seal: Seal,
): Uint8Array {
  if (bytes.length === 0) return bytes;
  const out = bytes.slice();
  const parsed = parse(bytes);
  if (!parsed.ok) {
    // The header of the malformed one is there unless fewer than four octets were left.
    if (parsed.error.offset < out.length) out[parsed.error.offset] = MALFORMED;
    return out;
  }
  if (!isProved(bytes, parsed.value, request, seal)) {
    for (const { at } of parsed.value) out[at] = ((out[at] ?? 0) & ~UNRECOGNISED) | INTEGRITY;
    return out;
  }
  for (const { at, type, length } of parsed.value) {
    if (type === DIRECT_MEASUREMENT && now !== undefined) {
      const senderTx = new Reader(bytes, at + HEADER).u32();
      write(out.subarray(at, at + HEADER + length), { senderTx, ...now }, 0);
    } else out[at] = type === PADDING || type === HMAC_TLV ? 0 : UNRECOGNISED;
  }
  const last = parsed.value.find(({ type }) => type === HMAC_TLV);
  if (last !== undefined) out.set(proof(reply, out.subarray(0, last.at), seal), last.at + HEADER);
  return out;
}

interface Tlv {
  readonly at: number;
  readonly type: number;
  readonly length: number;
}

function parse(bytes: Uint8Array): Result<readonly Tlv[], Refused & { readonly kind: "bad-tlv" }> {
  const out: Tlv[] = [];
  for (let at = 0; at < bytes.length; ) {
    const reader = new Reader(bytes, at);
    reader.skip(1);
    const [type, length] = [reader.u8(), reader.u16()];
    if (reader.short || length > reader.remaining) return err({ kind: "bad-tlv", offset: at });
    if (LENGTHS[type] !== undefined && LENGTHS[type] !== length) return err({ kind: "bad-tlv", offset: at });
    out.push({ at, type, length });
    at += HEADER + length;
  }
  return ok(out);
}

/** §4.8; padding alone needs no proof. */
function isProved(bytes: Uint8Array, tlvs: readonly Tlv[], sequence: number, seal: Seal): boolean {
  const place = tlvs.findIndex(({ type }) => type === HMAC_TLV);
  const last = tlvs[place];
  if (last === undefined) return tlvs.every(({ type }) => type === PADDING);
  if (tlvs.slice(place + 1).some(({ type }) => type !== PADDING)) return false;
  const has = bytes.subarray(last.at + HEADER, last.at + HEADER + HMAC);
  return sameSecret(has, proof(sequence, bytes.subarray(0, last.at), seal));
}

function proof(sequence: number, before: Uint8Array, seal: Seal): Uint8Array {
  const text = new Writer(new Uint8Array(4 + before.length)).u32(sequence).put(before);
  return seal(text.written()).subarray(0, HMAC);
}

function write(bytes: Uint8Array, { senderTx, reflectorRx, reflectorTx }: Counters, flags: number): void {
  const writer = new Writer(bytes).u8(flags).u8(DIRECT_MEASUREMENT).u16(12);
  writer.u32(senderTx).u32(reflectorRx).u32(reflectorTx);
}

const HEADER = 4;
/** §4: flags. */
const UNRECOGNISED = 0x80;
const MALFORMED = 0x40;
const INTEGRITY = 0x20;
/** RFC 8972 §5.1: types. */
const PADDING = 1;
const DIRECT_MEASUREMENT = 5;
const HMAC_TLV = 8;
const PADDED: Uint8Array = padding();
function padding(): Uint8Array {
  const bytes = new Uint8Array(COUNTERS);
  new Writer(bytes)
    .u8(UNRECOGNISED)
    .u8(PADDING)
    .u16(COUNTERS - HEADER);
  return bytes;
}
const LENGTHS: Readonly<Record<number, number>> = { [DIRECT_MEASUREMENT]: 12, [HMAC_TLV]: HMAC };
