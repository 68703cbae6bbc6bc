/**
 * The trailer that proves a heartbeat's origin: HMAC-SHA256 with the segment's key, truncated to 16 octets, over all
 * octets before it.  Standards: RFC 2104 §5 (truncation), RFC 5082 (TTL 255: the sender is on this link).
 * The hash is a parameter, because node:crypto is not pure.
 */
import { sameSecret } from "../../base/octets.ts";
import { err, type Result } from "../../base/result.ts";
import { decode, type Heartbeat, type Malformed } from "./packet.ts";

/** The whole 32-octet HMAC-SHA256 of `bytes`. */
export type Sign = (bytes: Uint8Array) => Uint8Array;

export type Unproven =
  | { readonly kind: "ttl"; readonly got: number | undefined }
  | { readonly kind: "no-trailer"; readonly have: number }
  | { readonly kind: "mac-mismatch" };

export function seal(content: Uint8Array, sign: Sign): Uint8Array {
  const sealed = new Uint8Array(content.length + TRAILER);
  sealed.set(content);
  sealed.set(sign(content).subarray(0, TRAILER), content.length);
  return sealed;
}

/** Nothing of the content is looked at before the trailer is right. */
export function open(
  datagram: Uint8Array,
  ttl: number | undefined,
  sign: Sign,
): Result<Heartbeat, Unproven | Malformed> {
  if (ttl !== 255) return err({ kind: "ttl", got: ttl });
  if (datagram.length < TRAILER) return err({ kind: "no-trailer", have: datagram.length });
  const content = datagram.subarray(0, datagram.length - TRAILER);
  const trailer = datagram.subarray(content.length);
  const right = sign(content).subarray(0, TRAILER);
  return sameSecret(trailer, right) ? decode(content) : err({ kind: "mac-mismatch" });
}

export const TRAILER = 16;
