/**
 * Descriptors through a Unix SOCK_SEQPACKET (SCM_RIGHTS): each message is a key in UTF-8 with exactly one descriptor.
 * Anything else that arrives is closed and refused.
 */
import koffi from "koffi";
import { EAGAIN, EINTR } from "./errno.ts";
import * as libc from "./libc.ts";
import type { Fd } from "./loop.ts";

/** Sends a duplicate of `fd`, without waiting; 0 or a positive errno (EAGAIN: the receiver does not keep up). */
export function sendDescriptor(socket: Fd, key: string, fd: Fd): number {
  const name = Buffer.from(key);
  if (name.length === 0 || name.length > KEY_MAX) throw new TypeError(`a key of ${name.length} octets`);
  scratch.fill(0, 0, DATA);
  scratch.set(name, DATA);
  aim(name.length, CONTROL_SPACE);
  scratch.writeUInt32LE(CONTROL_LENGTH, CONTROL);
  scratch.writeInt32LE(SOL_SOCKET, CONTROL + 8);
  scratch.writeInt32LE(SCM_RIGHTS, CONTROL + 12);
  scratch.writeInt32LE(fd, CONTROL + 16);
  return sendmsg(socket, address, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? libc.errno() : 0;
}

export type Received =
  | { readonly kind: "descriptor"; readonly key: string; readonly fd: Fd }
  /** Nothing more for now. */
  | { readonly kind: "nothing" }
  | { readonly kind: "ended" }
  /** A message without one descriptor or with a key too long; what it carried is closed. */
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "failed"; readonly errno: number };

/** Takes one message, without waiting. */
export function receiveDescriptor(socket: Fd): Received {
  const message = receiveMessage(socket);
  if (message.kind !== "message") return message;
  const { text, fds, flags } = message;
  if (text === "" && fds.length === 0) return { kind: "ended" };
  const [fd] = fds;
  if (fds.length === 1 && fd !== undefined && text !== "" && (flags & (MSG_TRUNC | MSG_CTRUNC)) === 0)
    return { kind: "descriptor", key: text, fd };
  for (const each of fds) libc.close(each);
  return { kind: "refused", why: `${fds.length} descriptors, ${text.length} characters, flags ${flags}` };
}

/** One message with whatever it carries, without waiting; an empty one may be the end.  Its descriptors are the caller's. */
export function receiveMessage(
  socket: Fd,
):
  | { readonly kind: "message"; readonly text: string; readonly fds: readonly Fd[]; readonly flags: number }
  | { readonly kind: "nothing" }
  | { readonly kind: "failed"; readonly errno: number } {
  scratch.fill(0, 0, DATA);
  aim(KEY_MAX, CONTROL_ROOM);
  const length = recvmsg(socket, address, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (length < 0) {
    const errno = libc.errno();
    return errno === EAGAIN || errno === EINTR ? { kind: "nothing" } : { kind: "failed", errno };
  }
  const fds = carried(scratch.readUInt32LE(40));
  return { kind: "message", text: scratch.toString("utf8", DATA, DATA + length), fds, flags: scratch.readInt32LE(48) };
}

/** The descriptors in `octets` of control messages. */
function carried(octets: number): number[] {
  const fds: number[] = [];
  const end = CONTROL + Math.min(octets, CONTROL_ROOM);
  for (let at = CONTROL; at + 16 <= end; ) {
    const length = scratch.readUInt32LE(at);
    if (length < 16 || at + length > end) break;
    if (scratch.readInt32LE(at + 8) === SOL_SOCKET && scratch.readInt32LE(at + 12) === SCM_RIGHTS)
      for (let each = at + 16; each + 4 <= at + length; each += 4) fds.push(scratch.readInt32LE(each));
    at += (length + 7) & ~7;
  }
  return fds;
}

/** The message header with one vector element for the key and room for control messages. */
function aim(keyLength: number, control: number): void {
  const word = (at: number, value: number): void => {
    scratch.writeUInt32LE(value % 2 ** 32, at);
    scratch.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
  };
  word(16, address + VECTOR);
  word(24, 1);
  word(32, address + CONTROL);
  word(40, control);
  word(VECTOR, address + DATA);
  word(VECTOR + 8, keyLength);
}

/** Octets of a key. */
export const KEY_MAX = 1024;
/** struct msghdr, struct iovec, control messages (room for a sender that attaches more than one), the key. */
const VECTOR = 56;
const CONTROL = 128;
const CONTROL_LENGTH = 20;
const CONTROL_SPACE = 24;
const CONTROL_ROOM = 1024;
const DATA = CONTROL + CONTROL_ROOM;
/** Slow allocation: outside V8's heap, where its address stays. */
const scratch = Buffer.allocUnsafeSlow(DATA + KEY_MAX);
const address = Number(koffi.address(scratch));
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_CTRUNC = 0x8;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const sendmsg = libc.declare<(fd: Fd, message: number, flags: number) => number>("long sendmsg(int, size_t, int)");
const recvmsg = libc.declare<(fd: Fd, message: number, flags: number) => number>("long recvmsg(int, size_t, int)");
