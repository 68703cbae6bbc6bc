/** Making a device that is not there: once, then again with longer and longer pauses while it fails or does not stay. */
import type { Host } from "./host.ts";

export type Attempt =
  /** It is there. */
  | { readonly kind: "made" }
  /** Its process is starting; look again soon. */
  | { readonly kind: "coming" }
  | { readonly kind: "waiting"; readonly wait: number }
  | { readonly kind: "failed"; readonly why: string; readonly wait: number };

export class Making {
  readonly #host: Host;
  readonly #ifname: string;
  /** Milliseconds of a clock that nobody sets. */
  readonly #clock: () => number;
  #process: { readonly pid: number; readonly since: number } | undefined;
  /** How often making it failed, or it went away, without a quiet minute between. */
  #failures = 0;
  #retryAt = 0;
  #madeAt = 0;

  constructor(host: Host, ifname: string, clock: () => number) {
    this.#host = host;
    this.#ifname = ifname;
    this.#clock = clock;
  }

  /** We started its process, and have not seen it work yet. */
  get underWay(): boolean {
    return this.#process !== undefined;
  }

  attempt(preference: "auto" | "kernel" | "userspace"): Attempt {
    const now = this.#clock();
    if (this.#process !== undefined) {
      const over = this.#host.overBefore(this.#ifname, this.#process.pid);
      if (over === undefined && now - this.#process.since < START) return { kind: "coming" };
      return this.failed(over ?? "wireguard-go made no device");
    }
    if (now < this.#retryAt) return { kind: "waiting", wait: this.#retryAt - now };
    const made = this.#host.make(this.#ifname, preference);
    if (!made.ok) return this.failed(made.error);
    this.#madeAt = now;
    if (made.value.pid === undefined) return { kind: "made" };
    this.#process = { pid: made.value.pid, since: now };
    return { kind: "coming" };
  }

  failed(why: string): Attempt & { kind: "failed" } {
    this.#process = undefined;
    const wait = this.#pause();
    this.#retryAt = this.#clock() + wait;
    this.#failures++;
    return { kind: "failed", why, wait };
  }

  arrived(): void {
    this.#process = undefined;
  }

  /** It went away: the first time it is made again at once. */
  lost(): void {
    const now = this.#clock();
    if (now - this.#madeAt > QUIET) this.#failures = 0;
    if (this.#failures > 0) this.#retryAt = now + this.#pause();
    this.#failures++;
  }

  #pause(): number {
    return Math.min(MOST_PAUSE, PAUSE * 2 ** Math.min(this.#failures, 10));
  }
}

/** A process has this long to make its device. */
const START = 5_000;
const PAUSE = 100;
const MOST_PAUSE = 10_000;
const QUIET = 60_000;
