/**
 * A Loop without a kernel: virtual time, streams that the test feeds and drains by hand.  Checks the contract as it
 * goes: a chunk is given back exactly once, no call after `closed`, no use of a closed stream.
 */

import { type Instant, instant } from "../../base/unit.ts";
import type {
  Acceptor,
  Closed,
  Datagrams,
  Endpoint,
  Fd,
  Loop,
  LoopStats,
  Pool,
  Prepared,
  Stream,
  StreamHandler,
  Tinted,
} from "../../netstack/kernel/loop.ts";

export class FakeLoop implements Loop {
  readonly engine = "epoll";
  readonly why = "fake";
  readonly pool: Pool;
  /** Connections asked for and neither established nor refused. */
  readonly dialled: FakeStream[] = [];
  /** All that were ever opened. */
  readonly streams: FakeStream[] = [];
  readonly acceptors = new Map<Fd, Acceptor>();
  readonly closedFds: Fd[] = [];
  readonly #free: number[] = [];
  readonly #lent = new Set<number>();
  readonly #alarms: { at: Instant; wake: () => void }[] = [];
  readonly #starved: (() => void)[] = [];
  #events: (() => void)[] = [];
  #now = 1_000_000;
  #turns = 0;
  #inside = false;

  constructor(chunkSize = 4096, chunks = 64) {
    this.pool = { memory: Buffer.alloc(chunkSize * chunks), chunkSize, chunks };
    for (let chunk = chunks - 1; chunk >= 0; chunk--) this.#free.push(chunk);
  }

  get lent(): number {
    return this.#lent.size;
  }
  now(): Instant {
    return instant(this.#now);
  }
  turnAt(): Instant {
    return instant(this.#now);
  }
  wakeAt(at: Instant, wake: () => void): Disposable {
    const alarm = { at, wake };
    this.#alarms.push(alarm);
    return {
      [Symbol.dispose]: () => {
        const index = this.#alarms.indexOf(alarm);
        if (index >= 0) this.#alarms.splice(index, 1);
      },
    };
  }
  accept(listener: Fd, on: Acceptor): Disposable {
    this.acceptors.set(listener, on);
    return {
      [Symbol.dispose]: () => {
        this.acceptors.delete(listener);
        this.closedFds.push(listener);
      },
    };
  }
  connect(to: Endpoint, on: StreamHandler, from?: Endpoint | Prepared | Tinted): Stream {
    const stream = new FakeStream(this, on, to);
    if (from !== undefined && "handshake" in from) stream.handshake = from.handshake;
    this.dialled.push(stream);
    return stream;
  }
  adopt(_fd: Fd, on: StreamHandler): FakeStream {
    return new FakeStream(this, on, undefined);
  }
  datagrams(): Datagrams {
    throw new TypeError("the fake loop has no datagrams");
  }
  watch(): Disposable {
    throw new TypeError("the fake loop watches nothing");
  }
  release(chunk: number): void {
    if (!this.#lent.delete(chunk)) throw new TypeError(`chunk ${chunk} is given back but not lent`);
    this.pool.memory.fill(0xdd, chunk * this.pool.chunkSize, (chunk + 1) * this.pool.chunkSize);
    this.#free.push(chunk);
    for (const retry of this.#starved.splice(0)) this.later(retry);
  }
  run(): void {
    throw new TypeError("turn the fake loop by hand");
  }
  stop(): void {}
  /** Runs everything that is queued, and what that queues. */
  turn(): void {
    if (this.#inside) throw new TypeError("the loop is entered from within itself");
    this.#inside = true;
    try {
      this.#turns++;
      for (;;) {
        const events = this.#events;
        this.#events = [];
        for (const event of events) event();
        const due = this.#alarms.filter((alarm) => alarm.at <= this.#now);
        for (const alarm of due) {
          this.#alarms.splice(this.#alarms.indexOf(alarm), 1);
          alarm.wake();
        }
        if (due.length === 0 && this.#events.length === 0) break;
      }
    } finally {
      this.#inside = false;
    }
  }
  /** Lets `span` pass; alarms fire in order. */
  pass(span: number): void {
    const until = this.#now + span;
    for (;;) {
      this.turn();
      const next = this.#alarms.filter((alarm) => alarm.at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#alarms.splice(this.#alarms.indexOf(next), 1);
      this.#now = Math.max(this.#now, next.at);
      next.wake();
    }
    this.#now = until;
    this.turn();
  }
  /** Time passes without a turn: the process was stopped. */
  freeze(span: number): void {
    this.#now += span;
  }
  stats(): LoopStats {
    return { streams: 0, chunksLent: this.#lent.size, turns: this.#turns, inFlight: 0 };
  }
  [Symbol.dispose](): void {}

  /** A client connects to `listener`; undefined when it is refused. */
  arrive(listener: Fd, remote: Endpoint): FakeStream | undefined {
    const acceptor = this.acceptors.get(listener);
    if (acceptor === undefined) throw new TypeError(`nobody listens on ${listener}`);
    const stream = new FakeStream(this, undefined, remote);
    const handler = acceptor.accepted(stream);
    if (handler === undefined) return undefined;
    stream.handler = handler;
    return stream;
  }
  later(event: () => void): void {
    this.#events.push(event);
  }
  /** Calls `retry` when a chunk is free again. */
  starve(retry: () => void): void {
    this.#starved.push(retry);
  }
  /** undefined while all chunks are lent. */
  lend(): number | undefined {
    const chunk = this.#free.pop();
    if (chunk !== undefined) this.#lent.add(chunk);
    return chunk;
  }
  assertLent(chunk: number): void {
    if (!this.#lent.has(chunk)) throw new TypeError(`chunk ${chunk} is not lent`);
  }
}

interface Queued {
  bytes: Buffer;
  chunk: number | undefined;
}

export class FakeStream implements Stream {
  readonly fd = 99;
  handler: StreamHandler;
  readonly remote: Endpoint | undefined;
  readonly local: Endpoint | undefined = undefined;
  /** Traffic class that the connection begins with. */
  handshake: number | undefined = undefined;
  finSent = false;
  aborted = false;
  paused = false;
  why: Closed | undefined = undefined;
  /** Octets the kernel still takes at once. */
  room = Number.POSITIVE_INFINITY;
  /** Octets that the kernel took and the peer has not acknowledged. */
  inFlight = 0;
  readonly #loop: FakeLoop;
  readonly #queue: Queued[] = [];
  #inbox: (Buffer | "fin" | { readonly errno: number })[] = [];
  #sent: Buffer[] = [];
  #blocked = false;
  #ending: "no" | "fin" | "close" = "no";
  #over = false;
  #told = false;

  constructor(loop: FakeLoop, handler: StreamHandler | undefined, remote: Endpoint | undefined) {
    this.#loop = loop;
    loop.streams.push(this);
    this.handler = handler as StreamHandler;
    this.remote = remote;
  }

  get queued(): number {
    return this.#queue.reduce((sum, each) => sum + each.bytes.length, 0);
  }
  get unacknowledged(): number {
    return this.queued + this.inFlight;
  }
  write(bytes: Uint8Array, start = 0, end = bytes.length): void {
    if (!this.#takes("write")) return;
    this.#queue.push({ bytes: Buffer.from(bytes.subarray(start, end)), chunk: undefined });
    this.#send();
  }
  forward(chunk: number, start: number, end: number): void {
    this.#loop.assertLent(chunk);
    if (!this.#takes("forward")) return this.#loop.release(chunk);
    const { chunkSize, memory } = this.#loop.pool;
    if (start < chunk * chunkSize || end > (chunk + 1) * chunkSize || start > end) throw new TypeError("out of chunk");
    this.#queue.push({ bytes: Buffer.from(memory.subarray(start, end)), chunk });
    this.#send();
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
    this.#loop.later(() => this.#deliver());
  }
  end(): void {
    if (!this.#takes("end")) return;
    this.#ending = "fin";
    this.#send();
  }
  close(): void {
    if (this.#over || this.#ending === "close") return;
    this.#ending = "close";
    this.#send();
  }
  abort(): void {
    if (this.#over) return;
    this.aborted = true;
    this.#finish({ kind: "finished" });
  }

  // What the test does from the other side.

  establish(): void {
    this.#loop.dialled.splice(this.#loop.dialled.indexOf(this), 1);
    this.#loop.later(() => {
      if (!this.#over) this.handler.opened?.(this);
    });
  }
  refuse(errno: number): void {
    this.#loop.dialled.splice(this.#loop.dialled.indexOf(this), 1);
    this.#loop.later(() => this.#finish({ kind: "failed", errno }));
  }
  /** The peer sends octets; `piece` splits them into reads of that size. */
  feed(text: string | Buffer, piece = this.#loop.pool.chunkSize): void {
    const bytes = typeof text === "string" ? Buffer.from(text, "latin1") : text;
    for (let at = 0; at < bytes.length; at += piece) this.#inbox.push(bytes.subarray(at, at + piece));
    this.#loop.later(() => this.#deliver());
  }
  fin(): void {
    this.#inbox.push("fin");
    this.#loop.later(() => this.#deliver());
  }
  reset(errno = 104): void {
    this.#inbox.push({ errno });
    this.#loop.later(() => this.#deliver());
  }
  /** The kernel takes `octets` more. */
  take(octets: number): void {
    this.room += octets;
    this.#loop.later(() => this.#send());
  }
  /** What the peer has got. */
  get sent(): Buffer {
    const all = Buffer.concat(this.#sent);
    this.#sent = [all];
    return all;
  }
  get text(): string {
    return this.sent.toString("latin1");
  }
  get open(): boolean {
    return !this.#over;
  }
  /** Octets fed that the proxy has not read yet. */
  get unread(): number {
    return this.#inbox.reduce((sum, each) => sum + (Buffer.isBuffer(each) ? each.length : 0), 0);
  }

  /** As the real streams: what is sent to a connection that broke a moment ago is dropped, the rest is a bug. */
  #takes(call: string): boolean {
    if (this.#told || this.#ending !== "no") throw new TypeError(`${call} on a stream that is closed or ended`);
    return !this.#over;
  }
  #deliver(): void {
    for (let reads = 0; !this.#over && this.#ending !== "close" && this.#inbox.length > 0; reads++) {
      if (reads === READS) {
        this.#loop.later(() => this.#deliver());
        return;
      }
      const next = this.#inbox[0] as Buffer | "fin" | { readonly errno: number };
      if (Buffer.isBuffer(next)) {
        if (this.paused) return;
        const chunk = this.#loop.lend();
        if (chunk === undefined) {
          this.#loop.starve(() => this.#deliver());
          return;
        }
        this.#inbox.shift();
        const start = chunk * this.#loop.pool.chunkSize;
        next.copy(this.#loop.pool.memory, start);
        this.handler.received(this, chunk, start, start + next.length);
      } else if (next === "fin") {
        if (this.paused) return;
        this.#inbox.shift();
        this.handler.ended(this);
      } else {
        this.#inbox.shift();
        this.#finish({ kind: "failed", errno: next.errno });
      }
    }
  }
  #send(): void {
    while (this.#queue.length > 0 && this.room > 0) {
      const first = this.#queue[0] as Queued;
      const taken = Math.min(this.room, first.bytes.length);
      this.#sent.push(first.bytes.subarray(0, taken));
      this.room -= taken;
      if (taken < first.bytes.length) first.bytes = first.bytes.subarray(taken);
      else {
        this.#queue.shift();
        if (first.chunk !== undefined) this.#loop.release(first.chunk);
      }
    }
    if (this.#queue.length > 0) {
      this.#blocked = true;
      return;
    }
    if (this.#blocked) {
      this.#blocked = false;
      this.#loop.later(() => {
        if (!this.#over) this.handler.drained?.(this);
      });
    }
    if (this.#ending === "fin") this.finSent = true;
    if (this.#ending === "close") this.#finish({ kind: "finished" });
  }
  #finish(why: Closed): void {
    if (this.#over) return;
    this.#over = true;
    this.why = why;
    for (const each of this.#queue) if (each.chunk !== undefined) this.#loop.release(each.chunk);
    this.#queue.length = 0;
    this.#loop.later(() => {
      this.#told = true;
      this.handler.closed(this, why);
    });
  }
}

/** Reads of one stream in one turn. */
const READS = 4;
