/**
 * Heartbeats on one interface: to the link-local group or to listed peers, over IPv4 where the interface has an IPv4
 * address of its own, else over IPv6; received on both.  TTL 255 both ways (RFC 5082).
 * Groups: 224.0.0.194 of the unassigned part of the Local Network Control Block (RFC 5771 §4), which switches never
 * prune; ff12::4e56, transient (RFC 4291 §2.7), because no permanent one is assigned to us.
 */
import { type Ip, type Ipv4, type Ipv6, ipv4, ipv6, isIpv4 } from "../../../base/address.ts";
import type { DatagramHandler, DatagramMeta, Datagrams, Fd, Loop } from "../../kernel/loop.ts";
import { decodeInet, encodeInet } from "../../kernel/sockaddr.ts";
import { openUdp } from "../../kernel/sockets.ts";

export interface HeartbeatOptions {
  readonly ifname: string;
  readonly ifindex: number;
  readonly port: number;
  /** Unicast instead of the group. */
  readonly peers: readonly Ip[];
}
export type Heard = (datagram: Uint8Array, from: Ip, ttl: number | undefined) => void;

/** A socket could not send or receive; positive errno. */
export type Failed = (what: "heartbeat" | "arp" | "nd", errno: number) => void;

export class HeartbeatSocket implements Disposable, DatagramHandler {
  readonly #sockets: readonly { readonly v4: boolean; readonly datagrams: Datagrams }[];
  readonly #targets: readonly { readonly v4: boolean; readonly to: Uint8Array }[];
  readonly #heard: Heard;
  readonly #failed: Failed;

  constructor(loop: Loop, options: HeartbeatOptions, heard: Heard, failed: Failed) {
    this.#heard = heard;
    this.#failed = failed;
    const { port, ifindex, peers } = options;
    const sockets: { v4: boolean; datagrams: Datagrams }[] = [];
    for (const v4 of [true, false]) {
      const fd = v4 ? open(ANY4, GROUP4, options) : open(ANY6, GROUP6, options);
      sockets.push({ v4, datagrams: loop.datagrams(fd, this) });
    }
    this.#sockets = sockets;
    const targets: readonly Ip[] = peers.length > 0 ? peers : [GROUP4, GROUP6];
    this.#targets = targets.map((ip) => ({ v4: isIpv4(ip), to: encodeInet({ ip, port }, ifindex) }));
    this.#unicast = peers.length > 0;
  }
  readonly #unicast: boolean;

  /** `from` is the sender's own first address: its family decides which group hears it. */
  send(datagram: Uint8Array, from: Ip): void {
    for (const { v4, to } of this.#targets) {
      if (!this.#unicast && v4 !== isIpv4(from)) continue;
      const socket = this.#sockets.find((each) => each.v4 === v4);
      const errno = socket?.datagrams.send(datagram, to) ?? 0;
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
    for (const { datagrams } of this.#sockets) datagrams[Symbol.dispose]();
  }
}

function open(any: Ip, group: Ip, options: HeartbeatOptions): Fd {
  return openUdp({
    bind: { ip: any, port: options.port },
    device: options.ifname,
    reuseAddress: true,
    ttl: 255,
    minTtl: 255,
    trafficClass: NETWORK_CONTROL,
    priority: 6,
    multicast: { ifindex: options.ifindex, groups: [group], loop: false },
    meta: { ttl: true },
  });
}

const ANY4: Ipv4 = ipv4("0.0.0.0");
const ANY6: Ipv6 = ipv6("::");
const GROUP4: Ipv4 = ipv4("224.0.0.194");
const GROUP6: Ipv6 = ipv6("ff12::4e56");
/** DSCP CS6 (RFC 4594 §3.1). */
const NETWORK_CONTROL = 48 << 2;
