/**
 * The chunks that the kernel may fill: a provided buffer ring (struct io_uring_buf_ring).  The kernel holds no more than
 * `window` of them and gets those used last first, so that a small load stays in the caches however large the pool is;
 * the window grows when the kernel once ran out although chunks were free.
 */
import { Fault } from "../../../base/fault.ts";
import { errnoName } from "../errno.ts";
import { type Mapping, mapAnonymous, unmap } from "../mapping.ts";
import type { Memory } from "../memory.ts";
import { REGISTER_PBUF_RING } from "./abi.ts";
import type { Ring } from "./ring.ts";

export class Buffers {
  /** Chunks in the kernel's hands. */
  held = 0;
  private window: number;
  private readonly memory: Memory;
  private readonly mapping: Mapping;
  private words: Int32Array<ArrayBuffer>;
  private halves: Uint16Array<ArrayBuffer>;
  private readonly mask: number;
  private tail = 0;
  private widened = -1;

  constructor(ring: Ring, memory: Memory) {
    this.memory = memory;
    const entries = 2 ** Math.ceil(Math.log2(memory.chunks));
    this.mask = entries - 1;
    this.window = Math.min(FIRST_WINDOW, memory.chunks);
    this.mapping = mapAnonymous(entries * 16);
    this.words = new Int32Array(this.mapping.buffer);
    this.halves = new Uint16Array(this.mapping.buffer);
    const registration = Buffer.alloc(40);
    registration.writeBigUInt64LE(BigInt(this.mapping.address), 0);
    registration.writeUInt32LE(entries, 8);
    registration.writeUInt16LE(GROUP, 12);
    const result = ring.register(REGISTER_PBUF_RING, registration, 1);
    if (result >= 0) return;
    this.dispose();
    throw new Fault("RING_SETUP", { call: "IORING_REGISTER_PBUF_RING", errno: errnoName(-result) });
  }

  /** Hands free chunks to the kernel, up to the window. */
  refill(): void {
    const { memory, words, halves } = this;
    if (this.held >= this.window || memory.free === 0) return;
    while (this.held < this.window && memory.free > 0) {
      const chunk = memory.take();
      const address = memory.address + chunk * memory.chunkSize;
      const at = (this.tail & this.mask) << 2;
      words[at] = address | 0;
      words[at + 1] = (address / 2 ** 32) | 0;
      words[at + 2] = memory.chunkSize;
      halves[at * 2 + 6] = chunk;
      this.tail = (this.tail + 1) & 0xffff;
      this.held++;
    }
    // The ring's tail shares the first entry's reserved field; ring.ts says why a plain store is enough.
    halves[7] = this.tail;
  }

  /** The kernel ran out in turn `turn`; false when nothing is free, so that receiving must wait for a release. */
  widen(turn: number): boolean {
    if (this.memory.free === 0) return false;
    if (turn !== this.widened) this.window = Math.min(this.window * 2, this.memory.chunks);
    this.widened = turn;
    return true;
  }

  dispose(): void {
    this.words = new Int32Array(0);
    this.halves = new Uint16Array(0);
    unmap(this.mapping);
  }
}

/** The group's number in submission entries. */
export const GROUP = 0;
const FIRST_WINDOW = 128;
