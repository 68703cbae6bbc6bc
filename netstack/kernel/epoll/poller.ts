/**
 * One epoll instance: interest in descriptors by (slot, tag), waiting with nanoseconds, events as words of mapped memory.
 * struct epoll_event is packed on x86-64 (12 octets, data at 4) and not elsewhere (16, data at 8).
 */
import { Fault } from "../../../base/fault.ts";
import { bootNow } from "../clock.ts";
import { EINTR, errnoName } from "../errno.ts";
import * as libc from "../libc.ts";
import { type Mapping, mapAnonymous, unmap } from "../mapping.ts";

export class Poller {
  count = 0;
  private readonly fd: number;
  private readonly mapping: Mapping;
  private words: Int32Array<ArrayBuffer>;
  /** Failures in a row that are not an interruption. */
  private strange = 0;

  constructor() {
    this.fd = libc.must(epollCreate(EPOLL_CLOEXEC), "epoll_create1");
    this.mapping = mapAnonymous(SCRATCH + EVENTS * STRIDE * 4);
    this.words = new Int32Array(this.mapping.buffer);
  }

  /** 0 or a positive errno. */
  add(fd: number, events: number, slot: number, tag: number): number {
    return this.control(EPOLL_CTL_ADD, fd, events, slot, tag);
  }
  change(fd: number, events: number, slot: number, tag: number): number {
    return this.control(EPOLL_CTL_MOD, fd, events, slot, tag);
  }
  /** Before closing: a descriptor that another process shares would go on reporting. */
  remove(fd: number): void {
    this.control(EPOLL_CTL_DEL, fd, 0, 0, 0);
  }

  /** Fills the events, waiting not beyond `deadline` (milliseconds of CLOCK_BOOTTIME, or Infinity; 0 does not wait). */
  wait(deadline: number): void {
    const { words, mapping } = this;
    let at = 0;
    if (deadline !== Number.POSITIVE_INFINITY) {
      // CLOCK_MONOTONIC stands still in suspend, so no wait is longer than a second: deadlines are seen soon after.
      const span = deadline === 0 ? 0 : Math.max(0, Math.ceil((deadline - bootNow()) * 1e6));
      words[0] = span >= 1e9 ? 1 : 0;
      words[2] = span >= 1e9 ? 0 : span;
      at = mapping.address;
    }
    const count = epollPwait2(SYS_EPOLL_PWAIT2, this.fd, mapping.address + SCRATCH, EVENTS, at, 0, 8);
    this.count = count < 0 ? 0 : count;
    if (count >= 0) {
      this.strange = 0;
      return;
    }
    const errno = libc.errno();
    // As in ring.ts: errno may be another call's; a wait that really fails keeps failing.
    if (errno !== EINTR && ++this.strange === STRANGE)
      throw new Fault("KERNEL_CALL", { call: "epoll_pwait2", errno: errnoName(errno) });
  }

  events(index: number): number {
    return this.words[(SCRATCH >> 2) + index * STRIDE] ?? 0;
  }
  slot(index: number): number {
    return this.words[(SCRATCH >> 2) + index * STRIDE + DATA] ?? 0;
  }
  tag(index: number): number {
    return this.words[(SCRATCH >> 2) + index * STRIDE + DATA + 1] ?? 0;
  }

  dispose(): void {
    libc.close(this.fd);
    this.words = new Int32Array(0);
    unmap(this.mapping);
  }

  private control(operation: number, fd: number, events: number, slot: number, tag: number): number {
    const { words } = this;
    words[CHANGE] = events;
    words[CHANGE + DATA] = slot;
    words[CHANGE + DATA + 1] = tag;
    const result = epollCtl(this.fd, operation, fd, this.mapping.address + CHANGE * 4);
    return result < 0 ? libc.errno() : 0;
  }
}

export const EPOLLIN = 1;
export const EPOLLOUT = 4;
export const EPOLLERR = 8;
export const EPOLLHUP = 16;
export const EPOLLRDHUP = 0x2000;
export const EPOLLET = 1 << 31;

const PACKED = process.arch === "x64";
/** Words per event, and of its data in it. */
const STRIDE = PACKED ? 3 : 4;
const DATA = PACKED ? 1 : 2;
const EVENTS = 512;
const STRANGE = 16;
/** A timespec, and the event of epoll_ctl as words from CHANGE on. */
const SCRATCH = 64;
const CHANGE = 8;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EPOLL_CLOEXEC = 0x80000;
const SYS_EPOLL_PWAIT2 = 441;

const epollCreate = libc.declare<(flags: number) => number>("int epoll_create1(int)");
const epollCtl = libc.declare<(epoll: number, operation: number, fd: number, event: number) => number>(
  "int epoll_ctl(int, int, int, size_t)",
);
const epollPwait2 = libc.declare<
  (number: number, fd: number, events: number, most: number, timeout: number, mask: number, size: number) => number
>("int syscall(long, int, size_t, int, size_t, size_t, size_t)");
