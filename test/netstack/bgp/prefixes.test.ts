/** The table of prefixes, whatever its seed: a peer that knows the hash function does not know where its prefixes fall. */
import { describe, expect, test } from "vitest";
import type { Family } from "../../../netstack/bgp/packet/family.ts";
import { PrefixTable } from "../../../netstack/bgp/prefixes.ts";

const COUNT = 20_000;

/** 20,000 prefixes of all lengths, as they stand on the wire. */
function wire(family: Family): readonly Uint8Array[] {
  const size = family === "ipv4" ? 4 : 16;
  return Array.from({ length: COUNT }, (_, index) => {
    const bits = size * 8 - (index % 8);
    // a multiplication by an odd number: all different in their first 24 bits, and so at each of these lengths
    const start = Math.imul(index, 0x9e3779b1) >>> 8;
    const octets = Uint8Array.of(bits, start >>> 16, start >>> 8, start, ...Array.from({ length: size - 3 }, () => 0));
    return octets;
  });
}

describe.each(["ipv4", "ipv6"] as const)("%s", (family) => {
  test.each([0, 1, 0x7fffffff, 0x80000000, 0xffffffff])("seed %d: what went in is found, and nothing else", (seed) => {
    const table = new PrefixTable(family, seed);
    const all = wire(family);
    const seen = new Map<string, number>();
    const moved: string[] = [];
    for (const each of all) {
      const key = each.join(".");
      const id = table.idOfWire(each, 1, each[0] as number);
      if ((seen.get(key) ?? id) !== id) moved.push(key);
      seen.set(key, id);
    }
    expect(moved).toEqual([]);
    expect(new Set(seen.values()).size).toBe(seen.size);
    expect(table.live).toBe(seen.size);
    const found = (each: Uint8Array): number => table.findWire(each, 1, each[0] as number);
    const known = (each: Uint8Array): number => seen.get(each.join(".")) as number;
    expect(all.filter((each) => found(each) !== known(each))).toEqual([]);
    // half of them go; the others stay who they are
    const freed = table.sweep((id) => id % 2 === 0);
    expect(freed).toHaveLength(Math.ceil(seen.size / 2));
    const left = (id: number): number => (id % 2 === 0 ? id : 0);
    expect(all.filter((each) => found(each) !== left(known(each)))).toEqual([]);
  });
});
