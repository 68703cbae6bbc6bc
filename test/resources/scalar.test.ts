import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { z } from "zod";
import { ms } from "../../base/unit.ts";
import { selects } from "../../resources/metadata.ts";
import { edits, nearest } from "../../resources/nearest.ts";
import * as scalar from "../../resources/scalar.ts";

const read = (schema: z.ZodType, value: unknown): unknown => {
  const result = schema.safeParse(value);
  return result.success ? result.data : undefined;
};

describe("durations", () => {
  it.each<[string, number | undefined]>([
    ["50ms", 50],
    ["2s", 2000],
    ["1h30m", 5_400_000],
    ["1.5s", 1500],
    ["0s", 0],
    ["2", undefined],
    ["", undefined],
    ["-1s", undefined],
    ["1d", undefined],
    ["1 s", undefined],
    ["01s", undefined],
    ["1e3ms", undefined],
    [".5s", undefined],
  ])("%j", (text, expected) => {
    expect(scalar.parseDuration(text)).toBe(expected);
  });
  it("what is written is what is read", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e9 }), (value) => {
        expect(scalar.parseDuration(scalar.formatDuration(ms(value)))).toBe(value);
      }),
    );
  });
  it("bounds belong to the range", () => {
    const schema = scalar.duration("10ms", "1s");
    expect(["9ms", "10ms", "1s", "1001ms", 10].map((each) => read(schema, each))).toEqual([
      undefined,
      10,
      1000,
      undefined,
      undefined,
    ]);
  });
});

describe("other values", () => {
  it.each<[string, z.ZodType, unknown, unknown]>([
    ["size", scalar.size, "10Mi", 10 * 1024 ** 2],
    ["size", scalar.size, "1k", 1000],
    ["size", scalar.size, 4096, 4096],
    ["size", scalar.size, "10MiB", undefined],
    ["size", scalar.size, -1, undefined],
    ["size", scalar.size, 1.5, undefined],
    ["size", scalar.size, "999999999999999Ti", undefined],
    ["port", scalar.port, 1, 1],
    ["port", scalar.port, 65535, 65535],
    ["port", scalar.port, 0, undefined],
    ["port", scalar.port, 65536, undefined],
    ["port", scalar.port, "80", undefined],
    ["port", scalar.port, 80.5, undefined],
    ["IPv4 host", scalar.hostIpv4, "192.0.2.10", 0xc000020a],
    ["IPv4 host", scalar.hostIpv4, "192.0.2.10/32", 0xc000020a],
    ["IPv4 host", scalar.hostIpv4, "192.0.2.10/24", undefined],
    ["IPv4 host", scalar.hostIpv4, "2001:db8::1", undefined],
    ["IPv6 host", scalar.hostIpv6, "2001:DB8:0::10/128", "2001:db8::10"],
    ["IPv6 host", scalar.hostIpv6, "192.0.2.1", undefined],
    ["IPv4 host", scalar.hostIpv4, "127.0.0.1", undefined],
    ["IPv4 host", scalar.hostIpv4, "224.0.0.1", undefined],
    ["IPv4 host", scalar.hostIpv4, "0.0.0.0", undefined],
    ["IPv6 host", scalar.hostIpv6, "fe80::1", undefined],
    ["IPv6 host", scalar.hostIpv6, "ff02::1", undefined],
    ["IPv6 host", scalar.hostIpv6, "::1", undefined],
    ["unicast", scalar.unicast, "127.0.0.1", 0x7f000001],
    ["unicast", scalar.unicast, "255.255.255.255", undefined],
    ["unicast", scalar.unicast, "::", undefined],
    ["prefix", scalar.prefix, "224.0.0.0/8", undefined],
    ["prefix", scalar.prefix, "192.0.2.0/24", { ip: 0xc0000200, length: 24 }],
    ["prefix with host bits", scalar.prefix, "192.0.2.1/24", undefined],
    ["prefix without length", scalar.prefix, "192.0.2.1", undefined],
    ["host name", scalar.hostname, "WWW.Example.com", "www.example.com"],
    ["host name", scalar.hostname, "*.example.com", "*.example.com"],
    ["host name", scalar.hostname, "api.*", "api.*"],
    ["host name", scalar.hostname, "*", "*"],
    ["host name", scalar.hostname, "*.*", undefined],
    ["host name", scalar.hostname, "a.*.b", undefined],
    ["host name", scalar.hostname, "a..b", undefined],
    ["host name", scalar.hostname, "www.example.com:80", undefined],
    ["host name", scalar.hostname, "-a.b", undefined],
    ["RFC 9110 §5.1 name", scalar.fieldName, "X-Trace", "X-Trace"],
    ["RFC 9110 §5.1 name", scalar.fieldName, "X Trace", undefined],
    ["RFC 9110 §5.5 value", scalar.fieldValue, "a b\tc", "a b\tc"],
    ["RFC 9110 §5.5 value", scalar.fieldValue, "", ""],
    ["RFC 9110 §5.5 CR", scalar.fieldValue, "a\r\nX: y", undefined],
    ["RFC 9110 §5.5 end", scalar.fieldValue, "a ", undefined],
    ["RFC 1123 name", scalar.subdomain, "web-1.shop", "web-1.shop"],
    ["RFC 1123 name", scalar.subdomain, "Web", undefined],
    ["RFC 1123 name", scalar.subdomain, "a".repeat(254), undefined],
    ["interface", scalar.interfaceName, "eth0.100", "eth0.100"],
    ["interface", scalar.interfaceName, "..", undefined],
    ["interface", scalar.interfaceName, "a".repeat(16), undefined],
    ["path", scalar.path, "/a b", undefined],
    ["file", scalar.absoluteFile, "relative", undefined],
  ])("%s %#: %j", (_what, schema, value, expected) => {
    expect(read(schema, value)).toEqual(expected);
  });
  it("long texts cost nothing", () => {
    const long = `${"a-".repeat(2_000_000)}!`;
    for (const schema of [scalar.subdomain, scalar.hostname, scalar.fieldName, scalar.size, scalar.ip, scalar.path]) {
      expect(read(schema, long)).toBe(undefined);
    }
  });
});

describe("the nearest name", () => {
  it.each<[string, string | undefined]>([
    ["lisners", "listeners"],
    ["vipref", "vipRef"],
    ["vip_ref", "vipRef"],
    ["acessLog", "accessLog"],
    ["prot", "port"],
    ["x", undefined],
    ["somethingElse", undefined],
  ])("%s → %s", (word, expected) => {
    expect(nearest(word, ["listeners", "vipRef", "accessLog", "port"])).toBe(expected);
  });
  it("is a metric on short words", () => {
    const word = fc.string({ maxLength: 6 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(edits(a, b)).toBe(edits(b, a));
        expect(edits(a, b) === 0).toBe(a === b);
        expect(edits(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });
});

describe("label selectors, as Kubernetes defines them", () => {
  const labels = { rack: "a", ssd: "" };
  const none = { matchLabels: {}, matchExpressions: [] };
  type Expression = NonNullable<Parameters<typeof selects>[0]>["matchExpressions"][number];
  it.each<[Expression, boolean]>([
    [{ key: "rack", operator: "In", values: ["a", "b"] }, true],
    [{ key: "rack", operator: "In", values: ["b"] }, false],
    [{ key: "zone", operator: "In", values: ["a"] }, false],
    [{ key: "rack", operator: "NotIn", values: ["a"] }, false],
    [{ key: "zone", operator: "NotIn", values: ["a"] }, true],
    [{ key: "ssd", operator: "Exists" }, true],
    [{ key: "zone", operator: "Exists" }, false],
    [{ key: "zone", operator: "DoesNotExist" }, true],
    [{ key: "ssd", operator: "DoesNotExist" }, false],
  ])("%j is %s", (expression, expected) => {
    expect(selects({ ...none, matchExpressions: [expression] }, labels)).toBe(expected);
  });
  it("an empty one and an absent one select everything", () => {
    expect([selects(none, {}), selects(undefined, {})]).toEqual([true, true]);
  });
  it("all labels must match", () => {
    expect(selects({ ...none, matchLabels: { rack: "a" } }, labels)).toBe(true);
    expect(selects({ ...none, matchLabels: { rack: "a", ssd: "x" } }, labels)).toBe(false);
  });
});
