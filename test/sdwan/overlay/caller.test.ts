/** Whose key a handshake's first message was made with, and by whom; the messages are made here, by the paper (§5.4.2). */
import { createCipheriv, createHash, createHmac, createPrivateKey, createPublicKey, diffieHellman } from "node:crypto";
import { describe, expect, test } from "vitest";
import { generateSiteKeys, type SiteKeys } from "../../../daemon/wan-keys.ts";
import { callerOf } from "../../../sdwan/overlay/driver/caller.ts";

const hash = (...parts: readonly Uint8Array[]): Buffer => {
  const digest = createHash("blake2s256");
  for (const part of parts) digest.update(part);
  return digest.digest();
};
const mac = (key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer => {
  const made = createHmac("blake2s256", key);
  for (const part of parts) made.update(part);
  return made.digest();
};
/** The paper's KDF_1 and KDF_2. */
const kdf = (chain: Uint8Array, input: Uint8Array): readonly [Buffer, Buffer] => {
  const secret = mac(chain, input);
  const first = mac(secret, Uint8Array.of(1));
  return [first, mac(secret, first, Uint8Array.of(2))];
};
const octets = (key: string): Buffer => Buffer.from(key, "base64");
function agreed(privateKey: string, publicKey: string): Buffer {
  const [pkcs8, spki] = ["302e020100300506032b656e04220420", "302a300506032b656e032100"];
  const der = (head: string, key: string): Buffer => Buffer.concat([Buffer.from(head, "hex"), octets(key)]);
  return diffieHellman({
    privateKey: createPrivateKey({ key: der(pkcs8, privateKey), format: "der", type: "pkcs8" }),
    publicKey: createPublicKey({ key: der(spki, publicKey), format: "der", type: "spki" }),
  });
}
function sealed(key: Uint8Array, plain: Uint8Array, bound: Uint8Array): Buffer {
  const cipher = createCipheriv("chacha20-poly1305", key, new Uint8Array(12), { authTagLength: 16 });
  cipher.setAAD(bound, { plaintextLength: plain.length });
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** `claimed`: the key that it is said to come from; `proof`: the private key that is used for it. */
function initiation(to: string, claimed: string, proof: string): Buffer {
  const ephemeral = generateSiteKeys();
  const begin = hash(Buffer.from("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"));
  const bound = hash(
    hash(hash(begin, Buffer.from("WireGuard v1 zx2c4 Jason@zx2c4.com")), octets(to)),
    octets(ephemeral.publicKey),
  );
  const [one] = kdf(begin, octets(ephemeral.publicKey));
  const [two, forKey] = kdf(one, agreed(ephemeral.privateKey, to));
  const key = sealed(forKey, octets(claimed), bound);
  const [, forTime] = kdf(two, agreed(proof, to));
  const time = sealed(forTime, new Uint8Array(12), hash(bound, key));
  return Buffer.concat([
    Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 1),
    octets(ephemeral.publicKey),
    key,
    time,
    Buffer.alloc(32),
  ]);
}

describe("the caller of a handshake", () => {
  const [site, peer, stranger]: readonly SiteKeys[] = [generateSiteKeys(), generateSiteKeys(), generateSiteKeys()];
  if (site === undefined || peer === undefined || stranger === undefined) throw new TypeError("three pairs");

  test("with the key that it has", () => {
    const message = initiation(site.publicKey, peer.publicKey, peer.privateKey);
    expect(message).toHaveLength(148);
    expect(callerOf(message, site.privateKey)).toEqual({ kind: "known-by", publicKey: peer.publicKey });
  });
  test("for another site; cut and changed; zeros", () => {
    const message = initiation(stranger.publicKey, peer.publicKey, peer.privateKey);
    expect(callerOf(message, site.privateKey)).toEqual({ kind: "for-another" });
    for (const at of [8, 39, 40, 87]) {
      const changed = initiation(site.publicKey, peer.publicKey, peer.privateKey);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(callerOf(changed, site.privateKey)).toEqual({ kind: "for-another" });
    }
    expect(callerOf(new Uint8Array(148), site.privateKey)).toEqual({ kind: "for-another" });
  });
});
