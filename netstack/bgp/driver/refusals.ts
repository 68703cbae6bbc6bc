/**
 * What the kernel did not take, by reason.  Of the routes that are refused for one reason the first, the second, the fourth
 * … is told: a table of them fills no log, and a reason that went away and comes back is told again.
 */
export class Refusals<Key> {
  readonly #why = new Map<Key, string>();
  readonly #counts = new Map<string, number>();

  get size(): number {
    return this.#why.size;
  }

  /** How many are refused for this reason now, when that is worth telling. */
  add(key: Key, why: string): number | undefined {
    if (this.#why.get(key) === why) return undefined;
    this.delete(key);
    this.#why.set(key, why);
    const count = (this.#counts.get(why) ?? 0) + 1;
    this.#counts.set(why, count);
    return (count & (count - 1)) === 0 ? count : undefined;
  }

  /** It was taken, or nobody wants it any more. */
  delete(key: Key): void {
    const why = this.#why.get(key);
    if (why === undefined) return;
    this.#why.delete(key);
    const count = (this.#counts.get(why) ?? 0) - 1;
    if (count > 0) this.#counts.set(why, count);
    else this.#counts.delete(why);
  }
}
