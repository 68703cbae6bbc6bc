import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Ip, ipOf, ipOfOctets, ipv4 } from "../../../base/address.ts";
import { decodeStun, encodeBindingRequest, encodeBindingSuccess } from "../../../netstack/stun/packet.ts";

/** RFC 5769 §2.2, §2.3. */
const SAMPLE4 =
  "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";
const SAMPLE6 =
  "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c";
const octets = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const ID = octets("b7e7a701bc34d686fa87dfae");

const attribute = (type: string, value: string): string => {
  const length = value.length / 2;
  return `${type}${length.toString(16).padStart(4, "0")}${value}${"00".repeat((4 - (length % 4)) % 4)}`;
};
const message = (...attributes: readonly string[]): Uint8Array => {
  const body = attributes.join("");
  return octets(`0101${(body.length / 2).toString(16).padStart(4, "0")}2112a442b7e7a701bc34d686fa87dfae${body}`);
};

describe("STUN messages", () => {
  test("RFC 5769 §2.2, §2.3: the sample responses", () => {
    for (const [sample, ip] of [
      [SAMPLE4, "192.0.2.1"],
      [SAMPLE6, "2001:db8:1234:5678:11:2233:4455:6677"],
    ] as const) {
      const decoded = decodeStun(octets(sample));
      expect(decoded).toMatchObject({
        ok: true,
        value: { class: "success", method: 1, software: "test vector", mapped: { ip: ipOf(ip), port: 32_853 } },
      });
    }
  });

  test("RFC 8489 §14.7: one octet of a message that is another one is refused", () => {
    for (let at = 20; at < SAMPLE4.length / 2; at++) {
      if (at >= 72 && at < 76) continue; // then it is no FINGERPRINT
      const bytes = octets(SAMPLE4);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      expect(decodeStun(bytes).ok, `octet ${at}`).toBe(false);
    }
  });

  test("what was read stays when the memory that it came in is used again", () => {
    const memory = Buffer.from(encodeBindingRequest(ID, { proof: { keyId: 1, mac: new Uint8Array(16).fill(2) } }));
    const decoded = decodeStun(memory);
    memory.fill(0);
    expect(decoded).toMatchObject({ value: { transaction: ID, proof: { mac: new Uint8Array(16).fill(2) } } });
  });

  test("RFC 8489 §6.3: what is no STUN is told from what is broken STUN", () => {
    const wireguard = octets(`01000000${"ab".repeat(144)}`);
    expect(decodeStun(wireguard)).toMatchObject({ error: { kind: "not-stun" } });
    const high = octets(SAMPLE4);
    high[0] = 0x80;
    expect(decodeStun(high)).toMatchObject({ error: { kind: "not-stun" } });
    expect(decodeStun(octets("0101"))).toMatchObject({ error: { kind: "short" } });
    expect(decodeStun(octets(`${SAMPLE4}00`))).toMatchObject({ error: { kind: "length" } });
  });

  test("RFC 8489 §14: an attribute that must be understood and is not, is named; others are passed over", () => {
    expect(decodeStun(message(attribute("7abc", "00")))).toMatchObject({
      error: { kind: "unknown-attributes", types: [0x7abc] },
    });
    expect(decodeStun(message(attribute("babc", "00")))).toMatchObject({ ok: true });
  });

  test.each([
    ["a family that does not exist", attribute("0020", "0003a147e112a643")],
    ["an address of another length", attribute("0020", "0002a147e112a643")],
    ["one that runs past the end", "00200020"],
    ["an error code out of range", attribute("0009", "0000070a")],
    ["a CHANGE-REQUEST of two octets", attribute("0003", "0006")],
  ])("%s is refused", (_, attributes) => {
    expect(decodeStun(message(attributes))).toMatchObject({ error: { kind: "attribute" } });
  });

  test("RFC 8489 §14.8, RFC 5780 §7.3, §7.4: error code, origin and other address", () => {
    const decoded = decodeStun(
      message(
        attribute("0009", "00000414556e617574686f72697a6564"),
        attribute("802b", "00010d96cb007101"),
        attribute("802c", "00010d97cb007102"),
      ),
    );
    expect(decoded).toMatchObject({
      value: {
        error: { code: 420, reason: "Unauthorized" },
        origin: { ip: ipv4("203.0.113.1"), port: 3478 },
        other: { ip: ipv4("203.0.113.2"), port: 3479 },
      },
    });
  });

  test("a request says what it asks for, and reads back", () => {
    for (const change of [undefined, { ip: true, port: true }, { ip: false, port: true }]) {
      expect(decodeStun(encodeBindingRequest(ID, { change }))).toMatchObject({
        ok: true,
        value: { class: "request", method: 1, transaction: ID, change },
      });
    }
  });

  test("a proof is carried by requests and answers, and others pass over it", () => {
    const proof = { keyId: 0xdead_beef, mac: Uint8Array.from({ length: 16 }, (_, index) => index) };
    for (const bytes of [
      encodeBindingRequest(ID, { proof }),
      encodeBindingSuccess(ID, { ip: ipv4("192.0.2.1"), port: 1 }, proof),
    ])
      expect(decodeStun(bytes)).toMatchObject({ ok: true, value: { proof } });
  });

  test("any address and port, once said, is read", () => {
    const ip: fc.Arbitrary<Ip> = fc
      .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
      .map(ipOfOctets);
    const id = fc.uint8Array({ minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(id, ip, fc.nat(65_535), (transaction, address, port) => {
        const decoded = decodeStun(encodeBindingSuccess(transaction, { ip: address, port }));
        expect(decoded).toMatchObject({ value: { transaction, mapped: { ip: address, port } } });
      }),
    );
  });
});
