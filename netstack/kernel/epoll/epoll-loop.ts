/**
 * The epoll engine: the same contract on every kernel since 5.11.  Streams are edge-triggered and registered once; parts
 * (listeners, watched descriptors, datagram sockets) are level-triggered.
 */

import * as libc from "../libc.ts";
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
import { type Mapping, mapAnonymous, unmap } from "../mapping.ts";
import { CONNECTING } from "../queued-stream.ts";
import { setNoDelay, socketFor, tintedFamily } from "../stream-socket.ts";
import { type LoopSizes, TurningLoop } from "../turning-loop.ts";
import { EpollDatagrams } from "./epoll-datagrams.ts";
import { EpollListener, EpollWatch, PART, type Part } from "./epoll-parts.ts";
import { EpollStream, READING } from "./epoll-stream.ts";
import { Poller } from "./poller.ts";

export class EpollLoop extends TurningLoop<EpollStream> implements Loop {
  readonly engine = "epoll";
  readonly why: string;
  readonly poller = new Poller();
  private readonly parts: (Part | undefined)[] = [];
  private readonly freeParts: number[] = [];
  private readers: EpollStream[] = [];
  private reading: EpollStream[] = [];
  /** struct msghdr and its vector, for `sendMany`. */
  private readonly message: Mapping = mapAnonymous(4096);
  private readonly words: Int32Array<ArrayBuffer>;

  constructor(sizes: LoopSizes, why: string) {
    super(sizes);
    this.why = why;
    this.words = new Int32Array(this.message.buffer);
    const vector = this.message.address + MSGHDR;
    this.words[4] = vector | 0;
    this.words[5] = (vector / 2 ** 32) | 0;
  }

  accept(listener: Fd, on: Acceptor): Disposable {
    setNoDelay(listener);
    return this.admit((slot) => new EpollListener(this, listener, on, slot));
  }
  watch(fd: Fd, ready: () => void): Disposable {
    return this.admit((slot) => new EpollWatch(this, fd, ready, slot));
  }
  datagrams(fd: Fd, on: DatagramHandler): Datagrams {
    return this.admit((slot) => new EpollDatagrams(this, fd, on, slot));
  }

  connect(to: Endpoint, on: StreamHandler, from?: Endpoint | Prepared | Tinted): Stream {
    const fd = socketFor(to, from, true);
    const stream = this.stream(fd, on, CONNECTING);
    stream.tinted = tintedFamily(to, from);
    if (fd >= 0) stream.start(to);
    else stream.fail(-fd);
    return stream;
  }

  adopt(fd: Fd, on: StreamHandler): Stream {
    const stream = this.stream(fd, on, 0);
    setNoDelay(fd);
    stream.start();
    return stream;
  }

  stream(fd: Fd, on: StreamHandler, flags: number): EpollStream {
    return this.seat((slot, tag) => new EpollStream(this, fd, on, flags, slot, tag));
  }
  forgetPart(slot: number): void {
    this.parts[slot] = undefined;
    this.freeParts.push(slot);
  }

  /** `stream` has something to read and wants it. */
  reads(stream: EpollStream): void {
    if ((stream.flags & READING) !== 0) return;
    stream.flags |= READING;
    this.readers.push(stream);
  }

  /** One sendmsg of the segments [head, tail): the octets taken, or -1 with errno. */
  sendMany(fd: Fd, segments: readonly number[], head: number, tail: number): number {
    const { words } = this;
    let count = 0;
    for (let at = head; at < tail && count < VECTOR; at += 3) {
      const start = segments[at + 1] ?? 0;
      const address = this.pool.address + start;
      const word = (MSGHDR >> 2) + count * 4;
      words[word] = address | 0;
      words[word + 1] = (address / 2 ** 32) | 0;
      words[word + 2] = (segments[at + 2] ?? 0) - start;
      count++;
    }
    words[6] = count;
    return sendmsg(fd, this.message.address, SEND_FLAGS);
  }

  stats(): LoopStats {
    return { streams: this.open, chunksLent: this.pool.lent, turns: this.turns, inFlight: 0 };
  }

  [Symbol.dispose](): void {
    for (const part of this.parts) part?.[Symbol.dispose]();
    // Listeners would accept once more; not now.
    for (const part of this.parts) part?.finish();
    for (const stream of this.streams) stream?.abort();
    this.flush();
    this.poller.dispose();
    unmap(this.message);
    this.pool.dispose();
  }

  protected override flush(): void {
    this.flushTouched();
  }

  protected override submit(): void {
    // Flushing has sent it: nothing is left.
  }

  protected override wait(deadline: number): void {
    // Readers that had no chunk wait for a release, which only an event can bring about.
    this.poller.wait(this.readers.length > 0 && this.pool.free > 0 ? 0 : deadline);
  }

  protected override dispatch(): void {
    const { poller } = this;
    for (let index = 0; index < poller.count; index++) {
      const tag = poller.tag(index);
      const slot = poller.slot(index);
      if (tag === PART) this.parts[slot]?.happened(poller.events(index));
      else {
        const stream = this.streams[slot];
        if (stream?.tag === tag) stream.happened(poller.events(index));
      }
    }
    const { readers } = this;
    this.readers = this.reading;
    this.reading = readers;
    for (const stream of readers) {
      stream.flags &= ~READING;
      if (stream.read()) this.reads(stream);
    }
    readers.length = 0;
  }

  private admit<P extends Part>(make: (slot: number) => P): P {
    const slot = this.freeParts.pop() ?? this.parts.length;
    const part = make(slot);
    this.parts[slot] = part;
    part.arm();
    return part;
  }
}

const sendmsg = libc.declare<(fd: Fd, message: number, flags: number) => number>("long sendmsg(int, size_t, int)");
const MSGHDR = 56;
const VECTOR = 64;
const SEND_FLAGS = 0x4040; // NOSIGNAL, DONTWAIT
