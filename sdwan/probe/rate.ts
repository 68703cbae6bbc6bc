/** What a device carries now: octets of its counters over the newest second. */
import { type Instant, since } from "../../base/unit.ts";

export class Rate {
  #points: { readonly at: Instant; readonly out: number; readonly back: number }[] = [];

  add(at: Instant, out: number, back: number): void {
    const last = this.#points.at(-1);
    // Another device, or the same one made anew.
    if (last !== undefined && (out < last.out || back < last.back)) this.#points = [];
    this.#points.push({ at, out, back });
    while (this.#points.length > 2 && since(this.#points[1]?.at ?? at, at) >= SPAN) this.#points.shift();
  }

  /** Bits per second. */
  get now(): { readonly out: number; readonly back: number } {
    const [first, last] = [this.#points[0], this.#points.at(-1)];
    if (first === undefined || last === undefined || first.at === last.at) return NOTHING;
    const per = 8000 / since(first.at, last.at);
    return { out: (last.out - first.out) * per, back: (last.back - first.back) * per };
  }

  restart(): void {
    this.#points = [];
  }
}

const NOTHING = { out: 0, back: 0 };
const SPAN = 1000;
