import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Ip, type Ipv4, ipv4, ipv6, type Mac } from "../../../base/address.ts";
import { ms } from "../../../base/unit.ts";
import { open, seal } from "../../../netstack/vip/auth.ts";
import {
  decode,
  type Entry,
  encode,
  type Heartbeat,
  MOST_OCTETS,
  MOST_PEERS,
  nodeId,
  partition,
} from "../../../netstack/vip/packet.ts";

const sign = (bytes: Uint8Array): Uint8Array => createHmac("sha256", Buffer.alloc(32, 7)).update(bytes).digest();
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));

const ENTRY: Entry = {
  vip: ipv4("192.0.2.10"),
  role: "owner",
  priority: 100,
  term: 3,
  load: 1,
  wants: false,
  successor: undefined,
  handover: ms(0),
};
const HEARTBEAT: Heartbeat = {
  node: "a",
  incarnation: 0x0102030405,
  sequence: 6,
  interval: ms(100),
  multiplier: 3,
  mac: 0x02005e000001 as Mac,
  addresses: [ipv4("192.0.2.1")],
  owned: 1,
  echoes: [{ id: nodeId("b"), incarnation: 9, sequence: 8 }],
  entries: [ENTRY, { ...ENTRY, vip: ipv6("2001:db8::a"), role: "released", successor: 0, handover: ms(5000) }],
};
/** Written by hand from docs/protocols/vip.md §3. */
const GOLDEN = hex(`4e56 01 03 0064 0001 02005e000001 0000000102030405 0000000000000006 01 02
  01 61  01 04c0000201
  e70c2de5 0000000000000009 0000000000000008
  04 64 00 00000003 0001 0000 04c000020a
  05 64 00 00000003 0001 01f4 0620010db800000000000000000000000a`);

describe("§3 heartbeat", () => {
  test("the octets of the example", () => {
    expect(Buffer.from(encode(HEARTBEAT)).toString("hex")).toBe(Buffer.from(GOLDEN).toString("hex"));
    expect(decode(GOLDEN)).toEqual({ ok: true, value: HEARTBEAT });
  });

  const at = (index: number, ...octets: readonly number[]): Uint8Array => {
    const bytes = GOLDEN.slice();
    bytes.set(octets, index);
    return bytes;
  };
  test.each([
    ["short", GOLDEN.subarray(0, 2)],
    ["short", GOLDEN.subarray(0, 20)],
    ["short", GOLDEN.subarray(0, 55)],
    ["short", GOLDEN.subarray(0, GOLDEN.length - 1)],
    ["magic", at(0, 0)],
    ["version", at(2, 2)],
    ["multiplier", at(3, 1)],
    ["multiplier", at(3, 11)],
    ["interval", at(4, 0, 9)],
    ["interval", at(4, 3, 0xe9)],
    ["mac", at(8, 3)],
    ["mac", at(8, 0, 0, 0, 0, 0, 0)],
    ["incarnation", at(14, 0xff)],
    ["incarnation", at(14, 0, 0, 0, 0, 0, 0, 0, 0)],
    ["sequence", at(22, 0xff)],
    ["sequence", at(22, 0, 0, 0, 0, 0, 0, 0, 0)],
    ["node-name", at(33, 0x20)],
    ["node-name", at(33, 0x80)],
    ["addresses", at(34, 0)],
    ["addresses", at(34, 4)],
    ["family", at(35, 5)],
    ["role", at(60, 6)],
    ["priority", at(61, 0)],
    ["detail", at(62, 1)],
    ["handover-of", at(69, 0, 1)],
    ["trailing", Uint8Array.from([...GOLDEN, 0])],
  ])("refused: %s", (kind, bytes) => {
    expect(decode(bytes)).toMatchObject({ ok: false, error: { kind } });
  });

  test("decode survives any octets and any mutation", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => typeof decode(bytes).ok === "boolean"));
    const flips = fc.array(fc.tuple(fc.nat(GOLDEN.length - 1), fc.nat(255)), { maxLength: 4 });
    fc.assert(
      fc.property(flips, fc.nat(GOLDEN.length), (changes, length) => {
        const bytes = GOLDEN.slice(0, length);
        for (const [index, value] of changes) if (index < length) bytes[index] = value;
        const decoded = decode(bytes);
        // What is accepted is accepted whole: it encodes to the same octets.
        if (decoded.ok) expect(encode(decoded.value)).toEqual(bytes);
      }),
      { numRuns: 5000 },
    );
  });

  test("encode comes back, and any number of entries fits its datagrams", () => {
    const ip: fc.Arbitrary<Ip> = fc.oneof(
      fc.nat(0xffff_ffff).map((value) => value as Ipv4),
      fc.nat(0xffff).map((value) => ipv6(`2001:db8::${value.toString(16)}`)),
    );
    const entry = fc.record({
      vip: ip,
      role: fc.constantFrom("ineligible" as const, "listening" as const, "claiming" as const, "owner" as const),
      priority: fc.integer({ min: 1, max: 255 }),
      term: fc.nat(0xffff_ffff),
      load: fc.nat(0xffff),
      wants: fc.constant(false),
      successor: fc.constant(undefined),
      handover: fc.constant(ms(0)),
    });
    const name = fc.stringMatching(/^[!-~]{1,63}$/);
    const echo = fc.record({ id: fc.nat(0xffff_ffff), incarnation: fc.nat(2 ** 50), sequence: fc.nat(2 ** 50) });
    fc.assert(
      fc.property(
        name,
        fc.array(echo, { maxLength: MOST_PEERS }),
        fc.array(entry, { maxLength: 300 }),
        fc.array(ip, { minLength: 1, maxLength: 3 }),
        (node, echoes, entries, addresses) => {
          const parts = partition(node, echoes.length, entries);
          expect(parts.flat()).toEqual(entries);
          for (const part of parts) {
            const packet = { ...HEARTBEAT, node, echoes, addresses, entries: part };
            const bytes = encode(packet);
            expect(bytes.length).toBeLessThanOrEqual(MOST_OCTETS);
            expect(decode(bytes)).toEqual({ ok: true, value: packet });
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("§3 authentication", () => {
  const sealed = seal(GOLDEN, sign);
  test("sealed and opened", () => {
    expect(open(sealed, 255, sign)).toEqual({ ok: true, value: HEARTBEAT });
  });
  test("RFC 5082: a TTL other than 255 comes from beyond the link", () => {
    expect(open(sealed, 254, sign)).toEqual({ ok: false, error: { kind: "ttl", got: 254 } });
    expect(open(sealed, undefined, sign)).toEqual({ ok: false, error: { kind: "ttl", got: undefined } });
  });
  test("every octet is under the seal", () => {
    for (let index = 0; index < sealed.length; index++) {
      const forged = sealed.map((octet, each) => (each === index ? octet ^ 0x40 : octet));
      expect(open(forged, 255, sign)).toEqual({ ok: false, error: { kind: "mac-mismatch" } });
    }
  });
  test("another key, and less than a trailer", () => {
    const other = (bytes: Uint8Array): Uint8Array => createHmac("sha256", Buffer.alloc(32, 8)).update(bytes).digest();
    expect(open(sealed, 255, other)).toMatchObject({ error: { kind: "mac-mismatch" } });
    expect(open(sealed.subarray(0, 15), 255, sign)).toEqual({ ok: false, error: { kind: "no-trailer", have: 15 } });
  });
});
