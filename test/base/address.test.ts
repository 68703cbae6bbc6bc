import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  contains,
  formatIp,
  formatMac,
  formatPrefix,
  hostPrefix,
  ipOf,
  ipOfOctets,
  ipv4,
  ipv6,
  isLinkLocal,
  macOfOctets,
  masked,
  octetsOfIp,
  octetsOfMac,
  parseIp,
  parseMac,
  parsePrefix,
  prefixOf,
} from "../../base/address.ts";

describe("IPv4 text", () => {
  test.each(["1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.-4", "", " 1.2.3.4", "1.2.3.4 ", "0x1.2.3.4"])(
    "refuses %j",
    (text) => {
      expect(parseIp(text)).toEqual({ ok: false, error: { kind: "bad-address", text } });
    },
  );
  test("high addresses are positive numbers", () => {
    expect(ipv4("255.255.255.255")).toBe(0xffffffff);
    expect(formatIp(ipv4("203.0.113.200"))).toBe("203.0.113.200");
  });
});

describe("RFC 5952 §4: one text for each IPv6 address", () => {
  test.each([
    ["2001:0db8:0000:0000:0000:0000:0002:0001", "2001:db8::2:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["::ffff:192.0.2.1", "::ffff:c000:201"],
    ["FE80::ABCD", "fe80::abcd"],
  ])("%s is written %s", (text, canonical) => {
    expect(ipv6(text)).toBe(canonical);
  });
  test.each([":::", "1::2::3", "12345::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8:", "g::", "::1.2.3"])(
    "refuses %j",
    (text) => {
      expect(parseIp(text).ok).toBe(false);
    },
  );
});

const anyIp = fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }));

describe("properties", () => {
  test("octets → address → text → address → octets", () => {
    fc.assert(
      fc.property(anyIp, (octets) => {
        const ip = ipOfOctets(octets);
        const again = parseIp(formatIp(ip));
        expect(again).toEqual({ ok: true, value: ip });
        expect(octetsOfIp(ip)).toEqual(octets);
      }),
    );
  });
  test("a MAC survives its text and its octets", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (octets) => {
        const mac = macOfOctets(octets);
        expect(parseMac(formatMac(mac))).toEqual({ ok: true, value: mac });
        expect(octetsOfMac(mac)).toEqual(octets);
      }),
    );
  });
  test("a prefix holds exactly the addresses that agree on its bits", () => {
    fc.assert(
      fc.property(anyIp, fc.nat(128), fc.nat(127), (octets, lengthSeed, bitSeed) => {
        const bits = octets.length * 8;
        const length = lengthSeed % (bits + 1);
        const ip = ipOfOctets(octets);
        const prefix = { ip: masked(ip, length), length };
        expect(parsePrefix(formatPrefix(prefix))).toEqual({ ok: true, value: prefix });
        expect(contains(prefix, ip)).toBe(true);
        const bit = bitSeed % bits;
        const flipped = Uint8Array.from(octets);
        flipped[bit >>> 3] = (flipped[bit >>> 3] ?? 0) ^ (0x80 >>> (bit & 7));
        expect(contains(prefix, ipOfOctets(flipped))).toBe(bit >= length);
      }),
    );
  });
});

describe("RFC 4291 §2.5.6: link-local addresses", () => {
  test("are those of fe80::/10", () => {
    for (const text of ["fe80::1", "fe9f:1::", "febf:ffff::"]) expect(isLinkLocal(ipv6(text))).toBe(true);
    for (const text of ["fe7f::1", "fec0::1", "fe8::1", "0fe8::1", "::1", "2001:db8::fe80"])
      expect(isLinkLocal(ipv6(text))).toBe(false);
    expect(isLinkLocal(ipv4("169.254.0.1"))).toBe(false);
  });
});

describe("text that was read before", () => {
  test("is the address and the prefix that it says", () => {
    expect(ipOf("192.0.2.1")).toBe(ipv4("192.0.2.1"));
    expect(ipOf("2001:DB8::1")).toBe(ipv6("2001:db8::1"));
    expect(prefixOf("192.0.2.129/25")).toEqual({ ip: ipv4("192.0.2.128"), length: 25 });
    for (const text of ["192.0.2.1", "2001:db8::1"]) expect(prefixOf(text)).toEqual(hostPrefix(ipOf(text)));
  });
  test("is a bug where it is something else", () => {
    expect(() => ipOf("eth0")).toThrow(TypeError);
    expect(() => prefixOf("192.0.2.0/33")).toThrow(TypeError);
  });
});
