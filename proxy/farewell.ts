/**
 * The end of a connection whose client has not acknowledged everything yet: the descriptor is held until it has, so that
 * the connection still counts, and can still be reset.  A descriptor that is closed leaves its rest to the kernel, which
 * goes on sending from an address that may be withdrawn meanwhile: then the client would wait for ever.
 */
import type { Stream } from "../netstack/kernel/loop.ts";
import { Timed, type Wheel } from "./wheel.ts";

export class Farewell extends Timed {
  readonly #wheel: Wheel;
  readonly #stream: Stream;
  #left: number;
  #patience = LOOKS;

  /** `said`: one of both sides has sent its FIN already, or is about to. */
  constructor(wheel: Wheel, stream: Stream, said: boolean) {
    super();
    this.#wheel = wheel;
    this.#stream = stream;
    this.#left = stream.unacknowledged;
    // After the client's FIN ours would end the stream at once; it comes with the close then.
    if (!said) stream.end();
    wheel.arm(this, LOOK_TICKS);
  }

  expired(): void {
    const stream = this.#stream;
    const left = stream.unacknowledged;
    if (left === 0) return stream.close();
    this.#patience = left < this.#left ? LOOKS : this.#patience - 1;
    this.#left = left;
    if (this.#patience === 0) stream.abort();
    else this.#wheel.arm(this, LOOK_TICKS);
  }
}

/** Whether there is too much to close the descriptor now and leave the rest to the kernel. */
export function needsFarewell(stream: Stream, draining: boolean): boolean {
  return stream.queued > 0 || stream.unacknowledged > (draining ? 0 : MOST_LEFT);
}

/** Octets that reach a client within moments while this process goes on. */
const MOST_LEFT = 65_536;
const LOOK_TICKS = 1;
/** So often in a row without progress: 30 s. */
const LOOKS = 300;
