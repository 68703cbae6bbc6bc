/**
 * Path normalisation. Standards: RFC 3986 §6.2.2 (percent-encoding), §5.2.4 (dot segments), §3.3.
 *
 * - "%41" becomes "A" for unreserved characters, other encodings keep their meaning and get upper-case digits.
 * - "." and ".." segments are resolved.  Above the root is refused.
 * - Refused, because some servers resolve them and others do not: dot segments beside an encoded slash or backslash
 *   ("..%2f"), or with a parameter ("..;x"), overlong encodings of UTF-8, an encoded NUL.
 * - "%2F" is data, not a separator.  Empty segments ("//") are forwarded as they came; the router does not see them,
 *   so that a server that merges slashes serves what was routed.
 */
import { HEX, latin1 } from "./octets.ts";
import { refusal } from "./refusal.ts";

/** Writes the normalised path to `out` at 0 and returns its length (never more than the input's), or a refusal. */
export function normalisePath(memory: Uint8Array, start: number, end: number, out: Uint8Array): number {
  const length = decodePlain(memory, start, end, out);
  return length < 0 ? length : removeDots(out, length);
}

/** Copies out[from, end) to `at` with each run of slashes as one; returns the offset after it. */
export function mergeSlashes(out: Uint8Array, from: number, end: number, at: number): number {
  let to = at;
  for (let i = from; i < end; i++) {
    const octet = out[i] as number;
    if (octet === SLASH && to > at && out[to - 1] === SLASH) continue;
    out[to++] = octet;
  }
  return to;
}

function decodePlain(memory: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let to = 0;
  for (let at = start; at < end; at++) {
    const octet = memory[at] as number;
    if (octet !== PERCENT) {
      out[to++] = octet;
      continue;
    }
    const value = encoded(memory, at, end);
    if (value <= 0 || isOverlong(value, encoded(memory, at + 3, end))) return ENCODING;
    if (UNRESERVED[value] === 1) out[to++] = value;
    else {
      out[to++] = PERCENT;
      out[to++] = UPPER[value >> 4] as number;
      out[to++] = UPPER[value & 15] as number;
    }
    at += 2;
  }
  return to;
}

/** The octet that "%XX" at `at` stands for, or -1. */
function encoded(memory: Uint8Array, at: number, end: number): number {
  if (at + 2 >= end || memory[at] !== PERCENT) return -1;
  const high = HEX[memory[at + 1] as number] as number;
  const low = HEX[memory[at + 2] as number] as number;
  return high === 255 || low === 255 ? -1 : high * 16 + low;
}

/** The first two octets of a UTF-8 sequence that is longer than it need be (RFC 3629 §3). */
function isOverlong(lead: number, next: number): boolean {
  if (next < 0x80 || next > 0xbf) return false;
  return lead === 0xc0 || lead === 0xc1 || (lead === 0xe0 && next < 0xa0) || (lead === 0xf0 && next < 0x90);
}

/** In place: what is written never overtakes what is read. */
function removeDots(path: Uint8Array, length: number): number {
  let to = 0;
  let at = 0;
  while (at < length) {
    // path[at] is a slash
    let stop = at + 1;
    while (stop < length && path[stop] !== SLASH) stop++;
    const dots = dotSegment(path, at + 1, stop);
    if (dots < 0) return TRAVERSAL;
    if (dots === 0) {
      for (let i = at; i < stop; i++) path[to++] = path[i] as number;
    } else {
      if (dots === 2) {
        if (to === 0) return TRAVERSAL;
        while (path[--to] !== SLASH);
      }
      // a last dot segment leaves its slash: "/a/." is "/a/", "/a/.." is "/"
      if (stop === length) path[to++] = SLASH;
    }
    at = stop;
  }
  return to;
}

/** 1 for ".", 2 for "..", 0 for any other segment, -1 for what only some servers would take for a dot segment. */
function dotSegment(path: Uint8Array, start: number, end: number): number {
  let from = start;
  let at = start;
  for (;;) {
    const cut = at >= end ? 0 : path[at] === SEMICOLON ? 1 : isEncodedSeparator(path, at, end) ? 3 : -1;
    if (cut === -1) {
      at++;
      continue;
    }
    const dots =
      at - from === 1 && path[from] === DOT
        ? 1
        : at - from === 2 && path[from] === DOT && path[from + 1] === DOT
          ? 2
          : 0;
    if (dots > 0) return from === start && at === end ? dots : -1;
    if (cut === 0) return 0;
    if (cut === 1) {
      // parameters: up to the next separator they cannot be a dot segment
      while (at < end && !isEncodedSeparator(path, at, end)) at++;
      if (at >= end) return 0;
    }
    at += 3;
    from = at;
  }
}

/** "%2F" or "%5C"; digits are upper case by now. */
function isEncodedSeparator(path: Uint8Array, at: number, end: number): boolean {
  if (path[at] !== PERCENT || at + 2 >= end) return false;
  return (path[at + 1] === 0x32 && path[at + 2] === 0x46) || (path[at + 1] === 0x35 && path[at + 2] === 0x43);
}

const SLASH = 0x2f;
const DOT = 0x2e;
const PERCENT = 0x25;
const SEMICOLON = 0x3b;
const UPPER = latin1("0123456789ABCDEF");
const UNRESERVED = Uint8Array.from({ length: 256 }, (_, octet) =>
  /[A-Za-z0-9._~-]/.test(String.fromCharCode(octet)) ? 1 : 0,
);
const ENCODING = refusal("path-encoding");
const TRAVERSAL = refusal("path-traversal");
