import { expect, test } from "vitest";
import { bounded, MOST_LINES, type TraceLine } from "../../base/trace.ts";

test("a flood of lines is cut each second, and how much is said; what is slower passes whole", () => {
  const said: TraceLine[] = [];
  const on = bounded((line) => said.push(line));
  const at = (time: number): void => on({ at: time, protocol: "bgp", peer: "r", direction: "in", text: "UPDATE" });
  for (let n = 0; n < MOST_LINES + 500; n++) at(1000);
  expect(said.length).toBe(MOST_LINES);
  at(2000);
  expect(said.slice(-2).map(({ text }) => text)).toEqual([
    `500 lines left out: more than ${MOST_LINES} in a second`,
    "UPDATE",
  ]);
  for (let n = 0; n < 100; n++) at(3000 + n * 10);
  expect(said.length).toBe(MOST_LINES + 2 + 100);
});
