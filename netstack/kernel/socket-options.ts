/** Socket options by their names in <linux/in.h>, <linux/in6.h> and <asm-generic/socket.h>, and setting them. */
import { Fault } from "../../base/fault.ts";
import { errnoName } from "./errno.ts";
import * as libc from "./libc.ts";
import type { Fd } from "./loop.ts";

export function set(fd: Fd, level: number, option: number, value: Uint8Array, name: string): void {
  if (libc.setsockopt(fd, level, option, value, value.length) < 0)
    throw new Fault("KERNEL_CALL", { call: "setsockopt", option: name, errno: errnoName(libc.errno()) });
}

export function setInt(fd: Fd, level: number, option: number, value: number, name: string): void {
  set(fd, level, option, new Uint8Array(Int32Array.of(value).buffer), name);
}

/** Beyond net.core.rmem_max where we may, else up to it. */
export function setReceiveBuffer(fd: Fd, octets: number): void {
  buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, octets, "SO_RCVBUF");
}
export function setSendBuffer(fd: Fd, octets: number): void {
  buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, octets, "SO_SNDBUF");
}

function buffer(fd: Fd, force: number, option: number, octets: number, name: string): void {
  const value = new Uint8Array(Int32Array.of(octets).buffer);
  if (libc.setsockopt(fd, SOL_SOCKET, force, value, 4) < 0) set(fd, SOL_SOCKET, option, value, name);
}

export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
export const SO_PRIORITY = 12;
export const SO_REUSEPORT = 15;
export const SO_BINDTODEVICE = 25;
export const SO_ATTACH_FILTER = 26;
export const SO_DETACH_FILTER = 27;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
export const SO_TIMESTAMPNS = 35;
export const SO_MARK = 36;

export const IPPROTO_IP = 0;
export const IP_TOS = 1;
export const IP_TTL = 2;
export const IP_PKTINFO = 8;
export const IP_RECVTTL = 12;
export const IP_FREEBIND = 15;
export const IP_MINTTL = 21;
export const IP_MULTICAST_IF = 32;
export const IP_MULTICAST_TTL = 33;
export const IP_MULTICAST_LOOP = 34;
export const IP_ADD_MEMBERSHIP = 35;
export const IP_DROP_MEMBERSHIP = 36;
export const IP_MULTICAST_ALL = 49;

export const IPPROTO_IPV6 = 41;
export const IPV6_UNICAST_HOPS = 16;
export const IPV6_MULTICAST_IF = 17;
export const IPV6_MULTICAST_HOPS = 18;
export const IPV6_MULTICAST_LOOP = 19;
export const IPV6_JOIN_GROUP = 20;
export const IPV6_LEAVE_GROUP = 21;
export const IPV6_V6ONLY = 26;
export const IPV6_RECVPKTINFO = 49;
export const IPV6_RECVHOPLIMIT = 51;
export const IPV6_TCLASS = 67;
export const IPV6_MINHOPCOUNT = 73;
export const IPV6_FREEBIND = 78;
