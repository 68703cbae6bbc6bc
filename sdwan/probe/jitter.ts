/** Interarrival jitter.  Standards: RFC 3550 §6.4.1, §A.8. */

/** Of one direction: needs no common clock, only that both run equally fast. */
export class Jitter {
  #transit: number | undefined;
  #jitter: number | undefined;

  /** undefined before there were two packets. */
  get value(): number | undefined {
    return this.#jitter;
  }

  /** Received less sent, by whatever clocks: in the order of arrival. */
  add(transit: number): void {
    const last = this.#transit;
    this.#transit = transit;
    if (last === undefined) return;
    const difference = transit - last;
    this.#jitter =
      this.#jitter === undefined ? Math.abs(difference) : this.#jitter + (Math.abs(difference) - this.#jitter) / 16;
  }

  /** The next packet is compared with nothing: a clock was set, or another target answers. */
  restart(): void {
    this.#transit = undefined;
  }
}
