/**
 * Checksum and authentication trailer of OSPFv3 packets.  Standards: RFC 5340 A.3.1 (checksum with the pseudo-header),
 * RFC 7166 (trailer; the checksum is then omitted), RFC 5613 §2 (the length of a link-local signalling block, which may
 * stand between).  HMAC-MD5, which other routers offer, is not in RFC 7166 and works alike.
 * Left out on purpose: IPsec (RFC 4552), and deferral to peers without the trailer (RFC 7166 §4.1's transition).
 */
import { type Ipv6, octetsOfIp } from "../../../base/address.ts";
import { join, sameSecret } from "../../../base/octets.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import { checksum6 } from "../../wire/checksum.ts";
import { Reader, Writer } from "../../wire/cursor.ts";
import { type Auth, apad, type Digests, type Key, lengthOf, type Proven, sign, type Unproven } from "./auth.ts";

export interface Ends {
  readonly source: Ipv6;
  readonly destination: Ipv6;
}

export function sealV3(packet: Uint8Array, auth: Auth, ends: Ends, sequence: bigint, digests: Digests): Uint8Array {
  if (auth.kind !== "cryptographic") {
    const out = packet.slice();
    new DataView(out.buffer).setUint16(CHECKSUM, checksum6(ends.source, ends.destination, PROTOCOL, packet));
    return out;
  }
  const [key] = auth.keys;
  const size = lengthOf(key.algorithm);
  const trailer = new Writer(new Uint8Array(TRAILER));
  trailer
    .u16(HMAC)
    .u16(TRAILER + size)
    .u16(0)
    .u16(key.id);
  trailer.u32(Number(sequence >> 32n)).u32(Number(BigInt.asUintN(32, sequence)));
  const covered = join([packet, trailer.written()]);
  return join([covered, digestOf(key, covered, ends.source, digests)]);
}

/** `length` is the packet's, which `frame` has checked. */
export function proveV3(
  datagram: Uint8Array,
  length: number,
  auth: Auth,
  ends: Ends,
  digests: Digests,
): Result<Proven, Unproven> {
  if (auth.kind !== "cryptographic") {
    const packet = datagram.subarray(0, length);
    return checksum6(ends.source, ends.destination, PROTOCOL, packet) === 0
      ? ok({ kind: "none" })
      : err({ kind: "checksum" });
  }
  const start = length + signallingLength(datagram, length);
  const reader = new Reader(datagram, start);
  const [type, total, , id] = [reader.u16(), reader.u16(), reader.u16(), reader.u16()];
  const sequence = (BigInt(reader.u32()) << 32n) + BigInt(reader.u32());
  if (reader.short) return err({ kind: "auth-missing" });
  if (type !== HMAC) return err({ kind: "auth-type", got: type, want: HMAC });
  const key = auth.keys.find((each) => each.id === id);
  if (key === undefined) return err({ kind: "auth-key", id });
  const size = lengthOf(key.algorithm);
  if (total !== TRAILER + size) return err({ kind: "auth-length", got: total, want: TRAILER + size });
  if (datagram.length < start + total) return err({ kind: "auth-missing" });
  const right = digestOf(key, datagram.subarray(0, start + TRAILER), ends.source, digests);
  if (!sameSecret(datagram.subarray(start + TRAILER, start + total), right)) return err({ kind: "auth-digest" });
  return ok({ kind: "cryptographic", keyId: id, sequence });
}

/** §4.6: only hellos and database descriptions can carry the block, and say so with the L bit. */
function signallingLength(datagram: Uint8Array, length: number): number {
  const type = datagram[1] ?? 0;
  const at = type === 1 ? HELLO_OPTIONS : type === 2 ? DESCRIPTION_OPTIONS : undefined;
  if (at === undefined || at + 2 > length || ((datagram[at + 1] ?? 0) & L_BIT) === 0) return 0;
  const block = new Reader(datagram, length + 2);
  return block.u16() * 4;
}

function digestOf(key: Key, bytes: Uint8Array, source: Ipv6, digests: Digests): Uint8Array {
  return sign(key, PROTOCOL_ID, join([bytes, apad(key.algorithm, octetsOfIp(source))]), digests);
}

/** Room in a datagram beyond the packet. */
export function trailerV3(auth: Auth): number {
  return auth.kind === "cryptographic" ? TRAILER + lengthOf(auth.keys[0].algorithm) : 0;
}

const PROTOCOL = 89;
const CHECKSUM = 12;
/** Fixed octets of the trailer (§4.1). */
const TRAILER = 16;
const HMAC = 1;
/** §4.4 */
const PROTOCOL_ID = 1;
/** Offsets of the 24-bit options; the L bit, 0x200, is in the second octet. */
const HELLO_OPTIONS = 21;
const DESCRIPTION_OPTIONS = 17;
const L_BIT = 0x02;
