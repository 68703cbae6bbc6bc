/** What is imposed on a path is read back from its figures; how death is told, and when. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CONFIG, PACE, World } from "./world.ts";

describe("what is imposed is read back", () => {
  test("delay: the round trip without the reflector's time, whatever the clocks say", () => {
    const world = new World();
    world.out.delay = () => 12;
    world.back.delay = () => 30;
    world.held = 7;
    world.run(6000);
    const { rtt, jitterOut, jitterBack } = world.figures();
    for (const value of [rtt?.smoothed, rtt?.least, rtt?.median, rtt?.p95, rtt?.recent])
      expect(value).toBeCloseTo(42, 2);
    expect(jitterOut).toBeCloseTo(0, 2);
    expect(jitterBack).toBeCloseTo(0, 2);
  });

  test("jitter of each direction alone (RFC 3550 §6.4.1): uniform in ±j makes 2j/3", () => {
    const world = new World(5);
    world.out.delay = () => 20 + (world.random() * 2 - 1) * 6;
    world.run(30_000);
    const { jitterOut, jitterBack } = world.figures();
    expect(jitterOut).toBeGreaterThan(2);
    expect(jitterOut).toBeLessThan(6.5);
    expect(jitterBack).toBeCloseTo(0, 2);
  });

  test("loss of each direction by the reflector's count, with an interval that holds the truth", () => {
    const world = new World(3);
    world.out.loss = 0.06;
    world.back.loss = 0.01;
    world.run(12_000);
    const { lossOut, lossBack, loss } = world.figures();
    expect(lossOut?.of).toBeGreaterThan(100);
    expect(lossOut?.low).toBeLessThan(6);
    expect(lossOut?.high).toBeGreaterThan(6);
    expect(lossBack?.low).toBeLessThan(1.01);
    expect(lossBack?.high).toBeGreaterThan(0.99);
    expect(loss.of).toBeGreaterThanOrEqual(100);
    expect(lossOut?.percent).toBeGreaterThan(lossBack?.percent ?? 100);
  });

  test("a path without loss has none, and at least a hundred probes say so", () => {
    const world = new World();
    world.run(6000);
    const { loss, lossOut, lossBack, reordered, duplicated, mos } = world.figures();
    expect(loss.percent).toBe(0);
    expect(loss.of).toBeGreaterThanOrEqual(100);
    expect([lossOut?.percent, lossBack?.percent, reordered, duplicated]).toEqual([0, 0, 0, 0]);
    expect(mos).toBeGreaterThan(4.3);
  });
});

describe("before a path is up", () => {
  test("what was asked of nothing is no loss, neither shown nor counted", () => {
    const world = new World();
    world.out.loss = 1;
    world.run(5000);
    expect(world.sender.figures(world.now, 0)).toBeUndefined();
    expect(world.sender.life.kind).toBe("dead");
    world.out.loss = 0;
    world.run(2000);
    const { loss, counted } = world.figures();
    expect(loss.percent).toBe(0);
    expect(loss.of).toBeGreaterThan(20);
    expect(counted?.round).toEqual({ of: loss.of, lost: 0 });
  });

  test("what was lost while it was up stays a loss; what was lost while it was made anew does not", () => {
    const world = new World();
    world.run(2000);
    world.out.loss = 1;
    world.run(2000);
    const lost = world.figures().counted?.round?.lost ?? 0;
    expect(lost).toBeGreaterThan(3);
    world.perform(world.sender.interrupt("the device is another"));
    world.run(2000);
    world.out.loss = 0;
    world.run(2000);
    expect(world.figures().counted?.round?.lost).toBe(lost);
  });
});

describe("loss of traffic (RFC 8972 §4.5)", () => {
  test("a path that carries nothing asks for counters five times a second, one that does with each probe", () => {
    const world = new World();
    world.run(5000);
    const before = { counting: world.counting, sent: world.sender.sent };
    world.run(10_000);
    expect(world.counting - before.counting).toBeLessThanOrEqual(52);
    expect(world.counting - before.counting).toBeGreaterThanOrEqual(45);
    expect(world.sender.sent - before.sent).toBeGreaterThanOrEqual(195);
    world.traffic = { out: 1000, back: 1000 };
    world.run(3000);
    const busy = { counting: world.counting, sent: world.sender.sent };
    world.run(5000);
    expect(world.counting - busy.counting).toBe(world.sender.sent - busy.sent);
  });

  test("5 % at 1,000 packets a second is sure within half a second", () => {
    const world = new World(11);
    world.traffic = { out: 1000, back: 1000 };
    world.run(10_000);
    expect(world.figures().lossRecent?.high).toBeLessThan(3);
    world.out.loss = 0.05;
    world.run(500);
    expect(world.figures().lossRecent?.low).toBeGreaterThan(1);
  });

  test("none is invented: jitter that reorders, a reflector that is slow, a peer's restart, counters begun anew", () => {
    const world = new World(12);
    world.traffic = { out: 1000, back: 500 };
    world.out.delay = () => 20 + (world.random() * 2 - 1) * 10;
    world.back.delay = () => 20 + (world.random() * 2 - 1) * 10;
    let worst = 0;
    const look = (): void => {
      for (let step = 0; step < 50; step++) {
        world.run(100);
        worst = Math.max(worst, world.figures().lossRecent?.low ?? 0);
      }
    };
    world.run(2000);
    look();
    world.held = 30;
    world.kept = 15;
    look();
    world.restartReflector();
    look();
    world.resetCounters();
    look();
    expect(worst).toBeLessThan(0.5);
    expect(world.figures().loss.percent).toBeLessThan(0.5);
  });

  test("a queue that fills delays traffic, and loses none of it", () => {
    const world = new World(13);
    world.traffic = { out: 1000, back: 1000 };
    world.run(5000);
    const from = world.now;
    // In order: each packet behind those before it.
    world.out.delay = () => 10 + Math.min(150, (world.now - from) / 4);
    world.run(700);
    expect(world.figures().lossRecent?.low ?? 0).toBeLessThan(0.5);
  });

  test("counters modulo 2^32 go on where they wrap", () => {
    const world = new World(14);
    world.traffic = { out: 1000, back: 1000 };
    world.skipCounters(2 ** 32 - 3000);
    world.run(10_000);
    expect(world.figures().lossOut?.of).toBeGreaterThan(8000);
    expect(world.figures().lossOut?.percent).toBeLessThan(0.1);
  });
});

describe("life", () => {
  test("is unknown first, then alive after three answers", () => {
    const world = new World();
    expect(world.sender.life.kind).toBe("unknown");
    world.run(200);
    expect(world.lives.map(({ kind }) => kind)).toEqual(["alive"]);
  });

  test("death is told at the third deadline, not at the next probe", () => {
    const world = new World();
    world.run(5000);
    world.out.loss = 1;
    const cut = world.now;
    world.run(1000);
    const dead = world.lives.at(-1);
    expect(dead?.kind).toBe("dead");
    // At most one pace until a probe is lost; it is suspected after 23 ms; two more 20 ms apart; their deadline of 45 ms.
    expect((dead?.at ?? 0) - cut).toBeLessThanOrEqual(50 + 23 + 20 + 45 + 1);
  });

  test("the second death is told as soon as the first: an outage is no usual loss", () => {
    const world = new World(8);
    world.run(5000);
    const took = [1, 2, 3].map(() => {
      world.out.loss = 1;
      const cut = world.now;
      world.run(1000);
      const dead = world.lives.findLast(({ kind }) => kind === "dead");
      world.out.loss = 0;
      world.run(2000);
      return (dead?.at ?? 0) - cut;
    });
    for (const each of took) expect(each).toBeLessThanOrEqual(50 + 23 + 20 + 45 + 1);
  });

  test("a path that answers again lives after three answers, and is asked fast for them", () => {
    const world = new World();
    world.run(5000);
    world.out.loss = 1;
    world.run(3000);
    world.out.loss = 0;
    const mended = world.now;
    world.run(500);
    const alive = world.lives.at(-1);
    expect(alive?.kind).toBe("alive");
    expect((alive?.at ?? 0) - mended).toBeLessThanOrEqual(50 + 20 * 3 + 20);
  });

  test("in an alarm it is asked every 10 ms, and a burst of losses that is shorter than before is still no death", () => {
    const world = new World(1, { ...CONFIG, pace: { ...PACE, inDoubt: 50 } });
    world.run(2000);
    world.sender.alarm(world.now);
    expect(world.sender.pace(world.now).interval).toBe(10);
    world.run(100);
    const before = world.sender.sent;
    world.out.loss = 1;
    world.run(80);
    expect(world.sender.sent - before).toBeGreaterThanOrEqual(7);
    world.out.loss = 0;
    world.run(1000);
    expect(world.lives.map(({ kind }) => kind)).toEqual(["alive"]);
    world.out.loss = 1;
    world.run(500);
    expect(world.sender.life.kind).toBe("dead");
  });

  test("single losses, even many, are not death", () => {
    const world = new World(4);
    world.out.loss = 0.1;
    world.run(30_000);
    expect(world.lives.map(({ kind }) => kind)).toEqual(["alive"]);
  });

  test("without a conclusion nothing is missed: a host that stood still does not know", () => {
    const world = new World();
    world.run(5000);
    const late = 400;
    const before = world.sender.life;
    world.sender.wake((world.now + late) as typeof world.now, false);
    expect(world.sender.life).toBe(before);
    world.perform(world.sender.wake((world.now + late) as typeof world.now, true));
  });
});

describe("late, twice, out of order", () => {
  test("a late answer turns a loss back into a sample", () => {
    const world = new World();
    world.run(5000);
    const [from, until] = [world.now, world.now + 60];
    world.back.delay = () => (world.now >= from && world.now < until ? 700 : 10);
    world.run(400);
    expect(world.figures().loss.percent).toBeGreaterThan(0);
    world.run(1500);
    expect(world.figures().loss.percent).toBe(0);
    expect(world.figures().rtt?.p95).toBeLessThan(100);
  });

  test("answers that overtake each other are counted, and are no loss", () => {
    const world = new World(6);
    world.back.delay = () => (world.random() < 0.1 ? 90 : 10);
    world.run(20_000);
    const { reordered, loss } = world.figures();
    expect(reordered).toBeGreaterThan(3);
    expect(loss.percent).toBe(0);
  });

  test("answers that come twice are counted once", () => {
    const world = new World();
    const answered = world.sender.answered.bind(world.sender);
    world.sender.answered = (answer, now) => {
      const actions = answered(answer, now);
      world.perform(answered(answer, now));
      return actions;
    };
    world.run(6000);
    expect(world.figures().duplicated).toBe(100);
    expect(world.refused["duplicate"]).toBe(world.sender.answers);
  });

  test("an answer to what was never asked is refused", () => {
    const world = new World();
    world.run(1000);
    const answer = { number: 10_000, arrivedAt: world.now, rtt: 1 };
    expect(world.sender.answered(answer, world.now)).toBe("unasked");
  });
});

describe("a change shows at once", () => {
  test("100 ms more are in `recent` within half a second", () => {
    const world = new World();
    world.run(6000);
    world.out.delay = () => 110;
    world.run(500);
    expect(world.figures().rtt?.recent).toBeGreaterThan(115);
    expect(world.figures().loss.percent).toBe(0);
  });

  test("a clock that is set is no jitter", () => {
    const world = new World();
    world.run(6000);
    world.clock.reflector += 3_600_000;
    world.run(3000);
    world.clock.sender -= 5000;
    world.run(3000);
    expect(world.figures().jitterOut).toBeLessThan(1);
    expect(world.figures().jitterBack).toBeLessThan(1);
    expect(world.figures().rtt?.p95).toBeLessThan(45);
    expect(world.lives.map(({ kind }) => kind)).toEqual(["alive"]);
  });
});

test("numbers that wrap at 2^32 are nothing special", () => {
  const world = new World(1, CONFIG, 2 ** 32 - 60);
  world.run(10_000);
  expect(world.figures().loss.percent).toBe(0);
  expect(world.figures().lossOut?.percent).toBe(0);
  expect(world.refused).toEqual({});
});

describe("pace", () => {
  test("the budget holds in any hour, whatever the doubts", () => {
    const config = { ...CONFIG, pace: { ...PACE, octetsPerHour: 352 * 3600 } };
    const world = new World(2, config);
    world.out.loss = 0.2;
    world.run(3_600_000);
    expect(world.sender.sent).toBeLessThanOrEqual(3600);
    expect(world.sender.sent).toBeGreaterThan(3000);
    expect(world.sender.pace(world.now).octetsPerHour).toBeLessThanOrEqual(352 * 3600);
  });

  test("calm at the interval; slower when the device is idle; faster in doubt", () => {
    const world = new World(1, { ...CONFIG, metered: true });
    const busy = (): void => {
      world.traffic = { out: 1000, back: 0 };
      world.run(2000);
      world.traffic = { out: 0, back: 0 };
    };
    busy();
    expect(world.sender.pace(world.now).interval).toBe(50);
    world.run(12_500);
    expect(world.sender.pace(world.now).interval).toBe(200);
    busy();
    expect(world.sender.pace(world.now).interval).toBe(50);
    world.sender.doubt(world.now);
    expect(world.sender.pace(world.now).interval).toBe(20);
  });
});

describe("whatever is imposed", () => {
  test("the figures' intervals hold it", () => {
    const share = fc.constantFrom(0, 0.005, 0.02, 0.1);
    const delay = fc.integer({ min: 0, max: 300 });
    const jitter = fc.integer({ min: 0, max: 20 });
    fc.assert(
      fc.property(fc.integer(), share, share, delay, jitter, (seed, out, back, base, spread) => {
        const world = new World(seed);
        world.out.loss = out;
        world.back.loss = back;
        world.out.delay = () => base + world.random() * spread;
        world.back.delay = () => base;
        world.run(12_000);
        const { loss, rtt, jitterOut, jitterBack } = world.figures();
        const joint = 100 * (1 - (1 - out) * (1 - back));
        // Of 99 in a hundred; a seed may be the hundredth, so a point more.
        expect(loss.low).toBeLessThanOrEqual(joint + 1);
        expect(loss.high).toBeGreaterThanOrEqual(joint - 1);
        expect(rtt?.least).toBeGreaterThanOrEqual(2 * base - 0.01);
        expect(rtt?.p95).toBeLessThanOrEqual(2 * base + spread + 0.01);
        expect(jitterOut).toBeLessThanOrEqual(spread + 0.01);
        expect(jitterBack).toBeCloseTo(0, 2);
      }),
      { numRuns: 12 },
    );
  });

  test("hostile answers change nothing but counters", () => {
    const world = new World(9);
    world.run(3000);
    const before = JSON.stringify(world.figures());
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 200 }), (bytes) => {
        expect(world.session.read(bytes, { wall: 1.79e12, boot: world.now }).ok).toBe(false);
      }),
    );
    expect(JSON.stringify(world.figures())).toBe(before);
  });
});
