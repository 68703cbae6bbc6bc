/**
 * The usual response head needs nothing but the loss of a line or two (Connection: keep-alive): then it is not written
 * anew, its kept lines move together where they lie, towards the body.  write-response.ts does all other cases, and says
 * what becomes of every field.
 */
import type { Edits } from "./edits.ts";
import type { ResponseHead } from "./head.ts";
import { KNOWN } from "./names.ts";

/** Where the stripped head starts, at or after `head.start`; -1: it has to be written.  The head is of no more use after it. */
export function stripResponseHead(head: ResponseHead, edits: Edits, clientMinor: number, close: boolean): number {
  const { fields, memory } = head;
  if (close || clientMinor !== 1 || head.minor !== 1) return -1;
  if (edits.remove.length > 0 || edits.add.length > 0 || (fields.seen & (DATE | CODING)) !== DATE) return -1;
  const { drop, spans } = fields;
  // From the last line to the first: [end, runEnd) is kept and moves by what is left out behind it.
  let runEnd = head.end;
  let shift = 0;
  for (let line = fields.count - 1; line >= 0; line--) {
    if (drop[line] === 0) continue;
    const start = spans[line * 4] as number;
    const end = fields.lineEnd(line);
    if (shift > 0) memory.copyWithin(end + shift, end, runEnd);
    shift += end - start;
    runEnd = start;
  }
  if (shift > 0) memory.copyWithin(head.start + shift, head.start, runEnd);
  return head.start + shift;
}

const DATE = 1 << KNOWN.date;
const CODING = 1 << KNOWN["transfer-encoding"];
