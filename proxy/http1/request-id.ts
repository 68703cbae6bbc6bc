/** Request ids: 32 hexadecimal digits, a prefix that the caller draws at random once per process, then a counter. */
import { latin1 } from "./octets.ts";

export class RequestIds {
  readonly #octets: Uint8Array;
  #count = 0;
  /** `seed`: at least 12 random octets. */
  constructor(seed: Uint8Array) {
    if (seed.length < 12) throw new TypeError("a seed of at least 12 octets");
    this.#octets = latin1(
      `${[...seed.subarray(0, 12)].map((each) => each.toString(16).padStart(2, "0")).join("")}00000000`,
    );
  }
  /** The next id; the octets are overwritten by the call after it. */
  next(): Uint8Array {
    this.#count = (this.#count + 1) >>> 0;
    for (let at = 31, rest = this.#count; at >= 24; at--, rest >>>= 4) this.#octets[at] = DIGITS[rest & 15] as number;
    return this.#octets;
  }
}

const DIGITS = latin1("0123456789abcdef");
