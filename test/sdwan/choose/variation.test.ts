/** Jitter over its limit, by single differences. */
import { describe, expect, test } from "vitest";
import { VariationEvidence } from "../../../sdwan/choose/variation.ts";
import { mulberry } from "./world.ts";

const LIMIT = 30;

/** Windows until three in a row are sure, after ten seconds of calm; undefined: not within `most`. */
function found(mean: number, seed: number, most: number, perWindow = 5): number | undefined {
  const random = mulberry(seed);
  const evidence = new VariationEvidence(LIMIT);
  let [of, sum] = [0, 0];
  const window = (level: number, differences: number): void => {
    for (let each = 0; each < differences; each++) {
      of++;
      // Two packets that are delayed evenly within ± 1.5 of the mean difference.
      sum += Math.abs(random() - random()) * 3 * level;
    }
    evidence.observe({ of, sum });
  };
  for (let each = 0; each < 100; each++) window(0.2, 1);
  let sure = 0;
  for (let each = 1; each <= most; each++) {
    window(mean, perWindow);
    sure = evidence.strength >= 1 ? sure + 1 : 0;
    if (sure === 3) return each;
  }
  return undefined;
}

describe("jitter that jumps from nearly nothing (windows of 50 ms, 100 differences a second)", () => {
  test.each([
    { times: 4 / 3, median: 24, most: 100 },
    { times: 2, median: 10, most: 20 },
    { times: 4, median: 6, most: 12 },
  ])("to $times of the limit", ({ times, median, most }) => {
    const took = Array.from({ length: 41 }, (_, seed) => found(LIMIT * times, seed + 1, 1000) ?? 1000);
    took.sort((a, b) => a - b);
    expect(took[20]).toBeLessThanOrEqual(median);
    expect(took[36]).toBeLessThanOrEqual(most);
  });

  test("to nine tenths of the limit: nothing, for an hour", () => {
    for (const seed of [1, 2, 3, 4]) expect(found(LIMIT * 0.9, seed, 36_000, 1)).toBeUndefined();
  });

  test("a single spike, however high, is no breach", () => {
    const evidence = new VariationEvidence(LIMIT);
    for (let of = 1; of < 100; of++) evidence.observe({ of, sum: of * 0.2 });
    evidence.observe({ of: 101, sum: 20 + 20_000 });
    expect(evidence.strength).toBeLessThan(1);
    expect(evidence.strength).toBeGreaterThan(0);
  });

  test("counters that begin anew are no news", () => {
    const evidence = new VariationEvidence(LIMIT);
    evidence.observe({ of: 1000, sum: 200 });
    evidence.observe({ of: 10, sum: 5000 });
    expect(evidence.strength).toBe(0);
  });
});
