import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { instant, ms } from "../../../base/unit.ts";
import { born, type Health, nextWake, step } from "../../../proxy/health/machine.ts";

const CONFIG = {
  interval: ms(10_000),
  timeout: ms(5000),
  healthyThreshold: 2,
  unhealthyThreshold: 3,
  httpPath: undefined,
};
const T0 = instant(1000);

/** Feeds results, "+" good and "-" bad; says when the state turned. */
function run(results: string, config = CONFIG): string {
  let health: Health = born(config.interval, T0, 0);
  let out = "";
  for (const result of results) {
    [health] = step(health, { kind: "wake" }, config, instant(1e9), 0.5);
    const event = { kind: "checked", healthy: result === "+", why: "w" } as const;
    const [next, actions] = step(health, event, config, T0, 0.5);
    health = next;
    out += actions.some((action) => action.kind === "turned") ? (result === "+" ? "U" : "D") : ".";
  }
  return out;
}

describe("health of one endpoint", () => {
  it.each([
    ["+", "U"],
    ["-", "D"],
    ["+--+---", "U.....D"],
    ["-+-++", "D...U"],
    ["+---++---", "U..D.U..D"],
    ["+++---+-++", "U....D...U"],
  ])("after %s turns %s: the first result decides, then thresholds in a row", (results, turns) => {
    expect(run(results)).toBe(turns);
  });

  it("turns only on as many results in a row as the threshold says", () => {
    const thresholds = fc.integer({ min: 1, max: 5 });
    fc.assert(
      fc.property(thresholds, thresholds, fc.array(fc.boolean(), { maxLength: 50 }), (up, down, results) => {
        const config = { ...CONFIG, healthyThreshold: up, unhealthyThreshold: down };
        const text = results.map((good) => (good ? "+" : "-")).join("");
        let state = "";
        let row = 0;
        const expected = Array.from(text).map((result, index) => {
          if (index === 0) {
            state = result;
            return result === "+" ? "U" : "D";
          }
          row = result === state ? 0 : row + 1;
          if (row < (result === "+" ? up : down) || row === 0) return ".";
          row = 0;
          state = result;
          return result === "+" ? "U" : "D";
        });
        expect(run(text, config)).toBe(expected.join(""));
      }),
    );
  });

  it("is first checked within 50 ms, then every interval within a tenth", () => {
    expect(nextWake(born(CONFIG.interval, T0, 0.999))).toBeLessThan(T0 + 50);
    for (const chance of [0, 0.5, 0.999]) {
      const [health] = step(
        born(CONFIG.interval, T0, 0),
        { kind: "checked", healthy: true, why: "" },
        CONFIG,
        T0,
        chance,
      );
      expect(nextWake(health)).toBeGreaterThanOrEqual(T0 + 9000);
      expect(nextWake(health)).toBeLessThanOrEqual(T0 + 11_000);
    }
  });

  it("starts no second check while one is under way, and none early", () => {
    const [checking, actions] = step(born(CONFIG.interval, T0, 0), { kind: "wake" }, CONFIG, T0, 0);
    expect(actions).toEqual([{ kind: "check" }]);
    expect(step(checking, { kind: "wake" }, CONFIG, instant(1e9), 0)[1]).toEqual([]);
    expect(step(born(CONFIG.interval, T0, 1), { kind: "wake" }, CONFIG, T0, 0)[1]).toEqual([]);
  });
});
