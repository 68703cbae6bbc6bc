/**
 * Unnumbered peers: on each interface the router that advertises itself is the peer, by its link-local address; and we
 * advertise ourselves, since the other side looks in the same way.  Standards: RFC 4861 §6.1, §6.2 (sending, at the
 * pace of §6.2.4), §6.3.7 (solicitations).
 *
 * Our router lifetime is 0: a router, yet nobody's default router.  A neighbour that falls silent is not forgotten: that
 * it lives is for BGP and BFD to say; another one takes its place when it has been silent for a while.
 */
import { type Ip, ipv6, isLinkLocal } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { after, type Instant, ms, since } from "../../../base/unit.ts";
import type { BpfInstruction } from "../../kernel/bpf.ts";
import type { DatagramHandler, DatagramMeta, Datagrams, Loop } from "../../kernel/loop.ts";
import { decodeInet, encodeInet } from "../../kernel/sockaddr.ts";
import { openRaw } from "../../kernel/sockets.ts";
import { decodeRouter, encodeRouter, ROUTER_ADVERTISEMENT, ROUTER_SOLICITATION } from "../../wire/router.ts";
import type { Interface, Interfaces } from "./interfaces.ts";

export interface DiscoveryParts {
  readonly loop: Loop;
  readonly interfaces: Interfaces;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  readonly discovered: (ifname: string, address: Ip | undefined) => void;
  readonly warn: (name: string, fields: Readonly<Record<string, unknown>>) => void;
}

export class RouterDiscovery implements Disposable {
  readonly #parts: DiscoveryParts;
  readonly #wanted = new Map<string, Discovered | undefined>();

  constructor(parts: DiscoveryParts) {
    this.#parts = parts;
  }

  /** On which interfaces: the complete list. */
  plan(ifnames: readonly string[]): void {
    for (const [ifname, on] of this.#wanted) {
      if (ifnames.includes(ifname)) continue;
      on?.[Symbol.dispose]();
      this.#wanted.delete(ifname);
    }
    for (const ifname of ifnames) {
      if (this.#wanted.has(ifname)) continue;
      this.#wanted.set(ifname, undefined);
      this.#open(ifname);
    }
  }

  moved(ifname: string, up: boolean): void {
    if (!this.#wanted.has(ifname)) return;
    this.#wanted.get(ifname)?.[Symbol.dispose]();
    this.#wanted.set(ifname, undefined);
    if (up) this.#open(ifname);
    else this.#parts.discovered(ifname, undefined);
  }

  [Symbol.dispose](): void {
    this.plan([]);
  }

  #open(ifname: string): void {
    const on = this.#parts.interfaces.named(ifname);
    if (on?.up !== true) return;
    try {
      this.#wanted.set(ifname, new Discovered(this.#parts, on));
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      this.#parts.warn("bgp.discovery-failed", { ifname, why: cause.message });
    }
  }
}

class Discovered implements DatagramHandler, Disposable {
  readonly #parts: DiscoveryParts;
  readonly #on: Interface;
  readonly #socket: Datagrams;
  #advertising: Disposable | undefined;
  #soliciting: Disposable | undefined;
  #advertised = 0;
  #advertisedAt: Instant | undefined;
  #solicited = 0;
  #router: Ip | undefined;
  #heardAt: Instant | undefined;

  constructor(parts: DiscoveryParts, on: Interface) {
    this.#parts = parts;
    this.#on = on;
    const fd = openRaw({
      family: 6,
      protocol: ICMP6,
      device: on.name,
      ttl: 255,
      multicast: { ifindex: on.index, groups: [ALL_NODES, ALL_ROUTERS], loop: false },
      meta: { ttl: true },
      filter: ROUTERS_ONLY,
    });
    this.#socket = parts.loop.datagrams(fd, this);
    this.#advertise();
    this.#solicit();
  }

  received(_socket: Datagrams, bytes: Uint8Array, meta: DatagramMeta): void {
    const from = decodeInet(meta.from);
    if (from === undefined || meta.ttl !== 255) return; // §6.1
    const message = decodeRouter(bytes);
    if (!message.ok) return;
    if (message.value.kind === "solicitation") this.#answer();
    else if (isLinkLocal(from.ip) && !this.#parts.interfaces.isOurs(from.ip)) this.#heard(from.ip);
  }
  failed(): void {
    // What cannot be sent now (no address yet) is sent the next time; receiving has no errors that last.
  }

  [Symbol.dispose](): void {
    this.#advertising?.[Symbol.dispose]();
    this.#soliciting?.[Symbol.dispose]();
    this.#socket[Symbol.dispose]();
  }

  #heard(router: Ip): void {
    const now = this.#parts.loop.now();
    const fresh = this.#heardAt !== undefined && since(this.#heardAt, now) < SILENT;
    if (router !== this.#router && fresh && this.#router !== undefined) return;
    this.#heardAt = now;
    this.#soliciting?.[Symbol.dispose]();
    if (router === this.#router) return;
    this.#router = router;
    this.#parts.discovered(this.#on.name, router);
    // It may have come up after our first advertisements.
    this.#answer();
  }

  /** §6.2.4: the first ones sooner, then periodically, never quite at the same pace. */
  #advertise(): void {
    this.#advertising?.[Symbol.dispose]();
    const { loop, random } = this.#parts;
    this.#advertisedAt = loop.now();
    this.#send({ kind: "advertisement", lifetime: 0 });
    this.#advertised++;
    const span = this.#advertised < FIRST ? FIRST_EVERY : EVERY * (0.75 + random() / 4);
    this.#advertising = loop.wakeAt(after(loop.now(), ms(span)), () => this.#advertise());
  }

  /** §6.2.6: soon, though not at once, and not more often than every three seconds. */
  #answer(): void {
    const { loop, random } = this.#parts;
    const soon = after(loop.now(), ms(random() * ANSWER_WITHIN));
    const earliest = this.#advertisedAt === undefined ? soon : after(this.#advertisedAt, APART);
    this.#advertising?.[Symbol.dispose]();
    this.#advertising = loop.wakeAt(earliest > soon ? earliest : soon, () => this.#advertise());
  }

  #solicit(): void {
    const { loop } = this.#parts;
    this.#send({ kind: "solicitation" });
    if (++this.#solicited >= SOLICITATIONS) return;
    this.#soliciting = loop.wakeAt(after(loop.now(), SOLICIT_EVERY), () => this.#solicit());
  }

  #send(message: Parameters<typeof encodeRouter>[0]): void {
    const group = message.kind === "advertisement" ? ALL_NODES : ALL_ROUTERS;
    this.#socket.send(encodeRouter(message, this.#on.mac), encodeInet({ ip: group, port: 0 }, this.#on.index));
  }
}

const ICMP6 = 58;
const ALL_NODES = ipv6("ff02::1");
const ALL_ROUTERS = ipv6("ff02::2");
/** A raw socket's octets begin at the ICMPv6 header. */
const ROUTERS_ONLY: readonly BpfInstruction[] = [
  [0x30, 0, 0, 0],
  [0x15, 1, 0, ROUTER_ADVERTISEMENT],
  [0x15, 0, 1, ROUTER_SOLICITATION],
  [0x06, 0, 0, 0xffff],
  [0x06, 0, 0, 0],
];
const FIRST = 3;
const FIRST_EVERY = 3000;
const EVERY = 10_000;
/** MIN_DELAY_BETWEEN_RAS. */
const APART = ms(3000);
/** MAX_RA_DELAY_TIME. */
const ANSWER_WITHIN = 500;
/** MAX_RTR_SOLICITATIONS, RTR_SOLICITATION_INTERVAL. */
const SOLICITATIONS = 3;
const SOLICIT_EVERY = ms(4000);
/** Three of the intervals at which routers of unnumbered fabrics speak, and some more. */
const SILENT = ms(35_000);
