/**
 * Routes that OSPF computed, in the kernel with our protocol number.  Desired against actual: what an earlier life left is
 * taken over or removed, what the kernel dropped (an address went and came back) is put back, a stranger's route with the
 * same destination and metric is left alone and reported.
 */
import { formatPrefix, isIpv4, type Prefix } from "../../../base/address.ts";
import { OSPF_ROUTE_PROTOCOL } from "../../kernel/marks.ts";
import type { NewRoute } from "../../kernel/netlink/route.ts";
import type { RouteSocket } from "../../kernel/netlink/route-socket.ts";
import type { RouteOrder } from "../../kernel/netlink/route-writer.ts";
import type { Route } from "../event.ts";
import type { OspfPlan } from "../plan.ts";

export type RouteNote = (name: string, fields: Readonly<Record<string, unknown>>) => void;

export class LearntRoutes {
  readonly #socket: RouteSocket;
  readonly #v4: boolean;
  readonly #note: RouteNote;
  #install: OspfPlan["install"];
  readonly #wanted = new Map<string, Route>();
  /** Destinations that the kernel has from us, in the table and with the metric of `#install`. */
  readonly #there = new Map<string, Prefix>();
  /** Refused, and why: said once. */
  readonly #refused = new Map<string, string>();
  /** Nothing is removed before the first complete picture: a restart's routes stay until it is over. */
  #settled = false;

  constructor(socket: RouteSocket, version: 2 | 3, install: OspfPlan["install"], note: RouteNote) {
    this.#socket = socket;
    this.#v4 = version === 2;
    this.#note = note;
    this.#install = install;
  }

  /** Before anything else; what it finds is ours already, and removed when the first complete picture lacks it. */
  begin(): void {
    this.#adopt();
  }

  configure(install: OspfPlan["install"]): void {
    if (install?.table === this.#install?.table && install?.metric === this.#install?.metric) return;
    this.#remove([...this.#there.values()]);
    this.#install = install;
    this.#adopt();
    this.#put([...this.#wanted.values()]);
  }

  change(set: readonly Route[], gone: readonly Prefix[], complete: boolean): void {
    if (complete) this.#wanted.clear();
    for (const prefix of gone) this.#wanted.delete(formatPrefix(prefix));
    for (const route of set) this.#wanted.set(formatPrefix(route.prefix), route);
    this.#put(set);
    if (complete) this.#settled = true;
    const left = complete ? [...this.#there.values()].filter((each) => !this.#wanted.has(formatPrefix(each))) : gone;
    this.#remove(left);
  }

  /** Puts back what the kernel dropped. */
  repair(): void {
    if (this.#wanted.size === 0) return;
    this.#there.clear();
    this.#adopt();
    const missing = [...this.#wanted.values()].filter((each) => !this.#there.has(formatPrefix(each.prefix)));
    if (missing.length > 0) this.#put(missing);
  }

  clear(): void {
    this.#wanted.clear();
    this.#remove([...this.#there.values()]);
  }

  /** Takes over what is in the kernel under our number. */
  #adopt(): void {
    const install = this.#install;
    if (install === undefined) return;
    for (const route of this.#socket.routes({ table: install.table, protocol: OSPF_ROUTE_PROTOCOL })) {
      if (isIpv4(route.destination.ip) !== this.#v4) continue;
      if (route.metric === install.metric) this.#there.set(formatPrefix(route.destination), route.destination);
      else if (!this.#settled) this.#delete(route.destination, install.table, route.metric); // of another configuration
    }
  }

  #put(routes: readonly Route[]): void {
    const install = this.#install;
    if (install === undefined || routes.length === 0) return;
    const orders = routes.map((route): RouteOrder => {
      const kind = this.#there.has(formatPrefix(route.prefix)) ? "replace" : "add";
      return { kind, route: newRoute(route, install) };
    });
    const refused = new Map(this.#socket.changeRoutes(orders).map((each) => [each.index, each]));
    routes.forEach((route, index) => {
      const key = formatPrefix(route.prefix);
      const refusal = refused.get(index);
      if (refusal === undefined) {
        this.#there.set(key, route.prefix);
        this.#refused.delete(key);
      } else if (this.#refused.get(key) !== refusal.error) {
        this.#refused.set(key, refusal.error);
        const { error, kernel } = refusal;
        this.#note("ospf.route-refused", {
          level: "warn",
          prefix: key,
          error,
          ...(kernel === undefined ? {} : { kernel }),
        });
      }
    });
  }

  #remove(prefixes: readonly Prefix[]): void {
    const install = this.#install;
    if (install === undefined) return;
    const orders: RouteOrder[] = [];
    for (const destination of prefixes) {
      const key = formatPrefix(destination);
      this.#refused.delete(key);
      if (!this.#there.delete(key)) continue;
      const { table, metric } = install;
      orders.push({ kind: "delete", route: { destination, table, metric, protocol: OSPF_ROUTE_PROTOCOL } });
    }
    this.#failed(orders);
  }

  #delete(destination: Prefix, table: number, metric: number): void {
    this.#failed([{ kind: "delete", route: { destination, table, metric, protocol: OSPF_ROUTE_PROTOCOL } }]);
  }

  #failed(orders: readonly RouteOrder[]): void {
    for (const { index, error } of this.#socket.changeRoutes(orders)) {
      const order = orders[index];
      const prefix = order === undefined ? "" : formatPrefix(order.route.destination);
      this.#note("ospf.route-stays", { level: "warn", prefix, error });
    }
  }
}

function newRoute(route: Route, install: NonNullable<OspfPlan["install"]>): NewRoute {
  const { table, metric } = install;
  const base = { destination: route.prefix, table, metric, protocol: OSPF_ROUTE_PROTOCOL };
  const [first, ...others] = route.nextHops;
  const hops = route.nextHops.map(({ address, ifindex }) =>
    address === undefined ? { oif: ifindex } : { gateway: address, oif: ifindex, onLink: true },
  );
  if (first !== undefined && others.length === 0) return { ...base, ...hops[0] };
  return { ...base, hops };
}
