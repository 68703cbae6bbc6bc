/**
 * The routing table.  Standards: RFC 2328 §16.1 (intra-area), §16.2 (inter-area), §16.3 is for transit areas of virtual
 * links and left out, §16.4 (external, without RFC 1583 compatibility), §11.1; RFC 3101 §2.5 (type 7); RFC 5340 §4.8.
 */
import { bitsOf, contains, formatPrefix, type Ip, masked } from "../../base/address.ts";
import { bodyAs } from "./body.ts";
import type { NextHop, Route } from "./event.ts";
import { isBorder } from "./own.ts";
import { INFINITY_METRIC } from "./packet/lsa.ts";
import { merged, shortestPaths } from "./spf.ts";
import { type Area, type RouterRoute, type State, type Table, type TableRoute } from "./state.ts";

export function computeRoutes(state: State): Pick<Table, "prefixes" | "routers"> {
  const prefixes = new Map<string, TableRoute>();
  const routers = new Map<number, RouterRoute[]>();
  for (const area of state.areas.values()) intraArea(state, area, prefixes, routers);
  const backbone = state.areas.get(0);
  const examined = isBorder(state) && backbone !== undefined ? [backbone] : [...state.areas.values()];
  for (const area of examined) interArea(state, area, prefixes, routers);
  externals(state, prefixes, routers);
  return { prefixes, routers };
}

/** What the kernel shall have: routes with a gateway.  What is ours, or on a link of ours, it knows. */
export function installable(table: Pick<Table, "prefixes">): ReadonlyMap<string, Route> {
  const found = new Map<string, Route>();
  for (const [name, route] of table.prefixes) {
    if (route.nextHops.length === 0 || route.nextHops.some((each) => each.address === undefined)) continue;
    const { prefix, kind, cost, tag, nextHops } = route;
    found.set(name, { prefix, kind, cost, tag, nextHops });
  }
  return found;
}

export function sameRoute(a: Route, b: Route): boolean {
  if (a.kind !== b.kind || a.cost !== b.cost || a.tag !== b.tag || a.nextHops.length !== b.nextHops.length)
    return false;
  return a.nextHops.every((hop, index) => {
    const other = b.nextHops[index];
    return other?.ifindex === hop.ifindex && other.ifname === hop.ifname && other.address === hop.address;
  });
}

function intraArea(state: State, area: Area, prefixes: Prefixes, routers: Routers): void {
  const attached = state.dialect.attached(area);
  for (const [key, { cost, hops, vertex }] of shortestPaths(state, area)) {
    if (vertex.kind === "router" && (vertex.border || vertex.boundary) && hops.length > 0) {
      const { routerId, border, boundary } = vertex;
      addRouter(routers, { routerId, area: area.id, cost, hops, border, boundary, kind: "intra-area" });
    }
    for (const { prefix, metric } of attached.get(key) ?? []) {
      add(prefixes, { prefix, kind: "intra-area", cost: cost + metric, tag: 0, nextHops: hops, area: area.id });
    }
  }
}

/** §16.2: by area border routers' summaries; a stub's default comes as one of them. */
function interArea(state: State, area: Area, prefixes: Prefixes, routers: Routers): void {
  const { types } = state.dialect;
  for (const { lsa, flushing } of area.home.database.of(types["inter-area-prefix"])) {
    const body = flushing ? undefined : bodyAs(lsa, "inter-area-prefix");
    if (body === undefined || body.metric >= INFINITY_METRIC) continue;
    const via = borderIn(routers, lsa.header.advertisingRouter, area);
    if (via === undefined) continue;
    const cost = via.cost + body.metric;
    add(prefixes, { prefix: body.prefix, kind: "inter-area", cost, tag: 0, nextHops: via.hops, area: area.id });
  }
  for (const { lsa, flushing } of area.home.database.of(types["inter-area-router"])) {
    const body = flushing ? undefined : bodyAs(lsa, "inter-area-router");
    if (body === undefined || body.metric >= INFINITY_METRIC || body.router === state.routerId) continue;
    const via = borderIn(routers, lsa.header.advertisingRouter, area);
    if (via === undefined) continue;
    addRouter(routers, {
      routerId: body.router,
      area: area.id,
      cost: via.cost + body.metric,
      hops: via.hops,
      border: false,
      boundary: true,
      kind: "inter-area",
    });
  }
}

/** §16.4; RFC 3101 §2.5 for what is heard in an NSSA. */
function externals(state: State, prefixes: Prefixes, routers: Routers): void {
  const inner = new Map(prefixes);
  const found = new Map<string, External>();
  const { types } = state.dialect;
  const homes: (readonly [Area | undefined, number])[] = [[undefined, types.external]];
  for (const area of state.areas.values()) if (area.kind === "nssa") homes.push([area, types.nssa]);
  for (const [area, type] of homes) {
    for (const { lsa, flushing } of (area?.home.database ?? state.database).of(type)) {
      if (flushing || lsa.header.advertisingRouter === state.routerId) continue;
      const body = area === undefined ? bodyAs(lsa, "external") : bodyAs(lsa, "nssa");
      if (body === undefined || body.metric >= INFINITY_METRIC) continue;
      const asbr = boundary(routers, lsa.header.advertisingRouter, area);
      if (asbr === undefined) continue;
      // (3): through the forwarding address, if its own path is an inner one (of the same NSSA for type 7).
      let path: Path | undefined = asbr;
      if (body.forwarding !== undefined) path = pathTo(state, inner, body.forwarding, area);
      if (path === undefined) continue;
      const name = formatPrefix(body.prefix);
      const known = prefixes.get(name);
      if (known !== undefined && known.kind !== "external-1" && known.kind !== "external-2") continue;
      const next: External = {
        prefix: body.prefix,
        kind: body.metricType === 1 ? "external-1" : "external-2",
        cost: body.metricType === 1 ? path.cost + body.metric : body.metric,
        distance: path.cost,
        preferred: path.kind === "intra-area" && path.area !== 0,
        // RFC 3101 §2.5 (6) (e): type 7 with P, then type 5, then the rest.
        rank: area === undefined ? 1 : state.dialect.propagates(lsa, body) ? 2 : 0,
        tag: body.tag,
        nextHops: path.hops,
        area: undefined,
      };
      const rival = found.get(name);
      const better = rival === undefined ? -1 : compareExternal(next, rival);
      if (better > 0) continue;
      const hops = better === 0 && rival !== undefined ? merged(rival.nextHops, next.nextHops) : next.nextHops;
      found.set(name, { ...next, nextHops: hops });
    }
  }
  for (const [name, { prefix, kind, cost, tag, nextHops, area }] of found) {
    prefixes.set(name, { prefix, kind, cost, tag, nextHops, area });
  }
}

interface External extends TableRoute {
  readonly distance: number;
  readonly preferred: boolean;
  readonly rank: number;
}
interface Path {
  readonly cost: number;
  readonly hops: readonly NextHop[];
  readonly area: number | undefined;
  readonly kind: Route["kind"];
}
type Prefixes = Map<string, TableRoute>;
type Routers = Map<number, RouterRoute[]>;

/** §16.4 (6), §16.4.1. */
function compareExternal(a: External, b: External): number {
  if (a.kind !== b.kind) return a.kind === "external-1" ? -1 : 1;
  if (a.kind === "external-2" && a.cost !== b.cost) return a.cost - b.cost;
  if (a.preferred !== b.preferred) return a.preferred ? -1 : 1;
  const [x, y] = a.kind === "external-1" ? [a.cost, b.cost] : [a.distance, b.distance];
  return x !== y ? x - y : b.rank - a.rank;
}

/** §16.4 (3), §16.4.1: the best of the ways to the boundary router; type 7 only through its own area. */
function boundary(routers: Routers, routerId: number, nssa: Area | undefined): Path | undefined {
  let best: RouterRoute | undefined;
  for (const each of routers.get(routerId) ?? []) {
    if (!each.boundary || (nssa !== undefined && each.area !== nssa.id)) continue;
    if (best === undefined || comparePaths(each, best) < 0) best = each;
  }
  return best;
}
function comparePaths(a: RouterRoute, b: RouterRoute): number {
  const rank = (each: RouterRoute): number => (each.kind === "intra-area" && each.area !== 0 ? 0 : 1);
  return rank(a) - rank(b) || a.cost - b.cost || b.area - a.area;
}

function pathTo(
  state: State,
  inner: ReadonlyMap<string, TableRoute>,
  address: Ip,
  nssa: Area | undefined,
): Path | undefined {
  const most = bitsOf(address);
  for (let length = most; length >= 0; length--) {
    const route = inner.get(formatPrefix({ ip: masked(address, length), length }));
    if (route === undefined) continue;
    if (nssa !== undefined && (route.kind !== "intra-area" || route.area !== nssa.id)) return undefined;
    const hops =
      route.nextHops.length === 0
        ? onLink(state, address)
        : route.nextHops.map((each) => (each.address === undefined ? { ...each, address } : each));
    if (hops.length === 0) return undefined; // it is our own address
    return { cost: route.cost, hops, area: route.area, kind: route.kind };
  }
  return undefined;
}

/** On a stub link of ours, as a point-to-point link's subnet is (§12.4.1.1), `address` is itself the next hop. */
function onLink(state: State, address: Ip): readonly NextHop[] {
  for (const { name: ifname, link } of state.interfaces.values()) {
    if (link === undefined || link.addresses.some(({ ip }) => ip === address)) continue;
    if (link.addresses.some(({ ip, length }) => contains({ ip: masked(ip, length), length }, address)))
      return [{ ifname, ifindex: link.ifindex, address }];
  }
  return [];
}

function borderIn(routers: Routers, routerId: number, area: Area): RouterRoute | undefined {
  return routers.get(routerId)?.find((each) => each.border && each.area === area.id && each.kind === "intra-area");
}

function addRouter(routers: Routers, route: RouterRoute): void {
  const all = routers.get(route.routerId) ?? [];
  const at = all.findIndex((each) => each.area === route.area);
  const known = all[at];
  if (known === undefined) routers.set(route.routerId, [...all, route]);
  else if (known.kind === route.kind && known.cost === route.cost) {
    all[at] = { ...known, hops: merged(known.hops, route.hops) };
  } else if (known.kind === route.kind ? route.cost < known.cost : route.kind === "intra-area") all[at] = route;
}

/** §11: intra-area before inter-area, then the cost; equal ones share. */
function add(prefixes: Prefixes, route: TableRoute): void {
  const name = formatPrefix(route.prefix);
  const known = prefixes.get(name);
  if (known === undefined) prefixes.set(name, route);
  else if (known.kind !== route.kind) {
    if (route.kind === "intra-area") prefixes.set(name, route);
  } else if (route.cost < known.cost) prefixes.set(name, route);
  else if (route.cost === known.cost) {
    // One that is ours (no hop at all) stays ours.
    const ours = known.nextHops.length === 0 || route.nextHops.length === 0;
    prefixes.set(name, { ...known, nextHops: ours ? [] : merged(known.nextHops, route.nextHops) });
  }
}
