/** What UPDATE messages say beyond RFC 4271: every MUST about their octets. */
import { describe, expect, test } from "vitest";
import { formatPrefix, type Ip, ipv4, ipv6 } from "../../base/address.ts";
import { NO_OPTIONAL, PARTIAL, type PathAttributes } from "../../netstack/bgp/packet/attribute.ts";
import { attributesOf } from "../../netstack/bgp/packet/attributes.ts";
import type { Agreed } from "../../netstack/bgp/packet/message.ts";
import { nlriOf, pathIdsOf, prefixesOf } from "../../netstack/bgp/packet/nlri.ts";
import { encodeUpdate, endOfRib } from "../../netstack/bgp/packet/packing.ts";
import { pathText } from "../../netstack/bgp/packet/path.ts";
import {
  AS_PATH,
  attribute,
  EXTERNAL,
  hex,
  INTERNAL,
  id,
  MANDATORY,
  MP_REACH,
  message,
  NEXT_HOP,
  NLRI,
  OLD,
  ORIGIN,
  readUpdate,
  refusal,
  said,
  TYPES,
  text,
  update,
} from "../netstack/bgp/packet/octets.ts";

const BASE = attributesOf({
  origin: "igp",
  asPath: [{ kind: "sequence", asns: [65001] }],
  nextHop: { global: ipv4("10.0.0.1"), linkLocal: undefined },
  ...NO_OPTIONAL,
});
const IPV4 = nlriOf("ipv4", [{ ip: ipv4("192.0.2.0"), length: 24 }]);
const IPV6 = nlriOf("ipv6", [{ ip: ipv6("2001:db8::"), length: 32 }]);

/** One route with these attributes, as we write it, without header. */
function written(change: Partial<PathAttributes>, agreed: Agreed = EXTERNAL, nlri = IPV4): string {
  const attributes = attributesOf({ ...BASE, ...change });
  const [first, ...rest] = encodeUpdate({ unreach: [], reach: [{ nlri, attributes }], endOfRib: undefined }, agreed);
  expect(rest).toEqual([]);
  return text((first as Uint8Array).subarray(19));
}
const mp = (value: string) => update({ attributes: [attribute(0x80, 14, value), ORIGIN, AS_PATH] });
const having = (...more: readonly string[]) => update({ attributes: [...MANDATORY, ...more], nlri: NLRI });

describe("RFC 4271 §5: attributes", () => {
  test("§5.1.5: LOCAL_PREF MUST NOT be sent to external peers, and SHALL be to internal ones", () => {
    expect(written({ localPref: 100 })).not.toContain("400504");
    expect(written({ localPref: 100 }, INTERNAL)).toContain("40050400000064");
  });
  test("§5: attributes are sent in the order of their types", () => {
    const all = written({ med: 1, communities: [1], largeCommunities: [{ global: 1, local1: 2, local2: 3 }] });
    expect(all).toBe(
      "0000003140010100" +
        "4002060201 0000fde9".replace(" ", "") +
        "4003040a000001" +
        "80040400000001" +
        "c0080400000001" +
        "c0200c000000010000000200000003" +
        NLRI,
    );
  });
  test("§9: an unknown optional transitive attribute is passed on, its Partial bit set", () => {
    const attributes = said(having(attribute(0xc0, 99, "abcd")));
    expect(attributes.unknown).toEqual([{ type: 99, flags: 0xc0, value: hex("abcd") }]);
    expect(written(attributes)).toContain("e06302abcd");
  });
  test("§5: a Partial bit once set stays set", () => {
    const attributes = said(having(attribute(0xc0 | PARTIAL, 8, "fde90001")));
    expect(attributes.partial).toEqual(["COMMUNITIES"]);
    expect(written(attributes)).toContain("e00804fde90001");
  });
  test("§4.3: values of more than 255 octets have the Extended Length bit, and it is taken on any", () => {
    expect(written({ communities: Array.from({ length: 64 }, (_, index) => index) })).toContain("d0080100");
    expect(said(having(attribute(0x90, 4, "00000007"))).med).toBe(7);
  });
  test("§4.3: bits behind the prefix length are ignored", () => {
    const { reach } = readUpdate(update({ attributes: MANDATORY, nlri: "14c0000fff".slice(0, 8) }));
    expect(reach.map(({ nlri }) => prefixesOf(nlri).map(formatPrefix))).toEqual([["192.0.0.0/20"]]);
  });
  test("§5.1.2: a path of more than 255 is several segments", () => {
    const asns = Array.from({ length: 300 }, (_, index) => index + 1);
    const again = said(hexMessage(written({ asPath: [{ kind: "sequence", asns }] })));
    expect(again.asPath.map((segment) => segment.asns.length)).toEqual([255, 45]);
    expect(pathText(again.asPath)).toBe(asns.join(" "));
  });
  function hexMessage(body: string): Uint8Array {
    return message(TYPES.update, body);
  }
});

describe("RFC 6793: four-octet AS numbers", () => {
  const path = (octets: string) => attribute(0x40, 2, octets);
  const as4Path = (octets: string) => attribute(0xc0, 17, octets);
  const old = (...attributes: readonly string[]) =>
    update({ attributes: [ORIGIN, NEXT_HOP, ...attributes], nlri: NLRI });
  const pathOf = (...attributes: readonly string[]) => pathText(said(old(...attributes), OLD).asPath);

  test("§4.2.2: to an OLD speaker: AS_TRANS in AS_PATH and AGGREGATOR, the numbers in AS4_PATH and AS4_AGGREGATOR", () => {
    const body = written(
      {
        asPath: [{ kind: "sequence", asns: [65001, 4200000001] }],
        aggregator: { asn: 4200000001, address: ipv4("10.0.0.1") },
      },
      OLD,
    );
    expect(body).toContain("4002060202fde95ba0");
    expect(body).toContain("c007065ba00a000001");
    expect(body).toContain("c0110a02020000fde9fa56ea01");
    expect(body).toContain("c01208fa56ea010a000001");
  });
  test("§4.2.2: AS4_PATH and AS4_AGGREGATOR MUST NOT be sent when two octets are enough, nor to a NEW speaker", () => {
    const two = { aggregator: { asn: 65001, address: ipv4("10.0.0.1") } };
    for (const body of [written(two, OLD), written({ asPath: [{ kind: "sequence", asns: [4200000001] }] })]) {
      expect(body).not.toContain("c011");
      expect(body).not.toContain("c012");
    }
  });
  test("§4.2.3: AS_PATH and AS4_PATH are merged: what AS4_PATH lacks comes from the front of AS_PATH", () => {
    expect(pathOf(path("0202fde95ba0"), as4Path("0201fa56ea01"))).toBe("65001 4200000001");
    expect(pathOf(path("02035ba0fde95ba0"), as4Path("0203fa56ea010000fde9fa56ea02"))).toBe(
      "4200000001 65001 4200000002",
    );
    // a set counts as one
    expect(pathOf(path("0201fde90102000100020201fdea"), as4Path("0201fa56ea01"))).toBe("65001 {1 2} 4200000001");
    expect(pathOf(path("0201fde901025ba05ba0"), as4Path("0102fa56ea01fa56ea02"))).toBe("65001 {4200000001 4200000002}");
  });
  test("§4.2.3: an AS4_PATH longer than AS_PATH is ignored", () => {
    expect(pathOf(path("0201fde9"), as4Path("0202fa56ea01fa56ea02"))).toBe("65001");
  });
  test("§4.2.3: AGGREGATOR that is not AS_TRANS: AS4_AGGREGATOR and AS4_PATH are both ignored", () => {
    const both = [path("02025ba0fde9"), as4Path("0202fa56ea010000fde9"), attribute(0xc0, 18, "fa56ea010a000002")];
    const ignored = said(old(attribute(0xc0, 7, "fde90a000001"), ...both), OLD);
    expect(ignored.aggregator).toEqual({ asn: 65001, address: id("0a000001") });
    expect(pathText(ignored.asPath)).toBe("23456 65001");
    const taken = said(old(attribute(0xc0, 7, "5ba00a000001"), ...both), OLD);
    expect(taken.aggregator).toEqual({ asn: 4200000001, address: id("0a000002") });
    expect(pathText(taken.asPath)).toBe("4200000001 65001");
  });
  test("§4.1: both from a NEW speaker MUST be discarded", () => {
    const { faults, reach } = readUpdate(having(as4Path("0201fa56ea01"), attribute(0xc0, 18, "fa56ea010a000002")));
    expect(faults.map(({ attribute: name, why, treatment }) => [name, why, treatment])).toEqual([
      ["AS4_PATH", "from-new-speaker", "attribute-discard"],
      ["AS4_AGGREGATOR", "from-new-speaker", "attribute-discard"],
    ]);
    expect(pathText(reach[0]?.attributes.asPath ?? [])).toBe("65001");
  });
  test.each([
    ["length", "0201"],
    ["length", "0201fa56"],
    ["segment-length", "0202fa56ea01"],
    ["segment-length", "0200fa56ea01"],
    ["segment-type", "0701fa56ea01"],
    ["as-zero", "020100000000"],
  ])("§6: a malformed AS4_PATH MUST be discarded: %s %s", (why, octets) => {
    const { faults, reach } = readUpdate(old(path("02025ba0fde9"), as4Path(octets)), OLD);
    expect(faults).toEqual([{ attribute: "AS4_PATH", why, treatment: "attribute-discard" }]);
    expect(pathText(reach[0]?.attributes.asPath ?? [])).toBe("23456 65001");
  });
  test.each(["fa56ea010a0000", "000000000a000001"])(
    "§6: a malformed AS4_AGGREGATOR MUST be discarded: %s",
    (octets) => {
      const bytes = old(path("0201fde9"), attribute(0xc0, 7, "5ba00a000001"), attribute(0xc0, 18, octets));
      const { faults, reach } = readUpdate(bytes, OLD);
      expect(faults).toMatchObject([{ attribute: "AS4_AGGREGATOR", treatment: "attribute-discard" }]);
      expect(reach[0]?.attributes.aggregator?.asn).toBe(23456);
    },
  );
  test("§3: confederation segments in AS4_PATH MUST be discarded, and the rest is used", () => {
    expect(pathOf(path("0202fde95ba0"), as4Path("03010000fe010201fa56ea01"))).toBe("65001 4200000001");
  });
  test("the peer's own number is AS_TRANS at the front of its paths, which is no error", () => {
    const agreed = { ...OLD, firstAsn: 4200000001 };
    expect(readUpdate(old(path("02015ba0")), agreed).faults).toEqual([]);
    expect(readUpdate(old(path("0201fde9")), agreed).faults).toMatchObject([{ why: "first-as" }]);
  });
});

describe("RFC 4760, RFC 2545: multiprotocol", () => {
  const LL = "fe800000000000000000000000000001";
  const GLOBAL = "20010db8000000000000000000000001";
  const NONE = "0".repeat(32);
  const nextHop = (octets: string) =>
    said(mp(`000201${(octets.length / 2).toString(16)}${octets}002020010db8`)).nextHop;
  const global = "2001:db8::1";
  const linkLocal = "fe80::1";

  test.each([
    ["§3 of RFC 2545: global", GLOBAL, { global, linkLocal: undefined }],
    ["§3 of RFC 2545: global and link-local", GLOBAL + LL, { global, linkLocal }],
    ["in the wild: link-local alone", LL, { global: undefined, linkLocal }],
    ["in the wild: link-local twice", LL + LL, { global: undefined, linkLocal }],
    ["in the wild: unspecified and link-local", NONE + LL, { global: undefined, linkLocal }],
    ["in the wild: global and unspecified", GLOBAL + NONE, { global, linkLocal: undefined }],
  ])("next hop: %s", (_name, octets, expected) => {
    expect(nextHop(octets)).toEqual(expected);
  });
  test.each([NONE, `ff02${"0".repeat(27)}1`, `${"0".repeat(31)}1`])(
    "a next hop that nothing can be sent to (%s): treat-as-withdraw",
    (octets) => {
      expect(readUpdate(mp(`00020110${octets}002020010db8`))).toMatchObject({
        treatment: "treat-as-withdraw",
        unreach: [{ family: "ipv6" }],
        reach: [],
      });
    },
  );
  test("§3: the octet behind the next hop MUST be ignored", () => {
    expect(readUpdate(mp(`00020110${GLOBAL}ff2020010db8`)).reach).toHaveLength(1);
  });
  test("§3: NEXT_HOP beside MP_REACH_NLRI alone is ignored, even a malformed one", () => {
    const { faults, reach } = readUpdate(update({ attributes: [MP_REACH, ORIGIN, AS_PATH, attribute(0x40, 3, "0a")] }));
    expect([faults, reach[0]?.attributes.nextHop.global]).toEqual([[], global]);
  });
  test("families that were not agreed on are skipped, announced or withdrawn", () => {
    const { skipped, reach } = readUpdate(update({ attributes: [MP_REACH, ...MANDATORY], nlri: NLRI }), {
      ...EXTERNAL,
      families: ["ipv4"],
    });
    expect([skipped, reach.map(({ nlri }) => nlri.family)]).toEqual([["ipv6"], ["ipv4"]]);
    expect(readUpdate(update({ attributes: [attribute(0x80, 15, "00010200ff")] })).skipped).toEqual(["1/2"]);
    const only6 = { ...EXTERNAL, families: ["ipv6"] } as const;
    expect(readUpdate(update({ withdrawn: NLRI, attributes: MANDATORY, nlri: NLRI }), only6)).toMatchObject({
      skipped: ["ipv4"],
      reach: [],
      unreach: [],
    });
  });
  test.each([
    [{ global, linkLocal: undefined }, GLOBAL],
    [{ global, linkLocal }, GLOBAL + LL],
    [{ global: undefined, linkLocal }, LL + LL],
  ])("ours: MP_REACH_NLRI comes first (RFC 7606 §5.1): %o", (hop, octets) => {
    const body = written({ nextHop: hop as PathAttributes["nextHop"] }, EXTERNAL, IPV6);
    const length = (octets.length / 2).toString(16);
    expect(body.slice(8)).toMatch(new RegExp(`^900e00..000201${length}${octets}002020010db840010100`));
    expect(body).not.toContain("400304");
  });
  test("RFC 8950 §4: IPv4 routes with IPv6 next hops, once agreed on", () => {
    const agreed = { ...EXTERNAL, extendedNextHop: true };
    const bytes = mp(`00010110${GLOBAL}00${NLRI}`);
    expect(said(bytes, agreed).nextHop.global).toBe(global);
    expect(refusal(bytes).kind).toBe("mp-next-hop-length");
    expect(said(mp(`000101040a00000100${NLRI}`)).nextHop.global).toBe(id("0a000001"));
    const body = written({ nextHop: { global: ipv6(global) as Ip, linkLocal: undefined } }, agreed);
    expect(body.slice(8)).toMatch(new RegExp(`^900e00..00010110${GLOBAL}00${NLRI}`));
  });
});

describe("RFC 4724 §2: End-of-RIB", () => {
  test("IPv4: an UPDATE that says nothing; others: an empty MP_UNREACH_NLRI alone", () => {
    expect(text(endOfRib("ipv4", EXTERNAL).subarray(19))).toBe("00000000");
    expect(text(endOfRib("ipv6", EXTERNAL).subarray(19))).toBe("00000007900f0003000201");
    expect(readUpdate(endOfRib("ipv4", EXTERNAL)).endOfRib).toBe("ipv4");
    expect(readUpdate(endOfRib("ipv6", EXTERNAL)).endOfRib).toBe("ipv6");
    expect(readUpdate(update({ attributes: [attribute(0x80, 15, "000184")] })).endOfRib).toBe("1/132");
  });
  test("nothing else is one", () => {
    for (const attributes of [
      [attribute(0x80, 15, "000201"), ORIGIN],
      [ORIGIN],
      [attribute(0x80, 15, "0002012020010db8")],
    ])
      expect(readUpdate(update({ attributes })).endOfRib).toBeUndefined();
    expect(readUpdate(update({ withdrawn: NLRI })).endOfRib).toBeUndefined();
  });
});

describe("RFC 7911: several paths", () => {
  const paths: Agreed = { ...EXTERNAL, addPathReceive: ["ipv4", "ipv6"], addPathSend: ["ipv4"] };
  test("§3: a path identifier before each prefix, in every field", () => {
    const bytes = update({
      withdrawn: `00000007${NLRI}`,
      attributes: [attribute(0x80, 14, "0002011020010db8000000000000000000000001000000000920 20010db8"), ...MANDATORY],
      nlri: `00000001${NLRI}ffffffff${NLRI}`,
    });
    const { reach, unreach } = readUpdate(bytes, paths);
    expect(unreach.map(pathIdsOf)).toEqual([[7]]);
    expect(reach.map(({ nlri }) => pathIdsOf(nlri))).toEqual([[1, 0xffffffff], [9]]);
    expect(reach.map(({ nlri }) => prefixesOf(nlri).map(formatPrefix))).toEqual([
      ["192.0.2.0/24", "192.0.2.0/24"],
      ["2001:db8::/32"],
    ]);
  });
  test("§3: only for families that were agreed on", () => {
    expect(refusal(update({ attributes: MANDATORY, nlri: "0000" }), paths).kind).toBe("nlri-prefix");
    expect(readUpdate(update({ attributes: MANDATORY, nlri: "0000" })).reach[0]?.nlri.count).toBe(2);
  });
  test("ours have one, too, where it was agreed on", () => {
    const nlri = nlriOf("ipv4", [{ ip: ipv4("192.0.2.0"), length: 24 }], [5]);
    expect(written({}, paths, nlri)).toMatch(new RegExp(`00000005${NLRI}$`));
  });
});

describe("RFC 8092: large communities", () => {
  test("§3: a duplicate is removed without a word", () => {
    const twice = "0000fde90000000100000002".repeat(2);
    expect(said(having(attribute(0xc0, 32, twice))).largeCommunities).toEqual([
      { global: 65001, local1: 1, local2: 2 },
    ]);
  });
});
