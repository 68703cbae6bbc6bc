/**
 * Routes that BGP has learnt, in the kernel under our protocol number.  The speaker's changes are pulled in small
 * batches.  What an earlier life left is kept until the speaker has heard its peers again (`converged`): a restart
 * loses no packet.  What a stranger takes away is put back; what a stranger has put in our place is left to him.
 */
import { formatPrefix, type Ip, isIpv4, type Prefix, prefixOf } from "../../../base/address.ts";
import { after, ms } from "../../../base/unit.ts";
import type { Loop } from "../../kernel/loop.ts";
import { BGP_ROUTE_PROTOCOL } from "../../kernel/marks.ts";
import type { NewHop, NewRoute, Route } from "../../kernel/netlink/route.ts";
import type { RouteSocket } from "../../kernel/netlink/route-socket.ts";
import type { RouteOrder } from "../../kernel/netlink/route-writer.ts";
import type { RouteChange } from "../event.ts";
import type { BgpPlan } from "../plan.ts";
import type { Gateway } from "./gateways.ts";
import { Refusals } from "./refusals.ts";
import type { Shares, Task } from "./shares.ts";

export interface KernelRouteParts {
  readonly loop: Loop;
  readonly route: Pick<RouteSocket, "routes" | "changeRoutes">;
  readonly shares: Shares;
  /** From the speaker. */
  readonly next: (most: number) => readonly RouteChange[];
  readonly gateway: (ip: Ip, ifname: string | undefined) => Gateway;
  readonly warn: (name: string, fields: Readonly<Record<string, unknown>>) => void;
}

type Where = NonNullable<BgpPlan["install"]>;

export class KernelRoutes implements Task, Disposable {
  readonly #parts: KernelRouteParts;
  #where: Where | undefined;
  /** What the speaker wants. */
  readonly #wanted = new Map<Key, Way>();
  /** Wanted, and not in the kernel: it was refused, or its next hops cannot be reached. */
  readonly #missing = new Set<Key>();
  /** In the kernel from an earlier life. */
  readonly #left = new Map<Key, string>();
  /** Ways by their next hops: thousands of routes share one. */
  readonly #ways = new Map<string, Way>();
  #last: Way | undefined;
  #pulls = false;
  #settling = false;
  #begun = false;
  #keep = false;
  #checking: Disposable | undefined;
  readonly #refused = new Refusals<Key>();

  constructor(parts: KernelRouteParts) {
    this.#parts = parts;
  }

  plan(install: Where | undefined): void {
    const before = this.#where;
    this.#where = install;
    if (this.#begun && before?.table === install?.table && before?.metric === install?.metric) return;
    this.#begun = true;
    this.#left.clear();
    const strays: RouteOrder[] = [];
    for (const route of this.#parts.route.routes({ protocol: BGP_ROUTE_PROTOCOL })) {
      if (route.table === install?.table && route.metric === install.metric)
        this.#left.set(keyOf(route.destination), textOf(hopsOf(route)));
      else strays.push(deletion(route.destination, route));
    }
    // A changed table or metric: first the new place, then the old one is cleared.
    for (const key of this.#wanted.keys()) this.#missing.add(key);
    this.#apply(this.#orders([...this.#wanted.keys()]));
    this.#parts.route.changeRoutes(strays);
  }

  /** The speaker has changes. */
  changed(): void {
    this.#pulls = true;
    this.#parts.shares.add(this);
  }

  /** All is known that is going to be: what nobody asked for goes, once what is known has been pulled. */
  converged(): void {
    this.#settling = true;
    this.changed();
  }

  /** The neighbours that lead to a next hop are others now. */
  rerouted(ip: Ip, ifname: string | undefined): void {
    const changed = new Set<Way>();
    for (const way of this.#ways.values()) {
      if (!way.nextHops.some((each) => each.ip === ip && each.ifname === ifname)) continue;
      way.hops = this.#resolve(way.nextHops);
      changed.add(way);
    }
    if (changed.size === 0) return;
    const keys: Key[] = [];
    for (const [key, way] of this.#wanted) if (changed.has(way)) keys.push(key);
    this.#apply(this.#orders(keys));
  }

  /** Somebody, or the loss of an interface, may have taken routes of ours away. */
  check(): void {
    if (this.#where === undefined || this.#wanted.size === 0) return;
    const { loop } = this.#parts;
    this.#checking ??= loop.wakeAt(after(loop.now(), CHECK_AFTER), () => {
      this.#checking = undefined;
      this.#restore();
    });
  }

  /**
   * Somebody has changed a route.  The kernel makes one of two IPv6 routes of the same table and metric when the second is
   * appended, and then half of the packets would go a way that BGP has not learnt.
   */
  touched({ destination, table, metric }: Route): void {
    const key = keyOf(destination);
    if (table !== this.#where?.table || metric !== this.#where.metric) return;
    if (this.#wanted.has(key) && !this.#missing.has(key)) this.check();
  }

  /** What is in the kernel stays there when this is disposed. */
  keep(): void {
    this.#keep = true;
  }

  step(): boolean {
    if (!this.#pulls) return this.#settle();
    const changes = this.#parts.next(BATCH);
    if (changes.length === 0) {
      this.#pulls = false;
      return this.#settling;
    }
    const orders: RouteOrder[] = [];
    for (const change of changes) this.#order(change, orders);
    this.#apply(orders);
    return true;
  }

  [Symbol.dispose](): void {
    this.#checking?.[Symbol.dispose]();
    this.#parts.shares.remove(this);
    if (!this.#keep) {
      const ours = this.#parts.route.routes({ protocol: BGP_ROUTE_PROTOCOL });
      this.#parts.route.changeRoutes(ours.map((route) => deletion(route.destination, route)));
    }
  }

  #settle(): boolean {
    const where = this.#where;
    if (!this.#settling || where === undefined) return false;
    const keys = [...this.#left.keys().take(BATCH)];
    this.#parts.route.changeRoutes(keys.map((key) => deletion(destinationOf(key), where)));
    for (const key of keys) this.#left.delete(key);
    this.#settling = this.#left.size > 0;
    return this.#settling;
  }

  #order({ prefix, nextHops }: RouteChange, orders: RouteOrder[]): void {
    const key = keyOf(prefix);
    const where = this.#where;
    if (nextHops.length > 0) {
      if (!this.#wanted.has(key)) this.#missing.add(key);
      this.#wanted.set(key, this.#way(nextHops));
      if (where !== undefined) this.#orderFor(key, where, orders);
      return;
    }
    const there = this.#wanted.delete(key) && !this.#missing.delete(key);
    this.#refused.delete(key);
    const left = this.#left.delete(key);
    if (where !== undefined && (there || left)) orders.push(deletion(prefix, where));
  }

  /** What makes the kernel's routes for these keys those that are wanted. */
  #orders(keys: readonly Key[]): readonly RouteOrder[] {
    const orders: RouteOrder[] = [];
    if (this.#where !== undefined) for (const key of keys) this.#orderFor(key, this.#where, orders);
    return orders;
  }
  #orderFor(key: Key, where: Where, orders: RouteOrder[]): void {
    const hops = this.#wanted.get(key)?.hops ?? [];
    const destination = destinationOf(key);
    const left = this.#left.get(key);
    const there = left !== undefined || !this.#missing.has(key);
    if (left !== undefined) this.#left.delete(key);
    if (hops.length === 0) {
      // The speaker is told as well, and perhaps knows another way.
      this.#missing.add(key);
      if (there) orders.push(deletion(destination, where));
      return;
    }
    this.#missing.delete(key);
    if (left !== undefined && left === textOf(hops)) return;
    orders.push({ kind: there ? "replace" : "add", route: routeTo(destination, where, hops) });
  }

  #apply(orders: readonly RouteOrder[]): void {
    const failures = this.#parts.route.changeRoutes(orders);
    if (this.#refused.size > 0) {
      const failed = new Set(failures.map(({ index }) => index));
      for (const [index, { route }] of orders.entries())
        if (!failed.has(index)) this.#refused.delete(keyOf(route.destination));
    }
    for (const { index, error, kernel } of failures) {
      const order = orders[index];
      if (order === undefined) continue;
      const { destination } = order.route;
      const key = keyOf(destination);
      if (order.kind !== "delete") this.#missing.add(key);
      const why = error === "EEXIST" ? "somebody else has a route of the same table and metric" : (kernel ?? error);
      const refused = this.#refused.add(key, why);
      if (refused === undefined) continue;
      const prefix = formatPrefix(destination);
      this.#parts.warn("bgp.route-refused", { prefix, order: order.kind, why, refused });
    }
  }

  #restore(): void {
    const where = this.#where;
    if (where === undefined) return;
    const there = new Map<Key, string>();
    for (const route of this.#parts.route.routes({ table: where.table, protocol: BGP_ROUTE_PROTOCOL })) {
      if (route.metric === where.metric)
        there.set(keyOf(route.destination), mergedText(isIpv4(route.destination.ip), hopsOf(route)));
    }
    for (const way of this.#ways.values()) way.hops = this.#resolve(way.nextHops);
    const absent: Key[] = [];
    const joined: Key[] = [];
    let taken = 0;
    for (const [key, { hops }] of this.#wanted) {
      const found = there.get(key);
      if (found === undefined) {
        absent.push(key);
        if (!this.#missing.has(key)) taken++;
        this.#missing.add(key);
      } else if (hops.length > 0 && found !== mergedText(typeof key === "number", hops)) joined.push(key);
    }
    this.#apply(this.#orders([...absent, ...joined]));
    if (taken + joined.length > 0) this.#parts.warn("bgp.routes-restored", { routes: taken + joined.length });
  }

  #way(nextHops: RouteChange["nextHops"]): Way {
    // One after the other they are mostly the same, and then the same object.
    if (this.#last?.nextHops === nextHops) return this.#last;
    const way = this.#wayOf(nextHops);
    this.#last = way;
    return way;
  }
  #wayOf(nextHops: RouteChange["nextHops"]): Way {
    const key = nextHops.map(({ ip, ifname }) => `${ip} ${ifname ?? ""}`).join(",");
    const known = this.#ways.get(key);
    if (known !== undefined) return known;
    if (this.#ways.size >= WAYS) this.#forget();
    const way = { nextHops, hops: this.#resolve(nextHops) };
    this.#ways.set(key, way);
    return way;
  }
  #forget(): void {
    this.#last = undefined;
    const used = new Set(this.#wanted.values());
    for (const [key, way] of this.#ways) if (!used.has(way)) this.#ways.delete(key);
  }

  #resolve(nextHops: RouteChange["nextHops"]): readonly NewHop[] {
    const hops = nextHops.flatMap(({ ip, ifname }) => this.#parts.gateway(ip, ifname).hops);
    // Two next hops behind one neighbour are one way.
    return [...new Map(hops.map((hop) => [textOf([hop]), hop])).values()];
  }
}

/** Next hops of the speaker, and the neighbours that lead there. */
interface Way {
  readonly nextHops: RouteChange["nextHops"];
  hops: readonly NewHop[];
}

/** A number for IPv4, since there may be a million of them. */
type Key = number | string;
function keyOf(prefix: Prefix): Key {
  return isIpv4(prefix.ip) ? prefix.ip * 64 + prefix.length : formatPrefix(prefix);
}
function destinationOf(key: Key): Prefix {
  if (typeof key === "number") return { ip: Math.floor(key / 64), length: key % 64 } as Prefix;
  return prefixOf(key);
}

function routeTo(destination: Prefix, { table, metric }: Where, hops: readonly NewHop[]): NewRoute {
  const base = { destination, table, metric, protocol: BGP_ROUTE_PROTOCOL };
  const [only] = hops;
  if (hops.length > 1 || only === undefined) return { ...base, hops };
  const { weight: _alone, ...hop } = only;
  return { ...base, ...hop };
}

function deletion(
  destination: Prefix,
  { table, metric }: { readonly table: number; readonly metric: number },
): RouteOrder {
  return { kind: "delete", route: { destination, table, metric, protocol: BGP_ROUTE_PROTOCOL } };
}

function hopsOf(route: Route): readonly NewHop[] {
  return route.hops.map(({ gateway, oif, weight }) => ({
    ...(gateway === undefined ? {} : { gateway }),
    ...(oif === undefined ? {} : { oif }),
    weight,
  }));
}
function textOf(hops: readonly NewHop[]): string {
  const weights = hops.length > 1;
  return hops.map(({ gateway, oif, weight }) => `${gateway} ${oif} ${weights ? (weight ?? 1) : 1}`).join(",");
}

/** Where routes can be merged (IPv6); the kernel gives next hops in an order of its own. */
function mergedText(v4: boolean, hops: readonly NewHop[]): string {
  if (v4) return "";
  return hops.length === 1 ? textOf(hops) : textOf(hops).split(",").toSorted().join(",");
}

/** Changes in one step: half a millisecond of the kernel's, so that what peers still say is read at least as fast. */
const BATCH = 64;
const CHECK_AFTER = ms(300);
const WAYS = 10_000;
