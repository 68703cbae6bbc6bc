/** RFC 7606: revised error handling for UPDATE messages, section by section; what it calls for is in the decoded message. */
import { describe, expect, test } from "vitest";
import { formatPrefix } from "../../base/address.ts";
import type { Agreed, AttributeFault, AttributeFaultKind, Treatment } from "../../netstack/bgp/packet/message.ts";
import { prefixesOf } from "../../netstack/bgp/packet/nlri.ts";
import {
  AS_PATH,
  attribute,
  EXTERNAL,
  hex,
  INTERNAL,
  MANDATORY,
  MP_REACH,
  MP_UNREACH,
  NEXT_HOP,
  NLRI,
  OLD,
  ORIGIN,
  readUpdate,
  refusal,
  said,
  text,
  update,
} from "../netstack/bgp/packet/octets.ts";

type Faults = readonly Pick<AttributeFault, "attribute" | "why">[];

/** Announces 192.0.2.0/24 with these attributes: what becomes of it. */
function outcome(attributes: readonly string[], agreed: Agreed = EXTERNAL) {
  const { treatment, faults, unreach, reach } = readUpdate(update({ attributes, nlri: NLRI }), agreed);
  return {
    treatment,
    faults: faults.map(({ attribute: of, why }) => ({ attribute: of, why })),
    withdrawn: unreach.flatMap((nlri) => prefixesOf(nlri).map(formatPrefix)),
    announced: reach.flatMap(({ nlri }) => prefixesOf(nlri).map(formatPrefix)),
  };
}
const ROUTE = "192.0.2.0/24";
const withdrawn = (faults: Faults) => ({ treatment: "treat-as-withdraw", faults, withdrawn: [ROUTE], announced: [] });
const discarded = (faults: Faults) => ({ treatment: "attribute-discard", faults, withdrawn: [], announced: [ROUTE] });
const one = (of: AttributeFault["attribute"], why: AttributeFaultKind): Faults => [{ attribute: of, why }];
const GOOD = { treatment: undefined, faults: [], withdrawn: [], announced: [ROUTE] };
/** The mandatory ones, `type` replaced or added. */
function having(...attributes: readonly string[]): readonly string[] {
  const types = attributes.map((each) => each.slice(2, 4));
  return [...MANDATORY.filter((each) => !types.includes(each.slice(2, 4))), ...attributes];
}

test("what is not malformed is announced", () => {
  expect(outcome(MANDATORY)).toEqual(GOOD);
});

describe("RFC 7606 §3: revisions to RFC 4271's error handling", () => {
  test("(a) lengths that contradict the message's: session reset, Malformed Attribute List", () => {
    const bytes = update({ attributes: MANDATORY, nlri: NLRI });
    bytes[22] = 0xff;
    expect(refusal(bytes)).toMatchObject({
      kind: "attributes-length",
      reason: "update-message/malformed-attribute-list",
    });
    bytes[20] = 0xff;
    expect(refusal(bytes)).toMatchObject({
      kind: "withdrawn-length",
      reason: "update-message/malformed-attribute-list",
    });
  });
  test.each([
    ["ORIGIN", attribute(0xc0, 1, "00")],
    ["AS_PATH", attribute(0x80, 2, "02010000fde9")],
    ["NEXT_HOP", attribute(0x00, 3, "0a000001")],
    ["MULTI_EXIT_DISC", attribute(0xc0, 4, "00000001")],
    ["ATOMIC_AGGREGATE", attribute(0xc0, 6, "")],
    ["AGGREGATOR", attribute(0x80, 7, "0000fde90a000001")],
    ["COMMUNITIES", attribute(0x80, 8, "fde90001")],
    ["EXTENDED_COMMUNITIES", attribute(0x40, 16, "0002fde900000001")],
    ["LARGE_COMMUNITIES", attribute(0x80, 32, "0000fde90000000100000002")],
  ] as const)("(c) Optional or Transitive bit in conflict: treat-as-withdraw: %s", (name, malformed) => {
    expect(outcome(having(malformed))).toEqual(withdrawn(one(name, "flags")));
  });
  test.each([
    ["LOCAL_PREF", attribute(0xc0, 5, "00000064")],
    ["ORIGINATOR_ID", attribute(0xc0, 9, "0a000001")],
    ["CLUSTER_LIST", attribute(0x40, 10, "0a000001")],
  ] as const)("(c) the same within an AS: %s", (name, malformed) => {
    expect(outcome(having(malformed), INTERNAL)).toEqual(withdrawn(one(name, "flags")));
  });
  test("(c) MP_REACH_NLRI: treat-as-withdraw, for its prefixes can be read", () => {
    const { treatment, unreach, reach } = readUpdate(
      update({ attributes: [MP_REACH.replace(/^80/, "c0"), ORIGIN, AS_PATH] }),
    );
    expect([treatment, unreach.map(({ family }) => family), reach]).toEqual(["treat-as-withdraw", ["ipv6"], []]);
  });
  test("(c) only those two bits: Partial and the unused ones are no error", () => {
    expect(outcome([attribute(0x6f, 1, "00"), AS_PATH, NEXT_HOP])).toEqual(GOOD);
  });
  test.each(["ORIGIN", "AS_PATH", "NEXT_HOP"] as const)("(d) %s missing: treat-as-withdraw", (name) => {
    const type = { ORIGIN: "01", AS_PATH: "02", NEXT_HOP: "03" }[name];
    expect(outcome(MANDATORY.filter((each) => each.slice(2, 4) !== type))).toEqual(withdrawn(one(name, "missing")));
  });
  test("(d) NEXT_HOP is not missed where all routes are in MP_REACH_NLRI (RFC 4760 §3)", () => {
    expect(readUpdate(update({ attributes: [MP_REACH, ORIGIN, AS_PATH] }))).toMatchObject({
      faults: [],
      reach: [{ attributes: { nextHop: { global: "2001:db8::1" } } }],
    });
  });
  test("(g) MP_REACH_NLRI or MP_UNREACH_NLRI twice: session reset, Malformed Attribute List", () => {
    for (const twice of [MP_REACH, MP_UNREACH])
      expect(refusal(update({ attributes: [twice, ORIGIN, AS_PATH, twice] }))).toMatchObject({
        kind: "repeated-mp",
        reason: "update-message/malformed-attribute-list",
      });
  });
  test("(g) any other attribute twice, known or not: the first counts", () => {
    const attributes = [...MANDATORY, attribute(0x80, 4, "00000001"), attribute(0x80, 4, "00000002")];
    expect(outcome(attributes)).toEqual(discarded(one("MULTI_EXIT_DISC", "repeated")));
    expect(said(update({ attributes, nlri: NLRI })).med).toBe(1);
    const unknown = [...MANDATORY, attribute(0xc0, 99, "01"), attribute(0xc0, 99, "02")];
    expect(outcome(unknown)).toEqual(discarded(one(99, "repeated")));
    expect(said(update({ attributes: unknown, nlri: NLRI })).unknown.map(({ value }) => text(value))).toEqual(["01"]);
  });
  test("(h) of several errors the strongest approach counts", () => {
    const aggregator = attribute(0xc0, 7, "00");
    expect(outcome(having(aggregator))).toEqual(discarded(one("AGGREGATOR", "length")));
    expect(outcome(having(aggregator, attribute(0x40, 1, "07"))).treatment).toBe("treat-as-withdraw");
    expect(outcome(having(attribute(0x40, 1, "07"), aggregator)).treatment).toBe("treat-as-withdraw");
    const reset = update({ attributes: having(aggregator, attribute(0x40, 1, "07"), MP_REACH.slice(0, -2)) });
    expect(() => readUpdate(reset)).toThrow("refused");
  });
  test("(i) withdrawn routes are checked as announced ones are: session reset, Invalid Network Field", () => {
    for (const gone of ["21c0000201", "18c000", "ff"])
      expect(refusal(update({ withdrawn: gone }))).toMatchObject({
        kind: "withdrawn-prefix",
        reason: "update-message/invalid-network-field",
      });
  });
  test("(j) prefixes that cannot be read beside a malformed attribute: session reset", () => {
    expect(refusal(update({ attributes: having(attribute(0x40, 1, "07")), nlri: "21c0000201" }))).toMatchObject({
      kind: "nlri-prefix",
      reason: "update-message/invalid-network-field",
    });
  });
});

describe("RFC 7606 §4: attribute length fields", () => {
  test("the last attribute is longer than the list: treat-as-withdraw, and the NLRI are where the list's length says", () => {
    const bad = attribute(0xc0, 8, "fde90001").replace("c00804", "c00805");
    expect(outcome([...MANDATORY, bad])).toEqual(withdrawn(one("COMMUNITIES", "overrun")));
    const long = "d00800ff" + "fde90001";
    expect(outcome([...MANDATORY, long])).toEqual(withdrawn(one("COMMUNITIES", "overrun")));
  });
  test.each(["c0", "c008", "d00800"])("less is left than a header takes (%s): treat-as-withdraw", (rest) => {
    expect(outcome([...MANDATORY, rest])).toEqual(withdrawn(one(undefined, "overrun")));
  });
  test("what overruns is MP_REACH_NLRI or MP_UNREACH_NLRI: nobody knows what routes it had: session reset (§3 (j))", () => {
    for (const cut of [MP_REACH, MP_UNREACH])
      expect(refusal(update({ attributes: [...MANDATORY, cut.slice(0, -2)], nlri: NLRI })).kind).toBe("mp-length");
  });
  test.each([
    [1, 0x40],
    [3, 0x40],
    [4, 0x80],
    [8, 0xc0],
    [16, 0xc0],
    [32, 0xc0],
  ])("length zero is an error of type %d", (type, flags) => {
    expect(outcome(having(attribute(flags, type, ""))).treatment).toBe("treat-as-withdraw");
  });
  test("but not of AS_PATH and ATOMIC_AGGREGATE", () => {
    expect(outcome(having(attribute(0x40, 2, ""), attribute(0x40, 6, "")))).toEqual(GOOD);
  });
});

describe("RFC 7606 §5: parsing of NLRI fields", () => {
  test("§5.1: several of the fields in one message MUST be handled", () => {
    const all = update({ withdrawn: "18c63364", attributes: [MP_REACH, MP_UNREACH, ...MANDATORY], nlri: NLRI });
    const { unreach, reach } = readUpdate(all);
    expect(unreach.map(({ family, count }) => `${family} ${count}`)).toEqual(["ipv4 1", "ipv6 1"]);
    expect(reach.map(({ nlri, attributes }) => `${nlri.family} ${attributes.nextHop.global}`)).toEqual([
      `ipv4 ${0x0a000001}`,
      "ipv6 2001:db8::1",
    ]);
  });
  test("§5.1: MP_REACH_NLRI is read wherever it stands", () => {
    const first = said(update({ attributes: [MP_REACH, ORIGIN, AS_PATH] }));
    const last = said(update({ attributes: [ORIGIN, AS_PATH, MP_REACH] }));
    expect(last).toEqual(first);
  });
  test("§5.2: an error that is more than a discard, and no reachable NLRI: session reset", () => {
    const origin = attribute(0x40, 1, "07");
    expect(refusal(update({ attributes: [origin, AS_PATH, NEXT_HOP] }))).toEqual({
      kind: "fault-without-nlri",
      reason: "update-message/invalid-origin",
      data: hex(origin),
      attribute: "ORIGIN",
    });
    expect(refusal(update({ withdrawn: NLRI, attributes: [attribute(0x40, 2, "09")] })).reason).toBe(
      "update-message/malformed-as-path",
    );
    expect(refusal(update({ attributes: [MP_UNREACH, attribute(0x40, 3, "0a")] })).reason).toBe(
      "update-message/attribute-length",
    );
    expect(refusal(update({ attributes: [attribute(0x40, 3, "00000000")] })).reason).toBe(
      "update-message/invalid-next-hop",
    );
    expect(refusal(update({ attributes: [attribute(0x80, 1, "00")] })).reason).toBe("update-message/attribute-flags");
    expect(refusal(update({ attributes: ["c008"] })).reason).toBe("update-message/malformed-attribute-list");
  });
  test("§5.2: a discard without reachable NLRI is a discard", () => {
    const { treatment } = readUpdate(update({ withdrawn: NLRI, attributes: [attribute(0xc0, 7, "00")] }));
    expect(treatment).toBe("attribute-discard");
  });
  test("§5.2: attributes without NLRI, without an error, say nothing", () => {
    expect(readUpdate(update({ attributes: [ORIGIN, AS_PATH] }))).toMatchObject({ reach: [], unreach: [], faults: [] });
  });
  test("§5.2: MP_UNREACH_NLRI alone is a withdrawal, whatever its flags", () => {
    expect(readUpdate(update({ attributes: [MP_UNREACH.replace(/^80/, "c0")] }))).toMatchObject({
      treatment: "treat-as-withdraw",
      unreach: [{ family: "ipv6", count: 1 }],
    });
  });
  test.each([
    ["longer than 32 bits", "21c000020100"],
    ["its octets end behind the message", "18c000"],
    ["no octets at all", "08"],
  ])("§5.3: a prefix that is syntactically incorrect: Invalid Network Field: %s", (_name, nlri) => {
    expect(refusal(update({ attributes: MANDATORY, nlri }))).toMatchObject({
      kind: "nlri-prefix",
      reason: "update-message/invalid-network-field",
    });
  });
  test.each([
    ["longer than 128 bits", "8120010db8"],
    ["its octets end behind the attribute", "4020010db8"],
  ])("§5.3: the same in MP_REACH_NLRI and MP_UNREACH_NLRI: %s", (_name, nlri) => {
    const reach = attribute(0x80, 14, `0002011020010db800000000000000000000000100${nlri}`);
    expect(refusal(update({ attributes: [reach, ORIGIN, AS_PATH] })).kind).toBe("mp-prefix");
    expect(refusal(update({ attributes: [attribute(0x80, 15, `000201${nlri}`)] })).kind).toBe("mp-prefix");
  });
});

describe("RFC 7606 §7: existing attributes", () => {
  /** Section, name, value of the attribute, flags, type, why, approach; among peers of different ASes. */
  const CASES: readonly (readonly [string, AttributeFault["attribute"], string, AttributeFaultKind, Treatment])[] = [
    ["§7.1", "ORIGIN", attribute(0x40, 1, "0000"), "length", "treat-as-withdraw"],
    ["§7.1", "ORIGIN", attribute(0x40, 1, "03"), "value", "treat-as-withdraw"],
    ["§7.2", "AS_PATH", attribute(0x40, 2, "05010000fde9"), "segment-type", "treat-as-withdraw"],
    ["§7.2", "AS_PATH", attribute(0x40, 2, "00010000fde9"), "segment-type", "treat-as-withdraw"],
    ["§7.2", "AS_PATH", attribute(0x40, 2, "02020000fde9"), "segment-length", "treat-as-withdraw"],
    ["§7.2", "AS_PATH", attribute(0x40, 2, "02010000fde902"), "segment-length", "treat-as-withdraw"],
    ["§7.2", "AS_PATH", attribute(0x40, 2, "0200"), "segment-length", "treat-as-withdraw"],
    ["§7.2, RFC 5065 §5", "AS_PATH", attribute(0x40, 2, "03010000fde9"), "confederation", "treat-as-withdraw"],
    ["§7.2, RFC 5065 §5", "AS_PATH", attribute(0x40, 2, "04010000fde9"), "confederation", "treat-as-withdraw"],
    ["§7.2, RFC 7607 §2", "AS_PATH", attribute(0x40, 2, "02020000fde900000000"), "as-zero", "treat-as-withdraw"],
    ["§7.3", "NEXT_HOP", attribute(0x40, 3, "0a0000"), "length", "treat-as-withdraw"],
    ["§7.3", "NEXT_HOP", attribute(0x40, 3, "0a00000100"), "length", "treat-as-withdraw"],
    ["§7.3, RFC 4271 §6.3", "NEXT_HOP", attribute(0x40, 3, "00000000"), "next-hop", "treat-as-withdraw"],
    ["§7.3, RFC 4271 §6.3", "NEXT_HOP", attribute(0x40, 3, "00000001"), "next-hop", "treat-as-withdraw"],
    ["§7.3, RFC 4271 §6.3", "NEXT_HOP", attribute(0x40, 3, "e0000001"), "next-hop", "treat-as-withdraw"],
    ["§7.3, RFC 4271 §6.3", "NEXT_HOP", attribute(0x40, 3, "ffffffff"), "next-hop", "treat-as-withdraw"],
    ["§7.4", "MULTI_EXIT_DISC", attribute(0x80, 4, "000001"), "length", "treat-as-withdraw"],
    ["§7.5", "LOCAL_PREF", attribute(0x40, 5, "00000064"), "from-external", "attribute-discard"],
    ["§7.5", "LOCAL_PREF", attribute(0x40, 5, "64"), "from-external", "attribute-discard"],
    ["§7.6", "ATOMIC_AGGREGATE", attribute(0x40, 6, "00"), "length", "attribute-discard"],
    ["§7.7", "AGGREGATOR", attribute(0xc0, 7, "fde90a000001"), "length", "attribute-discard"],
    ["§7.7, RFC 7607 §2", "AGGREGATOR", attribute(0xc0, 7, "000000000a000001"), "as-zero", "attribute-discard"],
    ["§7.8", "COMMUNITIES", attribute(0xc0, 8, "fde900"), "length", "treat-as-withdraw"],
    ["§7.8", "COMMUNITIES", attribute(0xc0, 8, "fde90001fde9"), "length", "treat-as-withdraw"],
    ["§7.9", "ORIGINATOR_ID", attribute(0x80, 9, "0a000001"), "from-external", "attribute-discard"],
    ["§7.10", "CLUSTER_LIST", attribute(0x80, 10, "0a"), "from-external", "attribute-discard"],
    ["§7.14", "EXTENDED_COMMUNITIES", attribute(0xc0, 16, "0002fde9000000"), "length", "treat-as-withdraw"],
    ["RFC 8092 §6", "LARGE_COMMUNITIES", attribute(0xc0, 32, "0000fde900000001"), "length", "treat-as-withdraw"],
  ];
  test.each(CASES)("%s: %s %s: %s: %s", (_section, name, octets, why, treatment) => {
    const expected = treatment === "treat-as-withdraw" ? withdrawn : discarded;
    expect(outcome(having(octets))).toEqual(expected(one(name, why)));
  });

  test.each([
    ["§7.5", "LOCAL_PREF", attribute(0x40, 5, "0064")],
    ["§7.9", "ORIGINATOR_ID", attribute(0x80, 9, "0a0000")],
    ["§7.10", "CLUSTER_LIST", attribute(0x80, 10, "0a00000100")],
    ["§7.10", "CLUSTER_LIST", attribute(0x80, 10, "")],
  ] as const)("%s: %s %s from an internal peer: treat-as-withdraw", (_section, name, octets) => {
    expect(outcome(having(octets), INTERNAL)).toEqual(withdrawn(one(name, "length")));
  });
  test("§7.7: 6 octets are right where numbers have two", () => {
    const aggregator = attribute(0xc0, 7, "fde90a000001");
    expect(outcome([ORIGIN, attribute(0x40, 2, "0201fde9"), NEXT_HOP, aggregator], OLD)).toEqual(GOOD);
    const wide = attribute(0xc0, 7, "0000fde90a000001");
    expect(outcome([ORIGIN, attribute(0x40, 2, "0201fde9"), NEXT_HOP, wide], OLD).treatment).toBe("attribute-discard");
  });
  test("§7.2: a path that does not begin with the peer's AS: treat-as-withdraw where that is looked at", () => {
    const agreed = { ...EXTERNAL, firstAsn: 65002 };
    expect(outcome(MANDATORY, agreed)).toEqual(withdrawn(one("AS_PATH", "first-as")));
    expect(outcome(having(attribute(0x40, 2, "")), agreed)).toEqual(withdrawn(one("AS_PATH", "first-as")));
    expect(outcome(MANDATORY, { ...EXTERNAL, firstAsn: 65001 })).toEqual(GOOD);
  });
  test("§7.14: types of extended communities that nobody knows are no error", () => {
    expect(outcome(having(attribute(0xc0, 16, "ffffffffffffffff")))).toEqual(GOOD);
  });

  const reach = (value: string) => update({ attributes: [attribute(0x80, 14, value), ORIGIN, AS_PATH] });
  test.each([
    ["4", "0002010420010db800"],
    ["0", "0002010000"],
    ["24", `00020118${"20".repeat(24)}00`],
    ["longer than the attribute", "0002012020010db800"],
  ])("§7.11: a next hop of %s octets: session reset, Optional Attribute Error with the attribute", (_name, value) => {
    const bytes = reach(value);
    expect(refusal(bytes)).toEqual({
      kind: "mp-next-hop-length",
      reason: "update-message/optional-attribute",
      data: hex(attribute(0x80, 14, value)),
      attribute: "MP_REACH_NLRI",
    });
  });
  test.each(["0002", "00020110"])("§7.11: too short for its fields (%s): session reset", (value) => {
    expect(refusal(reach(value)).kind).toBe("mp-length");
  });
  test("§7.11: or the family is disabled, and the others go on", () => {
    const agreed = { ...EXTERNAL, unreadable: "afi-safi-disable" as const };
    const bytes = update({
      attributes: [attribute(0x80, 14, "0002010420010db800"), ...MANDATORY],
      nlri: NLRI,
    });
    const { treatment, faults, reach: routes } = readUpdate(bytes, agreed);
    expect(treatment).toBe("afi-safi-disable");
    expect(faults).toEqual([
      { attribute: "MP_REACH_NLRI", why: "next-hop-length", treatment: "afi-safi-disable", family: "ipv6" },
    ]);
    expect(routes.map(({ nlri }) => nlri.family)).toEqual(["ipv4"]);
    // which family, nobody knows: a reset after all
    expect(refusal(update({ attributes: [attribute(0x80, 14, "0002"), ...MANDATORY], nlri: NLRI }), agreed).kind).toBe(
      "mp-length",
    );
  });
  test.each([
    ["length", "0002", "mp-length"],
    ["prefix", "000201 8120010db8", "mp-prefix"],
  ])("§7.12: MP_UNREACH_NLRI with a wrong %s: session reset", (_name, value, kind) => {
    expect(refusal(update({ attributes: [attribute(0x80, 15, value)] })).kind).toBe(kind);
  });
});

describe("RFC 4271 §6.3: what RFC 7606 leaves as it was", () => {
  test("a well-known attribute that is not recognized: session reset, Data is the attribute", () => {
    const unknown = attribute(0x40, 99, "0102");
    expect(refusal(update({ attributes: [...MANDATORY, unknown], nlri: NLRI }))).toEqual({
      kind: "unknown-well-known",
      reason: "update-message/unrecognized-well-known-attribute",
      data: hex(unknown),
      attribute: 99,
    });
  });
  test("§9: an optional non-transitive one that is not recognized is ignored", () => {
    expect(outcome(having(attribute(0x80, 99, "01")))).toEqual(GOOD);
    expect(said(update({ attributes: having(attribute(0x80, 99, "01")), nlri: NLRI })).unknown).toEqual([]);
  });
  test("a prefix that is semantically incorrect is ignored, the others are not", () => {
    const { reach, impossible } = readUpdate(
      update({ attributes: MANDATORY, nlri: `${NLRI}04e020e000012020c0000201` }),
    );
    expect(reach.map(({ nlri }) => prefixesOf(nlri).map(formatPrefix))).toEqual([[ROUTE, "192.0.2.1/32"]]);
    expect(impossible.map(formatPrefix)).toEqual(["224.0.0.0/4", "224.0.1.32/32"]);
  });
});
