/** What an idle worker does: almost nothing, and yet every deadline is what it was. */
import { describe, expect, test } from "vitest";
import { ipv4 } from "../../base/address.ts";
import { SILENT } from "../../base/log.ts";
import { Timed, Wheel } from "../../proxy/wheel.ts";
import { Worker } from "../../proxy/worker.ts";
import { FakeLoop } from "./fake-loop.ts";
import { proxy } from "./rig.ts";

class Entry extends Timed {
  expiredAt: number | undefined;
  readonly #wheel: Wheel;
  constructor(wheel: Wheel) {
    super();
    this.#wheel = wheel;
  }
  expired(): void {
    this.expiredAt = this.#wheel.tick;
  }
}

describe("a wheel in which nothing hangs", () => {
  test("may skip ticks, and says when it must turn again", () => {
    let roused = 0;
    const wheel = new Wheel(() => {
      roused++;
      wheel.skip(7);
    });
    const [a, b] = [new Entry(wheel), new Entry(wheel)];
    expect(wheel.empty).toBe(true);
    wheel.arm(a, 3);
    expect([roused, wheel.tick, a.due]).toEqual([1, 8, 11]);
    wheel.arm(b, 5);
    wheel.arm(a, 4);
    expect(roused).toBe(1);
    expect(() => wheel.skip(1)).toThrow(TypeError);
    for (let tick = 0; tick < 5; tick++) wheel.advance();
    expect([a.expiredAt, b.expiredAt, wheel.empty]).toEqual([12, 13, true]);
  });

  test("is empty after whatever order of arming, disarming, removing and turning has emptied it", () => {
    const wheel = new Wheel();
    const entries = Array.from({ length: 50 }, () => new Entry(wheel));
    entries.forEach((each, n) => wheel.arm(each, 1 + ((n * 7) % 40)));
    for (let tick = 0; tick < 10; tick++) wheel.advance();
    entries.forEach((each, n) => {
      if (n % 3 === 0) wheel.remove(each);
      if (n % 3 === 1) wheel.disarm(each);
    });
    expect(wheel.empty).toBe(false);
    for (let tick = 0; tick < 40; tick++) wheel.advance();
    expect(wheel.empty).toBe(true);
    expect(entries.filter((each, n) => n % 3 === 2 && each.expiredAt === undefined)).toEqual([]);
  });
});

/** Counts how often its time is asked for, which is when somebody is awake. */
class CountingLoop extends FakeLoop {
  alarms = 0;
  override wakeAt(...[at, wake]: Parameters<FakeLoop["wakeAt"]>): Disposable {
    return super.wakeAt(at, () => {
      this.alarms++;
      wake();
    });
  }
}

function working() {
  const loop = new CountingLoop();
  const worker = new Worker({
    loop,
    log: SILENT,
    index: 1,
    pid: 1,
    descriptors: 1000,
    send: () => undefined,
    sink: (octets) => octets.length,
    close: () => undefined,
    wallClock: () => loop.now(),
    chance: () => 0.5,
    seed: new Uint8Array(12),
    finished: () => undefined,
  });
  worker.start();
  worker.plane.socket("web", 5);
  worker.message({ kind: "config", config: proxy() });
  loop.pass(1000);
  return { loop, worker };
}

describe("a worker to which nobody is connected", () => {
  test("wakes once a second", () => {
    const { loop, worker } = working();
    loop.alarms = 0;
    const [tick, date] = [worker.traffic.wheel.tick, Buffer.from(worker.traffic.date).toString()];
    loop.pass(20_000);
    expect(loop.alarms).toBe(20);
    expect(worker.traffic.wheel.tick).toBe(tick + 200);
    expect(Buffer.from(worker.traffic.date).toString()).not.toBe(date);
  });

  test.each([0, 50, 450, 999])("a client that comes %i ms into its rest is dropped after as long as any", (into) => {
    const { loop } = working();
    loop.pass(10_000 + into);
    const begun = loop.now();
    const stream = loop.arrive(5, { ip: ipv4("192.0.2.7"), port: 1 });
    if (stream === undefined) throw new TypeError("refused");
    loop.alarms = 0;
    for (let passed = 0; !stream.finSent && stream.why === undefined && passed < 200_000; passed += 10) loop.pass(10);
    const waited = loop.now() - begun;
    expect(waited).toBeGreaterThanOrEqual(75_000);
    expect(waited).toBeLessThanOrEqual(75_300);
    expect(loop.alarms).toBeGreaterThan(700);
  });
});
