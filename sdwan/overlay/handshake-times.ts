/**
 * When handshakes were, in the time of day that it is now.  WireGuard tells them by the clock of then: when that is set, a
 * handshake of a minute ago would be an hour old, or an hour ahead.  Pure.
 */
export class HandshakeTimes {
  #last: { readonly wall: number; readonly steady: number } | undefined;
  readonly #known = new Map<string, { readonly told: number; readonly at: number }>();

  /** At each look, before what is seen is asked for; `steady` is a clock that nobody sets. */
  look(wall: number, steady: number): void {
    const step = this.#last === undefined ? 0 : wall - this.#last.wall - (steady - this.#last.steady);
    this.#last = { wall, steady };
    if (Math.abs(step) < LEAST) return;
    for (const [key, { told, at }] of this.#known) this.#known.set(key, { told, at: at + step });
  }

  of(key: string, told: number | undefined): number | undefined {
    const known = this.#known.get(key);
    if (told === undefined || known?.told === told) return told === undefined ? undefined : known?.at;
    this.#known.set(key, { told, at: told });
    return told;
  }

  keep(keys: ReadonlySet<string>): void {
    for (const key of this.#known.keys()) if (!keys.has(key)) this.#known.delete(key);
  }
}

/** Less is how clocks are kept in step. */
const LEAST = 2_000;
