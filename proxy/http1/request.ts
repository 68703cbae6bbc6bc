/**
 * Request heads. Standards: RFC 9112 §2–3, §5–6, §9.3, RFC 9110 §7, §10.1.
 * Left out on purpose: CONNECT (no tunnels), HTTP/0.9, transfer codings other than chunked, obs-fold, bare LF.
 * Stricter than most peers, because a proxy must never read a message in another way than the next hop: every
 * Content-Length that is repeated (even with equal values) or a list, and every mix with Transfer-Encoding, is refused.
 */
import { isChunked, listHas, parseConnection, parseContentLength } from "./connection.ts";
import { parseFields } from "./fields.ts";
import { CHUNKED, NO_BODY, type RequestHead, SIZED } from "./head.ts";
import { CONNECT, identifyMethod, TRACE } from "./method.ts";
import { KNOWN, LOOKALIKE } from "./names.ts";
import { CR, LF, latin1, SP, TOKEN } from "./octets.ts";
import { INCOMPLETE, refusal } from "./refusal.ts";
import { parseAuthority, parseTarget } from "./target.ts";

/** The offset after the head, INCOMPLETE, or a refusal.  `head` is meaningful only after an offset. */
export function parseRequestHead(head: RequestHead, memory: Uint8Array, start: number, end: number): number {
  const { limits, fields } = head;
  let at = skipEmptyLines(memory, start, end);
  if (at < 0) return at;
  const stop = Math.min(end, at + limits.head);
  head.bind(memory);
  head.start = at;
  at = parseLine(head, memory, at, stop);
  if (at >= 0) at = parseFields(fields, memory, head.words, at, stop, limits, DROPPED);
  if (at < 0) return at === INCOMPLETE && stop - head.start === limits.head ? TOO_LARGE : at;
  head.end = at;
  const refused = understand(head);
  return refused < 0 ? refused : at;
}

/** RFC 9112 §2.2: empty lines before a request are ignored; a few, not for ever. */
function skipEmptyLines(memory: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && (memory[at] === CR || memory[at] === LF)) {
    if (at - start >= 2 * EMPTY_LINES) return LEADING_JUNK;
    if (memory[at] === LF) return BARE_LF;
    if (at + 1 >= end) return INCOMPLETE;
    if (memory[at + 1] !== LF) return BARE_CR;
    at += 2;
  }
  return at < end ? at : INCOMPLETE;
}

/** method SP request-target SP HTTP-version CRLF; one space each, nothing else (§3) */
function parseLine(head: RequestHead, memory: Uint8Array, start: number, end: number): number {
  const token = TOKEN;
  let at = start;
  while (at < end && token[memory[at] as number] === 1) at++;
  if (at - start > LONGEST_METHOD) return METHOD_TOO_LONG;
  if (at >= end) return INCOMPLETE;
  if (memory[at] !== SP || at === start) return at === start ? LEADING_JUNK : METHOD_INVALID;
  head.methodEnd = at;
  head.method = identifyMethod(memory, start, at);
  if (head.method === CONNECT) return METHOD_CONNECT;
  at = parseTarget(head, memory, at + 1, end);
  if (at < 0) return at;
  // `at` is on the space after the target
  const version = at + 1;
  for (let i = 0; i < VERSION.length; i++) {
    if (version + i >= end) return INCOMPLETE;
    if (memory[version + i] !== VERSION[i]) return badVersion(memory, version, end);
  }
  const digit = version + VERSION.length;
  if (digit >= end) return INCOMPLETE;
  const minor = (memory[digit] as number) - ZERO;
  if (minor !== 0 && minor !== 1) return minor >= 2 && minor <= 9 ? VERSION_UNSUPPORTED : VERSION_INVALID;
  head.minor = minor;
  if (digit + 1 >= end) return INCOMPLETE;
  if (memory[digit + 1] !== CR) return memory[digit + 1] === LF ? BARE_LF : VERSION_INVALID;
  if (digit + 2 >= end) return INCOMPLETE;
  return memory[digit + 2] === LF ? digit + 3 : BARE_CR;
}

/** "HTTP/" DIGIT "." DIGIT with another major version is a version we do not speak; anything else is no version. */
function badVersion(memory: Uint8Array, start: number, end: number): number {
  for (let i = 0; i < VERSION.length; i++) {
    if (start + i >= end) return INCOMPLETE;
    const octet = memory[start + i] as number;
    if (i === MAJOR_AT ? octet < ZERO || octet > NINE : octet !== VERSION[i]) return VERSION_INVALID;
  }
  return VERSION_UNSUPPORTED;
}

/** What the fields say together. 0 or a refusal. */
function understand(head: RequestHead): number {
  const { fields, memory } = head;
  const { seen, repeated } = fields;
  head.keepAlive = head.minor === 1;
  head.expectsContinue = false;
  head.upgrade = false;
  head.trailers = false;
  head.framing = NO_BODY;
  head.contentLength = 0;
  if ((seen & HOST) === 0) {
    if (head.minor === 1) return HOST_MISSING;
    if (!head.hasAuthority) head.authorityStart = head.authorityEnd = head.hostStart = head.hostEnd = head.end;
  } else {
    if ((repeated & HOST) !== 0) return HOST_REPEATED;
    const line = fields.find(KNOWN.host);
    // §3.2.2: the target's authority wins; the field must be valid all the same
    if (!parseAuthority(head, memory, fields.valueStart(line), fields.valueEnd(line), !head.hasAuthority))
      return HOST_INVALID;
  }
  if ((seen & RARE) === 0) return 0;
  return understandRare(head, seen, repeated);
}

function understandRare(head: RequestHead, seen: number, repeated: number): number {
  const { fields, memory } = head;
  if ((repeated & (CONTENT_LENGTH | TRANSFER_ENCODING)) !== 0) {
    return (repeated & CONTENT_LENGTH) !== 0 ? LENGTH_REPEATED : CODING_REPEATED;
  }
  if ((seen & TRANSFER_ENCODING) !== 0) {
    if ((seen & CONTENT_LENGTH) !== 0) return LENGTH_AND_CODING;
    if (head.minor === 0) return CODING_IN_10;
    if (!isChunked(fields, memory, fields.find(KNOWN["transfer-encoding"]))) return CODING_UNKNOWN;
    head.framing = CHUNKED;
  } else if ((seen & CONTENT_LENGTH) !== 0) {
    const length = parseContentLength(fields, memory, fields.find(KNOWN["content-length"]));
    if (length < 0) return LENGTH_INVALID;
    head.contentLength = length;
    if (length > 0) head.framing = SIZED;
  }
  if (head.method === TRACE && (seen & (CONTENT_LENGTH | TRANSFER_ENCODING)) !== 0) return BODY_ON_TRACE;
  if ((seen & CONNECTION) !== 0 && !parseConnection(head)) return CONNECTION_INVALID;
  if ((seen & UPGRADE) !== 0) head.upgrade = true;
  if ((seen & TE) !== 0) head.trailers = listHas(fields, memory, KNOWN.te, TRAILERS);
  if ((seen & EXPECT) !== 0 && head.minor === 1) {
    const line = fields.find(KNOWN.expect);
    if ((repeated & EXPECT) !== 0 || !listHas(fields, memory, KNOWN.expect, CONTINUE)) return EXPECTATION_UNKNOWN;
    if (fields.valueEnd(line) - fields.valueStart(line) !== CONTINUE.length) return EXPECTATION_UNKNOWN;
    head.expectsContinue = head.framing !== NO_BODY;
    if (head.expectsContinue) fields.drop[line] = 0;
  }
  return 0;
}

const VERSION = latin1("HTTP/1.");
const MAJOR_AT = 5;
const ZERO = 0x30;
const NINE = 0x39;
const EMPTY_LINES = 4;
const LONGEST_METHOD = 32;
const TRAILERS = latin1("trailers");
const CONTINUE = latin1("100-continue");

const HOST = 1 << KNOWN.host;
const CONTENT_LENGTH = 1 << KNOWN["content-length"];
const TRANSFER_ENCODING = 1 << KNOWN["transfer-encoding"];
const CONNECTION = 1 << KNOWN.connection;
const UPGRADE = 1 << KNOWN.upgrade;
const TE = 1 << KNOWN.te;
const EXPECT = 1 << KNOWN.expect;
const RARE = CONTENT_LENGTH | TRANSFER_ENCODING | CONNECTION | UPGRADE | TE | EXPECT;

/** What is not forwarded as it came: hop-by-hop (RFC 9110 §7.6.1), or written anew (write-request.ts). */
const DROPPED = new Uint8Array(32);
DROPPED[LOOKALIKE] = 1;
for (const name of [
  "host",
  "connection",
  "transfer-encoding",
  "te",
  "upgrade",
  "keep-alive",
  "proxy-connection",
  "http2-settings",
  "expect",
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-forwarded-host",
] as const) {
  DROPPED[KNOWN[name]] = 1;
}

const TOO_LARGE = refusal("head-too-large");
const LEADING_JUNK = refusal("leading-junk");
const BARE_CR = refusal("bare-cr");
const BARE_LF = refusal("bare-lf");
const METHOD_INVALID = refusal("method-invalid");
const METHOD_TOO_LONG = refusal("method-too-long");
const METHOD_CONNECT = refusal("method-connect");
const VERSION_INVALID = refusal("version-invalid");
const VERSION_UNSUPPORTED = refusal("version-unsupported");
const HOST_MISSING = refusal("host-missing");
const HOST_REPEATED = refusal("host-repeated");
const HOST_INVALID = refusal("host-invalid");
const LENGTH_INVALID = refusal("length-invalid");
const LENGTH_REPEATED = refusal("length-repeated");
const LENGTH_AND_CODING = refusal("length-and-coding");
const CODING_REPEATED = refusal("coding-repeated");
const CODING_UNKNOWN = refusal("coding-unknown");
const CODING_IN_10 = refusal("coding-in-1.0");
const CONNECTION_INVALID = refusal("connection-invalid");
const EXPECTATION_UNKNOWN = refusal("expectation-unknown");
const BODY_ON_TRACE = refusal("body-on-trace");
