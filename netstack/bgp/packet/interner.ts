/**
 * Attributes that have come before are not read again, and are the same object.  One for each session: what octets mean
 * depends on what was agreed.  Bounded, because what comes from a peer is.
 */
import type { PathAttributes } from "./attribute.ts";

export class Interner {
  readonly #known = new Map<string, PathAttributes>();

  get(key: string): PathAttributes | undefined {
    return this.#known.get(key);
  }
  put(attributes: PathAttributes): PathAttributes {
    if (this.#known.size >= MOST) this.#known.clear();
    this.#known.set(attributes.key, attributes);
    return attributes;
  }
  get size(): number {
    return this.#known.size;
  }
}

const MOST = 4096;
