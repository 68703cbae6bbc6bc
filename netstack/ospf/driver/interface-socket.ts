/**
 * Raw sockets (IP protocol 89) of one interface and one version.  Standards: RFC 2328 A.1 (precedence Internetwork Control,
 * TTL 1), RFC 5340 A.1.  One socket hears, whatever the destination; what is sent leaves through a socket bound to its
 * source, because left to itself the kernel may send from a virtual address.
 */
import { formatIp, type Ip, ipv4, ipv6, isIpv4 } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import type { BpfInstruction } from "../../kernel/bpf.ts";
import { EAGAIN, ENOBUFS, errnoName } from "../../kernel/errno.ts";
import type { DatagramHandler, DatagramMeta, Datagrams, Loop } from "../../kernel/loop.ts";
import { decodeInet, encodeInet } from "../../kernel/sockaddr.ts";
import { changeMembership, openRaw, type RawOptions } from "../../kernel/sockets.ts";
import type { Version } from "../packet/lsa.ts";

export interface Place {
  readonly ifname: string;
  readonly ifindex: number;
}

export interface Listener {
  /** An OSPF packet without its IP header; valid until the call returns. */
  heard(bytes: Uint8Array, source: Ip, destination: Ip): void;
  /** The kernel would not send or receive; `why` is the name of an errno. */
  failed(what: "send" | "receive", why: string): void;
}

export class InterfaceSocket implements Disposable, DatagramHandler {
  readonly #loop: Loop;
  readonly #version: Version;
  readonly #place: Place;
  readonly #on: Listener;
  readonly #hearing: Datagrams;
  readonly #senders = new Map<Ip, Datagrams>();
  readonly #member = { allSpf: false, allDr: false };

  constructor(loop: Loop, version: Version, place: Place, on: Listener) {
    this.#loop = loop;
    this.#version = version;
    this.#place = place;
    this.#on = on;
    this.#hearing = loop.datagrams(openRaw({ ...this.#options(), meta: { packetInfo: true } }), this);
  }

  groups(allSpf: boolean, allDr: boolean): void {
    const [spf, dr] = GROUPS[this.#version];
    if (allSpf !== this.#member.allSpf) changeMembership(this.#hearing.fd, spf, this.#place.ifindex, allSpf);
    this.#member.allSpf = allSpf;
    if (allDr !== this.#member.allDr) changeMembership(this.#hearing.fd, dr, this.#place.ifindex, allDr);
    this.#member.allDr = allDr;
  }

  send(bytes: Uint8Array, source: Ip, destination: Ip): void {
    const sender = this.#from(source);
    if (sender === undefined) return;
    const errno = sender.send(bytes, encodeInet({ ip: destination, port: 0 }, this.#place.ifindex));
    // A full queue is a lost packet, for which OSPF has retransmission.
    if (errno !== 0 && errno !== EAGAIN && errno !== ENOBUFS) this.#on.failed("send", errnoName(errno));
  }

  /** Addresses that the interface has no more keep no socket. */
  keep(sources: readonly Ip[]): void {
    for (const [source, sender] of this.#senders) {
      if (sources.includes(source)) continue;
      sender[Symbol.dispose]();
      this.#senders.delete(source);
    }
  }

  received(_socket: Datagrams, bytes: Uint8Array, meta: DatagramMeta): void {
    const from = decodeInet(meta.from);
    if (from === undefined || meta.to === undefined || meta.truncated) return this.#on.failed("receive", "EMSGSIZE");
    // IPv4 raw sockets give the header, IPv6 ones do not.
    const start = this.#version === 2 ? ((bytes[0] ?? 0) & 15) * 4 : 0;
    this.#on.heard(bytes.subarray(start), from.ip, meta.to);
  }
  failed(_socket: Datagrams, errno: number): void {
    this.#on.failed("receive", errnoName(errno));
  }

  [Symbol.dispose](): void {
    this.#hearing[Symbol.dispose]();
    this.keep([]);
  }

  #from(source: Ip): Datagrams | undefined {
    const known = this.#senders.get(source);
    if (known !== undefined) return known;
    try {
      const options = { ...this.#options(), bind: source, filter: DEAF };
      const fd = openRaw(isIpv4(source) ? options : { ...options, scope: this.#place.ifindex });
      const opened = this.#loop.datagrams(fd, this);
      this.#senders.set(source, opened);
      return opened;
    } catch (cause) {
      // The address went a moment ago; netlink will say so.
      if (!(cause instanceof Fault)) throw cause;
      this.#on.failed("send", `${cause.message} from ${formatIp(source)}`);
      return undefined;
    }
  }

  #options(): RawOptions {
    return {
      family: this.#version === 2 ? 4 : 6,
      protocol: PROTOCOL,
      device: this.#place.ifname,
      ttl: 1,
      trafficClass: CS6,
      priority: 7,
      receiveBuffer: RECEIVE_BUFFER,
      multicast: { ifindex: this.#place.ifindex, groups: [], loop: false },
    };
  }
}

const PROTOCOL = 89;
/** DSCP CS6 in its place. */
const CS6 = 0xc0;
/** A neighbor's whole database may come at once. */
const RECEIVE_BUFFER = 1 << 20;
/** AllSPFRouters, AllDRouters. */
const GROUPS = {
  2: [ipv4("224.0.0.5"), ipv4("224.0.0.6")],
  3: [ipv6("ff02::5"), ipv6("ff02::6")],
} as const;
const DEAF: readonly BpfInstruction[] = [[0x06, 0, 0, 0]];
