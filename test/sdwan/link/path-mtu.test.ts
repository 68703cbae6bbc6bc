/** Path MTU discovery against paths that take so much and no more. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Instant, instant, seconds } from "../../../base/unit.ts";
import { type PathMtu, type PathMtuEvent, type Probe, searchOf, step } from "../../../sdwan/link/path-mtu.ts";

/** A path that carries packets up to `mtu`, and tells of larger ones or not. */
class Path {
  search: PathMtu;
  now: Instant = instant(0);
  readonly sizes: number[] = [];
  mtu: number;
  tells: boolean;
  constructor(family: 4 | 6, most: number, mtu: number, tells: boolean, sparing = false) {
    this.search = searchOf(family, { most, sparing }, this.now);
    this.mtu = mtu;
    this.tells = tells;
  }

  feed(event: PathMtuEvent): void {
    const [next, probe] = step(this.search, event, this.now);
    this.search = next;
    if (probe !== undefined) this.#sent(probe);
  }
  until(done: () => boolean): void {
    for (let turns = 0; !done(); turns++) {
      if (turns > 2000) throw new Error(`no end: ${JSON.stringify(this.search)}`);
      this.now = this.search.wakeAt;
      this.feed({ kind: "wake" });
    }
  }
  complete(): number | undefined {
    this.until(() => this.search.phase === "complete");
    return this.search.result;
  }

  #sent({ size }: Probe): void {
    this.sizes.push(size);
    if (size > this.search.most) throw new Error(`a probe of ${size}`);
    if (size <= this.mtu) this.feed({ kind: "answered", size });
    else if (this.tells) this.feed({ kind: "too-big", mtu: this.mtu });
  }
}

describe("RFC 8899 §5: the search", () => {
  test.each([1500, 1492, 1480, 1460, 1420, 1280])("a path of %i octets that swallows what is larger", (mtu) => {
    expect(new Path(4, 1500, mtu, false).complete()).toBe(mtu);
  });
  test("what the interface allows passes: two probes are all", () => {
    const path = new Path(4, 1500, 1500, false);
    path.complete();
    expect(path.sizes).toEqual([1200, 1500]);
  });
  test("RFC 1191 §4: a router that says what it takes is believed after a probe of that size came through", () => {
    const path = new Path(6, 1500, 1437, true);
    expect(path.complete()).toBe(1437);
    expect(path.sizes).toEqual([1280, 1500, 1437]);
  });
  test("any path: never more than it carries, and less by seven at most; in under half a minute", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1280, max: 9000 }),
        fc.integer({ min: 1280, max: 9000 }),
        fc.boolean(),
        (most, mtu, tells) => {
          const path = new Path(4, most, mtu, tells);
          const found = path.complete() ?? 0;
          const truth = Math.min(most, mtu);
          expect(found).toBeLessThanOrEqual(truth);
          expect(truth - found).toBeLessThan(8);
          expect(path.now).toBeLessThan(seconds(60));
        },
      ),
    );
  });
  test("§4.6: hints without reason change nothing", () => {
    const path = new Path(4, 1500, 1500, false);
    path.complete();
    const before = path.search;
    for (const mtu of [0, 68, 1499, 1500, 65_535]) path.feed({ kind: "too-big", mtu });
    path.feed({ kind: "answered", size: 9000 });
    expect(path.search).toBe(before);
  });
});

describe("afterwards", () => {
  test("§4.3: a path that became a black hole is found out and measured anew; the result stands meanwhile", () => {
    const path = new Path(4, 1500, 1500, false);
    path.complete();
    path.mtu = 1400;
    path.until(() => path.search.phase !== "complete");
    expect(path.search.result).toBe(1500);
    expect(path.complete()).toBe(1400);
  });
  test("a router's word while confirming shortens that", () => {
    const path = new Path(4, 1500, 1500, true);
    path.complete();
    path.mtu = 1452;
    path.sizes.length = 0;
    path.until(() => path.search.result === 1452);
    expect(path.sizes).toEqual([1500, 1452]);
  });
  test("PMTU_RAISE_TIMER: a path that became larger is noticed within ten minutes or so", () => {
    const path = new Path(4, 1500, 1400, false);
    path.complete();
    path.mtu = 1500;
    path.until(() => path.search.result === 1500);
    expect(path.now).toBeLessThan(seconds(700));
  });
  test("a target that falls silent takes nothing back, and is asked again", () => {
    const path = new Path(4, 1500, 1492, false);
    path.complete();
    path.mtu = 0;
    path.until(() => path.search.phase === "silent");
    expect(path.search.result).toBe(1492);
    path.mtu = 1492;
    expect(path.complete()).toBe(1492);
  });
  test("what it costs: 36 kB an hour and target, a sixth of that where octets are counted", () => {
    for (const [sparing, most] of [
      [false, 40_000],
      [true, 8000],
    ] as const) {
      const path = new Path(4, 1500, 1500, false, sparing);
      path.complete();
      path.sizes.length = 0;
      const begun = path.now;
      path.until(() => path.now - begun >= seconds(3600));
      expect(2 * path.sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(most);
    }
  });
  test("a target that is silent is asked soon at first, and then more and more rarely", () => {
    const path = new Path(4, 1500, 0, false);
    const waits: number[] = [];
    while (waits.length < 8) {
      path.until(() => path.search.phase === "silent");
      waits.push(path.search.wakeAt - path.now);
      path.now = path.search.wakeAt;
      path.feed({ kind: "wake" });
    }
    expect(waits.map((wait) => wait / 1000)).toEqual([10, 20, 40, 80, 160, 300, 300, 300]);
  });
  test("a target that never answers says nothing", () => {
    const path = new Path(4, 1500, 0, false);
    path.until(() => path.search.phase === "silent");
    expect(path.search.result).toBeUndefined();
  });
});
