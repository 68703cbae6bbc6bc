/**
 * The RIB of one family: all paths, and the best one of each prefix (Loc-RIB).  What is learnt or lost only notes that
 * its prefix must be decided anew; `settle` decides, once for each prefix, however often it changed meanwhile.
 */
import type { AttributeId, AttributeStore } from "./attributes.ts";
import { type Candidate, type Decision, decide, type Why } from "./decide.ts";
import type { NextHops } from "./next-hops.ts";
import type { Family } from "./packet/family.ts";
import { LONG_LIVED_STALE, larger, type PathIndex, Paths, STALE } from "./paths.ts";
import { type PrefixId, PrefixTable } from "./prefixes.ts";
import { LOCAL, type Sources } from "./sources.ts";

export interface Counts {
  received: number;
  accepted: number;
  stale: number;
}

export class Rib {
  readonly family: Family;
  readonly table: PrefixTable;
  readonly paths = new Paths();
  readonly #store: AttributeStore;
  readonly #sources: Sources;
  readonly #hops: NextHops;
  #best = new Uint32Array(64);
  /** Of the best path and its equals: what they were when last decided. */
  #print = new Uint32Array(64);
  #touched: PrefixId[] = [];
  #isTouched = new Uint8Array(64);
  readonly #counts: Counts[] = [];

  constructor(family: Family, store: AttributeStore, sources: Sources, hops: NextHops, seed = 0) {
    this.family = family;
    this.table = new PrefixTable(family, seed);
    this.#store = store;
    this.#sources = sources;
    this.#hops = hops;
  }

  counts(source: number): Readonly<Counts> {
    return this.#countsOf(source);
  }
  best(prefix: PrefixId): PathIndex {
    return this.#best[prefix] ?? 0;
  }

  set(prefix: PrefixId, source: number, pathId: number, raw: AttributeId, attributes: AttributeId): void {
    const known = this.paths.find(prefix, source, pathId);
    const counts = this.#countsOf(source);
    const path = known === 0 ? this.paths.add(prefix, source, pathId) : known;
    if (known === 0) counts.received++;
    this.update(path, raw, attributes, 0);
  }
  /** The same path, looked at anew. */
  update(path: PathIndex, raw: AttributeId, attributes: AttributeId, flags: number): void {
    const counts = this.#countsOf(this.paths.source(path));
    const before = this.paths.attributes(path);
    const stale = this.paths.flags(path) & STALE;
    if (before === attributes && this.paths.raw(path) === raw && this.paths.flags(path) === flags) return;
    if (before !== attributes) {
      if (before !== 0) this.#unuse(path, before);
      if (attributes !== 0) this.#use(path, attributes);
      counts.accepted += (attributes === 0 ? 0 : 1) - (before === 0 ? 0 : 1);
    }
    counts.stale += (flags & STALE) - stale;
    const matters = before !== attributes || ((this.paths.flags(path) ^ flags) & LONG_LIVED_STALE) !== 0;
    this.paths.set(path, raw, attributes, flags);
    if (matters) this.touch(this.paths.prefix(path));
  }
  unset(prefix: PrefixId, source: number, pathId: number): void {
    const path = this.paths.find(prefix, source, pathId);
    if (path !== 0) this.remove(path);
  }
  remove(path: PathIndex): void {
    const counts = this.#countsOf(this.paths.source(path));
    const attributes = this.paths.attributes(path);
    counts.received--;
    counts.stale -= this.paths.flags(path) & STALE;
    if (attributes !== 0) {
      counts.accepted--;
      this.#unuse(path, attributes);
    }
    this.touch(this.paths.prefix(path));
    this.paths.remove(path);
  }

  touch(prefix: PrefixId): void {
    if (prefix >= this.#isTouched.length) this.#isTouched = larger(this.#isTouched, Uint8Array, prefix + 1);
    if (this.#isTouched[prefix] === 1) return;
    this.#isTouched[prefix] = 1;
    this.#touched.push(prefix);
  }
  /** Prefixes of paths through a next hop that came or went. */
  touchHop(has: (attributes: AttributeId) => boolean): void {
    for (let path = 1; path < this.paths.bound; path++) {
      const attributes = this.paths.attributes(path);
      if (this.paths.prefix(path) !== 0 && attributes !== 0 && has(attributes)) this.touch(this.paths.prefix(path));
    }
  }
  get unsettled(): boolean {
    return this.#touched.length > 0;
  }
  /** `changed`: prefixes whose best path, or whose equals, are others now. */
  settle(changed: (prefix: PrefixId) => void): void {
    const touched = this.#touched;
    this.#touched = [];
    for (const prefix of touched) {
      this.#isTouched[prefix] = 0;
      if (prefix >= this.#best.length) {
        this.#best = larger(this.#best, Uint32Array, prefix + 1);
        this.#print = larger(this.#print, Uint32Array, prefix + 1);
      }
      const [best, print] = this.#choose(prefix);
      if (best === this.#best[prefix] && print === this.#print[prefix]) continue;
      this.#best[prefix] = best;
      this.#print[prefix] = print;
      changed(prefix);
    }
  }

  /** All that is known about why; for reports, and where several next hops are wanted. */
  decision(prefix: PrefixId, lost?: (loser: Candidate, why: Why) => void): Decision | undefined {
    return decide(this.#candidates(prefix), lost);
  }
  isUsable(path: PathIndex): boolean {
    const attributes = this.paths.attributes(path);
    if (attributes === 0) return false;
    return this.paths.source(path) === LOCAL || this.#hops.metric(this.#store.entry(attributes).nextHop) !== undefined;
  }
  isUsed(prefix: PrefixId): boolean {
    return this.paths.first(prefix) !== 0 || this.#isTouched[prefix] === 1;
  }

  #choose(prefix: PrefixId): readonly [PathIndex, number] {
    const first = this.paths.first(prefix);
    if (first === 0) return NONE;
    if (this.paths.next(first) === 0)
      return this.isUsable(first) ? [first, this.#printOf(first, this.paths.attributes(first), 0)] : NONE;
    const decision = decide(this.#candidates(prefix));
    if (decision === undefined) return NONE;
    let print = 0;
    for (const { path } of decision.equal) print = this.#printOf(path, this.paths.attributes(path), print);
    return [decision.best.path, print];
  }
  #printOf(path: PathIndex, attributes: AttributeId, before: number): number {
    const mixed = Math.imul(before ^ attributes, 0x9e3779b1) ^ Math.imul(this.paths.source(path) + 1, 0x85ebca6b);
    return (mixed ^ (this.paths.flags(path) & LONG_LIVED_STALE) ^ (mixed >>> 15)) >>> 0;
  }
  #candidates(prefix: PrefixId): readonly Candidate[] {
    const found: Candidate[] = [];
    for (let path = this.paths.first(prefix); path !== 0; path = this.paths.next(path)) {
      if (!this.isUsable(path)) continue;
      const entry = this.#store.entry(this.paths.attributes(path));
      found.push({
        path,
        pathId: this.paths.pathId(path),
        entry,
        source: this.#sources.get(this.paths.source(path)),
        longLivedStale: (this.paths.flags(path) & LONG_LIVED_STALE) !== 0,
        metric: this.paths.source(path) === LOCAL ? 0 : (this.#hops.metric(entry.nextHop) ?? 0),
      });
    }
    return found;
  }
  #use(path: PathIndex, attributes: AttributeId): void {
    const source = this.paths.source(path);
    if (source !== LOCAL) this.#hops.use(this.#store.entry(attributes).nextHop, this.#sources.get(source).ifname);
  }
  #unuse(path: PathIndex, attributes: AttributeId): void {
    if (this.paths.source(path) !== LOCAL) this.#hops.unuse(this.#store.entry(attributes).nextHop);
  }
  #countsOf(source: number): Counts {
    this.#counts[source] ??= { received: 0, accepted: 0, stale: 0 };
    return this.#counts[source];
  }
}

const NONE = [0, 0] as const;
