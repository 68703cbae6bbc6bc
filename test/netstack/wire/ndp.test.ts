import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ipv6, type Mac } from "../../../base/address.ts";
import { checksum, checksum6 } from "../../../netstack/wire/checksum.ts";
import { ETHERNET_HEADER, macOfGroup6 } from "../../../netstack/wire/ethernet.ts";
import { decodeIpv6, IPV6_HEADER } from "../../../netstack/wire/ipv6.ts";
import {
  dadProbe,
  decodeNeighbour,
  encodeNeighbour,
  type NeighbourMessage,
  solicit,
  solicitedNode,
  unsolicitedAdvertisement,
} from "../../../netstack/wire/ndp.ts";

const MAC = 0x02_00_5e_10_20_30 as Mac;
const IP = ipv6("fd66::100");
const payload = (frame: Uint8Array): Uint8Array => frame.subarray(ETHERNET_HEADER);

describe("RFC 1071 §3: checksum", () => {
  test("the example: 00 01 f2 03 f4 f5 f6 f7 sums to ddf2", () => {
    expect(checksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7))).toBe(~0xddf2 & 0xffff);
  });
  test("an odd octet counts as padded with zero", () => {
    expect(checksum(Uint8Array.of(1, 2, 3))).toBe(checksum(Uint8Array.of(1, 2, 3, 0)));
  });
});

describe("RFC 4291 §2.7.1, RFC 2464 §7: groups", () => {
  test("of fd66::100", () => {
    expect(solicitedNode(IP)).toBe("ff02::1:ff00:100");
    expect(macOfGroup6(solicitedNode(IP))).toBe(0x3333ff000100);
  });
});

describe("RFC 4861 §4.3, §4.4: messages", () => {
  test("RFC 4862 §5.4.2: the probe comes from nowhere and carries no option", () => {
    const frame = dadProbe(MAC, IP);
    expect(decodeIpv6(payload(frame))).toMatchObject({ value: { source: "::", hopLimit: 255, payloadLength: 24 } });
    expect(decodeNeighbour(payload(frame))).toEqual({
      ok: true,
      value: { kind: "solicitation", source: "::", destination: "ff02::1:ff00:100", target: IP, mac: undefined },
    });
  });
  test("§7.2.6: the unsolicited advertisement overrides, to all nodes", () => {
    expect(decodeNeighbour(payload(unsolicitedAdvertisement(MAC, IP)))).toEqual({
      ok: true,
      value: {
        kind: "advertisement",
        source: IP,
        destination: "ff02::1",
        target: IP,
        router: false,
        solicited: false,
        override: true,
        mac: MAC,
      },
    });
  });
  test("octets of a solicitation: a capture's layout", () => {
    const frame = solicit(MAC, ipv6("fd66::9"), IP);
    expect(Buffer.from(frame.subarray(0, 14)).toString("hex")).toBe("3333ff00010002005e10203086dd");
    expect(Buffer.from(frame.subarray(14, 22)).toString("hex")).toBe("6000000000203aff");
    expect(Buffer.from(frame.subarray(78)).toString("hex")).toBe("010102005e102030");
  });
});

describe("RFC 4861 §7.1: refusals", () => {
  const good = payload(unsolicitedAdvertisement(MAC, IP));
  /** The message with one octet changed, and the checksum put right again. */
  const changed = (at: number, value: number, source = good): Uint8Array => {
    const bytes = source.map((octet, index) => (index === at ? value : octet));
    const header = decodeIpv6(bytes);
    if (!header.ok) return bytes;
    const body = bytes.subarray(IPV6_HEADER);
    body.fill(0, 2, 4);
    const sum = checksum6(header.value.source, header.value.destination, 58, body);
    body[2] = sum >>> 8;
    body[3] = sum & 0xff;
    return bytes;
  };
  const probe = payload(dadProbe(MAC, IP));
  const probeWithOption = payload(
    encodeNeighbour(MAC, MAC, {
      kind: "solicitation",
      source: ipv6("::"),
      destination: solicitedNode(IP),
      target: IP,
      mac: MAC,
    }),
  );
  test.each([
    ["ipv6-short", good.subarray(0, 39)],
    ["ipv6-version", changed(0, 0x40)],
    ["ipv6-payload-length", good.subarray(0, good.length - 1)],
    ["nd-not-icmp6", changed(6, 17)],
    ["nd-hop-limit", changed(7, 254)],
    ["nd-short", changed(5, 23)],
    ["nd-checksum", good.map((octet, index) => (index === 60 ? octet ^ 1 : octet))],
    ["nd-type", changed(40, 133)],
    ["nd-type", changed(41, 1)],
    ["nd-target-multicast", changed(48, 0xff)],
    ["nd-option-length", changed(65, 0)],
    ["nd-option-length", changed(65, 2)],
    ["nd-solicited-multicast", changed(44, 0x60)],
    ["nd-probe-destination", changed(39, 0x01, probe)],
    ["nd-probe-option", probeWithOption],
  ])("%s", (kind, bytes) => {
    expect(decodeNeighbour(bytes)).toMatchObject({ ok: false, error: { kind } });
  });

  test("decode survives any octets, and mutations of good ones", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => typeof decodeNeighbour(bytes).ok === "boolean"),
    );
    fc.assert(
      fc.property(
        fc.nat(good.length - 1),
        fc.nat(255),
        (at, value) => typeof decodeNeighbour(changed(at, value)).ok === "boolean",
      ),
    );
  });

  test("encode comes back", () => {
    const address = fc
      .tuple(fc.nat(0xffff), fc.nat(0xffff))
      .map(([a, b]) => ipv6(`fd00:${a.toString(16)}::${b.toString(16)}`));
    const mac = fc.option(
      fc.nat(2 ** 40 - 1).map((low) => low as Mac),
      { nil: undefined },
    );
    const message: fc.Arbitrary<NeighbourMessage> = fc.oneof(
      fc.record({
        kind: fc.constant("solicitation" as const),
        source: address,
        destination: address,
        target: address,
        mac,
      }),
      fc.record({
        kind: fc.constant("advertisement" as const),
        source: address,
        destination: address,
        target: address,
        router: fc.boolean(),
        solicited: fc.boolean(),
        override: fc.boolean(),
        mac,
      }),
    );
    fc.assert(
      fc.property(message, (value) => {
        // The unspecified address makes a probe of it, which has rules of its own, tested above.
        fc.pre(value.source !== "::");
        expect(decodeNeighbour(payload(encodeNeighbour(MAC, MAC, value)))).toEqual({ ok: true, value });
      }),
    );
  });
});
