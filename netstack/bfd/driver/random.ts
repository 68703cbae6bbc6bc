/** Random numbers of the kernel, fetched many at a time: a draw for each packet must not cost a system call. */
import { randomOctets } from "../../kernel/random.ts";

export class Random {
  #octets: Uint8Array = new Uint8Array(0);
  #at = 0;

  /** In [0, 1), 16 bits of it: enough for jitter. */
  fraction(): number {
    return (this.#octet() * 256 + this.#octet()) / 65536;
  }
  u32(): number {
    return ((this.#octet() << 24) | (this.#octet() << 16) | (this.#octet() << 8) | this.#octet()) >>> 0;
  }

  #octet(): number {
    if (this.#at >= this.#octets.length) {
      this.#octets = randomOctets(256);
      this.#at = 0;
    }
    return this.#octets[this.#at++] ?? 0;
  }
}
