/**
 * STAMP test packets in authenticated mode.  Standards: RFC 8762 §4.2.2 (Session-Sender), §4.3.2 (Session-Reflector), §4.4
 * (HMAC-SHA-256 over the first 96 octets, truncated to 128 bits), RFC 8972 §3 (session identifier), RFC 4656 §4.1.2
 * (error estimate), RFC 8186 (its Z bit).  The digest is passed in.  Left out on purpose: unauthenticated mode.
 *
 * What follows the 112 octets are TLVs: tlv.ts.  MBZ fields are zero when sent and not looked at when received (§4.2.1).
 */
import { sameSecret } from "../../base/octets.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { Reader, Writer } from "../../netstack/wire/cursor.ts";
import { ntpOf, ofNtp, ofPtp } from "./timestamp.ts";

/** HMAC-SHA-256 with the session's key: at least 16 octets, of which the first 16 count. */
export type Seal = (bytes: Uint8Array) => Uint8Array;

export interface SenderPacket {
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly estimate: ErrorEstimate;
  /** 0 = none (RFC 8972 §3). */
  readonly session: number;
}

export interface ReflectedPacket {
  /** The reflector's own: counts what it reflected (§4.3, stateful). */
  readonly sequence: number;
  readonly at: number;
  readonly estimate: ErrorEstimate;
  readonly session: number;
  readonly receivedAt: number;
  readonly senderSequence: number;
  readonly senderAt: number;
  readonly senderEstimate: ErrorEstimate;
  readonly senderTtl: number;
}

/** RFC 4656 §4.1.2; multiplier × 2^(scale − 32) seconds. */
export interface ErrorEstimate {
  /** By an external source. */
  readonly synchronised: boolean;
  /** Z: how the timestamps of this end are written (RFC 8186 §2.1). */
  readonly format: "ntp" | "ptp";
  /** 0–63 */
  readonly scale: number;
  /** 1–255 */
  readonly multiplier: number;
}

export type Refused =
  | { readonly kind: "short"; readonly have: number }
  | { readonly kind: "bad-hmac" }
  /** RFC 4656 §4.1.2: a multiplier of 0 is not valid. */
  | { readonly kind: "bad-estimate" }
  /**
   * A reflector's packet where a sender's is expected: it has a receive timestamp where a sender has zeros.  A deviation
   * from §4.2.1 (ignore them), so that nobody can feed answers back as probes: both are sealed with the same key.
   */
  | { readonly kind: "looped" };

/** Octets of a base packet of either end. */
export const BASE = 112;

export function encodeSender(packet: SenderPacket, seal: Seal, tlvs: Uint8Array = NONE): Uint8Array {
  const writer = new Writer(new Uint8Array(BASE + tlvs.length));
  writer.u32(packet.sequence).zeros(12);
  stamp(writer, packet.at, packet.estimate);
  writer.u16(estimateOf(packet.estimate)).u16(packet.session).zeros(68);
  return sealed(writer, seal, tlvs);
}

export function decodeSender(bytes: Uint8Array, seal: Seal): Result<SenderPacket, Refused> {
  if (bytes.length < BASE) return err({ kind: "short", have: bytes.length });
  if (!isSealed(bytes, seal)) return err({ kind: "bad-hmac" });
  if (bytes.subarray(32, 40).some((octet) => octet !== 0)) return err({ kind: "looped" });
  const reader = new Reader(bytes);
  const sequence = reader.u32();
  reader.skip(12);
  const words = [reader.u32(), reader.u32()] as const;
  const estimate = ofEstimate(reader.u16());
  if (estimate === undefined) return err({ kind: "bad-estimate" });
  return ok({ sequence, at: read(words, estimate), estimate, session: reader.u16() });
}

/** As it answers `request`, which decodeSender has taken: the sender's own words go back as they came. */
export function encodeReflected(
  packet: Pick<ReflectedPacket, "sequence" | "at" | "estimate" | "receivedAt" | "senderTtl">,
  request: Uint8Array,
  seal: Seal,
  tlvs: Uint8Array = NONE,
): Uint8Array {
  const writer = new Writer(new Uint8Array(BASE + tlvs.length));
  writer.u32(packet.sequence).zeros(12);
  stamp(writer, packet.at, packet.estimate);
  writer.u16(estimateOf(packet.estimate)).put(request.subarray(26, 28)).zeros(4);
  stamp(writer, packet.receivedAt, packet.estimate);
  writer.zeros(8).put(request.subarray(0, 4)).zeros(12);
  writer.put(request.subarray(16, 26)).zeros(6).u8(packet.senderTtl).zeros(15);
  return sealed(writer, seal, tlvs);
}

export function decodeReflected(bytes: Uint8Array, seal: Seal): Result<ReflectedPacket, Refused> {
  if (bytes.length < BASE) return err({ kind: "short", have: bytes.length });
  if (!isSealed(bytes, seal)) return err({ kind: "bad-hmac" });
  const reader = new Reader(bytes);
  const sequence = reader.u32();
  reader.skip(12);
  const at = [reader.u32(), reader.u32()] as const;
  const estimate = ofEstimate(reader.u16());
  const session = reader.u16();
  reader.skip(4);
  const receivedAt = [reader.u32(), reader.u32()] as const;
  reader.skip(8);
  const senderSequence = reader.u32();
  reader.skip(12);
  const senderAt = [reader.u32(), reader.u32()] as const;
  const senderEstimate = ofEstimate(reader.u16());
  reader.skip(6);
  const senderTtl = reader.u8();
  if (estimate === undefined || senderEstimate === undefined) return err({ kind: "bad-estimate" });
  return ok({
    sequence,
    at: read(at, estimate),
    estimate,
    session,
    receivedAt: read(receivedAt, estimate),
    senderSequence,
    senderAt: read(senderAt, senderEstimate),
    senderEstimate,
    senderTtl,
  });
}

/** What a clock of ours says of itself: nobody vouches for it, and its error is one second. */
export const OWN_ESTIMATE: ErrorEstimate = { synchronised: false, format: "ntp", scale: 32, multiplier: 1 };

function sealed(writer: Writer, seal: Seal, tlvs: Uint8Array): Uint8Array {
  return writer
    .put(seal(writer.bytes.subarray(0, COVERED)).subarray(0, HMAC))
    .put(tlvs)
    .written();
}

function isSealed(bytes: Uint8Array, seal: Seal): boolean {
  return sameSecret(bytes.subarray(COVERED, BASE), seal(bytes.subarray(0, COVERED)).subarray(0, HMAC));
}

function stamp(writer: Writer, at: number, { format }: ErrorEstimate): void {
  if (format === "ntp") {
    const [seconds, fraction] = ntpOf(at);
    writer.u32(seconds).u32(fraction);
  } else {
    const seconds = Math.floor(at / 1000);
    writer.u32(seconds % 2 ** 32).u32(Math.min(999_999_999, Math.round((at - seconds * 1000) * 1e6)));
  }
}

function read([high, low]: readonly [number, number], { format }: ErrorEstimate): number {
  return format === "ntp" ? ofNtp(high, low) : ofPtp(high, low);
}

function estimateOf({ synchronised, format, scale, multiplier }: ErrorEstimate): number {
  return (synchronised ? 0x8000 : 0) | (format === "ptp" ? 0x4000 : 0) | (scale << 8) | multiplier;
}

function ofEstimate(word: number): ErrorEstimate | undefined {
  const multiplier = word & 0xff;
  if (multiplier === 0) return undefined;
  const format = (word & 0x4000) === 0 ? "ntp" : "ptp";
  return { synchronised: (word & 0x8000) !== 0, format, scale: (word >> 8) & 0x3f, multiplier };
}

/** §4.4: the first six blocks of the digest's input. */
const COVERED = 96;
export const HMAC = 16;
const NONE = new Uint8Array(0);
