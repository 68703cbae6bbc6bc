/** What both versions advertise alike: links, externals, summaries of an area border router. */
import { formatPrefix, type Ip, isIpv4, type Prefix, parsePrefix } from "../../base/address.ts";
import type { Desired } from "./dialect.ts";
import {
  type ExternalBody,
  INFINITY_METRIC,
  MAX_LINK_METRIC,
  OPTION_E,
  OPTION_N,
  PREFIX_PROPAGATE,
  type RouterLink,
  TYPES,
} from "./packet/lsa.ts";
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
function externalCost(state: State, network: OwnNetwork): number {
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

export interface OwnWays {
  /** undefined: there is none left. */
  readonly idOf: (network: OwnNetwork) => number | undefined;
  /** One that packets can be sent to. */
  readonly isAddress: (ip: Ip) => boolean;
}
/**
 * RFC 2328 §12.4.4, RFC 5340 §4.4.3.6, §4.4.3.7; in an NSSA type 7 with bit P, unless we are its border ourselves
 * (RFC 3101 §2.4).
 */
export function externals(state: State, { idOf, isAddress }: OwnWays): readonly Desired[] {
  const { version } = state.dialect;
  const v2 = version === 2;
  const normal = [...state.areas.values()].some((area) => area.kind === "normal");
  const found: Desired[] = [];
  for (const network of networksOf(state)) {
    const id = network.as === "host" ? undefined : idOf(network);
    if (id === undefined) continue;
    const body: Omit<ExternalBody, "kind"> = {
      prefix: network.prefix,
      prefixOptions: 0,
      metricType: network.as === "external-1" ? 1 : 2,
      metric: externalCost(state, network),
      forwarding: undefined,
      tag: network.tag,
      referenced: undefined,
    };
    if (normal) {
      const home = { kind: "as", database: state.database } as const;
      const options = v2 ? OPTION_E : 0;
      found.push({ home, type: TYPES[version].external, id, options, body: { ...body, kind: "external" } });
    }
    for (const area of state.areas.values()) {
      if (area.kind !== "nssa") continue;
      const forwarding = isBorder(state) ? undefined : ownAddress(state, area, isAddress);
      const propagate = forwarding !== undefined;
      // Bit P stands in the header of the one version, beside the prefix in the other.
      const prefixOptions = propagate && !v2 ? PREFIX_PROPAGATE : 0;
      const nssa = { ...body, kind: "nssa", forwarding, prefixOptions } as const;
      found.push({
        home: area.home,
        type: TYPES[version].nssa,
        id,
        options: propagate && v2 ? OPTION_N : 0,
        body: nssa,
      });
    }
  }
  return found;
}

/** RFC 3101 §2.3: an address of ours that is advertised in the NSSA; of a loopback rather than of a link. */
function ownAddress(state: State, area: Area, isAddress: OwnWays["isAddress"]): Ip | undefined {
  const running = [...runningIn(state, area)];
  const ordered = [...running.filter((each) => each.state === "loopback"), ...running];
  return ordered.flatMap(({ link }) => link?.addresses ?? []).find(({ ip }) => isAddress(ip))?.ip;
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
