/**
 * Whose key a call comes with: the public key of the initiator in WireGuard's first message, which whoever has the
 * responder's private key can read.  Nothing is answered by it, and what a stranger sends costs two decryptions.
 * Standards: the WireGuard paper §5.4.2 (Noise_IKpsk2).
 */
import {
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
} from "node:crypto";

export type Caller =
  /**
   * The key is base64, as wg(8) writes it.  `proven`: made by who has its private key, now or some time before; without it
   * anybody may have written that key.
   */
  | { readonly kind: "known-by"; readonly publicKey: string; readonly proven: boolean }
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
  const [sealedKey, sealedTime] = [message.subarray(40, 88), message.subarray(88, 116)];
  const bound = hash(hash(hash(CHAIN, IDENTIFIER), ownPublic), ephemeral);
  const begun = shared(expand(extract(CHAIN, ephemeral)), own, ephemeral);
  const publicKey = begun && opened(sealedKey, begun, bound);
  if (begun === undefined || publicKey === undefined) return { kind: "for-another" };
  const both = shared(expand(begun), own, publicKey);
  const proven = both !== undefined && opened(sealedTime, both, hash(bound, sealedKey)) !== undefined;
  return { kind: "known-by", publicKey: publicKey.toString("base64"), proven };
}

/** The chain with the secret of our key and another one; undefined: that one is none. */
function shared(chain: Uint8Array, privateKey: KeyObject, octets: Uint8Array): Buffer | undefined {
  try {
    const publicKey = createPublicKey({ key: Buffer.concat([SPKI, octets]), format: "der", type: "spki" });
    return extract(chain, diffieHellman({ privateKey, publicKey }));
  } catch {
    // OpenSSL refuses points of small order by throwing.
    return undefined;
  }
}

/** undefined: not sealed with this key, or not for these octets before it. */
function opened(sealed: Uint8Array, secret: Uint8Array, bound: Uint8Array): Buffer | undefined {
  const size = sealed.length - TAG;
  const decipher = createDecipheriv("chacha20-poly1305", expand(secret, true), NONCE, { authTagLength: TAG });
  decipher.setAAD(bound, { plaintextLength: size });
  decipher.setAuthTag(sealed.subarray(size));
  const plain = decipher.update(sealed.subarray(0, size));
  try {
    decipher.final();
    return plain;
  } catch {
    return undefined;
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
