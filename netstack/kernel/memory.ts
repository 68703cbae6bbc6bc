/**
 * The octets of a loop: one mapping of equal units.  The first `chunks` units receive (the contract's pool); the others
 * are blocks that hold copies of what `write` was given until the kernel has taken it.  A unit's place is its number
 * times its size, so a segment of a send queue is three small integers.
 *
 * Free units are a stack: the one used last is used first, while its cache lines are warm.  Blocks beyond those ever
 * needed are never touched, and what a burst needed goes back to the system when the last of it is sent.
 */
import type { Pool } from "./loop.ts";
import { discard, type Mapping, mapAnonymous } from "./mapping.ts";

export class Memory implements Pool {
  readonly memory: Buffer;
  readonly chunkSize: number;
  readonly chunks: number;
  /** All units: chunks, then blocks. */
  readonly all: Buffer;
  readonly address: number;
  /** Chunks that handlers hold or that wait to be sent. */
  lent = 0;
  free: number;
  private readonly stack: Int32Array;
  private readonly state: Uint8Array;
  private readonly mapping: Mapping;
  private readonly blocks: number;
  private readonly blockStack: Int32Array;
  private blockFree = 0;
  private blockFresh = 0;
  /** Blocks that hold copies which wait to be sent. */
  blocksUsed = 0;

  constructor(chunkSize: number, chunks: number, blocks: number) {
    if (!Number.isInteger(chunkSize) || chunkSize < 1024 || chunkSize > 1 << 20)
      throw new TypeError(`chunkSize ${chunkSize}`);
    if (!Number.isInteger(chunks) || chunks < 1 || chunks > 32768) throw new TypeError(`chunks ${chunks}`);
    if ((chunks + blocks) * chunkSize >= 2 ** 31) throw new TypeError("chunks and blocks exceed 2 GiB");
    this.chunkSize = chunkSize;
    this.chunks = chunks;
    this.blocks = blocks;
    const length = (chunks + blocks) * chunkSize;
    this.mapping = spare.get(length)?.pop() ?? mapAnonymous(length);
    this.address = this.mapping.address;
    this.all = Buffer.from(this.mapping.buffer);
    this.memory = Buffer.from(this.mapping.buffer, 0, chunks * chunkSize);
    this.stack = Int32Array.from({ length: chunks }, (_, index) => chunks - 1 - index);
    this.free = chunks;
    this.state = new Uint8Array(chunks + blocks);
    this.blockStack = new Int32Array(blocks);
  }

  /** A free chunk, or -1. */
  take(): number {
    return this.free === 0 ? -1 : (this.stack[--this.free] ?? -1);
  }
  /** Puts back a chunk that no handler has seen. */
  give(chunk: number): void {
    this.stack[this.free++] = chunk;
  }

  /** The handler owns it from now on. */
  lend(chunk: number): void {
    this.state[chunk] = LENT;
    this.lent++;
  }
  release(chunk: number): void {
    this.mustBeLent(chunk);
    this.settle(chunk);
  }
  /** From the handler to a send queue. */
  enqueue(chunk: number): void {
    this.mustBeLent(chunk);
    this.state[chunk] = QUEUED;
  }
  mustBeLent(chunk: number): void {
    if ((chunk | 0) !== chunk || chunk < 0 || chunk >= this.chunks || this.state[chunk] !== LENT)
      throw new TypeError(`chunk ${chunk} is not lent`);
  }
  /** A chunk or block whose octets nobody needs any more. */
  settle(unit: number): void {
    this.state[unit] = FREE;
    if (unit < this.chunks) {
      this.lent--;
      this.stack[this.free++] = unit;
    } else this.giveBlock(unit);
  }

  /** A unit for copies, or -1 when `blocks` of them wait already. */
  takeBlock(): number {
    if (this.blockFree > 0) {
      this.blocksUsed++;
      return this.blockStack[--this.blockFree] ?? -1;
    }
    if (this.blockFresh === this.blocks) return -1;
    this.blocksUsed++;
    return this.chunks + this.blockFresh++;
  }

  /** Gives the pages back.  The mapping itself is kept for the next loop, so that a view that outlived us reads zeros. */
  dispose(): void {
    discard(this.mapping, 0, this.mapping.buffer.byteLength);
    const { byteLength } = this.mapping.buffer;
    spare.set(byteLength, [...(spare.get(byteLength) ?? []), this.mapping]);
  }

  private giveBlock(unit: number): void {
    this.blockStack[this.blockFree++] = unit;
    if (--this.blocksUsed > 0 || this.blockFresh <= KEPT_BLOCKS) return;
    const from = (this.chunks + KEPT_BLOCKS) * this.chunkSize;
    discard(this.mapping, from, (this.blockFresh - KEPT_BLOCKS) * this.chunkSize);
    this.blockFree = 0;
    this.blockFresh = 0;
  }
}

const FREE = 0;
const LENT = 1;
const QUEUED = 2;
/** Blocks that stay resident when nothing waits. */
const KEPT_BLOCKS = 64;
const spare = new Map<number, Mapping[]>();
