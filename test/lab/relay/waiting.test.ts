import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { instant } from "../../../base/unit.ts";
import { Waiting } from "../../../lab/relay/waiting.ts";

describe("frames that wait", () => {
  test("come out by instant, equal instants by arrival, with their octets", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(20), fc.uint8Array({ minLength: 1, maxLength: 8 }))), (input) => {
        const waiting = new Waiting(64, 8);
        const kept = input.slice(0, 64).map(([at, octets], n) => ({ at, n, octets: [...octets] }));
        kept.forEach(({ at, octets }, n) => expect(waiting.add(Uint8Array.from(octets), instant(at), n)).toBe(true));
        const out: unknown[] = [];
        while (waiting.size > 0) {
          const at = waiting.next;
          waiting.take((octets, n) => out.push({ at, n, octets: [...octets] }));
        }
        expect(out).toEqual(kept.sort((a, b) => a.at - b.at || a.n - b.n));
      }),
    );
  });
  test("are refused when all slots are taken or one is too large, and slots come back", () => {
    const waiting = new Waiting(2, 4);
    const frame = Uint8Array.of(1, 2, 3, 4);
    expect(waiting.add(Uint8Array.of(1, 2, 3, 4, 5), instant(0), 0)).toBe(false);
    expect([waiting.add(frame, instant(2), 0), waiting.add(frame, instant(1), 1)]).toEqual([true, true]);
    expect(waiting.add(frame, instant(3), 2)).toBe(false);
    waiting.take((_, mark) => expect(mark).toBe(1));
    expect(waiting.add(frame, instant(3), 2)).toBe(true);
  });
});
