/** Fields that decide about framing and about the connection. RFC 9112 §6, §9, RFC 9110 §7.6.1, §8.6, §5.6.1 */
import type { Fields } from "./fields.ts";
import type { Head } from "./head.ts";
import { KNOWN, sameName } from "./names.ts";
import { FOLD, HTAB, latin1, SP, TOKEN } from "./octets.ts";

/** The length in octets, or -1: anything but 1 to 16 digits that a number can hold exactly. */
export function parseContentLength(fields: Fields, memory: Uint8Array, line: number): number {
  const start = fields.valueStart(line);
  const end = fields.valueEnd(line);
  if (end === start || end - start > 16 || hasTab(fields, memory, line)) return -1;
  let length = 0;
  for (let at = start; at < end; at++) {
    const digit = (memory[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length <= Number.MAX_SAFE_INTEGER ? length : -1;
}

/** Exactly "chunked", in any case: no list, no parameters, no other coding before it. */
export function isChunked(fields: Fields, memory: Uint8Array, line: number): boolean {
  const start = fields.valueStart(line);
  if (fields.valueEnd(line) - start !== CHUNKED_NAME.length || hasTab(fields, memory, line)) return false;
  return sameName(memory, start, CHUNKED_NAME);
}

/** Whether a comma-separated field has this member (lower case; what follows a ";" is ignored). */
export function listHas(fields: Fields, memory: Uint8Array, known: number, member: Uint8Array): boolean {
  for (let line = 0; line < fields.count; line++) {
    if (fields.known[line] !== known) continue;
    const end = fields.valueEnd(line);
    for (let at = fields.valueStart(line); at < end; ) {
      while (at < end && isSpace(memory[at] as number)) at++;
      const start = at;
      while (at < end && TOKEN[memory[at] as number] === 1) at++;
      if (at - start === member.length && sameName(memory, start, member)) return true;
      while (at < end && memory[at] !== COMMA) at++;
      at++;
    }
  }
  return false;
}

/**
 * Reads Connection: "close", "keep-alive", and the names of fields to drop.  False: not a list of tokens.
 * Host and the framing fields stay whatever Connection says: their fate is ours alone.
 */
export function parseConnection(head: Head): boolean {
  const { fields, memory } = head;
  if (!fields.isRepeated(KNOWN.connection)) {
    // what nearly all say
    const line = fields.find(KNOWN.connection);
    const start = fields.valueStart(line);
    if (fields.valueEnd(line) - start === KEEP_ALIVE.length && sameName(memory, start, KEEP_ALIVE)) {
      head.keepAlive = true;
      return true;
    }
  }
  let close = false;
  let keep = false;
  for (let line = 0; line < fields.count; line++) {
    if (fields.known[line] !== KNOWN.connection) continue;
    const end = fields.valueEnd(line);
    for (let at = fields.valueStart(line); at < end; ) {
      while (at < end && (isSpace(memory[at] as number) || memory[at] === COMMA)) at++;
      const start = at;
      while (at < end && TOKEN[memory[at] as number] === 1) at++;
      const stop = at;
      while (at < end && isSpace(memory[at] as number)) at++;
      if (at < end && memory[at] !== COMMA) return false;
      if (stop === start) continue;
      if (stop - start === CLOSE.length && sameName(memory, start, CLOSE)) close = true;
      else if (stop - start === KEEP_ALIVE.length && sameName(memory, start, KEEP_ALIVE)) keep = true;
      else dropNamed(fields, memory, start, stop);
    }
  }
  head.keepAlive = !close && (head.minor === 1 || keep);
  return true;
}

function dropNamed(fields: Fields, memory: Uint8Array, start: number, end: number): void {
  for (let line = 0; line < fields.count; line++) {
    const at = fields.nameStart(line);
    if (fields.nameEnd(line) - at !== end - start || OURS[fields.known[line] as number] === 1) continue;
    let i = 0;
    while (i < end - start && FOLD[memory[at + i] as number] === FOLD[memory[start + i] as number]) i++;
    if (i === end - start) fields.drop[line] = 1;
  }
}

/** A tab around the value of a framing field: allowed (RFC 9112 §5.1), but there are parsers that miss "chunked\t". */
function hasTab(fields: Fields, memory: Uint8Array, line: number): boolean {
  for (let at = fields.nameEnd(line) + 1; at < fields.valueStart(line); at++) if (memory[at] === HTAB) return true;
  for (let at = fields.valueEnd(line); at < fields.lineEnd(line); at++) if (memory[at] === HTAB) return true;
  return false;
}

function isSpace(octet: number): boolean {
  return octet === SP || octet === HTAB;
}

const CHUNKED_NAME = latin1("chunked");
const CLOSE = latin1("close");
const KEEP_ALIVE = latin1("keep-alive");
const COMMA = 0x2c;
/** Never dropped because Connection names them. */
const OURS = new Uint8Array(32);
for (const name of ["host", "content-length", "transfer-encoding", "expect", "x-request-id", "via", "date"] as const) {
  OURS[KNOWN[name]] = 1;
}
