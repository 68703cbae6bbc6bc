/**
 * Request targets and authorities. Standards: RFC 9112 §3.2, RFC 9110 §4.2, §7.1–7.4, RFC 3986 §2–3.
 *
 * What is routed and what is forwarded.  The path is forwarded as it came unless it holds something that servers read
 * differently; then it is normalised (path.ts), and the normalised path is both routed and forwarded.  So a path cannot
 * be routed as one resource and be served as another.  The query is forwarded as it came, never interpreted here.
 *
 * Stricter than the standards' parsers have to be: no fragment, no octet outside visible ASCII, no backslash in a path,
 * no user information, no percent-encoding or list in a host, no IPv6 zone.
 */
import { ABSOLUTE, ASTERISK, ORIGIN, type RequestHead } from "./head.ts";
import { OPTIONS } from "./method.ts";
import { FOLD, HEX, LF, latin1, SP } from "./octets.ts";
import { mergeSlashes, normalisePath } from "./path.ts";
import { INCOMPLETE, refusal } from "./refusal.ts";

/** Reads the target from `start`; returns the offset of the space after it, INCOMPLETE, or a refusal. */
export function parseTarget(head: RequestHead, memory: Uint8Array, start: number, end: number): number {
  head.targetStart = start;
  head.hasAuthority = false;
  if (start >= end) return INCOMPLETE;
  const first = memory[start] as number;
  if (first === SLASH) {
    head.form = ORIGIN;
    return parsePath(head, memory, start, end);
  }
  if (first === ASTERISK_OCTET) return parseAsterisk(head, memory, start, end);
  return parseAbsolute(head, memory, start, end);
}

/** Path and query from `start`, which is on a "/". */
function parsePath(head: RequestHead, memory: Uint8Array, start: number, end: number): number {
  const classes = CLASSES;
  const stop = Math.min(end, head.targetStart + head.limits.target + 1);
  let at = start + 1;
  let odd = false;
  let previous = SLASH;
  let octet = 0;
  while (at < stop) {
    octet = memory[at] as number;
    const kind = classes[octet] as number;
    if (kind !== PLAIN) {
      if (kind === DOT_OR_SLASH) odd ||= previous === SLASH;
      else if (kind === PERCENT) odd = true;
      else break;
    }
    previous = octet;
    at++;
  }
  head.pathMemory = memory;
  head.pathStart = start;
  head.pathEnd = at;
  if (at < stop && octet === QUESTION) {
    while (at < stop && (classes[memory[at] as number] as number) < BAD) at++;
  }
  if (at - head.targetStart > head.limits.target) return TOO_LONG;
  if (at >= stop) return INCOMPLETE;
  if (memory[at] !== SP) return bad(memory[at] as number);
  head.targetEnd = at;
  head.queryStart = head.pathEnd;
  head.queryEnd = at;
  if (odd) {
    const refused = normalise(head);
    if (refused < 0) return refused;
  } else {
    head.routeMemory = memory;
    head.routeStart = start;
    head.routeEnd = head.pathEnd;
  }
  return at;
}

function normalise(head: RequestHead): number {
  const { scratch } = head;
  const length = normalisePath(head.pathMemory, head.pathStart, head.pathEnd, scratch);
  if (length < 0) return length;
  head.pathMemory = scratch;
  head.pathStart = 0;
  head.pathEnd = length;
  head.routeMemory = scratch;
  head.routeStart = length;
  head.routeEnd = mergeSlashes(scratch, 0, length, length);
  return 0;
}

/** "*", for OPTIONS only (RFC 9112 §3.2.4) */
function parseAsterisk(head: RequestHead, memory: Uint8Array, start: number, end: number): number {
  const at = start + 1;
  if (at >= end) return INCOMPLETE;
  if (memory[at] !== SP) return bad(memory[at] as number);
  if (head.method !== OPTIONS) return FORM;
  head.form = ASTERISK;
  head.targetEnd = at;
  wholePath(head, memory, start, at, at, at);
  return at;
}

/** scheme "://" authority path-abempty [ "?" query ] (RFC 9112 §3.2.2) */
function parseAbsolute(head: RequestHead, memory: Uint8Array, start: number, end: number): number {
  const stop = Math.min(end, start + head.limits.target + 1);
  let at = start;
  while (at < stop && isLetter(memory[at] as number)) at++;
  if (at - start > LONGEST_SCHEME) return FORM;
  if (at >= stop) return stop - start > head.limits.target ? TOO_LONG : INCOMPLETE;
  const schemeEnd = at;
  for (let i = 0; i < MARK.length; i++, at++) {
    if (at >= stop) return stop - start > head.limits.target ? TOO_LONG : INCOMPLETE;
    if (memory[at] !== MARK[i])
      return (CLASSES[memory[at] as number] as number) < BAD ? FORM : bad(memory[at] as number);
  }
  const secure = isScheme(memory, start, schemeEnd, HTTPS);
  if (!secure && !isScheme(memory, start, schemeEnd, HTTP)) return SCHEME_UNKNOWN;
  if (secure !== head.secure) return SCHEME_MISDIRECTED;
  const authority = at;
  while (at < stop && HOST_CLASSES[memory[at] as number] !== 0) at++;
  if (at - start > head.limits.target) return TOO_LONG;
  if (at >= stop) return INCOMPLETE;
  const octet = memory[at] as number;
  if (octet !== SLASH && octet !== QUESTION && octet !== SP) {
    return (CLASSES[octet] as number) < BAD ? HOST_INVALID : bad(octet);
  }
  if (!parseAuthority(head, memory, authority, at, true)) return HOST_INVALID;
  head.hasAuthority = true;
  head.form = ABSOLUTE;
  if (octet === SLASH) return parsePath(head, memory, at, end);
  const path = at;
  if (octet === QUESTION) {
    while (at < stop && (CLASSES[memory[at] as number] as number) < BAD) at++;
    if (at - start > head.limits.target) return TOO_LONG;
    if (at >= stop) return INCOMPLETE;
    if (memory[at] !== SP) return bad(memory[at] as number);
  }
  head.targetEnd = at;
  // §3.2.4: OPTIONS without path and query is forwarded as "*"; else an empty path is "/" (RFC 9110 §4.2.3)
  const lone = head.method === OPTIONS && octet === SP;
  if (lone) head.form = ASTERISK;
  wholePath(head, lone ? STAR : ROOT, 0, 1, path, at);
  return at;
}

function wholePath(
  head: RequestHead,
  memory: Uint8Array,
  start: number,
  end: number,
  queryStart: number,
  queryEnd: number,
): void {
  head.pathMemory = memory;
  head.pathStart = start;
  head.pathEnd = end;
  head.routeMemory = memory;
  head.routeStart = start;
  head.routeEnd = end;
  head.queryStart = queryStart;
  head.queryEnd = queryEnd;
}

/**
 * uri-host [ ":" port ]; the host must not be empty (RFC 9110 §4.2.1), nor have an empty label except the last.
 * With `keep`, the head's authority and host are set; the host without port, brackets kept, one trailing dot left out.
 */
export function parseAuthority(
  head: RequestHead,
  memory: Uint8Array,
  start: number,
  end: number,
  keep: boolean,
): boolean {
  let at = start;
  let hostEnd: number;
  if (at < end && memory[at] === BRACKET) {
    at++;
    let colons = 0;
    while (at < end && isAddressOctet(memory[at] as number)) if (memory[at++] === COLON) colons++;
    if (at >= end || memory[at] !== BRACKET_END || colons < 2) return false;
    hostEnd = ++at;
  } else {
    const classes = HOST_CLASSES;
    let previous = DOT;
    while (at < end) {
      const octet = memory[at] as number;
      if (classes[octet] !== HOST_OCTET) break;
      if (octet === DOT && previous === DOT) return false;
      previous = octet;
      at++;
    }
    if (at === start) return false;
    hostEnd = previous === DOT ? at - 1 : at;
  }
  if (at < end) {
    if (memory[at] !== COLON || end - at > LONGEST_PORT) return false;
    let port = 0;
    while (++at < end) {
      const digit = (memory[at] as number) - 0x30;
      if (digit < 0 || digit > 9) return false;
      port = port * 10 + digit;
    }
    if (port > 65_535) return false;
  }
  if (keep) {
    head.authorityStart = start;
    head.authorityEnd = end;
    head.hostStart = start;
    head.hostEnd = hostEnd;
  }
  return true;
}

/** A line end where the version should be: HTTP/0.9, which has no head to speak of. */
function bad(octet: number): number {
  return octet === CR_OCTET || octet === LF ? VERSION_MISSING : TARGET_INVALID;
}

function isScheme(memory: Uint8Array, start: number, end: number, scheme: Uint8Array): boolean {
  if (end - start !== scheme.length) return false;
  for (let i = 0; i < scheme.length; i++) if (FOLD[memory[start + i] as number] !== scheme[i]) return false;
  return true;
}
function isLetter(octet: number): boolean {
  const lower = octet | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}
function isAddressOctet(octet: number): boolean {
  return HEX[octet] !== 255 || octet === COLON || octet === DOT;
}

const PLAIN = 0;
const DOT_OR_SLASH = 1;
const PERCENT = 2;
const QUERY = 3;
const BACKSLASH_CLASS = 4;
/** From here on: no octet of a target. */
const BAD = 5;
/** In a path, PLAIN to PERCENT go on; in a query, all below BAD. */
const CLASSES = Uint8Array.from({ length: 256 }, (_, octet) => {
  if (octet <= 0x20 || octet >= 0x7f || octet === 0x23) return BAD;
  if (octet === 0x2e || octet === 0x2f) return DOT_OR_SLASH;
  if (octet === 0x25) return PERCENT;
  if (octet === 0x3f) return QUERY;
  return octet === 0x5c ? BACKSLASH_CLASS : PLAIN;
});
const HOST_OCTET = 1;
/** 1: of a name or an IPv4 address; 2: only around a port or in an IPv6 address. */
const HOST_CLASSES = Uint8Array.from({ length: 256 }, (_, octet) => {
  if (/[A-Za-z0-9._~-]/.test(String.fromCharCode(octet))) return HOST_OCTET;
  return /[[\]:]/.test(String.fromCharCode(octet)) ? 2 : 0;
});

const SLASH = 0x2f;
const QUESTION = 0x3f;
const ASTERISK_OCTET = 0x2a;
const COLON = 0x3a;
const DOT = 0x2e;
const BRACKET = 0x5b;
const BRACKET_END = 0x5d;
const CR_OCTET = 0x0d;
const LONGEST_SCHEME = 16;
const LONGEST_PORT = 6;
const MARK = latin1("://");
const HTTP = latin1("http");
const HTTPS = latin1("https");
const ROOT = latin1("/");
const STAR = latin1("*");
const FORM = refusal("target-form");
const TOO_LONG = refusal("target-too-long");
const TARGET_INVALID = refusal("target-invalid");
const VERSION_MISSING = refusal("version-missing");
const SCHEME_UNKNOWN = refusal("scheme-unknown");
const SCHEME_MISDIRECTED = refusal("scheme-misdirected");
const HOST_INVALID = refusal("host-invalid");
