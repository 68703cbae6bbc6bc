/** Host patterns of a listener, looked up by hashes over the octets of the request's host: nothing is allocated. */
import type { RequestHead } from "../http1/head.ts";
import { FOLD, latin1 } from "../http1/octets.ts";

export type BadHost = { readonly kind: "hostname"; readonly hostname: string };

export class HostTable<T> {
  readonly #make: () => T;
  readonly #exact = new Map<number, Entry<T>[]>();
  /** Keyed by the hash from the last octet to the dot before the suffix. */
  readonly #suffixes = new Map<number, Entry<T>[]>();
  /** Keyed by the hash from the first octet to the dot after the prefix. */
  readonly #prefixes = new Map<number, Entry<T>[]>();
  #any: T | undefined;
  /** Hashes of the prefixes that end at a dot of the host, shortest first; and where they end. */
  readonly #hashes = new Int32Array(MOST_LABELS);
  readonly #ends = new Int32Array(MOST_LABELS);

  constructor(make: () => T) {
    this.#make = make;
  }

  /** The value of a pattern, made when it is new. */
  at(pattern: string): T | BadHost {
    if (pattern === "*") return (this.#any ??= this.#make());
    const text = (pattern.length > 1 && pattern.endsWith(".") ? pattern.slice(0, -1) : pattern).toLowerCase();
    if (text.startsWith("*.")) {
      if (!NAME.test(text.slice(2))) return { kind: "hostname", hostname: pattern };
      const octets = latin1(text.slice(1));
      return this.#entry(this.#suffixes, hashBackward(octets, 0, octets.length), octets);
    }
    if (text.endsWith(".*")) {
      if (!NAME.test(text.slice(0, -2))) return { kind: "hostname", hostname: pattern };
      const octets = latin1(text.slice(0, -1));
      return this.#entry(this.#prefixes, hashForward(octets, 0, octets.length), octets);
    }
    if (!NAME.test(text) && !LITERAL.test(text)) return { kind: "hostname", hostname: pattern };
    const octets = latin1(text);
    return this.#entry(this.#exact, hashForward(octets, 0, octets.length), octets);
  }

  *values(): Generator<T> {
    for (const map of [this.#exact, this.#suffixes, this.#prefixes]) {
      for (const list of map.values()) for (const entry of list) yield entry.value;
    }
    if (this.#any !== undefined) yield this.#any;
  }

  /** Asks the values of all matching patterns, most specific first, until one has an answer. */
  find<R>(head: RequestHead, ask: (value: T, head: RequestHead) => R | undefined): R | undefined {
    const { memory, hostStart: start, hostEnd: end } = head;
    if (end > start) {
      if (this.#exact.size > 0) {
        const value = pick(this.#exact.get(hashForward(memory, start, end)), memory, start, end);
        const answer = value === undefined ? undefined : ask(value, head);
        if (answer !== undefined) return answer;
      }
      if (this.#suffixes.size > 0) {
        const answer = this.#findSuffix(head, ask);
        if (answer !== undefined) return answer;
      }
      if (this.#prefixes.size > 0) {
        const answer = this.#findPrefix(head, ask);
        if (answer !== undefined) return answer;
      }
    }
    return this.#any === undefined ? undefined : ask(this.#any, head);
  }

  #findSuffix<R>(head: RequestHead, ask: (value: T, head: RequestHead) => R | undefined): R | undefined {
    const { memory, hostStart, hostEnd } = head;
    let hash = SEED;
    let count = 0;
    // not at hostStart: a label must be left for the star
    for (let at = hostEnd - 1; at > hostStart && count < MOST_LABELS; at--) {
      const octet = FOLD[memory[at] as number] as number;
      hash = Math.imul(hash ^ octet, PRIME);
      if (octet !== DOT) continue;
      this.#hashes[count] = hash;
      this.#ends[count++] = at;
    }
    while (count-- > 0) {
      const at = this.#ends[count] as number;
      const value = pick(this.#suffixes.get(this.#hashes[count] as number), memory, at, hostEnd);
      const answer = value === undefined ? undefined : ask(value, head);
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  #findPrefix<R>(head: RequestHead, ask: (value: T, head: RequestHead) => R | undefined): R | undefined {
    const { memory, hostStart, hostEnd } = head;
    let hash = SEED;
    let count = 0;
    for (let at = hostStart; at < hostEnd - 1 && count < MOST_LABELS; at++) {
      const octet = FOLD[memory[at] as number] as number;
      hash = Math.imul(hash ^ octet, PRIME);
      if (octet !== DOT) continue;
      this.#hashes[count] = hash;
      this.#ends[count++] = at + 1;
    }
    while (count-- > 0) {
      const end = this.#ends[count] as number;
      const value = pick(this.#prefixes.get(this.#hashes[count] as number), memory, hostStart, end);
      const answer = value === undefined ? undefined : ask(value, head);
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  #entry(map: Map<number, Entry<T>[]>, hash: number, octets: Uint8Array): T {
    const list = map.get(hash) ?? [];
    const found = list.find((each) => sameFolded(octets, 0, octets.length, each.octets));
    if (found !== undefined) return found.value;
    const entry = { octets, value: this.#make() };
    map.set(hash, [...list, entry]);
    return entry.value;
  }
}

interface Entry<T> {
  /** Lower case. */
  readonly octets: Uint8Array;
  readonly value: T;
}

function pick<T>(list: Entry<T>[] | undefined, memory: Uint8Array, start: number, end: number): T | undefined {
  if (list === undefined) return undefined;
  for (let i = 0; i < list.length; i++) {
    const entry = list[i] as Entry<T>;
    if (sameFolded(memory, start, end, entry.octets)) return entry.value;
  }
  return undefined;
}

function sameFolded(memory: Uint8Array, start: number, end: number, lower: Uint8Array): boolean {
  if (end - start !== lower.length) return false;
  for (let i = 0; i < lower.length; i++) if (FOLD[memory[start + i] as number] !== lower[i]) return false;
  return true;
}

function hashForward(memory: Uint8Array, start: number, end: number): number {
  let hash = SEED;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (FOLD[memory[at] as number] as number), PRIME);
  return hash;
}
function hashBackward(memory: Uint8Array, start: number, end: number): number {
  let hash = SEED;
  for (let at = end - 1; at >= start; at--) hash = Math.imul(hash ^ (FOLD[memory[at] as number] as number), PRIME);
  return hash;
}

/** FNV-1a; collisions are settled by comparing, and only the operator's names are in the maps. */
const SEED = 0x811c9dc5 | 0;
const PRIME = 0x01000193;
const DOT = 0x2e;
/** A name of 253 octets has at most 127 labels; what is beyond is not looked at. */
const MOST_LABELS = 128;
const NAME = /^[a-z0-9_~-]+(\.[a-z0-9_~-]+)*$/;
const LITERAL = /^\[[0-9a-f:.]+\]$/;
