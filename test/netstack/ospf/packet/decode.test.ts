import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decode, type Malformed } from "../../../../netstack/ospf/packet/decode.ts";
import { describe as text } from "../../../../netstack/ospf/packet/describe.ts";
import { encode } from "../../../../netstack/ospf/packet/encode.ts";
import { INITIAL_SEQUENCE, type Version } from "../../../../netstack/ospf/packet/lsa.ts";
import { encodeLsa } from "../../../../netstack/ospf/packet/lsa-encode.ts";
import { lengthOfMask, maskOfLength } from "../../../../netstack/ospf/packet/mask.ts";
import type { Packet } from "../../../../netstack/ospf/packet/packet.ts";
import { packets } from "./arbitrary.ts";

const HEAD = { routerId: 0x0a000001, areaId: 1 };
const hello = (version: Version): Packet => ({
  kind: "hello",
  version,
  ...HEAD,
  instanceId: 0,
  maskLength: version === 2 ? 24 : undefined,
  interfaceId: version === 2 ? 0 : 5,
  options: 0x13,
  helloInterval: 10,
  deadInterval: 40,
  priority: 1,
  dr: 0x0a000001,
  bdr: 0,
  neighbors: [0x0a000002],
});
const update = (version: Version): Packet => ({
  kind: "update",
  version,
  ...HEAD,
  instanceId: 0,
  lsas: [
    encodeLsa(
      version,
      { id: 0, advertisingRouter: 0x0a000001, options: 2, sequence: INITIAL_SEQUENCE },
      { kind: "router", border: false, external: true, virtual: false, translator: false, options: 0x13, links: [] },
    ),
  ],
});

const with_ = (bytes: Uint8Array, at: number, ...octets: readonly number[]): Uint8Array => {
  const out = bytes.slice();
  out.set(octets, at);
  return out;
};
const H2 = encode(hello(2));
const H3 = encode(hello(3));
const U2 = encode(update(2));
const U3 = encode(update(3));

describe("RFC 2328 A.3, RFC 5340 A.3: what is refused, by name", () => {
  test.each<readonly [Malformed["kind"], Version, Uint8Array]>([
    ["short", 2, H2.subarray(0, 3)],
    ["short", 2, H2.subarray(0, 23)],
    ["short", 3, H3.subarray(0, 15)],
    ["short", 2, with_(H2, 2, 0, 40)], // a hello that ends within its fixed part
    ["short", 3, with_(H3, 2, 0, 32)],
    ["short", 2, with_(U2, 2, 0, 26)],
    ["version", 2, H3],
    ["version", 3, H2],
    ["packet-length", 2, with_(H2, 2, 0, 23)],
    ["packet-length", 2, with_(H2, 2, 1, 0)],
    ["packet-length", 3, with_(H3, 2, 0, 15)],
    ["packet-type", 2, with_(H2, 1, 0)],
    ["packet-type", 3, with_(H3, 1, 6)],
    ["router-id-zero", 2, with_(H2, 4, 0, 0, 0, 0)],
    ["mask", 2, with_(H2, 24, 255, 0, 255, 0)],
    ["ragged", 2, with_(H2, 2, 0, 46)],
    ["ragged", 3, with_(H3, 2, 0, 39)],
    ["ragged", 2, Uint8Array.from([...with_(U2, 2, 0, U2.length + 1), 0])],
    ["lsa-length", 2, with_(U2, 28 + 18, 0, 19)],
    ["lsa-length", 2, with_(U2, 28 + 18, 0, 25)],
    ["lsa-length", 3, with_(U3, 20 + 18, 0xff, 0xff)],
    ["lsa-length", 3, with_(U3, 2, 0, 30)],
    ["lsa-count", 2, with_(U2, 24, 0, 0, 0, 2)],
    ["lsa-count", 3, with_(U3, 16, 0xff, 0xff, 0xff, 0xff)],
  ])("%s (v%i)", (kind, version, bytes) => {
    const found = decode(version, bytes);
    expect(found.ok ? "accepted" : found.error.kind).toBe(kind);
  });
});

test("octets after the packet are authentication's and RFC 5613's: not looked at", () => {
  expect(decode(2, Uint8Array.from([...H2, 1, 2, 3]))).toEqual({ ok: true, value: hello(2) });
});

test("an LSA's octets are a copy: the datagram's memory may be used again", () => {
  const bytes = U2.slice();
  const found = decode(2, bytes);
  bytes.fill(0);
  expect(found).toEqual({ ok: true, value: update(2) });
});

test("whatever comes, nothing is thrown", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom<Version>(2, 3), (bytes, version) => {
      decode(version, bytes);
    }),
  );
});

test("decode(encode(packet)) is the packet, and it can be described", () => {
  fc.assert(
    fc.property(packets(), (packet) => {
      expect(decode(packet.version, encode(packet))).toEqual({ ok: true, value: packet });
      expect(text(packet)).toContain(`OSPFv${packet.version}`);
    }),
  );
});

test("masks: each length and back, nothing with holes", () => {
  for (let length = 0; length <= 32; length++) expect(lengthOfMask(maskOfLength(length))).toBe(length);
  fc.assert(
    fc.property(fc.nat(0xffffffff), (mask) => {
      const length = lengthOfMask(mask);
      expect(length === undefined || maskOfLength(length) === mask).toBe(true);
    }),
  );
});
