/**
 * rtnetlink: this host's links, addresses, routes, rules and neighbours, and changing them.  Synchronous: each call is one request that
 * the kernel answers before it returns (20 to 50 µs).  One socket per network namespace: it belongs to the namespace in
 * which it was opened, for ever (see namespace.ts).
 */
import { type Ip, type Mac, octetsOfMac } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import type { Result } from "../../../base/result.ts";
import { EADDRNOTAVAIL, EHOSTUNREACH, ENETDOWN, ENETUNREACH } from "../errno.ts";
import { AF_INET, AF_INET6 } from "../sockaddr.ts";
import {
  type Address,
  decodeAddress,
  encodeAddress,
  encodeGetAddresses,
  type NewAddress,
  RTM_DELADDR,
  RTM_GETADDR,
  RTM_NEWADDR,
} from "./address.ts";
import type { Malformed } from "./attribute.ts";
import { EEXIST, ENODEV, ENOENT, errorName, NETLINK_ROUTE, NetlinkClient } from "./client.ts";
import {
  decodeLink,
  encodeGetLink,
  encodeLinkChange,
  encodeNewLink,
  type Link,
  type LinkChange,
  RTM_DELLINK,
  RTM_GETLINK,
  RTM_NEWLINK,
  RTM_SETLINK,
} from "./link.ts";
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "./message.ts";
import {
  decodeNeighbour,
  encodeDeleteNeighbour,
  encodeGetNeighbours,
  encodeNeighbour,
  type Neighbour,
  type NewNeighbour,
  RTM_DELNEIGH,
  RTM_GETNEIGH,
  RTM_NEWNEIGH,
} from "./neighbour.ts";
import {
  decodeRoute,
  encodeDeleteRoute,
  encodeFindRoute,
  encodeGetRoutes,
  encodeRoute,
  type NewRoute,
  type OldRoute,
  type Route,
  RTM_DELROUTE,
  RTM_GETROUTE,
  RTM_NEWROUTE,
} from "./route.ts";
import { type RouteOrder, RouteWriter } from "./route-writer.ts";
import {
  decodeRule,
  encodeGetRules,
  encodeRule,
  type NewRule,
  RTM_DELRULE,
  RTM_GETRULE,
  RTM_NEWRULE,
  type Rule,
} from "./rule.ts";
import { type Counters, decodeCounters, encodeGetCounters, RTM_GETSTATS } from "./statistics.ts";

export interface RouteRefusal {
  /** Of the change. */
  readonly index: number;
  /** "EEXIST" … */
  readonly error: string;
  readonly kernel: string | undefined;
}

export class RouteSocket implements Disposable {
  readonly #client = new NetlinkClient(NETLINK_ROUTE, "NETLINK");
  #writerMade: RouteWriter | undefined;

  links(): readonly Link[] {
    return this.#list("list links", RTM_GETLINK, encodeGetLink(0), decodeLink);
  }

  /** By name or by index; undefined when there is none. */
  link(which: string | number): Link | undefined {
    const payload = typeof which === "string" ? encodeGetLink(0, which) : encodeGetLink(which);
    const found = this.#client.get(`get link ${which}`, RTM_GETLINK, payload, [ENODEV]);
    return found === undefined ? undefined : this.#read(decodeLink(found));
  }

  /** undefined when there is no such interface. */
  counters(index: number): Counters | undefined {
    const found = this.#client.get(`get counters of ${index}`, RTM_GETSTATS, encodeGetCounters(index), [ENODEV]);
    return found === undefined ? undefined : this.#read(decodeCounters(found));
  }

  /** The index of an interface that must be there. */
  indexOf(name: string): number {
    const found = this.link(name);
    if (found === undefined) throw new Fault("INTERFACE_MISSING", { ifname: name });
    return found.index;
  }

  changeLink(which: string | number, change: Omit<LinkChange, "mac"> & { readonly mac?: Mac }): void {
    const { mac, ...rest } = change;
    const index = typeof which === "string" ? this.indexOf(which) : which;
    const payload = encodeLinkChange(index, mac === undefined ? rest : { ...rest, mac: octetsOfMac(mac) });
    this.#client.request(`change link ${which}`, RTM_SETLINK, 0, payload);
  }

  addBridge(name: string): number {
    this.#client.request(
      `add bridge ${name}`,
      RTM_NEWLINK,
      NLM_F_CREATE | NLM_F_EXCL,
      encodeNewLink({ name }, { kind: "bridge" }),
    );
    return this.indexOf(name);
  }

  /** A pair of connected interfaces; the second may begin its life in another namespace. */
  addVeth(name: string, peer: { readonly name: string; readonly namespaceFd?: number }): number {
    this.#client.request(
      `add veth ${name}`,
      RTM_NEWLINK,
      NLM_F_CREATE | NLM_F_EXCL,
      encodeNewLink({ name }, { kind: "veth", peer }),
    );
    return this.indexOf(name);
  }

  /** Returns false when it was not there. */
  deleteLink(which: string | number): boolean {
    const payload = typeof which === "string" ? encodeGetLink(0, which) : encodeGetLink(which);
    return this.#delete(`delete link ${which}`, RTM_DELLINK, payload, [ENODEV]);
  }

  /** Of one interface, or of all. */
  addresses(index = 0): readonly Address[] {
    const found = [AF_INET, AF_INET6].flatMap((family) =>
      // An interface may go between two questions about it.
      this.#list("list addresses", RTM_GETADDR, encodeGetAddresses(family, index), decodeAddress, [ENODEV]),
    );
    // Kernels without strict checking return all interfaces.
    return index === 0 ? found : found.filter((each) => each.index === index);
  }

  /** Returns false when the interface has it already. */
  addAddress(address: NewAddress): boolean {
    return this.#add("add address", RTM_NEWADDR, encodeAddress(address));
  }

  /** Returns false when it was not there. */
  deleteAddress(ip: Ip, prefixLength: number, index: number): boolean {
    const absent = [EADDRNOTAVAIL, ENODEV, ENXIO];
    return this.#delete("delete address", RTM_DELADDR, encodeAddress({ ip, prefixLength, index }), absent);
  }

  /** Of both families; of one table, one protocol, or with a next hop by one interface when given. */
  routes(
    filter: { readonly table?: number; readonly protocol?: number; readonly oif?: number } = {},
  ): readonly Route[] {
    const { table = 0, protocol = 0, oif = 0 } = filter;
    const found = [AF_INET, AF_INET6].flatMap((family) =>
      // A table that was never used does not exist, and a strict dump of it says ENOENT.
      this.#list("list routes", RTM_GETROUTE, encodeGetRoutes(family, table, protocol, oif), decodeRoute, [
        ENOENT,
        ENODEV,
      ]),
    );
    return found.filter(
      (each) =>
        (table === 0 || each.table === table) &&
        (protocol === 0 || each.protocol === protocol) &&
        (oif === 0 || each.hops.some((hop) => hop.oif === oif)),
    );
  }

  /** Returns false when the same route is there already. */
  addRoute(route: NewRoute): boolean {
    return this.#add("add route", RTM_NEWROUTE, encodeRoute(route));
  }

  /** Adds it, or takes the place of the one with the same destination, table and metric: no packet finds neither. */
  replaceRoute(route: NewRoute): void {
    this.#client.request("replace route", RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, encodeRoute(route));
  }

  /** Returns false when it was not there. */
  deleteRoute(route: OldRoute): boolean {
    return this.#delete("delete route", RTM_DELROUTE, encodeDeleteRoute(route), ABSENT);
  }

  /** The route that packets to `ip` take; undefined when there is none. */
  findRoute(ip: Ip, oif?: number): Route | undefined {
    const found = this.#client.get("find a route", RTM_GETROUTE, encodeFindRoute(ip, oif), NO_ROUTE);
    return found === undefined ? undefined : this.#read(decodeRoute(found));
  }

  /**
   * Many changes with one system call for some hundred of them; returns what the kernel refused.  Deleting what is not
   * there is no refusal.  "add" leaves what is there, whoever made it, and is refused with EEXIST.
   */
  changeRoutes(changes: readonly RouteOrder[]): readonly RouteRefusal[] {
    const refused: RouteRefusal[] = [];
    for (let from = 0; from < changes.length; ) {
      const first = this.#client.reserve(BATCH);
      let count = 0;
      this.#writer.begin();
      for (let order = changes[from]; order !== undefined && count < BATCH; order = changes[from + count]) {
        if (!this.#writer.put(order, (first + count) >>> 0)) break;
        count++;
      }
      for (const [place, { errno, text }] of this.#client.batch(this.#writer.finish(), first, count)) {
        const index = from + place;
        if (changes[index]?.kind === "delete" && ABSENT.includes(errno)) continue;
        refused.push({ index, error: errorName(errno), kernel: text });
      }
      from += count;
    }
    return refused;
  }

  /** What the kernel names as the author of the changes that this socket makes. */
  get port(): number {
    return this.#client.port;
  }

  rules(): readonly Rule[] {
    return [AF_INET, AF_INET6].flatMap((family) =>
      this.#list("list rules", RTM_GETRULE, encodeGetRules(family), decodeRule),
    );
  }

  /** Returns false when the same rule is there already. */
  addRule(rule: NewRule): boolean {
    return this.#add("add rule", RTM_NEWRULE, encodeRule(rule));
  }

  /** Returns false when it was not there. */
  deleteRule(rule: NewRule): boolean {
    return this.#delete("delete rule", RTM_DELRULE, encodeRule(rule), [ENOENT]);
  }

  neighbours(index = 0): readonly Neighbour[] {
    const found = [AF_INET, AF_INET6].flatMap((family) =>
      this.#list("list neighbours", RTM_GETNEIGH, encodeGetNeighbours(family), decodeNeighbour),
    );
    return index === 0 ? found : found.filter((each) => each.index === index);
  }

  replaceNeighbour(neighbour: NewNeighbour): void {
    const payload = encodeNeighbour(neighbour);
    this.#client.request("replace neighbour", RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, payload);
  }

  /** Returns false when it was not there. */
  deleteNeighbour(ip: Ip, index: number): boolean {
    return this.#delete("delete neighbour", RTM_DELNEIGH, encodeDeleteNeighbour(ip, index), [ENOENT, ENODEV]);
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }

  /** Most sockets never need its 64 KiB. */
  get #writer(): RouteWriter {
    this.#writerMade ??= new RouteWriter();
    return this.#writerMade;
  }

  #add(what: string, type: number, payload: Uint8Array): boolean {
    const verdict = this.#client.try(type, NLM_F_CREATE | NLM_F_EXCL, payload);
    if (verdict.errno !== 0 && verdict.errno !== EEXIST) throw this.#client.refusal(what, verdict);
    return verdict.errno === 0;
  }

  #delete(what: string, type: number, payload: Uint8Array, absent: readonly number[]): boolean {
    const verdict = this.#client.try(type, 0, payload);
    if (verdict.errno !== 0 && !absent.includes(verdict.errno)) throw this.#client.refusal(what, verdict);
    return verdict.errno === 0;
  }

  #list<T>(
    what: string,
    type: number,
    payload: Uint8Array,
    decode: (payload: Uint8Array) => Result<T, Malformed>,
    absent: readonly number[] = [],
  ): readonly T[] {
    return this.#client.dump(what, type, payload, absent).map((each) => this.#read(decode(each)));
  }

  #read<T>(decoded: Result<T, Malformed>): T {
    if (decoded.ok) return decoded.value;
    throw this.#client.malformed(decoded.error);
  }
}

const ESRCH = 3;
const EACCES = 13;
const EINVAL = 22;
const ABSENT = [ESRCH, ENODEV];
/** Nowhere to go, in the words of both families; what a route of type unreachable, blackhole or prohibit says. */
const NO_ROUTE = [ESRCH, ENODEV, ENETUNREACH, EHOSTUNREACH, ENETDOWN, EINVAL, EACCES];
/** Messages in one datagram. */
const BATCH = 256;
/** The interface does not speak IPv6 at all (its MTU is below 1280). */
const ENXIO = 6;
