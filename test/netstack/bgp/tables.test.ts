/** The tables behind the RIB: numbers for prefixes and attribute sets, what was told, next hops of ours. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  formatPrefix,
  type Ip,
  ipv4,
  ipv6,
  masked,
  octetsOfIp,
  type Prefix,
  parsePrefix,
} from "../../../base/address.ts";
import { AttributeStore, Memo } from "../../../netstack/bgp/attributes.ts";
import { selfOf } from "../../../netstack/bgp/established.ts";
import { PrefixTable, widePrefix } from "../../../netstack/bgp/prefixes.ts";
import { RibOut } from "../../../netstack/bgp/rib-out.ts";
import { attributesFor } from "./tester.ts";

const prefix4: fc.Arbitrary<Prefix> = fc
  .tuple(fc.nat(0xffffffff), fc.nat(32))
  .map(([ip, length]) => ({ ip: masked(ip as Ip, length), length }));
const prefix6: fc.Arbitrary<Prefix> = fc
  .tuple(fc.ipV6(), fc.nat(128))
  .filter(([text]) => parsePrefix(`${text}/128`).ok)
  .map(([text, length]) => {
    const parsed = parsePrefix(`${text}/${length}`);
    if (!parsed.ok) throw new TypeError(text);
    return parsed.value;
  });
function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new TypeError(text);
  return parsed.value;
}

describe("prefixes as numbers", () => {
  for (const [family, any] of [
    ["ipv4", prefix4],
    ["ipv6", prefix6],
  ] as const)
    test(`${family}: equal ones have one, it gives back what was asked for, and reads and writes what is on the wire`, () => {
      fc.assert(
        fc.property(fc.array(any, { maxLength: 200 }), (all) => {
          const table = new PrefixTable(family);
          const ids = new Map<string, number>();
          for (const each of all) {
            const id = table.id(each);
            const text = formatPrefix(each);
            expect(ids.get(text) ?? id).toBe(id);
            ids.set(text, id);
            expect(formatPrefix(table.prefix(id))).toBe(text);
            // Bits behind the length do not matter (RFC 4271 §4.3).
            const octets = octetsOfIp(each.ip);
            const last = (each.length + 7) >>> 3;
            if ((each.length & 7) !== 0) octets[last - 1] = (octets[last - 1] ?? 0) | (0xff >>> (each.length & 7));
            expect(table.idOfWire(octets.subarray(0, last), 0, each.length)).toBe(id);
            const out = new Uint8Array(20);
            expect(table.write(id, out, 0)).toBe(table.wireLength(id));
            expect(table.findWire(out, 1, out[0] ?? 0)).toBe(id);
          }
          expect(table.live).toBe(ids.size);
          expect(new Set(ids.values()).size).toBe(ids.size);
          const kept = new Set([...ids.values()].filter((id) => id % 2 === 0));
          table.sweep((id) => kept.has(id));
          expect(table.live).toBe(kept.size);
          for (const [text, id] of ids) expect(table.find(prefix(text))).toBe(kept.has(id) ? id : 0);
        }),
        { numRuns: 100 },
      );
    });
  test("ranges: ge, le, and an exact one", () => {
    const table = new PrefixTable("ipv4");
    const within = (text: string, wide: string, ge?: number, le?: number) =>
      table.within(table.id(prefix(text)), widePrefix(prefix(wide), ge, le));
    expect(within("10.1.0.0/16", "10.0.0.0/8")).toBe(false);
    expect(within("10.0.0.0/8", "10.0.0.0/8")).toBe(true);
    expect(within("10.1.0.0/16", "10.0.0.0/8", undefined, 16)).toBe(true);
    expect(within("10.1.1.0/24", "10.0.0.0/8", undefined, 16)).toBe(false);
    expect(within("10.1.1.0/24", "10.0.0.0/8", 24)).toBe(true);
    expect(within("10.1.0.0/16", "10.0.0.0/8", 24)).toBe(false);
    expect(within("11.1.1.0/24", "10.0.0.0/8", 24)).toBe(false);
    expect(within("203.0.113.0/24", "0.0.0.0/0", 0, 32)).toBe(true);
    const six = new PrefixTable("ipv6");
    const wide = widePrefix(prefix("2001:db8::/33"), 48, 64);
    expect(six.within(six.id(prefix("2001:db8:1::/48")), wide)).toBe(true);
    expect(six.within(six.id(prefix("2001:db8:8000::/48")), wide)).toBe(false);
  });
});

describe("attribute sets as numbers", () => {
  test("a number is another's only after a sweep, and then nothing is remembered of it", () => {
    const store = new AttributeStore();
    const memo = new Memo<string>(store);
    const [a, b] = [store.id(attributesFor({ med: 1 })), store.id(attributesFor({ med: 2 }))];
    expect(store.id(attributesFor({ med: 1 }))).toBe(a);
    memo.set(a, "one");
    const used = new Uint8Array(store.bound);
    used[b] = 1;
    store.sweep(used);
    expect(memo.get(a)).toBeUndefined();
    expect(store.live).toBe(1);
    expect(store.id(attributesFor({ med: 3 }))).toBe(a);
    expect(store.attributes(b).med).toBe(2);
    expect(() => new AttributeStore().entry(7)).toThrow(TypeError);
  });
});

describe("what was told to a peer", () => {
  const drain = (out: RibOut, wants: (prefix: number) => number, bound = 10, room = 1000): string[] => {
    const lines: string[] = [];
    while (out.waiting) {
      const batch = out.next(room, { bound, exported: wants, wireLength: () => 4 });
      if (batch.begin) lines.push("BoRR");
      for (const each of batch.withdrawn) lines.push(`-${each}`);
      for (const [set, prefixes] of batch.announced) lines.push(`${set}: ${prefixes.join(" ")}`);
      if (batch.endOfRib) lines.push("EoR");
      if (batch.end) lines.push("EoRR");
    }
    return lines;
  };
  test("the table, then End-of-RIB; afterwards only what differs", () => {
    const out = new RibOut();
    out.start(true);
    expect(drain(out, (id) => (id < 4 ? 7 : 0))).toEqual(["7: 1 2 3", "EoR"]);
    out.touch(2);
    out.touch(3);
    out.touch(2);
    expect(drain(out, (id) => (id === 2 ? 8 : 7))).toEqual(["8: 2"]);
    out.touch(1);
    expect(drain(out, () => 0)).toEqual(["-1"]);
    expect(out.announced).toBe(2);
    out.review();
    expect(drain(out, (id) => (id === 5 ? 9 : 0))).toEqual(["-2", "-3", "9: 5"]);
  });
  test("RFC 7313 §4: a refresh says everything again between its marks, one at a time, not before End-of-RIB", () => {
    const out = new RibOut();
    out.start(true);
    out.refresh(true);
    expect(drain(out, (id) => (id < 3 ? 7 : 0), 10, 3)).toEqual([
      "7: 1",
      "7: 2",
      "EoR",
      "BoRR",
      "7: 1",
      "7: 2",
      "EoRR",
    ]);
    out.refresh(true);
    out.refresh(true);
    expect(drain(out, (id) => (id < 2 ? 7 : 0)).filter((line) => line.endsWith("RR"))).toEqual([
      "BoRR",
      "EoRR",
      "BoRR",
      "EoRR",
    ]);
  });
  test("what could not be told counts as not told", () => {
    const out = new RibOut();
    out.start(false);
    drain(out, (id) => (id === 1 ? 7 : 0));
    out.untell(1);
    expect([out.announced, out.told(1)]).toEqual([0, 0]);
  });
});

describe("RFC 4271 §5.1.3, RFC 2545 §3, RFC 8950: the next hop that is us", () => {
  const v4 = ipv4("10.0.0.1");
  const [global, linkLocal] = [ipv6("2001:db8::1"), ipv6("fe80::1")];
  const ends = (local: Ip, addresses: readonly Ip[]) => ({
    local,
    remote: local,
    ifname: "eth0",
    addresses,
  });
  test("IPv4 over IPv4", () =>
    expect(selfOf(ends(v4, [v4]), "ipv4", false)).toEqual({ global: v4, linkLocal: undefined }));
  test("IPv6 over IPv6, with the link-local one for a neighbour on the link", () => {
    expect(selfOf(ends(global, [global, linkLocal]), "ipv6", false)).toEqual({ global, linkLocal });
    expect(selfOf({ ...ends(global, [global, linkLocal]), ifname: undefined }, "ipv6", false)).toEqual({
      global,
      linkLocal: undefined,
    });
  });
  test("IPv6 over IPv4: an address of the same interface, or none at all", () => {
    expect(selfOf(ends(v4, [v4, global, linkLocal]), "ipv6", false)).toEqual({ global, linkLocal });
    expect(selfOf(ends(v4, [v4]), "ipv6", false)).toBeUndefined();
  });
  test("IPv4 over IPv6: by RFC 8950 where agreed, else an IPv4 address of the interface, or none", () => {
    expect(selfOf(ends(linkLocal, [linkLocal]), "ipv4", true)).toEqual({ global: undefined, linkLocal });
    expect(selfOf(ends(global, [global, v4]), "ipv4", false)).toEqual({ global: v4, linkLocal: undefined });
    expect(selfOf(ends(global, [global]), "ipv4", false)).toBeUndefined();
  });
});
