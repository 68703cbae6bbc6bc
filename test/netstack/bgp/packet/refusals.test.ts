/** Every refusal and every fault of an attribute has a vector here, or this does not compile. */
import { describe, expect, test } from "vitest";
import type { Agreed, AttributeFaultKind, RefusalKind } from "../../../../netstack/bgp/packet/message.ts";
import { faultText, refusedText } from "../../../../netstack/bgp/packet/text.ts";
import {
  AS_PATH,
  attribute,
  EXTERNAL,
  MANDATORY,
  MP_REACH,
  message,
  NEXT_HOP,
  NLRI,
  ORIGIN,
  readUpdate,
  refusal,
  TYPES,
  update,
} from "./octets.ts";

const open = (body: string): Uint8Array => message(TYPES.open, body.replaceAll(" ", ""));
const mp = (value: string): Uint8Array => update({ attributes: [attribute(0x80, 14, value), ORIGIN, AS_PATH] });
const having = (octets: string): Uint8Array =>
  update({ attributes: [...MANDATORY.filter((each) => each.slice(2, 4) !== octets.slice(2, 4)), octets], nlri: NLRI });
const zeroMarker = message(TYPES.keepalive, "").fill(0, 3, 4);

/** What is said to the peer, and to the operator. */
const REFUSALS: Readonly<Record<RefusalKind, readonly [bytes: Uint8Array, told: string]>> = {
  marker: [zeroMarker, "refused: marker; message-header/connection-not-synchronized"],
  length: [message(TYPES.keepalive, "00"), "refused: length; message-header/bad-message-length, data 0014"],
  type: [message(9, ""), "refused: type; message-header/bad-message-type, data 09"],
  version: [open("03 fde9 005a 0a000001 00"), "refused: version; open-message/unsupported-version-number, data 0004"],
  "asn-zero": [open("04 0000 005a 0a000001 00"), "refused: asn-zero; open-message/bad-peer-as"],
  "hold-time": [open("04 fde9 0001 0a000001 00"), "refused: hold-time; open-message/unacceptable-hold-time"],
  "router-id-zero": [open("04 fde9 005a 00000000 00"), "refused: router-id-zero; open-message/bad-bgp-identifier"],
  "parameters-length": [open("04 fde9 005a 0a000001 01"), "refused: parameters-length; open-message/unspecific"],
  "parameter-type": [
    open("04 fde9 005a 0a000001 02 0100"),
    "refused: parameter-type; open-message/unsupported-optional-parameter",
  ],
  "parameter-length": [open("04 fde9 005a 0a000001 02 0209"), "refused: parameter-length; open-message/unspecific"],
  "capability-length": [
    open("04 fde9 005a 0a000001 04 0202 4104"),
    "refused: capability-length; open-message/unspecific",
  ],
  "refresh-length": [
    message(TYPES.refresh, "0001010100"),
    `refused: refresh-length; route-refresh/invalid-message-length, data ${"ff".repeat(16)}0018050001010100`,
  ],
  "withdrawn-length": [
    message(TYPES.update, "00ff0000"),
    "refused: withdrawn-length; update-message/malformed-attribute-list",
  ],
  "attributes-length": [
    message(TYPES.update, "000000ff"),
    "refused: attributes-length; update-message/malformed-attribute-list",
  ],
  "withdrawn-prefix": [update({ withdrawn: "21" }), "refused: withdrawn-prefix; update-message/invalid-network-field"],
  "nlri-prefix": [
    update({ attributes: MANDATORY, nlri: "18c0" }),
    "refused: nlri-prefix; update-message/invalid-network-field",
  ],
  "unknown-well-known": [
    having(attribute(0x40, 99, "")),
    "refused: unknown-well-known in attribute 99; update-message/unrecognized-well-known-attribute, data 406300",
  ],
  "repeated-mp": [
    update({ attributes: [MP_REACH, MP_REACH] }),
    "refused: repeated-mp in MP_REACH_NLRI; update-message/malformed-attribute-list",
  ],
  "mp-length": [mp("0002"), "refused: mp-length in MP_REACH_NLRI; update-message/optional-attribute, data 800e020002"],
  "mp-next-hop-length": [
    mp("0002010000"),
    "refused: mp-next-hop-length in MP_REACH_NLRI; update-message/optional-attribute, data 800e050002010000",
  ],
  "mp-prefix": [
    update({ attributes: [attribute(0x80, 15, "00020120ff")] }),
    "refused: mp-prefix in MP_UNREACH_NLRI; update-message/optional-attribute, data 800f0500020120ff",
  ],
  "fault-without-nlri": [
    update({ attributes: [attribute(0x40, 1, "07")] }),
    "refused: fault-without-nlri in ORIGIN; update-message/invalid-origin, data 40010107",
  ],
};

const WIDE: Agreed = { ...EXTERNAL, unreadable: "afi-safi-disable", firstAsn: 65001, enhancedRouteRefresh: true };
const FAULTS: Readonly<Record<AttributeFaultKind, readonly [bytes: Uint8Array, told: string]>> = {
  flags: [having(attribute(0x80, 1, "00")), "ORIGIN flags: treat-as-withdraw"],
  length: [having(attribute(0x80, 4, "00")), "MULTI_EXIT_DISC length: treat-as-withdraw"],
  value: [having(attribute(0x40, 1, "03")), "ORIGIN value: treat-as-withdraw"],
  "segment-type": [having(attribute(0x40, 2, "09010000fde9")), "AS_PATH segment-type: treat-as-withdraw"],
  "segment-length": [having(attribute(0x40, 2, "02090000fde9")), "AS_PATH segment-length: treat-as-withdraw"],
  confederation: [having(attribute(0x40, 2, "03010000fde9")), "AS_PATH confederation: treat-as-withdraw"],
  "as-zero": [having(attribute(0x40, 2, "020100000000")), "AS_PATH as-zero: treat-as-withdraw"],
  "first-as": [having(attribute(0x40, 2, "02010000fdea")), "AS_PATH first-as: treat-as-withdraw"],
  "next-hop": [having(attribute(0x40, 3, "00000000")), "NEXT_HOP next-hop: treat-as-withdraw"],
  "next-hop-length": [mp("0002010400000000"), "MP_REACH_NLRI next-hop-length: afi-safi-disable ipv6"],
  prefix: [mp(`00020110${"20".repeat(16)}00ff`), "MP_REACH_NLRI prefix: afi-safi-disable ipv6"],
  missing: [update({ attributes: [AS_PATH, NEXT_HOP], nlri: NLRI }), "ORIGIN missing: treat-as-withdraw"],
  repeated: [update({ attributes: [...MANDATORY, ORIGIN], nlri: NLRI }), "ORIGIN repeated: attribute-discard"],
  "from-external": [having(attribute(0x40, 5, "00000064")), "LOCAL_PREF from-external: attribute-discard"],
  "from-new-speaker": [having(attribute(0xc0, 17, "02010000fde9")), "AS4_PATH from-new-speaker: attribute-discard"],
  overrun: [update({ attributes: [...MANDATORY, "c00809"], nlri: NLRI }), "COMMUNITIES overrun: treat-as-withdraw"],
};

describe("every refusal", () => {
  test.each(Object.entries(REFUSALS))("%s", (kind, [bytes, told]) => {
    const refused = refusal(bytes, { ...EXTERNAL, enhancedRouteRefresh: true });
    expect(refused.kind).toBe(kind);
    expect(refusedText(refused)).toBe(told);
  });
});
describe("every fault of an attribute", () => {
  test.each(Object.entries(FAULTS))("%s", (why, [bytes, told]) => {
    const { faults } = readUpdate(bytes, WIDE);
    expect(faults.map((fault) => fault.why)).toContain(why);
    expect(faults.map(faultText)).toContain(told);
  });
});
