/** A socket that only sends: no loop has to know of it.  Whatever comes in stays in a receive buffer of the least size. */
import * as libc from "./libc.ts";
import type { Fd } from "./loop.ts";

export class Sender implements Disposable {
  readonly #fd: Fd;
  #open = true;

  /** Takes `fd`. */
  constructor(fd: Fd) {
    this.#fd = fd;
  }

  /** Sends at once; 0 or a positive errno.  `to` is a raw sockaddr. */
  send(bytes: Uint8Array, to: Uint8Array): number {
    if (!this.#open) throw new TypeError("a datagram after dispose");
    const sent = libc.sendto(this.#fd, bytes, bytes.length, NO_SIGNAL_NO_WAIT, to, to.length);
    return sent < 0 ? libc.errno() : 0;
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    libc.close(this.#fd);
  }
}

const NO_SIGNAL_NO_WAIT = 0x4040;
