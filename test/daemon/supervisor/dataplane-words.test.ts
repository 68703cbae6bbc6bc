import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseFromDataplane } from "../../../daemon/supervisor/dataplane-words.ts";
import type { FromDataplane } from "../../../proxy/control.ts";
import { Stats } from "../../../proxy/stats.ts";

const STATS: Extract<FromDataplane, { kind: "stats" }> = {
  kind: "stats",
  stats: {
    connections: 1,
    requestsInFlight: 0,
    connectionsTotal: 9,
    requests: { "GET|2xx|default/b": 3 },
    durations: { "default/b": [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 3, 0.25] },
    upstream: { "default/b|10.0.0.1:80|ok": 3 },
    pools: { "default/b": [1, 2, 3, 4] },
    refused: { "bare-lf": 2 },
  },
};
const GOOD: readonly FromDataplane[] = [
  { kind: "hello", pid: 7, engine: "io_uring", why: "" },
  { kind: "applied", version: "0123", listening: ["default/g/http@192.0.2.1:80"] },
  { kind: "refused", version: "0124", why: "no such listener" },
  { kind: "pong", n: 3 },
  { kind: "health", backend: "default/b", endpoint: "10.0.0.1:80", healthy: false, why: "refused" },
  STATS,
];

describe("what control takes from a data plane", () => {
  test.each(GOOD)("$kind", (message) => {
    expect(parseFromDataplane(JSON.parse(JSON.stringify(message)))).toEqual(message);
  });
  test("what a data plane's books make", () => {
    const stats = new Stats();
    stats.refuse("bare-lf");
    stats.backend("default/b");
    const message = { kind: "stats", stats: stats.snapshot({ "default/b": [0, 0, 0, 0] }) };
    expect(parseFromDataplane(JSON.parse(JSON.stringify(message)))).toEqual(message);
  });
  test.each([
    null,
    undefined,
    "stats",
    [],
    {},
    { kind: "drain", grace: 0 },
    { kind: "hello", pid: -1, engine: "", why: "" },
    { kind: "hello", pid: 1, engine: "", why: "", more: 1 },
    { kind: "applied", version: "1", listening: "all" },
    { kind: "applied", version: "1" },
    { kind: "refused", version: "1" },
    { kind: "refused", version: "1", why: "w".repeat(5000) },
    { kind: "health", backend: "b", endpoint: "e", healthy: "yes", why: "" },
    { kind: "health", backend: "b".repeat(5000), endpoint: "e", healthy: true, why: "" },
    { kind: "stats", stats: null },
    { kind: "stats", stats: { ...STATS.stats, connections: -1 } },
    { kind: "stats", stats: { ...STATS.stats, connections: Number.POSITIVE_INFINITY } },
    { kind: "stats", stats: { ...STATS.stats, durations: { b: [1, 2] } } },
    { kind: "stats", stats: { ...STATS.stats, pools: { b: [1, 2, 3] } } },
    { kind: "stats", stats: { ...STATS.stats, requests: { a: "1" } } },
  ])("refuses %j", (message) => {
    expect(parseFromDataplane(message)).toBeUndefined();
  });
  test("a key cannot change more than a count", () => {
    const parsed = parseFromDataplane({
      ...STATS,
      stats: { ...STATS.stats, requests: JSON.parse('{"__proto__": 1}') },
    });
    expect(parsed).toEqual({ ...STATS, stats: { ...STATS.stats, requests: {} } });
  });
  test("survives any JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...GOOD), (value, good) => {
        for (const name of Object.keys(good)) parseFromDataplane({ ...good, [name]: value });
        parseFromDataplane(value);
      }),
      { numRuns: 2_000 },
    );
  });
});
