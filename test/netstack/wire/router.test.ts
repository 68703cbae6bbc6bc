import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Mac } from "../../../base/address.ts";
import { decodeRouter, encodeRouter } from "../../../netstack/wire/router.ts";

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(" ", ""), "hex");
const MAC = 0x020000000001 as Mac;

describe("RFC 4861 §4.1, §4.2: router messages", () => {
  test.each([
    ["86 00 0000 00 00 0000 00000000 00000000 0101 020000000001", { kind: "advertisement", lifetime: 0 }, MAC],
    ["86 00 0000 00 00 0708 00000000 00000000", { kind: "advertisement", lifetime: 1800 }, undefined],
    ["85 00 0000 00000000 0101 020000000001", { kind: "solicitation" }, MAC],
    ["85 00 0000 00000000", { kind: "solicitation" }, undefined],
  ] as const)("%s", (octets, message, mac) => {
    expect(Buffer.from(encodeRouter(message, mac)).toString("hex")).toBe(octets.replaceAll(" ", ""));
    expect(decodeRouter(hex(octets))).toEqual({ ok: true, value: message });
  });

  test("an advertisement with options that we do not know (prefix, MTU) is one", () => {
    const options = `0304 40c0 ${"00".repeat(28)} 0501 0000 000005dc`;
    expect(decodeRouter(hex(`86 00 1234 40 c0 0708 00000000 00000000 ${options}`)).ok).toBe(true);
  });

  test.each([
    ["", "nd-short"],
    ["86 00", "nd-short"],
    ["86 00 0000 00 00 0000 00000000 000000", "nd-short"],
    ["85 00 0000 000000", "nd-short"],
    ["86 01 0000 00 00 0000 00000000 00000000", "nd-type"],
    ["87 00 0000 00000000", "nd-type"],
    ["85 00 0000 00000000 0100 020000000001", "nd-option-length"],
    ["85 00 0000 00000000 0102 020000000001", "nd-option-length"],
    ["85 00 0000 00000000 01", "nd-option-length"],
  ])("§6.1: %s is refused: %s", (octets, kind) => {
    expect(decodeRouter(hex(octets))).toMatchObject({ ok: false, error: { kind } });
  });

  test("any octets are decoded or refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.constantFrom(133, 134, 0), (bytes, type) => {
        if (bytes.length > 0) bytes[0] = type;
        expect(typeof decodeRouter(bytes).ok).toBe("boolean");
      }),
    );
  });
});
