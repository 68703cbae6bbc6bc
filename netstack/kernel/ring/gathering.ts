/**
 * How many completions a busy loop waits for at once.  A turn costs a sleep, a wake-up and a system call whatever it
 * brings, and wakes whom it answers one by one; when completions come in quick succession it is cheaper to let a moment
 * pass and take several, as network cards moderate their interrupts.  The moment is bounded by SPAN (kept by the kernel)
 * and taken only while so much happens that it is sure to bring something: a loop with time to spare answers at once.
 * Nor are more waited for than a part of the streams that were active of late: peers that all wait for us send nothing.
 */
import type { Instant } from "../../../base/unit.ts";

export class Gathering {
  /** Streams carry the epoch in which they were last seen. */
  epoch = 0;
  private active = 0;
  private worth = 1;
  private since = 0;
  private counted = 0;

  /** A stream's first completion in this epoch. */
  saw(): void {
    this.active++;
  }

  /** Completions to wait for, within SPAN if several; 1 = the first.  `count`: all completions so far (i32, it may wrap). */
  least(now: Instant, count: number): number {
    const span = now - this.since;
    if (span >= EPOCH) {
      const pace = ((count - this.counted) | 0) / span;
      const worth = Math.trunc(Math.min((pace * SPAN) / 1000, this.active / STREAMS_PER_COMPLETION, MOST));
      this.worth = pace < BUSY || worth < WORTHWHILE ? 1 : worth;
      this.since = now;
      this.counted = count;
      this.active = 0;
      this.epoch = (this.epoch + 1) | 0;
    }
    return this.worth;
  }
}

/** Microseconds. */
export const SPAN = 300;
/** Milliseconds over which the pace is taken. */
const EPOCH = 5;
/** Completions per millisecond that take a third of a core, or more. */
const BUSY = 40;
const WORTHWHILE = 12;
const MOST = 32;
/** Two streams carry a request, and half of the requests should be with the peers: otherwise both sides wait in turn. */
const STREAMS_PER_COMPLETION = 4;
