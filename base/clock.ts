/** The only door for time.  Production clocks live with the event loops; tests bring a virtual one. */
import type { Instant } from "./unit.ts";

export interface Clock {
  /** Monotonic; goes on while the process is stopped or the host suspended (CLOCK_BOOTTIME). */
  now(): Instant;
  /** Calls `wake` once, not before `at`; disposing cancels. */
  wakeAt(at: Instant, wake: () => void): Disposable;
}
