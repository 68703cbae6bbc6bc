import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ms } from "../../../base/unit.ts";
import { type AuthSection, type ControlPacket, decode, encode } from "../../../netstack/bfd/packet.ts";
import type { BfdDiagnostic } from "../../../netstack/bfd/plan.ts";
import { packet } from "./fixture.ts";

const octets = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
/** As BIRD 2.0.12 sent it, Up with P, 50 ms x 3. */
const GOOD = octets("20 e0 03 18 9c4c7a3f eb396cd7 0000c350 0000c350 00000000");

describe("RFC 5880 §4.1: the control packet", () => {
  test("every field of a packet of a peer", () => {
    expect(decode(GOOD)).toEqual({
      ok: true,
      value: packet({
        state: "up",
        poll: true,
        myDiscriminator: 0x9c4c7a3f,
        yourDiscriminator: 0xeb396cd7,
        desiredMinTx: ms(50),
        requiredMinRx: ms(50),
      }),
    });
  });
  test("every state has its number", () => {
    const states = [0x00, 0x40, 0x80, 0xc0].map((b1) => {
      const decoded = decode(changed(1, b1));
      return decoded.ok ? decoded.value.state : decoded.error.kind;
    });
    expect(states).toEqual(["admin-down", "down", "init", "up"]);
  });
  test("diagnostics 0–8 have names, 9–31 are reserved and no reason to refuse", () => {
    const words = [...Array(32).keys()].map((number) => {
      const decoded = decode(changed(0, 0x20 | number));
      return decoded.ok ? decoded.value.diagnostic : decoded.error.kind;
    });
    expect(words.slice(0, 9)).toEqual([
      "none",
      "control-detection-expired",
      "echo-failed",
      "neighbor-down",
      "forwarding-reset",
      "path-down",
      "concatenated-path-down",
      "admin-down",
      "reverse-path-down",
    ]);
    expect(new Set(words.slice(9))).toEqual(new Set(["reserved"]));
  });
  test("intervals are microseconds: fractions of a millisecond survive", () => {
    const decoded = decode(encode(packet({ desiredMinTx: ms(3.3), requiredMinRx: ms(0.001) })));
    expect(decoded.ok && [decoded.value.desiredMinTx, decoded.value.requiredMinRx]).toEqual([3.3, 0.001]);
  });
});

describe("RFC 5880 §6.8.6: one vector for each refusal", () => {
  const auth = (section: string): Uint8Array => {
    const tail = octets(section);
    const bytes = Uint8Array.from([...changed(1, 0xc4), ...tail]);
    bytes[3] = bytes.length;
    return bytes;
  };
  test.each<readonly [string, Uint8Array, object]>([
    ["version 0", changed(0, 0x00), { kind: "version", got: 0 }],
    ["version 2", changed(0, 0x40), { kind: "version", got: 2 }],
    ["23 octets", GOOD.subarray(0, 23), { kind: "short", have: 23 }],
    ["nothing", new Uint8Array(0), { kind: "short", have: 0 }],
    ["Length 23", changed(3, 23), { kind: "length", got: 23 }],
    ["A bit and Length 25", changed(1, 0xc4, 3, 25), { kind: "length", got: 25 }],
    ["Length beyond the payload", changed(3, 25), { kind: "length-beyond-payload", got: 25, have: 24 }],
    ["Detect Mult 0", changed(2, 0), { kind: "multiplier-zero" }],
    ["M bit", changed(1, 0xc1), { kind: "multipoint" }],
    ["My Discriminator 0", changed(4, 0, 5, 0, 6, 0, 7, 0), { kind: "my-discriminator-zero" }],
    ["Your Discriminator 0, Up", zeroYour(0xc0), { kind: "your-discriminator-zero", state: "up" }],
    ["Your Discriminator 0, Init", zeroYour(0x80), { kind: "your-discriminator-zero", state: "init" }],
    ["P and F", changed(1, 0xf0), { kind: "poll-and-final" }],
    ["authentication type 0", auth("0004 0161"), { kind: "auth-type", got: 0 }],
    ["authentication type 6", auth("0604 0161"), { kind: "auth-type", got: 6 }],
    ["password without octets", auth("0103 01"), { kind: "auth-length", got: 3 }],
    ["password of 17", auth(`0114 01${"61".repeat(17)}`), { kind: "auth-length", got: 20 }],
    ["section longer than the packet", auth("010a 0161"), { kind: "auth-length", got: 10 }],
    ["MD5 of 23", auth(`0217 0100${"00".repeat(19)}`), { kind: "auth-length", got: 23 }],
    ["SHA1 of 24", auth(`0418 0100${"00".repeat(20)}`), { kind: "auth-length", got: 24 }],
  ])("%s", (_name, bytes, error) => {
    expect(decode(bytes)).toEqual({ ok: false, error });
  });
  test("Your Discriminator 0 is right in Down and AdminDown", () => {
    expect([zeroYour(0x40), zeroYour(0x00)].map((bytes) => decode(bytes).ok)).toEqual([true, true]);
  });
  test("octets after Length are no part of the packet", () => {
    expect(decode(Uint8Array.from([...GOOD, 1, 2, 3]))).toEqual(decode(GOOD));
  });
});

describe("properties", () => {
  test("RFC 5880 §6.8.6: no octets make decode throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const result = decode(bytes);
        expect(typeof (result.ok ? result.value.state : result.error.kind)).toBe("string");
      }),
    );
  });
  test("decode(encode(x)) = x", () => {
    fc.assert(
      fc.property(anyPacket, (value) => {
        expect(decode(encode(value))).toEqual({ ok: true, value });
      }),
    );
  });
});

function changed(...pairs: readonly number[]): Uint8Array {
  const bytes = GOOD.slice();
  for (let index = 0; index < pairs.length; index += 2) bytes[pairs[index] ?? 0] = pairs[index + 1] ?? 0;
  return bytes;
}
function zeroYour(b1: number): Uint8Array {
  return changed(1, b1, 8, 0, 9, 0, 10, 0, 11, 0);
}

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const span = u32.map((value) => ms(value / 1000));
const digest = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const keyId = fc.integer({ min: 0, max: 255 });
const section: fc.Arbitrary<AuthSection | undefined> = fc.oneof(
  fc.constant(undefined),
  fc.record({ kind: fc.constant("simple" as const), keyId, password: fc.uint8Array({ minLength: 1, maxLength: 16 }) }),
  ...(["md5", "meticulous-md5", "sha1", "meticulous-sha1"] as const).map((type) =>
    fc.record({
      kind: fc.constant("digest" as const),
      type: fc.constant(type),
      keyId,
      sequence: u32,
      digest: digest(type.endsWith("md5") ? 16 : 20),
    }),
  ),
);
const DIAGNOSTICS: readonly BfdDiagnostic[] = ["none", "echo-failed", "reverse-path-down", "reserved"];
const anyPacket: fc.Arbitrary<ControlPacket> = fc
  .record({
    diagnostic: fc.constantFrom(...DIAGNOSTICS),
    state: fc.constantFrom("admin-down", "down", "init", "up" as const),
    poll: fc.boolean(),
    final: fc.boolean(),
    controlPlaneIndependent: fc.boolean(),
    demand: fc.boolean(),
    multiplier: fc.integer({ min: 1, max: 255 }),
    myDiscriminator: fc.integer({ min: 1, max: 0xffff_ffff }),
    yourDiscriminator: fc.integer({ min: 1, max: 0xffff_ffff }),
    desiredMinTx: span,
    requiredMinRx: span,
    requiredMinEchoRx: span,
    auth: section,
  })
  .map((value) => ({ ...value, final: value.final && !value.poll }) as ControlPacket);
