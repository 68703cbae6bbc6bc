/**
 * What one peer was told of one family (Adj-RIB-Out, four octets a prefix), and what it has yet to be told.  A prefix
 * that changes a thousand times while the peer's connection is full is told once, in its last state: a stalled peer
 * costs nothing but its table.  Standards: RFC 4271 §9.2, RFC 4724 §2 (End-of-RIB), RFC 7313 (BoRR, EoRR).
 */
import type { AttributeId } from "./attributes.ts";
import { larger } from "./paths.ts";
import type { PrefixId } from "./prefixes.ts";

export interface Batch {
  /** Comes first. */
  readonly begin: boolean;
  readonly withdrawn: readonly PrefixId[];
  readonly announced: ReadonlyMap<AttributeId, readonly PrefixId[]>;
  /** Come last. */
  readonly endOfRib: boolean;
  readonly end: boolean;
}

export interface Wants {
  readonly bound: number;
  /** What the peer should hear of a prefix; 0: nothing. */
  exported(prefix: PrefixId): AttributeId;
  wireLength(prefix: PrefixId): number;
}

export class RibOut {
  #told = new Uint32Array(64);
  #dirty: PrefixId[] = [];
  #at = 0;
  #isDirty = new Uint8Array(64);
  #announced = 0;
  /** A walk over all prefixes: the next one; undefined: none is under way. */
  #walk: PrefixId | undefined;
  /** Say it again even if it was said (route refresh). */
  #again = false;
  #marks: "none" | "refresh" = "none";
  #begun = false;
  #endOfRib = false;
  /** A refresh that was asked for during a walk, and how. */
  #next: { readonly marks: "none" | "refresh" } | undefined;

  get announced(): number {
    return this.#announced;
  }
  get waiting(): boolean {
    return this.#walk !== undefined || this.#endOfRib || this.#at < this.#dirty.length;
  }
  told(prefix: PrefixId): AttributeId {
    return this.#told[prefix] ?? 0;
  }
  isUsed(prefix: PrefixId): boolean {
    return this.told(prefix) !== 0 || this.#isDirty[prefix] === 1;
  }
  mark(used: Uint8Array): void {
    for (const id of this.#told) used[id] = 1;
  }

  /** The whole table, and then End-of-RIB if the peer expects one. */
  start(endOfRib: boolean): void {
    this.#walk = 1;
    this.#endOfRib = endOfRib;
  }
  /** Policy changed: what differs now. */
  review(): void {
    this.#walk = 1;
  }
  /** The peer wants to hear everything again. */
  refresh(marks: boolean): void {
    const how = { marks: marks ? "refresh" : "none" } as const;
    if (this.#again || this.#endOfRib || this.#walk !== undefined) {
      this.#next = how; // RFC 7313 §4: one at a time, and not before End-of-RIB
      return;
    }
    this.#walk = 1;
    this.#again = true;
    this.#marks = how.marks;
    this.#begun = false;
  }
  touch(prefix: PrefixId): void {
    if (prefix >= this.#isDirty.length) this.#isDirty = larger(this.#isDirty, Uint8Array, prefix + 1);
    if (this.#isDirty[prefix] === 1) return;
    this.#isDirty[prefix] = 1;
    this.#dirty.push(prefix);
  }

  /** It could not be told after all. */
  untell(prefix: PrefixId): void {
    if (this.told(prefix) === 0) return;
    this.#told[prefix] = 0;
    this.#announced--;
  }
  /** About so many octets of what waits. */
  next(room: number, wants: Wants): Batch {
    const withdrawn: PrefixId[] = [];
    const announced = new Map<AttributeId, PrefixId[]>();
    const begin = this.#walk !== undefined && this.#marks === "refresh" && !this.#begun;
    this.#begun ||= begin;
    let used = 0;
    const take = (prefix: PrefixId, again: boolean): void => {
      const now = wants.exported(prefix);
      const before = this.told(prefix);
      if (now === before && !(again && now !== 0)) return;
      if (prefix >= this.#told.length) this.#told = larger(this.#told, Uint32Array, prefix + 1);
      this.#told[prefix] = now;
      this.#announced += (now === 0 ? 0 : 1) - (before === 0 ? 0 : 1);
      used += wants.wireLength(prefix);
      if (now === 0) {
        withdrawn.push(prefix);
        return;
      }
      const same = announced.get(now);
      if (same !== undefined) same.push(prefix);
      else {
        announced.set(now, [prefix]);
        used += ABOUT_ATTRIBUTES;
      }
    };
    // Changes before the walk: news first, and what the walk would find unchanged is skipped by it.
    while (this.#at < this.#dirty.length && used < room) {
      const prefix = this.#dirty[this.#at++] ?? 0;
      this.#isDirty[prefix] = 0;
      take(prefix, false);
    }
    if (this.#at * 2 >= this.#dirty.length && this.#at > 0) {
      this.#dirty = this.#dirty.slice(this.#at);
      this.#at = 0;
    }
    while (this.#walk !== undefined && used < room) {
      if (this.#walk >= wants.bound) this.#walk = undefined;
      else take(this.#walk++, this.#again);
    }
    const done = this.#walk === undefined && this.#at >= this.#dirty.length;
    const endOfRib = done && this.#endOfRib;
    if (endOfRib) this.#endOfRib = false;
    const end = this.#walk === undefined && this.#again && this.#marks === "refresh";
    if (this.#walk === undefined) this.#endWalk();
    return { begin, withdrawn, announced, endOfRib, end };
  }

  #endWalk(): void {
    this.#again = false;
    this.#marks = "none";
    const next = this.#next;
    this.#next = undefined;
    if (next !== undefined) this.refresh(next.marks === "refresh");
  }
}

/** What a set of attributes takes in a message, roughly. */
const ABOUT_ATTRIBUTES = 80;
