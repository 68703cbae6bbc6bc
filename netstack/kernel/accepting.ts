/** What both engines know about accepting: which failures pass, which need a rest, and who handles a refused connection. */
import { ms } from "../../base/unit.ts";
import * as errno from "./errno.ts";
import * as libc from "./libc.ts";
import type { Fd, StreamHandler } from "./loop.ts";

/** One waiting connection of a non-blocking listener, or -1 with errno. */
export function acceptOne(listener: Fd): number {
  return accept4(listener, 0, 0, SOCK_CLOEXEC);
}

/** What waits on a listener that is about to be closed, which would reset it. */
export function acceptRest(listener: Fd, each: (fd: Fd) => void): void {
  setNonBlocking(listener);
  for (let fd = acceptOne(listener); fd >= 0; fd = acceptOne(listener)) each(fd);
}

export function setNonBlocking(fd: Fd): void {
  const flags = libc.must(fcntl(fd, F_GETFL, 0), "fcntl");
  libc.must(fcntl(fd, F_SETFL, flags | O_NONBLOCK), "fcntl");
}

export function setBlocking(fd: Fd): void {
  const flags = libc.must(fcntl(fd, F_GETFL, 0), "fcntl");
  libc.must(fcntl(fd, F_SETFL, flags & ~O_NONBLOCK), "fcntl");
}

/** How long accepting rests when descriptors or memory ran out. */
export const ACCEPT_PAUSE = ms(100);
/** What ends by itself when somebody closes something. */
export const EXHAUSTED: ReadonlySet<number> = new Set([errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM]);
/** EINTR, EAGAIN, and what accept(2) reports about the one connection: the next may be fine. */
export const PASSING: ReadonlySet<number> = new Set([
  errno.EINTR,
  errno.EAGAIN,
  errno.ENONET,
  errno.EPROTO,
  errno.ENOPROTOOPT,
  errno.EOPNOTSUPP,
  errno.ENETDOWN,
  errno.ENETUNREACH,
  errno.ECONNABORTED,
  errno.EHOSTDOWN,
  errno.EHOSTUNREACH,
]);
/** Until the acceptor has named a handler, and for connections that it refuses. */
export const REFUSED: StreamHandler = {
  received(stream, chunk, start) {
    stream.forward(chunk, start, start);
  },
  ended() {},
  closed() {},
};

const SOCK_CLOEXEC = 0x80000;
const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0x800;
const accept4 = libc.declare<(fd: Fd, address: number, length: number, flags: number) => number>(
  "int accept4(int, size_t, size_t, int)",
);
const fcntl = libc.declare<(fd: Fd, command: number, value: number) => number>("int fcntl(int, int, int)");
