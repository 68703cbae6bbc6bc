/** What an epoll loop drives besides streams: listeners and watched descriptors, level-triggered. */
import { Fault } from "../../../base/fault.ts";
import { after } from "../../../base/unit.ts";
import { ACCEPT_PAUSE, acceptOne, acceptRest, EXHAUSTED, PASSING, REFUSED, setNonBlocking } from "../accepting.ts";
import { EAGAIN, errnoName } from "../errno.ts";
import * as libc from "../libc.ts";
import type { Acceptor, Fd } from "../loop.ts";
import type { EpollLoop } from "./epoll-loop.ts";
import { EPOLLIN } from "./poller.ts";

export abstract class Part implements Disposable {
  protected readonly loop: EpollLoop;
  protected readonly source: Fd;
  protected readonly slot: number;
  protected disposed = false;

  constructor(loop: EpollLoop, source: Fd, slot: number) {
    this.loop = loop;
    this.source = source;
    this.slot = slot;
  }

  arm(): void {
    const errno = this.loop.poller.add(this.source, EPOLLIN, this.slot, PART);
    if (errno === 0) return;
    this.loop.forgetPart(this.slot);
    throw new Fault("KERNEL_CALL", { call: "epoll_ctl", errno: errnoName(errno), fd: this.source });
  }
  [Symbol.dispose](): void {
    if (this.disposed) return;
    this.disposed = true;
    this.loop.poller.remove(this.source);
    this.last();
  }
  /** Gives up what it holds; once. */
  finish(): void {
    this.leave();
    this.loop.forgetPart(this.slot);
  }

  /** What dispose does beyond silence; the part may take its time. */
  protected last(): void {
    this.finish();
  }

  abstract happened(events: number): void;
  protected abstract leave(): void;
}

export class EpollListener extends Part {
  private readonly on: Acceptor;
  private pause: Disposable | undefined = undefined;

  constructor(loop: EpollLoop, listener: Fd, on: Acceptor, slot: number) {
    super(loop, listener, slot);
    this.on = on;
    setNonBlocking(listener);
  }

  override happened(): void {
    for (let share = SHARE; share > 0 && !this.disposed; share--) {
      const fd = acceptOne(this.source);
      if (fd >= 0) {
        this.accepted(fd);
        continue;
      }
      const errno = libc.errno();
      if (errno === EAGAIN) return;
      if (PASSING.has(errno)) continue;
      this.on.refused?.(errno);
      if (EXHAUSTED.has(errno)) this.rest();
      else this.loop.poller.remove(this.source);
      return;
    }
  }
  /** Connections that the kernel has completed are not thrown away: the last of them come after dispose. */
  protected override last(): void {
    const exhausted = this.pause !== undefined;
    this.pause?.[Symbol.dispose]();
    this.pause = this.loop.wakeAt(this.loop.turnAt(), () => {
      if (!exhausted) acceptRest(this.source, (fd) => this.accepted(fd));
      this.finish();
    });
  }
  protected override leave(): void {
    this.pause?.[Symbol.dispose]();
    libc.close(this.source);
  }

  private accepted(fd: Fd): void {
    const stream = this.loop.stream(fd, REFUSED, 0);
    const handler = this.on.accepted(stream);
    if (handler === undefined) stream.close();
    else {
      stream.handler = handler;
      stream.start();
    }
  }
  private rest(): void {
    if (this.disposed) return;
    this.loop.poller.change(this.source, 0, this.slot, PART);
    this.pause = this.loop.wakeAt(after(this.loop.turnAt(), ACCEPT_PAUSE), () => {
      this.pause = undefined;
      this.loop.poller.change(this.source, EPOLLIN, this.slot, PART);
    });
  }
}

export class EpollWatch extends Part {
  private readonly ready: () => void;

  constructor(loop: EpollLoop, fd: Fd, ready: () => void, slot: number) {
    super(loop, fd, slot);
    this.ready = ready;
  }
  override happened(): void {
    this.ready();
  }
  protected override leave(): void {
    // The descriptor stays its owner's.
  }
}

/** The tag of parts; streams' tags are multiples of 256. */
export const PART = 1;
const SHARE = 64;
