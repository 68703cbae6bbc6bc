import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Allocation, allocate, allocationsFile, poolUse } from "../../resources/allocate.ts";
import type { ResourceSet } from "../../resources/kinds.ts";
import { loadResources } from "../../resources/load.ts";

const pool = (name: string, spec: object): object => ({ kind: "ProxyIPPool", metadata: { name }, spec });
const vip = (name: string, spec: object = {}): object => ({
  kind: "ProxyVIP",
  metadata: { name },
  spec: { mode: "L2ARP", ports: [80], ...spec },
});
function set(...documents: readonly object[]): ResourceSet {
  const items = documents.map((each) => ({ apiVersion: "novaedge.io/v1alpha1", ...each }));
  const { resources, diagnostics } = loadResources([{ file: "f", content: JSON.stringify({ kind: "List", items }) }]);
  expect(diagnostics).toEqual([]);
  return resources;
}
const shown = (allocations: readonly Allocation[]): readonly string[] =>
  allocations.map((each) => `${each.vip}=${each.address}`);

describe("allocation from pools", () => {
  const P = pool("p", { cidrs: ["10.0.0.0/29"] });

  it("gives the first free address in numeric order, without network and broadcast (RFC 1122 §3.2.1.3)", () => {
    const many = ["a", "b", "c", "d", "e", "f", "g"].map((name) => vip(name));
    const { allocations, problems } = allocate(set(P, ...many), []);
    expect(shown(allocations)).toEqual([
      "a=10.0.0.1",
      "b=10.0.0.2",
      "c=10.0.0.3",
      "d=10.0.0.4",
      "e=10.0.0.5",
      "f=10.0.0.6",
    ]);
    expect(problems.map((each) => `${each.vip} ${each.code}`)).toEqual(["g POOL_EXHAUSTED"]);
  });
  it("orders by number, not by text, and single addresses among ranges", () => {
    const q = pool("q", { cidrs: ["10.0.0.16/31"], addresses: ["10.0.0.9"] });
    expect(shown(allocate(set(q, vip("a"), vip("b")), []).allocations)).toEqual(["a=10.0.0.9", "b=10.0.0.16"]);
  });
  it("passes over addresses that are written in a VIP", () => {
    expect(shown(allocate(set(P, vip("a"), vip("z", { address: "10.0.0.1" })), []).allocations)).toEqual([
      "a=10.0.0.2",
    ]);
  });
  it("gives both families from one or two pools, also from an endless one", () => {
    const six = pool("six", { cidrs: ["2001:db8::/64"] });
    const { allocations } = allocate(set(P, six, vip("a", { addressFamily: "dual" })), []);
    expect(shown(allocations)).toEqual(["a=10.0.0.1", "a=2001:db8::1"]);
  });
  it("uses a pool without autoAssign only by its name", () => {
    const q = pool("q", { cidrs: ["10.0.0.0/29"], autoAssign: false });
    expect(allocate(set(q, vip("a")), []).problems.map((each) => each.code)).toEqual(["POOL_MISSING"]);
    expect(shown(allocate(set(q, vip("a", { poolRef: { name: "q" } })), []).allocations)).toEqual(["a=10.0.0.1"]);
  });

  it("never moves what exists, whatever comes before it", () => {
    const first = allocate(set(P, vip("m")), []).allocations;
    const then = allocate(set(P, vip("a"), vip("m"), vip("z")), first).allocations;
    expect(shown(then)).toEqual(["a=10.0.0.2", "m=10.0.0.1", "z=10.0.0.3"]);
  });
  it("keeps an address that its pool lost, and says so", () => {
    const first = allocate(set(P, vip("a")), []).allocations;
    const { allocations, problems } = allocate(set(pool("p", { cidrs: ["10.9.0.0/29"] }), vip("a")), first);
    expect(shown(allocations)).toEqual(["a=10.0.0.1"]);
    expect(problems.map((each) => each.code)).toEqual(["POOL_OUTSIDE"]);
  });
  it("gives another one when the VIP asks another pool", () => {
    const q = pool("q", { cidrs: ["10.9.0.0/29"] });
    const first = allocate(set(P, q, vip("a", { poolRef: { name: "p" } })), []).allocations;
    expect(shown(allocate(set(P, q, vip("a", { poolRef: { name: "q" } })), first).allocations)).toEqual(["a=10.9.0.1"]);
  });
  it("gives way to an address that is written since, and says so", () => {
    const first = allocate(set(P, vip("a")), []).allocations;
    const { allocations, problems } = allocate(set(P, vip("a"), vip("b", { address: "10.0.0.1" })), first);
    expect(shown(allocations)).toEqual(["a=10.0.0.2"]);
    expect(problems.map((each) => each.code)).toEqual(["ADDRESS_ALLOCATED"]);
  });
  it("forgets a VIP that is gone", () => {
    expect(allocate(set(P), allocate(set(P, vip("a")), []).allocations).allocations).toEqual([]);
  });
  it("what is stored is read back", () => {
    const { allocations } = allocate(set(P, vip("a")), []);
    expect(allocationsFile.parse(JSON.parse(JSON.stringify({ allocations }))).allocations).toEqual(allocations);
  });
  it("a spoilt state file gives a new address instead of a crash", () => {
    const spoilt: Allocation = { vip: "a", family: "ipv4", pool: "p", address: "not an address" };
    expect(shown(allocate(set(P, vip("a")), [spoilt]).allocations)).toEqual(["a=10.0.0.1"]);
  });
  it("counts", () => {
    const all = set(P, vip("a"));
    const [only] = all.pools;
    expect(only === undefined ? undefined : poolUse(only, allocate(all, []).allocations)).toEqual({
      allocated: 1,
      size: 6n,
    });
  });

  it("over any history: unique, stable, inside", () => {
    const names = fc.uniqueArray(fc.constantFrom(..."a b c d e f g h i j".split(" ")), { maxLength: 8 });
    fc.assert(
      fc.property(fc.array(names, { minLength: 1, maxLength: 8 }), (history) => {
        let before: readonly Allocation[] = [];
        for (const present of history) {
          const { allocations } = allocate(set(P, ...present.map((name) => vip(name))), before);
          expect(new Set(allocations.map((each) => each.address)).size).toBe(allocations.length);
          expect(allocations.length).toBe(Math.min(6, present.length));
          for (const had of before.filter((each) => present.includes(each.vip)))
            expect(allocations).toContainEqual(had);
          before = allocations;
        }
      }),
      { numRuns: 50 },
    );
  });
});
