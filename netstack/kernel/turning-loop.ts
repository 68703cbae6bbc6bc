/**
 * What a turn is, for both engines: flush what handlers asked for, wait, dispatch what happened, then the deadlines that
 * passed.  Events go before deadlines so that a loop that was starved of CPU hears what arrived in time before it
 * concludes that nothing did.  Streams live in numbered slots with generations, so that an event that comes late for one
 * cannot meet the next.
 */
import type { Instant } from "../../base/unit.ts";
import { bootNow } from "./clock.ts";
import { Memory } from "./memory.ts";
import { type QueuedStream, TOUCHED } from "./queued-stream.ts";
import { Timers } from "./timers.ts";

export interface LoopSizes {
  readonly chunkSize: number;
  readonly chunks: number;
  /** Units for copies that wait to be sent. */
  readonly blocks: number;
}

export abstract class TurningLoop<S extends QueuedStream> {
  readonly pool: Memory;
  turns = 0;
  /** A handler was called before the wait, so the caller of `turn` may have what it waits for. */
  spoke = false;
  protected readonly streams: (S | undefined)[] = [];
  protected open = 0;
  protected stopping = false;
  private readonly timers = new Timers();
  /** Slots of the streams to be looked at before the next wait: the first `touches`.  Numbers cost no write barrier. */
  private touched = new Int32Array(64);
  private touches = 0;
  private readonly generations: number[] = [];
  private readonly freeSlots: number[] = [];
  private at: Instant;
  private busy = false;

  constructor(sizes: LoopSizes) {
    this.pool = new Memory(sizes.chunkSize, sizes.chunks, sizes.blocks);
    this.at = bootNow();
  }

  now(): Instant {
    return bootNow();
  }
  turnAt(): Instant {
    return this.at;
  }
  wakeAt(at: Instant, wake: () => void): Disposable {
    return this.timers.add(at, wake);
  }
  release(chunk: number): void {
    this.pool.release(chunk);
  }

  run(): void {
    this.stopping = false;
    while (!this.stopping) this.turn(true);
    // What was written in the last turn is still handed to the kernel.
    this.flush();
    this.submit();
  }
  stop(): void {
    this.stopping = true;
  }

  turn(wait: boolean): void {
    if (this.busy) throw new TypeError("a turn within a turn");
    this.busy = true;
    try {
      this.spoke = false;
      this.flush();
      this.wait(wait && !this.stopping && !this.spoke ? this.timers.next() : 0);
      this.turns++;
      this.at = bootNow();
      this.dispatch();
      this.timers.fire(this.at);
    } finally {
      this.busy = false;
    }
  }

  enlist(stream: S): void {
    if (this.touches === this.touched.length) this.touched = grown(this.touched);
    this.touched[this.touches++] = stream.slot;
  }

  forget(stream: S): void {
    this.streams[stream.slot] = undefined;
    this.freeSlots.push(stream.slot);
    this.open--;
    this.spoke = true;
  }

  /** A stream in a slot of its own; `make` gets the slot and the tag that its events carry beside an operation. */
  protected seat(make: (slot: number, tag: number) => S): S {
    const slot = this.freeSlots.pop() ?? this.streams.length;
    const generation = ((this.generations[slot] ?? 0) + 1) & 0x7fffff;
    this.generations[slot] = generation;
    const stream = make(slot, generation << 8);
    this.streams[slot] = stream;
    this.open++;
    return stream;
  }

  protected get quiet(): boolean {
    return this.touches === 0;
  }

  /** Lets every touched stream act.  Handlers that this calls may touch more: the list grows while it is walked. */
  protected flushTouched(): void {
    for (let index = 0; index < this.touches; index++) {
      const stream = this.streams[this.touched[index] ?? 0];
      if (stream !== undefined && (stream.flags & TOUCHED) !== 0) stream.flush();
    }
    this.touches = 0;
  }

  protected abstract flush(): void;
  /** Hands what `flush` prepared to the kernel without looking at what happened meanwhile. */
  protected abstract submit(): void;
  /** Waits for an event, not beyond `deadline` (and never waking before it without one); 0: does not wait. */
  protected abstract wait(deadline: number): void;
  protected abstract dispatch(): void;
}

export function grown(list: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const more = new Int32Array(list.length * 2);
  more.set(list);
  return more;
}
