/**
 * A stream on epoll: registered once, edge-triggered, for everything.  What the kernel said last is kept in flags;
 * `flush` writes as long as it takes, `read` reads a bounded share when the loop comes round.
 */
import { EAGAIN, EINTR } from "../errno.ts";
import * as libc from "../libc.ts";
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
import { SHUT_RDWR, SHUT_WR, setReset, shutdown, startConnect, takeError } from "../stream-socket.ts";
import type { EpollLoop } from "./epoll-loop.ts";
import { EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from "./poller.ts";

export class EpollStream extends QueuedStream {
  private readonly loop: EpollLoop;

  constructor(loop: EpollLoop, fd: Fd, handler: StreamHandler, flags: number, slot: number, tag: number) {
    super(loop.pool, fd, handler, flags, slot, tag);
    this.loop = loop;
  }

  /** Connects (when `to` is given) and registers; what fails is told by `closed`. */
  start(to?: Endpoint): void {
    const errno = to === undefined ? 0 : startConnect(this.fd, to);
    if (errno !== 0) return this.fail(errno);
    const refused = this.loop.poller.add(this.fd, INTEREST, this.slot, this.tag);
    if (refused !== 0) this.fail(refused);
    this.touch();
  }

  protected override enlist(): void {
    this.loop.enlist(this);
  }

  override flush(): void {
    const flags = this.flags & ~TOUCHED;
    this.flags = flags;
    if ((flags & (ABORTING | BROKEN)) !== 0) return this.leave();
    if ((flags & (DEAF | PAUSED)) === (DEAF | PAUSED)) {
      this.flags |= BROKEN;
      return this.leave();
    }
    if ((flags & CONNECTING) !== 0) return;
    if (this.tail !== this.head) {
      if ((flags & FULL) === 0) this.send();
    }
    if (this.tail === this.head) {
      if ((flags & CLOSING) !== 0) return this.leave();
      if ((this.flags & (ENDING | FIN | DEAF)) === ENDING) {
        this.flags |= FIN;
        shutdown(this.fd, SHUT_WR);
      }
    }
    if ((this.flags & BROKEN) !== 0 || (this.flags & (FIN | EOF)) === (FIN | EOF)) return this.leave();
    if ((this.flags & (READABLE | PAUSED | EOF)) === READABLE) this.loop.reads(this);
  }

  /** What epoll reported. */
  happened(events: number): void {
    if ((this.flags & CONNECTING) !== 0) return this.connected(events);
    if ((events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) !== 0) this.flags |= HUNG;
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLRDHUP)) !== 0) {
      this.flags |= READABLE;
      if ((this.flags & (PAUSED | EOF)) === 0) this.loop.reads(this);
    }
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) !== 0 && (this.flags & FULL) !== 0) {
      this.flags &= ~FULL;
      this.touch();
    }
  }

  /** Receives up to a share; true when there may be more and it may come at once. */
  read(): boolean {
    const { pool } = this.loop;
    for (let share = SHARE; share > 0; share--) {
      if ((this.flags & (READABLE | PAUSED | EOF | GONE | ABORTING | BROKEN)) !== READABLE) return false;
      const chunk = pool.take();
      if (chunk < 0) return true;
      const start = chunk * pool.chunkSize;
      const length = receive(this.fd, pool.address + start, pool.chunkSize, MSG_DONTWAIT);
      if (length > 0) {
        // After a short read the next edge reports more, unless the end has been reported already.
        if (length < pool.chunkSize && (this.flags & HUNG) === 0) this.flags &= ~READABLE;
        pool.lend(chunk);
        this.handler.received(this, chunk, start, start + length);
        continue;
      }
      const errno = length < 0 ? libc.errno() : 0;
      pool.give(chunk);
      this.nothing(length, errno);
    }
    return (this.flags & READABLE) !== 0;
  }

  private nothing(length: number, errno: number): void {
    if (length < 0 && errno === EINTR) return;
    this.flags &= ~READABLE;
    if (length < 0 && errno === EAGAIN) return;
    if ((this.flags & DEAF) !== 0) this.flags |= BROKEN;
    else if (length < 0) this.fail(errno);
    else {
      this.flags |= EOF;
      this.handler.ended(this);
    }
    this.touch();
  }

  private connected(events: number): void {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) === 0) return;
    this.flags &= ~CONNECTING;
    const errno = takeError(this.fd);
    if (errno !== 0) this.fail(errno);
    else if ((this.flags & (ABORTING | BROKEN)) === 0) {
      if ((events & EPOLLIN) !== 0) this.flags |= READABLE;
      if ((events & (EPOLLHUP | EPOLLRDHUP)) !== 0) this.flags |= HUNG | READABLE;
      this.established();
    }
    this.touch();
  }

  private send(): void {
    if (this.queued >= DRAIN_MARK) this.flags |= LATE;
    while (this.tail !== this.head) {
      const { segments, head } = this;
      const start = segments[head + 1] ?? 0;
      const sent =
        this.tail === head + 3
          ? send(this.fd, this.memory.address + start, (segments[head + 2] ?? 0) - start, SEND_FLAGS)
          : this.loop.sendMany(this.fd, segments, head, this.tail);
      if (sent >= 0) {
        this.taken(sent);
        continue;
      }
      const errno = libc.errno();
      if (errno === EINTR) continue;
      if (errno === EAGAIN) {
        this.flags |= FULL | LATE;
        return;
      }
      return this.sendFailed(errno);
    }
    if ((this.flags & LATE) === 0) return;
    this.flags &= ~LATE;
    if ((this.flags & (ENDING | CLOSING)) !== 0 || this.handler.drained === undefined) return;
    this.loop.spoke = true;
    this.handler.drained(this);
  }

  /** As in the ring engine: what had arrived before the failure is still delivered, then the stream closes. */
  private sendFailed(errno: number): void {
    this.why = { kind: "failed", errno };
    this.drop();
    if ((this.flags & (PAUSED | EOF)) !== 0) this.flags |= BROKEN;
    else {
      this.flags |= DEAF | READABLE | HUNG;
      shutdown(this.fd, SHUT_RDWR);
    }
  }

  private leave(): void {
    this.flags |= GONE;
    if (this.fd >= 0) {
      if ((this.flags & ABORTING) !== 0) setReset(this.fd);
      this.loop.poller.remove(this.fd);
      libc.close(this.fd);
    }
    this.drop();
    this.loop.forget(this);
    this.handler.closed(this, (this.flags & (BROKEN | ABORTING)) === BROKEN ? this.why : FINISHED);
  }
}

/** The kernel has, or may have, octets for us. */
const READABLE = ENGINE;
/** The end was reported, so reading goes on until it is found. */
const HUNG = ENGINE << 1;
/** The socket's send buffer is full. */
const FULL = ENGINE << 2;
/** Something had to wait for it. */
const LATE = ENGINE << 3;
/** In the loop's list of readers. */
export const READING = ENGINE << 4;
/** Chunks per stream and turn. */
const SHARE = 4;
const INTEREST = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
const MSG_DONTWAIT = 0x40;
const SEND_FLAGS = 0x4000 | MSG_DONTWAIT;

const receive = libc.declare<(fd: Fd, at: number, length: number, flags: number) => number>(
  "long recv(int, size_t, size_t, int)",
);
const send = libc.declare<(fd: Fd, at: number, length: number, flags: number) => number>(
  "long send(int, size_t, size_t, int)",
);
