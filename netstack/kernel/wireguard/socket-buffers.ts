/**
 * Room for what arrives while a wireguard-go process does not run.  Versions before 2023 leave their sockets at the
 * system's default of 208 KiB, which is 2 ms of a gigabit: a process that has to wait for a core loses packets (a TCP
 * transfer on two busy cores got 1.6 times as fast without that).  Later ones ask for 7 MiB themselves.  The process is not asked: its socket is borrowed (pidfd_getfd(2)) for one call.
 */
import { readdirSync, readlinkSync } from "node:fs";
import * as libc from "../libc.ts";

/**
 * Widens the UDP sockets of a process that `known` (names of sockets) has not yet, and adds them to it.  Returns how many.
 * Where it is not allowed (ptrace(2) says who may), the sockets stay as they are: it is a gain, not a need.
 */
export function widenSockets(pid: number, known: Set<string>): number {
  const fresh = socketsOf(pid).filter(([, name]) => !known.has(name));
  if (fresh.length === 0) return 0;
  const process = pidfdOpen(SYS_PIDFD_OPEN, pid, 0);
  if (process < 0) return 0;
  let widened = 0;
  try {
    for (const [fd, name] of fresh) {
      known.add(name);
      const borrowed = pidfdGetfd(SYS_PIDFD_GETFD, process, fd, 0);
      if (borrowed < 0) continue;
      if (isDatagram(borrowed) && widen(borrowed)) widened++;
      libc.close(borrowed);
    }
  } finally {
    libc.close(process);
  }
  return widened;
}

/** Descriptor and name ("socket:[4711]") of each; none of a process that is gone, or not ours to look at. */
function socketsOf(pid: number): readonly (readonly [number, string])[] {
  const directory = `/proc/${pid}/fd`;
  try {
    return readdirSync(directory).flatMap((fd) => {
      const name = readlinkSync(`${directory}/${fd}`);
      return name.startsWith("socket:") ? [[Number(fd), name] as const] : [];
    });
  } catch {
    return [];
  }
}

function isDatagram(fd: number): boolean {
  return option(fd, SO_TYPE) === SOCK_DGRAM && [AF_INET, AF_INET6].includes(option(fd, SO_DOMAIN));
}

/** Never narrower than it is; beyond the host's limit only with CAP_NET_ADMIN. */
function widen(fd: number): boolean {
  let done = false;
  for (const [which, force] of [
    [SO_RCVBUF, SO_RCVBUFFORCE],
    [SO_SNDBUF, SO_SNDBUFFORCE],
  ] as const) {
    // The kernel doubles what it is told, and tells the double.
    if (option(fd, which) >= 2 * ROOM) continue;
    const value = new Uint8Array(Int32Array.of(ROOM).buffer);
    if (libc.setsockopt(fd, SOL_SOCKET, force, value, 4) === 0) done = true;
    else if (libc.setsockopt(fd, SOL_SOCKET, which, value, 4) === 0) done = true;
  }
  return done;
}

function option(fd: number, which: number): number {
  const value = new Int32Array(1);
  const read = libc.getsockopt(fd, SOL_SOCKET, which, new Uint8Array(value.buffer), Uint32Array.of(4));
  return read < 0 ? -1 : (value[0] ?? -1);
}

const pidfdOpen = libc.declare<(number: number, pid: number, flags: number) => number>("long syscall(long, int, uint)");
const pidfdGetfd = libc.declare<(number: number, pidfd: number, fd: number, flags: number) => number>(
  "long syscall(long, int, int, uint)",
);
/** Equal on x86-64 and arm64. */
const SYS_PIDFD_OPEN = 434;
const SYS_PIDFD_GETFD = 438;
const AF_INET = 2;
const AF_INET6 = 10;
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SO_DOMAIN = 39;
const SOCK_DGRAM = 2;
/** What wireguard-go asks for since 2023. */
const ROOM = 7 * 1024 * 1024;
