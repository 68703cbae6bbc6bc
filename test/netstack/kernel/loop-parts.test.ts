/** The contract of netstack/kernel/loop.ts for everything but streams, on both engines. */
import { describe, expect, test } from "vitest";
import { after, instant, ms } from "../../../base/unit.ts";
import * as libc from "../../../netstack/kernel/libc.ts";
import { ENGINES, listening, open, Probe, pair, unixPair, until } from "./loop-probe.ts";

describe.each(ENGINES)("a loop on %s: time", (engine) => {
  test("wakes in the order of the deadlines, never early, and not at all when disposed", () => {
    using loop = open(engine);
    const woken: string[] = [];
    const start = loop.now();
    const note = (name: string, at: number) => () => {
      expect(loop.now()).toBeGreaterThanOrEqual(at);
      woken.push(name);
    };
    const at = (span: number) => after(start, ms(span));
    loop.wakeAt(at(3), note("third", at(3)));
    loop.wakeAt(at(1), note("first", at(1)));
    const never = loop.wakeAt(at(1.5), () => woken.push("never"));
    loop.wakeAt(at(1.25), note("second", at(1.25)));
    never[Symbol.dispose]();
    until(loop, "three", () => woken.length === 3);
    expect(woken).toEqual(["first", "second", "third"]);
    never[Symbol.dispose]();
  });

  test("a deadline in the past fires in the next turn; one that arms itself anew starves nobody", () => {
    using loop = open(engine);
    let wakes = 0;
    const again = (): void => {
      wakes++;
      loop.wakeAt(instant(0), again);
    };
    loop.wakeAt(instant(0), again);
    for (let turn = 1; turn <= 3; turn++) {
      loop.turn(true);
      expect(wakes).toBe(turn);
    }
    expect(() => loop.wakeAt(instant(Number.NaN), again)).toThrow(TypeError);
  });

  test("a thousand timers added and removed in disorder fire exactly as told", () => {
    using loop = open(engine);
    const fired: number[] = [];
    const start = loop.now();
    const timers = Array.from({ length: 1000 }, (_, index) => {
      const span = ((index * 7919) % 1000) / 200;
      return { span, timer: loop.wakeAt(after(start, ms(span)), () => fired.push(span)) };
    });
    timers.forEach(({ timer }, index) => {
      if (index % 3 === 0) timer[Symbol.dispose]();
    });
    const want = timers.flatMap(({ span }, index) => (index % 3 === 0 ? [] : [span]));
    until(loop, "all", () => fired.length === want.length);
    expect(fired).toEqual(want.toSorted((a, b) => a - b));
  });

  test("turnAt stands still within a turn", () => {
    using loop = open(engine);
    let seen = 0;
    loop.wakeAt(loop.now(), () => {
      const first = loop.turnAt();
      while (loop.now() === first);
      expect(loop.turnAt()).toBe(first);
      seen++;
    });
    until(loop, "a turn", () => seen === 1);
  });

  test("run ends when a handler stops it, with what was written on its way", () => {
    using loop = open(engine);
    const { near, farProbe } = pair(loop);
    loop.wakeAt(loop.now(), () => {
      near.write(Buffer.from("bye"));
      expect(() => loop.turn(false)).toThrow(TypeError);
      loop.stop();
    });
    loop.run();
    until(loop, "bye", () => farProbe.text === "bye");
  });
});

describe.each(ENGINES)("a loop on %s: listeners and watched descriptors", (engine) => {
  test("a connection for which the acceptor has no handler is closed", () => {
    using loop = open(engine);
    const { fd, endpoint } = listening();
    using _listener = loop.accept(fd, { accepted: () => undefined });
    const probe = new Probe(loop);
    loop.connect(endpoint, probe);
    until(loop, "FIN", () => probe.ends === 1);
  });

  test("disposing a listener closes it, also from within accepted", () => {
    using loop = open(engine);
    const { fd, endpoint } = listening();
    const far = new Probe(loop);
    const listener = loop.accept(fd, {
      accepted() {
        listener[Symbol.dispose]();
        return far;
      },
    });
    const first = new Probe(loop);
    const stream = loop.connect(endpoint, first);
    until(loop, "open", () => first.opens === 1 && stream.remote !== undefined);
    for (let turn = 0; turn < 3; turn++) loop.turn(false);
    const second = new Probe(loop);
    loop.connect(endpoint, second);
    until(loop, "refusal", () => second.why !== undefined);
    expect(second.why).toEqual({ kind: "failed", errno: 111 });
    expect(first.why).toBeUndefined();
  });

  test("connections that were complete when the listener was disposed still come", () => {
    using loop = open(engine);
    const { fd, endpoint } = listening();
    let accepted = 0;
    const far = new Probe(loop);
    const listener = loop.accept(fd, {
      accepted() {
        accepted++;
        return accepted === 1 ? far : new Probe(loop);
      },
    });
    using other = open(engine);
    const clients = Array.from({ length: 3 }, () => new Probe(other));
    for (const client of clients) other.connect(endpoint, client);
    until(other, "three connections", () => clients.every((client) => client.opens === 1));
    listener[Symbol.dispose]();
    expect(accepted).toBe(0);
    until(loop, "all three", () => accepted === 3);
    for (let turn = 0; turn < 3; turn++) loop.turn(false);
    const late = new Probe(other);
    other.connect(endpoint, late);
    until(other, "refusal", () => late.why !== undefined);
    expect(late.why).toEqual({ kind: "failed", errno: 111 });
    expect(clients.every((client) => client.why === undefined)).toBe(true);
  });

  test("out of descriptors, accepting rests and goes on when some are free again", () => {
    using loop = open(engine);
    const { fd, endpoint } = listening();
    const far = new Probe(loop);
    const refused: number[] = [];
    let accepted = 0;
    using _listener = loop.accept(fd, {
      accepted() {
        accepted++;
        return far;
      },
      refused: (errno) => refused.push(errno),
    });
    const near = new Probe(loop);
    loop.connect(endpoint, near);
    const limits = new BigUint64Array(2);
    getrlimit(RLIMIT_NOFILE, limits);
    const before = limits.slice();
    // The client's descriptor is open already, so the limit is met by the accepted one alone.
    limits[0] = 3n;
    expect(setrlimit(RLIMIT_NOFILE, limits)).toBe(0);
    try {
      until(loop, "EMFILE", () => refused.length === 1);
    } finally {
      setrlimit(RLIMIT_NOFILE, before);
    }
    expect(refused).toEqual([24]);
    until(loop, "the connection", () => accepted === 1);
  });

  test("watch calls while the descriptor is readable, and no more once disposed", () => {
    using loop = open(engine);
    const [a, b] = unixPair();
    let calls = 0;
    const watch = loop.watch(a, () => {
      calls++;
      if (calls === 3) libc.recv(a, new Uint8Array(16), 16, 0);
      if (calls === 4) watch[Symbol.dispose]();
    });
    libc.sendto(b, Buffer.from("x"), 1, 0, null, 0);
    until(loop, "three calls", () => calls === 3);
    for (let turn = 0; turn < 3; turn++) loop.turn(false);
    expect(calls).toBe(3);
    libc.sendto(b, Buffer.from("x"), 1, 0, null, 0);
    until(loop, "the fourth", () => calls === 4);
    for (let turn = 0; turn < 3; turn++) loop.turn(false);
    expect(calls).toBe(4);
    expect(loop.stats().inFlight).toBe(0);
    libc.close(a);
    libc.close(b);
  });

  test("parts that were disposed of from within their own calls leave their places to one successor each", () => {
    using loop = open(engine);
    const pairs = Array.from({ length: 6 }, () => unixPair());
    const calls = pairs.map(() => 0);
    const begin = (index: number): void => {
      const watch = loop.watch(pairs[index]?.[0] ?? -1, () => {
        calls[index] = (calls[index] ?? 0) + 1;
        watch[Symbol.dispose]();
        watch[Symbol.dispose]();
      });
    };
    const poke = (index: number): unknown => libc.sendto(pairs[index]?.[1] ?? -1, Buffer.from("x"), 1, 0, null, 0);
    for (const index of [0, 1]) begin(index);
    for (const index of [0, 1]) poke(index);
    until(loop, "the first two", () => calls[0] === 1 && calls[1] === 1);
    for (const index of [2, 3, 4, 5]) begin(index);
    for (const index of [2, 3, 4, 5]) poke(index);
    until(loop, "all others", () => calls.every((count) => count === 1));
    for (let turn = 0; turn < 3; turn++) loop.turn(false);
    expect(calls).toEqual([1, 1, 1, 1, 1, 1]);
    expect(loop.stats().inFlight).toBe(0);
    for (const fd of pairs.flat()) libc.close(fd);
  });

  test("disposing the loop closes what it was given", () => {
    const loop = open(engine);
    const { fd } = listening();
    const [a, b] = unixPair();
    loop.accept(fd, { accepted: () => undefined });
    const probe = new Probe(loop);
    loop.adopt(a, probe);
    loop.turn(false);
    loop[Symbol.dispose]();
    expect(probe.why).toEqual({ kind: "finished" });
    expect([fd, a].map((each) => libc.close(each))).toEqual([-1, -1]);
    libc.close(b);
  });
});

const RLIMIT_NOFILE = 7;
const getrlimit = libc.declare<(resource: number, limits: BigUint64Array) => number>("int getrlimit(int, void *)");
const setrlimit = libc.declare<(resource: number, limits: BigUint64Array) => number>("int setrlimit(int, void *)");
