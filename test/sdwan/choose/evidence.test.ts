/** Evidence: what is sure soon, what is sure late, what never is, and what is given back. */
import { describe, expect, test } from "vitest";
import { LevelEvidence, LossEvidence, lossStrength, OF_LATENCY } from "../../../sdwan/choose/evidence.ts";
import { Level } from "../../../sdwan/choose/level.ts";
import { mulberry } from "./world.ts";

describe("losses", () => {
  /** Windows of a hundred packets until it is sure; undefined: not within `most`. */
  function sureAfter(evidence: LossEvidence, lostOf: (window: number) => number, most: number): number | undefined {
    let [of, lost] = [0, 0];
    evidence.observe({ of, lost });
    for (let window = 1; window <= most; window++) {
      of += 100;
      lost += lostOf(window);
      evidence.observe({ of, lost });
      if (evidence.strength >= 1) return window;
    }
    return undefined;
  }

  test("the further over the limit, the sooner; at the limit and under it never", () => {
    const limit = 2;
    const after = [100, 20, 5, 3, 2, 1].map((lost) => sureAfter(new LossEvidence(limit), () => lost, 10_000));
    expect(after.slice(0, 3)).toEqual([4, 4, 6]);
    expect(after[3]).toBeGreaterThan(5);
    expect(after[3]).toBeLessThan(300);
    expect(after.slice(4)).toEqual([undefined, undefined]);
  });

  test("one burst is one window's worth, however long it is", () => {
    expect(sureAfter(new LossEvidence(2), (window) => (window === 1 ? 100 : 0), 100)).toBeUndefined();
    expect(sureAfter(new LossEvidence(2), (window) => (window <= 2 ? 100 : 0), 100)).toBeUndefined();
    expect(sureAfter(new LossEvidence(2), (window) => (window <= 3 ? 100 : 0), 100)).toBeUndefined();
    expect(sureAfter(new LossEvidence(2), (window) => (window <= 4 ? 100 : 0), 100)).toBe(4);
  });

  test("answers that come late give back what was gathered from their absence", () => {
    const evidence = new LossEvidence(2);
    evidence.observe({ of: 0, lost: 0 });
    for (const [of, lost] of [
      [10, 10],
      [20, 20],
    ] as const)
      evidence.observe({ of, lost });
    const before = evidence.strength;
    evidence.observe({ of: 20, lost: 0 });
    expect(before).toBeGreaterThan(0.5);
    expect(evidence.strength).toBe(0);
    expect(evidence.rate).toBeLessThan(5);
  });

  test("counters that begin anew are no loss and no gain", () => {
    const evidence = new LossEvidence(2);
    for (const count of [
      { of: 1000, lost: 900 },
      { of: 5, lost: 5 },
      { of: 100, lost: 5 },
    ])
      evidence.observe(count);
    expect(evidence.strength).toBe(0);
  });

  test("what is over is forgotten once as many were kept as the limit would have lost six of", () => {
    const evidence = new LossEvidence(2);
    let [of, lost] = [0, 0];
    const windows = (count: number, each: number): void => {
      for (let window = 0; window < count; window++) evidence.observe({ of: (of += 100), lost: (lost += each) });
    };
    windows(100, 10);
    expect(evidence.strength).toBeGreaterThan(1);
    expect(evidence.usual).toBeGreaterThan(5);
    windows(5, 0);
    expect(evidence.strength).toBeLessThan(1);
    expect(evidence.usual).toBe(0);
  });

  test("estimates over windows that overlap need more than their interval", () => {
    expect(lossStrength({ percent: 1, of: 1000 }, 2)).toBe(0);
    expect(lossStrength({ percent: 4, of: 100 }, 2)).toBeLessThan(1);
    expect(lossStrength({ percent: 4, of: 1000 }, 2)).toBeLessThan(1.1);
    expect(lossStrength({ percent: 5, of: 1000 }, 2)).toBeGreaterThan(1);
    expect(lossStrength({ percent: 100, of: 10 }, 2)).toBeGreaterThan(1);
    expect(lossStrength({ percent: 0, of: 0 }, 2)).toBe(0);
  });
});

describe("levels", () => {
  const random = mulberry(7);
  const noise = (size: number): number => size * (random() + random() + random() + random() - 2) * Math.sqrt(3);

  test("two windows are enough for what is far over a limit; a single one never", () => {
    const evidence = new LevelEvidence(100, OF_LATENCY);
    for (let window = 0; window < 100; window++) evidence.observe(20 + noise(1));
    evidence.observe(5000);
    expect(evidence.strength).toBeLessThan(1);
    evidence.observe(5000);
    expect(evidence.strength).toBeGreaterThanOrEqual(1);
    evidence.observe(20);
    evidence.observe(20);
    expect(evidence.strength).toBeLessThan(1);
  });

  test("a little over, in much noise, takes its time, but comes", () => {
    const evidence = new LevelEvidence(100, OF_LATENCY);
    let window = 0;
    while (evidence.strength < 1 && window < 5000) {
      window++;
      evidence.observe(106 + noise(15));
    }
    expect(window).toBeGreaterThan(20);
    expect(window).toBeLessThan(5000);
  });

  test("negated, it is for what shall not fall", () => {
    const evidence = new LevelEvidence(-3.6, OF_LATENCY);
    for (let window = 0; window < 50; window++) evidence.observe(-4.2);
    expect(evidence.strength).toBe(0);
    for (let window = 0; window < 20; window++) evidence.observe(-3);
    expect(evidence.strength).toBeGreaterThanOrEqual(1);
  });

  test("compared by its mean while noise moves it, by its newest once it is another", () => {
    const level = new Level(5);
    expect(level.value).toBeUndefined();
    for (let window = 0; window < 200; window++) level.observe(50 + noise(3));
    expect(level.value).toBeGreaterThan(48);
    expect(level.value).toBeLessThan(52);
    level.observe(150);
    expect(level.value).toBe(150);
  });
});
