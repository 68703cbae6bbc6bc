/** What the pure folder may not have: digests of node:crypto, octets of text, and numbers that only grow. */
import { createHash, createHmac } from "node:crypto";
import type { Digests } from "../packet/auth.ts";

export const DIGESTS: Digests = {
  hash: (algorithm, bytes) => createHash(algorithm).update(bytes).digest(),
  hmac: (algorithm, key, bytes) => createHmac(algorithm, key).update(bytes).digest(),
};

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/**
 * Cryptographic sequence numbers that go on growing over restarts, with the realtime clock as memory: RFC 2328 D.3 takes
 * its seconds; RFC 7474 §2 and RFC 7166 §4.1 want a boot count above a counter, for which the seconds of the start serve.
 * A clock that goes back between two lives makes neighbors refuse us until they call us dead; they then start anew.
 */
export class Sequences {
  readonly #realtime: () => number;
  readonly #boot: bigint;
  #last = 0n;
  #count = 0n;

  /** `realtime`: milliseconds since the epoch. */
  constructor(realtime: () => number) {
    this.#realtime = realtime;
    this.#boot = BigInt(Math.floor(realtime() / 1000));
  }

  next(extended: boolean): bigint {
    if (extended) {
      this.#count++;
      return (this.#boot << 32n) + this.#count;
    }
    const now = BigInt(Math.floor(this.#realtime() / 1000));
    if (now > this.#last) this.#last = now;
    return this.#last;
  }
}
