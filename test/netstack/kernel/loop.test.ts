import { describe, expect, test } from "vitest";
import { type Engine, open, pair, until } from "./loop-probe.ts";

const ENGINES: readonly Engine[] = ["io_uring"];

describe.each(ENGINES)("a loop on %s: streams", (engine) => {
  test("connects, accepts and carries octets both ways", () => {
    using loop = open(engine);
    const { near, nearProbe, far, farProbe } = pair(loop);
    near.write(Buffer.from("ping"));
    until(loop, "ping", () => farProbe.text === "ping");
    far.write(Buffer.from("xpongx"), 1, 5);
    until(loop, "pong", () => nearProbe.text === "pong");
    expect(near.queued).toBe(0);
    expect(loop.stats().chunksLent).toBe(0);
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
    until(loop, "FIN", () => farProbe.ends === 1);
    expect(farProbe.text).toBe("last");
    far.write(Buffer.from("answer"));
    far.end();
    until(loop, "both closed", () => nearProbe.why !== undefined && farProbe.why !== undefined);
    expect(nearProbe.text).toBe("answer");
    expect(nearProbe.why).toEqual({ kind: "finished" });
    expect(farProbe.why).toEqual({ kind: "finished" });
  });

  test("abort resets the peer", () => {
    using loop = open(engine);
    const { near, nearProbe, farProbe } = pair(loop);
    near.abort();
    until(loop, "RST", () => farProbe.why !== undefined);
    expect(farProbe.why).toEqual({ kind: "failed", errno: 104 });
    expect(nearProbe.why).toEqual({ kind: "finished" });
  });
});
