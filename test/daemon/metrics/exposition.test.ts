import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expose, type Family, histogram } from "../../../daemon/metrics/exposition.ts";
import { Counters, NO_STATS } from "../../../daemon/parts/counters.ts";
import { parseExposition } from "./exposition-parser.ts";

describe("Prometheus text format 0.0.4", () => {
  it("label values survive backslash, quote and line feed", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.double(), (text, value) => {
        const family: Family = {
          name: "a_total",
          type: "counter",
          help: "x\ny\\z",
          samples: [{ labels: { k: text }, value }],
        };
        const parsed = parseExposition(expose([family]));
        expect(parsed.get("a_total")?.samples).toEqual([
          { name: "a_total", labels: { k: text }, value: value === 0 ? 0 : value },
        ]);
      }),
    );
  });
  it("a family without samples leaves no trace", () => {
    expect(expose([{ name: "a", type: "gauge", help: "", samples: [] }])).toBe("");
  });
  it("a histogram is cumulative, ends in +Inf and carries sum and count", () => {
    const text = expose([
      { name: "h", type: "histogram", help: "h", samples: histogram({ c: "x" }, [0.1, 1], [2, 5], 7, 9.5) },
    ]);
    expect(text.split("\n").slice(2)).toEqual([
      'h_bucket{c="x",le="0.1"} 2',
      'h_bucket{c="x",le="1"} 5',
      'h_bucket{c="x",le="+Inf"} 7',
      'h_sum{c="x"} 9.5',
      'h_count{c="x"} 7',
      "",
    ]);
  });
});

describe("counters over workers and restarts", () => {
  const stats = (requests: number, active: number): typeof NO_STATS => ({
    ...NO_STATS,
    connections: active,
    requests: { "GET|2xx|b": requests },
    durations: { b: [requests, requests, 0.5] },
    pools: { b: [active, 1, requests, 1] },
  });
  it("sums workers", () => {
    const counters = new Counters();
    counters.update("0", stats(3, 1));
    counters.update("1", stats(4, 2));
    expect(counters.total().requests).toEqual({ "GET|2xx|b": 7 });
    expect(counters.total().pools).toEqual({ b: [3, 2, 7, 2] });
  });
  it("never falls when a worker starts over, and forgets the gauges of the dead", () => {
    const counters = new Counters();
    counters.update("0", stats(3, 5));
    counters.ended("0");
    expect(counters.total().connections).toBe(0);
    expect(counters.total().pools).toEqual({ b: [0, 0, 3, 1] });
    counters.update("0", stats(1, 1));
    counters.ended("0");
    counters.ended("0");
    expect(counters.total().requests).toEqual({ "GET|2xx|b": 4 });
    expect(counters.total().durations).toEqual({ b: [4, 4, 1] });
  });
});
