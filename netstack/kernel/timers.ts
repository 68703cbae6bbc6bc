/** Deadlines of a loop: a binary heap that knows each timer's place, so that cancelling leaves nothing behind. */
import type { Instant } from "../../base/unit.ts";

export class Timers {
  private readonly heap: Timer[] = [];
  private order = 0;

  add(at: Instant, wake: () => void): Disposable {
    if (!Number.isFinite(at)) throw new TypeError(`a deadline at ${at}`);
    const timer = new Timer(this, at, this.order++, wake, this.heap.length);
    this.heap.push(timer);
    this.up(timer.place);
    return timer;
  }

  get size(): number {
    return this.heap.length;
  }

  /** The earliest deadline; Infinity when there is none. */
  next(): number {
    return this.heap[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Calls all that are due, earliest first.  One that is set for the past meanwhile waits for the next turn: no starving. */
  fire(now: Instant): void {
    const before = this.order;
    for (let top = this.heap[0]; top !== undefined && top.at <= now; top = this.heap[0]) {
      if (top.order >= before) return;
      this.remove(top);
      top.wake();
    }
  }

  remove(timer: Timer): void {
    const place = timer.place;
    if (place < 0) return;
    timer.place = -1;
    const last = this.heap.pop();
    if (last === undefined || last === timer) return;
    this.heap[place] = last;
    last.place = place;
    this.up(place);
    this.down(last.place);
  }

  private up(from: number): void {
    const { heap } = this;
    const timer = heap[from];
    if (timer === undefined) return;
    let place = from;
    while (place > 0) {
      const parent = heap[(place - 1) >> 1];
      if (parent === undefined || !timer.before(parent)) break;
      heap[place] = parent;
      parent.place = place;
      place = (place - 1) >> 1;
    }
    heap[place] = timer;
    timer.place = place;
  }

  private down(from: number): void {
    const { heap } = this;
    const timer = heap[from];
    if (timer === undefined) return;
    let place = from;
    for (;;) {
      let least = place * 2 + 1;
      let child = heap[least];
      const right = heap[least + 1];
      if (child === undefined) break;
      if (right?.before(child)) {
        child = right;
        least++;
      }
      if (!child.before(timer)) break;
      heap[place] = child;
      child.place = place;
      place = least;
    }
    heap[place] = timer;
    timer.place = place;
  }
}

class Timer implements Disposable {
  readonly at: Instant;
  readonly order: number;
  readonly wake: () => void;
  place: number;
  private readonly timers: Timers;

  constructor(timers: Timers, at: Instant, order: number, wake: () => void, place: number) {
    this.timers = timers;
    this.at = at;
    this.order = order;
    this.wake = wake;
    this.place = place;
  }

  before(other: Timer): boolean {
    return this.at < other.at || (this.at === other.at && this.order < other.order);
  }

  [Symbol.dispose](): void {
    this.timers.remove(this);
  }
}
