/**
 * Authentication of OSPFv2 packets.  Standards: RFC 2328 Appendix D (null, simple, MD5), RFC 5709 (HMAC-SHA), RFC 7474
 * (AuType 3: 64-bit sequence numbers after the packet, the source address protected).
 */
import { type Ipv4, octetsOfIp } from "../../../base/address.ts";
import { join, sameSecret } from "../../../base/octets.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import { checksum } from "../../wire/checksum.ts";
import { Reader } from "../../wire/cursor.ts";
import { type Auth, apad, type Digests, type Key, lengthOf, type Proven, sign, type Unproven } from "./auth.ts";
import { HEAD_OCTETS } from "./packet.ts";

/** Fills in what `encode` left zero, and appends the digest. */
export function sealV2(packet: Uint8Array, auth: Auth, source: Ipv4, sequence: bigint, digests: Digests): Uint8Array {
  const out = packet.slice();
  const view = new DataView(out.buffer);
  view.setUint16(AUTYPE, typeOf(auth));
  if (auth.kind !== "cryptographic") {
    view.setUint16(CHECKSUM, checksum(withoutAuthentication(out)));
    if (auth.kind === "simple") out.set(auth.password, AUTHENTICATION);
    return out;
  }
  const [key] = auth.keys;
  view.setUint8(AUTHENTICATION + 3, lengthOf(key.algorithm));
  if (auth.extended) {
    view.setUint32(AUTHENTICATION + 4, key.id);
    const number = new Uint8Array(8);
    new DataView(number.buffer).setBigUint64(0, sequence);
    const covered = join([out, number]);
    return join([covered, digestOf(key, true, covered, source, digests)]);
  }
  view.setUint8(AUTHENTICATION + 2, key.id);
  view.setUint32(AUTHENTICATION + 4, Number(BigInt.asUintN(32, sequence)));
  return join([out, digestOf(key, false, out, source, digests)]);
}

/** `datagram` without the IP header; `length` is the packet's, which `frame` has checked. */
export function proveV2(
  datagram: Uint8Array,
  length: number,
  auth: Auth,
  source: Ipv4,
  digests: Digests,
): Result<Proven, Unproven> {
  const packet = datagram.subarray(0, length);
  const reader = new Reader(packet, AUTYPE);
  const got = reader.u16();
  const want = typeOf(auth);
  if (got !== want) return err({ kind: "auth-type", got, want });
  if (auth.kind !== "cryptographic") {
    if (checksum(withoutAuthentication(packet)) !== 0) return err({ kind: "checksum" });
    if (auth.kind === "none") return ok({ kind: "none" });
    return sameSecret(packet.subarray(AUTHENTICATION, HEAD_OCTETS[2]), auth.password)
      ? ok({ kind: "simple" })
      : err({ kind: "auth-password" });
  }
  reader.skip(2);
  const short = { id: reader.u8(), length: reader.u8() };
  const word = reader.u32();
  const id = auth.extended ? word : short.id;
  const key = auth.keys.find((each) => each.id === id);
  if (key === undefined) return err({ kind: "auth-key", id });
  const size = lengthOf(key.algorithm);
  if (short.length !== size) return err({ kind: "auth-length", got: short.length, want: size });
  const covered = length + (auth.extended ? 8 : 0);
  if (datagram.length < covered + size) return err({ kind: "auth-missing" });
  const right = digestOf(key, auth.extended, datagram.subarray(0, covered), source, digests);
  if (!sameSecret(datagram.subarray(covered, covered + size), right)) return err({ kind: "auth-digest" });
  const after = new Reader(datagram, length);
  const sequence = auth.extended ? (BigInt(after.u32()) << 32n) + BigInt(after.u32()) : BigInt(word);
  return ok({ kind: "cryptographic", keyId: id, sequence });
}

function digestOf(key: Key, extended: boolean, bytes: Uint8Array, source: Ipv4, digests: Digests): Uint8Array {
  if (key.algorithm === "md5" && !extended) {
    const secret = new Uint8Array(16); // D.4.3: padded with zeros, and no longer
    secret.set(key.secret.subarray(0, 16));
    return digests.hash("md5", join([bytes, secret]));
  }
  const filling = apad(key.algorithm, extended ? octetsOfIp(source) : NOTHING);
  return sign(key, extended ? PROTOCOL_ID : undefined, join([bytes, filling]), digests);
}

/** RFC 2328 D.4: the checksum leaves the 64 bits of authentication out. */
function withoutAuthentication(packet: Uint8Array): Uint8Array {
  return join([packet.subarray(0, AUTHENTICATION), packet.subarray(HEAD_OCTETS[2])]);
}

function typeOf(auth: Auth): number {
  if (auth.kind === "none") return 0;
  if (auth.kind === "simple") return 1;
  return auth.extended ? 3 : 2;
}

/** Room in a datagram beyond the packet. */
export function trailerV2(auth: Auth): number {
  if (auth.kind !== "cryptographic") return 0;
  return lengthOf(auth.keys[0].algorithm) + (auth.extended ? 8 : 0);
}

const CHECKSUM = 12;
const AUTYPE = 14;
const AUTHENTICATION = 16;
/** RFC 7474 §6; IANA, Authentication Cryptographic Protocol ID: OSPFv3 is 1, LDP 2. */
const PROTOCOL_ID = 3;
const NOTHING = new Uint8Array(0);
