import fc from "fast-check";
import { expect, test } from "vitest";
import { hex, join, sameSecret } from "../../base/octets.ts";

const octets = fc.uint8Array({ maxLength: 40 });

test("joined parts are their octets in order", () => {
  fc.assert(
    fc.property(fc.array(octets), (parts) => {
      expect([...join(parts)]).toEqual(parts.flatMap((part) => [...part]));
    }),
  );
});

test("digits, two an octet", () => {
  expect(hex(Uint8Array.of(0, 9, 0xab, 0xff))).toBe("0009abff");
  expect(hex(new Uint8Array(0))).toBe("");
});

test("secrets are the same when each octet is", () => {
  fc.assert(
    fc.property(octets, octets, (a, b) => {
      expect(sameSecret(a, Uint8Array.from(a))).toBe(true);
      expect(sameSecret(a, b)).toBe(hex(a) === hex(b));
    }),
  );
});

test("neither a part of a secret nor one with zeros behind it will do", () => {
  const secret = Uint8Array.of(1, 2, 0, 0);
  expect(sameSecret(secret, secret.subarray(0, 2))).toBe(false);
  expect(sameSecret(secret.subarray(0, 2), secret)).toBe(false);
  expect(sameSecret(new Uint8Array(0), secret)).toBe(false);
});
