/**
 * The hands of choices: the routes that carry traffic classes, by rtnetlink.  A move is one datagram of replaces; what
 * others change in our routes is put right, what went with its device comes back with it.  Part of the pulse process.
 * On a kill everything stays and goes on carrying traffic; the next process finds it by protocol, table and metric.
 */
import { formatPrefix } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { after, type Ms, ms } from "../../../base/unit.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import { MARK_MASK, markValue, ROUTE_PROTOCOL, RULE_PREFERENCE } from "../../../netstack/kernel/marks.ts";
import type { NewRoute, Route } from "../../../netstack/kernel/netlink/route.ts";
import { RouteSocket } from "../../../netstack/kernel/netlink/route-socket.ts";
import type { RouteOrder } from "../../../netstack/kernel/netlink/route-writer.ts";
import { type Change, watch } from "../../../netstack/kernel/netlink/watch.ts";
import type { CandidateSpec, ChoiceSpec } from "../../steer-plan.ts";
import {
  carrierIn,
  isLaneMetric,
  LANE_METRIC,
  type Lane,
  type LaneRoute,
  planLanes,
  wantedRoutes,
} from "../lane-routes.ts";

export interface LanesParts {
  readonly loop: Loop;
  readonly event: (name: string, fields: Readonly<Record<string, unknown>>) => void;
  /** Between two looks at everything, for what no watch tells of. */
  readonly auditEvery?: Ms;
  /** After the start: until what nobody asks for is taken for left behind. */
  readonly sweepAfter?: Ms;
}

export class Lanes implements Disposable {
  readonly #parts: LanesParts;
  readonly #route = new RouteSocket();
  readonly #watch: Disposable;
  readonly #devices = new Map<string, { readonly index: number; readonly up: boolean }>();
  readonly #lanes = new Map<string, Lane>();
  /** Tables that are, or were, in the plan since this process began. */
  readonly #tables = new Set<number>();
  #looking: Disposable | undefined;
  #sweeping: Disposable | undefined;
  #auditing: Disposable | undefined;
  #why: "drift" | "device" = "device";
  /** What could not be done, so that it is told once. */
  #refused = new Set<string>();

  constructor(parts: LanesParts) {
    this.#parts = parts;
    // Before anything is listed, so that no change falls between.
    const changed = (change: Change): void => this.#changed(change);
    this.#watch = watch(parts.loop, ["links", "routes"], { changed }, this.#route.port, ROUTE_PROTOCOL);
    this.#list();
    const { loop, sweepAfter = SWEEP_AFTER } = parts;
    this.#sweeping = loop.wakeAt(after(loop.now(), sweepAfter), () => this.#sweep());
    this.#auditLater();
  }

  /** What the tables say that carries each choice. */
  find(choices: readonly ChoiceSpec[]): ReadonlyMap<string, string> {
    const have = this.#attempt(() => this.#observe(new Set(choices.map(({ table }) => table)))) ?? [];
    const found = choices.flatMap((spec): (readonly [string, string])[] => {
      const carrier = carrierIn(spec, spec.candidates, have, (ifname) => this.#devices.get(ifname));
      return carrier === undefined ? [] : [[spec.id, carrier.path]];
    });
    return new Map(found);
  }

  /** The whole truth; `carrierOf` as the engine has it. */
  plan(choices: readonly ChoiceSpec[], carrierOf: (choice: string) => CandidateSpec | undefined): void {
    this.#lanes.clear();
    for (const { id, table, destinations, killSwitch } of choices) {
      if (!this.#isOurs(id, table)) continue;
      this.#tables.add(table);
      this.#lanes.set(id, { choice: id, table, destinations, killSwitch, carrier: carrierOf(id) });
    }
    this.#attempt(() => this.#reconcile());
  }

  /** Moves choices, all in one datagram. */
  carry(moves: ReadonlyMap<string, CandidateSpec | undefined>): void {
    let whole = false;
    const orders: RouteOrder[] = [];
    for (const [choice, carrier] of moves) {
      const before = this.#lanes.get(choice);
      if (before === undefined) continue;
      const lane = { ...before, carrier };
      this.#lanes.set(choice, lane);
      const wanted = wantedRoutes(lane, (ifname) => this.#devices.get(ifname));
      const carried = wanted.filter(({ metric }) => metric === LANE_METRIC.carrier);
      // Not each destination has a way there: what is left over has to be looked for.
      if (carried.length < lane.destinations.length) whole = true;
      orders.push(...carried.map((route) => ({ kind: "replace", route: newRoute(route) }) as const));
    }
    this.#attempt(() => {
      this.#apply(orders);
      if (whole) this.#reconcile();
    });
  }

  /** All routes of all choices go: the operator wants nothing of ours left. */
  remove(): void {
    this.#lanes.clear();
    this.#attempt(() => {
      const ours = this.#observe(this.#tables);
      this.#apply(ours.map((route) => ({ kind: "delete", route: oldRoute(route) }) as const));
    });
  }

  [Symbol.dispose](): void {
    this.#looking?.[Symbol.dispose]();
    this.#sweeping?.[Symbol.dispose]();
    this.#auditing?.[Symbol.dispose]();
    this.#watch[Symbol.dispose]();
    this.#route[Symbol.dispose]();
  }

  #changed(change: Change): void {
    switch (change.kind) {
      case "link": {
        const { name, index, up } = change.link;
        const before = this.#devices.get(name);
        for (const [other, device] of this.#devices)
          if (device.index === index && other !== name) this.#devices.delete(other);
        if (change.gone) this.#devices.delete(name);
        else this.#devices.set(name, { index, up });
        const now = this.#devices.get(name);
        if (before?.index === now?.index && before?.up === now?.up) return;
        // The kernel takes routes away with their device, for IPv4 without a word.
        return this.#lookSoon("device");
      }
      case "route": {
        const { table, protocol, metric } = change.route;
        if (protocol === ROUTE_PROTOCOL && this.#tables.has(table) && isLaneMetric(metric)) this.#lookSoon("drift");
        return;
      }
      case "resync":
        this.#attempt(() => this.#list());
        return this.#lookSoon("drift");
      case "address":
      case "rule":
      case "neighbour":
        return; // not watched
    }
  }

  #list(): void {
    this.#devices.clear();
    for (const { name, index, up } of this.#route.links()) this.#devices.set(name, { index, up });
  }

  /** Who puts a route of another protocol in the place of one of ours is not heard of. */
  #auditLater(): void {
    const { loop, auditEvery = AUDIT_EVERY } = this.#parts;
    this.#auditing = loop.wakeAt(after(loop.now(), auditEvery), () => {
      if (this.#looking === undefined) {
        this.#why = "drift";
        this.#look();
      }
      this.#auditLater();
    });
  }

  #lookSoon(why: "drift" | "device"): void {
    const { loop } = this.#parts;
    if (this.#looking === undefined) this.#why = why;
    else if (why === "device") this.#why = why;
    this.#looking ??= loop.wakeAt(after(loop.now(), SOON), () => this.#look());
  }

  #look(): void {
    this.#looking = undefined;
    const changed = this.#attempt(() => this.#reconcile()) ?? [];
    if (this.#why !== "drift" || changed.length === 0) return;
    const routes = changed.slice(0, MOST_TOLD);
    this.#parts.event("wan.routes-repaired", { routes, count: changed.length, level: "warn" });
  }

  #reconcile(): readonly string[] {
    const have = this.#observe(this.#tables);
    const { replace, remove } = planLanes([...this.#lanes.values()], have, (ifname) => this.#devices.get(ifname));
    this.#apply([
      ...replace.map((route) => ({ kind: "replace", route: newRoute(route) }) as const),
      ...remove.map((route) => ({ kind: "delete", route: oldRoute(route) }) as const),
    ]);
    return [...replace, ...remove].map(({ table, destination }) => `${formatPrefix(destination)} table ${table}`);
  }

  /** What an earlier process left in tables that nobody has asked for since. */
  #sweep(): void {
    this.#sweeping = undefined;
    const { first } = RULE_PREFERENCE;
    const all = Array.from({ length: markValue(MARK_MASK) }, (_, place) => first + 1 + place);
    const others = all.filter((table) => !this.#tables.has(table));
    const strays = this.#attempt(() => {
      const found = this.#observe(others);
      this.#apply(found.map((route) => ({ kind: "delete", route: oldRoute(route) }) as const));
      return found;
    });
    if (strays === undefined || strays.length === 0) return;
    this.#parts.event("wan.routes-swept", { count: strays.length, level: "info" });
  }

  /** Table by table: a look at all routes of a host that has a million of them would hold up everything else here. */
  #observe(tables: Iterable<number>): readonly LaneRoute[] {
    const { first, last } = RULE_PREFERENCE;
    return [...tables]
      .filter((table) => table > first && table <= last)
      .flatMap((table) => this.#route.routes({ table, protocol: ROUTE_PROTOCOL }))
      .filter(({ metric }) => isLaneMetric(metric))
      .map(asLaneRoute);
  }

  #apply(orders: readonly RouteOrder[]): void {
    if (orders.length === 0) return;
    const refused = new Set<string>();
    for (const { index, error, kernel } of this.#route.changeRoutes(orders)) {
      const order = orders[index];
      if (order === undefined) continue;
      const { destination, table } = order.route;
      const fields = { order: order.kind, destination: formatPrefix(destination), table, error, kernel };
      const key = JSON.stringify(fields);
      refused.add(key);
      if (!this.#refused.has(key)) this.#parts.event("wan.route-refused", { ...fields, level: "warn" });
    }
    this.#refused = refused;
  }

  /** Never a table of anybody else, whatever the plan says. */
  #isOurs(choice: string, table: number): boolean {
    const { first, last } = RULE_PREFERENCE;
    const is = table > first && table <= last;
    if (!is) this.#parts.event("wan.table-refused", { choice, table, level: "error" });
    return is;
  }

  /** What the kernel refuses as a whole now it may grant soon; virtual IPs and BFD go on meanwhile. */
  #attempt<T>(act: () => T): T | undefined {
    try {
      return act();
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      this.#parts.event("wan.routes-failed", { code: cause.code, ...cause.fields, level: "error" });
      const { loop } = this.#parts;
      this.#looking ??= loop.wakeAt(after(loop.now(), RETRY), () => this.#look());
      return undefined;
    }
  }
}

function asLaneRoute({ destination, table, metric, hops, type }: Route): LaneRoute {
  const [hop] = hops;
  const isCarrier = type === "unicast" && hops.length === 1;
  return {
    destination,
    table,
    metric,
    // Multipath or another type: somebody's hand; no number of an interface is this.
    oif: isCarrier ? hop?.oif : metric === LANE_METRIC.refusal && type === "unreachable" ? undefined : -1,
    gateway: isCarrier ? hop?.gateway : undefined,
  };
}

function newRoute({ destination, table, metric, oif, gateway }: LaneRoute): NewRoute {
  const route = { destination, table, metric, protocol: ROUTE_PROTOCOL };
  if (oif === undefined) return { ...route, type: "unreachable" };
  // A provider's gateway may be in another network than the address that it gave.
  return gateway === undefined ? { ...route, oif } : { ...route, oif, gateway, onLink: true };
}

function oldRoute({ destination, table, metric }: LaneRoute): NewRoute {
  return { destination, table, metric, protocol: ROUTE_PROTOCOL };
}

/** Several changes come together. */
const SOON = ms(20);
const RETRY = ms(1000);
/** Control has had its say by then, and tunnels are up. */
const SWEEP_AFTER = ms(60_000);
const AUDIT_EVERY = ms(60_000);
const MOST_TOLD = 10;
