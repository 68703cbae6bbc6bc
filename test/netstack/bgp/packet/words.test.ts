/** Communities, paths and messages in words. */
import { expect, describe as group, test } from "vitest";
import { decode } from "../../../../netstack/bgp/packet/codec.ts";
import {
  communityText,
  extendedCommunityText,
  largeCommunityText,
  parseCommunity,
  WELL_KNOWN,
} from "../../../../netstack/bgp/packet/community.ts";
import { Interner } from "../../../../netstack/bgp/packet/interner.ts";
import { hardReset, shutdownData } from "../../../../netstack/bgp/packet/notification.ts";
import { merged, pathHas, pathLength, pathText, prepended } from "../../../../netstack/bgp/packet/path.ts";
import { describe, notificationText } from "../../../../netstack/bgp/packet/text.ts";
import { attribute, EXTERNAL, hex, MANDATORY, NLRI, readUpdate, update } from "./octets.ts";

function said(text: string): string {
  const parsed = parseCommunity(text);
  if (!parsed.ok) return "refused";
  const { kind, value } = parsed.value;
  if (kind === "standard") return `standard ${communityText(value)}`;
  return kind === "large" ? `large ${largeCommunityText(value)}` : `extended ${extendedCommunityText(value)}`;
}

group("communities", () => {
  test.each([
    ["65000:1", "standard 65000:1"],
    ["0:0", "standard 0:0"],
    ["65535:65281", "standard no-export"],
    ["65000:1:2", "large 65000:1:2"],
    ["4294967295:4294967295:0", "large 4294967295:4294967295:0"],
    ["rt:65000:100000", "extended rt:65000:100000"],
    ["ro:192.0.2.1:7", "extended ro:192.0.2.1:7"],
    ["rt:4200000001:1", "extended rt:4200000001:1"],
    ["0x0002fde800000001", "extended rt:65000:1"],
    // a short form would be taken for another one
    ["0x02020000fde80001", "extended 0x02020000fde80001"],
    ["0x4002fde800000001", "extended 0x4002fde800000001"],
  ])("%s", (text, expected) => {
    expect(said(text)).toBe(expected);
  });
  test.each(Object.keys(WELL_KNOWN))("%s by its name (RFC 1997, RFC 7999, RFC 8326, RFC 9494)", (name) => {
    expect(said(name)).toBe(`standard ${name}`);
  });
  test.each([
    "",
    "65000",
    "65536:1",
    "1:65536",
    "01:1",
    "-1:1",
    "1:2:3:4",
    "a:b",
    "rt:1",
    "rt:65536:65536",
    "0x00",
    "toString",
  ])("refused: %s", (text) => {
    expect(said(text)).toBe("refused");
  });
});

group("paths", () => {
  const sequence = (...asns: number[]) => ({ kind: "sequence", asns }) as const;
  const set = (...asns: number[]) => ({ kind: "set", asns }) as const;
  test("text is what plans match against", () => {
    expect(pathText([sequence(65001, 65002), set(65003, 65004)])).toBe("65001 65002 {65003 65004}");
    expect(pathText([])).toBe("");
  });
  test("RFC 4271 §9.1.2.2 (a): a set counts as one; RFC 5065 §5.3: confederations as none", () => {
    expect(pathLength([sequence(1, 2), set(3, 4, 5), { kind: "confed-sequence", asns: [6, 7] }])).toBe(3);
  });
  test("RFC 4271 §5.1.2 (b): ours in front, before a set in a segment of its own", () => {
    expect(prepended([sequence(2)], 1, 2)).toEqual([sequence(1, 1, 2)]);
    expect(prepended([set(2)], 1)).toEqual([sequence(1), set(2)]);
    expect(prepended([], 1)).toEqual([sequence(1)]);
    expect(prepended([sequence(2)], 1, 0)).toEqual([sequence(2)]);
  });
  test("our own is found anywhere", () => {
    expect([pathHas([sequence(1), set(2, 3)], 3), pathHas([sequence(1)], 3)]).toEqual([true, false]);
  });
  test("RFC 6793 §4.2.3: a merged path is as long as the longer one", () => {
    expect(merged([sequence(1, 2, 23456)], [sequence(70000)])).toEqual([sequence(1, 2, 70000)]);
    expect(merged([set(1, 2), sequence(23456)], [sequence(70000)])).toEqual([set(1, 2), sequence(70000)]);
    expect(merged([], [])).toEqual([]);
  });
});

group("messages", () => {
  test("a NOTIFICATION says what its data says", () => {
    expect(notificationText({ reason: "cease/administrative-shutdown", data: shutdownData("maintenance") })).toBe(
      'cease/administrative-shutdown: "maintenance"',
    );
    expect(notificationText(hardReset({ reason: "cease/bfd-down", data: hex("") }))).toBe(
      "cease/hard-reset, cease/bfd-down",
    );
    expect(notificationText({ reason: "open-message/unsupported-capability", data: hex("0104") })).toBe(
      "open-message/unsupported-capability, data 0104",
    );
  });
  test("an UPDATE of many routes is one line all the same", () => {
    expect(describe(readUpdate(update({ attributes: MANDATORY, nlri: "20c0000201".repeat(300) })))).toBe(
      `UPDATE announce ${"192.0.2.1/32 ".repeat(8)}and 292 more: igp, path 65001, next hop 10.0.0.1`,
    );
  });
  test("and one of a path without end is cut", () => {
    const path = attribute(0x50, 2, `02ff${"0000fde9".repeat(255)}`.repeat(3));
    const text = describe(readUpdate(update({ attributes: [...MANDATORY.toSpliced(1, 1), path], nlri: NLRI })));
    expect(text).toHaveLength(4097);
    expect(text).toMatch(/^UPDATE announce 192\.0\.2\.0\/24: igp, path 65001 65001 .*…$/);
  });
  test("what was wrong with it is said, too", () => {
    expect(describe(readUpdate(update({ attributes: [...MANDATORY, attribute(0x80, 4, "00")], nlri: NLRI })))).toBe(
      "UPDATE withdraw 192.0.2.0/24; MULTI_EXIT_DISC length: treat-as-withdraw",
    );
  });
});

group("attributes that came before", () => {
  const one = update({ attributes: MANDATORY, nlri: NLRI });
  const two = update({ attributes: MANDATORY, nlri: "20c6336401" });
  const bytesOf = (interner: Interner, bytes: Uint8Array) => {
    const found = decode(bytes, 0, bytes.length, EXTERNAL, interner);
    if (!found.ok || found.value.kind !== "update") throw new Error("not an update");
    return found.value;
  };
  test("are the same object, whatever routes they are of", () => {
    const interner = new Interner();
    const first = bytesOf(interner, one).reach[0]?.attributes;
    expect(bytesOf(interner, two).reach[0]?.attributes).toBe(first);
    expect(interner.size).toBe(1);
  });
  test("with a fault, they are told of it each time", () => {
    const interner = new Interner();
    const faulty = update({ attributes: [...MANDATORY, attribute(0xc0, 7, "00")], nlri: NLRI });
    for (let time = 0; time < 2; time++) {
      const { treatment, reach } = bytesOf(interner, faulty);
      expect([treatment, reach.length]).toEqual(["attribute-discard", 1]);
    }
    expect(interner.size).toBe(0);
  });
  test("are bounded, whatever a peer sends", () => {
    const interner = new Interner();
    for (let med = 0; med < 10_000; med++) {
      const octets = attribute(0x80, 4, med.toString(16).padStart(8, "0"));
      bytesOf(interner, update({ attributes: [...MANDATORY, octets], nlri: NLRI }));
    }
    expect(interner.size).toBeLessThanOrEqual(4096);
  });
});
