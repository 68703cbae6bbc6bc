/**
 * The forwarded request head, written in one pass.  Always HTTP/1.1, origin or asterisk form; kept lines are copied as
 * they came, in runs.  Standards: RFC 9110 §7.6 (Connection, hop-by-hop fields), §7.6.3 (Via), §10.1.4 (TE), RFC 9112 §6.1.
 *
 * | field | becomes |
 * |---|---|
 * | Host | the authority of the request; for HTTP/1.0 without one, the endpoint |
 * | Connection and what it names, Keep-Alive, Proxy-Connection, Upgrade, HTTP2-Settings | left out |
 * | TE | "trailers", if it said so, else left out |
 * | Transfer-Encoding | written anew |
 * | Expect | kept when it asks for 100-continue and a body follows |
 * | X-Forwarded-For | the client's address appended |
 * | X-Forwarded-Proto, X-Forwarded-Host | set; what the client said is left out |
 * | X-Request-ID | kept, or added |
 * | Via | a line with the version of the request is added: "1.1 novaedge" |
 * | names that differ from a known one by "_" for "-" | left out: some servers take one for the other |
 * | others | kept, unless a filter removes them; what filters add comes last |
 *
 * Left out on purpose: Max-Forwards (RFC 9110 §7.6.2), Forwarded (RFC 7239: passed on as it came).
 * A filter that adds or removes one of the fields that we would add (X-Forwarded-*, Via, X-Request-ID) takes it over.
 */
import { type Edits, removes } from "./edits.ts";
import { FULL, type RequestForward } from "./forward.ts";
import { CHUNKED, ORIGIN, type RequestHead } from "./head.ts";
import { KNOWN } from "./names.ts";
import { copy, latin1, put, SP } from "./octets.ts";

/**
 * Writes to `out` from `at`; returns the offset after the head, or FULL.  `replaced`: how many octets of the path the
 * rule's rewrite replaces (Route.replaced); undefined for all.
 */
export function writeRequestHead(
  head: RequestHead,
  forward: RequestForward,
  out: Uint8Array,
  at: number,
  replaced: number | undefined,
): number {
  const { edits } = forward;
  if (out.length - at < mostOctets(head, forward)) return FULL;
  const asItCame = isAsItCame(head, edits);
  let to = asItCame ? at : writeLineAndHost(head, forward, out, at, replaced);
  to = copyFields(head, edits, asItCame, out, to);
  if (head.framing === CHUNKED) to = put(CODING, out, to);
  if (head.trailers) to = put(TRAILERS, out, to);
  to = edits.touched === 0 ? addAll(head, forward, out, to) : addUntouched(head, forward, edits.touched, out, to);
  to = put(edits.add, out, to);
  return putLineEnd(out, to);
}

/** Whether the request line and Host may be copied as they are: nothing about them is ambiguous or to be changed. */
function isAsItCame(head: RequestHead, edits: Edits): boolean {
  const { fields, memory } = head;
  if (head.minor === 0 || head.form !== ORIGIN || head.pathMemory !== memory || edits.rewritePath !== undefined)
    return false;
  const line = fields.find(KNOWN.host);
  const value = fields.valueStart(line);
  return (
    value - fields.nameEnd(line) === 2 && memory[value - 1] === SP && fields.lineEnd(line) - fields.valueEnd(line) === 2
  );
}

function writeLineAndHost(
  head: RequestHead,
  forward: RequestForward,
  out: Uint8Array,
  at: number,
  replaced: number | undefined,
): number {
  const { memory } = head;
  const { edits } = forward;
  let to = copy(memory, head.start, head.methodEnd, out, at);
  out[to++] = SP;
  to =
    edits.rewritePath === undefined
      ? copy(head.pathMemory, head.pathStart, head.pathEnd, out, to)
      : rewritePath(head, edits.rewritePath, replaced, out, to);
  to = copy(memory, head.queryStart, head.queryEnd, out, to);
  to = put(LINE_HOST, out, to);
  return putLineEnd(out, putAuthority(head, forward, out, to));
}

function putAuthority(head: RequestHead, { fallbackHost }: RequestForward, out: Uint8Array, at: number): number {
  const { authorityStart, authorityEnd } = head;
  if (authorityEnd > authorityStart) return copy(head.memory, authorityStart, authorityEnd, out, at);
  return put(fallbackHost, out, at);
}

/** The usual case of what follows: no filter has a say, so constant parts join. */
function addAll(head: RequestHead, forward: RequestForward, out: Uint8Array, at: number): number {
  const { seen } = head.fields;
  let to = put(VIA_AND_FOR, out, at);
  out[at + VIA_MINOR_AT] = ZERO + head.minor;
  if ((seen & FOR) !== 0) to = copyForwardedFor(head, out, to);
  to = put(forward.client, out, to);
  to = put(AND_PROTO, out, to);
  to = put(forward.scheme, out, to);
  to = put(AND_HOST, out, to);
  to = putAuthority(head, forward, out, to);
  if ((seen & ID) === 0) {
    to = put(AND_ID, out, to);
    to = put(forward.requestId, out, to);
  }
  return putLineEnd(out, to);
}

function addUntouched(
  head: RequestHead,
  forward: RequestForward,
  touched: number,
  out: Uint8Array,
  at: number,
): number {
  const { seen } = head.fields;
  let to = at;
  if ((touched & VIA_BIT) === 0) {
    to = put(VIA, out, at);
    out[at + VIA_MINOR_AT] = ZERO + head.minor;
  }
  if ((touched & FOR) === 0) {
    to = put(FORWARDED_FOR, out, to);
    if ((seen & FOR) !== 0) to = copyForwardedFor(head, out, to);
    to = putLineEnd(out, put(forward.client, out, to));
  }
  if ((touched & PROTO) === 0) to = putLineEnd(out, put(forward.scheme, out, put(FORWARDED_PROTO, out, to)));
  if ((touched & HOST) === 0) to = putLineEnd(out, putAuthority(head, forward, out, put(FORWARDED_HOST, out, to)));
  if (((touched | seen) & ID) === 0) to = putLineEnd(out, put(forward.requestId, out, put(REQUEST_ID, out, to)));
  return to;
}

/** Lines that are kept, neighbours together; with `asItCame` also the request line and Host. */
function copyFields(head: RequestHead, edits: Edits, asItCame: boolean, out: Uint8Array, at: number): number {
  const { memory, fields } = head;
  const { count, drop, spans } = fields;
  let to = at;
  let run = asItCame ? head.start : -1;
  const host = asItCame ? fields.find(KNOWN.host) : -1;
  for (let line = 0; line < count; line++) {
    const start = spans[line * 4] as number;
    const kept =
      line === host ||
      (drop[line] === 0 &&
        (edits.remove.length === 0 || !removes(edits, memory, start, spans[line * 4 + 1] as number)));
    if (kept) {
      if (run < 0) run = start;
    } else if (run >= 0) {
      to = copy(memory, run, start, out, to);
      run = -1;
    }
  }
  return run >= 0 ? copy(memory, run, fields.end, out, to) : to;
}

/** The matched prefix, or the whole path, becomes `path`; there is exactly one slash where the two meet. */
function rewritePath(
  head: RequestHead,
  path: Uint8Array,
  replaced: number | undefined,
  out: Uint8Array,
  at: number,
): number {
  if (replaced === undefined) return put(path, out, at);
  const rest = head.routeStart + replaced;
  const left = head.routeEnd - rest;
  const slash = path[path.length - 1] === SLASH;
  // "/" + "x" or "/v2/" + "/x"
  const to = copy(path, 0, slash && left > 0 ? path.length - 1 : path.length, out, at);
  return copy(head.routeMemory, rest, head.routeEnd, out, to);
}

/** What the client's own X-Forwarded-For lines say, each with a comma after it. */
function copyForwardedFor(head: RequestHead, out: Uint8Array, at: number): number {
  const { fields, memory } = head;
  let to = at;
  for (let line = fields.find(KNOWN["x-forwarded-for"]); line < fields.count; line++) {
    if (fields.known[line] !== KNOWN["x-forwarded-for"]) continue;
    const end = fields.valueEnd(line);
    if (end === fields.valueStart(line)) continue;
    to = copy(memory, fields.valueStart(line), end, out, to);
    out[to++] = COMMA;
    out[to++] = SP;
  }
  return to;
}

/** More than the head can take, whatever it holds. */
function mostOctets(head: RequestHead, forward: RequestForward): number {
  const { edits } = forward;
  return (
    2 * (head.end - head.start) +
    forward.client.length +
    forward.scheme.length +
    forward.requestId.length +
    2 * forward.fallbackHost.length +
    edits.add.length +
    (edits.rewritePath?.length ?? 0) +
    FIXED
  );
}

function putLineEnd(out: Uint8Array, at: number): number {
  out[at] = 13;
  out[at + 1] = 10;
  return at + 2;
}

const SLASH = 0x2f;
const COMMA = 0x2c;
const LINE_HOST = latin1(" HTTP/1.1\r\nHost: ");
const CODING = latin1("Transfer-Encoding: chunked\r\n");
const TRAILERS = latin1("TE: trailers\r\nConnection: TE\r\n");
const VIA = latin1("Via: 1.1 novaedge\r\n");
const VIA_MINOR_AT = 7;
const ZERO = 0x30;
const FORWARDED_FOR = latin1("X-Forwarded-For: ");
const FORWARDED_PROTO = latin1("X-Forwarded-Proto: ");
const FORWARDED_HOST = latin1("X-Forwarded-Host: ");
const REQUEST_ID = latin1("X-Request-ID: ");
const VIA_AND_FOR = latin1("Via: 1.1 novaedge\r\nX-Forwarded-For: ");
const AND_PROTO = latin1("\r\nX-Forwarded-Proto: ");
const AND_HOST = latin1("\r\nX-Forwarded-Host: ");
const AND_ID = latin1("\r\nX-Request-ID: ");
const FOR = 1 << KNOWN["x-forwarded-for"];
const PROTO = 1 << KNOWN["x-forwarded-proto"];
const HOST = 1 << KNOWN["x-forwarded-host"];
const VIA_BIT = 1 << KNOWN.via;
const ID = 1 << KNOWN["x-request-id"];
const FIXED = 512;
