/**
 * Whose key a call comes with: the public key of the initiator in WireGuard's first message, which whoever has the
 * responder's private key can read.  Only to tell an operator which key was meant: nothing is answered by it, and what a
 * stranger sends costs one decryption.  Standards: the WireGuard paper §5.4.2 (Noise_IKpsk2).
 */
import {
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
} from "node:crypto";

export type Caller =
  /** Base64, as wg(8) writes it. */
  | { readonly kind: "known-by"; readonly publicKey: string }
  /** Made for another key than ours, or not whole. */
  | { readonly kind: "for-another" };

/** `message`: 148 octets; `privateKey`: base64, of the device that was called. */
export function callerOf(message: Uint8Array, privateKey: string): Caller {
  const own = createPrivateKey({
    key: Buffer.concat([PKCS8, Buffer.from(privateKey, "base64")]),
    format: "der",
    type: "pkcs8",
  });
  const ownPublic = createPublicKey(own).export({ format: "der", type: "spki" }).subarray(-KEY);
  const ephemeral = message.subarray(8, 40);
  const sealed = message.subarray(40, 88);
  try {
    const secret = diffieHellman({
      privateKey: own,
      publicKey: createPublicKey({ key: Buffer.concat([SPKI, ephemeral]), format: "der", type: "spki" }),
    });
    const bound = hash(hash(hash(CHAIN, IDENTIFIER), ownPublic), ephemeral);
    const key = expand(extract(expand(extract(CHAIN, ephemeral)), secret), true);
    const decipher = createDecipheriv("chacha20-poly1305", key, NONCE, { authTagLength: TAG });
    decipher.setAAD(bound, { plaintextLength: KEY });
    decipher.setAuthTag(sealed.subarray(KEY));
    const publicKey = Buffer.concat([decipher.update(sealed.subarray(0, KEY)), decipher.final()]);
    return { kind: "known-by", publicKey: publicKey.toString("base64") };
  } catch {
    // OpenSSL says so by throwing, of a point of small order too.
    return { kind: "for-another" };
  }
}

function hash(...parts: readonly Uint8Array[]): Buffer {
  const digest = createHash("blake2s256");
  for (const part of parts) digest.update(part);
  return digest.digest();
}
function extract(chain: Uint8Array, input: Uint8Array): Buffer {
  return createHmac("blake2s256", chain).update(input).digest();
}
/** The first output of the paper's KDF, or its second. */
function expand(secret: Uint8Array, second = false): Buffer {
  const first = createHmac("blake2s256", secret).update(Uint8Array.of(1)).digest();
  return second ? createHmac("blake2s256", secret).update(first).update(Uint8Array.of(2)).digest() : first;
}

const KEY = 32;
const TAG = 16;
const NONCE = new Uint8Array(12);
const CHAIN = hash(Buffer.from("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"));
const IDENTIFIER = Buffer.from("WireGuard v1 zx2c4 Jason@zx2c4.com");
/** DER in front of the 32 octets: PrivateKeyInfo and SubjectPublicKeyInfo of X25519 (RFC 8410 §7, §4). */
const PKCS8 = Buffer.from("302e020100300506032b656e04220420", "hex");
const SPKI = Buffer.from("302a300506032b656e032100", "hex");
