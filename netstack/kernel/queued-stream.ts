/**
 * The half of a stream that both engines share: what was asked of it, and the octets that wait to be sent.  The engine
 * looks at a stream once a turn (`touch` puts it on the list), so a handler may call as it likes and pays once.
 *
 * The send queue is a row of segments (unit, start, end), each a piece of a chunk or of a block of copies.  Those before
 * `sealed` are in flight and do not change; behind it small pieces are joined, so that a head and a short body leave as
 * one send.
 */
import { ENOBUFS } from "./errno.ts";
import type { Closed, Endpoint, Fd, Stream, StreamHandler } from "./loop.ts";
import type { Memory } from "./memory.ts";
import { nameOf, peerOf, setTrafficClass, unacknowledgedOf } from "./stream-socket.ts";

export abstract class QueuedStream implements Stream {
  readonly fd: Fd;
  readonly slot: number;
  /** Generation << 8: the upper part of the tag of every event of ours. */
  readonly tag: number;
  handler: StreamHandler;
  queued = 0;
  flags: number;
  /** Index of the first segment's unit, one past the last segment, one past the segments in flight. */
  head = 0;
  tail = 0;
  sealed = 0;
  readonly segments: number[] = [];
  why: Closed = FINISHED;
  /** The family of a connection whose handshake has a traffic class of its own; 0: it has not. */
  tinted: 0 | 4 | 6 = 0;
  protected readonly memory: Memory;
  private remoteKnown: Endpoint | undefined = undefined;
  private localKnown: Endpoint | undefined = undefined;

  constructor(memory: Memory, fd: Fd, handler: StreamHandler, flags: number, slot: number, tag: number) {
    this.slot = slot;
    this.tag = tag;
    this.memory = memory;
    this.fd = fd;
    this.handler = handler;
    this.flags = flags;
  }

  /** Does what the flags ask for; called once a turn when touched. */
  abstract flush(): void;
  /** Puts the stream on its loop's list. */
  protected abstract enlist(): void;

  /** The connection is there; nothing but its handshake has been sent. */
  protected established(): void {
    // It cannot fail for a reason that the first call, with another value, did not have.
    if (this.tinted !== 0) setTrafficClass(this.fd, this.tinted === 4, 0);
    this.handler.opened?.(this);
  }

  touch(): void {
    if ((this.flags & (TOUCHED | GONE)) !== 0) return;
    this.flags |= TOUCHED;
    this.enlist();
  }

  get remote(): Endpoint | undefined {
    if (this.remoteKnown === undefined && (this.flags & GONE) === 0) this.remoteKnown = peerOf(this.fd);
    return this.remoteKnown;
  }
  get local(): Endpoint | undefined {
    if (this.localKnown === undefined && (this.flags & GONE) === 0) this.localKnown = nameOf(this.fd);
    return this.localKnown;
  }

  get unacknowledged(): number {
    return (this.flags & GONE) === 0 ? this.queued + unacknowledgedOf(this.fd) : 0;
  }

  write(bytes: Uint8Array, start = 0, end = bytes.length): void {
    if ((start | 0) !== start || (end | 0) !== end || start < 0 || start > end || end > bytes.length)
      throw new TypeError(`octets ${start}–${end} of a write`);
    if (!this.takes() || start === end) return;
    const { segments, memory } = this;
    for (let from = start; from < end; ) {
      let room = this.room();
      if (room === 0) {
        const block = memory.takeBlock();
        if (block < 0) return this.fail(ENOBUFS);
        this.push(block, block * memory.chunkSize, block * memory.chunkSize);
        room = memory.chunkSize;
      }
      const length = room < end - from ? room : end - from;
      const at = segments[this.tail - 1] ?? 0;
      copy.call(bytes, memory.all, at, from, from + length);
      segments[this.tail - 1] = at + length;
      from += length;
    }
    this.queued += end - start;
    this.touch();
  }

  forward(chunk: number, start: number, end: number): void {
    const { memory } = this;
    memory.mustBeLent(chunk);
    const from = chunk * memory.chunkSize;
    if ((start | 0) !== start || (end | 0) !== end || start < from || start > end || end > from + memory.chunkSize)
      throw new TypeError(`octets ${start}–${end} of chunk ${chunk}`);
    const length = end - start;
    if (length === 0 || !this.takes()) return memory.release(chunk);
    if (length <= JOINED && length <= this.room()) {
      const at = this.segments[this.tail - 1] ?? 0;
      memory.all.copyWithin(at, start, end);
      this.segments[this.tail - 1] = at + length;
      memory.release(chunk);
    } else {
      memory.enqueue(chunk);
      this.push(chunk, start, end);
    }
    this.queued += length;
    this.touch();
  }

  pause(): void {
    if ((this.flags & PAUSED) !== 0) return;
    this.flags |= PAUSED;
    this.touch();
  }
  resume(): void {
    if ((this.flags & PAUSED) === 0) return;
    this.flags &= ~PAUSED;
    this.touch();
  }
  end(): void {
    this.flags |= ENDING;
    this.touch();
  }
  close(): void {
    this.flags |= CLOSING;
    this.touch();
  }
  abort(): void {
    this.flags |= ABORTING;
    this.touch();
  }

  /** The connection is broken: the engine drops what is queued, closes and says so. */
  fail(errno: number): void {
    if ((this.flags & (BROKEN | GONE)) !== 0) return;
    this.flags |= BROKEN;
    this.why = { kind: "failed", errno };
    this.touch();
  }

  /** The kernel took `length` octets from the front. */
  taken(length: number): void {
    const { segments, memory } = this;
    this.queued -= length;
    let left = length;
    let { head } = this;
    while (left > 0) {
      const size = (segments[head + 2] ?? 0) - (segments[head + 1] ?? 0);
      if (left < size) {
        segments[head + 1] = (segments[head + 1] ?? 0) + left;
        break;
      }
      memory.settle(segments[head] ?? 0);
      left -= size;
      head += 3;
    }
    if (head === this.tail) {
      this.head = 0;
      this.tail = 0;
    } else this.head = head;
    this.sealed = this.head;
  }

  /** The kernel took all that was sealed. */
  takenSealed(): void {
    const { segments, memory, sealed } = this;
    let { head, queued } = this;
    for (; head < sealed; head += 3) {
      queued -= (segments[head + 2] ?? 0) - (segments[head + 1] ?? 0);
      memory.settle(segments[head] ?? 0);
    }
    this.queued = queued;
    if (head === this.tail) {
      this.head = 0;
      this.tail = 0;
      this.sealed = 0;
    } else this.head = head;
  }

  /** Forgets what waits; nothing of it may be in flight. */
  drop(): void {
    for (let at = this.head; at < this.tail; at += 3) this.memory.settle(this.segments[at] ?? 0);
    this.head = 0;
    this.tail = 0;
    this.sealed = 0;
    this.queued = 0;
  }

  /** Octets that fit behind the last segment: only a block of copies, not in flight, can grow. */
  private room(): number {
    if (this.tail === this.sealed) return 0;
    const unit = this.segments[this.tail - 3] ?? 0;
    if (unit < this.memory.chunks) return 0;
    return (unit + 1) * this.memory.chunkSize - (this.segments[this.tail - 1] ?? 0);
  }

  private push(unit: number, start: number, end: number): void {
    const { segments } = this;
    if (this.head > 192 && this.head * 2 > this.tail) {
      segments.copyWithin(0, this.head, this.tail);
      this.tail -= this.head;
      this.sealed -= this.head;
      this.head = 0;
    }
    segments[this.tail] = unit;
    segments[this.tail + 1] = start;
    segments[this.tail + 2] = end;
    this.tail += 3;
  }

  /** Octets for a stream that is going away are dropped; octets after our own FIN are a bug. */
  private takes(): boolean {
    if ((this.flags & (CLOSING | ABORTING | BROKEN | GONE | DEAF)) !== 0) return false;
    if ((this.flags & ENDING) !== 0) throw new TypeError("octets after end()");
    return true;
  }
}

export const FINISHED: Closed = { kind: "finished" };

/** What was asked. */
export const PAUSED = 1;
export const ENDING = 2;
export const CLOSING = 4;
export const ABORTING = 8;
/** What happened. */
export const BROKEN = 16; // the connection failed, `why` says how
export const GONE = 32; // the descriptor is closed
export const EOF = 64; // the peer's FIN arrived
export const FIN = 128; // ours is sent
export const CONNECTING = 256;
export const TOUCHED = 512;
/** Sending failed; what had arrived is still being received. */
export const DEAF = 1024;
/** The engine's own flags start here. */
export const ENGINE = 2048;

/** Copying up to this much is cheaper than one more element in a send's vector. */
const JOINED = 8192;
const copy = Buffer.prototype.copy;
