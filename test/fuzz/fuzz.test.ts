/** A short run of the fuzzer; the long one is `node test/fuzz/main.ts --inputs 10000000`. */
import { describe, expect, test } from "vitest";
import { fuzz } from "./run.ts";
import { must, type Target } from "./target.ts";
import { TARGETS } from "./targets.ts";

const INPUTS = 15_000;

describe("random and mutated inputs: nothing thrown, nothing that must hold broken", () => {
  test.each(TARGETS.map((target) => [target.name, target] as const))("%s", (_name, target) => {
    // another seed each day: the same on every machine that day
    expect(fuzz(target, Math.floor(Date.now() / 86_400_000), 0, INPUTS / (target.slow ?? 1))).toBeUndefined();
  });
});

test("a finding is made again by its seed and number", () => {
  const target: Target = {
    name: "picky",
    corpus: [Buffer.from("good")],
    tokens: [Buffer.from("bad")],
    run: (memory, start, end) => must(!memory.toString("latin1", start, end).includes("bad"), "bad"),
  };
  const finding = fuzz(target, 3, 0, 10_000);
  expect(finding?.input).toContain("bad");
  expect(fuzz(target, 3, finding?.number ?? 0, (finding?.number ?? 0) + 1)?.input).toBe(finding?.input);
});
