import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Instant, instant } from "../../../base/unit.ts";
import { type AuthConfig, Authenticator } from "../../../netstack/bfd/auth.ts";
import { decode } from "../../../netstack/bfd/packet.ts";
import type { BfdAuth } from "../../../netstack/bfd/plan.ts";
import { DIGESTS, packet } from "./fixture.ts";

const TYPES: readonly BfdAuth["type"][] = ["simple", "md5", "meticulous-md5", "sha1", "meticulous-sha1"];
const DIGEST_TYPES = TYPES.filter((type) => type !== "simple");
const NOW = instant(0);

function key(type: BfdAuth["type"], text = "secret", keyId = 1): AuthConfig {
  return { type, keyId, key: Uint8Array.from(Buffer.from(text)) };
}
function speaker(config: AuthConfig | undefined, sequence = 100): Authenticator {
  return new Authenticator(config, DIGESTS, sequence);
}
function verdict(listener: Authenticator, octets: Uint8Array, now: Instant = NOW): string {
  const decoded = decode(octets);
  if (!decoded.ok) return decoded.error.kind;
  const result = listener.verify(decoded.value, octets, now);
  return result.ok ? "ok" : result.error.kind;
}

describe("RFC 5880 §6.7: what is signed is accepted", () => {
  test.each(TYPES)("%s", (type) => {
    const [from, to] = [speaker(key(type)), speaker(key(type))];
    for (let count = 0; count < 5; count++) expect(verdict(to, from.sign(packet(), NOW))).toBe("ok");
  });
  test("a packet in the loop's memory is read and not written to", () => {
    const octets = Buffer.from(speaker(key("sha1")).sign(packet(), NOW));
    const before = octets.toString("hex");
    expect(verdict(speaker(key("sha1")), octets)).toBe("ok");
    expect(octets.toString("hex")).toBe(before);
  });
  test("§6.7.4: the digest is SHA1 over the packet with the padded key in its place", () => {
    const octets = speaker(key("sha1")).sign(packet(), NOW);
    const filled = Uint8Array.from(octets);
    filled.fill(0, 32);
    filled.set(Buffer.from("secret"), 32);
    expect(Buffer.from(octets.subarray(32))).toEqual(Buffer.from(DIGESTS.sha1(filled)));
    expect([octets[24], octets[25], octets[26], octets[27]]).toEqual([4, 28, 1, 0]);
  });
});

describe("RFC 5880 §6.8.6, §6.7: one vector for each refusal", () => {
  test("the A bit without authentication here", () => {
    expect(verdict(speaker(undefined), speaker(key("sha1")).sign(packet(), NOW))).toBe("auth-unexpected");
  });
  test.each(TYPES)("no A bit, %s here", (type) => {
    expect(verdict(speaker(key(type)), speaker(undefined).sign(packet(), NOW))).toBe("auth-missing");
  });
  test.each(TYPES.flatMap((a) => TYPES.filter((b) => b !== a).map((b) => [a, b] as const)))(
    "%s heard as %s",
    (a, b) => {
      expect(verdict(speaker(key(b)), speaker(key(a)).sign(packet(), NOW))).toBe("auth-type-mismatch");
    },
  );
  test.each(TYPES)("%s with another key id", (type) => {
    expect(verdict(speaker(key(type, "secret", 2)), speaker(key(type)).sign(packet(), NOW))).toBe("auth-key-id");
  });
  test("simple with another password", () => {
    expect(verdict(speaker(key("simple", "other")), speaker(key("simple")).sign(packet(), NOW))).toBe("auth-password");
  });
  test.each(DIGEST_TYPES)("%s with another key", (type) => {
    expect(verdict(speaker(key(type, "other")), speaker(key(type)).sign(packet(), NOW))).toBe("auth-digest");
  });
  test.each(DIGEST_TYPES)("%s with any octet changed", (type) => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (place, change) => {
        const octets = speaker(key(type)).sign(packet(), NOW);
        const at = place % octets.length;
        octets[at] = (octets[at] ?? 0) ^ change;
        expect(verdict(speaker(key(type)), octets) === "ok").toBe(false);
      }),
      { numRuns: 200 },
    );
  });
});

describe("RFC 5880 §6.7.3, §6.7.4: sequence numbers", () => {
  const at = (type: BfdAuth["type"], sequence: number): Uint8Array =>
    speaker(key(type), (sequence - 1) >>> 0).sign(packet({ multiplier: 3 }), NOW);

  test.each(DIGEST_TYPES)("%s: the first one may be any", (type) => {
    expect(verdict(speaker(key(type)), at(type, 0xffff_fff0))).toBe("ok");
  });
  test.each([
    ["md5", 0],
    ["sha1", 0],
    ["meticulous-md5", 1],
    ["meticulous-sha1", 1],
  ] as const)("%s: from the last + %i to the last + 3 x Detect Mult, around the end of the numbers", (type, least) => {
    for (const start of [1000, 0xffff_fffc]) {
      const seen = [-1, 0, 1, 9, 10].map((step) => {
        const listener = speaker(key(type));
        verdict(listener, at(type, start));
        return verdict(listener, at(type, (start + step) >>> 0));
      });
      expect(seen).toEqual(["auth-sequence", least === 0 ? "ok" : "auth-sequence", "ok", "ok", "auth-sequence"]);
    }
  });
  test("a forged packet does not move the window", () => {
    const listener = speaker(key("sha1"));
    verdict(listener, at("sha1", 10));
    const forged = speaker(key("sha1", "guess"), 17).sign(packet(), NOW);
    expect(verdict(listener, forged)).toBe("auth-digest");
    expect(verdict(listener, at("sha1", 11))).toBe("ok");
  });
  test("§6.8.1: after twice the detection time in silence any number is accepted again", () => {
    const listener = speaker(key("sha1"));
    verdict(listener, at("sha1", 10));
    listener.forget();
    expect(verdict(listener, at("sha1", 5_000_000))).toBe("ok");
  });
  test("meticulous: each packet has another number; keyed: it may be repeated", () => {
    expect(speaker(key("sha1")).repeats).toBe(true);
    expect(speaker(key("meticulous-sha1")).repeats).toBe(false);
  });
});

describe("a key that changes while the session is up", () => {
  const [first, second] = [key("sha1", "first"), key("sha1", "second")];

  test("the former key is sent until the new one is heard, and both are accepted", () => {
    const ours = speaker(first);
    ours.configure(second, true, NOW);
    const later = instant(1000);
    expect(verdict(speaker(first), ours.sign(packet(), later))).toBe("ok");
    expect(verdict(ours, speaker(first).sign(packet(), later), later)).toBe("ok");
    expect(verdict(ours, speaker(second).sign(packet(), later), later)).toBe("ok");
    expect(verdict(speaker(second), ours.sign(packet(), later))).toBe("ok");
    expect(verdict(ours, speaker(first, 101).sign(packet(), later), later)).toBe("auth-digest");
  });
  test("two that wait for each other do not wait for ever", () => {
    const ours = speaker(first);
    ours.configure(second, true, NOW);
    expect(verdict(speaker(second), ours.sign(packet(), instant(10_001)))).toBe("ok");
    expect(verdict(ours, speaker(first).sign(packet(), NOW), instant(20_001))).toBe("auth-digest");
  });
  test("without a session to keep it changes at once", () => {
    const ours = speaker(first);
    ours.configure(second, false, NOW);
    expect(verdict(ours, speaker(first).sign(packet(), NOW))).toBe("auth-digest");
    expect(verdict(speaker(second), ours.sign(packet(), NOW))).toBe("ok");
  });
  test("authentication can be switched on in an up session", () => {
    const ours = speaker(undefined);
    ours.configure(first, true, NOW);
    expect(verdict(ours, speaker(undefined).sign(packet(), NOW))).toBe("ok");
    expect(verdict(ours, speaker(first).sign(packet(), NOW))).toBe("ok");
    expect(verdict(ours, speaker(undefined).sign(packet(), NOW))).toBe("auth-missing");
  });
});
