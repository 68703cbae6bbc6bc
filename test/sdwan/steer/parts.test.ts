/** Shares, spans, segments that make an end speak: the small parts. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { contains, type Ip, isIpv4, octetsOfIp, parsePrefix } from "../../../base/address.ts";
import { join } from "../../../base/octets.ts";
import { checksum } from "../../../netstack/wire/checksum.ts";
import { leftAlone } from "../../../sdwan/steer/classify.ts";
import { deadPins } from "../../../sdwan/steer/dead.ts";
import { matchLines } from "../../../sdwan/steer/match.ts";
import { encodeNudge } from "../../../sdwan/steer/nudge.ts";
import { planRules, wantedRules } from "../../../sdwan/steer/rules.ts";
import { rulesetOf } from "../../../sdwan/steer/ruleset.ts";
import { shares } from "../../../sdwan/steer/shares.ts";
import { joinedSpans, networksOf } from "../../../sdwan/steer/spans.ts";
import { chainText } from "../../../sdwan/steer/writing.ts";
import { sitePlan, VALUES } from "./network.ts";
import { ipOf, linkSpec, matching } from "./plans.ts";

describe("shares", () => {
  test("turns are spread evenly, not in blocks", () => {
    expect(
      shares([
        ["a", 2],
        ["b", 1],
      ]),
    ).toEqual(["a", "b", "a"]);
    expect(
      shares([
        ["a", 300],
        ["b", 100],
      ]),
    ).toEqual(["a", "a", "b", "a"]);
    expect(shares([["a", 1]])).toEqual(["a"]);
    expect(shares([])).toEqual([]);
  });
  test("everybody has a turn, in proportion, and the sequence stays short", () => {
    const weights = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(weights, (all) => {
        const turns = shares(all.map((weight, index) => [index, weight] as const));
        const total = all.reduce((sum, weight) => sum + weight, 0);
        expect(turns.length).toBeLessThanOrEqual(108);
        all.forEach((weight, index) => {
          const part = turns.filter((each) => each === index).length / turns.length;
          expect(part).toBeGreaterThan(0);
          expect(Math.abs(part - weight / total)).toBeLessThan(0.05);
        });
      }),
    );
  });
});

describe("spans", () => {
  const octets = fc.tuple(
    fc.constantFrom(10, 192),
    fc.integer({ min: 0, max: 3 }),
    fc.constantFrom(0, 128),
    fc.constant(0),
  );
  const prefix = fc.tuple(octets, fc.integer({ min: 0, max: 32 })).map(([ip, length]) => `${ip.join(".")}/${length}`);
  test("networks cover what they covered, and none lies in another", () => {
    fc.assert(
      fc.property(fc.array(prefix, { maxLength: 8 }), octets, (texts, ip) => {
        const { v4 } = networksOf(texts);
        const parsed = texts.map((text) => parsePrefix(text)).flatMap((each) => (each.ok ? [each.value] : []));
        const at = ipOf(ip.join("."));
        expect(v4.some((each) => contains(each, at))).toBe(parsed.some((each) => contains(each, at)));
        expect(v4.some((a) => v4.some((b) => a !== b && contains(a, b.ip)))).toBe(false);
      }),
    );
  });
  test("ranges that touch become one", () => {
    expect(
      joinedSpans([
        [80, 90],
        [443, 443],
        [85, 100],
        [101, 101],
        [1, 2],
      ]),
    ).toEqual([
      [1, 2],
      [80, 101],
      [443, 443],
    ]);
  });
});

describe("RFC 9293 §3.10.7.4: a segment that has to be answered", () => {
  test.each([
    ["10.1.0.2", "198.51.100.1"],
    ["fd01::2", "2001:db8::1"],
  ])("to %s from %s", (to, from) => {
    const packet = encodeNudge({ from: ipOf(from), fromPort: 443, to: ipOf(to), toPort: 40_000 });
    const v4 = isIpv4(ipOf(to) as Ip);
    const segment = packet.subarray(v4 ? 20 : 40);
    expect(segment.length).toBe(21);
    const pseudo = join([octetsOfIp(ipOf(from)), octetsOfIp(ipOf(to)), Uint8Array.of(0, 6, 0, segment.length)]);
    expect(checksum(join([pseudo, segment]))).toBe(0);
    expect(segment[13]).toBe(0x10);
    expect([...segment.subarray(0, 4)]).toEqual([1, 187, 156, 64]);
  });
});

describe("dead links", () => {
  const dead = (...links: readonly string[]): readonly number[] =>
    deadPins(sitePlan({}), new Set(links)).map(({ value }) => value);
  test("bind what another link could carry, and nothing when there is none", () => {
    expect(dead()).toEqual([]);
    expect(dead("isp1")).toEqual([VALUES.voice1, VALUES.bulk1]);
    expect(dead("isp1", "isp2")).toEqual([]);
    expect(dead("isp3")).toEqual([]);
  });
});

describe("two links on one interface", () => {
  test("make a ruleset that says each thing once", () => {
    const links = [linkSpec("isp1", "wan1", 1), linkSpec("isp2", "wan1", 2)];
    const { chains } = rulesetOf(sitePlan({ links }), { mask: 0x3f00_0000, of: (value) => value << 24 });
    const text = chains.map(chainText).join("\n");
    expect(text.match(/"wan1" : goto from_link/g)).toHaveLength(1);
    expect(text.match(/"wan1" : goto pin_/g)).toHaveLength(1);
  });
});

describe("rules", () => {
  test("what is right stays, what is not goes, once", () => {
    const want = wantedRules(sitePlan({}), 11_000, new Map([["isp1", [ipOf("192.0.2.2"), ipOf("2001:db8::2")]]]));
    expect(planRules(want, want)).toEqual({ add: [], remove: [] });
    const [first] = want;
    if (first === undefined) throw new TypeError("no rules");
    const moved = { ...first, table: 9 };
    expect(planRules(want, [...want.slice(1), moved, first, first])).toEqual({ add: [], remove: [moved, first] });
    expect(new Set(want.map(({ preference }) => preference >= 11_000 && preference <= 11_999))).toEqual(
      new Set([true]),
    );
  });
});

describe("matches that can match nothing of a family have no line for it", () => {
  const lines = (part: Parameters<typeof matching>[0]): readonly string[] =>
    matchLines(matching(part), { v4: "h4", v6: "h6" });
  test("networks of one family", () => {
    expect(lines({ sources: ["10.0.0.0/8"] })).toEqual(["ip saddr { 10.0.0.0/8 }"]);
    expect(lines({ sources: ["10.0.0.0/8"], destinations: ["fd00::/8"] })).toEqual([]);
  });
  test("ports of a protocol that has none", () => {
    expect(lines({ protocols: ["icmp"], ports: [[1, 2]] })).toEqual([]);
    expect(lines({ protocols: ["icmp", "udp"], ports: [[1, 2]] })).toEqual(["meta l4proto { 17 } th dport { 1-2 }"]);
  });
  test("nothing asked for: everything, in one line", () => {
    expect(lines({})).toEqual([""]);
  });
  test("names of interfaces that nft would read as something else", () => {
    for (const name of ["eth*", 'a"b', "a b", "a/b", "", "x".repeat(16), "a\\"]) {
      expect(() => lines({ interfaces: [name] })).toThrow(TypeError);
    }
  });
});

describe("left alone", () => {
  const packet = {
    source: ipOf("10.1.0.2"),
    destination: ipOf("198.51.100.1"),
    protocol: 17,
    destinationPort: 9,
    dscp: 0,
    ifname: "lan",
    user: undefined,
  };
  test.each([
    ["this host", packet, { kind: "local" }],
    ["lan2", packet, { kind: "near", ifname: "lan2" }],
    ["overlay", packet, { kind: "overlay" }],
    ["link-local", { ...packet, destination: ipOf("fe80::1") }, { kind: "wan", ifname: "wan1" }],
    ["multicast", { ...packet, destination: ipOf("224.0.0.5") }, { kind: "none" }],
    ["DHCP", { ...packet, ifname: undefined, destinationPort: 67 }, { kind: "wan", ifname: "wan1" }],
  ] as const)("%s", (word, question, way) => {
    expect(leftAlone(question, way)).toContain(word);
  });
  test("all else is classified", () => {
    expect(leftAlone(packet, { kind: "wan", ifname: "wan1" })).toBeUndefined();
    expect(leftAlone(packet, { kind: "none" })).toBeUndefined();
    expect(leftAlone({ ...packet, protocol: 6 }, { kind: "overlay" })).toBeUndefined();
  });
});
