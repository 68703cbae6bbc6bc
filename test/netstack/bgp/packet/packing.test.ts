/** As many prefixes as fit, and never more. */
import { describe, expect, test } from "vitest";
import { ipv4, ipv6 } from "../../../../base/address.ts";
import { NO_OPTIONAL, type PathAttributes } from "../../../../netstack/bgp/packet/attribute.ts";
import { attributesOf } from "../../../../netstack/bgp/packet/attributes.ts";
import type { Agreed } from "../../../../netstack/bgp/packet/message.ts";
import { nlriOf } from "../../../../netstack/bgp/packet/nlri.ts";
import { encodeUpdate, UpdateWriter } from "../../../../netstack/bgp/packet/packing.ts";
import { PrefixTable } from "../../../../netstack/bgp/prefixes.ts";
import { EXTERNAL, readUpdate, said } from "./octets.ts";

const WIDE: Agreed = { ...EXTERNAL, mostIn: 65535, mostOut: 65535 };
const said4 = attributesOf({
  origin: "igp",
  asPath: [{ kind: "sequence", asns: [65001] }],
  nextHop: { global: ipv4("10.0.0.1"), linkLocal: undefined },
  ...NO_OPTIONAL,
});
const said6 = attributesOf({ ...said4, nextHop: { global: ipv6("2001:db8::1"), linkLocal: ipv6("fe80::1") } });

const hosts4 = nlriOf(
  "ipv4",
  Array.from({ length: 20_000 }, (_, index) => ({ ip: ipv4(`10.1.${index >> 8}.${index & 255}`), length: 32 })),
);
const hosts6 = nlriOf(
  "ipv6",
  Array.from({ length: 5000 }, (_, index) => ({ ip: ipv6(`2001:db8::${(index + 1).toString(16)}`), length: 128 })),
);

describe.each([
  ["ipv4", hosts4, said4, 5],
  ["ipv6", hosts6, said6, 17],
] as const)("%s", (family, nlri, attributes, octets) => {
  test.each([
    ["RFC 4271 §4.1: 4096", EXTERNAL],
    ["RFC 8654 §4: 65535", WIDE],
  ])("%s: messages are full, but for the last", (_name, agreed) => {
    for (const update of [
      { reach: [{ nlri, attributes }], unreach: [], endOfRib: undefined },
      { reach: [], unreach: [nlri], endOfRib: undefined },
    ]) {
      const messages = encodeUpdate(update, agreed);
      let count = 0;
      messages.forEach((bytes, index) => {
        expect(bytes.length).toBeLessThanOrEqual(agreed.mostOut);
        if (index < messages.length - 1) expect(bytes.length).toBeGreaterThan(agreed.mostOut - octets);
        const { reach, unreach } = readUpdate(bytes, agreed);
        for (const each of [...reach.map((one) => one.nlri), ...unreach]) {
          expect(each.family).toBe(family);
          count += each.count;
        }
      });
      expect(count).toBe(nlri.count);
    }
  });
});

test("RFC 8654 §4: attributes that leave no room are not announced", () => {
  const communities = Array.from({ length: 1100 }, (_, index) => index);
  const writer = new UpdateWriter();
  for (const base of [said4, said6] satisfies PathAttributes[]) {
    const many = attributesOf({ ...base, communities });
    const family = base === said4 ? "ipv4" : "ipv6";
    expect(writer.announce(many, family, EXTERNAL)).toBe(false);
    expect(writer.announce(many, family, WIDE)).toBe(true);
    expect(writer.announce(base, family, EXTERNAL)).toBe(true);
  }
});

test("a table of prefixes writes to where they will stand", () => {
  const table = new PrefixTable("ipv4");
  const ids = ["0.0.0.0/0", "10.0.0.0/8", "192.0.2.128/25"].map((text) => {
    const [ip = "", length] = text.split("/");
    return table.id({ ip: ipv4(ip), length: Number(length) });
  });
  const writer = new UpdateWriter();
  writer.announce(said4, "ipv4", EXTERNAL);
  for (const id of ids) {
    expect(writer.fits(table.wireLength(id))).toBe(true);
    writer.at = table.write(id, writer.bytes, writer.at);
  }
  const bytes = writer.finish();
  expect(Buffer.from(bytes.subarray(-8)).toString("hex")).toBe("00080a19c0000280");
  expect(said(bytes).asPath).toEqual(said4.asPath);
  // the writer goes on, the message stays
  writer.withdraw("ipv4", EXTERNAL);
  expect(readUpdate(bytes).reach).toHaveLength(1);
});
