/** The figure on which "two answering: never" rests must not be blind. */
import { describe, expect, test } from "vitest";
import { alternating } from "../../bench/failover/trial.ts";
import type { Answer } from "../../lab/capture/answers.ts";

/** "a0 b2": host a answered at 0 ms, b at 2 ms. */
function answers(text: string): readonly Answer[] {
  return text.split(" ").map((each) => ({
    port: `${each[0]}.eth0`,
    at: Number(each.slice(1)),
    kind: "arp-reply",
    address: "10.77.0.100",
  }));
}

describe("the time in which two hosts answered", () => {
  test.each([
    ["one host alone", "a0 a2 a4 a300", 0],
    ["a clean take-over, also at once", "a0 a2 b2.1 b4 b6", 0],
    ["a move there and, later, back", "a0 a2 b300 b302 a900 a902", 0],
    ["one stray answer of the former owner", "b0 b2 a3 b4 b6", 2],
    ["both, for as long as they do", "a0 b1 a2 b3 a4 b5 a6", 6],
    ["both, several answers at a time", "a0 a1 b2 b3 b4 a5 a6 b7 b8", 6],
  ])("%s", (_, text, milliseconds) => {
    expect(alternating(answers(text))).toBe(milliseconds);
  });
});
