import { describe, expect, it } from "vitest";
import { instant } from "../../../../base/unit.ts";
import { Gathering } from "../../../../netstack/kernel/ring/gathering.ts";

/** What it says after `rate` completions a millisecond on `active` streams for a while. */
function at(rate: number, active: number, from = 0): number {
  const gathering = new Gathering();
  let least = 0;
  for (let epoch = 0; epoch < 10; epoch++) {
    for (let stream = 0; stream < active; stream++) gathering.saw();
    least = gathering.least(instant(1000 + epoch * 5), (from + epoch * 5 * rate) | 0);
  }
  return least;
}

describe("gathering completions", () => {
  it("waits for what 300 µs bring, when that is much", () => {
    expect(at(1, 1000)).toBe(1);
    expect(at(39, 1000)).toBe(1);
    expect(at(40, 1000)).toBe(12);
    expect(at(80, 1000)).toBe(24);
    expect(at(10_000, 1000)).toBe(32);
  });

  it("leaves three quarters of the active streams with the peers", () => {
    expect(at(10_000, 47)).toBe(1);
    expect(at(10_000, 48)).toBe(12);
    expect(at(10_000, 100)).toBe(25);
  });

  it("does not mind that the count of completions wraps", () => {
    expect(at(80, 1000, 2 ** 31 - 1000)).toBe(24);
  });

  it("ends with the first epoch that is quiet", () => {
    const gathering = new Gathering();
    for (let stream = 0; stream < 100; stream++) gathering.saw();
    gathering.least(instant(1000), 0);
    for (let stream = 0; stream < 100; stream++) gathering.saw();
    expect(gathering.least(instant(1005), 400)).toBe(24);
    expect(gathering.least(instant(1009.9), 405)).toBe(24);
    expect(gathering.least(instant(1010), 405)).toBe(1);
  });

  it("numbers its epochs", () => {
    const gathering = new Gathering();
    gathering.least(instant(1000), 0);
    const { epoch } = gathering;
    gathering.least(instant(1001), 0);
    expect(gathering.epoch).toBe(epoch);
    gathering.least(instant(1005), 0);
    expect(gathering.epoch).toBe(epoch + 1);
  });
});
