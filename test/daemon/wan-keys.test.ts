/** Keys of a site: RFC 7748 §6.1, RFC 5869, and the file. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  generateSiteKeys,
  isWireguardKey,
  publicKeyOf,
  replaceSiteKeys,
  sharedKey,
  siteKeys,
} from "../../daemon/wan-keys.ts";

const base64 = (hex: string): string => Buffer.from(hex, "hex").toString("base64");

describe("the pair in its file", () => {
  let directory: string;
  let file: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "nv-keys-"));
    file = join(directory, "wan", "private.key");
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  test("is made once, for root alone, and the same at each start", () => {
    const keys = siteKeys(file);
    expect(siteKeys(file)).toEqual(keys);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, "utf8")).toBe(`${keys.privateKey}\n`);
    expect(readdirSync(join(directory, "wan"))).toEqual(["private.key"]);
  });

  test("is replaced whole", () => {
    siteKeys(file);
    const next = generateSiteKeys();
    replaceSiteKeys(file, next);
    expect(siteKeys(file)).toEqual(next);
  });

  test("that others can read is closed to them", () => {
    siteKeys(file);
    chmodSync(file, 0o644);
    siteKeys(file);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("that holds no key is a fault, which does not tell what it holds", () => {
    siteKeys(file);
    writeFileSync(file, "c2VjcmV0\n");
    expect(() => siteKeys(file)).toThrow(/FILE/);
    expect(() => siteKeys(file)).not.toThrow(/c2VjcmV0/);
  });
});

describe("RFC 7748 §6.1", () => {
  test("a public key of a private one: Bob's", () => {
    const secret = base64("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    const known = base64("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    expect(publicKeyOf(secret)).toEqual({ ok: true, value: known });
  });

  test("what is no key is refused", () => {
    for (const text of ["", "x", `${"A".repeat(43)}`, `${"A".repeat(42)}B=`, ` ${"A".repeat(43)}=`])
      expect(isWireguardKey(text)).toBe(false);
    expect(publicKeyOf("x").ok).toBe(false);
  });
});

describe("the key that two sites share", () => {
  const a = { site: "berlin", ...generateSiteKeys() };
  const b = { site: "wien", ...generateSiteKeys() };
  const shared = (purpose: "probe" | "rendezvous", own: typeof a, peer: typeof a): string => {
    const key = sharedKey(purpose, own, peer);
    if (!key.ok) throw new TypeError(key.error.why);
    return key.value;
  };

  test("is the same at both, 32 octets", () => {
    expect(shared("probe", a, b)).toBe(shared("probe", b, a));
    expect(shared("probe", a, b)).toMatch(/^[0-9a-f]{64}$/);
  });

  test("is another for each purpose, name and key", () => {
    const c = { site: "wien", ...generateSiteKeys() };
    const keys = [
      shared("probe", a, b),
      shared("rendezvous", a, b),
      shared("probe", a, c),
      shared("probe", a, { ...b, site: "linz" }),
      // Names that read alike when they are put together without their lengths.
      shared("probe", { ...a, site: "a 4:b" }, { ...b, site: "c" }),
      shared("probe", { ...a, site: "a" }, { ...b, site: "4:b c" }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  test("a point of small order is refused: everybody would know the secret (§6.1)", () => {
    for (const point of [
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0100000000000000000000000000000000000000000000000000000000000000",
      "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    ])
      expect(sharedKey("probe", a, { site: "x", publicKey: base64(point) })).toMatchObject({ ok: false });
  });
});
