/**
 * Why a session ends, in words, and NOTIFICATION messages.  Standards: RFC 4271 §4.5, §6, RFC 4486 and RFC 8203/9003
 * (Cease), RFC 5492 §5, RFC 6608 (FSM), RFC 7313 §5, RFC 8538 §3, RFC 9234 §4.2, RFC 9384, RFC 9687.
 */
import { framed, HEADER } from "./framing.ts";
import type { Notification } from "./message.ts";

export type KnownReason = keyof typeof REASONS;
/** Known, or "code/subcode". */
export type Reason = KnownReason | `${number}/${number}`;

/** The words are what reports and logs say: API. */
export const REASONS = {
  "message-header/unspecific": [1, 0],
  "message-header/connection-not-synchronized": [1, 1],
  "message-header/bad-message-length": [1, 2],
  "message-header/bad-message-type": [1, 3],
  "open-message/unspecific": [2, 0],
  "open-message/unsupported-version-number": [2, 1],
  "open-message/bad-peer-as": [2, 2],
  "open-message/bad-bgp-identifier": [2, 3],
  "open-message/unsupported-optional-parameter": [2, 4],
  "open-message/authentication-failure": [2, 5],
  "open-message/unacceptable-hold-time": [2, 6],
  "open-message/unsupported-capability": [2, 7],
  "open-message/role-mismatch": [2, 11],
  "update-message/unspecific": [3, 0],
  "update-message/malformed-attribute-list": [3, 1],
  "update-message/unrecognized-well-known-attribute": [3, 2],
  "update-message/missing-well-known-attribute": [3, 3],
  "update-message/attribute-flags": [3, 4],
  "update-message/attribute-length": [3, 5],
  "update-message/invalid-origin": [3, 6],
  "update-message/as-routing-loop": [3, 7],
  "update-message/invalid-next-hop": [3, 8],
  "update-message/optional-attribute": [3, 9],
  "update-message/invalid-network-field": [3, 10],
  "update-message/malformed-as-path": [3, 11],
  "hold-timer-expired": [4, 0],
  "fsm/unspecific": [5, 0],
  "fsm/unexpected-message-in-open-sent": [5, 1],
  "fsm/unexpected-message-in-open-confirm": [5, 2],
  "fsm/unexpected-message-in-established": [5, 3],
  "cease/unspecific": [6, 0],
  "cease/maximum-number-of-prefixes-reached": [6, 1],
  "cease/administrative-shutdown": [6, 2],
  "cease/peer-deconfigured": [6, 3],
  "cease/administrative-reset": [6, 4],
  "cease/connection-rejected": [6, 5],
  "cease/other-configuration-change": [6, 6],
  "cease/connection-collision-resolution": [6, 7],
  "cease/out-of-resources": [6, 8],
  "cease/hard-reset": [6, 9],
  "cease/bfd-down": [6, 10],
  "route-refresh/unspecific": [7, 0],
  "route-refresh/invalid-message-length": [7, 1],
  "send-hold-timer-expired": [8, 0],
} as const satisfies Readonly<Record<string, readonly [code: number, subcode: number]>>;

export function decodeNotification(bytes: Uint8Array, start: number, end: number): Notification {
  const [code, subcode] = [bytes[start + HEADER] as number, bytes[start + HEADER + 1] as number];
  return { kind: "notification", reason: reasonOf(code, subcode), data: bytes.slice(start + HEADER + 2, end) };
}

/** `most`: octets that the peer takes; data that does not fit is cut. */
export function encodeNotification(message: Omit<Notification, "kind">, most: number): Uint8Array {
  const data = message.data.subarray(0, most - HEADER - 2);
  const bytes = framed("notification", 2 + data.length);
  bytes.set(codesOf(message.reason), HEADER);
  bytes.set(data, HEADER + 2);
  return bytes;
}

/** Subcodes that nobody has defined keep their numbers; so does a code. */
export function reasonOf(code: number, subcode: number): Reason {
  return WORDS.get(code * 256 + subcode) ?? `${code}/${subcode}`;
}
export function codesOf(reason: Reason): readonly [code: number, subcode: number] {
  if (isKnown(reason)) return REASONS[reason];
  const [code = "0", subcode = "0"] = reason.split("/");
  return [Number(code) & 255, Number(subcode) & 255];
}

/** RFC 9003 §2: the text that comes with an administrative shutdown or reset; undefined: there is none to be read. */
export function shutdownText(message: Omit<Notification, "kind">): string | undefined {
  if (message.reason === "cease/hard-reset") {
    const inner = hardResetReason(message);
    return inner === undefined ? undefined : shutdownText(inner);
  }
  if (message.reason !== "cease/administrative-shutdown" && message.reason !== "cease/administrative-reset")
    return undefined;
  const length = message.data[0] ?? 0;
  if (length === 0 || length > message.data.length - 1) return undefined;
  return utf8Text(message.data.subarray(1, 1 + length));
}
/** Cut between characters to the 255 octets that there is room for. */
export function shutdownData(text: string): Uint8Array {
  const octets = utf8Octets(text, MOST_TEXT);
  return octets.length === 0 ? octets : Uint8Array.of(octets.length, ...octets);
}

/** RFC 8538 §3: what a hard reset encapsulates. */
export function hardResetReason(message: Omit<Notification, "kind">): Omit<Notification, "kind"> | undefined {
  if (message.reason !== "cease/hard-reset" || message.data.length < 2) return undefined;
  const [code, subcode] = [message.data[0] as number, message.data[1] as number];
  return { reason: reasonOf(code, subcode), data: message.data.slice(2) };
}
export function hardReset(inner: Omit<Notification, "kind">): Omit<Notification, "kind"> {
  return { reason: "cease/hard-reset", data: Uint8Array.of(...codesOf(inner.reason), ...inner.data) };
}

function isKnown(reason: Reason): reason is KnownReason {
  return Object.hasOwn(REASONS, reason);
}

/** RFC 9003 §2 asks for UTF-8 without ill-formed sequences: octets that are none come out as U+FFFD, controls as spaces. */
function utf8Text(octets: Uint8Array): string {
  let text = "";
  for (let at = 0; at < octets.length; ) {
    const first = octets[at] as number;
    const length = first < 0x80 ? 1 : first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
    let code = length === 1 ? first : first & (0xff >>> (length + 1));
    let good = length > 0 && first < 0xf5 && at + length <= octets.length;
    for (let index = 1; good && index < length; index++) {
      const next = octets[at + index] as number;
      good = next >>> 6 === 2;
      code = (code << 6) | (next & 63);
    }
    const shortest = [0, 0, 0x80, 0x800, 0x10000][length] ?? 0;
    if (!good || code < shortest || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
      text += "\ufffd";
      at++;
      continue;
    }
    text += code < 0x20 || (code >= 0x7f && code < 0xa0) ? " " : String.fromCodePoint(code);
    at += length;
  }
  return text;
}
function utf8Octets(text: string, most: number): Uint8Array {
  const octets: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const piece =
      code < 0x80
        ? [code]
        : code < 0x800
          ? [0xc0 | (code >>> 6), 0x80 | (code & 63)]
          : code < 0x10000
            ? [0xe0 | (code >>> 12), 0x80 | ((code >>> 6) & 63), 0x80 | (code & 63)]
            : [0xf0 | (code >>> 18), 0x80 | ((code >>> 12) & 63), 0x80 | ((code >>> 6) & 63), 0x80 | (code & 63)];
    if (octets.length + piece.length > most) break;
    octets.push(...piece);
  }
  return Uint8Array.from(octets);
}

/** All that have a word. */
export const KNOWN_REASONS = Object.keys(REASONS) as readonly KnownReason[];
const MOST_TEXT = 255;
const WORDS: ReadonlyMap<number, KnownReason> = new Map(
  KNOWN_REASONS.map((reason) => {
    const [code, subcode] = REASONS[reason];
    return [code * 256 + subcode, reason];
  }),
);
