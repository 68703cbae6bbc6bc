/** Whether a path carries packets, by its probes alone: dead after so many misses in a row, alive after so many answers. */
import type { PathLife } from "../figures.ts";

export class Life {
  #state: PathLife = NEW;
  /** Probes without an answer past their deadlines, the newest and those before it without a gap. */
  #missed: number[] = [];
  #good = 0;

  get state(): PathLife {
    return this.#state;
  }

  /** In the order of the deadlines. */
  miss(number: number, deadAfter: number): void {
    this.#good = 0;
    if (this.#missed.length < MOST) this.#missed.push(number);
    if (this.#missed.length < deadAfter || this.#state.kind === "dead") return;
    this.#state = { kind: "dead", why: `${this.#missed.length} probes in a row without an answer` };
  }

  /** An answer in time, or `late`: that one tells that those before it were not lost in a dead path. */
  answer(number: number, late: boolean): void {
    this.#missed = this.#missed.filter((each) => each > number);
    if (late) return;
    this.#good++;
    if (this.#good >= AGAIN) this.#state = ALIVE;
  }

  /** What was known is not known any more. */
  forget(why: string): void {
    this.#state = { kind: "unknown", why };
    this.#missed = [];
    this.#good = 0;
  }
}

const AGAIN = 3;
const MOST = 64;
const ALIVE: PathLife = { kind: "alive" };
const NEW: PathLife = { kind: "unknown", why: "not measured long enough" };
