/**
 * Messages out of a stream.  Standards: RFC 4271 §4.1, §6.1, RFC 8654 §4, RFC 2918 §3.  A message that lies whole in
 * what was received is handed on where it lies; only one that was cut in two is put together elsewhere.
 */
import { unreachable } from "../../../base/result.ts";
import type { MessageKind, Refused } from "./message.ts";

/** A whole message, header included, valid until it returns.  `false`: the session is over, drop what follows. */
export type TakeMessage = (bytes: Uint8Array, start: number, end: number) => boolean;

export class Framer {
  /** RFC 8654: the longest that may come; 65535 once our OPEN has said so and the peer's has been read. */
  most = MOST;
  /** A message whose end has not come yet. */
  #held = new Uint8Array(FIRST_HELD);
  #have = 0;

  /** What has come of a message that is not complete. */
  get waiting(): number {
    return this.#have;
  }

  feed(bytes: Uint8Array, start: number, end: number, take: TakeMessage): Refused | undefined {
    let at = start;
    while (at < end) {
      if (this.#have > 0) {
        at = this.#fill(bytes, at, end, HEADER);
        if (this.#have < HEADER) return undefined;
        const bad = checkHeader(this.#held, 0, this.most);
        if (bad !== undefined) return bad;
        const length = lengthAt(this.#held, 0);
        at = this.#fill(bytes, at, end, length);
        if (this.#have < length) return undefined;
        this.#have = 0;
        if (!take(this.#held, 0, length)) return undefined;
        continue;
      }
      if (end - at >= HEADER) {
        const bad = checkHeader(bytes, at, this.most);
        if (bad !== undefined) return bad;
        const length = lengthAt(bytes, at);
        if (end - at >= length) {
          at += length;
          if (!take(bytes, at - length, at)) return undefined;
          continue;
        }
      }
      at = this.#fill(bytes, at, end, end - at);
    }
    return undefined;
  }

  #fill(bytes: Uint8Array, at: number, end: number, upTo: number): number {
    const take = Math.max(0, Math.min(upTo - this.#have, end - at));
    if (this.#have + take > this.#held.length) {
      const larger = new Uint8Array(Math.max(this.#have + take, Math.min(MOST_EXTENDED, this.#held.length * 4)));
      larger.set(this.#held.subarray(0, this.#have));
      this.#held = larger;
    }
    this.#held.set(bytes.subarray(at, at + take), this.#have);
    this.#have += take;
    return at + take;
  }
}

/** §6.1, in its order: marker, length, type. */
export function checkHeader(bytes: Uint8Array, at: number, most: number): Refused | undefined {
  for (let index = 0; index < MARKER; index++)
    if (bytes[at + index] !== 0xff)
      return { kind: "marker", reason: "message-header/connection-not-synchronized", data: new Uint8Array(0) };
  const length = lengthAt(bytes, at);
  const type = bytes[at + 18] as number;
  const kind = KINDS[type];
  if (length < HEADER || length > most || (kind !== undefined && !fits(kind, length)))
    return { kind: "length", reason: "message-header/bad-message-length", data: bytes.slice(at + MARKER, at + 18) };
  if (kind === undefined) return { kind: "type", reason: "message-header/bad-message-type", data: Uint8Array.of(type) };
  return undefined;
}

export function kindAt(bytes: Uint8Array, at: number): MessageKind | undefined {
  return KINDS[bytes[at + 18] ?? 0];
}

/** Header, and room for what follows it. */
export function framed(kind: MessageKind, bodyLength: number): Uint8Array {
  const bytes = new Uint8Array(HEADER + bodyLength);
  writeHeader(bytes, 0, kind, bytes.length);
  return bytes;
}
export function writeHeader(bytes: Uint8Array, at: number, kind: MessageKind, length: number): void {
  bytes.fill(0xff, at, at + MARKER);
  bytes[at + 16] = length >>> 8;
  bytes[at + 17] = length;
  bytes[at + 18] = KINDS.indexOf(kind);
}

function fits(kind: MessageKind, length: number): boolean {
  switch (kind) {
    case "open": // RFC 8654 §4: never extended
      return length >= 29 && length <= MOST;
    case "update":
      return length >= 23;
    case "notification":
      return length >= 21;
    case "keepalive":
      return length === HEADER;
    case "route-refresh": // the rest of its lengths: RFC 7313 §5, in refresh.ts
      return length >= HEADER + 4;
    default:
      return unreachable(kind);
  }
}
function lengthAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at + 16] as number) << 8) | (bytes[at + 17] as number);
}

/** Octets: §4.1 and RFC 8654 §3. */
export const HEADER = 19;
export const MOST = 4096;
export const MOST_EXTENDED = 65535;
const MARKER = 16;
const FIRST_HELD = 256;
/** Wire order, from 1. */
const KINDS: readonly (MessageKind | undefined)[] = [
  undefined,
  "open",
  "update",
  "notification",
  "keepalive",
  "route-refresh",
];
