/**
 * Fair shares of the one thread: whoever has more to do than a small step waits until all others have had theirs, and
 * after some milliseconds the loop turns, so that no peer's flood delays another's KEEPALIVE.
 */
import { after, type Ms, ms, since } from "../../../base/unit.ts";
import type { Loop } from "../../kernel/loop.ts";

export interface Task {
  /** Does a step of a millisecond or so; true: there is more. */
  step(): boolean;
}

export class Shares implements Disposable {
  readonly #loop: Loop;
  /** Called when the steps of a turn are done. */
  readonly #rested: () => void;
  /** In the order in which their turn comes. */
  readonly #waiting = new Set<Task>();
  #timer: Disposable | undefined;

  constructor(loop: Loop, rested: () => void) {
    this.#loop = loop;
    this.#rested = rested;
  }

  add(task: Task): void {
    this.#waiting.add(task);
    // In this turn if its deadlines are still to come, else in the next.
    this.#timer ??= this.#loop.wakeAt(this.#loop.turnAt(), () => this.#run());
  }
  remove(task: Task): void {
    this.#waiting.delete(task);
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#waiting.clear();
  }

  #run(): void {
    this.#timer = undefined;
    const begun = this.#loop.now();
    for (const task of this.#waiting) {
      this.#waiting.delete(task);
      // A set is walked in the order of insertion: at its end, behind everybody who waits.
      if (task.step()) this.#waiting.add(task);
      if (since(begun, this.#loop.now()) >= BUDGET) break;
    }
    this.#rested();
    if (this.#waiting.size > 0) this.#timer ??= this.#loop.wakeAt(after(this.#loop.now(), ms(0)), () => this.#run());
  }
}

/** Of a turn; deadlines (KEEPALIVE) are looked at between. */
const BUDGET: Ms = ms(8);
