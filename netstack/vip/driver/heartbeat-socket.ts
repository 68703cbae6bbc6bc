/**
 * Heartbeats on one interface: to the link-local group or to listed peers, over IPv4 where the interface has an IPv4
 * address of its own, else over IPv6; received on both.  TTL 255 both ways (RFC 5082).
 * Groups: 224.0.0.194 of the unassigned part of the Local Network Control Block (RFC 5771 §4), which switches never
 * prune; ff12::4e56, transient (RFC 4291 §2.7), because no permanent one is assigned to us.
 */
import { type Ip, type Ipv4, type Ipv6, ipv4, ipv6, isIpv4, isLinkLocal } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { EADDRNOTAVAIL, errnoName } from "../../kernel/errno.ts";
import type { DatagramHandler, DatagramMeta, Datagrams, Fd, Loop } from "../../kernel/loop.ts";
import { decodeInet, encodeInet } from "../../kernel/sockaddr.ts";
import { openUdp } from "../../kernel/sockets.ts";

export interface HeartbeatOptions {
  readonly ifname: string;
  readonly ifindex: number;
  readonly port: number;
  /** Unicast instead of the group. */
  readonly peers: readonly Ip[];
  /** The interface's own addresses, never a virtual one: what heartbeats are sent from. */
  readonly own: readonly Ip[];
}
export type Heard = (datagram: Uint8Array, from: Ip, ttl: number | undefined) => void;

/** A socket could not send or receive; positive errno. */
export type Failed = (what: "heartbeat" | "arp" | "nd", errno: number) => void;

export class HeartbeatSocket implements Disposable, DatagramHandler {
  readonly #sockets: readonly Datagrams[];
  readonly #targets: readonly Target[];
  readonly #heard: Heard;
  readonly #failed: Failed;

  constructor(loop: Loop, options: HeartbeatOptions, heard: Heard, failed: Failed) {
    this.#heard = heard;
    this.#failed = failed;
    const { port, ifindex, peers, own } = options;
    const any = [open(ANY4, [GROUP4], options), open(ANY6, [GROUP6], options)].map((fd) => loop.datagrams(fd, this));
    // Left to itself the kernel may send from a virtual address: from the first of the interface, or the one most alike.
    const senders = own.flatMap((ip) => {
      const fd = this.#openFrom(ip, options);
      return fd === undefined ? [] : [{ ip, datagrams: loop.datagrams(fd, this) }];
    });
    this.#sockets = [...any, ...senders.map(({ datagrams }) => datagrams)];
    const targets = peers.length > 0 ? peers : own.slice(0, 1).map((ip) => (isIpv4(ip) ? GROUP4 : GROUP6));
    this.#targets = targets.flatMap((ip) => {
      const alike = senders.filter((each) => isIpv4(each.ip) === isIpv4(ip));
      const from = alike.find((each) => needsScope(each.ip) === needsScope(ip)) ?? alike[0];
      return from === undefined ? [] : [{ from: from.datagrams, to: encodeInet({ ip, port }, ifindex) }];
    });
  }

  send(datagram: Uint8Array): void {
    for (const { from, to } of this.#targets) {
      const errno = from.send(datagram, to);
      if (errno !== 0) this.#failed("heartbeat", errno);
    }
  }

  received(_socket: Datagrams, bytes: Uint8Array, meta: DatagramMeta): void {
    const from = decodeInet(meta.from);
    if (from !== undefined) this.#heard(bytes, from.ip, meta.ttl);
  }
  failed(_socket: Datagrams, errno: number): void {
    this.#failed("heartbeat", errno);
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket[Symbol.dispose]();
  }

  /** An address may go between being listed and being bound: the next look at the interface brings another list. */
  #openFrom(ip: Ip, options: HeartbeatOptions): Fd | undefined {
    try {
      return open(ip, [], options);
    } catch (cause) {
      if (!(cause instanceof Fault) || cause.fields["errno"] !== errnoName(EADDRNOTAVAIL)) throw cause;
      this.#failed("heartbeat", EADDRNOTAVAIL);
      return undefined;
    }
  }
}

interface Target {
  readonly from: Datagrams;
  readonly to: Uint8Array;
}

function open(ip: Ip, groups: readonly Ip[], options: HeartbeatOptions): Fd {
  return openUdp({
    bind: { ip, port: options.port },
    ...(needsScope(ip) ? { scope: options.ifindex } : {}),
    device: options.ifname,
    reuseAddress: true,
    ttl: 255,
    minTtl: 255,
    trafficClass: NETWORK_CONTROL,
    priority: 6,
    multicast: { ifindex: options.ifindex, groups, loop: false },
    meta: { ttl: true },
  });
}

/** RFC 4291 §2.5.6; `ff12::` is one as well, RFC 4291 §2.7. */
function needsScope(ip: Ip): boolean {
  return isLinkLocal(ip) || (!isIpv4(ip) && ip.startsWith("ff12:"));
}

const ANY4: Ipv4 = ipv4("0.0.0.0");
const ANY6: Ipv6 = ipv6("::");
const GROUP4: Ipv4 = ipv4("224.0.0.194");
const GROUP6: Ipv6 = ipv6("ff12::4e56");
/** DSCP CS6 (RFC 4594 §3.1). */
const NETWORK_CONTROL = 48 << 2;
