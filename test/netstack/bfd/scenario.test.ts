/** Two engines, a wire with loss, delay, one-way failures and restarts, under a virtual clock. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { instant, ms } from "../../../base/unit.ts";
import type { Action, SessionConfig } from "../../../netstack/bfd/event.ts";
import { A, B, config, Engine, TIMING } from "./fixture.ts";

class Wire {
  now = 1000;
  readonly ends: [Engine, Engine];
  readonly moves: { readonly at: number; readonly end: 0 | 1; readonly to: string; readonly why: string }[] = [];
  readonly #configs: [SessionConfig, SessionConfig];
  readonly #queue: { readonly at: number; readonly to: 0 | 1; readonly bytes: Uint8Array; readonly echo: boolean }[] =
    [];
  /** Packets of this end are lost. */
  readonly cut: [boolean, boolean] = [false, false];
  loss = 0;
  /** The peer's forwarding plane returns echoes. */
  forwards = true;
  readonly #random: () => number;

  constructor(a: Partial<SessionConfig> = {}, b: Partial<SessionConfig> = {}, seed = 1) {
    const dice = new Engine(seed);
    this.#random = () => dice.random();
    this.#configs = [config({ peer: B, ...a }), config({ peer: A, ...b })];
    this.ends = [new Engine(seed * 2 + 1), new Engine(seed * 2 + 2)];
    this.#start(0);
    this.#start(1);
  }

  pass(span: number): void {
    const until = this.now + span;
    for (;;) {
      const next = this.#queue.reduce<number>((least, each) => Math.min(least, each.at), Number.POSITIVE_INFINITY);
      const wake = Math.min(...this.ends.map((end) => end.sessions.nextWake() ?? Number.POSITIVE_INFINITY));
      const at = Math.max(this.now, Math.min(next, wake));
      if (at > until) break;
      this.now = at;
      const index = this.#queue.findIndex((each) => each.at <= at);
      const arrived = index < 0 ? undefined : this.#queue.splice(index, 1)[0];
      for (const end of this.ends) end.now = instant(at);
      if (arrived?.echo === true) {
        this.#perform(arrived.to, this.ends[arrived.to].sessions.echoed(arrived.bytes, A, instant(at)) ?? []);
      } else if (arrived !== undefined) {
        const from = arrived.to === 0 ? B : A;
        this.#perform(arrived.to, this.ends[arrived.to].receive(arrived.bytes, { from, to: undefined }));
      } else {
        for (const end of [0, 1] as const) this.#perform(end, this.ends[end].sessions.wake(instant(at), true));
      }
    }
    this.now = until;
  }
  configure(end: 0 | 1, changes: Partial<SessionConfig>): void {
    this.#configs[end] = { ...this.#configs[end], ...changes };
    this.ends[end].now = instant(this.now);
    this.#perform(end, this.ends[end].configure([this.#configs[end]]));
  }
  /** The process dies and another one begins: new numbers, no memory. */
  restart(end: 0 | 1): void {
    this.ends[end] = new Engine(Math.floor(this.#random() * 1e9));
    this.#start(end);
  }
  states(): readonly string[] {
    return this.ends.map((end) => end.only().state);
  }
  settle(): this {
    this.pass(5000);
    if (!this.states().every((state) => state === "up")) throw new Error(`not up: ${String(this.states())}`);
    this.moves.length = 0;
    return this;
  }

  #start(end: 0 | 1): void {
    this.ends[end].now = instant(this.now);
    this.#perform(end, this.ends[end].configure([this.#configs[end]]));
  }
  #perform(end: 0 | 1, actions: readonly Action[]): void {
    for (const action of actions) {
      if (action.kind === "moved") {
        this.moves.push({ at: this.now, end, to: action.to, why: action.session.diagnostic });
      }
      if (action.kind !== "send" && action.kind !== "echo") continue;
      if (this.cut[end] || this.#random() < this.loss) continue;
      const echo = action.kind === "echo";
      if (echo && (!this.forwards || this.cut[1 - end])) continue;
      const to = echo ? end : ((1 - end) as 0 | 1);
      this.#queue.push({ at: this.now + 0.1 + this.#random() * 0.4, to, bytes: action.octets, echo });
    }
  }
}

describe("two ends", () => {
  test("come up within a few seconds and stay up", () => {
    const wire = new Wire().settle();
    wire.pass(60_000);
    expect(wire.moves).toEqual([]);
  });
  test.each([3.3, 10, 20, 50, 100, 1000])("RFC 7419 §2: the common interval %d ms", (interval) => {
    const timing = { ...TIMING, desiredMinTx: ms(interval), requiredMinRx: ms(interval) };
    const wire = new Wire({ timing }, { timing }).settle();
    for (const end of wire.ends)
      expect(end.only()).toMatchObject({ txInterval: interval, detectionTime: interval * 3 });
  });
  test("an active and a passive one come up, two passive ones never speak", () => {
    new Wire({ role: "active" }, { role: "passive" }).settle();
    const mute = new Wire({ role: "passive" }, { role: "passive" });
    mute.pass(10_000);
    expect(mute.states()).toEqual(["down", "down"]);
    expect(mute.ends.map((end) => end.only().sent)).toEqual([0, 0]);
  });
  test("§6.8.4: cut both ways: both are down within the detection time", () => {
    const wire = new Wire().settle();
    wire.cut.fill(true);
    const at = wire.now;
    wire.pass(151);
    const why = "control-detection-expired";
    expect(wire.moves.map((each) => [each.to, each.why])).toEqual([
      ["down", why],
      ["down", why],
    ]);
    expect(new Set(wire.moves.map(({ end }) => end)).size).toBe(2);
    expect(Math.max(...wire.moves.map((each) => each.at)) - at).toBeLessThanOrEqual(150.5);
  });
  test("§6.8.6: cut one way: the deaf end says so, and the other believes it at once", () => {
    const wire = new Wire().settle();
    wire.cut[0] = true;
    wire.pass(151);
    expect(wire.moves.slice(0, 2)).toMatchObject([
      { end: 1, to: "down", why: "control-detection-expired" },
      { end: 0, to: "down", why: "neighbor-down" },
    ]);
    const [first, second] = wire.moves;
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeLessThan(1);
  });
  test("a restart is heard from the new one's first packet, and both are up again", () => {
    const wire = new Wire().settle();
    wire.restart(1);
    wire.pass(5000);
    expect(wire.moves[0]).toMatchObject({ end: 0, to: "down", why: "neighbor-down" });
    expect(wire.states()).toEqual(["up", "up"]);
  });
  test.each(["md5", "sha1", "meticulous-md5", "meticulous-sha1"] as const)(
    "§6.7: a restart under %s, whose numbers begin anywhere: up again after the window is forgotten",
    (type) => {
      const auth = { type, keyId: 1, key: Uint8Array.of(1, 2, 3) };
      const wire = new Wire({ auth }, { auth }).settle();
      wire.restart(1);
      wire.pass(10_000);
      expect(wire.states()).toEqual(["up", "up"]);
    },
  );
  test.each(["md5", "sha1", "meticulous-md5", "meticulous-sha1"] as const)(
    "§6.7: %s: a key changed at one end, a second later at the other, costs nothing",
    (type) => {
      const key = (octet: number) => ({ type, keyId: 1, key: new Uint8Array(16).fill(octet) });
      const wire = new Wire({ auth: key(1) }, { auth: key(1) });
      wire.pass(5000);
      wire.configure(0, { auth: key(2) });
      wire.pass(1000);
      wire.configure(1, { auth: key(2) });
      wire.pass(60_000);
      expect(wire.states()).toEqual(["up", "up"]);
      expect(wire.moves.filter(({ to }) => to === "down")).toEqual([]);
    },
  );

  test("one packet in ten lost: 50 ms x 3 flaps rarely, and always comes back", () => {
    const wire = new Wire().settle();
    wire.loss = 0.1;
    wire.pass(60_000);
    const downs = wire.moves.filter(({ to }) => to === "down").length;
    expect(downs).toBeLessThan(20);
    wire.loss = 0;
    wire.settle();
  });
  test("§6.8.3: parameters change again and again, also under loss: nothing flaps but by loss, and both agree", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.array(
          fc.record({
            end: fc.constantFrom(0, 1),
            tx: fc.integer({ min: 5, max: 400 }),
            rx: fc.integer({ min: 5, max: 400 }),
            multiplier: fc.integer({ min: 3, max: 9 }),
            wait: fc.integer({ min: 0, max: 900 }),
          }),
          { maxLength: 12 },
        ),
        (seed, changes) => {
          const wire = new Wire({}, {}, seed).settle();
          for (const { end, tx, rx, multiplier, wait } of changes) {
            const timing = { ...TIMING, desiredMinTx: ms(tx), requiredMinRx: ms(rx), multiplier };
            wire.configure(end as 0 | 1, { timing });
            wire.pass(wait);
          }
          wire.pass(3000);
          expect(wire.moves).toEqual([]);
          const [a, b] = wire.ends.map((one) => one.only());
          for (const [one, other] of [
            [a, b],
            [b, a],
          ]) {
            expect(one?.txInterval).toBe(
              Math.max(one?.config.timing.desiredMinTx ?? 0, other?.config.timing.requiredMinRx ?? 0),
            );
            expect(one?.detectionTime).toBe((other?.config.timing.multiplier ?? 0) * (other?.txInterval ?? 0));
          }
        },
      ),
      { numRuns: 40 },
    );
  });
  test("§6.6: demand mode, on one side or on both, is quiet and still notices", () => {
    const timing = { ...TIMING, demand: true };
    for (const other of [TIMING, timing]) {
      const wire = new Wire({ timing }, { timing: other }).settle();
      const before = wire.ends[1].only().sent;
      wire.pass(10_000);
      expect(wire.moves).toEqual([]);
      expect(wire.ends[1].only().sent - before).toBeLessThan(40);
      wire.cut.fill(true);
      wire.pass(1500);
      expect(wire.ends[0].only().state).toBe("down");
    }
  });
  test("§6.6: demand mode is left without a flap", () => {
    const wire = new Wire({ timing: { ...TIMING, demand: true } }).settle();
    wire.pass(3000);
    wire.configure(0, { timing: TIMING });
    wire.pass(5000);
    expect(wire.moves).toEqual([]);
  });
});

describe("RFC 5880 §6.4: echo", () => {
  const sends = { ...TIMING, echoTx: ms(20) };
  const returns = { ...TIMING, requiredMinEchoRx: ms(20) };

  test("works where the peer offers it; control packets become few", () => {
    const wire = new Wire({ timing: sends }, { timing: returns }).settle();
    expect(wire.ends[0].only().echo.working).toBe(true);
    expect(wire.ends[1].only().txInterval).toBe(1000);
    const before = wire.ends[1].only().sent;
    wire.pass(10_000);
    expect(wire.ends[1].only().sent - before).toBeLessThan(20);
    expect(wire.moves).toEqual([]);
  });
  test("§6.8.9: never more often than the peer can bear", () => {
    const wire = new Wire({ timing: sends }, { timing: { ...returns, requiredMinEchoRx: ms(70) } }).settle();
    expect(wire.ends[0].only().echo.interval).toBe(70);
  });
  test("§6.8.5: the peer's forwarding ends: down with diagnostic 2 while control packets still pass", () => {
    const wire = new Wire({ timing: sends }, { timing: returns }).settle();
    wire.forwards = false;
    wire.pass(100);
    expect(wire.moves[0]).toMatchObject({ end: 0, to: "down", why: "echo-failed" });
  });
  test("§6.8.6: the peer takes its offer back: echoes cease, the session stays up", () => {
    const wire = new Wire({ timing: sends }, { timing: returns }).settle();
    wire.configure(1, { timing: TIMING });
    wire.pass(3000);
    expect(wire.ends[0].only().echo.interval).toBeUndefined();
    expect(wire.moves).toEqual([]);
    expect(wire.ends[1].only().txInterval).toBe(50);
  });
  test("a peer that never returned an echo is not taken for one that fails", () => {
    const wire = new Wire({ timing: sends }, { timing: returns });
    wire.forwards = false;
    wire.settle();
    wire.pass(10_000);
    expect(wire.moves).toEqual([]);
    expect(wire.ends[0].only().echo.working).toBe(false);
  });
  test("RFC 5883 §3: not over several hops", () => {
    const far = { hops: "multi", minTtl: 1 } as const;
    const wire = new Wire({ ...far, timing: sends }, { ...far, timing: returns });
    wire.pass(3000);
    expect(wire.ends[0].only().echo.interval).toBeUndefined();
  });
});
