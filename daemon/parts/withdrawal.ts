/** A child that was told to withdraw what it announces, and is waited for: until it says so, ends, or takes too long. */
import type { Clock } from "../../base/clock.ts";
import type { Instant } from "../../base/unit.ts";

export class Withdrawal {
  readonly #clock: Clock;
  #done: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when it is over, or at `until`, after `late`. */
  wait(until: Instant, late: () => void): Promise<void> {
    return new Promise((resolve) => {
      const alarm = this.#clock.wakeAt(until, () => {
        late();
        this.over();
      });
      this.#done = () => {
        alarm[Symbol.dispose]();
        resolve();
      };
    });
  }

  over(): void {
    const done = this.#done;
    this.#done = undefined;
    done?.();
  }
}
