/** The field names that a proxy has to know, as small numbers. RFC 9110 §7.6, RFC 9112 §9, RFC 7239 §4 (the older X- forms) */
import { FOLD } from "./octets.ts";

/** Below 31 (LOOKALIKE), so that a set of them fits a number. */
export const KNOWN = {
  host: 1,
  connection: 2,
  "content-length": 3,
  "transfer-encoding": 4,
  te: 5,
  trailer: 6,
  upgrade: 7,
  "keep-alive": 8,
  "proxy-connection": 9,
  "http2-settings": 10,
  expect: 11,
  via: 12,
  "x-forwarded-for": 13,
  "x-forwarded-proto": 14,
  "x-forwarded-host": 15,
  "x-request-id": 16,
  date: 17,
  server: 18,
  "user-agent": 19,
  referer: 20,
} as const;
export const OTHER = 0;
/** A known name with "_" for "-": servers that make variables of fields (RFC 3875 §4.1.18) take it for the known one. */
export const LOOKALIKE = 31;

/** The number of a name, whatever its case; or OTHER, or LOOKALIKE.  The octets must be those of a token. */
export function identify(memory: Uint8Array, start: number, end: number): number {
  const known = SLOTS[slotOf(end - start, memory[start] as number, memory[end - 1] as number)] as number;
  if (known === OTHER) return OTHER;
  const name = NAMES[known] as Uint8Array;
  if (name.length !== end - start) return OTHER;
  // Setting bit 5 folds letters, and no octet of a token becomes a digit or "-" by it.
  let alike: number = known;
  for (let i = 0; i < name.length; i++) {
    if (((memory[start + i] as number) | 0x20) === name[i]) continue;
    if (name[i] !== HYPHEN || memory[start + i] !== UNDERSCORE) return OTHER;
    alike = LOOKALIKE;
  }
  return alike;
}

/** Whether the octets from `start` are `lower` (lower case), whatever their case. */
export function sameName(memory: Uint8Array, start: number, lower: Uint8Array): boolean {
  for (let i = 0; i < lower.length; i++) {
    if (FOLD[memory[start + i] as number] !== lower[i]) return false;
  }
  return true;
}

function slotOf(length: number, first: number, last: number): number {
  return (length * 3 + (first | 0x20) * 5 + (last | 0x20) * FACTOR) & (SIZE - 1);
}

const HYPHEN = 0x2d;
const UNDERSCORE = 0x5f;
const SIZE = 256;
/** Found by trying: no two names share a slot. */
const FACTOR = 7;
const NAMES: readonly Uint8Array[] = Object.entries(KNOWN).reduce<Uint8Array[]>((out, [name, known]) => {
  out[known] = Uint8Array.from(name, (letter) => letter.charCodeAt(0));
  return out;
}, []);
const SLOTS = new Uint8Array(SIZE);
for (const [known, name] of NAMES.entries()) {
  if (name === undefined) continue; // OTHER
  const slot = slotOf(name.length, name[0] as number, name.at(-1) as number);
  if (SLOTS[slot] !== OTHER) throw new TypeError("two known names share a slot: choose another FACTOR");
  SLOTS[slot] = known;
}
