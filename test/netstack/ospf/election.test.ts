/** RFC 2328 §9.4. */
import { describe, expect, test } from "vitest";
import { type Candidate, elect } from "../../../netstack/ospf/election.ts";

const router = (id: number, fields: Partial<Candidate> = {}): Candidate => ({
  routerId: id,
  identity: id + 100,
  priority: 1,
  dr: 0,
  bdr: 0,
  ...fields,
});

describe("RFC 2328 §9.4: electing the designated router", () => {
  test("alone: the router is designated, and nobody stands by", () => {
    expect(elect(router(1), [])).toEqual({ dr: 101, bdr: 0 });
  });
  test("(1): priority 0 is never designated", () => {
    expect(elect(router(1, { priority: 0 }), [])).toEqual({ dr: 0, bdr: 0 });
    expect(elect(router(1), [router(2, { priority: 0 })])).toEqual({ dr: 101, bdr: 0 });
    expect(elect(router(1, { priority: 0 }), [router(2, { priority: 0, dr: 102 })])).toEqual({ dr: 0, bdr: 0 });
  });
  test("(2): the highest priority, then the highest router ID, stands by", () => {
    const others = [router(2), router(3, { priority: 5 }), router(4, { priority: 5 }), router(9, { dr: 109 })];
    expect(elect(router(1), others)).toEqual({ dr: 109, bdr: 104 });
  });
  test("(2): who declares itself backup is preferred to higher priorities", () => {
    const others = [router(2, { bdr: 102, dr: 109 }), router(3, { priority: 200 }), router(9, { dr: 109 })];
    expect(elect(router(1), others)).toEqual({ dr: 109, bdr: 102 });
  });
  test("(2): who declares itself designated cannot stand by, even if it says so", () => {
    const others = [router(2, { bdr: 102, dr: 102 }), router(3)];
    expect(elect(router(1), others)).toEqual({ dr: 102, bdr: 103 });
  });
  test("(3): a designated router stays, whoever comes with a higher priority", () => {
    expect(elect(router(9, { priority: 255 }), [router(2, { dr: 102 })])).toEqual({ dr: 102, bdr: 109 });
  });
  test("(3): of two that declare themselves designated (a healed partition) the higher wins", () => {
    const others = [router(2, { dr: 102, priority: 3 }), router(7, { dr: 107, priority: 2 })];
    expect(elect(router(1), others).dr).toBe(102);
    expect(elect(router(1, { dr: 101, priority: 9 }), others).dr).toBe(101);
  });
  test("(3): without a designated router the backup is promoted", () => {
    expect(elect(router(1), [router(2, { bdr: 102, dr: 109 }), router(3)])).toMatchObject({ dr: 102 });
  });
  test("(4): a backup that promotes itself is computed once more, so that another stands by", () => {
    const self = router(5, { bdr: 105, dr: 109 });
    expect(elect(self, [router(2, { dr: 109, bdr: 105 }), router(3, { dr: 109, bdr: 105 })])).toEqual({
      dr: 105,
      bdr: 103,
    });
  });
  test("(4): two routers that start together end with one of each", () => {
    expect(elect(router(1), [router(2)])).toEqual({ dr: 102, bdr: 102 });
    expect(elect(router(2), [router(1)])).toEqual({ dr: 102, bdr: 101 });
    expect(elect(router(1), [router(2, { dr: 102, bdr: 0 })])).toEqual({ dr: 102, bdr: 101 });
  });
});
