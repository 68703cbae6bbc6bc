/** Sessions by the time when they want to be woken: a binary heap that knows each one's place. */
import type { Instant } from "../../base/unit.ts";

export interface Scheduled {
  dueAt: Instant;
  /** Kept by the schedule; -1 = not in it. */
  place: number;
}

export class Schedule<T extends Scheduled> {
  readonly #heap: T[] = [];

  first(): T | undefined {
    return this.#heap[0];
  }

  /** Puts it in, or where its changed `dueAt` belongs. */
  put(one: T): void {
    if (one.place < 0) {
      one.place = this.#heap.length;
      this.#heap.push(one);
    }
    this.#up(one);
    this.#down(one);
  }

  remove(one: T): void {
    const { place } = one;
    if (place < 0) return;
    one.place = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === one) return;
    this.#heap[place] = last;
    last.place = place;
    this.#up(last);
    this.#down(last);
  }

  #up(one: T): void {
    const heap = this.#heap;
    let { place } = one;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || parent.dueAt <= one.dueAt) break;
      heap[place] = parent;
      parent.place = place;
      place = above;
    }
    heap[place] = one;
    one.place = place;
  }

  #down(one: T): void {
    const heap = this.#heap;
    let { place } = one;
    for (;;) {
      let below = place * 2 + 1;
      let child = heap[below];
      const right = heap[below + 1];
      if (child === undefined) break;
      if (right !== undefined && right.dueAt < child.dueAt) {
        child = right;
        below++;
      }
      if (child.dueAt >= one.dueAt) break;
      heap[place] = child;
      child.place = place;
      place = below;
    }
    heap[place] = one;
    one.place = place;
  }
}
