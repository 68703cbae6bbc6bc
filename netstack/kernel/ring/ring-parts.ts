/** What a ring loop drives besides streams: listeners and watched descriptors.  They live as long as an operation of theirs. */

import { after } from "../../../base/unit.ts";
import { ACCEPT_PAUSE, acceptRest, EXHAUSTED, PASSING, REFUSED } from "../accepting.ts";
import { ECANCELED, EINTR, errnoName } from "../errno.ts";
import * as libc from "../libc.ts";
import type { Acceptor, Fd } from "../loop.ts";
import * as abi from "./abi.ts";
import type { RingLoop } from "./ring-loop.ts";

export abstract class Part implements Disposable {
  protected readonly loop: RingLoop;
  protected readonly slot: number;
  protected armed = false;
  protected disposed = false;
  private speaking = false;

  constructor(loop: RingLoop, slot: number) {
    this.loop = loop;
    this.slot = slot;
  }

  arm(): void {
    this.armed = true;
    this.loop.inFlight++;
    this.submit();
  }
  completed(result: number, flags: number): void {
    if ((flags & abi.CQE_MORE) === 0) {
      this.armed = false;
      this.loop.inFlight--;
    }
    this.speaking = true;
    try {
      if (!this.disposed) this.happened(result, flags);
      else this.discarded(result, flags);
    } finally {
      this.speaking = false;
    }
    if (this.armed) return;
    if (this.disposed) this.leave();
    else if (this.again(result)) this.arm();
  }
  [Symbol.dispose](): void {
    if (this.disposed) return;
    this.disposed = true;
    if (this.armed) this.loop.cancel(this.slot, PART, PART_CANCEL);
    // From within a call of ours `completed` does it, once.
    else if (!this.speaking) this.leave();
  }

  /** The operation was between two steps, or too late; in this place there may be a successor, which nobody cancelled. */
  cancelFailed(): void {
    if (this.disposed && this.armed) this.loop.cancel(this.slot, PART, PART_CANCEL);
  }

  protected leave(): void {
    this.loop.forgetPart(this.slot);
  }
  /** Whether to submit again after `result` ended the operation. */
  protected again(result: number): boolean {
    return result !== -ECANCELED;
  }
  protected abstract submit(): void;
  protected abstract happened(result: number, flags: number): void;
  /** A result that came after `dispose`. */
  protected abstract discarded(result: number, flags: number): void;
}

export class RingListener extends Part {
  private readonly listener: Fd;
  private readonly on: Acceptor;
  private pause: Disposable | undefined = undefined;

  constructor(loop: RingLoop, listener: Fd, on: Acceptor, slot: number) {
    super(loop, slot);
    this.listener = listener;
    this.on = on;
  }

  protected override submit(): void {
    this.loop.ring.prepare(ACCEPTING, this.listener, 0, 0, SOCK_CLOEXEC, this.slot, PART, 0);
  }
  protected override happened(result: number): void {
    if (result >= 0) {
      const stream = this.loop.stream(result, REFUSED, 0);
      const handler = this.on.accepted(stream);
      if (handler === undefined) stream.close();
      else {
        stream.handler = handler;
        stream.touch();
      }
    } else if (EXHAUSTED.has(-result)) {
      this.on.refused?.(-result);
      if (this.disposed) return;
      this.pause = this.loop.wakeAt(after(this.loop.turnAt(), ACCEPT_PAUSE), () => {
        this.pause = undefined;
        this.arm();
      });
    } else if (PASSING.has(-result)) return;
    else this.on.refused?.(-result);
  }
  /** Connections that the kernel has completed are not thrown away: the last of them come after dispose. */
  protected override discarded(result: number): void {
    if (result < 0) return;
    if (this.loop.ending) libc.close(result);
    else this.happened(result);
  }
  protected override again(result: number): boolean {
    return result >= 0 || PASSING.has(-result);
  }
  protected override leave(): void {
    if (this.pause === undefined && !this.loop.ending) acceptRest(this.listener, (fd) => this.happened(fd));
    this.pause?.[Symbol.dispose]();
    libc.close(this.listener);
    super.leave();
  }
}

export class RingWatch extends Part {
  private readonly fd: Fd;
  private readonly ready: () => void;

  constructor(loop: RingLoop, fd: Fd, ready: () => void, slot: number) {
    super(loop, slot);
    this.fd = fd;
    this.ready = ready;
  }

  /** One shot, armed again after each call: that is what makes it level-triggered. */
  protected override submit(): void {
    this.loop.ring.prepare(abi.OP_POLL_ADD, this.fd, 0, 0, POLLIN, this.slot, PART, 0);
  }
  protected override happened(result: number): void {
    if (result > 0) this.ready();
    else if (result !== -EINTR && result !== -ECANCELED)
      throw new TypeError(`watching descriptor ${this.fd}: ${errnoName(-result)}`);
  }
  protected override discarded(): void {
    // Whether it was readable when it was let go matters to nobody.
  }
}

/** The operation in a part's tag. */
export const PART = 6;
export const PART_CANCEL = 7;

const SOCK_CLOEXEC = 0x80000;
const POLLIN = 1;
const ACCEPTING = abi.OP_ACCEPT | (abi.ACCEPT_MULTISHOT << 16);
