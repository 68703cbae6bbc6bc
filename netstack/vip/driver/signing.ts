/**
 * HMAC-SHA256 (RFC 2104 §2) with a key that stays: its two blocks are made once, and each message costs two digests.
 * Whoever signs a few times a second finds nothing in the caches, and what node:crypto sets up for a Hmac, every time
 * anew, costs more than the digests.
 */
import { hash } from "node:crypto";
import { join } from "../../../base/octets.ts";
import type { Sign } from "../auth.ts";

export function signing(key: Uint8Array): Sign {
  if (key.length > BLOCK) throw new TypeError(`a key of ${key.length} octets`);
  const padded = (pad: number): Uint8Array => Uint8Array.from({ length: BLOCK }, (_, at) => (key[at] ?? 0) ^ pad);
  const [inner, outer] = [padded(0x36), padded(0x5c)];
  const digest = (parts: readonly Uint8Array[]): Uint8Array => hash("sha256", join(parts), "buffer");
  return (bytes) => digest([outer, digest([inner, bytes])]);
}

/** Octets of SHA-256's; a longer key would be hashed first. */
const BLOCK = 64;
