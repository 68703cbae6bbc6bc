import { expect, test } from "vitest";
import { Rehearsal } from "../../../netstack/bgp/rehearsal.ts";

test("routes are learnt and lost, round after round, and it ends", () => {
  const installed = new Map<string, number>();
  const seen = { learnt: 0, lost: 0 };
  const rehearsal = new Rehearsal((changes) => {
    for (const { prefix, nextHops } of changes) {
      const key = `${prefix.ip}/${prefix.length}`;
      if (nextHops.length > 0) installed.set(key, nextHops.length);
      else expect(installed.delete(key)).toBe(true);
      if (nextHops.length > 0) seen.learnt++;
      else seen.lost++;
    }
  });
  let steps = 1;
  while (rehearsal.step()) steps++;
  expect(steps).toBeLessThan(200);
  expect(seen.learnt).toBeGreaterThan(500);
  expect(seen.lost).toBe(seen.learnt);
  expect(installed.size).toBe(0);
  expect(rehearsal.step()).toBe(false);
});
