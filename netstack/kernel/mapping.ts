/**
 * Memory that JavaScript and the kernel share: anonymous or of a file descriptor, mapped once, viewed as an ArrayBuffer.
 * V8 never moves it, so its address may be written into what the kernel reads later.
 */
import koffi from "koffi";
import { Fault } from "../../base/fault.ts";
import { declare, errno } from "./libc.ts";

export interface Mapping {
  readonly address: number;
  readonly buffer: ArrayBuffer;
}

/** Pages come as they are touched and count as used only then. */
export function mapAnonymous(length: number): Mapping {
  return map(length, PROT_READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/** What `fd` (an io_uring) shares at `offset`. */
export function mapShared(fd: number, offset: number, length: number): Mapping {
  return map(length, PROT_READ_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);
}

/** Nothing may look at the mapping's buffer afterwards: the pages are gone. */
export function unmap(mapping: Mapping): void {
  munmap(mapping.address, mapping.buffer.byteLength);
}

/** Gives the pages of [offset, offset + length) back; they read as zeros afterwards. */
export function discard(mapping: Mapping, offset: number, length: number): void {
  madvise(mapping.address + offset, length, MADV_DONTNEED);
}

function map(length: number, protection: number, flags: number, fd: number, offset: number): Mapping {
  const pointer = mmap(0, length, protection, flags, fd, offset);
  const address = Number(koffi.address(pointer));
  if (address === MAP_FAILED) throw new Fault("KERNEL_CALL", { call: "mmap", errno: errno(), length });
  return { address, buffer: koffi.view(pointer, length) };
}

const mmap = declare<
  (at: number, length: number, protection: number, flags: number, fd: number, offset: number) => object
>("void *mmap(size_t, size_t, int, int, int, long)");
const munmap = declare<(at: number, length: number) => number>("int munmap(size_t, size_t)");
const madvise = declare<(at: number, length: number, advice: number) => number>("int madvise(size_t, size_t, int)");
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const MAP_POPULATE = 0x8000;
const MADV_DONTNEED = 4;
const MAP_FAILED = Number(0xffffffffffffffffn);
