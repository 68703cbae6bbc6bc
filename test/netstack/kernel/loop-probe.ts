/** What the loop tests share: turning until something holds, and a handler that writes down what happened. */
import { ipv4 } from "../../../base/address.ts";
import { SILENT } from "../../../base/log.ts";
import { after, seconds } from "../../../base/unit.ts";
import * as libc from "../../../netstack/kernel/libc.ts";
import type { Closed, Endpoint, Loop, LoopOptions, Stream, StreamHandler } from "../../../netstack/kernel/loop.ts";
import { openLoop } from "../../../netstack/kernel/open-loop.ts";
import { listenTcp } from "../../../netstack/kernel/sockets.ts";
import { nameOf } from "../../../netstack/kernel/stream-socket.ts";

export const LOOPBACK = ipv4("127.0.0.1");
export type Engine = "io_uring" | "epoll";
export const ENGINES: readonly Engine[] = ["io_uring", "epoll"];

export function open(engine: Engine, options: Partial<LoopOptions> = {}): Loop {
  return openLoop({ log: SILENT, chunkSize: 4096, chunks: 64, ...options, engine });
}

/** Turns until `done`; after ten seconds says what was awaited. */
export function until(loop: Loop, what: string, done: () => boolean): void {
  const deadline = after(loop.now(), seconds(10));
  using _alarm = loop.wakeAt(deadline, () => undefined);
  while (!done()) {
    if (loop.now() >= deadline) throw new Error(`waited 10 s for: ${what}`);
    loop.turn(true);
  }
}

export function listening(): { readonly fd: number; readonly endpoint: Endpoint } {
  const fd = listenTcp({ ip: LOOPBACK, port: 0 });
  const endpoint = nameOf(fd);
  if (endpoint === undefined) throw new Error("no name");
  return { fd, endpoint };
}

/** Keeps what it received as text and releases each chunk at once. */
export class Probe implements StreamHandler {
  text = "";
  readonly calls: string[] = [];
  why: Closed | undefined = undefined;
  opens = 0;
  ends = 0;
  drains = 0;
  drained: (stream: Stream) => void = () => {
    this.drains++;
  };
  onReceived: ((stream: Stream, chunk: number, start: number, end: number) => void) | undefined = undefined;
  onEnded: ((stream: Stream) => void) | undefined = undefined;
  private readonly loop: Loop;

  constructor(loop: Loop) {
    this.loop = loop;
  }

  opened(): void {
    this.opens++;
    this.calls.push("opened");
  }
  received(stream: Stream, chunk: number, start: number, end: number): void {
    this.calls.push("received");
    this.text += this.loop.pool.memory.toString("latin1", start, end);
    if (this.onReceived === undefined) this.loop.release(chunk);
    else this.onReceived(stream, chunk, start, end);
  }
  ended(stream: Stream): void {
    this.ends++;
    this.calls.push("ended");
    this.onEnded?.(stream);
  }
  closed(_stream: Stream, why: Closed): void {
    if (this.why !== undefined) throw new Error("closed twice");
    this.why = why;
    this.calls.push("closed");
  }
}

/** Two ends of one TCP connection on `loop`. */
export interface Pair {
  readonly near: Stream;
  readonly nearProbe: Probe;
  readonly far: Stream;
  readonly farProbe: Probe;
}

export function pair(loop: Loop): Pair {
  const { fd, endpoint } = listening();
  const nearProbe = new Probe(loop);
  const farProbe = new Probe(loop);
  let far: Stream | undefined;
  const listener = loop.accept(fd, {
    accepted(stream) {
      far = stream;
      return farProbe;
    },
  });
  const near = loop.connect(endpoint, nearProbe);
  until(loop, "a pair", () => far !== undefined && nearProbe.opens === 1);
  listener[Symbol.dispose]();
  if (far === undefined) throw new Error("no pair");
  return { near, nearProbe, far, farProbe };
}

/** Octets that tell where they belong. */
export function pattern(length: number): Buffer {
  const out = Buffer.alloc(length);
  for (let at = 0; at < length; at++) out[at] = (at * 31 + (at >>> 8) * 7) & 0xff;
  return out;
}

export function unixPair(): readonly [number, number] {
  const pair = new Int32Array(2);
  libc.must(libc.socketpair(1, 1, 0, pair), "socketpair");
  return [pair[0] ?? -1, pair[1] ?? -1];
}
