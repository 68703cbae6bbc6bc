/**
 * What an area border router tells one area of the others.  Standards: RFC 2328 §12.4.3, §12.4.3.1 (stub areas),
 * RFC 3101 §2.7, §3 (NSSA: default, translation).  Left out: address ranges, virtual links.
 * Link state IDs are the caller's: versions differ in them.
 */
import { formatPrefix, ipv4, ipv6, type Prefix } from "../../base/address.ts";
import { bodyAs } from "./body.ts";
import { type Desired, routerVertex } from "./dialect.ts";
import { isBorder, networksOf } from "./own.ts";
import { type ExternalBody, INFINITY_METRIC, OPTION_E, OPTION_N } from "./packet/lsa.ts";
import { shortestPaths } from "./spf.ts";
import type { Area, RouterRoute, State, TableRoute } from "./state.ts";

export function summaries(state: State): readonly Desired[] {
  if (!isBorder(state)) return [];
  const found: Desired[] = [];
  for (const area of state.areas.values()) {
    for (const route of state.routes.prefixes.values()) {
      if (mayEnter(state, area, route)) found.push(prefixInto(state, area, route.prefix, route.cost));
    }
    if (area.kind === "normal") {
      for (const routes of state.routes.routers.values()) {
        const best = routes.filter((each) => each.boundary).sort((a, b) => a.cost - b.cost)[0];
        if (best !== undefined && mayEnterRouter(state, area, best)) found.push(routerInto(state, area, best));
      }
    } else found.push(defaultInto(state, area));
  }
  for (const area of state.areas.values()) if (area.translating) found.push(...translations(state, area));
  return found;
}

/** RFC 3101 §3.1: of the border routers of an NSSA one translates, the one with the highest ID; always those with Nt. */
export function electTranslators(state: State): boolean {
  let changed = false;
  for (const area of state.areas.values()) {
    const translating = area.kind === "nssa" && isBorder(state) && isElected(state, area);
    if (translating !== area.translating) changed = true;
    area.translating = translating;
  }
  return changed;
}

function isElected(state: State, area: Area): boolean {
  const reached = shortestPaths(state, area);
  for (const { lsa, flushing } of area.home.database.of(state.dialect.types.router)) {
    const { advertisingRouter } = lsa.header;
    const body = flushing ? undefined : bodyAs(lsa, "router");
    if (body === undefined || advertisingRouter === state.routerId) continue;
    if (!body.border || !reached.has(routerVertex(advertisingRouter))) continue;
    if (body.translator || advertisingRouter > state.routerId) return false;
  }
  return true;
}

/** §12.4.3, for a network. */
function mayEnter(state: State, area: Area, route: TableRoute): boolean {
  if (route.kind !== "intra-area" && route.kind !== "inter-area") return false;
  if (route.area === area.id || route.cost >= INFINITY_METRIC) return false;
  if (route.kind === "inter-area" && area.id === 0) return false; // only what areas know of themselves enters the backbone
  return !leadsInto(state, area, route.nextHops);
}
function mayEnterRouter(state: State, area: Area, route: RouterRoute): boolean {
  if (route.area === area.id || route.cost >= INFINITY_METRIC) return false;
  if (route.kind === "inter-area" && area.id === 0) return false;
  return !leadsInto(state, area, route.hops);
}
function leadsInto(state: State, area: Area, hops: TableRoute["nextHops"]): boolean {
  return hops.some((hop) => state.interfaces.get(hop.ifname)?.area === area);
}

function prefixInto(state: State, area: Area, prefix: Prefix, metric: number): Desired {
  const type = state.dialect.types["inter-area-prefix"];
  const body = { kind: "inter-area-prefix", prefix, prefixOptions: 0, metric } as const;
  return { home: area.home, type, id: 0, options: headerOptions(state, area), body };
}
function routerInto(state: State, area: Area, route: RouterRoute): Desired {
  const type = state.dialect.types["inter-area-router"];
  const options = state.dialect.version === 3 ? state.dialect.options(area) : 0;
  const body = { kind: "inter-area-router", router: route.routerId, metric: route.cost, options } as const;
  return { home: area.home, type, id: 0, options: headerOptions(state, area), body };
}

/** A stub area hears of the outside by a default route; an NSSA by one of type 7, which no other border passes on. */
function defaultInto(state: State, area: Area): Desired {
  const prefix: Prefix = { ip: state.dialect.version === 2 ? ipv4("0.0.0.0") : ipv6("::"), length: 0 };
  if (area.kind === "stub") return prefixInto(state, area, prefix, DEFAULT_COST);
  const body: ExternalBody = {
    kind: "nssa",
    prefix,
    prefixOptions: 0,
    metricType: 2,
    metric: DEFAULT_COST,
    forwarding: undefined,
    tag: 0,
    referenced: undefined,
  };
  return { home: area.home, type: state.dialect.types.nssa, id: 0, options: 0, body };
}

/** RFC 3101 §3.2: type 7 with P and a forwarding address become type 5, the best of each prefix. */
function translations(state: State, area: Area): readonly Desired[] {
  const best = new Map<string, ExternalBody>();
  const own = new Set(networksOf(state).map((each) => each.name));
  for (const { lsa, flushing } of area.home.database.of(state.dialect.types.nssa)) {
    const body = flushing ? undefined : bodyAs(lsa, "nssa");
    if (body?.forwarding === undefined || lsa.header.advertisingRouter === state.routerId) continue;
    if (!state.dialect.propagates(lsa, body) || body.metric >= INFINITY_METRIC) continue;
    const name = formatPrefix(body.prefix);
    if (own.has(name)) continue;
    const known = best.get(name);
    const cost = (each: ExternalBody): number => (each.metricType === 2 ? INFINITY_METRIC : 0) + each.metric;
    if (known === undefined || cost(body) < cost(known)) best.set(name, body);
  }
  const home = { kind: "as", database: state.database } as const;
  const type = state.dialect.types.external;
  return [...best.values()].map((body) => {
    const translated = { ...body, kind: "external", prefixOptions: 0, referenced: undefined } as const;
    return { home, type, id: 0, options: state.dialect.version === 2 ? OPTION_E : 0, body: translated };
  });
}

function headerOptions(state: State, area: Area): number {
  if (state.dialect.version === 3) return 0;
  return area.kind === "normal" ? OPTION_E : area.kind === "nssa" ? OPTION_N : 0;
}

const DEFAULT_COST = 1;
