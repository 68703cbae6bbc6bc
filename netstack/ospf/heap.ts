/** A binary heap, smallest first: Dijkstra's candidates and the ages of LSAs. */
export class Heap<T> {
  readonly #items: { readonly at: number; readonly item: T }[] = [];

  get size(): number {
    return this.#items.length;
  }
  /** The smallest key. */
  get first(): number | undefined {
    return this.#items[0]?.at;
  }
  push(at: number, item: T): void {
    const items = this.#items;
    let index = items.length;
    items.push({ at, item });
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      if (this.#key(parent) <= at) break;
      this.#swap(index, parent);
      index = parent;
    }
  }
  pop(): { readonly at: number; readonly item: T } | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (top === undefined || last === undefined || items.length === 0) return top;
    items[0] = last;
    for (let index = 0; ; ) {
      const left = index * 2 + 1;
      let least = index;
      if (this.#key(left) < this.#key(least)) least = left;
      if (this.#key(left + 1) < this.#key(least)) least = left + 1;
      if (least === index) return top;
      this.#swap(index, least);
      index = least;
    }
  }
  *[Symbol.iterator](): Iterator<{ readonly at: number; readonly item: T }> {
    yield* this.#items;
  }

  #key(index: number): number {
    return this.#items[index]?.at ?? Number.POSITIVE_INFINITY;
  }
  #swap(a: number, b: number): void {
    const [x, y] = [this.#items[a], this.#items[b]];
    if (x === undefined || y === undefined) return;
    this.#items[a] = y;
    this.#items[b] = x;
  }
}
