/**
 * Link state databases: one per scope (AS, area, link).  Standards: RFC 2328 §12.2, §13.1, §14, RFC 5340 §4.5.
 * An LSA's age is a birthday: nothing is counted up, so hours without events cost nothing.
 */
import { type Instant, instant } from "../../base/unit.ts";
import { type Lsa, type LsaHeader, type LsaKey, MAX_AGE, MAX_AGE_DIFF } from "./packet/lsa.ts";
import { keyText } from "./packet/lsa-header.ts";

export interface Entry {
  readonly lsa: Lsa;
  readonly key: string;
  readonly installedAt: Instant;
  /** When its age was zero. */
  readonly bornAt: Instant;
  /** "self": built by us in this life; "flooded" and "requested": received, be it our own from an earlier life. */
  readonly from: "self" | "flooded" | "requested";
  /** It is to be removed as soon as everybody has acknowledged it. */
  readonly flushing: boolean;
}

export class Database {
  readonly #entries = new Map<string, Entry>();
  readonly #byType = new Map<number, Map<string, Entry>>();

  get size(): number {
    return this.#entries.size;
  }
  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }
  find(key: LsaKey): Entry | undefined {
    return this.#entries.get(keyText(key));
  }
  put(entry: Entry): void {
    const { type } = entry.lsa.header;
    this.#entries.set(entry.key, entry);
    let same = this.#byType.get(type);
    if (same === undefined) this.#byType.set(type, (same = new Map()));
    same.set(entry.key, entry);
  }
  remove(entry: Entry): void {
    if (this.#entries.get(entry.key) !== entry) return;
    this.#entries.delete(entry.key);
    this.#byType.get(entry.lsa.header.type)?.delete(entry.key);
  }
  of(type: number): Iterable<Entry> {
    return this.#byType.get(type)?.values() ?? NONE;
  }
  [Symbol.iterator](): Iterator<Entry> {
    return this.#entries.values();
  }
}

export function entryOf(lsa: Lsa, from: Entry["from"], now: Instant, flushing = false): Entry {
  const bornAt = instant(now - lsa.header.age * 1000);
  return { lsa, key: keyText(lsa.header), installedAt: now, bornAt, from, flushing };
}

export function ageOf(entry: Entry, now: Instant): number {
  if (entry.flushing) return MAX_AGE;
  return Math.max(0, Math.min(MAX_AGE, Math.floor((now - entry.bornAt + ROUNDING) / 1000)));
}
/** The header with the age of now. */
export function headerOf(entry: Entry, now: Instant): LsaHeader {
  return { ...entry.lsa.header, age: ageOf(entry, now) };
}

/** §13.1: above zero when `a` is newer, below when `b` is, zero for two copies of one instance. */
export function newer(a: LsaHeader, b: LsaHeader): number {
  if (a.sequence !== b.sequence) return a.sequence - b.sequence;
  if (a.checksum !== b.checksum) return a.checksum - b.checksum;
  const [aDead, bDead] = [a.age >= MAX_AGE, b.age >= MAX_AGE];
  if (aDead !== bDead) return aDead ? 1 : -1;
  if (Math.abs(a.age - b.age) > MAX_AGE_DIFF) return b.age - a.age; // the younger is newer
  return 0;
}

/** §13.2: does it say the same?  Only then no route is computed anew. */
export function sameContents(a: Lsa, b: Lsa): boolean {
  if (a.header.options !== b.header.options || a.raw.length !== b.raw.length) return false;
  for (let index = HEADER; index < a.raw.length; index++) if (a.raw[index] !== b.raw[index]) return false;
  return true;
}

/** Milliseconds: at the very moment of a birthday the difference of two instants may fall short of it. */
const ROUNDING = 0.001;
const NONE: readonly Entry[] = [];
const HEADER = 20;
