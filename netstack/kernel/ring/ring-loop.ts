/**
 * The io_uring engine: one io_uring_enter a turn submits all that handlers asked for, waits, and runs the kernel's side
 * of completions.  A completion names (slot, generation, operation).  Streams have slots of their own, so that the hot
 * path meets one class; listeners, watched descriptors and datagram sockets share the others.
 */
import type {
  Acceptor,
  DatagramHandler,
  Datagrams,
  Endpoint,
  Fd,
  Loop,
  LoopStats,
  Prepared,
  Stream,
  StreamHandler,
  Tinted,
} from "../loop.ts";
import { CONNECTING, GONE } from "../queued-stream.ts";
import { setNoDelay, socketFor, tintedFamily } from "../stream-socket.ts";
import { grown, type LoopSizes, TurningLoop } from "../turning-loop.ts";
import * as abi from "./abi.ts";
import { Buffers } from "./buffers.ts";
import { Gathering } from "./gathering.ts";
import { Ring } from "./ring.ts";
import { RingDatagrams } from "./ring-datagrams.ts";
import { PART, PART_CANCEL, type Part, RingListener, RingWatch } from "./ring-parts.ts";
import { CANCEL, CONNECT, RECEIVE, RingStream, SEND, SEND_WAITING, STARVED } from "./ring-stream.ts";

export class RingLoop extends TurningLoop<RingStream> implements Loop {
  readonly engine = "io_uring";
  readonly why: string;
  readonly ring: Ring;
  readonly buffers: Buffers;
  /** Operations that the kernel holds. */
  inFlight = 0;
  /** The loop is being disposed: nothing new is taken. */
  ending = false;
  /** Something depends on the outcome of an attempt to send. */
  settleSoon = false;
  /** Slots of the streams that try to send: the first `attempts`. */
  private trying = new Int32Array(64);
  private attempts = 0;
  /** Up to where the completions have been searched for failed attempts. */
  private searched: number;
  private readonly gathering = new Gathering();
  private readonly parts: (Part | undefined)[] = [];
  private readonly freeParts: number[] = [];
  private readonly starved: RingStream[] = [];

  constructor(sizes: LoopSizes, why: string, entries = ENTRIES) {
    super(sizes);
    this.why = why;
    try {
      this.ring = new Ring(entries);
    } catch (cause) {
      this.pool.dispose();
      throw cause;
    }
    try {
      this.buffers = new Buffers(this.ring, this.pool);
    } catch (cause) {
      this.ring.dispose();
      this.pool.dispose();
      throw cause;
    }
    this.searched = this.ring.words[this.ring.completionHead] ?? 0;
  }

  accept(listener: Fd, on: Acceptor): Disposable {
    setNoDelay(listener);
    return this.admit((slot) => new RingListener(this, listener, on, slot));
  }
  watch(fd: Fd, ready: () => void): Disposable {
    return this.admit((slot) => new RingWatch(this, fd, ready, slot));
  }
  datagrams(fd: Fd, on: DatagramHandler): Datagrams {
    return this.admit((slot) => new RingDatagrams(this, fd, on, slot));
  }

  connect(to: Endpoint, on: StreamHandler, from?: Endpoint | Prepared | Tinted): Stream {
    const fd = socketFor(to, from, false);
    const stream = this.stream(fd, on, CONNECTING);
    stream.tinted = tintedFamily(to, from);
    if (fd >= 0) stream.connect(to);
    else stream.fail(-fd);
    return stream;
  }

  adopt(fd: Fd, on: StreamHandler): Stream {
    const stream = this.stream(fd, on, 0);
    setNoDelay(fd);
    stream.touch();
    return stream;
  }

  /** A new stream in a slot of its own, not touched yet. */
  stream(fd: Fd, on: StreamHandler, flags: number): RingStream {
    return this.seat((slot, tag) => new RingStream(this, fd, on, flags, slot, tag));
  }
  forgetPart(slot: number): void {
    this.parts[slot] = undefined;
    this.freeParts.push(slot);
  }

  /** Ends the operation `tag`, whose own completion tells how that went; only a failure is told, under `failed`. */
  cancel(slot: number, tag: number, failed: number): void {
    this.ring.prepare(CANCELLING, -1, 0, 0, 0, slot, failed, 0);
    this.ring.aim(slot, tag);
  }
  /** Closes `fd` in the order of submission: after what was prepared for it. */
  closeSoon(fd: Fd): void {
    this.ring.prepare(CLOSING, fd, 0, 0, 0, 0, IGNORE, 0);
  }

  /** No chunk for `stream`: it receives again when there is one. */
  starve(stream: RingStream): void {
    if (this.buffers.widen(this.turns)) return;
    stream.flags |= STARVED;
    this.starved.push(stream);
  }

  stats(): LoopStats {
    return { streams: this.open, chunksLent: this.pool.lent, turns: this.turns, inFlight: this.inFlight };
  }

  [Symbol.dispose](): void {
    this.ending = true;
    for (const part of this.parts) part?.[Symbol.dispose]();
    for (const stream of this.streams) stream?.abort();
    // Cancelled operations complete within a turn or two; what a handler opens meanwhile is not waited for.
    for (let turn = 0; turn < 100 && (this.inFlight > 0 || !this.quiet); turn++) this.turn(false);
    this.ring.dispose();
    this.buffers.dispose();
    this.pool.dispose();
  }

  private admit<P extends Part>(make: (slot: number) => P): P {
    const slot = this.freeParts.pop() ?? this.parts.length;
    const part = make(slot);
    this.parts[slot] = part;
    part.arm();
    return part;
  }

  protected override flush(): void {
    this.buffers.refill();
    if (this.starved.length > 0) this.feed();
    this.flushTouched();
  }
  protected override submit(): void {
    this.ring.enter(0, 0);
  }
  protected override wait(deadline: number): void {
    let least = deadline === 0 ? 0 : 1;
    // Closing after a last answer, say: settle, let the streams act, and only then wait.
    while (this.attempts > 0 && (this.settleSoon || this.starved.length > 0) && least > 0) {
      this.settleSoon = false;
      this.ring.enter(0, 0);
      if (!this.settle()) break;
      this.flush();
      if (this.spoke) break;
    }
    this.settleSoon = false;
    if (this.spoke) least = 0;
    else if (least > 0 && this.ring.gathers) least = this.gathering.least(this.turnAt(), this.ring.completed);
    this.ring.enter(least, deadline);
    if (this.attempts > 0) this.settle();
  }

  /** `stream` has submitted an attempt to send. */
  tries(stream: RingStream): void {
    if (this.attempts === this.trying.length) this.trying = grown(this.trying);
    this.trying[this.attempts++] = stream.slot;
  }

  /** Attempts that left no completion have succeeded.  Only `drained` is called from here. */
  private settle(): boolean {
    const { ring, streams, trying } = this;
    // Very rare: too many completions for the queue, or the kernel short of memory.  The next turn settles.
    if (!ring.settled()) return false;
    const { words, completions, completionMask } = ring;
    const tail = words[ring.completionTail] ?? 0;
    for (let at = this.searched; at !== tail; at = (at + 1) | 0) {
      const entry = completions + ((at & completionMask) << 2);
      const tag = words[entry + 1] ?? 0;
      if ((tag & 0xff) !== SEND) continue;
      const stream = streams[words[entry] ?? 0];
      if (stream !== undefined && stream.tag === (tag & ~0xff)) stream.outcome = words[entry + 2] ?? 0;
    }
    this.searched = tail;
    const count = this.attempts;
    this.attempts = 0;
    for (let index = 0; index < count; index++) {
      streams[trying[index] ?? 0]?.tried();
    }
    return true;
  }

  private feed(): void {
    for (let hungry = this.buffers.held; hungry > 0 && this.starved.length > 0; hungry--) {
      const stream = this.starved.shift();
      if (stream === undefined) return;
      stream.flags &= ~STARVED;
      if ((stream.flags & GONE) === 0) stream.touch();
    }
  }

  protected override dispatch(): void {
    const { ring, streams, gathering } = this;
    const { words, completions, completionMask } = ring;
    let head = words[ring.completionHead] ?? 0;
    const tail = words[ring.completionTail] ?? 0;
    try {
      while (head !== tail) {
        const entry = completions + ((head & completionMask) << 2);
        head = (head + 1) | 0;
        const slot = words[entry] ?? 0;
        const tag = words[entry + 1] ?? 0;
        const result = words[entry + 2] ?? 0;
        const flags = words[entry + 3] ?? 0;
        const operation = tag & 0xff;
        if (operation <= CANCEL) {
          const stream = streams[slot];
          if (stream === undefined || stream.tag !== (tag & ~0xff)) {
            if (operation >= SEND) continue;
            throw new TypeError(`a completion for slot ${slot}`);
          }
          if (operation === RECEIVE) {
            if (stream.seen !== gathering.epoch) {
              stream.seen = gathering.epoch;
              gathering.saw();
            }
            if ((flags & abi.CQE_BUFFER) !== 0) {
              this.buffers.held--;
              if (result > 0) {
                stream.filled(flags >>> 16, result, (flags & abi.CQE_MORE) !== 0);
                continue;
              }
              this.pool.give(flags >>> 16);
            }
            stream.receiveEnded(result);
          } else if (operation === SEND) {
            // Unless settling had to be put off, it has seen this.
            if (((head - this.searched) | 0) > 0) stream.outcome = result;
          } else if (operation === SEND_WAITING) stream.sent(result);
          else if (operation === CONNECT) stream.connected(result);
          else stream.cancelFailed();
        } else if (operation === PART) this.parts[slot]?.completed(result, flags);
        else if (operation === PART_CANCEL) this.parts[slot]?.cancelFailed();
      }
    } finally {
      words[ring.completionHead] = head;
      if (((head - this.searched) | 0) > 0) this.searched = head;
    }
  }
}

const ENTRIES = 4096;
const IGNORE = 0xff;
const CLOSING = abi.OP_CLOSE | (abi.SQE_CQE_SKIP_SUCCESS << 8);
const CANCELLING = abi.OP_ASYNC_CANCEL | (abi.SQE_CQE_SKIP_SUCCESS << 8);
