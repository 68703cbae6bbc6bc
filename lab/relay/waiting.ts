/** Frames that wait for their instant: a binary heap over fixed slots of one buffer, so that a busy link makes no garbage. */
import { type Instant, instant } from "../../base/unit.ts";

export class Waiting {
  readonly #slotSize: number;
  readonly #memory: Buffer;
  readonly #lengths: Int32Array;
  readonly #marks: Int32Array;
  readonly #free: Int32Array;
  #freeCount: number;
  /** The heap: instants, arrival numbers (equal instants keep their order), slots. */
  readonly #at: Float64Array;
  readonly #number: Float64Array;
  readonly #slot: Int32Array;
  #size = 0;
  #arrived = 0;

  constructor(slots: number, slotSize: number) {
    this.#slotSize = slotSize;
    this.#memory = Buffer.allocUnsafeSlow(slots * slotSize);
    this.#lengths = new Int32Array(slots);
    this.#marks = new Int32Array(slots);
    this.#free = Int32Array.from({ length: slots }, (_, index) => slots - 1 - index);
    this.#freeCount = slots;
    this.#at = new Float64Array(slots);
    this.#number = new Float64Array(slots);
    this.#slot = new Int32Array(slots);
  }

  get size(): number {
    return this.#size;
  }
  /** When the first frame is due. */
  get next(): Instant | undefined {
    return this.#size === 0 ? undefined : instant(this.#at[0] ?? 0);
  }

  /** Copies the frame; false: no slot is free, or the frame is larger than one. `mark` comes back with the frame. */
  add(frame: Uint8Array, at: Instant, mark: number): boolean {
    if (this.#freeCount === 0 || frame.length > this.#slotSize) return false;
    const slot = this.#free[--this.#freeCount] ?? 0;
    this.#memory.set(frame, slot * this.#slotSize);
    this.#lengths[slot] = frame.length;
    this.#marks[slot] = mark;
    this.#up(this.#size++, at, this.#arrived++, slot);
    return true;
  }

  /** Hands out the first frame; the octets are valid until the next `add`. */
  take(send: (frame: Uint8Array, mark: number) => void): void {
    if (this.#size === 0) throw new TypeError("nothing waits");
    const slot = this.#slot[0] ?? 0;
    const last = --this.#size;
    if (last > 0) this.#down(this.#at[last] ?? 0, this.#number[last] ?? 0, this.#slot[last] ?? 0);
    this.#free[this.#freeCount++] = slot;
    const start = slot * this.#slotSize;
    send(this.#memory.subarray(start, start + (this.#lengths[slot] ?? 0)), this.#marks[slot] ?? 0);
  }

  #up(from: number, at: number, number: number, slot: number): void {
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#before(at, number, parent)) break;
      this.#copy(parent, index);
      index = parent;
    }
    this.#put(index, at, number, slot);
  }
  #down(at: number, number: number, slot: number): void {
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#before(this.#at[child + 1] ?? 0, this.#number[child + 1] ?? 0, child))
        child++;
      if (this.#before(at, number, child)) break;
      this.#copy(child, index);
      index = child;
    }
    this.#put(index, at, number, slot);
  }
  #before(at: number, number: number, index: number): boolean {
    const other = this.#at[index] ?? 0;
    return at < other || (at === other && number < (this.#number[index] ?? 0));
  }
  #copy(from: number, to: number): void {
    this.#put(to, this.#at[from] ?? 0, this.#number[from] ?? 0, this.#slot[from] ?? 0);
  }
  #put(index: number, at: number, number: number, slot: number): void {
    this.#at[index] = at;
    this.#number[index] = number;
    this.#slot[index] = slot;
  }
}
