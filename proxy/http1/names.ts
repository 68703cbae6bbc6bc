/** The field names that a proxy has to know, as small numbers. RFC 9110 §7.6, RFC 9112 §9, RFC 7239 §4 (the older X- forms) */
import { FOLD } from "./octets.ts";

export type KnownField = (typeof KNOWN)[keyof typeof KNOWN];
/** Below 31, so that a set of them fits a number. */
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

/** The number of a name, whatever its case, or OTHER. */
export function identify(memory: Uint8Array, start: number, end: number): number {
  const candidates = BY_LENGTH[end - start];
  if (candidates === undefined) return OTHER;
  const first = (memory[start] as number) | 0x20;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i] as Candidate;
    if (candidate.first === first && sameName(memory, start, candidate.octets)) return candidate.known;
  }
  return OTHER;
}

/** Whether the octets from `start` are `lower` (lower case), whatever their case. */
export function sameName(memory: Uint8Array, start: number, lower: Uint8Array): boolean {
  for (let i = 0; i < lower.length; i++) {
    if (FOLD[memory[start + i] as number] !== lower[i]) return false;
  }
  return true;
}

interface Candidate {
  readonly first: number;
  readonly octets: Uint8Array;
  readonly known: KnownField;
}

const BY_LENGTH: readonly (readonly Candidate[] | undefined)[] = table();

function table(): (Candidate[] | undefined)[] {
  const out = Array.from<undefined, Candidate[] | undefined>({ length: 32 }, () => undefined);
  for (const [name, known] of Object.entries(KNOWN)) {
    const octets = Uint8Array.from(name, (letter) => letter.charCodeAt(0));
    const list = out[octets.length] ?? [];
    list.push({ first: (octets[0] as number) | 0x20, octets, known });
    out[octets.length] = list;
  }
  return out;
}
