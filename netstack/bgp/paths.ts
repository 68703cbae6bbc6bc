/**
 * Every path of one family, of every source, as columns of integers: 24 octets a path.  The paths of a prefix are a
 * chain; those of a source are found by walking the columns, which a million of them take milliseconds for.
 * This is Adj-RIB-In (`raw`, before policy) and what policy made of it (`attributes`) at once.
 */
import type { AttributeId } from "./attributes.ts";
import type { PrefixId } from "./prefixes.ts";

/** 0 is no path. */
export type PathIndex = number;

/** Of its peer's last session: RFC 4724 §4.2. */
export const STALE = 1;
/** RFC 9494 §4.2: the restart time is over. */
export const LONG_LIVED_STALE = 2;
/** Not yet said again since the peer began a refresh: RFC 7313 §4.2. */
export const REFRESHING = 4;

export class Paths {
  #next = new Uint32Array(FIRST);
  #prefix = new Uint32Array(FIRST);
  #source = new Uint16Array(FIRST);
  #pathId = new Uint32Array(FIRST);
  #raw = new Uint32Array(FIRST);
  #attributes = new Uint32Array(FIRST);
  #flags = new Uint8Array(FIRST);
  #head = new Uint32Array(FIRST);
  /** A chain of free ones, through `next`. */
  #free = 0;
  #bound = 1;
  #live = 0;

  get live(): number {
    return this.#live;
  }
  /** Indexes are below this; those of no prefix are free. */
  get bound(): number {
    return this.#bound;
  }
  first(prefix: PrefixId): PathIndex {
    return this.#head[prefix] ?? 0;
  }
  next(path: PathIndex): PathIndex {
    return this.#next[path] ?? 0;
  }
  /** 0: the path is free. */
  prefix(path: PathIndex): PrefixId {
    return this.#prefix[path] ?? 0;
  }
  source(path: PathIndex): number {
    return this.#source[path] ?? 0;
  }
  pathId(path: PathIndex): number {
    return this.#pathId[path] ?? 0;
  }
  raw(path: PathIndex): AttributeId {
    return this.#raw[path] ?? 0;
  }
  /** 0: policy or a loop forbids its use. */
  attributes(path: PathIndex): AttributeId {
    return this.#attributes[path] ?? 0;
  }
  flags(path: PathIndex): number {
    return this.#flags[path] ?? 0;
  }

  find(prefix: PrefixId, source: number, pathId: number): PathIndex {
    let path = this.first(prefix);
    while (path !== 0 && (this.source(path) !== source || this.pathId(path) !== pathId)) path = this.next(path);
    return path;
  }
  add(prefix: PrefixId, source: number, pathId: number): PathIndex {
    let path = this.#free;
    if (path !== 0) this.#free = this.next(path);
    else {
      path = this.#bound++;
      if (path >= this.#next.length) this.#grow();
    }
    if (prefix >= this.#head.length) this.#head = larger(this.#head, Uint32Array, prefix + 1);
    this.#prefix[path] = prefix;
    this.#source[path] = source;
    this.#pathId[path] = pathId;
    this.#raw[path] = 0;
    this.#attributes[path] = 0;
    this.#flags[path] = 0;
    this.#next[path] = this.first(prefix);
    this.#head[prefix] = path;
    this.#live++;
    return path;
  }
  set(path: PathIndex, raw: AttributeId, attributes: AttributeId, flags: number): void {
    this.#raw[path] = raw;
    this.#attributes[path] = attributes;
    this.#flags[path] = flags;
  }
  remove(path: PathIndex): void {
    const prefix = this.prefix(path);
    let before = 0;
    for (let each = this.first(prefix); each !== path; each = this.next(each)) before = each;
    if (before === 0) this.#head[prefix] = this.next(path);
    else this.#next[before] = this.next(path);
    this.#prefix[path] = 0;
    this.#next[path] = this.#free;
    this.#free = path;
    this.#live--;
  }
  /** Paths of a source; they may be changed or removed meanwhile. */
  eachOf(source: number, visit: (path: PathIndex) => void): void {
    for (let path = 1; path < this.#bound; path++)
      if (this.#source[path] === source && this.#prefix[path] !== 0) visit(path);
  }
  /** Marks the attribute sets that are in use. */
  mark(used: Uint8Array): void {
    for (let path = 1; path < this.#bound; path++) {
      if (this.#prefix[path] === 0) continue;
      used[this.#raw[path] ?? 0] = 1;
      used[this.#attributes[path] ?? 0] = 1;
    }
  }

  #grow(): void {
    const most = this.#next.length * 2;
    this.#next = larger(this.#next, Uint32Array, most);
    this.#prefix = larger(this.#prefix, Uint32Array, most);
    this.#source = larger(this.#source, Uint16Array, most);
    this.#pathId = larger(this.#pathId, Uint32Array, most);
    this.#raw = larger(this.#raw, Uint32Array, most);
    this.#attributes = larger(this.#attributes, Uint32Array, most);
    this.#flags = larger(this.#flags, Uint8Array, most);
  }
}

type Column = Uint8Array | Uint16Array | Uint32Array;
/** A copy with room for `least`, twice as large at the least. */
export function larger<T extends Column>(column: T, make: new (length: number) => T, least: number): T {
  const copy = new make(Math.max(least, column.length * 2));
  copy.set(column);
  return copy;
}

const FIRST = 64;
