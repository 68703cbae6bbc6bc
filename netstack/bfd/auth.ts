/**
 * Authentication of one session's packets.  Standards: RFC 5880 §6.7.
 * The digests are parameters, because node:crypto is not pure.
 *
 * A change of the key must not take a session down although two operators' hands are never simultaneous: an Up session
 * goes on sending under the former key until the peer is heard under the new one, or PATIENCE is over, and accepts both
 * meanwhile.
 */
import { sameSecret } from "../../base/octets.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { after, type Instant, seconds } from "../../base/unit.ts";
import { type AuthSection, type ControlPacket, DIGEST_AT, DIGEST_LENGTH, type DigestType, encode } from "./packet.ts";
import type { BfdAuth } from "./plan.ts";

export interface Digests {
  readonly md5: (bytes: Uint8Array) => Uint8Array;
  readonly sha1: (bytes: Uint8Array) => Uint8Array;
}

export interface AuthConfig {
  readonly type: BfdAuth["type"];
  readonly keyId: number;
  readonly key: Uint8Array;
}

export type Unauthentic =
  | { readonly kind: "auth-missing" }
  | { readonly kind: "auth-unexpected" }
  | { readonly kind: "auth-type-mismatch"; readonly got: BfdAuth["type"] }
  | { readonly kind: "auth-key-id"; readonly got: number }
  | { readonly kind: "auth-password" }
  | { readonly kind: "auth-sequence"; readonly got: number; readonly after: number }
  | { readonly kind: "auth-digest" };

type Unsigned = Omit<ControlPacket, "auth">;

export class Authenticator {
  readonly #digests: Digests;
  #current: Receiver;
  #former: { readonly receiver: Receiver; readonly sendUntil: Instant } | undefined;
  /** bfd.XmitAuthSeq */
  #sequence: number;

  constructor(config: AuthConfig | undefined, digests: Digests, sequence: number) {
    this.#digests = digests;
    this.#current = new Receiver(config, digests);
    this.#sequence = sequence >>> 0;
  }

  /** `gently`: there is a session to keep. */
  configure(config: AuthConfig | undefined, gently: boolean, now: Instant): void {
    if (sameAuth(config, this.#current.config)) return;
    this.#former = gently ? { receiver: this.#current, sendUntil: after(now, PATIENCE) } : undefined;
    this.#current = new Receiver(config, this.#digests);
  }

  /** bfd.AuthSeqKnown is 0 again: nothing was heard for twice the detection time (§6.8.1). */
  forget(): void {
    this.#current.known = undefined;
  }

  /** `octets` is the packet as far as its Length goes. */
  verify(packet: ControlPacket, octets: Uint8Array, now: Instant): Result<undefined, Unauthentic> {
    const verdict = this.#current.verify(packet, octets);
    const former = this.#former;
    if (former === undefined) return verdict;
    if (verdict.ok || now >= after(former.sendUntil, PATIENCE)) {
      this.#former = undefined;
      return verdict;
    }
    return former.receiver.verify(packet, octets).ok ? ok(undefined) : verdict;
  }

  /** Whether what was sent last may be sent again as it is. */
  get repeats(): boolean {
    return this.#former === undefined && !isMeticulous(this.#current.config);
  }

  /** Each call is another packet: its sequence number is higher (§6.7.3: a change of content SHOULD raise it). */
  sign(packet: Unsigned, now: Instant): Uint8Array {
    const former = this.#former;
    const { config } = former !== undefined && now < former.sendUntil ? former.receiver : this.#current;
    if (config === undefined) return encode({ ...packet, auth: undefined });
    const { type, keyId, key } = config;
    if (type === "simple") return encode({ ...packet, auth: { kind: "simple", keyId, password: key } });
    this.#sequence = (this.#sequence + 1) >>> 0;
    const digest = padded(key, type);
    const octets = encode({ ...packet, auth: { kind: "digest", type, keyId, sequence: this.#sequence, digest } });
    octets.set(hash(this.#digests, type, octets), DIGEST_AT);
    return octets;
  }
}

/** One configuration, and how far its peer has counted. */
class Receiver {
  readonly config: AuthConfig | undefined;
  /** bfd.RcvAuthSeq, while bfd.AuthSeqKnown. */
  known: number | undefined;
  readonly #digests: Digests;

  constructor(config: AuthConfig | undefined, digests: Digests) {
    this.config = config;
    this.#digests = digests;
  }

  verify(packet: ControlPacket, octets: Uint8Array): Result<undefined, Unauthentic> {
    const { config } = this;
    const { auth } = packet;
    if (config === undefined) return auth === undefined ? ok(undefined) : err({ kind: "auth-unexpected" });
    if (auth === undefined) return err({ kind: "auth-missing" });
    const type = auth.kind === "simple" ? "simple" : auth.type;
    if (type !== config.type) return err({ kind: "auth-type-mismatch", got: type });
    if (auth.keyId !== config.keyId) return err({ kind: "auth-key-id", got: auth.keyId });
    if (auth.kind === "simple") {
      return sameSecret(auth.password, config.key) ? ok(undefined) : err({ kind: "auth-password" });
    }
    return this.#verifyDigest(auth, config.key, packet.multiplier, octets);
  }

  #verifyDigest(
    auth: AuthSection & { kind: "digest" },
    key: Uint8Array,
    multiplier: number,
    octets: Uint8Array,
  ): Result<undefined, Unauthentic> {
    const { known } = this;
    if (known !== undefined) {
      // §6.7.3, §6.7.4: a window of 3 × Detect Mult in circular number space; meticulous forms never repeat.
      const ahead = (auth.sequence - known) >>> 0;
      const least = auth.type.startsWith("meticulous") ? 1 : 0;
      if (ahead < least || ahead > 3 * multiplier)
        return err({ kind: "auth-sequence", got: auth.sequence, after: known });
    }
    const copy = new Uint8Array(octets); // not slice: of a Buffer that is no copy
    copy.set(padded(key, auth.type), DIGEST_AT);
    if (!sameSecret(hash(this.#digests, auth.type, copy), auth.digest)) return err({ kind: "auth-digest" });
    this.known = auth.sequence;
    return ok(undefined);
  }
}

export function sameAuth(a: AuthConfig | undefined, b: AuthConfig | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.type === b.type && a.keyId === b.keyId && sameSecret(a.key, b.key);
}

function isMeticulous(config: AuthConfig | undefined): boolean {
  return config?.type.startsWith("meticulous") ?? false;
}

function hash(digests: Digests, type: DigestType, octets: Uint8Array): Uint8Array {
  return type.endsWith("md5") ? digests.md5(octets) : digests.sha1(octets);
}

/** §6.7.3, §6.7.4: a key that is shorter than the field is followed by zeros. */
function padded(key: Uint8Array, type: DigestType): Uint8Array {
  const field = new Uint8Array(DIGEST_LENGTH[type]);
  field.set(key.subarray(0, field.length));
  return field;
}

/** Two operators, or one and his tool, change both ends within it. */
const PATIENCE = seconds(10);
