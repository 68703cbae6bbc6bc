/** The clock of the control process: Node's event loop.  Pulse and the data planes have the clocks of their own loops. */
import type { Clock } from "../base/clock.ts";
import { type Instant, instant } from "../base/unit.ts";

export const NODE_CLOCK: Clock = {
  now: () => instant(performance.now()),
  wakeAt(at: Instant, wake: () => void): Disposable {
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      const left = at - performance.now();
      // Node rounds to whole milliseconds and may wake early: ask again instead of being early.
      if (left <= 0) timer = setTimeout(wake, 0);
      else timer = setTimeout(() => (performance.now() < at ? arm() : wake()), Math.min(Math.ceil(left), LONGEST));
    };
    arm();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

/** setTimeout turns anything longer into 1 ms. */
const LONGEST = 2 ** 31 - 1;
