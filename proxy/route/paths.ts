/** Paths of one host, looked up by hashes over whole segments; see table.ts for what matches and what comes first. */
import { err, ok, type Result } from "../../base/result.ts";
import type { RequestHead } from "../http1/head.ts";
import { latin1, textOf } from "../http1/octets.ts";
import { mergeSlashes, normalisePath } from "../http1/path.ts";
import { utf8 } from "./conditions.ts";

export type BadPath = { readonly kind: "path"; readonly path: string };

export class PathTable<T> {
  readonly #exact = new Map<number, Entry<T>[]>();
  readonly #prefixes = new Map<number, Entry<T>[]>();
  readonly #patterns: { readonly pattern: RegExp; readonly value: T }[] = [];
  readonly #any: T[] = [];
  #longestPrefix = -1;
  /** Prefixes that match the path under way, shortest first. One lookup at a time: they are never nested. */
  readonly #found: Entry<T>[] = [];

  addExact(octets: Uint8Array, value: T): void {
    add(this.#exact, octets, value);
  }
  /** `octets` without a slash at the end; empty for "/". */
  addPrefix(octets: Uint8Array, value: T): void {
    add(this.#prefixes, octets, value);
    this.#longestPrefix = Math.max(this.#longestPrefix, octets.length);
  }
  addPattern(pattern: RegExp, value: T): void {
    this.#patterns.push({ pattern, value });
  }
  addAny(value: T): void {
    this.#any.push(value);
  }

  /** Orders what has equal paths; to be called once, after the last `add…`. */
  sort(compare: (a: T, b: T) => number): void {
    for (const map of [this.#exact, this.#prefixes]) {
      for (const list of map.values()) for (const entry of list) entry.values.sort(compare);
    }
    this.#patterns.sort((a, b) => compare(a.value, b.value));
    this.#any.sort(compare);
  }

  find(head: RequestHead, accepts: (value: T, head: RequestHead) => boolean): T | undefined {
    const { routeMemory: memory, routeStart: start, routeEnd: end } = head;
    const prefixes = this.#longestPrefix;
    const found = this.#found;
    let hash = SEED;
    let count = 0;
    if (this.#exact.size > 0 || prefixes >= 0) {
      for (let at = start; at < end; at++) {
        const octet = memory[at] as number;
        if (octet === SLASH && at - start <= prefixes) {
          const entry = pick(this.#prefixes.get(hash), memory, start, at);
          if (entry !== undefined) found[count++] = entry;
        }
        hash = Math.imul(hash ^ octet, PRIME);
      }
      const exact = this.#exact.size === 0 ? undefined : pick(this.#exact.get(hash), memory, start, end);
      const value = exact === undefined ? undefined : first(exact.values, head, accepts);
      if (value !== undefined) return value;
      if (end - start <= prefixes) {
        const entry = pick(this.#prefixes.get(hash), memory, start, end);
        if (entry !== undefined) found[count++] = entry;
      }
      while (count-- > 0) {
        const match = first((found[count] as Entry<T>).values, head, accepts);
        if (match !== undefined) return match;
      }
    }
    return this.#findSlow(head, accepts);
  }

  #findSlow(head: RequestHead, accepts: (value: T, head: RequestHead) => boolean): T | undefined {
    if (this.#patterns.length > 0) {
      const path = textOf(head.routeMemory, head.routeStart, head.routeEnd);
      for (const { pattern, value } of this.#patterns) {
        if (accepts(value, head) && pattern.test(path)) return value;
      }
    }
    return first(this.#any, head, accepts);
  }
}

/** A path of a rule in the form that request paths are looked up in. */
export function pathOctets(path: string): Result<Uint8Array, BadPath> {
  if (PLAIN.test(path)) return ok(latin1(path));
  const raw: number[] = [];
  for (const octet of utf8(path)) {
    if (octet > 0x20 && octet < 0x7f) raw.push(octet);
    else for (const digit of `%${octet.toString(16).padStart(2, "0")}`) raw.push(digit.charCodeAt(0));
  }
  if (raw[0] !== SLASH || /[?#\\]/.test(path)) return err({ kind: "path", path });
  const scratch = new Uint8Array(raw.length * 2);
  const length = normalisePath(Uint8Array.from(raw), 0, raw.length, scratch);
  if (length < 0) return err({ kind: "path", path });
  return ok(scratch.slice(length, mergeSlashes(scratch, 0, length, length)));
}

interface Entry<T> {
  readonly octets: Uint8Array;
  readonly values: T[];
}

function first<T>(
  values: readonly T[],
  head: RequestHead,
  accepts: (value: T, head: RequestHead) => boolean,
): T | undefined {
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as T;
    if (accepts(value, head)) return value;
  }
  return undefined;
}

function add<T>(map: Map<number, Entry<T>[]>, octets: Uint8Array, value: T): void {
  let hash = SEED;
  for (const octet of octets) hash = Math.imul(hash ^ octet, PRIME);
  const list = map.get(hash) ?? [];
  const entry = pick(list, octets, 0, octets.length);
  if (entry !== undefined) entry.values.push(value);
  else map.set(hash, [...list, { octets, values: [value] }]);
}

function pick<T>(list: Entry<T>[] | undefined, memory: Uint8Array, start: number, end: number): Entry<T> | undefined {
  if (list === undefined) return undefined;
  for (let i = 0; i < list.length; i++) {
    const entry = list[i] as Entry<T>;
    if (same(memory, start, end, entry.octets)) return entry;
  }
  return undefined;
}

function same(memory: Uint8Array, start: number, end: number, octets: Uint8Array): boolean {
  if (end - start !== octets.length) return false;
  for (let i = 0; i < octets.length; i++) if (memory[start + i] !== octets[i]) return false;
  return true;
}

/** Nothing to encode, nothing to normalise: most paths, and a reload of ten thousand must not take long. */
const PLAIN = /^\/(?:[\w~-][\w~.-]*\/)*(?:[\w~-][\w~.-]*)?$/;
/** FNV-1a; see hosts.ts. */
const SEED = 0x811c9dc5 | 0;
const PRIME = 0x01000193;
const SLASH = 0x2f;
