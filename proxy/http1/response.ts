/**
 * Response heads from upstreams. Standards: RFC 9112 §4, §6, §9.3, RFC 9110 §6.4.1, §8.6, §15.
 * Framing is as strict as for requests: an upstream that one hop reads differently than the next poisons what follows.
 * Left out on purpose: 101 (nothing is upgraded), HTTP/0.9, transfer codings other than chunked.
 */
import { isChunked, parseConnection, parseContentLength } from "./connection.ts";
import { parseFields } from "./fields.ts";
import { CHUNKED, NO_BODY, type ResponseHead, SIZED, UNTIL_CLOSE } from "./head.ts";
import { HEAD } from "./method.ts";
import { KNOWN } from "./names.ts";
import { CR, HTAB, LF, latin1, SP } from "./octets.ts";
import { INCOMPLETE, refusal } from "./refusal.ts";

/** As parseRequestHead; `method` is that of the request that this answers. */
export function parseResponseHead(
  head: ResponseHead,
  memory: Uint8Array,
  start: number,
  end: number,
  method: number,
): number {
  const { limits, fields } = head;
  const stop = Math.min(end, start + limits.head);
  head.bind(memory);
  head.start = start;
  let at = parseLine(head, memory, start, stop);
  if (at >= 0) at = parseFields(fields, memory, head.words, at, stop, limits, DROPPED);
  if (at < 0) return at === INCOMPLETE && stop - start === limits.head ? TOO_LARGE : at;
  head.end = at;
  const refused = understand(head, method);
  return refused < 0 ? refused : at;
}

/** HTTP-version SP 3DIGIT SP [ reason ] CRLF; the space before a missing reason is often missing too */
function parseLine(head: ResponseHead, memory: Uint8Array, start: number, end: number): number {
  for (let i = 0; i < VERSION.length; i++) {
    if (start + i >= end) return INCOMPLETE;
    if (memory[start + i] !== VERSION[i]) return i >= MAJOR_AT ? VERSION_UNSUPPORTED : VERSION_INVALID;
  }
  let at = start + VERSION.length;
  if (at >= end) return INCOMPLETE;
  const minor = (memory[at] as number) - ZERO;
  if (minor !== 0 && minor !== 1) return VERSION_UNSUPPORTED;
  head.minor = minor;
  if (++at >= end) return INCOMPLETE;
  if (memory[at] !== SP) return VERSION_INVALID;
  let status = 0;
  for (let i = 0; i < 3; i++) {
    if (++at >= end) return INCOMPLETE;
    const digit = (memory[at] as number) - ZERO;
    if (digit < 0 || digit > 9) return STATUS_INVALID;
    status = status * 10 + digit;
  }
  if (status < 100 || status > 599) return STATUS_INVALID;
  head.status = status;
  if (++at >= end) return INCOMPLETE;
  if (memory[at] === SP) at++;
  else if (memory[at] !== CR) return memory[at] === LF ? BARE_LF : STATUS_INVALID;
  head.reasonStart = at;
  while (at < end) {
    const octet = memory[at] as number;
    if ((octet < SP && octet !== HTAB) || octet === 127) break;
    at++;
  }
  head.reasonEnd = at;
  if (at >= end) return INCOMPLETE;
  if (memory[at] !== CR) return memory[at] === LF ? BARE_LF : STATUS_INVALID;
  if (at + 1 >= end) return INCOMPLETE;
  return memory[at + 1] === LF ? at + 2 : BARE_CR;
}

/** RFC 9112 §6.3, in its order. 0 or a refusal. */
function understand(head: ResponseHead, method: number): number {
  const { fields, memory, status } = head;
  const { seen, repeated } = fields;
  head.keepAlive = head.minor === 1;
  head.contentLength = 0;
  head.framing = UNTIL_CLOSE;
  head.interim = status < 200;
  if (status === 101) return SWITCHING;
  if ((repeated & (CONTENT_LENGTH | TRANSFER_ENCODING)) !== 0) {
    return (repeated & CONTENT_LENGTH) !== 0 ? LENGTH_REPEATED : CODING_REPEATED;
  }
  const bodyless = head.interim || status === 204;
  if ((seen & TRANSFER_ENCODING) !== 0) {
    if ((seen & CONTENT_LENGTH) !== 0) return LENGTH_AND_CODING;
    if (bodyless) return BODY_ON_BODYLESS;
    if (head.minor === 0) return CODING_IN_10;
    if (!isChunked(fields, memory, fields.find(KNOWN["transfer-encoding"]))) return CODING_UNKNOWN;
    head.framing = CHUNKED;
  } else if ((seen & CONTENT_LENGTH) !== 0) {
    const line = fields.find(KNOWN["content-length"]);
    const length = parseContentLength(fields, memory, line);
    if (length < 0) return LENGTH_INVALID;
    if (bodyless) {
      // RFC 9110 §8.6 forbids the field here; a zero is harmless and common, and is not passed on
      if (length > 0) return BODY_ON_BODYLESS;
      fields.drop[line] = 1;
    }
    head.contentLength = length;
    head.framing = length === 0 ? NO_BODY : SIZED;
  }
  if (bodyless || status === 304 || method === HEAD) head.framing = NO_BODY;
  if ((seen & CONNECTION) !== 0 && !parseConnection(head)) return CONNECTION_INVALID;
  if (head.framing === UNTIL_CLOSE) head.keepAlive = false;
  return 0;
}

const VERSION = latin1("HTTP/1.");
const MAJOR_AT = 5;
const ZERO = 0x30;
const CONTENT_LENGTH = 1 << KNOWN["content-length"];
const TRANSFER_ENCODING = 1 << KNOWN["transfer-encoding"];
const CONNECTION = 1 << KNOWN.connection;

/** Not forwarded as it came: hop-by-hop (RFC 9110 §7.6.1), or written anew (write-response.ts). */
const DROPPED = new Uint8Array(32);
for (const name of [
  "connection",
  "transfer-encoding",
  "te",
  "upgrade",
  "keep-alive",
  "proxy-connection",
  "http2-settings",
] as const) {
  DROPPED[KNOWN[name]] = 1;
}

const TOO_LARGE = refusal("head-too-large");
const BARE_CR = refusal("bare-cr");
const BARE_LF = refusal("bare-lf");
const VERSION_INVALID = refusal("version-invalid");
const VERSION_UNSUPPORTED = refusal("version-unsupported");
const STATUS_INVALID = refusal("status-invalid");
const SWITCHING = refusal("switching-unasked");
const BODY_ON_BODYLESS = refusal("body-on-bodyless");
const LENGTH_INVALID = refusal("length-invalid");
const LENGTH_REPEATED = refusal("length-repeated");
const LENGTH_AND_CODING = refusal("length-and-coding");
const CODING_REPEATED = refusal("coding-repeated");
const CODING_UNKNOWN = refusal("coding-unknown");
const CODING_IN_10 = refusal("coding-in-1.0");
const CONNECTION_INVALID = refusal("connection-invalid");
