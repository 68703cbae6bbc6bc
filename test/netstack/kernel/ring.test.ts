/** What only the ring engine can suffer: queues that run over, and a kernel that has no ring for us. */
import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { Fault } from "../../../base/fault.ts";
import { SILENT } from "../../../base/log.ts";
import { bootNow } from "../../../netstack/kernel/clock.ts";
import type { Closed, Stream, StreamHandler } from "../../../netstack/kernel/loop.ts";
import { openLoop, whyNot } from "../../../netstack/kernel/open-loop.ts";
import { Ring } from "../../../netstack/kernel/ring/ring.ts";
import { RingLoop } from "../../../netstack/kernel/ring/ring-loop.ts";
import { listening, pattern, until } from "./loop-probe.ts";

const SIZES = { chunkSize: 4096, chunks: 256, blocks: 4096 };

describe("a ring of eight submissions and thirty-two completions", () => {
  test("carries hundreds of connections at once: a full queue is handed over early, completions that overflow come later", () => {
    using loop = new RingLoop(SIZES, "test", 8);
    const { fd, endpoint } = listening();
    const octets = pattern(20_000).toString("latin1");
    const closed: Closed[] = [];
    const texts: string[] = [];
    class Echo implements StreamHandler {
      received(stream: Stream, chunk: number, start: number, end: number): void {
        stream.forward(chunk, start, end);
      }
      ended(stream: Stream): void {
        stream.end();
      }
      closed(_stream: Stream, why: Closed): void {
        closed.push(why);
      }
    }
    class Client extends Echo {
      text = "";
      override received(_stream: Stream, chunk: number, start: number, end: number): void {
        this.text += loop.pool.memory.toString("latin1", start, end);
        loop.release(chunk);
      }
      override closed(stream: Stream, why: Closed): void {
        super.closed(stream, why);
        texts.push(this.text);
      }
    }
    const listener = loop.accept(fd, { accepted: () => new Echo() });
    for (let index = 0; index < 300; index++) {
      const stream = loop.connect(endpoint, new Client());
      for (let at = 0; at < octets.length; at += 1000) stream.write(Buffer.from(octets.slice(at, at + 1000), "latin1"));
      stream.end();
    }
    until(loop, "all", () => closed.length === 600);
    expect(closed.every((why) => why.kind === "finished")).toBe(true);
    expect(texts.every((text) => text === octets)).toBe(true);
    listener[Symbol.dispose]();
    until(loop, "nothing in flight", () => loop.stats().inFlight === 0);
    expect(loop.stats()).toMatchObject({ streams: 0, chunksLent: 0, inFlight: 0 });
    expect(loop.pool.blocksUsed).toBe(0);
  });

  test("hundreds of aborts in one turn, of connections that carry something", () => {
    using loop = new RingLoop(SIZES, "test", 8);
    const { fd, endpoint } = listening();
    let closed = 0;
    const handler: StreamHandler = {
      received: (_stream, chunk) => loop.release(chunk),
      ended: (stream) => stream.abort(),
      closed: () => closed++,
    };
    const streams: Stream[] = [];
    using _listener = loop.accept(fd, {
      accepted(stream) {
        streams.push(stream);
        return handler;
      },
    });
    for (let index = 0; index < 300; index++) streams.push(loop.connect(endpoint, handler));
    until(loop, "connections", () => streams.length === 600);
    for (const stream of streams) stream.write(pattern(5000));
    loop.turn(false);
    for (const stream of streams) stream.abort();
    until(loop, "all closed", () => closed === 600);
    expect(loop.stats()).toMatchObject({ streams: 0, chunksLent: 0, inFlight: 1 });
  });
});

describe("choosing an engine", () => {
  test("auto takes io_uring where it works, and says why", () => {
    const lines: unknown[] = [];
    using loop = openLoop({ engine: "auto", log: { ...SILENT, info: (name, fields) => lines.push([name, fields]) } });
    expect(lines).toEqual([["loop.opened", { engine: loop.engine, why: loop.why }]]);
    expect(loop.why).not.toBe("");
  });

  test("auto falls back to epoll where io_uring is forbidden, and works", () => {
    const program = new URL("programs/no-ring.ts", import.meta.url).pathname;
    const told: unknown = JSON.parse(execFileSync(process.execPath, [program], { encoding: "utf8" }));
    expect(told).toEqual({ engine: "epoll", why: "io_uring is forbidden to this process (a seccomp filter?)" });
  });

  test.each([
    [{ call: "io_uring_setup", errno: "EPERM" }, "2", "kernel.io_uring_disabled is 2"],
    [{ call: "io_uring_setup", errno: "EPERM" }, "0", "io_uring is forbidden to this process (a seccomp filter?)"],
    [{ call: "io_uring_setup", errno: "ENOSYS" }, undefined, "the kernel is built without io_uring"],
    [{ call: "io_uring_setup", errno: "EINVAL" }, undefined, "the kernel is older than 6.1 (no deferred task work)"],
    [{ why: "features" }, "0", "the kernel is older than 6.1 (no deferred task work)"],
    [
      { call: "io_uring_setup", errno: "ENOMEM" },
      "0",
      "RING_SETUP: io_uring could not be set up (call=io_uring_setup, errno=ENOMEM)",
    ],
  ])("without a ring the reason is one that an operator can act on: %j, %s", (fields, disabled, why) => {
    expect(whyNot(new Fault("RING_SETUP", fields), disabled)).toBe(why);
  });
});

describe("waiting for several completions", () => {
  test("ends with the first one where no more come", () => {
    const ring = new Ring(8);
    try {
      ring.prepare(OP_NOP, -1, 0, 0, 0, 7, 9, 0);
      // Far beyond what a test may take: it returns because of the one completion, or not at all.
      ring.enter(ring.gathers ? 5 : 1, bootNow() + 3_600_000);
      const at = ring.completions + (((ring.words[ring.completionHead] ?? 0) & ring.completionMask) << 2);
      expect(ring.completed).toBe(1);
      expect([ring.words[at], ring.words[at + 1]]).toEqual([7, 9]);
    } finally {
      ring.dispose();
    }
  });
});

const OP_NOP = 0;
