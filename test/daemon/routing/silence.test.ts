/** Control that stands still: what is withdrawn for it, and above all what is not. */
import { beforeEach, describe, expect, it } from "vitest";
import { type Instant, instant } from "../../../base/unit.ts";
import { Silence } from "../../../daemon/routing/silence.ts";

describe("control stands still", () => {
  let now: number;
  let wake: { readonly at: Instant; readonly call: () => void } | undefined;
  let unserved: readonly string[];
  let looked: number;
  let moves: string[];
  let silence: Silence;
  beforeEach(() => {
    [now, wake, unserved, looked, moves] = [100, undefined, [], 0, []];
    const clock = {
      now: () => instant(now),
      wakeAt: (at: Instant, call: () => void) => {
        wake = { at, call };
        return { [Symbol.dispose]: () => (wake = undefined) };
      },
    };
    silence = new Silence({
      clock,
      unserved: () => {
        looked++;
        return new Set(unserved);
      },
      moved: (control) => moves.push(`${control}: ${[...silence.withdrawn].join()}`),
    });
    silence.heard();
  });
  /** The next looks, each so late; `pinged`: with a word of control before each. */
  const looks = (count: number, late = 1, pinged = false): void => {
    for (let n = 0; n < count; n++) {
      if (wake === undefined) throw new TypeError("nobody looks");
      now = wake.at + late;
      if (pinged) silence.heard();
      wake.call();
    }
  };

  it("what nobody serves is withdrawn, and only that; it comes back with somebody who listens", () => {
    unserved = ["web"];
    looks(2);
    expect(moves).toEqual([]);
    looks(1);
    expect(moves).toEqual(["silent: web"]);
    looks(5);
    unserved = [];
    looks(1);
    expect(moves).toEqual(["silent: web", "silent: "]);
  });
  it("silence alone withdraws nothing, however long: data planes go on serving", () => {
    looks(1000);
    expect(moves).toEqual([]);
  });
  it("a gap between two listeners that one look sees is none", () => {
    looks(2);
    for (let n = 0; n < 10; n++) {
      unserved = n % 2 === 0 ? ["web"] : [];
      looks(1);
    }
    expect(moves).toEqual([]);
  });
  it("while control speaks, its word counts: nothing is looked at", () => {
    unserved = ["web"];
    looks(100, 1, true);
    expect([moves, looked]).toEqual([[], 0]);
  });
  it("our own standstill, or a machine without time for us, is not control's silence", () => {
    unserved = ["web"];
    looks(100, 700);
    looks(1, 3_600_000);
    expect([moves, looked]).toEqual([[], 0]);
    // With one look between that is on time, as well.
    for (let n = 0; n < 20; n++) {
      looks(1);
      looks(1, 400);
    }
    expect(moves).toEqual([]);
  });
  it("control is heard again: what is withdrawn waits for its plan, or for somebody who listens", () => {
    unserved = ["web", "api"];
    looks(3);
    looks(3, 1, true);
    expect(moves).toEqual(["silent: web,api"]);
    unserved = ["api"];
    looks(1, 1, true);
    expect(moves.at(-1)).toBe("heard: api");
    // Nothing new is withdrawn on our own account now.
    unserved = ["api", "web"];
    looks(3, 1, true);
    expect(moves).toHaveLength(2);
    silence.planned();
    expect(moves.at(-1)).toBe("heard: ");
    looks(3, 1, true);
    expect(moves).toHaveLength(3);
  });
  it("before its first word nobody waits for control", () => {
    wake = undefined;
    using early = new Silence({
      clock: { now: () => instant(0), wakeAt: () => ({ [Symbol.dispose]: () => undefined }) },
      unserved: () => new Set(["web"]),
      moved: () => moves.push("moved"),
    });
    early.planned();
    expect([wake, moves]).toEqual([undefined, []]);
  });
});
