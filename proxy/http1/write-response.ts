/**
 * The forwarded response head, written in one pass; always HTTP/1.1 (RFC 9110 §6.2: our own version).
 * Standards: RFC 9110 §7.6.1, §6.6.1 (Date), RFC 9112 §6.1, §9.3.
 *
 * Connection and what it names, Keep-Alive, Proxy-Connection and Upgrade are left out.  Connection says "close" when the
 * client's connection ends after this response, "keep-alive" when an HTTP/1.0 client's does not.  Transfer-Encoding is
 * written anew, and not at all for an HTTP/1.0 client: its body must be sent without its chunks and ends with the connection.
 * Date is kept, or added.  Server and all other fields are kept, unless a filter removes them; what filters add comes last.
 */
import { removes } from "./edits.ts";
import { FULL, type ResponseForward } from "./forward.ts";
import { CHUNKED, type ResponseHead, UNTIL_CLOSE } from "./head.ts";
import { KNOWN } from "./names.ts";
import { copy, latin1, put } from "./octets.ts";

/** Whether the body's end can only be told by closing the client's connection. */
export function mustClose(head: ResponseHead, clientMinor: number): boolean {
  return !head.interim && (head.framing === UNTIL_CLOSE || (head.framing === CHUNKED && clientMinor === 0));
}

/** Writes to `out` from `at`; returns the offset after the head, or FULL. */
export function writeResponseHead(head: ResponseHead, forward: ResponseForward, out: Uint8Array, at: number): number {
  const { memory, fields } = head;
  const { edits } = forward;
  if (out.length - at < head.end - head.start + edits.add.length + forward.date.length + FIXED) return FULL;
  const { count, drop, spans } = fields;
  let to = put(VERSION, out, at);
  // status line and all lines up to the first that is left out are one run
  let run = head.start + VERSION.length;
  const removing = edits.remove.length > 0;
  for (let line = 0; line < count; line++) {
    const start = spans[line * 4] as number;
    if (drop[line] === 0 && !(removing && removes(edits, memory, start, spans[line * 4 + 1] as number))) {
      if (run < 0) run = start;
    } else if (run >= 0) {
      to = copy(memory, run, start, out, to);
      run = -1;
    }
  }
  if (run >= 0) to = copy(memory, run, fields.end, out, to);
  if (!head.interim) {
    if (forward.close) to = put(CLOSE, out, to);
    else if (forward.clientMinor === 0) to = put(KEEP, out, to);
    if (fields.has(KNOWN["transfer-encoding"]) && forward.clientMinor === 1) to = put(CODING, out, to);
    if (((fields.seen | edits.touched) & DATE) === 0) to = put(forward.date, out, to);
    to = put(edits.add, out, to);
  }
  out[to] = 13;
  out[to + 1] = 10;
  return to + 2;
}

const VERSION = latin1("HTTP/1.1");
const CLOSE = latin1("Connection: close\r\n");
const KEEP = latin1("Connection: keep-alive\r\n");
const CODING = latin1("Transfer-Encoding: chunked\r\n");
const DATE = 1 << KNOWN.date;
const FIXED = 128;
