/**
 * CPU microseconds per round trip of an echo server: both engines of the loop, and io_uring driven by hand with nothing
 * around it, which is what the loop's abstraction is measured against.  `node bench/micro/loop.ts [octets]`; 64
 * connections over loopback, the load in this process.  Medians of interleaved rounds.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { ipv4 } from "../../base/address.ts";
import { SILENT } from "../../base/log.ts";
import { after, ms } from "../../base/unit.ts";
import { acceptOne } from "../../netstack/kernel/accepting.ts";
import type { Endpoint, Stream, StreamHandler } from "../../netstack/kernel/loop.ts";
import { Memory } from "../../netstack/kernel/memory.ts";
import { openLoop } from "../../netstack/kernel/open-loop.ts";
import * as abi from "../../netstack/kernel/ring/abi.ts";
import { Buffers, GROUP } from "../../netstack/kernel/ring/buffers.ts";
import { Ring } from "../../netstack/kernel/ring/ring.ts";
import { listenTcp } from "../../netstack/kernel/sockets.ts";
import { nameOf } from "../../netstack/kernel/stream-socket.ts";

const CONNECTIONS = 64;
const ROUNDS = 7;
const ROUND = ms(700);
const HOST = ipv4("127.0.0.1");
const [, , mode = "128", subject = ""] = process.argv;

if (mode === "serve") serve(subject);
else await measure(Number(mode));

async function measure(octets: number): Promise<void> {
  const servers = [];
  try {
    for (const name of ["by hand", "io_uring", "epoll"]) servers.push(await start(name));
    for (let round = 0; round <= ROUNDS; round++) {
      for (const server of servers) {
        const before = cpu(server.child.pid ?? 0);
        const trips = load(server.endpoint, octets);
        // The first round warms up.
        if (round > 0) server.costs.push((cpu(server.child.pid ?? 0) - before) / 1000 / trips);
      }
    }
    for (const { name, costs } of servers) {
      const sorted = costs.toSorted((a, b) => a - b);
      const [least, median] = [sorted[0] ?? 0, sorted[ROUNDS >> 1] ?? 0];
      console.log(`${name.padEnd(10)} ${median.toFixed(2)} µs per round trip (least ${least.toFixed(2)})`);
    }
  } finally {
    for (const { child } of servers) child.kill("SIGKILL");
  }
}

interface Server {
  readonly name: string;
  readonly child: ChildProcess;
  readonly endpoint: Endpoint;
  readonly costs: number[];
}

async function start(name: string): Promise<Server> {
  const child = spawn(process.execPath, [new URL(import.meta.url).pathname, "serve", name], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (child.stdout === null) throw new TypeError("no pipe");
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { name, child, endpoint: { ip: HOST, port: Number(line.toString()) }, costs: [] };
}

/** Round trips in one round. */
function load(to: Endpoint, octets: number): number {
  using loop = openLoop({ engine: "auto", log: SILENT });
  const message = Buffer.alloc(octets, 97);
  let trips = 0;
  class Client implements StreamHandler {
    private missing = octets;
    opened(stream: Stream): void {
      stream.write(message);
    }
    received(stream: Stream, chunk: number, start: number, end: number): void {
      loop.release(chunk);
      this.missing -= end - start;
      if (this.missing > 0) return;
      trips++;
      this.missing = octets;
      stream.write(message);
    }
    ended(stream: Stream): void {
      stream.close();
    }
    closed(): void {}
  }
  for (let index = 0; index < CONNECTIONS; index++) loop.connect(to, new Client());
  loop.wakeAt(after(loop.now(), ROUND), () => loop.stop());
  loop.run();
  return trips;
}

function serve(name: string): void {
  const listener = listenTcp({ ip: HOST, port: 0 });
  console.log(nameOf(listener)?.port);
  if (name === "by hand") return byHand(listener);
  const loop = openLoop({ engine: name === "epoll" ? "epoll" : "io_uring", log: SILENT });
  const echo: StreamHandler = {
    received: (stream, chunk, begin, end) => stream.forward(chunk, begin, end),
    ended: (stream) => stream.close(),
    closed: () => undefined,
  };
  loop.accept(listener, { accepted: () => echo });
  loop.run();
}

/** No streams, no slots, no limits: what the system calls alone cost.  A connection is its descriptor. */
function byHand(listener: number): void {
  const memory = new Memory(32_768, 1024, 0);
  const ring = new Ring(4096);
  const buffers = new Buffers(ring, memory);
  const chunks: number[] = [];
  const receive = (fd: number): unknown =>
    ring.prepare(abi.OP_RECV | (abi.SQE_BUFFER_SELECT << 8) | (abi.RECV_MULTISHOT << 16), fd, 0, 0, 0, fd, 1, GROUP);
  ring.prepare(abi.OP_POLL_ADD, listener, 0, 0, 1, listener, 3, 0);
  for (;;) {
    buffers.refill();
    ring.enter(1, Number.POSITIVE_INFINITY);
    const { words } = ring;
    let head = words[ring.completionHead] ?? 0;
    for (const tail = words[ring.completionTail] ?? 0; head !== tail; head = (head + 1) | 0) {
      const entry = ring.completions + ((head & ring.completionMask) << 2);
      const [fd, operation, result, flags] = [
        words[entry] ?? 0,
        words[entry + 1],
        words[entry + 2] ?? 0,
        words[entry + 3] ?? 0,
      ];
      if (operation === 1 && result > 0) {
        const chunk = flags >>> 16;
        buffers.held--;
        chunks[fd] = chunk;
        const from = memory.address + chunk * memory.chunkSize;
        ring.prepare(abi.OP_SEND, fd, from, result, abi.MSG_NOSIGNAL | abi.MSG_WAITALL, fd, 2, 0);
        if ((flags & abi.CQE_MORE) === 0) receive(fd);
      } else if (operation === 1) ring.prepare(abi.OP_CLOSE, fd, 0, 0, 0, 0, 0, 0);
      else if (operation === 2) memory.give(chunks[fd] ?? 0);
      else if (operation === 3) {
        for (let next = acceptOne(listener); next >= 0; next = acceptOne(listener)) receive(next);
        ring.prepare(abi.OP_POLL_ADD, listener, 0, 0, 1, listener, 3, 0);
      }
    }
    words[ring.completionHead] = head;
  }
}

/** Nanoseconds on a CPU, all threads. */
function cpu(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]))
    .reduce((sum, each) => sum + each, 0);
}
