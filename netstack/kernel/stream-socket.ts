/** What both engines ask of a stream socket apart from moving its octets: open, name, shut down, reset. */
import { type Ipv4, isIpv4 } from "../../base/address.ts";
import { setBlocking, setNonBlocking } from "./accepting.ts";
import { EINPROGRESS } from "./errno.ts";
import * as libc from "./libc.ts";
import type { Endpoint, Fd, Prepared, Tinted } from "./loop.ts";
import { AF_INET, AF_INET6, decodeInet, encodeInet, SOCKADDR_MAX } from "./sockaddr.ts";

/** A TCP socket for `connect`, without delay, as `from` wants it or the prepared one; or a negative errno. */
export function socketFor(to: Endpoint, from: Endpoint | Prepared | Tinted | undefined, nonBlocking: boolean): number {
  if (from !== undefined && "socket" in from) {
    setNoDelay(from.socket);
    if (nonBlocking) setNonBlocking(from.socket);
    else setBlocking(from.socket);
    return from.socket;
  }
  const v4 = isIpv4(to.ip);
  const type = SOCK_STREAM | SOCK_CLOEXEC | (nonBlocking ? SOCK_NONBLOCK : 0);
  const fd = libc.socket(v4 ? AF_INET : AF_INET6, type, 0);
  if (fd < 0) return -libc.errno();
  libc.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, ONE, 4);
  if (from === undefined) return fd;
  if ("handshake" in from) {
    const errno = setTrafficClass(fd, v4, from.handshake);
    if (errno === 0) return fd;
    libc.close(fd);
    return -errno;
  }
  // The port is chosen at connect, so one source address serves more than 28,000 connections.
  if (from.port === 0) libc.setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, ONE, 4);
  const address = encodeInet(from);
  if (libc.bind(fd, address, address.length) === 0) return fd;
  const errno = libc.errno();
  libc.close(fd);
  return -errno;
}

/** The family of a connection whose handshake is to be told from the rest; 0: it is not. */
export function tintedFamily(to: Endpoint, from: Endpoint | Prepared | Tinted | undefined): 0 | 4 | 6 {
  if (from === undefined || !("handshake" in from)) return 0;
  return isIpv4(to.ip) ? 4 : 6;
}

/** IP_TOS or IPV6_TCLASS, DSCP << 2, of what the socket sends from now on: 0 or errno. */
export function setTrafficClass(fd: Fd, v4: boolean, trafficClass: number): number {
  intValue[0] = trafficClass;
  const done = v4
    ? libc.setsockopt(fd, IPPROTO_IP, IP_TOS, intOctets, 4)
    : libc.setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, intOctets, 4);
  return done === 0 ? 0 : libc.errno();
}

/** For listeners as well: accepted sockets inherit it.  Other families refuse it, which is as good. */
export function setNoDelay(fd: Fd): void {
  libc.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, ONE, 4);
}

/** Octets, our FIN among them, that the peer has not acknowledged (tcp(7)); 0 for what cannot tell. */
export function unacknowledgedOf(fd: Fd): number {
  return ioctl(fd, SIOCOUTQ, outQueue) === 0 ? (outQueue[0] ?? 0) : 0;
}

/** Closing sends RST from now on. */
export function setReset(fd: Fd): void {
  libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, RESET, 8);
}

export function peerOf(fd: Fd): Endpoint | undefined {
  return name(getpeername, fd);
}
export function nameOf(fd: Fd): Endpoint | undefined {
  return name(libc.getsockname, fd);
}

/** Starts a connection on a non-blocking socket: 0 when under way or done, else errno. */
export function startConnect(fd: Fd, to: Endpoint): number {
  const address = encodeInet(to);
  if (connect(fd, address, address.length) === 0) return 0;
  const errno = libc.errno();
  return errno === EINPROGRESS ? 0 : errno;
}

/** SO_ERROR, which reading clears. */
export function takeError(fd: Fd): number {
  const value = new Int32Array(1);
  libc.getsockopt(fd, SOL_SOCKET, SO_ERROR, new Uint8Array(value.buffer), Uint32Array.of(4));
  return value[0] ?? 0;
}

export const SHUT_WR = 1;
export const SHUT_RDWR = 2;
export const shutdown = libc.declare<(fd: Fd, how: number) => number>("int shutdown(int, int)");

function name(call: (fd: number, at: Uint8Array, length: Uint32Array) => number, fd: Fd): Endpoint | undefined {
  nameLength[0] = SOCKADDR_MAX;
  if (call(fd, nameBytes, nameLength) < 0) return undefined;
  // Asked of every accepted connection: the usual case without a view or a copy.
  if (nameBytes[0] === AF_INET && nameBytes[1] === 0) {
    const octet = (index: number): number => nameBytes[index] ?? 0;
    const ip = (((octet(4) << 24) | (octet(5) << 16) | (octet(6) << 8) | octet(7)) >>> 0) as Ipv4;
    return { ip, port: (octet(2) << 8) | octet(3) };
  }
  return decodeInet(nameBytes.subarray(0, Math.min(nameLength[0] ?? 0, SOCKADDR_MAX)));
}

/** What getsockname and getpeername fill; each answer is taken out before the next is asked. */
const nameBytes = new Uint8Array(SOCKADDR_MAX);
const nameLength = new Uint32Array(1);
const intValue = new Int32Array(1);
const intOctets = new Uint8Array(intValue.buffer);
const outQueue = new Int32Array(1);
const ioctl = libc.declare<(fd: Fd, request: number, value: Int32Array) => number>("int ioctl(int, ulong, void *)");
const SIOCOUTQ = 0x5411;
const getpeername = libc.declare<typeof libc.getsockname>("int getpeername(int, void *, void *)");
const connect = libc.declare<typeof libc.bind>("int connect(int, void *, uint32)");
const ONE = Uint8Array.of(1, 0, 0, 0);
/** struct linger {on, 0 s} */
const RESET = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;
const IPPROTO_IP = 0;
const IP_TOS = 1;
const IPPROTO_IPV6 = 41;
const IPV6_TCLASS = 67;
const IP_BIND_ADDRESS_NO_PORT = 24;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SO_LINGER = 13;
