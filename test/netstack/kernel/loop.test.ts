/** The contract of netstack/kernel/loop.ts for streams, on both engines. */
import { describe, expect, test } from "vitest";
import { ipv4 } from "../../../base/address.ts";
import { EpollLoop } from "../../../netstack/kernel/epoll/epoll-loop.ts";
import * as libc from "../../../netstack/kernel/libc.ts";
import { DRAIN_MARK, type Stream } from "../../../netstack/kernel/loop.ts";
import { RingLoop } from "../../../netstack/kernel/ring/ring-loop.ts";
import { ENGINES, listening, open, Probe, pair, pattern, unixPair, until } from "./loop-probe.ts";

describe.each(ENGINES)("a loop on %s: streams", (engine) => {
  test("connects, accepts and carries octets both ways", () => {
    using loop = open(engine);
    const { near, nearProbe, far, farProbe } = pair(loop);
    near.write(Buffer.from("ping"));
    until(loop, "ping", () => farProbe.text === "ping");
    far.write(Buffer.from("xpongx"), 1, 5);
    until(loop, "pong", () => nearProbe.text === "pong");
    until(loop, "the queue to empty", () => far.queued === 0);
    expect(near.queued).toBe(0);
    expect(loop.stats().chunksLent).toBe(0);
    expect(near.remote).toEqual(far.local);
    expect(far.remote).toEqual(near.local);
  });

  test("joins small writes and keeps their order with forwarded chunks between them", () => {
    using loop = open(engine);
    const { near, nearProbe, farProbe } = pair(loop);
    farProbe.onReceived = (stream, chunk, start, end) => {
      stream.write(Buffer.from("<"));
      stream.forward(chunk, start, end);
      stream.write(Buffer.from(">"));
    };
    near.write(Buffer.from("a"));
    until(loop, "the answer", () => nearProbe.text === "<a>");
    const large = pattern(4096).toString("latin1").replaceAll(/[<>]/g, "!");
    near.write(Buffer.from(large, "latin1"));
    until(loop, "the large answer", () => nearProbe.text.length >= 3 + 4096 + 2);
    expect(nearProbe.text.replaceAll(/[<>]/g, "")).toBe(`a${large}`);
    until(loop, "the chunks", () => loop.stats().chunksLent === 0);
  });

  test("forwards a lent chunk and takes it back when it is sent", () => {
    using loop = open(engine);
    const { near, nearProbe, far, farProbe } = pair(loop);
    farProbe.onReceived = (stream, chunk, start, end) => stream.forward(chunk, start, end);
    near.write(Buffer.from("echo"));
    until(loop, "echo", () => nearProbe.text === "echo");
    until(loop, "the chunk", () => loop.stats().chunksLent === 0);
    expect(far.queued).toBe(0);
  });

  test("end sends FIN after what is queued; closed comes when both directions have ended", () => {
    using loop = open(engine);
    const { near, nearProbe, far, farProbe } = pair(loop);
    near.write(Buffer.from("last"));
    near.end();
    expect(() => near.write(Buffer.from("x"))).toThrow(TypeError);
    until(loop, "FIN", () => farProbe.ends === 1);
    expect(farProbe.text).toBe("last");
    far.write(Buffer.from("answer"));
    far.end();
    until(loop, "both closed", () => nearProbe.why !== undefined && farProbe.why !== undefined);
    expect(nearProbe.text).toBe("answer");
    expect(nearProbe.why).toEqual({ kind: "finished" });
    expect(farProbe.why).toEqual({ kind: "finished" });
  });

  test("close sends everything queued, then closes; later calls are harmless", () => {
    using loop = open(engine);
    const { near, nearProbe, farProbe } = pair(loop);
    const octets = pattern(3_000_000);
    near.write(octets);
    near.close();
    near.write(Buffer.from("dropped"));
    until(loop, "all of it", () => farProbe.ends === 1);
    expect(farProbe.text === octets.toString("latin1")).toBe(true);
    expect(nearProbe.why).toEqual({ kind: "finished" });
    near.write(Buffer.from("dropped"));
    near.pause();
    near.close();
    near.abort();
    loop.turn(false);
    loop.turn(false);
  });

  test("abort resets the peer and drops what is queued", () => {
    using loop = open(engine);
    const { near, nearProbe, far, farProbe } = pair(loop);
    far.pause();
    near.write(pattern(8_000_000));
    loop.turn(false);
    loop.turn(false);
    expect(near.queued).toBeGreaterThan(0);
    near.abort();
    until(loop, "closed here", () => nearProbe.why !== undefined);
    expect(nearProbe.why).toEqual({ kind: "finished" });
    far.resume();
    until(loop, "RST there", () => farProbe.why !== undefined);
    expect(farProbe.why).toEqual({ kind: "failed", errno: 104 });
    expect(loop.stats()).toMatchObject({ streams: 0, chunksLent: 0, inFlight: 0 });
  });

  test("a paused stream receives nothing until it is resumed, and loses nothing", () => {
    using loop = open(engine);
    const { near, far, farProbe } = pair(loop);
    far.pause();
    loop.turn(false);
    loop.turn(false);
    const octets = pattern(500_000);
    near.write(octets);
    for (let turn = 0; turn < 20; turn++) loop.turn(false);
    expect(farProbe.text).toBe("");
    far.resume();
    far.pause();
    far.resume();
    until(loop, "all of it", () => farProbe.text.length === octets.length);
    expect(farProbe.text === octets.toString("latin1")).toBe(true);
  });

  test("drained follows when a queue that outgrew the socket has emptied", () => {
    using loop = open(engine);
    const { near, nearProbe, far, farProbe } = pair(loop);
    near.write(Buffer.from("short"));
    until(loop, "short", () => farProbe.text === "short");
    expect(nearProbe.drains).toBe(0);
    far.pause();
    loop.turn(false);
    near.write(pattern(8_000_000));
    for (let turn = 0; turn < 5; turn++) loop.turn(false);
    expect(nearProbe.drains).toBe(0);
    far.resume();
    until(loop, "drained", () => nearProbe.drains === 1);
    expect(near.queued).toBe(0);
  });

  test("drained follows a queue of DRAIN_MARK although the socket took it at once", () => {
    using loop = open(engine);
    const { near, nearProbe } = pair(loop);
    near.write(pattern(DRAIN_MARK - 1));
    for (let turn = 0; turn < 10; turn++) loop.turn(false);
    expect([near.queued, nearProbe.drains]).toEqual([0, 0]);
    near.write(pattern(DRAIN_MARK));
    // Nothing else happens on this loop: the turn must not wait for another event.
    until(loop, "drained", () => nearProbe.drains === 1);
    expect(near.queued).toBe(0);
  });

  test("receiving waits while every chunk is lent and goes on when one is released", () => {
    using loop = open(engine, { chunks: 8 });
    const { near, farProbe } = pair(loop);
    const held: number[] = [];
    farProbe.onReceived = (_stream, chunk) => held.push(chunk);
    const octets = pattern(200_000);
    near.write(octets);
    until(loop, "all chunks", () => loop.stats().chunksLent === 8);
    for (let turn = 0; turn < 10; turn++) loop.turn(false);
    expect(held.length).toBe(8);
    until(loop, "the rest", () => {
      for (const chunk of held.splice(0)) loop.release(chunk);
      return farProbe.text.length === octets.length;
    });
    expect(farProbe.text === octets.toString("latin1")).toBe(true);
  });

  test("no octet leaves from outside the lent chunk", () => {
    using loop = open(engine);
    const { near, farProbe } = pair(loop);
    farProbe.onReceived = (stream, chunk, start, end) => {
      const size = loop.pool.chunkSize;
      for (const [c, s, e] of [
        [chunk, start - 1 - (start % size), end],
        [chunk, start, (chunk + 1) * size + 1],
        [chunk, end, start],
        [chunk, Number.NaN, end],
        [chunk, start + 0.5, end],
        [chunk + 1, start, end],
        [-1, start, end],
        [loop.pool.chunks, start, end],
        [1e9, start, end],
        [chunk + 0.5, start, end],
      ] as const)
        expect(() => stream.forward(c, s, e)).toThrow(TypeError);
      loop.release(chunk);
      expect(() => loop.release(chunk)).toThrow(TypeError);
      expect(() => stream.forward(chunk, start, end)).toThrow(TypeError);
    };
    near.write(Buffer.from("x"));
    until(loop, "x", () => farProbe.text === "x");
    for (const [s, e] of [
      [-1, 1],
      [0, 2],
      [1, 0],
      [Number.NaN, 1],
      [0.5, 1],
    ] as const)
      expect(() => near.write(Buffer.from("x"), s, e)).toThrow(TypeError);
  });

  test("a refused connection closes with its errno, not within connect", () => {
    using loop = open(engine);
    const { fd, endpoint } = listening();
    libc.close(fd);
    const probe = new Probe(loop);
    loop.connect(endpoint, probe);
    expect(probe.why).toBeUndefined();
    until(loop, "refusal", () => probe.why !== undefined);
    expect(probe.why).toEqual({ kind: "failed", errno: 111 });
    const foreign = new Probe(loop);
    loop.connect(endpoint, foreign, { ip: ipv4("192.0.2.1"), port: 0 });
    expect(foreign.why).toBeUndefined();
    until(loop, "EADDRNOTAVAIL", () => foreign.why !== undefined);
    expect(foreign.why).toEqual({ kind: "failed", errno: 99 });
    expect(probe.opens + foreign.opens).toBe(0);
  });

  test("connects from a given address, and may be closed or aborted before it is open", () => {
    using loop = open(engine);
    const { fd, endpoint } = listening();
    const accepted: Stream[] = [];
    const far = new Probe(loop);
    using _listener = loop.accept(fd, {
      accepted(stream) {
        accepted.push(stream);
        return accepted.length === 1 ? far : new Probe(loop);
      },
    });
    const near = new Probe(loop);
    const stream = loop.connect(endpoint, near, { ip: ipv4("127.0.0.9"), port: 0 });
    stream.write(Buffer.from("early"));
    stream.close();
    until(loop, "early", () => far.text === "early" && near.why !== undefined);
    expect(accepted[0]?.remote?.ip).toBe(ipv4("127.0.0.9"));
    const gone = new Probe(loop);
    loop.connect(endpoint, gone).abort();
    until(loop, "gone", () => gone.why !== undefined);
    expect(gone.calls).toEqual(["closed"]);
  });

  test("an answer that came before the peer closed is delivered although sending failed", () => {
    using loop = open(engine);
    const { near, nearProbe, far, farProbe } = pair(loop);
    farProbe.onReceived = (stream, chunk) => {
      loop.release(chunk);
      stream.pause();
      if (farProbe.text.length < 5000) {
        stream.write(Buffer.from("413"));
        stream.close();
      }
    };
    near.write(pattern(100));
    until(loop, "the peer to close", () => farProbe.why !== undefined);
    near.write(pattern(1_000_000));
    until(loop, "the answer", () => nearProbe.text === "413");
    until(loop, "FIN or RST", () => nearProbe.ends === 1 || nearProbe.why !== undefined);
    near.write(pattern(1000));
    near.close();
    until(loop, "closed", () => nearProbe.why !== undefined);
    expect(far.queued).toBe(0);
    expect(loop.stats()).toMatchObject({ streams: 0, chunksLent: 0, inFlight: 0 });
  });

  test("a handler may be replaced, and may do anything to its stream while it is called", () => {
    using loop = open(engine);
    for (const act of ["close", "abort", "end", "pause"] as const) {
      const { near, nearProbe, far, farProbe } = pair(loop);
      const second = new Probe(loop);
      farProbe.onReceived = (stream, chunk) => {
        loop.release(chunk);
        stream.handler = second;
        stream[act]();
        expect(farProbe.why).toBeUndefined();
        expect(second.why).toBeUndefined();
      };
      near.write(pattern(100));
      until(loop, "received", () => farProbe.calls.length === 1);
      near.abort();
      far.abort();
      until(loop, `closed after ${act}`, () => nearProbe.why !== undefined && second.why !== undefined);
      expect(farProbe.why).toBeUndefined();
    }
    expect(loop.stats()).toMatchObject({ streams: 0, chunksLent: 0, inFlight: 0 });
  });

  test("adopts a connected socket of another family", () => {
    using loop = open(engine);
    const [a, b] = unixPair();
    const [probeA, probeB] = [new Probe(loop), new Probe(loop)];
    const stream = loop.adopt(a, probeA);
    loop.adopt(b, probeB).write(Buffer.from("unix"));
    until(loop, "unix", () => probeA.text === "unix");
    expect(stream.remote).toBeUndefined();
    stream.end();
    until(loop, "FIN", () => probeB.ends === 1);
  });

  test("carries a megabyte through an echo that forwards, in order, under back pressure", () => {
    using loop = open(engine, { chunks: 32 });
    const { near, nearProbe, far, farProbe } = pair(loop);
    farProbe.onReceived = (stream, chunk, start, end) => {
      stream.forward(chunk, start, end);
      if (stream.queued > 40_000) stream.pause();
    };
    farProbe.drained = () => far.resume();
    const octets = pattern(1_000_000);
    near.write(octets);
    near.end();
    until(loop, "the echo", () => {
      if (far.queued === 0) far.resume();
      return nearProbe.text.length === octets.length;
    });
    expect(nearProbe.text === octets.toString("latin1")).toBe(true);
    far.end();
    until(loop, "closed", () => nearProbe.why !== undefined);
    expect(loop.stats()).toMatchObject({ streams: 0, chunksLent: 0, inFlight: 0 });
  });

  test("every TCP stream sends without delay, accepted or opened", () => {
    using loop = open(engine);
    const { near, far } = pair(loop);
    for (const { fd } of [near, far]) {
      const value = new Uint8Array(4);
      libc.must(libc.getsockopt(fd, 6, 1, value, Uint32Array.of(4)), "getsockopt");
      expect(value[0]).toBe(1);
    }
  });

  test("a stream whose copies find no room fails with ENOBUFS; others go on", () => {
    const sizes = { chunkSize: 4096, chunks: 16, blocks: 4 };
    using loop = engine === "epoll" ? new EpollLoop(sizes, "test") : new RingLoop(sizes, "test");
    const greedy = pair(loop);
    const modest = pair(loop);
    greedy.near.write(pattern(5 * 4096));
    until(loop, "failure", () => greedy.nearProbe.why !== undefined);
    expect(greedy.nearProbe.why).toEqual({ kind: "failed", errno: 105 });
    modest.near.write(pattern(4 * 4096));
    until(loop, "all of it", () => modest.farProbe.text.length === 4 * 4096);
    expect(loop.pool.blocksUsed).toBe(0);
  });
});
