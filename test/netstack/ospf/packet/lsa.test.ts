import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ipv4 } from "../../../../base/address.ts";
import {
  INITIAL_SEQUENCE,
  type Lsa,
  type LsaBody,
  scopeOf,
  TYPES,
  type Version,
} from "../../../../netstack/ospf/packet/lsa.ts";
import { bodyOf, type MalformedBody } from "../../../../netstack/ospf/packet/lsa-body.ts";
import { encodeLsa } from "../../../../netstack/ospf/packet/lsa-encode.ts";
import { aged, checksumHolds, checksumOf, lsaOf } from "../../../../netstack/ospf/packet/lsa-header.ts";
import { lsas } from "./arbitrary.ts";

const HEAD = { id: 1, advertisingRouter: 0x0a000001, options: 0, sequence: INITIAL_SEQUENCE };
/** An LSA of that type with these octets as its body. */
const raw = (version: Version, type: number, hex: string, id = 1): Lsa =>
  encodeLsa(
    version,
    { ...HEAD, id, type },
    { kind: "unknown", octets: Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex")) },
  );

describe("RFC 2328 A.4, RFC 5340 A.4, RFC 3623 B: bodies that are refused, by name", () => {
  const [V2, V3] = [TYPES[2], TYPES[3]];
  test.each<readonly [MalformedBody["kind"], Lsa]>([
    ["body-short", raw(2, V2.router, "0000")],
    ["body-short", raw(2, V2.router, "0000 0001")],
    ["body-short", raw(2, V2.router, "0000 0001 0a000001 0a000001 03 01 0001")], // a metric for a TOS is missing
    ["body-short", raw(2, V2.external, "ffffff00 80000014 00000000")],
    ["body-short", raw(2, V2["inter-area-prefix"], "ffffff00")],
    ["body-short", raw(3, V3.router, "0000")],
    ["body-short", raw(3, V3.link, "01000013")],
    ["body-short", raw(3, V3["inter-area-prefix"], "00000001 40 00 0000 20010db8")],
    ["body-short", raw(3, V3["inter-area-router"], "00000013")],
    ["body-short", raw(3, V3["intra-area-prefix"], "0001 2001 00000000 0a000001")],
    ["body-short", raw(3, V3.external, "02000001 00 00 0000 fe80")],
    ["body-ragged", raw(2, V2.network, "ffffff00 0a000001 0a")],
    ["body-ragged", raw(3, V3.router, "00000013 01")],
    ["body-mask", raw(2, V2.network, "ff00ff00")],
    ["body-mask", raw(2, V2.external, "00ffffff 00000000 00000000 00000000")],
    ["body-mask", raw(2, V2.nssa, "ffffff01 00000000 00000000 00000000")],
    ["body-mask", raw(2, V2["inter-area-prefix"], "0000ff00 00000001")],
    ["link-type", raw(2, V2.router, "0000 0001 0a000001 0a000001 00 00 0001")],
    ["link-type", raw(2, V2.router, "0000 0001 0a000001 0a000001 05 00 0001")],
    ["link-type", raw(3, V3.router, `00000013 03 00 0001 ${"00".repeat(12)}`)], // stub is version 2's only
    ["prefix-length", raw(3, V3["inter-area-prefix"], `00000001 81 00 0000 ${"00".repeat(20)}`)],
    ["prefix-length", raw(3, V3.external, `00000001 ff 00 0000 ${"00".repeat(32)}`)],
    ["prefix-length", raw(3, V3["intra-area-prefix"], `0001 2001 00000000 0a000001 81 00 0000 ${"00".repeat(20)}`)],
    ["grace-tlv", raw(3, V3.grace, "0001 0008 00000078")],
    ["grace-tlv", raw(3, V3.grace, "0001 0002 0078 0000")],
    ["grace-tlv", raw(2, V2["opaque-link"], "0001", 0x03000000)],
    ["grace-missing", raw(3, V3.grace, "0002 0001 01000000")],
    ["grace-missing", raw(3, V3.grace, "0001 0004 00000078")],
  ])("%s", (kind, lsa) => {
    const found = bodyOf(lsa);
    expect(found.ok ? "accepted" : found.error.kind).toBe(kind);
  });
});

describe("bodies", () => {
  test("metrics per TOS of RFC 1583 are skipped", () => {
    const found = bodyOf(
      raw(2, TYPES[2].router, "0200 0002 0a000000 ffffff00 03 01 0005 08000009 0a000002 0a000001 01 00 0007"),
    );
    expect(found).toMatchObject({
      ok: true,
      value: {
        external: true,
        links: [
          { type: "stub", metric: 5 },
          { type: "point-to-point", metric: 7 },
        ],
      },
    });
  });

  test("RFC 2328 Appendix E: host bits of a link state ID are not part of the prefix", () => {
    const found = bodyOf(raw(2, TYPES[2].external, "ffffff00 80000014 00000000 00000000", ipv4("192.0.2.255")));
    expect(found).toMatchObject({ ok: true, value: { prefix: { ip: ipv4("192.0.2.0"), length: 24 }, metricType: 2 } });
  });

  test("RFC 3623 B: unknown TLVs of a grace LSA are ignored, an unknown reason is unknown", () => {
    const found = bodyOf(raw(3, TYPES[3].grace, "0001 0004 00000078 0063 0003 01020300 0002 0001 09"));
    expect(found).toEqual({ ok: true, value: { kind: "grace", period: 120, reason: "unknown", address: undefined } });
  });

  test("RFC 5250: opaque LSAs and unknown types keep their octets", () => {
    expect(bodyOf(raw(2, 10, "0102"))).toEqual({ ok: true, value: { kind: "opaque", octets: Uint8Array.of(1, 2) } });
    expect(bodyOf(raw(3, 0xa123, "0102"))).toEqual({
      ok: true,
      value: { kind: "unknown", octets: Uint8Array.of(1, 2) },
    });
  });

  test.each<readonly [Version]>([[2], [3]])("v%i: bodyOf(encodeLsa(body)) is the body", (version) => {
    fc.assert(
      fc.property(lsas(version), ({ lsa, body }) => {
        expect(bodyOf(lsa)).toEqual({ ok: true, value: body satisfies LsaBody });
        expect(lsaOf(version, lsa.raw)).toEqual(lsa);
      }),
    );
  });

  test("whatever the octets of a body, nothing is thrown", () => {
    const types = [...Object.values(TYPES[2]), 8, 12];
    const types3 = [...Object.values(TYPES[3]), 0x8009];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), fc.nat(20), (octets, v2, pick) => {
        const type = (v2 ? types[pick % types.length] : types3[pick % types3.length]) ?? 1;
        bodyOf(encodeLsa(v2 ? 2 : 3, { ...HEAD, id: 0x03000000, type }, { kind: "unknown", octets }));
      }),
    );
  });
});

describe("RFC 2328 §12.1.7: the checksum", () => {
  test("any single octet changed, except in the age, is noticed", () => {
    fc.assert(
      fc.property(lsas(2), fc.nat(), fc.integer({ min: 1, max: 254 }), ({ lsa }, place, change) => {
        const at = 2 + (place % (lsa.raw.length - 2));
        const broken = lsa.raw.slice();
        broken[at] = ((broken[at] ?? 0) + change) % 255; // 0 and 255 are the same number to Fletcher
        if ((broken[at] ?? 0) % 255 === (lsa.raw[at] ?? 0) % 255) return;
        expect(checksumHolds(broken)).toBe(false);
      }),
    );
  });

  test("the age is left out: an aged LSA keeps its checksum, and the original its octets", () => {
    const [sample] = fc.sample(lsas(3), { numRuns: 1, seed: 4 });
    if (sample === undefined) throw new TypeError("no sample");
    const { lsa } = sample;
    const before = lsa.raw.slice();
    const older = aged(lsa, 3600);
    expect(checksumHolds(older.raw)).toBe(true);
    expect(lsaOf(3, older.raw).header.age).toBe(3600);
    expect(lsa.raw).toEqual(before);
  });

  test("a field of zero never holds, nor does a header that is not whole", () => {
    expect(checksumHolds(new Uint8Array(20))).toBe(false);
    expect(checksumHolds(new Uint8Array(19))).toBe(false);
    expect(checksumOf(new Uint8Array(20))).not.toBe(0);
  });
});

test("RFC 5250 §2, RFC 5340 A.4.2.1: how far a type is flooded", () => {
  expect([1, 2, 3, 4, 7, 10].map((type) => scopeOf(2, type))).toEqual(Array.from({ length: 6 }, () => "area"));
  expect([5, 11].map((type) => scopeOf(2, type))).toEqual(["as", "as"]);
  expect(scopeOf(2, 9)).toBe("link");
  expect([0, 6, 8, 12].map((type) => scopeOf(2, type))).toEqual(Array.from({ length: 4 }, () => "reserved"));
  expect([0x0008, 0x2001, 0x4005, 0x6001, 0xa009].map((type) => scopeOf(3, type))).toEqual([
    "link",
    "area",
    "as",
    "reserved",
    "area",
  ]);
});

test("what a version does not have cannot be written", () => {
  expect(() =>
    encodeLsa(2, HEAD, { kind: "link", priority: 1, options: 0, address: "fe80::1" as never, prefixes: [] }),
  ).toThrow(TypeError);
  expect(() => encodeLsa(3, HEAD, { kind: "opaque", octets: new Uint8Array(0) })).toThrow(TypeError);
  expect(() => encodeLsa(2, HEAD, { kind: "network", prefix: undefined, options: 0, routers: [] })).toThrow(TypeError);
});
