/**
 * Interfaces of WAN links as rtnetlink shows them.  A change is only a reason to look: the kernel says nothing of IPv4
 * routes that vanish with their interface, and a replaced route is not told as gone, so the picture is taken anew.
 */
import { contains, type Ip, ipv4, isIpv4, isLinkLocal, type Prefix } from "../../../base/address.ts";
import { unreachable } from "../../../base/result.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import { ADDRESS_PROTOCOLS, ROUTE_PROTOCOL } from "../../../netstack/kernel/marks.ts";
import type { Address } from "../../../netstack/kernel/netlink/address.ts";
import type { Route } from "../../../netstack/kernel/netlink/route.ts";
import { RouteSocket } from "../../../netstack/kernel/netlink/route-socket.ts";
import { type Change, watch } from "../../../netstack/kernel/netlink/watch.ts";
import type { DefaultRoute, Seen, SeenAddress } from "../seen.ts";

export interface InterfacesEvents {
  /** Something changed about these, or about any of them. */
  changed(ifnames: ReadonlySet<string> | "all"): void;
  /** Nothing more will be told. */
  failed(errno: number): void;
}

export class Interfaces implements Disposable {
  readonly #loop: Loop;
  readonly #on: InterfacesEvents;
  readonly #route: RouteSocket;
  readonly #watch: Disposable;
  readonly #names = new Map<number, string>();
  #dirty: Set<string> | "all" = new Set();
  #soon: Disposable | undefined;

  /** For the network namespace that the calling thread is in. */
  constructor(loop: Loop, on: InterfacesEvents) {
    this.#loop = loop;
    this.#on = on;
    this.#route = new RouteSocket();
    this.#watch = watch(loop, ["links", "addresses", "routes"], {
      changed: (change) => this.#changed(change),
      failed: (errno) => on.failed(errno),
    });
  }

  see(ifname: string): Seen | undefined {
    const link = this.#route.link(ifname);
    if (link === undefined) return undefined;
    this.#names.set(link.index, ifname);
    return {
      index: link.index,
      up: link.up,
      carrier: link.carrier,
      mtu: link.mtu,
      addresses: this.#route.addresses(link.index).map(seenAddress),
      defaults: this.#route.routes({ table: MAIN, oif: link.index }).flatMap((route) => defaultBy(route, link.index)),
    };
  }

  /** Carried both ways since the interface is there. */
  octets(index: number): number | undefined {
    const counters = this.#route.counters(index);
    return counters === undefined ? undefined : counters.received.octets + counters.sent.octets;
  }

  [Symbol.dispose](): void {
    this.#soon?.[Symbol.dispose]();
    this.#watch[Symbol.dispose]();
    this.#route[Symbol.dispose]();
  }

  #changed(change: Change): void {
    switch (change.kind) {
      case "link": {
        const { index, name } = change.link;
        const former = this.#names.get(index);
        if (former !== undefined && (change.gone || former !== name)) {
          this.#names.delete(index);
          this.#mark(former);
        }
        return this.#mark(name);
      }
      case "address":
        return this.#markIndex(change.address.index);
      case "route": {
        const { route } = change;
        if (route.table !== MAIN || route.destination.length !== 0) return;
        for (const { oif } of route.hops) if (oif !== undefined) this.#markIndex(oif);
        // What it took the place of may have been another interface's.
        return route.hops.length === 0 || !change.gone ? this.#markAll() : undefined;
      }
      case "resync":
        return this.#markAll();
      case "rule":
      case "neighbour":
        return; // not watched
      default:
        unreachable(change);
    }
  }

  #markIndex(index: number): void {
    const name = this.#names.get(index);
    if (name !== undefined) this.#mark(name);
  }
  #mark(name: string): void {
    if (this.#dirty !== "all") this.#dirty.add(name);
    this.#later();
  }
  #markAll(): void {
    this.#dirty = "all";
    this.#later();
  }
  /** A change rarely comes alone: what the socket holds in this turn is one. */
  #later(): void {
    this.#soon ??= this.#loop.wakeAt(this.#loop.now(), () => {
      const dirty = this.#dirty;
      this.#dirty = new Set();
      this.#soon = undefined;
      this.#on.changed(dirty);
    });
  }
}

function seenAddress({ ip, prefixLength, peer, flags, protocol, tentative, dadFailed }: Address): SeenAddress {
  const ours = ADDRESS_PROTOCOLS.includes(protocol);
  const usable = !ours && !tentative && !dadFailed && (flags & IFA_F_DEPRECATED) === 0 && !unrouted(ip);
  // The bit means "secondary" for IPv4.
  return { ip, prefixLength, peer, usable, temporary: !isIpv4(ip) && (flags & IFA_F_TEMPORARY) !== 0 };
}

/** RFC 3927, too: what a host gives itself when no DHCP server answers. */
function unrouted(ip: Ip): boolean {
  return isIpv4(ip) ? contains(AUTOMATIC, ip) : isLinkLocal(ip);
}

function defaultBy(route: Route, index: number): readonly DefaultRoute[] {
  const { destination, type, protocol, metric, hops } = route;
  if (destination.length !== 0 || type !== "unicast" || protocol === ROUTE_PROTOCOL) return [];
  const family = isIpv4(destination.ip) ? 4 : 6;
  return hops.filter(({ oif }) => oif === index).map(({ gateway }) => ({ family, gateway, metric }));
}

const AUTOMATIC: Prefix = { ip: ipv4("169.254.0.0"), length: 16 };
/** RT_TABLE_MAIN */
const MAIN = 254;
const IFA_F_TEMPORARY = 0x1;
const IFA_F_DEPRECATED = 0x20;
