/**
 * Coarse timers: one wheel per worker, one tick per 100 ms, so that a request costs no timer of the loop.  A deadline
 * that moves later costs one store: the entry stays in its old slot and is put back when that slot comes round.  A wheel
 * in which nothing hangs need not turn; it says when it must again.
 */
import type { Ms } from "../base/unit.ts";

export const TICK = 100; // ms
/** A span or a point in ticks. */
export type Ticks = number;

/** The base of everything that can time out.  The fields belong to the wheel. */
export abstract class Timed {
  /** The tick at which `expired` is called; 0 = never. */
  due = 0;
  /** The tick of the slot it hangs in; 0 = in none. */
  hangsAt = 0;
  before: Timed | undefined = undefined;
  behind: Timed | undefined = undefined;
  abstract expired(): void;
}

/** Ticks that last at least `span`. */
export function ticksOf(span: Ms): Ticks {
  return Math.ceil(span / TICK) + 1;
}

export class Wheel {
  /** Ticks since the start; never 0. */
  tick = 1;
  readonly #slots: (Timed | undefined)[] = Array.from({ length: SLOTS }, () => undefined);
  readonly #round: Timed[] = [];
  /** The first entry is about to be hung: brings `tick` up to date, and sees to it that the wheel turns. */
  readonly #roused: () => void;
  #hung = 0;

  constructor(roused: () => void = () => undefined) {
    this.#roused = roused;
  }

  get empty(): boolean {
    return this.#hung === 0;
  }

  /** Calls `expired` once, in `ticks` ticks; replaces an earlier deadline. */
  arm(timed: Timed, ticks: number): void {
    if (this.#hung === 0) this.#roused();
    const due = this.tick + ticks;
    timed.due = due;
    if (timed.hangsAt !== 0) {
      if (timed.hangsAt <= due) return;
      this.#unhang(timed);
    }
    this.#hang(timed, due);
  }

  /** No deadline any more; the entry may hang on until its slot comes round. */
  disarm(timed: Timed): void {
    timed.due = 0;
  }

  /** As `disarm`, and nothing of the entry stays behind: for what is about to be forgotten. */
  remove(timed: Timed): void {
    timed.due = 0;
    if (timed.hangsAt !== 0) this.#unhang(timed);
  }

  /** As many ticks at once, of an empty wheel. */
  skip(ticks: number): void {
    if (ticks > 0 && this.#hung > 0) throw new TypeError("ticks skipped while something hangs");
    this.tick += ticks;
  }

  /** One tick. */
  advance(): void {
    const tick = ++this.tick;
    const slot = tick & (SLOTS - 1);
    const round = this.#round;
    // Taken out first: an expiry may arm or remove any entry, those of this very slot as well.
    for (let each = this.#slots[slot]; each !== undefined; each = each.behind) round.push(each);
    this.#slots[slot] = undefined;
    for (const each of round) {
      each.hangsAt = 0;
      each.before = each.behind = undefined;
    }
    this.#hung -= round.length;
    for (const each of round) {
      if (each.due === 0 || each.hangsAt !== 0) continue;
      if (each.due > tick) this.#hang(each, each.due);
      else {
        each.due = 0;
        each.expired();
      }
    }
    round.length = 0;
  }

  #hang(timed: Timed, due: number): void {
    const at = Math.min(due, this.tick + SLOTS - 1);
    const slot = at & (SLOTS - 1);
    const first = this.#slots[slot];
    this.#hung++;
    timed.hangsAt = at;
    timed.before = undefined;
    timed.behind = first;
    if (first !== undefined) first.before = timed;
    this.#slots[slot] = timed;
  }

  #unhang(timed: Timed): void {
    const { before, behind } = timed;
    this.#hung--;
    if (before === undefined) this.#slots[timed.hangsAt & (SLOTS - 1)] = behind;
    else before.behind = behind;
    if (behind !== undefined) behind.before = before;
    timed.hangsAt = 0;
    timed.before = timed.behind = undefined;
  }
}

const SLOTS = 1024; // a power of two; 102 s, beyond which an entry is put back once per round
