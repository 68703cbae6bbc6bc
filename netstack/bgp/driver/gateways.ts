/**
 * How the kernel reaches BGP next hops: whether there is a route to them, at what metric, and through which neighbours.
 * Asked again when routes, addresses or links change, never polled.  RFC 4271 §5.1.3, §9.1.2.1: a next hop is resolved
 * by routes of others, not by those that BGP itself has put there.
 */
import { formatIp, type Ip, isLinkLocal } from "../../../base/address.ts";
import { after, ms } from "../../../base/unit.ts";
import type { Loop } from "../../kernel/loop.ts";
import { BGP_ROUTE_PROTOCOL } from "../../kernel/marks.ts";
import type { NewHop, Route } from "../../kernel/netlink/route.ts";
import type { RouteSocket } from "../../kernel/netlink/route-socket.ts";
import type { Interfaces } from "./interfaces.ts";

export interface Gateway {
  /** undefined: cannot be reached. */
  readonly metric: number | undefined;
  /** The neighbours that lead there, for the kernel's routes. */
  readonly hops: readonly NewHop[];
}

export interface GatewayNotes {
  /** Its metric changed. */
  reached(ip: Ip, metric: number | undefined): void;
  /** Its neighbours changed. */
  rerouted(ip: Ip, ifname: string | undefined): void;
}

export class Gateways implements Disposable {
  readonly #loop: Loop;
  readonly #route: RouteSocket;
  readonly #interfaces: Interfaces;
  readonly #notes: GatewayNotes;
  readonly #tracked = new Map<string, Tracked>();
  #looking: Disposable | undefined;

  constructor(loop: Loop, route: RouteSocket, interfaces: Interfaces, notes: GatewayNotes) {
    this.#loop = loop;
    this.#route = route;
    this.#interfaces = interfaces;
    this.#notes = notes;
  }

  track(ip: Ip, ifname: string | undefined, wanted: boolean): void {
    const key = keyOf(ip, ifname);
    if (!wanted) {
      this.#tracked.delete(key);
      return;
    }
    if (this.#tracked.has(key)) return;
    const gateway = this.#find(ip, ifname);
    this.#tracked.set(key, { ip, ifname, gateway });
    this.#notes.reached(ip, gateway.metric);
  }

  /** As it is known now. */
  of(ip: Ip, ifname: string | undefined): Gateway {
    return this.#tracked.get(keyOf(ip, ifname))?.gateway ?? this.#find(ip, ifname);
  }

  /** Something in the kernel changed that may matter. */
  changed(): void {
    if (this.#tracked.size === 0) return;
    this.#looking ??= this.#loop.wakeAt(after(this.#loop.now(), SETTLE), () => {
      this.#looking = undefined;
      this.#look();
    });
  }

  [Symbol.dispose](): void {
    this.#looking?.[Symbol.dispose]();
    this.#tracked.clear();
  }

  #look(): void {
    for (const [key, { ip, ifname, gateway: before }] of this.#tracked) {
      const gateway = this.#find(ip, ifname);
      const moved = gateway.metric !== before.metric;
      const rerouted = textOf(gateway) !== textOf(before);
      if (!moved && !rerouted) continue;
      this.#tracked.set(key, { ip, ifname, gateway });
      if (rerouted) this.#notes.rerouted(ip, ifname);
      if (moved) this.#notes.reached(ip, gateway.metric);
    }
  }

  #find(ip: Ip, ifname: string | undefined): Gateway {
    const on = ifname === undefined ? undefined : this.#interfaces.named(ifname);
    if (ifname !== undefined && on?.up !== true) return UNREACHABLE;
    if (isLinkLocal(ip)) return on === undefined ? UNREACHABLE : { metric: 0, hops: [{ gateway: ip, oif: on.index }] };
    const route = this.#route.findRoute(ip, on?.index);
    return route === undefined ? UNREACHABLE : through(route, ip);
  }
}

interface Tracked {
  readonly ip: Ip;
  readonly ifname: string | undefined;
  readonly gateway: Gateway;
}

function through(route: Route, ip: Ip): Gateway {
  if (route.type !== "unicast" || route.protocol === BGP_ROUTE_PROTOCOL) return UNREACHABLE;
  const hops = route.hops
    .filter((each) => !each.dead)
    .map(({ gateway = ip, oif, weight }) => ({ gateway, ...(oif === undefined ? {} : { oif }), weight }));
  if (hops.length === 0) return UNREACHABLE;
  // What is on the link is nearest, whatever priority its route has.
  const onLink = route.hops.every((each) => each.gateway === undefined);
  return { metric: onLink ? 0 : route.metric, hops };
}

function keyOf(ip: Ip, ifname: string | undefined): string {
  return ifname === undefined ? formatIp(ip) : `${formatIp(ip)}%${ifname}`;
}

function textOf({ hops }: Gateway): string {
  return hops.map(({ gateway, oif, weight }) => `${gateway ?? ""} ${oif ?? ""} ${weight ?? 1}`).join(",");
}

const UNREACHABLE: Gateway = { metric: undefined, hops: [] };
/** Changes come in rows: an interface that goes takes its addresses and routes along. */
const SETTLE = ms(5);
