/**
 * A storm of connections with hostile sizes, pauses, closes, aborts and an exhausted pool, on both engines: every octet
 * arrives in order or not at all, and afterwards nothing is left: streams, chunks, blocks, operations, descriptors, memory.
 * NOVAEDGE_FLOOD_SECONDS sets how long it rages (each engine gets half).
 */
import { readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { after, ms, seconds } from "../../../base/unit.ts";
import {
  DRAIN_MARK,
  type Endpoint,
  type Loop,
  type Stream,
  type StreamHandler,
} from "../../../netstack/kernel/loop.ts";
import { Memory } from "../../../netstack/kernel/memory.ts";
import { encodeInet } from "../../../netstack/kernel/sockaddr.ts";
import { openUdp } from "../../../netstack/kernel/sockets.ts";
import { nameOf } from "../../../netstack/kernel/stream-socket.ts";
import { ENGINES, LOOPBACK, listening, open, pattern, until } from "./loop-probe.ts";

const FLOOD = Number(process.env["NOVAEDGE_FLOOD_SECONDS"] ?? 14) / 2;
const SEED = Number(process.env["NOVAEDGE_FLOOD_SEED"] ?? 1);

describe.each(ENGINES)("a flood on %s", (engine) => {
  test(`${FLOOD} s of it leave nothing behind (seed ${SEED})`, { timeout: (FLOOD + 60) * 1000 }, () => {
    const descriptors = openDescriptors();
    const storm = new Storm(open(engine, { chunks: 64, chunkSize: 4096 }));
    storm.rage(FLOOD / 3);
    const before = residentMemory();
    storm.rage((FLOOD * 2) / 3);
    storm.calm();
    expect(storm.loop.stats()).toMatchObject({ streams: 0, chunksLent: 0 });
    const { pool } = storm.loop;
    expect(pool instanceof Memory && pool.blocksUsed).toBe(0);
    expect(residentMemory() - before).toBeLessThan(48 << 20);
    storm[Symbol.dispose]();
    expect(openDescriptors()).toBe(descriptors);
    expect(storm.counts.octets).toBeGreaterThan(1_000_000);
    expect(Object.entries(storm.counts).filter(([, count]) => count === 0)).toEqual([]);
  });
});

/** What a connection carries: this block from the connection's own offset on, over and over. */
const BLOCK = pattern(1 << 18);
const TWICE = Buffer.concat([BLOCK, BLOCK]);

class Storm implements Disposable {
  readonly loop: Loop;
  readonly counts = { octets: 0, whole: 0, cut: 0, aborted: 0, refused: 0, held: 0, datagrams: 0, timers: 0 };
  random = generator(SEED);
  readonly held: number[] = [];
  readonly clients = new Set<Client>();
  private readonly to: Endpoint;
  private readonly nobody: Endpoint;
  private readonly parts: Disposable[] = [];

  constructor(loop: Loop) {
    this.loop = loop;
    const { fd, endpoint } = listening();
    this.to = endpoint;
    this.nobody = { ip: LOOPBACK, port: 1 };
    this.parts.push(loop.accept(fd, { accepted: () => (this.chance(0.02) ? undefined : new Echo(this)) }));
    const udp = openUdp({ bind: { ip: LOOPBACK, port: 0 } });
    const self = encodeInet(nameOf(udp) ?? endpoint);
    const datagrams = loop.datagrams(udp, {
      received: (socket, bytes) => {
        this.counts.datagrams++;
        if (this.chance(0.9)) socket.send(Buffer.alloc(Math.floor(this.random() * 9000)), self);
        if (bytes.length >= 9000) throw new Error(`a datagram of ${bytes.length} octets`);
      },
    });
    datagrams.send(Buffer.from("x"), self);
    this.parts.push(datagrams);
    this.datagram = () => datagrams.send(Buffer.from("x"), self);
  }
  private readonly datagram: () => number;

  rage(span: number): void {
    const { loop } = this;
    const end = after(loop.now(), seconds(span));
    while (loop.now() < end) {
      if (this.chance(0.05)) this.datagram();
      while (this.clients.size < 40 && this.chance(0.9)) this.strike();
      if (this.held.length > 0 && this.chance(0.3)) this.giveBack();
      const timer = loop.wakeAt(after(loop.now(), ms(1)), () => this.counts.timers++);
      const wait = this.chance(0.5);
      // A turn that waits keeps its alarm: every stream may be paused.
      if (!wait) timer[Symbol.dispose]();
      loop.turn(wait);
    }
  }

  /** No new connections; those under way come to their end. */
  calm(): void {
    this.random = () => 0.999;
    this.giveBack();
    until(this.loop, "calm", () => {
      this.giveBack();
      for (const client of this.clients) client.finish();
      return this.loop.stats().streams === 0;
    });
  }

  chance(p: number): boolean {
    return this.random() < p;
  }
  /** Keeps a chunk for a while, up to half of the pool. */
  hold(chunk: number): boolean {
    if (this.held.length > 48 || !this.chance(0.1)) return false;
    this.counts.held++;
    this.held.push(chunk);
    return true;
  }

  [Symbol.dispose](): void {
    for (const part of this.parts) part[Symbol.dispose]();
    this.loop[Symbol.dispose]();
  }

  private giveBack(): void {
    for (const chunk of this.held.splice(0)) this.loop.release(chunk);
  }
  private strike(): void {
    const client = new Client(this);
    this.clients.add(client);
    client.begin(this.loop.connect(this.chance(0.03) ? this.nobody : this.to, client));
  }
}

class Client implements StreamHandler {
  private readonly storm: Storm;
  private readonly offset: number;
  private readonly size: number;
  private stream: Stream | undefined;
  private written = 0;
  private read = 0;
  private answered = false;

  constructor(storm: Storm) {
    this.storm = storm;
    this.offset = Math.floor(storm.random() * BLOCK.length);
    const most = storm.chance(0.1) ? 2_000_000 : 20_000;
    this.size = Math.floor(storm.random() ** 3 * most);
  }

  begin(stream: Stream): void {
    this.stream = stream;
    if (this.storm.chance(0.05)) stream.abort();
    else this.more();
  }
  finish(): void {
    this.stream?.resume();
    this.more();
  }
  drained(): void {
    this.more();
  }
  received(stream: Stream, chunk: number, start: number, end: number): void {
    const { memory } = this.storm.loop.pool;
    const from = (this.offset + this.read) % BLOCK.length;
    if (memory.compare(TWICE, from, from + end - start, start, end) !== 0)
      throw new Error(`wrong octets at ${this.read} of ${this.size}`);
    this.read += end - start;
    this.storm.counts.octets += end - start;
    this.storm.loop.release(chunk);
    if (this.storm.chance(0.01)) stream.abort();
    else if (this.storm.chance(0.02)) stream.close();
    else if (this.storm.chance(0.05)) stream.pause();
    if (this.storm.chance(0.5)) stream.resume();
    this.more();
  }
  ended(stream: Stream): void {
    this.answered = true;
    stream.close();
  }
  closed(_stream: Stream, why: { readonly kind: string; readonly errno?: number }): void {
    const { counts, clients } = this.storm;
    clients.delete(this);
    if (why.kind === "finished" && this.answered && this.read === this.size) counts.whole++;
    else if (why.kind === "finished") counts.cut++;
    else if (why.errno === 111) counts.refused++;
    else counts.aborted++;
  }

  private more(): void {
    const { stream, storm } = this;
    if (stream === undefined) return;
    while (this.written < this.size && stream.queued < 300_000) {
      const length = Math.min(this.size - this.written, 1 + Math.floor(storm.random() ** 4 * 200_000));
      const from = (this.offset + this.written) % BLOCK.length;
      stream.write(TWICE, from, from + length);
      this.written += length;
      if (this.written === this.size) stream.end();
    }
    if (this.size === 0) stream.end();
  }
}

/** Sends back what it receives, by copy or by chunk, slowly, sometimes not at all. */
class Echo implements StreamHandler {
  private readonly storm: Storm;

  constructor(storm: Storm) {
    this.storm = storm;
  }

  received(stream: Stream, chunk: number, start: number, end: number): void {
    const { storm } = this;
    const { pool } = storm.loop;
    if (storm.chance(0.02)) {
      refused(() => stream.forward(chunk, start, (chunk + 1) * pool.chunkSize + 1));
      refused(() => stream.forward(chunk + 0.1, start, end));
      refused(() => stream.write(pool.memory, -1, end));
    }
    if (storm.chance(0.3)) {
      stream.write(pool.memory, start, end);
      if (!storm.hold(chunk)) storm.loop.release(chunk);
    } else {
      const middle = start + Math.floor(storm.random() * (end - start));
      stream.write(pool.memory, start, middle);
      stream.forward(chunk, middle, end);
    }
    const whim = storm.random();
    if (whim < 0.005) stream.abort();
    else if (whim < 0.01) stream.close();
    else if (stream.queued >= DRAIN_MARK) stream.pause();
  }
  drained(stream: Stream): void {
    stream.resume();
  }
  ended(stream: Stream): void {
    stream.end();
  }
  closed(): void {}
}

function refused(act: () => void): void {
  try {
    act();
  } catch (cause) {
    if (cause instanceof TypeError) return;
    throw cause;
  }
  throw new Error("a hostile range was taken");
}

/** mulberry32 */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

function residentMemory(): number {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect === "function") collect();
  return process.memoryUsage.rss();
}
