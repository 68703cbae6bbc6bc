/**
 * Opening sockets: listening TCP, UDP with what a protocol engine wants to know about each datagram, packet and raw
 * sockets.  A socket is complete when it is returned; on failure nothing stays open and a Fault names the call, the errno
 * and the address.  All are close-on-exec and non-blocking.
 */
import koffi from "koffi";
import { formatIp, type Ip, isIpv4, octetsOfIp } from "../../base/address.ts";
import { Fault } from "../../base/fault.ts";
import { type BpfInstruction, JUMP_AT_LEAST, LOAD_OCTET, NETWORK, RETURN } from "./bpf.ts";
import { EADDRINUSE, ENOENT, errnoName } from "./errno.ts";
import * as libc from "./libc.ts";
import type { Endpoint, Fd } from "./loop.ts";
import { AF_INET, AF_INET6, AF_PACKET, encodeInet, encodeLink } from "./sockaddr.ts";
import * as so from "./socket-options.ts";
import { addTcpKey, type Hops, setHops, type TcpKey } from "./tcp-options.ts";

export interface ListenOptions {
  readonly ip: Ip;
  /** 0 = the kernel chooses; `nameOf` tells. */
  readonly port: number;
  /** The address need not be on this host yet. */
  readonly freebind?: boolean;
  /** Several sockets share the port and the kernel spreads connections over them. */
  readonly reusePort?: boolean;
  /** At the unspecified address of IPv6: IPv4 too. */
  readonly dualStack?: boolean;
  /** Interface that connections must come through. */
  readonly device?: string;
  /** Link-local IPv6 only. */
  readonly scope?: number;
  /** Default 4096, capped by net.core.somaxconn. */
  readonly backlog?: number;
  /** Of its SYN-ACKs, too. */
  readonly hops?: Hops;
  /** DSCP << 2 */
  readonly trafficClass?: number;
  /** Keys of peers that may connect; more can be added later (tcp-options.ts). */
  readonly keys?: readonly TcpKey[];
}

/** For `Loop.connect`. */
export interface TcpOptions {
  readonly family: 4 | 6;
  /** Source address, and port unless 0. */
  readonly bind?: Endpoint;
  readonly device?: string;
  /** SO_MARK: which routing table and which rule the packets meet. */
  readonly mark?: number;
  readonly trafficClass?: number;
  readonly keys?: readonly TcpKey[];
  readonly hops?: Hops;
}

export interface UdpOptions {
  /** Where to receive; the family of the socket is that of the address. */
  readonly bind: Endpoint;
  readonly scope?: number;
  readonly device?: string;
  readonly freebind?: boolean;
  readonly reuseAddress?: boolean;
  readonly reusePort?: boolean;
  /** SO_MARK: which routing table and which rule the packets meet. */
  readonly mark?: number;
  /** TTL or hop limit of what is sent, unicast and multicast. */
  readonly ttl?: number;
  /** GTSM (RFC 5082): the kernel drops what arrives with less. IP_MINTTL is for TCP only, so this is a socket filter. */
  readonly minTtl?: number;
  /** DSCP << 2 */
  readonly trafficClass?: number;
  readonly priority?: number;
  readonly multicast?: MulticastOptions;
  /** What DatagramMeta shall tell. */
  readonly meta?: MetaOptions;
  readonly receiveBuffer?: number;
  readonly sendBuffer?: number;
}

export interface MulticastOptions {
  readonly ifindex: number;
  readonly groups: readonly Ip[];
  /** Whether this host hears itself. */
  readonly loop: boolean;
}

export interface MetaOptions {
  readonly ttl?: boolean;
  readonly packetInfo?: boolean;
  readonly stamp?: boolean;
}

export interface PacketOptions {
  readonly ifindex: number;
  /** 0x0806 ARP, 0x86dd IPv6, 3 = all */
  readonly ethertype: number;
  readonly filter?: readonly BpfInstruction[];
  readonly stamp?: boolean;
  /** Payload without the Ethernet header; the sockaddr_ll carries the addresses. */
  readonly cooked?: boolean;
  readonly receiveBuffer?: number;
}

export interface RawOptions {
  readonly family: 4 | 6;
  /** IP protocol: 1 ICMP, 58 ICMPv6, 89 OSPF … */
  readonly protocol: number;
  readonly bind?: Ip;
  readonly scope?: number;
  readonly device?: string;
  readonly mark?: number;
  readonly ttl?: number;
  readonly trafficClass?: number;
  readonly priority?: number;
  readonly receiveBuffer?: number;
  readonly sendBuffer?: number;
  readonly multicast?: MulticastOptions;
  readonly meta?: MetaOptions;
  readonly filter?: readonly BpfInstruction[];
}

export function listenTcp(options: ListenOptions): Fd {
  const { ip, port } = options;
  const v6 = !isIpv4(ip);
  return open(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0, (fd) => {
    so.setInt(fd, so.SOL_SOCKET, so.SO_REUSEADDR, 1, "SO_REUSEADDR");
    if (options.reusePort === true) so.setInt(fd, so.SOL_SOCKET, so.SO_REUSEPORT, 1, "SO_REUSEPORT");
    common(fd, v6, options);
    if (options.hops !== undefined) setHops(fd, v6, options.hops);
    for (const key of options.keys ?? []) addTcpKey(fd, key);
    if (v6 && options.dualStack === true) so.setInt(fd, so.IPPROTO_IPV6, so.IPV6_V6ONLY, 0, "IPV6_V6ONLY");
    bind(fd, encodeInet({ ip, port }, options.scope), `${formatIp(ip)} port ${port}`);
    if (libc.listen(fd, options.backlog ?? 4096) < 0) throw refused("listen", `${formatIp(ip)} port ${port}`);
  });
}

/** A TCP socket to connect with, complete but for its destination. */
export function openTcp(options: TcpOptions): Fd {
  const v6 = options.family === 6;
  return open(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0, (fd) => {
    common(fd, v6, options);
    if (options.hops !== undefined) setHops(fd, v6, options.hops);
    for (const key of options.keys ?? []) addTcpKey(fd, key);
    if (options.bind === undefined) return;
    bind(fd, encodeInet(options.bind), `${formatIp(options.bind.ip)} port ${options.bind.port}`);
  });
}

export function openUdp(options: UdpOptions): Fd {
  const { ip, port } = options.bind;
  const v6 = !isIpv4(ip);
  return open(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0, (fd) => {
    if (options.reuseAddress === true) so.setInt(fd, so.SOL_SOCKET, so.SO_REUSEADDR, 1, "SO_REUSEADDR");
    if (options.reusePort === true) so.setInt(fd, so.SOL_SOCKET, so.SO_REUSEPORT, 1, "SO_REUSEPORT");
    common(fd, v6, options);
    if (options.minTtl !== undefined) attach(fd, atLeast(v6 ? 7 : 8, options.minTtl));
    bind(fd, encodeInet({ ip, port }, options.scope), `${formatIp(ip)} port ${port}`);
    if (options.multicast !== undefined) join(fd, v6, options.multicast);
  });
}

export function openPacket(options: PacketOptions): Fd {
  const type = options.cooked === true ? SOCK_DGRAM : SOCK_RAW;
  // Protocol 0 hears nothing until bind, so no frame gets in before the filter.
  return open(AF_PACKET, type, 0, (fd) => {
    if (options.filter !== undefined) attach(fd, options.filter);
    if (options.stamp === true) so.setInt(fd, so.SOL_SOCKET, so.SO_TIMESTAMPNS, 1, "SO_TIMESTAMPNS");
    if (options.receiveBuffer !== undefined) so.setReceiveBuffer(fd, options.receiveBuffer);
    bind(fd, encodeLink(options.ifindex, options.ethertype), `interface ${options.ifindex}`);
  });
}

export function openRaw(options: RawOptions): Fd {
  const v6 = options.family === 6;
  return open(v6 ? AF_INET6 : AF_INET, SOCK_RAW, options.protocol, (fd) => {
    if (options.filter !== undefined) attach(fd, options.filter);
    common(fd, v6, options, true);
    if (options.bind !== undefined)
      bind(fd, encodeInet({ ip: options.bind, port: 0 }, options.scope), formatIp(options.bind));
    if (options.multicast !== undefined) join(fd, v6, options.multicast);
  });
}

interface CommonOptions {
  readonly freebind?: boolean;
  readonly device?: string;
  readonly mark?: number;
  readonly ttl?: number;
  readonly trafficClass?: number;
  readonly priority?: number;
  readonly meta?: MetaOptions;
  readonly receiveBuffer?: number;
  readonly sendBuffer?: number;
}

function common(fd: Fd, v6: boolean, options: CommonOptions, raw = false): void {
  // Raw sockets of IPv6 are of that family alone, and refuse the option.
  if (v6 && !raw) so.setInt(fd, so.IPPROTO_IPV6, so.IPV6_V6ONLY, 1, "IPV6_V6ONLY");
  if (options.freebind === true) {
    if (v6) so.setInt(fd, so.IPPROTO_IPV6, so.IPV6_FREEBIND, 1, "IPV6_FREEBIND");
    else so.setInt(fd, so.IPPROTO_IP, so.IP_FREEBIND, 1, "IP_FREEBIND");
  }
  if (options.device !== undefined)
    so.set(fd, so.SOL_SOCKET, so.SO_BINDTODEVICE, Buffer.from(`${options.device}\0`), "SO_BINDTODEVICE");
  if (options.mark !== undefined) so.setInt(fd, so.SOL_SOCKET, so.SO_MARK, options.mark, "SO_MARK");
  if (options.priority !== undefined) so.setInt(fd, so.SOL_SOCKET, so.SO_PRIORITY, options.priority, "SO_PRIORITY");
  if (options.receiveBuffer !== undefined) so.setReceiveBuffer(fd, options.receiveBuffer);
  if (options.sendBuffer !== undefined) so.setSendBuffer(fd, options.sendBuffer);
  if (options.ttl !== undefined) {
    if (v6) {
      so.setInt(fd, so.IPPROTO_IPV6, so.IPV6_UNICAST_HOPS, options.ttl, "IPV6_UNICAST_HOPS");
      so.setInt(fd, so.IPPROTO_IPV6, so.IPV6_MULTICAST_HOPS, options.ttl, "IPV6_MULTICAST_HOPS");
    } else {
      so.setInt(fd, so.IPPROTO_IP, so.IP_TTL, options.ttl, "IP_TTL");
      so.setInt(fd, so.IPPROTO_IP, so.IP_MULTICAST_TTL, options.ttl, "IP_MULTICAST_TTL");
    }
  }
  if (options.trafficClass !== undefined) {
    if (v6) so.setInt(fd, so.IPPROTO_IPV6, so.IPV6_TCLASS, options.trafficClass, "IPV6_TCLASS");
    else so.setInt(fd, so.IPPROTO_IP, so.IP_TOS, options.trafficClass, "IP_TOS");
  }
  const meta = options.meta ?? {};
  if (meta.ttl === true) {
    if (v6) so.setInt(fd, so.IPPROTO_IPV6, so.IPV6_RECVHOPLIMIT, 1, "IPV6_RECVHOPLIMIT");
    else so.setInt(fd, so.IPPROTO_IP, so.IP_RECVTTL, 1, "IP_RECVTTL");
  }
  if (meta.packetInfo === true) {
    if (v6) so.setInt(fd, so.IPPROTO_IPV6, so.IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO");
    else so.setInt(fd, so.IPPROTO_IP, so.IP_PKTINFO, 1, "IP_PKTINFO");
  }
  if (meta.stamp === true) so.setInt(fd, so.SOL_SOCKET, so.SO_TIMESTAMPNS, 1, "SO_TIMESTAMPNS");
}

/** Joins a group on an interface later than at opening, or leaves it. */
export function changeMembership(fd: Fd, group: Ip, ifindex: number, member: boolean): void {
  const index = new Uint8Array(Uint32Array.of(ifindex).buffer);
  const octets = octetsOfIp(group);
  if (octets.length === 16) {
    const option = member ? so.IPV6_JOIN_GROUP : so.IPV6_LEAVE_GROUP;
    so.set(fd, so.IPPROTO_IPV6, option, joined(octets, index), member ? "IPV6_JOIN_GROUP" : "IPV6_LEAVE_GROUP");
  } else {
    const option = member ? so.IP_ADD_MEMBERSHIP : so.IP_DROP_MEMBERSHIP;
    const request = joined(octets, joined(new Uint8Array(4), index));
    so.set(fd, so.IPPROTO_IP, option, request, member ? "IP_ADD_MEMBERSHIP" : "IP_DROP_MEMBERSHIP");
  }
}

/** Groups are joined, and multicast leaves, on one interface whatever the routing table says. */
function join(fd: Fd, v6: boolean, options: MulticastOptions): void {
  const index = new Uint8Array(Uint32Array.of(options.ifindex).buffer);
  if (v6) {
    so.set(fd, so.IPPROTO_IPV6, so.IPV6_MULTICAST_IF, index, "IPV6_MULTICAST_IF");
    so.setInt(fd, so.IPPROTO_IPV6, so.IPV6_MULTICAST_LOOP, options.loop ? 1 : 0, "IPV6_MULTICAST_LOOP");
  } else {
    // struct ip_mreqn {group, address, ifindex}
    so.set(fd, so.IPPROTO_IP, so.IP_MULTICAST_IF, joined(new Uint8Array(8), index), "IP_MULTICAST_IF");
    so.setInt(fd, so.IPPROTO_IP, so.IP_MULTICAST_LOOP, options.loop ? 1 : 0, "IP_MULTICAST_LOOP");
    // Without this a socket hears every group that anyone on the host joined.
    so.setInt(fd, so.IPPROTO_IP, so.IP_MULTICAST_ALL, 0, "IP_MULTICAST_ALL");
  }
  for (const group of options.groups) {
    const octets = octetsOfIp(group);
    if (octets.length !== (v6 ? 16 : 4)) throw new TypeError(`group ${formatIp(group)} on a socket of another family`);
    if (v6) so.set(fd, so.IPPROTO_IPV6, so.IPV6_JOIN_GROUP, joined(octets, index), "IPV6_JOIN_GROUP");
    else {
      const request = joined(octets, joined(new Uint8Array(4), index));
      so.set(fd, so.IPPROTO_IP, so.IP_ADD_MEMBERSHIP, request, "IP_ADD_MEMBERSHIP");
    }
  }
}

/** Drops packets whose octet `offset` of the IP header is below `least`. */
function atLeast(offset: number, least: number): readonly BpfInstruction[] {
  return [
    [LOAD_OCTET, 0, 0, NETWORK + offset],
    [JUMP_AT_LEAST, 0, 1, least],
    [RETURN, 0, 0, 0xffffffff],
    [RETURN, 0, 0, 0],
  ];
}

export function attach(fd: Fd, program: readonly BpfInstruction[]): void {
  if (program.length === 0 || program.length > 4096) throw new TypeError(`a filter of ${program.length} instructions`);
  // Slow allocation keeps the program outside V8's heap, where its address stays.
  const code = Buffer.allocUnsafeSlow(Math.max(program.length * 8, 128));
  program.forEach(([operation, whenTrue, whenFalse, k], index) => {
    code.writeUInt16LE(operation, index * 8);
    code.writeUInt8(whenTrue, index * 8 + 2);
    code.writeUInt8(whenFalse, index * 8 + 3);
    code.writeUInt32LE(k >>> 0, index * 8 + 4);
  });
  const header = Buffer.alloc(16);
  header.writeUInt16LE(program.length, 0);
  header.writeBigUInt64LE(BigInt(koffi.address(code)), 8);
  so.set(fd, so.SOL_SOCKET, so.SO_ATTACH_FILTER, header, "SO_ATTACH_FILTER");
}

/** What it had, if anything. */
export function detach(fd: Fd): void {
  const value = new Uint8Array(4);
  if (libc.setsockopt(fd, so.SOL_SOCKET, so.SO_DETACH_FILTER, value, 4) < 0 && libc.errno() !== ENOENT)
    throw new Fault("KERNEL_CALL", { call: "setsockopt", option: "SO_DETACH_FILTER", errno: errnoName(libc.errno()) });
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  return Uint8Array.from([...a, ...b]);
}

function bind(fd: Fd, address: Uint8Array, text: string): void {
  if (libc.bind(fd, address, address.length) < 0) throw refused("bind", text);
}

function refused(call: string, address: string): Fault {
  const errno = libc.errno();
  if (errno === EADDRINUSE) return new Fault("ADDRESS_TAKEN", { address });
  return new Fault("KERNEL_CALL", { call, errno: errnoName(errno), address });
}

function open(family: number, type: number, protocol: number, complete: (fd: Fd) => void): Fd {
  const fd = libc.socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (fd < 0) throw new Fault("KERNEL_CALL", { call: "socket", errno: errnoName(libc.errno()), family, protocol });
  try {
    complete(fd);
    return fd;
  } catch (cause) {
    libc.close(fd);
    throw cause;
  }
}

const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;
