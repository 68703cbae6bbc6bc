/**
 * ICMP echo to third parties.  Standards: RFC 792 (echo, echo reply), RFC 4443 §4.  The kernel computes and checks the
 * checksum of ICMPv6; that of ICMP is ours.  Behind the sequence number stand a number of 32 bits, since 16 are soon used
 * up, and eight octets that nobody off the path can guess.
 */
import { sameSecret } from "../../base/octets.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { checksum } from "../../netstack/wire/checksum.ts";
import { Reader, Writer } from "../../netstack/wire/cursor.ts";

export interface Echo {
  readonly identifier: number;
  readonly number: number;
  /** Eight octets. */
  readonly token: Uint8Array;
}

export type NotOurs =
  | { readonly kind: "short"; readonly have: number }
  /** Any other ICMP message than an echo reply. */
  | { readonly kind: "no-reply" }
  | { readonly kind: "bad-checksum" }
  | { readonly kind: "foreign" };

/** Octets of ICMP. */
export const ECHO = 24;

export function encodeEcho(family: 4 | 6, { identifier, number, token }: Echo): Uint8Array {
  const bytes = new Uint8Array(ECHO);
  const writer = new Writer(bytes);
  writer
    .u8(family === 4 ? 8 : 128)
    .u8(0)
    .u16(0)
    .u16(identifier)
    .u16(number & 0xffff);
  writer
    .u32(number % 2 ** 32)
    .put(token.subarray(0, 8))
    .zeros(4);
  if (family === 4) new Writer(bytes.subarray(2)).u16(checksum(bytes));
  return bytes;
}

/** As a raw socket gives it: IPv4 with the IP header, IPv6 without.  Returns the lower 32 bits of the number. */
export function decodeReply(
  family: 4 | 6,
  bytes: Uint8Array,
  ours: Pick<Echo, "identifier" | "token">,
): Result<number, NotOurs> {
  const start = family === 4 ? ((bytes[0] ?? 0) & 15) * 4 : 0;
  const message = bytes.subarray(start);
  if (message.length < ECHO || (family === 4 && start < 20)) return err({ kind: "short", have: message.length });
  const reader = new Reader(message);
  const [type, code] = [reader.u8(), reader.u8()];
  if (type !== (family === 4 ? 0 : 129) || code !== 0) return err({ kind: "no-reply" });
  if (family === 4 && checksum(message) !== 0) return err({ kind: "bad-checksum" });
  reader.skip(2);
  const identifier = reader.u16();
  const low = reader.u16();
  const number = reader.u32();
  const isOurs = identifier === ours.identifier && (number & 0xffff) === low;
  if (!isOurs || !sameSecret(reader.bytes(8), ours.token)) return err({ kind: "foreign" });
  return ok(number);
}
