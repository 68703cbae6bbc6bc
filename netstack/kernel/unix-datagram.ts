/** A datagram to a Unix socket by its path, which Node cannot send: sd_notify(3), the journal. */
import { sendDescriptor } from "./descriptors.ts";
import * as libc from "./libc.ts";
import type { Fd } from "./loop.ts";
import { AF_UNIX, encodeUnix } from "./sockaddr.ts";

/** "@name" is an abstract socket.  Returns 0 or a positive errno. */
export function sendUnixDatagram(path: string, content: string | Uint8Array): number {
  const fd = libc.must(libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
  try {
    const to = encodeUnix(path.startsWith("@") ? `\0${path.slice(1)}` : path);
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    return libc.sendto(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL, to, to.length) < 0 ? libc.errno() : 0;
  } finally {
    libc.close(fd);
  }
}

/** The same with a descriptor (SCM_RIGHTS), of which the receiver gets a duplicate; at most 1024 octets of text. */
export function sendUnixDescriptor(path: string, text: string, descriptor: Fd): number {
  const fd = libc.must(libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
  try {
    const to = encodeUnix(path.startsWith("@") ? `\0${path.slice(1)}` : path);
    if (connect(fd, to, to.length) < 0) return libc.errno();
    return sendDescriptor(fd, text, descriptor);
  } finally {
    libc.close(fd);
  }
}

const connect = libc.declare<typeof libc.bind>("int connect(int, void *, uint32)");
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0x80000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
