/**
 * Writing without ever waiting, to a descriptor whose flags are not ours to change (a standard output is shared with
 * whoever started us, so O_NONBLOCK on it would change their writes as well).  poll(2) says that a page fits, and a page is
 * what is written: pipes take up to PIPE_BUF whole once they are writable, stream sockets have far more room then.
 */
import { EAGAIN, EINTR } from "./errno.ts";
import * as libc from "./libc.ts";
import type { Fd } from "./loop.ts";

/** Octets of `octets` that were taken, 0 when it would have to wait; a negative errno when nobody reads any more. */
export function offer(fd: Fd, octets: Uint8Array): number {
  let taken = 0;
  while (taken < octets.length && writable(fd)) {
    const page = octets.subarray(taken, taken + PAGE);
    const wrote = write(fd, page, page.length);
    if (wrote < 0) {
      const errno = libc.errno();
      if (errno === EINTR) continue;
      return errno === EAGAIN ? taken : taken > 0 ? taken : -errno;
    }
    taken += wrote;
  }
  return taken;
}

function writable(fd: Fd): boolean {
  // struct pollfd {i32 fd, i16 events, i16 revents}; errors count as writable: the write tells which.
  pollfd[0] = fd;
  pollfd[1] = POLLOUT;
  return poll(octetsOfPollfd, 1, 0) > 0;
}

const PAGE = 4096;
const POLLOUT = 4;
const pollfd = new Int32Array(2);
const octetsOfPollfd = new Uint8Array(pollfd.buffer);
const poll = libc.declare<(fds: Uint8Array, count: number, timeout: number) => number>("int poll(void *, ulong, int)");
const write = libc.declare<(fd: Fd, octets: Uint8Array, length: number) => number>("long write(int, void *, size_t)");
