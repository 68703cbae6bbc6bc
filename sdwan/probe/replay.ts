/** Numbers that came already, as a window over the newest ones.  The shape of RFC 4303 §3.4.3 (Appendix A2). */

export class ReplayWindow {
  #newest: number | undefined;
  readonly #seen = new Uint32Array(WIDTH / 32);

  /** Remembers it; modulo 2^32, later is what is ahead by less than half of that. */
  take(number: number): "fresh" | "replayed" | "too-old" {
    const newest = this.#newest;
    if (newest === undefined) {
      this.#newest = number;
      this.#mark(number);
      return "fresh";
    }
    const ahead = (number - newest) | 0;
    if (ahead > 0) {
      if (ahead >= WIDTH) this.#seen.fill(0);
      else for (let step = 1; step <= ahead; step++) this.#clear((newest + step) >>> 0);
      this.#newest = number;
      this.#mark(number);
      return "fresh";
    }
    if (ahead <= -WIDTH) return "too-old";
    if (this.#has(number)) return "replayed";
    this.#mark(number);
    return "fresh";
  }

  #has(number: number): boolean {
    return (((this.#seen[(number % WIDTH) >>> 5] ?? 0) >>> (number & 31)) & 1) === 1;
  }
  #mark(number: number): void {
    const word = (number % WIDTH) >>> 5;
    this.#seen[word] = (this.#seen[word] ?? 0) | (1 << (number & 31));
  }
  #clear(number: number): void {
    const word = (number % WIDTH) >>> 5;
    this.#seen[word] = (this.#seen[word] ?? 0) & ~(1 << (number & 31));
  }
}

const WIDTH = 256;
