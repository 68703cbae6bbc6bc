/**
 * Field lines of a head, in one pass. Standards: RFC 9112 §5, §2.2, RFC 9110 §5.
 * Stricter than the standard allows to be: no bare LF as a line end, no obs-fold in requests or responses.
 */
import type { Limits } from "./limits.ts";
import { identify, OTHER } from "./names.ts";
import { CR, HTAB, LF, SP, TOKEN } from "./octets.ts";
import { INCOMPLETE, refusal } from "./refusal.ts";

/** The field lines of a head: line `i` is four offsets at `spans[4 × i]`. */
export class Fields {
  count = 0;
  /** name start, name end, value start, value end (white space around the value is outside) */
  readonly spans: Int32Array;
  /** names.ts: OTHER or one of the names that a proxy has to know */
  readonly known: Uint8Array;
  /** 1: not forwarded (hop-by-hop, named by Connection, or written anew by us) */
  readonly drop: Uint8Array;
  /** Offset after the last line: where the empty line starts. */
  end = 0;
  /** Bit n set: a field with known name n is there; there more than once. */
  seen = 0;
  repeated = 0;
  /** First line of each known name, where `seen` says so. */
  readonly first = new Int32Array(32);
  constructor(most: number) {
    this.spans = new Int32Array(most * 4);
    this.known = new Uint8Array(most);
    this.drop = new Uint8Array(most);
  }
  has(known: number): boolean {
    return (this.seen & (1 << known)) !== 0;
  }
  isRepeated(known: number): boolean {
    return (this.repeated & (1 << known)) !== 0;
  }
  /** The first line with this known name, or -1. */
  find(known: number): number {
    return this.has(known) ? (this.first[known] as number) : -1;
  }
  nameStart(line: number): number {
    return this.spans[line * 4] as number;
  }
  nameEnd(line: number): number {
    return this.spans[line * 4 + 1] as number;
  }
  valueStart(line: number): number {
    return this.spans[line * 4 + 2] as number;
  }
  valueEnd(line: number): number {
    return this.spans[line * 4 + 3] as number;
  }
  /** Where the line after this one, or the empty line, starts. */
  lineEnd(line: number): number {
    return line + 1 < this.count ? (this.spans[line * 4 + 4] as number) : this.end;
  }
}

/**
 * Reads lines from `at` up to and with the empty line.  `dropped[known]` says which lines start out as dropped.
 * `words` are the same octets, four at a time, or undefined when they are not aligned.
 */
export function parseFields(
  fields: Fields,
  memory: Uint8Array,
  words: Int32Array | undefined,
  from: number,
  end: number,
  limits: Limits,
  dropped: Uint8Array,
): number {
  const token = TOKEN;
  const { spans, known, drop, first } = fields;
  let seen = 0;
  let repeated = 0;
  let count = 0;
  let at = from;
  for (;;) {
    if (at >= end) return INCOMPLETE;
    let octet = memory[at] as number;
    if (octet === CR) {
      if (at + 1 >= end) return INCOMPLETE;
      if (memory[at + 1] !== LF) return BARE_CR;
      fields.count = count;
      fields.end = at;
      fields.seen = seen;
      fields.repeated = repeated;
      return at + 2;
    }
    const start = at;
    while (token[octet] === 1) {
      if (++at >= end) return INCOMPLETE;
      octet = memory[at] as number;
    }
    if (octet !== COLON || at === start) return badName(octet, at === start);
    if (count === limits.fields) return TOO_MANY;
    const nameEnd = at++;
    while (at < end && ((octet = memory[at] as number) === SP || octet === HTAB)) at++;
    const valueStart = at;
    at = words === undefined ? valueStop(memory, at, end) : valueStopByWords(memory, words, at, end);
    if (at + 1 >= end) {
      // A lone octet that is no line end is refused now: the answer must not depend on how the input is cut.
      if (at < end && memory[at] !== CR) return badValue(memory[at] as number);
      return INCOMPLETE;
    }
    if (memory[at] !== CR) return badValue(memory[at] as number);
    if (memory[at + 1] !== LF) return BARE_CR;
    let valueEnd = at;
    while (valueEnd > valueStart && ((octet = memory[valueEnd - 1] as number) === SP || octet === HTAB)) valueEnd--;
    at += 2;
    const name = identify(memory, start, nameEnd);
    const line = count * 4;
    spans[line] = start;
    spans[line + 1] = nameEnd;
    spans[line + 2] = valueStart;
    spans[line + 3] = valueEnd;
    known[count] = name;
    drop[count] = dropped[name] as number;
    if (name !== OTHER) {
      const bit = 1 << name;
      if ((seen & bit) === 0) {
        seen |= bit;
        first[name] = count;
      } else repeated |= bit;
    }
    count++;
  }
}

/** The first octet that no value may have, CR and LF among them. */
function valueStop(memory: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end) {
    const octet = memory[at] as number;
    if ((octet < SP && octet !== HTAB) || octet === 127) return at;
    at++;
  }
  return at;
}

/**
 * The same, four octets at a time: a word has one of 0–31 if subtracting 32 from each octet sets a top bit that was clear,
 * 127 if adding 1 does.  The lowest bit that is found marks such an octet, a tab, or (by a carry out of 255) none of them;
 * it is looked at, and when it is allowed it is replaced by a space.
 */
function valueStopByWords(memory: Uint8Array, words: Int32Array, from: number, end: number): number {
  // words that are not whole at the end of memory are not there
  if (end > words.length << 2) return valueStop(memory, from, end);
  let index = from >> 2;
  const shift = (from & 3) << 3;
  // what lies before `from` in its word becomes spaces
  let word =
    shift === 0 ? (words[index] as number) : ((words[index] as number) & (-1 << shift)) | (0x20202020 >>> (32 - shift));
  for (;;) {
    const found = ((word - 0x20202020) | (word + 0x01010101)) & ~word & 0x80808080;
    if (found === 0) {
      if (++index << 2 >= end) return end;
      word = words[index] as number;
      continue;
    }
    const bit = 31 - Math.clz32(found & -found);
    const at = (index << 2) + (bit >> 3);
    if (at >= end) return end;
    const octet = memory[at] as number;
    if ((octet < SP && octet !== HTAB) || octet === 127) return at;
    word = (word & ~(0xff << (bit - 7))) | (SP << (bit - 7));
  }
}

function badName(octet: number, first: boolean): number {
  if (first && (octet === SP || octet === HTAB)) return FOLDED;
  if (first && octet === COLON) return NAME_MISSING;
  return octet === LF ? BARE_LF : NAME_INVALID;
}

function badValue(octet: number): number {
  return octet === LF ? BARE_LF : VALUE_INVALID;
}

const COLON = 0x3a;
const BARE_CR = refusal("bare-cr");
const BARE_LF = refusal("bare-lf");
const FOLDED = refusal("line-fold");
const NAME_MISSING = refusal("field-name-missing");
const NAME_INVALID = refusal("field-name-invalid");
const VALUE_INVALID = refusal("field-value-invalid");
const TOO_MANY = refusal("too-many-fields");
