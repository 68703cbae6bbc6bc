/** A datagram to a Unix socket by its path, which Node cannot send: sd_notify(3), the journal. */
import * as libc from "./libc.ts";
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

const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0x80000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
