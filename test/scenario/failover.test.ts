/**
 * Issue of all issues: two hosts never answer for one address, whatever happens to the owner.  Proof by packet: a client
 * asks and a capture sees who answers.  NOVAEDGE_ROUNDS repeats each fault (1 by default).
 */
import { describe, expect, test } from "vitest";
import { openArena } from "../../bench/failover/arena.ts";
import { novaedge } from "../../bench/failover/contender.ts";
import { FAULTS, SPECS } from "../../bench/failover/fault.ts";

const rounds = Number(process.env["NOVAEDGE_ROUNDS"] ?? 1);

describe.skipIf(process.getuid?.() !== 0)("the owner of a virtual IP suffers (needs root)", () => {
  test.each(FAULTS)(
    "%s: the address moves as it should, and two never answer",
    { timeout: 60_000 + rounds * 30_000 },
    async (fault) => {
      await using arena = await openArena(novaedge("novaedge", { interval: 100, multiplier: 3 }));
      for (let round = 0; round < rounds; round++) {
        const result = await arena.suffer(fault);
        process.stdout.write(`${fault} ${JSON.stringify(result)}\n`);
        expect(result.twoAnswering).toBe(0);
        expect(result.revived).toBe(0);
        if (SPECS[fault].expect !== "may") expect(result.moved).toBe(SPECS[fault].expect === "move");
        if (result.load !== undefined) {
          expect(result.load.requests).toBeGreaterThan(100);
          expect(result.load.failed).toBe(0);
        }
      }
    },
  );
});
