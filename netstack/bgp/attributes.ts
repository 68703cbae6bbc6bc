/**
 * Attribute sets as small integers: equal sets are one, whoever sent them, and what the decision needs of a set is
 * worked out once.  Nothing counts references: `sweep` frees what no route uses any more, and then whatever was
 * remembered by id is void (`epoch`).
 */
import type { Ip } from "../../base/address.ts";
import type { PathAttributes } from "./packet/attribute.ts";
import { pathLength } from "./packet/path.ts";

/** 0 is no set: not eligible, or not announced. */
export type AttributeId = number;

export interface Entry {
  readonly attributes: PathAttributes;
  /** RFC 4271 §9.1.2.2 a: a set counts as one; confederation segments do not count (RFC 5065 §5.3). */
  readonly pathLength: number;
  /** Who the MED is compared with; 0: the path is empty, so it is our own AS. */
  readonly neighborAsn: number;
  readonly originRank: number;
  /** Where traffic goes: the link-local one if there is one (RFC 2545 §2). */
  readonly nextHop: Ip;
  readonly noAdvertise: boolean;
  /** Not to other ASes. */
  readonly noExport: boolean;
  readonly gracefulShutdown: boolean;
  readonly longLivedStale: boolean;
  readonly noLongLived: boolean;
}

export class AttributeStore {
  readonly #ids = new Map<string, AttributeId>();
  readonly #entries: (Entry | undefined)[] = [undefined];
  #free: AttributeId[] = [];
  #sinceSweep = 0;
  /** Changes when ids may mean something else. */
  epoch = 0;

  get live(): number {
    return this.#ids.size;
  }
  /** Ids are below this. */
  get bound(): number {
    return this.#entries.length;
  }
  /** Enough was interned since the last sweep to be worth one. */
  get due(): boolean {
    return this.#sinceSweep > Math.max(4096, this.#ids.size / 2);
  }

  id(attributes: PathAttributes): AttributeId {
    const known = this.#ids.get(attributes.key);
    if (known !== undefined) return known;
    const id = this.#free.pop() ?? this.#entries.length;
    this.#entries[id] = entryOf(attributes);
    this.#ids.set(attributes.key, id);
    this.#sinceSweep++;
    return id;
  }
  entry(id: AttributeId): Entry {
    const entry = this.#entries[id];
    if (entry === undefined) throw new TypeError(`attribute set ${id} is not there`);
    return entry;
  }
  attributes(id: AttributeId): PathAttributes {
    return this.entry(id).attributes;
  }

  /** `used`: by id, 1 if somebody has it. */
  sweep(used: Uint8Array): void {
    this.#sinceSweep = 0;
    this.epoch++;
    for (let id = 1; id < this.#entries.length; id++) {
      const entry = this.#entries[id];
      if (entry === undefined || used[id] === 1) continue;
      this.#ids.delete(entry.attributes.key);
      this.#entries[id] = undefined;
      this.#free.push(id);
    }
  }
}

/** What is remembered of attribute sets by id, until ids may mean something else. */
export class Memo<T> {
  readonly #store: AttributeStore;
  readonly #known = new Map<number, T>();
  #epoch = 0;

  constructor(store: AttributeStore) {
    this.#store = store;
  }
  get(key: number): T | undefined {
    if (this.#epoch !== this.#store.epoch) {
      this.#known.clear();
      this.#epoch = this.#store.epoch;
    }
    return this.#known.get(key);
  }
  has(key: number): boolean {
    return this.#known.has(key);
  }
  set(key: number, value: T): T {
    if (this.#known.size > MOST_REMEMBERED) this.#known.clear();
    this.#known.set(key, value);
    return value;
  }
}

function entryOf(attributes: PathAttributes): Entry {
  const { communities, nextHop, asPath } = attributes;
  const first = asPath.find(({ kind }) => kind === "sequence" || kind === "set");
  const hop = nextHop.linkLocal ?? nextHop.global;
  if (hop === undefined) throw new TypeError("a route without a next hop");
  return {
    attributes,
    pathLength: pathLength(asPath),
    neighborAsn: first?.kind === "sequence" ? (first.asns[0] ?? 0) : 0,
    originRank: { igp: 0, egp: 1, incomplete: 2 }[attributes.origin],
    nextHop: hop,
    noAdvertise: communities.includes(NO_ADVERTISE),
    noExport: communities.includes(NO_EXPORT) || communities.includes(NO_EXPORT_SUBCONFED),
    gracefulShutdown: communities.includes(GRACEFUL_SHUTDOWN),
    longLivedStale: communities.includes(LLGR_STALE),
    noLongLived: communities.includes(NO_LLGR),
  };
}

/** RFC 1997, RFC 8326 §5, RFC 9494 §4.5. */
export const NO_EXPORT = 0xffffff01;
export const NO_ADVERTISE = 0xffffff02;
export const NO_EXPORT_SUBCONFED = 0xffffff03;
export const GRACEFUL_SHUTDOWN = 0xffff0000;
export const LLGR_STALE = 0xffff0006;
export const NO_LLGR = 0xffff0007;

const MOST_REMEMBERED = 200_000;
