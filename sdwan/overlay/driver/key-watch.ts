/**
 * Ears for the moment in which a site begins to use its next key.  Until its addresses pass over to that key, all that it
 * sends is dropped, so this is when a device must be looked at without a pause; for days before, it need not.  What is
 * heard is a copy of WireGuard's first message of a handshake (type 1, 148 octets) to the device's port.
 */
import { Fault } from "../../../base/fault.ts";
import { after, type Instant, instant, ms, since } from "../../../base/unit.ts";
import {
  type BpfInstruction,
  DROP,
  JUMP_EQUAL,
  LOAD_HALF,
  LOAD_HALF_AT_X,
  LOAD_HEADER_LENGTH,
  LOAD_WORD,
  LOAD_WORD_AT_X,
  PASS,
} from "../../../netstack/kernel/bpf.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import { openRaw } from "../../../netstack/kernel/sockets.ts";

export class KeyWatch implements Disposable {
  readonly #loop: Loop;
  readonly #heard: () => void;
  #sockets: readonly Disposable[] = [];
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
    if (port !== undefined) this.#sockets = [this.#open(4, port), this.#open(6, port)].flatMap((each) => each ?? []);
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket[Symbol.dispose]();
    this.#sockets = [];
    this.#port = undefined;
  }

  /** A host without IPv6 has nothing to hear there. */
  #open(family: 4 | 6, port: number): Disposable | undefined {
    try {
      const fd = openRaw({ family, protocol: UDP, filter: family === 4 ? first4(port) : first6(port) });
      return this.#loop.datagrams(fd, { received: () => this.#received() });
    } catch (cause) {
      if (cause instanceof Fault) return undefined;
      throw cause;
    }
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

/** UDP's destination port and length, then the message type with its three zero octets. */
function first4(port: number): readonly BpfInstruction[] {
  return [
    [LOAD_HEADER_LENGTH, 0, 0, 0],
    [LOAD_HALF_AT_X, 0, 0, 2],
    [JUMP_EQUAL, 0, 5, port],
    [LOAD_HALF_AT_X, 0, 0, 4],
    [JUMP_EQUAL, 0, 3, LENGTH],
    [LOAD_WORD_AT_X, 0, 0, 8],
    [JUMP_EQUAL, 0, 1, INITIATION],
    PASS,
    DROP,
  ];
}
function first6(port: number): readonly BpfInstruction[] {
  return [
    [LOAD_HALF, 0, 0, 2],
    [JUMP_EQUAL, 0, 5, port],
    [LOAD_HALF, 0, 0, 4],
    [JUMP_EQUAL, 0, 3, LENGTH],
    [LOAD_WORD, 0, 0, 8],
    [JUMP_EQUAL, 0, 1, INITIATION],
    PASS,
    DROP,
  ];
}

const UDP = 17;
const LENGTH = 8 + 148;
const INITIATION = 0x0100_0000;
/** The handshake counts when the first packet comes by it: a round trip and the other side's own pauses. */
const ATTENTION = ms(500);
/** Together, and then one part of so many of the time. */
const MOST_ATTENTION = 5_000;
const RARELY = 20;
