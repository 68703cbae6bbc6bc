/** The LSAs that an OSPFv2 router advertises.  Standards: RFC 2328 §12.4.1-12.4.4, RFC 3101 §2.3-2.4, RFC 6987. */
import { formatPrefix, type Ipv4, isIpv4, masked, type Prefix } from "../../base/address.ts";
import { summaries } from "./border.ts";
import type { Desired } from "./dialect.ts";
import {
  externals,
  hostCost,
  isBorder,
  isBoundary,
  linkCost,
  linkStateIds,
  networksOf,
  pointLinks,
  runningIn,
  transitDr,
} from "./own.ts";
import { OPTION_E, OPTION_N, type RouterLink, TYPES } from "./packet/lsa.ts";
import { maskOfLength } from "./packet/mask.ts";
import { type Area, fullCount, type Interface, isAdjacent, type State } from "./state.ts";

export function desiredV2(state: State): readonly Desired[] {
  const found: Desired[] = [];
  for (const area of state.areas.values()) {
    const links = [...runningIn(state, area)].flatMap((iface) => linksOf(state, iface));
    if (links.length > 0 || hosts(state, area).length > 0) found.push(routerLsa(state, area, links));
    for (const iface of runningIn(state, area)) {
      const network = networkLsa(state, iface);
      if (network !== undefined) found.push(network);
    }
  }
  const outside = networksOf(state).filter((each) => each.as !== "host");
  const ids = linkStateIds(outside.map((each) => each.prefix));
  found.push(...externals(state, { idOf: ({ name }) => ids.get(name), isAddress: isIpv4 }));
  found.push(...named(summaries(state)));
  return found;
}

function routerLsa(state: State, area: Area, links: readonly RouterLink[]): Desired {
  return {
    home: area.home,
    type: TYPES[2].router,
    id: state.routerId,
    options: headerOptions(area),
    body: {
      kind: "router",
      border: isBorder(state),
      external: isBoundary(state, area),
      virtual: false,
      translator: false,
      options: 0,
      links: distinct([...links, ...hosts(state, area)]),
    },
  };
}

/** §12.4.1.1-12.4.1.3. */
function linksOf(state: State, iface: Interface): readonly RouterLink[] {
  const { link } = iface;
  if (link === undefined) return [];
  const addresses = link.addresses.filter((each) => isIpv4(each.ip) && each.ip >>> 24 !== LOCALHOST);
  const own = addresses[0];
  if (iface.state === "loopback") return addresses.map((each) => stub(each.ip as Ipv4, 32, 0));
  const data = own === undefined ? link.ifindex : (own.ip as number);
  const points = pointLinks(state, iface, data);
  const stubs = addresses.map((each) =>
    each.peer === undefined
      ? stub(each.ip as Ipv4, each.length, iface.spec.cost)
      : stub(each.peer as Ipv4, 32, iface.spec.cost),
  );
  if (iface.state === "point-to-point") return [...points, ...stubs];
  const dr = transitDr(state, iface);
  if (dr === undefined || own === undefined) return stubs;
  const id = iface.dr;
  return [
    { type: "transit", metric: linkCost(state, iface), id, data, neighborInterfaceId: 0 },
    ...stubs.filter((_, index) => index > 0),
  ];
}

function hosts(state: State, area: Area): readonly RouterLink[] {
  return networksOf(state)
    .filter((each) => each.as === "host" && each.area === area)
    .map((each) => stub(each.prefix.ip as Ipv4, each.prefix.length, hostCost(state, each)));
}

function stub(ip: Ipv4, length: number, metric: number): RouterLink {
  const id = masked(ip, length) as Ipv4;
  return { type: "stub", metric, id, data: maskOfLength(length), neighborInterfaceId: 0 };
}

/** §12.4.2. */
function networkLsa(state: State, iface: Interface): Desired | undefined {
  if (iface.state !== "dr" || fullCount(iface) === 0) return undefined;
  const own = iface.link?.addresses.find((each) => isIpv4(each.ip));
  if (own === undefined) return undefined;
  const others = [...iface.neighbors.values()].filter(isAdjacent).map((each) => each.routerId);
  const prefix: Prefix = { ip: masked(own.ip, own.length), length: own.length };
  return {
    home: iface.area.home,
    type: TYPES[2].network,
    id: own.ip as number,
    options: headerOptions(iface.area),
    body: { kind: "network", prefix, options: 0, routers: [state.routerId, ...others.sort((a, b) => a - b)] },
  };
}

/** Link state IDs for summaries and translations, which come with none. */
function named(unnamed: readonly Desired[]): readonly Desired[] {
  const byHome = Map.groupBy(unnamed, (each) => `${each.type} ${each.home.kind === "area" ? each.home.area.id : "as"}`);
  const found: Desired[] = [];
  for (const same of byHome.values()) {
    const prefixes = same.flatMap(({ body }) => ("prefix" in body && body.prefix !== undefined ? [body.prefix] : []));
    const ids = linkStateIds(prefixes);
    for (const each of same) {
      const { body } = each;
      if (body.kind === "inter-area-router") found.push({ ...each, id: body.router });
      else if ("prefix" in body && body.prefix !== undefined) {
        const id = ids.get(formatPrefix(body.prefix));
        if (id !== undefined) found.push({ ...each, id });
      }
    }
  }
  return found;
}

function headerOptions(area: Area): number {
  return area.kind === "normal" ? OPTION_E : area.kind === "nssa" ? OPTION_N : 0;
}

function distinct(links: readonly RouterLink[]): readonly RouterLink[] {
  const seen = new Map(links.map((each) => [`${each.type} ${each.id} ${each.data}`, each]));
  return [...seen.values()];
}

/** 127.0.0.0/8 is nobody else's business. */
const LOCALHOST = 127;
