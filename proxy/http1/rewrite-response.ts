/**
 * The forwarded response head, made where the upstream's lies, so that head and body leave in one piece and, as a rule,
 * only what lies before a dropped line is moved.  Says the same as write-response.ts, our own lines first; a
 * "Transfer-Encoding: chunked" that already says what ours would stays where it is.
 */
import { NO_EDITS } from "./edits.ts";
import type { Fields } from "./fields.ts";
import { FULL, type ResponseForward } from "./forward.ts";
import type { ResponseHead } from "./head.ts";
import { KNOWN } from "./names.ts";
import { latin1 } from "./octets.ts";

/**
 * Returns the offset where the new head starts; it ends where the old one did.  `floor`: the lowest offset that may be
 * written.  FULL, and nothing is changed: it does not fit, or there are filters.  Afterwards `head` is used up.
 */
export function rewriteResponseHead(head: ResponseHead, forward: ResponseForward, floor: number): number {
  const { fields, memory, start } = head;
  if (forward.edits !== NO_EDITS) return FULL;
  const { spans, drop, count } = fields;
  let freed = 0;
  for (let line = 0; line < count; line++) {
    if (drop[line] === 0) continue;
    if (stays(fields, memory, line, forward.clientMinor)) drop[line] = 0;
    else freed += fields.lineEnd(line) - (spans[line * 4] as number);
  }
  const added = addedOctets(head, forward);
  const first = start + freed - added;
  if (first < floor) return FULL;
  const statusEnd = count > 0 ? (spans[0] as number) : fields.end;
  if (freed > 0) moveFields(fields, memory, statusEnd);
  if (first !== start) memory.copyWithin(first, start, statusEnd);
  if (added > 0) addLines(head, forward, first + statusEnd - start);
  memory[first + MINOR_AT] = ONE;
  return first;
}

/** Kept lines to the end, from the last to the first: what is written never overtakes what is read. */
function moveFields(fields: Fields, memory: Uint8Array, from: number): void {
  const { spans, drop } = fields;
  let to = fields.end;
  let runEnd = fields.end;
  for (let line = fields.count - 1; line >= 0; line--) {
    if (drop[line] === 0) continue;
    const runStart = fields.lineEnd(line);
    if (to !== runEnd) memory.copyWithin(to - (runEnd - runStart), runStart, runEnd);
    to -= runEnd - runStart;
    runEnd = spans[line * 4] as number;
  }
  if (to !== runEnd) memory.copyWithin(to - (runEnd - from), from, runEnd);
}

/** Transfer-Encoding in the very words that we would write. */
function stays(fields: Fields, memory: Uint8Array, line: number, clientMinor: number): boolean {
  if (clientMinor === 0 || fields.known[line] !== KNOWN["transfer-encoding"]) return false;
  const at = fields.valueStart(line);
  // it is "chunked" in some case, and there is no tab: response.ts has seen to that
  for (let i = 0; i < CHUNKED.length; i++) if (memory[at + i] !== CHUNKED[i]) return false;
  return true;
}

function addedOctets(head: ResponseHead, forward: ResponseForward): number {
  if (head.interim) return 0;
  let octets = (head.fields.seen & DATE) === 0 ? forward.date.length : 0;
  if (forward.close) octets += CLOSE_LINE.length;
  else if (forward.clientMinor === 0) octets += KEEP_LINE.length;
  if (codingIsLost(head, forward)) octets += CODING_LINE.length;
  return octets;
}

function addLines(head: ResponseHead, forward: ResponseForward, at: number): void {
  const { memory } = head;
  let to = at;
  if ((head.fields.seen & DATE) === 0) {
    memory.set(forward.date, to);
    to += forward.date.length;
  }
  if (codingIsLost(head, forward)) {
    memory.set(CODING_LINE, to);
    to += CODING_LINE.length;
  }
  if (forward.close) memory.set(CLOSE_LINE, to);
  else if (forward.clientMinor === 0) memory.set(KEEP_LINE, to);
}

/** The upstream's own Transfer-Encoding line goes, and the client needs one. */
function codingIsLost({ fields }: ResponseHead, { clientMinor }: ResponseForward): boolean {
  const line = fields.find(KNOWN["transfer-encoding"]);
  return line >= 0 && clientMinor === 1 && fields.drop[line] !== 0;
}

const MINOR_AT = 7;
const ONE = 0x31;
const DATE = 1 << KNOWN.date;
const CHUNKED = latin1("chunked");
const CLOSE_LINE = latin1("Connection: close\r\n");
const KEEP_LINE = latin1("Connection: keep-alive\r\n");
const CODING_LINE = latin1("Transfer-Encoding: chunked\r\n");
