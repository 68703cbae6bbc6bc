/** From bad to worse, to hardly better, to much better; and what is under suspicion. */
import { describe, expect, test } from "vitest";
import { instant } from "../../../base/unit.ts";
import { Relief } from "../../../sdwan/choose/relief.ts";
import { fine, HOLD, pair, World } from "./world.ts";

const bad = (value: number, reach = 0.1) => ({ value, low: value * (1 - reach), high: value * (1 + reach) });

describe("from bad to bad", () => {
  test.each([
    { to: bad(5), at: undefined, what: "worse" },
    { to: bad(3.5), at: undefined, what: "better by less than a quarter" },
    { to: bad(2.5, 0.9), at: undefined, what: "better, as far as is known of few packets" },
    { to: bad(2.5), at: 3000, what: "clearly better: when it lasts" },
    { to: bad(0.9), at: 0, what: "three times better: at once" },
  ])("$what", ({ to, at }) => {
    const relief = new Relief();
    let moved: number | undefined;
    for (let now = 0; now <= 10_000 && moved === undefined; now += 50)
      if (relief.toBad(bad(4), "b", to, HOLD, instant(now))) moved = now;
    expect(moved).toBe(at);
  });

  test("a gain that was gone once begins anew", () => {
    const relief = new Relief();
    for (let now = 0; now < 2900; now += 50)
      expect(relief.toBad(bad(4), "b", bad(2.5), HOLD, instant(now))).toBe(false);
    expect(relief.toBad(bad(4), "b", bad(3.5), HOLD, instant(2900))).toBe(false);
    expect(relief.toBad(bad(4), "b", bad(2.5), HOLD, instant(3100))).toBe(false);
    expect(relief.toBad(bad(4), "b", bad(2.5), HOLD, instant(6100))).toBe(true);
  });
});

test("of what is under suspicion the verdict is waited for, a second long", () => {
  const relief = new Relief();
  expect(relief.toSuspect(bad(4), bad(3.5), HOLD, instant(0))).toBe("wait");
  expect(relief.isWaiting).toBe(true);
  expect(relief.toSuspect(bad(4), bad(3.5), HOLD, instant(1000))).toBe("stay");
  expect(relief.toSuspect(bad(4), bad(2), HOLD, instant(1000))).toBe("go");
  relief.over();
  expect(relief.isWaiting).toBe(false);
  expect(relief.toSuspect(bad(4), bad(0.5), HOLD, instant(5000))).toBe("go");
});

test.each([1, 2, 3, 4, 5])("both paths lose 8 %% each way: at most one move in a minute (seed %i)", (seed) => {
  const world = new World(pair({ sla: { maxLatency: 100, maxJitter: 30, maxPacketLoss: 1, minMos: undefined } }), {
    a: { ...fine(20), traffic: 1000 },
    b: fine(40),
  });
  world.run(10_000 + seed * 100);
  for (const path of ["a", "b"]) Object.assign(world.truth(path), { lossOut: 8, lossBack: 8 });
  world.run(60_000);
  expect(world.moves.length).toBeLessThanOrEqual(1);
  expect(world.state()).toBe("least-bad");
});
