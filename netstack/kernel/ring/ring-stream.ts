/**
 * A stream on the ring.  Its life: operations are submitted by `flush` (once a turn, when touched) and counted; when it
 * is to go, they are cancelled and the descriptor is closed in the same submission, and only when the last has completed
 * are the units put back and the slot given to another.  So no completion can meet a stranger, no operation another's
 * descriptor, and the kernel never reads memory that was put back.
 */
import { EAGAIN, ECANCELED, EINTR, ENOBUFS, EPIPE } from "../errno.ts";
import { DRAIN_MARK, type Endpoint, type Fd, type StreamHandler } from "../loop.ts";
import {
  ABORTING,
  BROKEN,
  CLOSING,
  CONNECTING,
  DEAF,
  ENDING,
  ENGINE,
  EOF,
  FIN,
  FINISHED,
  GONE,
  PAUSED,
  QueuedStream,
  TOUCHED,
} from "../queued-stream.ts";
import { encodeInet } from "../sockaddr.ts";
import { SHUT_RDWR, SHUT_WR, setReset, shutdown } from "../stream-socket.ts";
import * as abi from "./abi.ts";
import { GROUP } from "./buffers.ts";
import type { RingLoop } from "./ring-loop.ts";

export class RingStream extends QueuedStream {
  /** Operations that the kernel holds. */
  operations = 0;
  /** What the attempt under way came to: TAKEN, or the result of its completion. */
  outcome = TAKEN;
  /** The epoch in which it last received. */
  seen = -1;
  private sending: typeof IDLE | typeof TRYING | typeof WAITING = IDLE;
  private readonly loop: RingLoop;

  constructor(loop: RingLoop, fd: Fd, handler: StreamHandler, flags: number, slot: number, tag: number) {
    super(loop.pool, fd, handler, flags, slot, tag);
    this.loop = loop;
  }

  connect(to: Endpoint): void {
    const address = encodeInet(to);
    const { ring } = this.loop;
    const scratch = ring.prepare(abi.OP_CONNECT, this.fd, 0, 0, 0, this.slot, this.tag | CONNECT, 0);
    ring.scratch.set(address, scratch);
    ring.pointToScratch(scratch, 0, address.length);
    this.begun();
  }

  protected override enlist(): void {
    this.loop.enlist(this);
  }

  /** Submits what the flags ask for. */
  override flush(): void {
    const flags = this.flags & ~TOUCHED;
    this.flags = flags;
    if ((flags & LEAVING) !== 0) return this.leave();
    if ((flags & (DEAF | PAUSED)) === (DEAF | PAUSED)) {
      this.flags |= BROKEN;
      return this.leave();
    }
    if ((flags & CONNECTING) !== 0) return;
    if (this.sending === IDLE) {
      if (this.tail !== this.head) this.send();
      else if ((flags & CLOSING) !== 0) return this.leave();
      else if ((flags & (ENDING | FIN)) === ENDING) {
        this.flags |= FIN;
        shutdown(this.fd, SHUT_WR);
      }
    }
    // The success of an attempt wakes nobody: what follows on it must not wait for another event.
    if (this.sending === TRYING) {
      if (this.queued >= DRAIN_MARK) this.flags |= TELLING;
      if ((this.flags & (ENDING | CLOSING | TELLING)) !== 0 || this.tail !== this.sealed) this.loop.settleSoon = true;
    }
    if ((this.flags & (FIN | EOF)) === (FIN | EOF)) return this.leave();
    if ((flags & ARMED) === 0) {
      if ((flags & (PAUSED | EOF | STARVED)) === 0) this.receive();
    } else if ((flags & (PAUSED | CANCELLED)) === PAUSED) {
      this.flags |= CANCELLED;
      this.cancel(RECEIVE);
    }
  }

  /** A chunk was filled. `more`: the receive goes on by itself. */
  filled(chunk: number, length: number, more: boolean): void {
    const { pool } = this.loop;
    if (!more) this.disarmed();
    if ((this.flags & LEAVING) !== 0) pool.give(chunk);
    else {
      pool.lend(chunk);
      const start = chunk * pool.chunkSize;
      this.handler.received(this, chunk, start, start + length);
    }
    if (!more && !this.left()) this.touch();
  }

  /** The receive ended without octets: 0 at the peer's FIN, else a negative errno. */
  receiveEnded(result: number): void {
    this.disarmed();
    if (this.left()) return;
    if ((this.flags & LEAVING) === 0) {
      if (result === 0) {
        this.flags |= EOF;
        if ((this.flags & DEAF) !== 0) this.flags |= BROKEN;
        else this.handler.ended(this);
      } else if (result === -ENOBUFS) this.loop.starve(this);
      else if (result !== -ECANCELED && result !== -EINTR) {
        // A failed send has already taken the socket's error; it is the better reason.
        if ((this.flags & DEAF) !== 0) this.flags |= BROKEN;
        else this.fail(-result);
      }
    }
    this.touch();
  }

  /** The attempt to send is over: `outcome` tells. */
  tried(): void {
    const { outcome } = this;
    this.outcome = TAKEN;
    if (outcome !== TAKEN) {
      this.flags |= LATE;
      return this.sent(outcome === -EAGAIN ? 0 : outcome);
    }
    this.ended();
    this.sending = IDLE;
    if (this.left()) return;
    this.takenSealed();
    if (this.tail !== this.head || (this.flags & ASIDE) !== 0) this.emptied();
  }

  sent(result: number): void {
    this.ended();
    this.sending = IDLE;
    if (this.left()) return;
    if (result < 0) return this.sendFailed(-result);
    this.taken(result);
    this.emptied();
  }

  connected(result: number): void {
    this.ended();
    this.flags &= ~CONNECTING;
    if (this.left()) return;
    if (result < 0) this.fail(-result);
    else if ((this.flags & LEAVING) === 0) this.established();
    this.touch();
  }

  /** A cancellation met its operation between two steps, or too late. */
  cancelFailed(): void {
    if ((this.flags & LEFT) !== 0) return this.cancelAll();
    this.flags &= ~CANCELLED;
    this.touch();
  }

  /** What a send that is over leaves to do. */
  private emptied(): void {
    if (this.tail !== this.head || (this.flags & AFTER_SEND) !== 0) return this.touch();
    if ((this.flags & (LATE | TELLING)) === 0) return;
    this.flags &= ~(LATE | TELLING);
    if (this.handler.drained === undefined) return;
    this.loop.spoke = true;
    this.handler.drained(this);
  }

  private begun(): void {
    this.operations++;
    this.loop.inFlight++;
  }
  private ended(): void {
    this.operations--;
    this.loop.inFlight--;
  }
  private disarmed(): void {
    this.flags &= ~(ARMED | CANCELLED);
    this.ended();
  }

  private receive(): void {
    this.flags |= ARMED;
    this.loop.ring.prepare(RECEIVING, this.fd, 0, 0, 0, this.slot, this.tag | RECEIVE, GROUP);
    this.begun();
  }

  /**
   * First an attempt that does not wait and says nothing when it succeeds, as nearly all do; the loop settles it right
   * after `enter`.  When the socket is full (LATE), an operation that waits and reports.
   */
  private send(): void {
    const { ring, pool } = this.loop;
    const { segments, head } = this;
    let flags = WAITING_FLAGS;
    let skip = 0;
    let tag = this.tag | SEND_WAITING;
    if ((this.flags & LATE) === 0) {
      flags = TRYING_FLAGS;
      skip = abi.SQE_CQE_SKIP_SUCCESS << 8;
      tag = this.tag | SEND;
      this.sending = TRYING;
      this.loop.tries(this);
    } else this.sending = WAITING;
    this.begun();
    if (this.tail === head + 3) {
      const start = segments[head + 1] ?? 0;
      const length = (segments[head + 2] ?? 0) - start;
      ring.prepare(abi.OP_SEND | skip, this.fd, pool.address + start, length, flags, this.slot, tag, 0);
      this.sealed = this.tail;
      return;
    }
    const scratch = ring.prepare(abi.OP_SENDMSG | skip, this.fd, 0, 1, flags, this.slot, tag, 0);
    ring.pointToScratch(scratch, 0, 0);
    const words = ring.scratchWords;
    const message = scratch >> 2;
    words.fill(0, message, message + 14);
    const vector = ring.addressOfScratch(scratch) + MSGHDR;
    words[message + 4] = vector | 0;
    words[message + 5] = (vector / 2 ** 32) | 0;
    let count = 0;
    let at = head;
    for (; at < this.tail && count < VECTOR; at += 3) {
      const start = segments[at + 1] ?? 0;
      const address = pool.address + start;
      const word = message + (MSGHDR >> 2) + count * 4;
      words[word] = address | 0;
      words[word + 1] = (address / 2 ** 32) | 0;
      words[word + 2] = (segments[at + 2] ?? 0) - start;
      words[word + 3] = 0;
      count++;
    }
    words[message + 6] = count;
    this.sealed = at;
  }

  /**
   * The peer may have answered before it closed (a refusal of a long upload): what already lies in the socket is still
   * delivered.  Shutting down makes the receive end after it, so the stream is sure to close.
   */
  private sendFailed(errno: number): void {
    if ((this.flags & LEAVING) === 0) {
      this.why = { kind: "failed", errno: errno === ECANCELED ? EPIPE : errno };
      if ((this.flags & (ARMED | PAUSED)) === ARMED) {
        this.flags |= DEAF;
        this.drop();
        shutdown(this.fd, SHUT_RDWR);
      } else this.flags |= BROKEN;
    }
    this.touch();
  }

  private cancel(operation: number): void {
    this.loop.cancel(this.slot, this.tag | operation, this.tag | CANCEL);
  }
  private cancelAll(): void {
    if ((this.flags & ARMED) !== 0) this.cancel(RECEIVE);
    if ((this.flags & CONNECTING) !== 0) this.cancel(CONNECT);
    if (this.sending === WAITING) this.cancel(SEND_WAITING);
    if (this.sending === TRYING) this.loop.settleSoon = true;
  }

  private leave(): void {
    // Nothing may use the descriptor from here on: its number can be another's after the next `enter`.
    this.flags |= LEFT | GONE;
    if (this.fd >= 0) {
      if ((this.flags & ABORTING) !== 0) setReset(this.fd);
      if (this.operations > 0) this.cancelAll();
      this.loop.closeSoon(this.fd);
    }
    this.left();
  }

  /** Whether the stream has given up its descriptor; with its last operation it is gone. */
  private left(): boolean {
    if ((this.flags & LEFT) === 0) return false;
    if (this.operations > 0) return true;
    this.drop();
    this.loop.forget(this);
    this.handler.closed(this, (this.flags & (BROKEN | ABORTING)) === BROKEN ? this.why : FINISHED);
    return true;
  }
}

/** Operation in the low octet of a tag. */
export const RECEIVE = 1;
export const CONNECT = 2;
export const SEND_WAITING = 3;
/** Completions of these may come when the stream is gone: it did not wait for them. */
export const SEND = 4;
export const CANCEL = 5;
/** No result of a system call. */
export const TAKEN = 1 << 30;

const IDLE = 0;
const TRYING = 1;
const WAITING = 2;

const ARMED = ENGINE;
const CANCELLED = ENGINE << 1;
/** Waits in the loop's list for a free chunk. */
export const STARVED = ENGINE << 2;
/** The socket was full, and something had to wait for it. */
const LATE = ENGINE << 3;
/** The descriptor is given up. */
const LEFT = ENGINE << 4;
/** The queue was above DRAIN_MARK. */
const TELLING = ENGINE << 5;
const LEAVING = ABORTING | BROKEN | LEFT;
const AFTER_SEND = ENDING | CLOSING | LEAVING;
const ASIDE = AFTER_SEND | LATE | TELLING;
const RECEIVING = abi.OP_RECV | (abi.SQE_BUFFER_SELECT << 8) | (abi.RECV_MULTISHOT << 16);
/** WAITALL: the kernel goes on by itself after a partial send, and an attempt that goes short does not count as success. */
const WAITING_FLAGS = abi.MSG_NOSIGNAL | abi.MSG_WAITALL;
const TRYING_FLAGS = WAITING_FLAGS | abi.MSG_DONTWAIT;
const MSGHDR = 56;
const VECTOR = 8;
