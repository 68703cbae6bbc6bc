/** Octet tables and moves that everything here is made of. RFC 9110 §5.6.2 (tokens), §5.5 (values), RFC 3986 §2–3. */

export const CR = 13;
export const LF = 10;
export const SP = 32;
export const HTAB = 9;

/** 1 for the octets of a token. */
export const TOKEN = ofText("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
/** Letters to lower case, every other octet itself. */
export const FOLD = Uint8Array.from({ length: 256 }, (_, octet) => (octet >= 65 && octet <= 90 ? octet + 32 : octet));
/** The value of a hexadecimal digit, 255 for anything else. */
export const HEX = Uint8Array.from({ length: 256 }, (_, octet) => {
  const digit = Number.parseInt(String.fromCharCode(octet), 16);
  return Number.isNaN(digit) ? 255 : digit;
});

/** What some memories (Node's Buffer) can do themselves, faster than through a view. */
interface Copier extends Uint8Array {
  copy(target: Uint8Array, at: number, start: number, end: number): number;
}

/** Moves [start, end) of `source` to `target` at `at`, returns the offset after it. Short runs are not worth a call. */
export function copy(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): number {
  if (end - start > SHORT) {
    if (isCopier(source)) source.copy(target, at, start, end);
    else target.set(source.subarray(start, end), at);
    return at + end - start;
  }
  let to = at;
  for (let from = start; from < end; from++) target[to++] = source[from] as number;
  return to;
}

function isCopier(octets: Uint8Array): octets is Copier {
  return "copy" in octets;
}

/** Moves all of `octets` to `target` at `at`, returns the offset after it. */
export function put(octets: Uint8Array, target: Uint8Array, at: number): number {
  const { length } = octets;
  if (length < CALL) return copy(octets, 0, length, target, at);
  target.set(octets, at);
  return at + length;
}

export function latin1(text: string): Uint8Array {
  const octets = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) octets[at] = text.charCodeAt(at);
  return octets;
}

/** The octets as text, one character each.  For logs, regular expressions and tests: it allocates. */
export function textOf(memory: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at++) text += String.fromCharCode(memory[at] as number);
  return text;
}

function ofText(text: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const letter of text) table[letter.charCodeAt(0)] = 1;
  return table;
}

/** Octets that a loop moves in the time that a copy of a part takes, and that of a whole array. */
const SHORT = 40;
const CALL = 14;
