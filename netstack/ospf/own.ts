/** What both versions advertise alike: links, externals, summaries of an area border router. */
import { formatPrefix, isIpv4, type Prefix, parsePrefix } from "../../base/address.ts";
import { INFINITY_METRIC, MAX_LINK_METRIC, type RouterLink } from "./packet/lsa.ts";
import type { OspfNetwork } from "./plan.ts";
import { type Area, fullCount, type Interface, isAdjacent, type Neighbor, type State } from "./state.ts";

export interface OwnNetwork extends Omit<OspfNetwork, "prefix" | "area"> {
  readonly prefix: Prefix;
  /** As text. */
  readonly name: string;
  readonly area: Area | undefined;
}

/** The plan's networks; `as: "host"` ones with their area. */
export function networksOf(state: State): readonly OwnNetwork[] {
  const [first] = state.areas.values();
  return parsed(state.plan.networks, state.dialect.version).map((network) => {
    if (network.as !== "host") return { ...network, area: undefined };
    const named = network.area === undefined ? first : [...state.areas.values()].find((a) => a.name === network.area);
    return { ...network, area: named };
  });
}
function parsed(networks: readonly OspfNetwork[], version: 2 | 3): readonly Parsed[] {
  const known = PARSED.get(networks);
  if (known !== undefined) return known;
  const found: Parsed[] = [];
  for (const network of networks) {
    const prefix = parsePrefix(network.prefix);
    if (!prefix.ok || isIpv4(prefix.value.ip) !== (version === 2)) continue;
    found.push({ ...network, prefix: prefix.value, name: formatPrefix(prefix.value) });
  }
  PARSED.set(networks, found);
  return found;
}
type Parsed = Omit<OspfNetwork, "prefix"> & { readonly prefix: Prefix; readonly name: string };
/** Plans are asked for their networks at every change of anything, and are read once. */
const PARSED = new WeakMap<readonly OspfNetwork[], readonly Parsed[]>();

/** RFC 6987 §2: no transit. */
export function linkCost(state: State, iface: Interface): number {
  return state.plan.maxMetric ? MAX_LINK_METRIC : iface.spec.cost;
}
/** Last choice for what is ours. */
export function hostCost(state: State, network: OwnNetwork): number {
  return state.plan.maxMetric ? MAX_LINK_METRIC : Math.min(MAX_LINK_METRIC, network.metric);
}
export function externalCost(state: State, network: OwnNetwork): number {
  return state.plan.maxMetric ? INFINITY_METRIC - 1 : Math.min(INFINITY_METRIC - 1, network.metric);
}

/** §12.4.1.2: is the network a transit one for us, Full with its designated router or being it? */
export function transitDr(state: State, iface: Interface): Neighbor | "us" | undefined {
  if (iface.state === "dr") return fullCount(iface) > 0 ? "us" : undefined;
  if (iface.state !== "backup" && iface.state !== "dr-other") return undefined;
  for (const neighbor of iface.neighbors.values()) {
    if (state.dialect.identityOf(neighbor) === iface.dr && isAdjacent(neighbor)) return neighbor;
  }
  return undefined;
}

export function* runningIn(state: State, area: Area): Iterable<Interface> {
  for (const iface of state.interfaces.values()) {
    if (iface.area === area && iface.state !== "down" && iface.link !== undefined) yield iface;
  }
}

export function pointLinks(state: State, iface: Interface, data: number): readonly RouterLink[] {
  if (iface.state !== "point-to-point") return [];
  const metric = linkCost(state, iface);
  return [...iface.neighbors.values()].filter(isAdjacent).map(({ routerId, interfaceId }) => {
    return { type: "point-to-point", metric, id: routerId, data, neighborInterfaceId: interfaceId };
  });
}

/** We are an AS boundary router (bit E), where type 5 and type 7 LSAs can be told. */
export function isBoundary(state: State, area: Area): boolean {
  return (
    area.kind !== "stub" &&
    (parsed(state.plan.networks, state.dialect.version).some((each) => each.as !== "host") || translates(state))
  );
}
export function translates(state: State): boolean {
  return [...state.areas.values()].some((area) => area.translating);
}
/** Attached to several areas, one of them the backbone (§3.3, and RFC 3509 in that others are no border). */
export function isBorder(state: State): boolean {
  if (state.areas.size < 2 || !state.areas.has(0)) return false;
  let active = 0;
  for (const area of state.areas.values())
    for (const _ of runningIn(state, area)) {
      active++;
      break;
    }
  return active > 1;
}

/** Appendix E: networks with one address and several masks.  The widest keeps the plain address, others set host bits. */
export function linkStateIds(prefixes: readonly Prefix[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  const taken = new Set<number>();
  const ordered = [...prefixes].sort((a, b) => Number(a.ip) - Number(b.ip) || rank(a.length) - rank(b.length));
  for (const prefix of ordered) {
    const name = formatPrefix(prefix);
    if (found.has(name)) continue;
    const plain = Number(prefix.ip);
    const hosts = prefix.length === 32 ? 0 : 2 ** (32 - prefix.length) - 1;
    let id = taken.has(plain) ? plain + hosts : plain;
    for (let host = 1; taken.has(id) && host < hosts; host++) id = plain + host;
    if (taken.has(id)) continue;
    taken.add(id);
    found.set(name, id);
  }
  return found;
}

/** v3: link state IDs have no meaning, they only last. */
export function lastingId(state: State, what: string): number {
  const { origin } = state;
  let id = origin.ids.get(what);
  if (id === undefined) origin.ids.set(what, (id = origin.nextId++));
  return id;
}

/** A host route has no host bits to set: it comes first. */
function rank(length: number): number {
  return length === 32 ? -1 : length;
}
