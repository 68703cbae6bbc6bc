/**
 * Ears for the moment in which a site begins to use its next key.  Until its addresses pass over to that key, all that it
 * sends is dropped, so this is when a device must be looked at without a pause; for days before, it need not.
 */
import { after, type Instant, instant, ms, since } from "../../../base/unit.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import { Initiations } from "./initiations.ts";

export class KeyWatch implements Disposable {
  readonly #loop: Loop;
  readonly #heard: () => void;
  #ear: Initiations | undefined;
  #port: number | undefined;
  #until: Instant = instant(0);
  /** Attention that is left, as of a time: strangers can call for it, too. */
  #left: number = MOST_ATTENTION;
  #leftAt: Instant | undefined;

  /** `heard`: look now, and go on looking while `isAttentive`. */
  constructor(loop: Loop, heard: () => void) {
    this.#loop = loop;
    this.#heard = heard;
  }

  get isAttentive(): boolean {
    return this.#port !== undefined && this.#loop.now() < this.#until;
  }

  /** undefined: nothing to listen for. */
  listen(port: number | undefined): void {
    if (port === this.#port) return;
    this[Symbol.dispose]();
    this.#port = port;
    if (port !== undefined) this.#ear = new Initiations(this.#loop, port, () => this.#received());
  }

  [Symbol.dispose](): void {
    this.#ear?.[Symbol.dispose]();
    this.#ear = undefined;
    this.#port = undefined;
  }

  #received(): void {
    const now = this.#loop.now();
    // Looked at without a pause already.
    if (now < this.#until) return;
    this.#left = Math.min(MOST_ATTENTION, this.#left + since(this.#leftAt ?? now, now) / RARELY);
    this.#leftAt = now;
    if (this.#left < ATTENTION) return;
    this.#left -= ATTENTION;
    this.#until = after(now, ATTENTION);
    this.#heard();
  }
}

/** The handshake counts when the first packet comes by it: a round trip and the other side's own pauses. */
const ATTENTION = ms(500);
/** Together, and then one part of so many of the time. */
const MOST_ATTENTION = 5_000;
const RARELY = 20;
