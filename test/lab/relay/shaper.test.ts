import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { instant } from "../../../base/unit.ts";
import type { Impairment } from "../../../lab/description.ts";
import { randomFrom } from "../../../lab/random.ts";
import { Shaper, type Verdict } from "../../../lab/relay/shaper.ts";

/** `count` frames of `size` octets, one each `every` milliseconds. */
function offered(impairment: Impairment, count: number, every: number, size = 100, seed = 1): readonly Verdict[] {
  const shaper = new Shaper(randomFrom(seed));
  shaper.impair(impairment);
  return Array.from({ length: count }, (_, n) => shaper.offer(size, instant(n * every)));
}
function delays(verdicts: readonly Verdict[], every: number): readonly number[] {
  return verdicts.flatMap((verdict, n) => (verdict.kind === "deliver" ? [verdict.at - n * every] : []));
}
function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
function drops(verdicts: readonly Verdict[], why: string): number {
  return verdicts.filter((verdict) => verdict.kind === "drop" && verdict.why === why).length;
}

describe("one direction of a link", () => {
  test("delivers at once when nothing is impaired", () => {
    expect(offered({}, 3, 1)).toEqual([0, 1, 2].map((at) => ({ kind: "deliver", at })));
  });
  test("adds its delay to every frame", () => {
    expect(new Set(delays(offered({ delay: 40 }, 100, 1), 1))).toEqual(new Set([40]));
  });
  test("spreads delay ± jitter uniformly, and reorders", () => {
    const verdicts = offered({ delay: 40, jitter: 5 }, 20_000, 1);
    const got = delays(verdicts, 1);
    expect(mean(got)).toBeCloseTo(40, 0);
    expect(Math.min(...got)).toBeGreaterThanOrEqual(35);
    expect(Math.max(...got)).toBeLessThan(45);
    const deviation = Math.sqrt(mean(got.map((delay) => (delay - 40) ** 2)));
    expect(deviation).toBeCloseTo(10 / Math.sqrt(12), 1);
    expect(inversions(verdicts)).toBeGreaterThan(5000);
  });
  test("keeps the order with order: keep, without raising the mean", () => {
    const verdicts = offered({ delay: 40, jitter: 5, order: "keep" }, 60_000, 1);
    const got = delays(verdicts, 1);
    expect(inversions(verdicts)).toBe(0);
    expect(Math.abs(mean(got) - 40)).toBeLessThan(0.5);
    expect(Math.min(...got)).toBeGreaterThanOrEqual(35);
    expect(Math.min(...got)).toBeLessThan(36);
    expect(Math.max(...got)).toBeGreaterThan(44);
  });
  test("loses the asked share at random, repeatably", () => {
    const lost = drops(offered({ loss: 2 }, 100_000, 1), "loss");
    expect(lost / 1000).toBeGreaterThan(1.8);
    expect(lost / 1000).toBeLessThan(2.2);
    expect(drops(offered({ loss: 2 }, 100_000, 1), "loss")).toBe(lost);
    expect(drops(offered({ loss: 2 }, 100_000, 1, 100, 2), "loss")).not.toBe(lost);
  });
  test("loses exactly each n-th", () => {
    const verdicts = offered({ loss: { everyNth: 50 } }, 1000, 1);
    expect(verdicts.flatMap((verdict, n) => (verdict.kind === "drop" ? [n + 1] : []))).toEqual(
      Array.from({ length: 20 }, (_, n) => (n + 1) * 50),
    );
  });
  test("sends no faster than its rate and drops what would wait longer than its queue", () => {
    // 1250 octets each ms are 10 Mbit/s; the link carries half of it.
    const verdicts = offered({ rate: 5e6, queue: 20 }, 1000, 1, 1250);
    const passed = delays(verdicts, 1);
    expect(passed.length / 1000).toBeCloseTo(0.5, 1);
    expect(Math.max(...passed)).toBeLessThanOrEqual(22);
    expect(drops(verdicts, "queue")).toBe(1000 - passed.length);
  });
  test("passes nothing as a blackhole", () => {
    expect(drops(offered({ blackhole: true, delay: 1 }, 10, 1), "blackhole")).toBe(10);
  });
  test("never delivers before arrival, whatever is asked", () => {
    const impairments = fc.record(
      {
        delay: fc.double({ min: 0, max: 500, noNaN: true }),
        jitter: fc.double({ min: 0, max: 500, noNaN: true }),
        order: fc.constantFrom("reorder" as const, "keep" as const),
        loss: fc.double({ min: 0, max: 100, noNaN: true }),
        rate: fc.double({ min: 1000, max: 1e9, noNaN: true }),
        queue: fc.double({ min: 0, max: 1000, noNaN: true }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(impairments, fc.integer(), (impairment, seed) => {
        const got = delays(offered(impairment, 200, 1, 1500, seed), 1);
        expect(got.every((delay) => delay >= 0 && Number.isFinite(delay))).toBe(true);
        if (impairment.order === "keep") expect(inversions(offered(impairment, 200, 1, 1500, seed))).toBe(0);
      }),
    );
  });
});

function inversions(verdicts: readonly Verdict[]): number {
  let last = Number.NEGATIVE_INFINITY;
  let count = 0;
  for (const verdict of verdicts) {
    if (verdict.kind === "drop") continue;
    if (verdict.at < last) count++;
    last = verdict.at;
  }
  return count;
}
