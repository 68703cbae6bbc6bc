/**
 * Control that stands still (stopped, or at work for seconds) while the channel lives.  Its word on who may be announced
 * goes on holding: a withdrawal because of silence alone would take the address from all hosts at once when all of them
 * are busy with the same thing.  But its word on the data planes is old, and who listens on this host everybody can see:
 * a virtual IP at which nobody does is withdrawn until somebody does, or control says something new.
 *
 * Looks are counted, not time, and only those that come when they are due: while this process itself stood still, pings
 * wait to be read, and when the machine has no time for us it has none for control.
 */
import type { Clock } from "../../base/clock.ts";
import { type Instant, instant, ms, since } from "../../base/unit.ts";

export interface SilenceParts {
  readonly clock: Clock;
  /** Names of the virtual IPs that may be announced, and at which nobody accepts connections. */
  readonly unserved: () => ReadonlySet<string>;
  /** Others are withdrawn for that than were, or control is heard again. */
  readonly moved: (control: "silent" | "heard") => void;
}

export class Silence implements Disposable {
  readonly #parts: SilenceParts;
  #alarm: Disposable | undefined;
  /** Looks without a word before them; undefined before the first word. */
  #looks: number | undefined;
  #last: ReadonlySet<string> = NOBODY;
  #withdrawn: ReadonlySet<string> = NOBODY;

  constructor(parts: SilenceParts) {
    this.#parts = parts;
  }

  /** What is not announced although control says that it may be. */
  get withdrawn(): ReadonlySet<string> {
    return this.#withdrawn;
  }

  /** Control has said something.  What was withdrawn waits for its next plan, or for somebody who listens. */
  heard(): void {
    if (this.#looks === undefined) this.#lookAt(nextLook(this.#parts.clock.now()));
    this.#looks = 0;
  }
  /** A plan: what control knows now. */
  planned(): void {
    this.#last = NOBODY;
    this.#withdraw(NOBODY, "heard");
  }

  [Symbol.dispose](): void {
    this.#alarm?.[Symbol.dispose]();
  }

  #lookAt(due: Instant): void {
    const { clock } = this.#parts;
    this.#alarm = clock.wakeAt(due, () => {
      const now = clock.now();
      this.#look(since(due, now) < LATE);
      this.#lookAt(nextLook(now));
    });
  }

  #look(onTime: boolean): void {
    if (!onTime) {
      this.#looks = 0;
      return;
    }
    this.#looks = (this.#looks ?? 0) + 1;
    const silent = this.#looks >= SILENT;
    if (!silent && this.#withdrawn.size === 0) {
      this.#last = NOBODY;
      return;
    }
    // Twice in a row: a data plane that is replaced leaves no gap, but a look may fall into a stop.
    const unserved = this.#parts.unserved();
    const withdrawn = [...unserved].filter((name) => this.#withdrawn.has(name) || (silent && this.#last.has(name)));
    this.#last = unserved;
    this.#withdraw(new Set(withdrawn), silent ? "silent" : "heard");
  }

  #withdraw(names: ReadonlySet<string>, control: "silent" | "heard"): void {
    const before = this.#withdrawn;
    if (names.size === before.size && [...names].every((name) => before.has(name))) return;
    this.#withdrawn = names;
    this.#parts.moved(control);
  }
}

/** On the same moments as control's pings. */
function nextLook(now: Instant): Instant {
  return instant((Math.floor(now / LOOK_EVERY) + 1) * LOOK_EVERY);
}

const NOBODY: ReadonlySet<string> = new Set();
/** Control pings twice as often. */
const LOOK_EVERY = 1000;
const SILENT = 2;
const LATE = ms(300);
