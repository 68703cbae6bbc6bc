/**
 * The shortest paths of one area.  Standards: RFC 2328 §16.1, §16.1.1 (next hops), §16.8 (equal cost); RFC 5340 §4.8.1.
 * What is found hangs on vertices; `route.ts` turns them into destinations.
 */
import type { Ip } from "../../base/address.ts";
import { bodyAs } from "./body.ts";
import { routerVertex } from "./dialect.ts";
import type { NextHop } from "./event.ts";
import { Heap } from "./heap.ts";
import type { RouterLink } from "./packet/lsa.ts";
import { type Area, atLeast, type Interface, isAdjacent, type State } from "./state.ts";

export interface Reached {
  readonly cost: number;
  /** Empty: it is us. */
  readonly hops: readonly NextHop[];
  readonly vertex: Vertex;
}
export type Vertex = RouterVertex | NetworkVertex;
export interface RouterVertex {
  readonly kind: "router";
  readonly key: string;
  readonly routerId: number;
  readonly border: boolean;
  readonly boundary: boolean;
  readonly transit: boolean;
  readonly links: readonly RouterLink[];
}
export interface NetworkVertex {
  readonly kind: "network";
  readonly key: string;
  readonly routers: readonly number[];
}

export function shortestPaths(state: State, area: Area): ReadonlyMap<string, Reached> {
  const graph = graphOf(state, area);
  const root = graph.get(routerVertex(state.routerId));
  const done = new Map<string, Reached>();
  if (root === undefined) return done;
  const best = new Map<string, { cost: number; hops: NextHop[] }>([[root.key, { cost: 0, hops: [] }]]);
  const candidates = new Heap<Vertex>();
  candidates.push(rank(0, root), root);
  for (let next = candidates.pop(); next !== undefined; next = candidates.pop()) {
    const vertex = next.item;
    const here = best.get(vertex.key);
    if (here === undefined || done.has(vertex.key)) continue;
    done.set(vertex.key, { cost: here.cost, hops: here.hops, vertex });
    if (vertex.kind === "router" && vertex !== root && !vertex.transit) continue; // RFC 5340 §4.8.1: no R bit
    for (const edge of edges(state, graph, vertex)) {
      if (done.has(edge.to.key)) continue;
      const cost = here.cost + edge.cost;
      const known = best.get(edge.to.key);
      if (known !== undefined && known.cost < cost) continue;
      const hops = hopsOver(state, area, vertex === root, here.hops, edge);
      if (hops.length === 0) continue; // the way there is not known yet
      if (known !== undefined && known.cost === cost) known.hops = merged(known.hops, hops);
      else {
        best.set(edge.to.key, { cost, hops });
        candidates.push(rank(cost, edge.to), edge.to);
      }
    }
  }
  return done;
}

/** Both, without repetition, in a stable order. */
export function merged(a: readonly NextHop[], b: readonly NextHop[]): NextHop[] {
  const all = new Map<string, NextHop>();
  for (const hop of [...a, ...b]) all.set(`${hop.ifname} ${hop.address ?? ""}`, hop);
  return [...all].sort(([x], [y]) => (x < y ? -1 : 1)).map(([, hop]) => hop);
}

interface Edge {
  readonly from: Vertex;
  readonly to: Vertex;
  readonly cost: number;
  /** Of `from`, when it is a router. */
  readonly link: RouterLink | undefined;
  /** From `to`, back. */
  readonly back: RouterLink | undefined;
}

function graphOf(state: State, area: Area): ReadonlyMap<string, Vertex> {
  const graph = new Map<string, Vertex>();
  const { types } = state.dialect;
  for (const { lsa, flushing } of area.home.database.of(types.router)) {
    const body = flushing ? undefined : bodyAs(lsa, "router");
    if (body === undefined) continue;
    const key = routerVertex(lsa.header.advertisingRouter);
    const known = graph.get(key); // v3: a router may have several
    const links = known?.kind === "router" ? [...known.links, ...body.links] : body.links;
    graph.set(key, {
      kind: "router",
      key,
      routerId: lsa.header.advertisingRouter,
      border: body.border,
      boundary: body.external,
      transit: state.dialect.isTransit(body),
      links,
    });
  }
  for (const { lsa, flushing } of area.home.database.of(types.network)) {
    const body = flushing ? undefined : bodyAs(lsa, "network");
    const key = state.dialect.networkKey(lsa.header);
    // Of two with one address, the dead one of a former designated router does not list its maker as attached to it.
    if (body !== undefined && !graph.has(key)) graph.set(key, { kind: "network", key, routers: body.routers });
  }
  return graph;
}

/** §16.1 (2): links that lead both ways. */
function* edges(state: State, graph: ReadonlyMap<string, Vertex>, from: Vertex): Iterable<Edge> {
  const { dialect } = state;
  if (from.kind === "network") {
    for (const routerId of from.routers) {
      const to = graph.get(routerVertex(routerId));
      if (to?.kind !== "router") continue;
      const back = to.links.find((each) => each.type === "transit" && dialect.targetOf(each) === from.key);
      if (back !== undefined) yield { from, to, cost: 0, link: undefined, back };
    }
    return;
  }
  for (const link of from.links) {
    if (link.type !== "point-to-point" && link.type !== "transit") continue;
    const to = graph.get(dialect.targetOf(link));
    if (to === undefined) continue;
    if (to.kind === "network") {
      if (to.routers.includes(from.routerId)) yield { from, to, cost: link.metric, link, back: undefined };
      continue;
    }
    const back = to.links.find((each) => each.type === link.type && dialect.targetOf(each) === from.key);
    if (back !== undefined) yield { from, to, cost: link.metric, link, back };
  }
}

/** §16.1.1. */
function hopsOver(state: State, area: Area, first: boolean, hops: readonly NextHop[], edge: Edge): NextHop[] {
  const { from, to, link, back } = edge;
  if (first) {
    const iface = link === undefined ? undefined : state.dialect.ownInterface(state, area, link);
    if (iface === undefined) return [];
    if (to.kind === "network") return [hop(iface, undefined)];
    // What our own LSA still says for MinLSInterval may be over: who is not adjacent any more is no next hop.
    const near = [...iface.neighbors.values()].find((each) => each.routerId === to.routerId && isAdjacent(each));
    return near === undefined ? [] : [hop(iface, near.address)];
  }
  if (from.kind !== "network" || to.kind !== "router" || back === undefined) return [...hops];
  return hops.flatMap((each) => {
    if (each.address !== undefined) return [each];
    const iface = state.interfaces.get(each.ifname);
    if (iface === undefined || !isHeard(iface, to.routerId)) return [];
    const address = state.dialect.hopOf(iface, to.routerId, back);
    return address === undefined ? [] : [{ ...each, address }];
  });
}

/** On a broadcast network everybody hears everybody: BFD or silence tells sooner than the network LSA does. */
function isHeard(iface: Interface, routerId: number): boolean {
  if (iface.spec.type !== "broadcast") return true;
  for (const each of iface.neighbors.values()) {
    if (each.routerId === routerId && (atLeast(each, "2-way") || each.helping !== undefined)) return true;
  }
  return false;
}

function hop(iface: Interface, address: Ip | undefined): NextHop {
  return { ifname: iface.name, ifindex: iface.link?.ifindex ?? 0, address };
}

/** Networks before routers of the same cost: paths over a network must all be known when its routers' turn comes. */
function rank(cost: number, vertex: Vertex): number {
  return cost * 2 + (vertex.kind === "router" ? 1 : 0);
}
