/**
 * What the authentication of both versions shares: keys, digests as parameters (node:crypto is not pure), names of what is
 * refused.  Key lifetimes (RFC 7474 §4) are left out: keys change by overlap, as the plan lists them.
 */
import { join } from "../../../base/octets.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import type { OspfAuth } from "../plan.ts";

export type Algorithm = "md5" | "sha1" | "sha256" | "sha384" | "sha512";

export interface Digests {
  hash(algorithm: Algorithm, bytes: Uint8Array): Uint8Array;
  hmac(algorithm: Algorithm, key: Uint8Array, bytes: Uint8Array): Uint8Array;
}

export type Auth =
  | { readonly kind: "none" }
  /** Eight octets. */
  | { readonly kind: "simple"; readonly password: Uint8Array }
  | {
      readonly kind: "cryptographic";
      /** v2: RFC 7474 (AuType 3); v3 has no other. */
      readonly extended: boolean;
      /** The first sends. */
      readonly keys: readonly [Key, ...Key[]];
    };

export interface Key {
  readonly id: number;
  readonly algorithm: Algorithm;
  readonly secret: Uint8Array;
}

/** How the sender is known; `sequence` must not decrease. */
export type Proven =
  | { readonly kind: "none" | "simple" }
  | { readonly kind: "cryptographic"; readonly keyId: number; readonly sequence: bigint };

export type Unproven =
  | { readonly kind: "checksum" }
  | { readonly kind: "auth-type"; readonly got: number; readonly want: number }
  | { readonly kind: "auth-password" }
  | { readonly kind: "auth-key"; readonly id: number }
  | { readonly kind: "auth-length"; readonly got: number; readonly want: number }
  | { readonly kind: "auth-missing" }
  | { readonly kind: "auth-digest" };

export type BadAuth =
  | { readonly kind: "password-length"; readonly octets: number }
  | { readonly kind: "key-id"; readonly id: number }
  | { readonly kind: "key-twice"; readonly id: number }
  | { readonly kind: "no-keys" }
  | { readonly kind: "simple-in-v3" };

/** The plan's words as octets, which `utf8` makes of text. */
export function authOf(
  version: 2 | 3,
  auth: OspfAuth | undefined,
  utf8: (text: string) => Uint8Array,
): Result<Auth, BadAuth> {
  if (auth === undefined) return ok({ kind: "none" });
  if (auth.kind === "simple") {
    if (version === 3) return err({ kind: "simple-in-v3" });
    const octets = utf8(auth.password);
    if (octets.length < 1 || octets.length > 8) return err({ kind: "password-length", octets: octets.length });
    const password = new Uint8Array(8);
    password.set(octets);
    return ok({ kind: "simple", password });
  }
  const extended = version === 3 || auth.extended === true;
  const most = version === 3 ? 0xffff : extended ? 0xffffffff : 0xff;
  const seen = new Set<number>();
  for (const { id } of auth.keys) {
    if (!Number.isInteger(id) || id < 0 || id > most) return err({ kind: "key-id", id });
    if (seen.has(id)) return err({ kind: "key-twice", id });
    seen.add(id);
  }
  const [first, ...rest] = auth.keys.map(
    (each): Key => ({ id: each.id, algorithm: ALGORITHMS[each.algorithm], secret: utf8(each.secret) }),
  );
  if (first === undefined) return err({ kind: "no-keys" });
  return ok({ kind: "cryptographic", extended, keys: [first, ...rest] });
}

/**
 * RFC 5709 §3.3: HMAC over the packet and Apad, with a key that is brought to the length of the hash first; so it differs
 * from a plain HMAC for keys between that and the block length.
 */
export function sign(key: Key, protocolId: number | undefined, bytes: Uint8Array, digests: Digests): Uint8Array {
  const secret = protocolId === undefined ? key.secret : join([key.secret, octets16(protocolId)]);
  const ready = secret.length > lengthOf(key.algorithm) ? digests.hash(key.algorithm, secret) : secret;
  return digests.hmac(key.algorithm, ready, bytes);
}

/** RFC 5709 §3.3, RFC 7166 §4.5: as long as the digest, beginning with the source address where it is to be protected. */
export function apad(algorithm: Algorithm, source: Uint8Array): Uint8Array {
  const out = new Uint8Array(lengthOf(algorithm));
  for (let at = 0; at < out.length; at++) out[at] = source[at] ?? FILL[at % 4] ?? 0;
  return out;
}

export function lengthOf(algorithm: Algorithm): number {
  return LENGTHS[algorithm];
}

function octets16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 0xff);
}

const LENGTHS: Readonly<Record<Algorithm, number>> = { md5: 16, sha1: 20, sha256: 32, sha384: 48, sha512: 64 };
const ALGORITHMS = {
  md5: "md5",
  "hmac-sha1": "sha1",
  "hmac-sha256": "sha256",
  "hmac-sha384": "sha384",
  "hmac-sha512": "sha512",
} as const;
const FILL = [0x87, 0x8f, 0xe1, 0xf3];
