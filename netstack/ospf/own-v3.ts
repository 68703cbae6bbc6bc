/**
 * The LSAs that an OSPFv3 router advertises.  Standards: RFC 5340 §4.4.3, RFC 3101, RFC 6987.
 * Left out: clearing the R bit for max-metric (a router without it is no border router for others either, so what it
 * announces would vanish at once instead of becoming the last choice).
 */
import { formatPrefix, type Ip, type Ipv6, ipv6, isIpv4, isLinkLocal, masked } from "../../base/address.ts";
import { bodyAs } from "./body.ts";
import { summaries } from "./border.ts";
import type { Desired } from "./dialect.ts";
import {
  externals,
  hostCost,
  isBorder,
  isBoundary,
  lastingId,
  linkCost,
  networksOf,
  type OwnNetwork,
  pointLinks,
  runningIn,
  transitDr,
} from "./own.ts";
import {
  type LinkBody,
  OPTION_E,
  OPTION_N,
  OPTION_R,
  OPTION_V6,
  PREFIX_LA,
  PREFIX_NU,
  type PrefixEntry,
  type RouterLink,
  TYPES,
} from "./packet/lsa.ts";
import { type Area, fullCount, type Interface, isAdjacent, type State } from "./state.ts";

export function desiredV3(state: State): readonly Desired[] {
  const found: Desired[] = [];
  for (const area of state.areas.values()) {
    const running = [...runningIn(state, area)];
    const own = hosts(state, area);
    if (running.length > 0 || own.length > 0) found.push(routerLsa(state, area, running));
    const prefixes: PrefixEntry[] = [...own];
    for (const iface of running) {
      if (iface.state === "loopback") prefixes.push(...loopback(iface));
      else {
        found.push(linkLsa(iface));
        found.push(...networkLsas(state, iface));
        if (transitDr(state, iface) === undefined) {
          prefixes.push(...globals(iface).map((each) => ({ ...each, metric: iface.spec.cost })));
        }
      }
    }
    found.push(...prefixLsas(state, area, distinct(prefixes)));
  }
  const idOfNetwork = ({ name }: OwnNetwork): number => lastingId(state, name);
  found.push(...externals(state, { idOf: idOfNetwork, isAddress: isGlobal }));
  found.push(...summaries(state).map((each) => ({ ...each, id: idOf(state, each) })));
  return found;
}

/** §4.4.3.2. */
function routerLsa(state: State, area: Area, running: readonly Interface[]): Desired {
  return {
    home: area.home,
    type: TYPES[3].router,
    id: 0,
    options: 0,
    body: {
      kind: "router",
      border: isBorder(state),
      external: isBoundary(state, area),
      virtual: false,
      translator: false,
      options: optionsV3(area),
      links: running.flatMap((iface) => linksOf(state, iface)),
    },
  };
}

function linksOf(state: State, iface: Interface): readonly RouterLink[] {
  const data = iface.link?.ifindex ?? 0;
  if (iface.state === "point-to-point") return pointLinks(state, iface, data);
  const dr = transitDr(state, iface);
  if (dr === undefined) return [];
  const neighborInterfaceId = dr === "us" ? data : dr.interfaceId;
  return [{ type: "transit", metric: linkCost(state, iface), id: iface.dr, data, neighborInterfaceId }];
}

/** §4.4.3.8. */
function linkLsa(iface: Interface): Desired {
  const address = linkLocal(iface) ?? UNSPECIFIED;
  const options = optionsV3(iface.area);
  const body = { kind: "link", priority: iface.spec.priority, options, address, prefixes: globals(iface) } as const;
  return { home: iface.home, type: TYPES[3].link, id: iface.link?.ifindex ?? 0, options: 0, body };
}

/** §4.4.3.3 and §4.4.3.9: the designated router speaks for the link, with all prefixes that its link LSAs have. */
function networkLsas(state: State, iface: Interface): readonly Desired[] {
  if (iface.state !== "dr" || fullCount(iface) === 0) return [];
  const id = iface.link?.ifindex ?? 0;
  const members = [state.routerId, ...[...iface.neighbors.values()].filter(isAdjacent).map((each) => each.routerId)];
  const routers = [members[0] ?? 0, ...members.slice(1).sort((a, b) => a - b)];
  const prefixes: PrefixEntry[] = globals(iface).map((each) => ({ ...each, metric: 0 }));
  let options = optionsV3(iface.area);
  for (const body of linksHeard(iface, members)) {
    options |= body.options;
    for (const each of body.prefixes) {
      if ((each.prefixOptions & (PREFIX_NU | PREFIX_LA)) === 0 && !isLinkLocal(each.prefix.ip as Ipv6)) {
        prefixes.push({ prefix: each.prefix, prefixOptions: 0, metric: 0 });
      }
    }
  }
  const home = iface.area.home;
  const referenced = { type: TYPES[3].network, id, advertisingRouter: state.routerId };
  const network: Desired = {
    home,
    type: TYPES[3].network,
    id,
    options: 0,
    body: { kind: "network", prefix: undefined, options, routers },
  };
  if (prefixes.length === 0) return [network];
  const body = { kind: "intra-area-prefix", referenced, prefixes: distinct(prefixes) } as const;
  return [network, { home, type: TYPES[3]["intra-area-prefix"], id, options: 0, body }];
}

function linksHeard(iface: Interface, members: readonly number[]): readonly LinkBody[] {
  const found: LinkBody[] = [];
  for (const { lsa, flushing } of iface.home.database.of(TYPES[3].link)) {
    const body = bodyAs(lsa, "link");
    if (body !== undefined && !flushing && members.includes(lsa.header.advertisingRouter)) found.push(body as LinkBody);
  }
  return found;
}

/** Prefixes of the router itself, in LSAs of a size that one packet carries.  IDs from 1 are those of interfaces. */
function prefixLsas(state: State, area: Area, prefixes: readonly PrefixEntry[]): readonly Desired[] {
  const referenced = { type: TYPES[3].router, id: 0, advertisingRouter: state.routerId };
  const found: Desired[] = [];
  for (let start = 0; start < prefixes.length; start += PREFIXES_PER_LSA) {
    const some = prefixes.slice(start, start + PREFIXES_PER_LSA);
    const body = { kind: "intra-area-prefix", referenced, prefixes: some } as const;
    const id = start === 0 ? 0 : MORE_ROUTER_PREFIXES_ID + start / PREFIXES_PER_LSA;
    found.push({ home: area.home, type: TYPES[3]["intra-area-prefix"], id, options: 0, body });
  }
  return found;
}

function hosts(state: State, area: Area): readonly PrefixEntry[] {
  return networksOf(state)
    .filter((each) => each.as === "host" && each.area === area)
    .map(({ prefix, ...each }) => ({
      prefix,
      prefixOptions: prefix.length === 128 ? PREFIX_LA : 0,
      metric: hostCost(state, { prefix, ...each }),
    }));
}

function loopback(iface: Interface): readonly PrefixEntry[] {
  const addresses = iface.link?.addresses ?? [];
  return addresses
    .filter(({ ip }) => isGlobal(ip) && ip !== LOCALHOST)
    .map(({ ip }) => ({ prefix: { ip, length: 128 }, prefixOptions: PREFIX_LA, metric: 0 }));
}

function globals(iface: Interface): readonly Omit<PrefixEntry, "metric">[] {
  return (iface.link?.addresses ?? [])
    .filter(({ ip }) => isGlobal(ip))
    .map(({ ip, length }) => ({ prefix: { ip: masked(ip, length), length }, prefixOptions: 0 }));
}

function idOf(state: State, { body, home }: Desired): number {
  const where = home.kind === "area" ? home.area.name : "as";
  if (body.kind === "inter-area-router") return body.router;
  if (body.kind === "external") return lastingId(state, `translated ${formatPrefix(body.prefix)}`);
  return lastingId(state, `${where} ${"prefix" in body && body.prefix !== undefined ? formatPrefix(body.prefix) : ""}`);
}

function distinct(entries: readonly PrefixEntry[]): readonly PrefixEntry[] {
  const seen = new Map<string, PrefixEntry>();
  for (const each of entries) {
    const name = formatPrefix(each.prefix);
    if (!seen.has(name)) seen.set(name, each);
  }
  return [...seen.values()];
}

function isGlobal(ip: Ip): boolean {
  return !isIpv4(ip) && !isLinkLocal(ip);
}

export function optionsV3(area: Area): number {
  const kind = area.kind === "normal" ? OPTION_E : area.kind === "nssa" ? OPTION_N : 0;
  return OPTION_V6 | OPTION_R | kind;
}
export function linkLocal(iface: Interface): Ipv6 | undefined {
  for (const { ip } of iface.link?.addresses ?? []) if (!isIpv4(ip) && isLinkLocal(ip)) return ip;
  return undefined;
}
const PREFIXES_PER_LSA = 50;
const MORE_ROUTER_PREFIXES_ID = 0x80000000;
const LOCALHOST = ipv6("::1");
const UNSPECIFIED = ipv6("::");
