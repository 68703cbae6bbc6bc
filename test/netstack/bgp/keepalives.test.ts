/** RFC 4271 §4.4, §10: how often KEEPALIVEs go, and with whom. */
import { expect, test } from "vitest";
import { Desk } from "./tester.ts";
import { peerOf, planOf } from "./world.ts";

const PEERS = 100;
/** Milliseconds: a third of the hold time. */
const EVERY = 30_000;

test("RFC 4271 §10: never sooner than three quarters of the interval, never later than all of it; many go together", () => {
  const desk = new Desk();
  const addresses = Array.from({ length: PEERS }, (_, n) => `10.0.1.${n + 1}`);
  const peers = addresses.map((address) => peerOf(address, address, 65_002, { mode: "passive" }));
  desk.plan(planOf(65_001, "1.1.1.1", { peers }));
  const calls = addresses.map((address) => desk.call(address).up());
  const said = calls.map(() => desk.now);
  const [counts, gaps]: [number[], number[]] = [calls.map((call) => call.messages.length), []];
  let wakes = 0;
  const until = desk.now + 10 * EVERY;
  for (let wake = desk.speaker.nextWake(); wake !== undefined && wake < until; wake = desk.speaker.nextWake()) {
    desk.now = Math.max(desk.now, wake);
    wakes++;
    desk.feed({ kind: "wake" });
    calls.forEach((call, n) => {
      if (call.messages.length === counts[n]) return;
      counts[n] = call.messages.length;
      gaps.push(desk.now - (said[n] ?? 0));
      said[n] = desk.now;
      call.say({ kind: "keepalive" }); // or its hold time would pass
    });
  }
  expect(gaps.length).toBeGreaterThan(PEERS * 9);
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(EVERY * 0.75);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(EVERY);
  expect(new Set(gaps).size).toBeGreaterThan(50);
  expect(wakes).toBeLessThan(gaps.length / 4);
});
