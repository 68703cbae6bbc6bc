/**
 * One io_uring: its queues as typed arrays over mapped memory, and the only two calls that a running loop makes into it.
 *
 * Ordering: with SINGLE_ISSUER and DEFER_TASKRUN the kernel reads submissions and writes completions only inside our own
 * `enter`, on our thread.  So plain loads and stores are in order on every machine, and nothing changes under a running
 * turn; without these flags the heads and tails would need Atomics.
 *
 * What an entry points to (socket addresses, vectors) lies in its own scratch and is needed only until `enter` returns
 * (FEAT_SUBMIT_STABLE).
 */
import { Fault } from "../../../base/fault.ts";
import { bootNow } from "../clock.ts";
import { EAGAIN, EBUSY, EINTR, ETIME, errnoName } from "../errno.ts";
import * as libc from "../libc.ts";
import { type Mapping, mapAnonymous, mapShared, unmap } from "../mapping.ts";
import * as abi from "./abi.ts";
import { SPAN } from "./gathering.ts";

export class Ring {
  readonly fd: number;
  /** The completion queue lies in `words`: entry e at completions + (e & completionMask) × 4. */
  words: Int32Array<ArrayBuffer>;
  readonly completions: number;
  readonly completionMask: number;
  readonly completionHead: number;
  readonly completionTail: number;
  /** Scratch of the entry that `prepare` filled last: as bytes, as words, and its address. */
  scratch: Buffer;
  scratchWords: Int32Array<ArrayBuffer>;
  private entries: Int32Array<ArrayBuffer>;
  private readonly size: number;
  private readonly mask: number;
  private readonly submitHead: number;
  private readonly submitTail: number;
  private readonly submitFlags: number;
  private readonly mappings: readonly Mapping[];
  private readonly scratchAddress: number;
  private readonly argument: number;
  private readonly argumentWord: number;
  /** Deadlines are given as such (6.12), and go on in suspend; before that as spans of CLOCK_MONOTONIC. */
  private readonly absolute: boolean;
  /** The kernel knows how to wait for several completions for a bounded time (6.12). */
  readonly gathers: boolean;
  private tail: number;
  /** Failures in a row for no reason that a turn could mend. */
  private strange = 0;

  constructor(entries: number) {
    const params = Buffer.alloc(120);
    params.writeUInt32LE(entries * 4, 4);
    params.writeUInt32LE(FLAGS, 8);
    const fd = setup(abi.SYS_IO_URING_SETUP, entries, params);
    if (fd < 0) throw unavailable("io_uring_setup", libc.errno());
    const word = (offset: number): number => params.readUInt32LE(offset);
    if ((word(20) & FEATURES) !== FEATURES) {
      libc.close(fd);
      throw new Fault("RING_SETUP", { why: "features", have: word(20), need: FEATURES });
    }
    this.fd = fd;
    this.gathers = (word(20) & abi.FEAT_MIN_TIMEOUT) !== 0;
    this.size = word(0);
    const ring = mapShared(fd, abi.OFF_SQ_RING, Math.max(word(64) + this.size * 4, word(100) + word(4) * 16));
    const submissions = mapShared(fd, abi.OFF_SQES, this.size * 64);
    // One scratch more than entries: the last holds the argument of `enter`.
    const scratch = mapAnonymous((this.size + 1) * SCRATCH);
    this.mappings = [ring, submissions, scratch];
    this.words = new Int32Array(ring.buffer);
    this.entries = new Int32Array(submissions.buffer);
    this.scratch = Buffer.from(scratch.buffer);
    this.scratchWords = new Int32Array(scratch.buffer);
    this.scratchAddress = scratch.address;
    this.submitHead = word(40) >> 2;
    this.submitTail = word(44) >> 2;
    this.mask = this.words[word(48) >> 2] ?? 0;
    this.submitFlags = word(56) >> 2;
    this.completionHead = word(80) >> 2;
    this.completionTail = word(84) >> 2;
    this.completionMask = this.words[word(88) >> 2] ?? 0;
    this.completions = word(100) >> 2;
    for (let index = 0; index < this.size; index++) this.words[(word(64) >> 2) + index] = index;
    this.tail = this.words[this.submitTail] ?? 0;
    // struct io_uring_getevents_arg {sigmask, sigmask_sz, min_wait_usec, ts} and behind it the timespec it points to.
    this.argument = scratch.address + this.size * SCRATCH;
    this.argumentWord = (this.size * SCRATCH) >> 2;
    this.scratchWords[this.argumentWord + 4] = low(this.argument + 32);
    this.scratchWords[this.argumentWord + 5] = high(this.argument + 32);
    this.absolute = this.register(abi.REGISTER_CLOCK, BOOTTIME, 0) >= 0;
  }

  /**
   * Fills the next submission entry and returns the offset of its scratch.  `first` is opcode | flags << 8 | ioprio << 16;
   * `slot` and `tag` come back in the completion.
   */
  prepare(
    first: number,
    fd: number,
    address: number,
    length: number,
    flags: number,
    slot: number,
    tag: number,
    group: number,
  ): number {
    if (this.full()) this.drainSubmissions();
    const { entries } = this;
    const index = this.tail & this.mask;
    const at = index << 4;
    entries[at] = first;
    entries[at + 1] = fd;
    entries[at + 2] = 0;
    entries[at + 3] = 0;
    entries[at + 4] = low(address);
    entries[at + 5] = high(address);
    entries[at + 6] = length;
    entries[at + 7] = flags;
    entries[at + 8] = slot;
    entries[at + 9] = tag;
    entries[at + 10] = group;
    entries[at + 11] = 0;
    entries[at + 12] = 0;
    entries[at + 13] = 0;
    this.tail = (this.tail + 1) | 0;
    return index * SCRATCH;
  }

  private full(): boolean {
    return ((this.tail - (this.words[this.submitHead] ?? 0)) | 0) >= this.size;
  }
  /** Hands over early what is prepared.  An entry that the kernel has not read yet must never be overwritten. */
  private drainSubmissions(): void {
    for (let attempts = 0; attempts < 100; attempts++) {
      this.enter(0, 0);
      if (!this.full()) return;
    }
    throw new Fault("KERNEL_CALL", { call: "io_uring_enter", why: "the kernel takes no submissions" });
  }

  /** Points the entry whose scratch is at `scratch` to `scratch + offset`, with `off` for operations that carry a length there. */
  pointToScratch(scratch: number, offset: number, off: number): void {
    const at = (scratch / SCRATCH) << 4;
    const address = this.scratchAddress + scratch + offset;
    this.entries[at + 2] = off;
    this.entries[at + 4] = low(address);
    this.entries[at + 5] = high(address);
  }
  /** Makes the entry filled last cancel the operation of (slot, tag): the address of a cancellation is a completion's key. */
  aim(slot: number, tag: number): void {
    const at = ((this.tail - 1) & this.mask) << 4;
    this.entries[at + 4] = slot;
    this.entries[at + 5] = tag;
  }
  addressOfScratch(scratch: number): number {
    return this.scratchAddress + scratch;
  }

  /** Completions so far, taken or not; it wraps as i32. */
  get completed(): number {
    return this.words[this.completionTail] ?? 0;
  }

  /**
   * Submits all entries and, with `least` above 0, waits for as many completions, not beyond `deadline` (milliseconds of
   * CLOCK_BOOTTIME, or Infinity).  For more than one completion it waits at most SPAN (`gathers` only), then for the first.
   */
  enter(least: number, deadline: number): void {
    const { words } = this;
    words[this.submitTail] = this.tail;
    const count = (this.tail - (words[this.submitHead] ?? 0)) | 0;
    let result: number;
    if (least === 0 || deadline === Number.POSITIVE_INFINITY) {
      // Without a deadline for one completion only: several would be waited for without bounds.
      result = enterCall(abi.SYS_IO_URING_ENTER, this.fd, count, Math.min(least, 1), abi.ENTER_GETEVENTS, 0, 0);
    } else {
      // Nanoseconds are rounded up: a deadline is never early.
      const span = this.absolute ? deadline : Math.max(0, deadline - bootNow());
      const seconds = Math.floor(span / 1000);
      const rest = Math.ceil((span - seconds * 1000) * 1e6);
      this.scratchWords[this.argumentWord + 8] = rest < 1e9 ? seconds : seconds + 1;
      this.scratchWords[this.argumentWord + 10] = rest < 1e9 ? rest : 0;
      this.scratchWords[this.argumentWord + 3] = least > 1 ? SPAN : 0;
      const flags = abi.ENTER_GETEVENTS | abi.ENTER_EXT_ARG | (this.absolute ? abi.ENTER_ABS_TIMER : 0);
      result = enterCall(abi.SYS_IO_URING_ENTER, this.fd, count, least, flags, this.argument, ARGUMENT);
    }
    if (result >= 0) {
      this.strange = 0;
      return;
    }
    const errno = libc.errno();
    // ETIME: the deadline; EINTR: a signal; EAGAIN and EBUSY: the kernel wants completions reaped first.  A turn follows.
    if (errno === ETIME || errno === EINTR || errno === EAGAIN || errno === EBUSY) {
      this.strange = 0;
      return;
    }
    // The runtime may have called something else between the call and our look at errno (seen: ENOENT once in hours of
    // deadlines).  A failed call has submitted nothing, so it is simply made again; one that really fails keeps failing.
    if (++this.strange === STRANGE) throw new Fault("KERNEL_CALL", { call: "io_uring_enter", errno: errnoName(errno) });
  }

  /** Everything prepared has been issued, and every completion of it is in the queue. */
  settled(): boolean {
    const { words } = this;
    return (words[this.submitHead] ?? 0) === this.tail && ((words[this.submitFlags] ?? 0) & abi.SQ_CQ_OVERFLOW) === 0;
  }

  register(opcode: number, argument: Uint8Array, count: number): number {
    const result = registerCall(abi.SYS_IO_URING_REGISTER, this.fd, opcode, argument, count);
    return result < 0 ? -libc.errno() : result;
  }

  /** Nothing may be in flight. */
  dispose(): void {
    libc.close(this.fd);
    // The views are replaced first: a stray access afterwards is an undefined, not a fault of the process.
    this.words = new Int32Array(0);
    this.entries = new Int32Array(0);
    this.scratchWords = new Int32Array(0);
    this.scratch = Buffer.alloc(0);
    for (const mapping of this.mappings) unmap(mapping);
  }
}

/** Halves of an address: both come out as the signed words that an Int32Array stores. */
function low(address: number): number {
  return address | 0;
}
function high(address: number): number {
  return (address / 2 ** 32) | 0;
}

function unavailable(call: string, errno: number): Fault {
  return new Fault("RING_SETUP", { call, errno: errnoName(errno) });
}

const setup = libc.declare<(number: number, entries: number, params: Uint8Array) => number>(
  "int syscall(long, uint32, void *)",
);
const enterCall = libc.declare<
  (number: number, fd: number, submit: number, least: number, flags: number, argument: number, length: number) => number
>("int syscall(long, int, uint32, uint32, uint32, size_t, size_t)");
const registerCall = libc.declare<
  (number: number, fd: number, opcode: number, argument: Uint8Array, count: number) => number
>("int syscall(long, int, uint32, void *, uint32)");

/** struct io_uring_clock_register {CLOCK_BOOTTIME, …} */
const BOOTTIME = Uint8Array.of(7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
/** Octets per entry: struct msghdr (56), then a vector of up to 8 pieces, or a socket address. */
const SCRATCH = 256;
const STRANGE = 16;
const ARGUMENT = 24;
const FLAGS =
  abi.SETUP_CQSIZE | abi.SETUP_SUBMIT_ALL | abi.SETUP_COOP_TASKRUN | abi.SETUP_SINGLE_ISSUER | abi.SETUP_DEFER_TASKRUN;
const FEATURES = abi.FEAT_NODROP | abi.FEAT_SUBMIT_STABLE | abi.FEAT_EXT_ARG | abi.FEAT_CQE_SKIP;
