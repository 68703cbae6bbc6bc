import { createHmac } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { signing } from "../../../../netstack/vip/driver/signing.ts";

test("RFC 2104 §2: what node:crypto signs, for any key of up to a block and any message", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ maxLength: 2000 }), (key, message) => {
      const right = createHmac("sha256", key).update(message).digest("hex");
      expect(Buffer.from(signing(key)(message)).toString("hex")).toBe(right);
    }),
  );
});

test("RFC 4231 §4.3", () => {
  const said = signing(Buffer.from("Jefe"))(Buffer.from("what do ya want for nothing?"));
  expect(Buffer.from(said).toString("hex")).toBe("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
});

test("a key that would have to be hashed first is refused", () => {
  expect(() => signing(new Uint8Array(65))).toThrow(TypeError);
});
