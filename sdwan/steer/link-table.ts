/**
 * The routing table of a WAN link: its own networks, a default route by its gateway, and below it the refusal of all
 * else, so that what is bound to the link never leaves by another way.  Pure.
 */
import {
  bitsOf,
  type Ip,
  ipv4,
  ipv6,
  isIpv4,
  isLinkLocal,
  masked,
  type Prefix,
  parseIp,
  parsePrefix,
} from "../../base/address.ts";
import { LANE_METRIC } from "./lane-routes.ts";
import type { LinkFacts, SteeringPlan } from "./part.ts";

/** Metric of the refusal: after everything that anybody may put into the table. */
export const LAST = 0xffff_fffe;

export interface LinkRoute {
  readonly table: number;
  readonly destination: Prefix;
  readonly metric: number;
  readonly type: "unicast" | "unreachable";
  readonly gateway: Ip | undefined;
  /** Index of the interface; undefined of what is unreachable. */
  readonly oif: number | undefined;
}

/** The interface of a link, as the kernel has it. */
export interface LinkDevice {
  readonly index: number;
  readonly up: boolean;
  readonly addresses: readonly { readonly ip: Ip; readonly prefixLength: number }[];
}

export function wantedRoutes(
  table: number,
  facts: LinkFacts | undefined,
  device: LinkDevice | undefined,
): readonly LinkRoute[] {
  const refusal = { table, metric: LAST, type: "unreachable", gateway: undefined, oif: undefined } as const;
  const refusals = [ANY4, ANY6].map((destination): LinkRoute => ({ ...refusal, destination }));
  if (device?.up !== true) return refusals;
  const oif = device.index;
  const route = { table, type: "unicast", oif } as const;
  const networks = new Map<string, LinkRoute>();
  for (const { ip, prefixLength } of device.addresses) {
    const destination = { ip: masked(ip, prefixLength), length: prefixLength };
    if (isLinkLocal(ip) || prefixLength >= bitsOf(ip)) continue;
    const metric = isIpv4(ip) ? 0 : METRIC6;
    networks.set(`${destination.ip}/${prefixLength}`, { ...route, destination, metric, gateway: undefined });
  }
  const defaults = [
    { destination: ANY4, gateway: facts?.gateway4, metric: 0 },
    { destination: ANY6, gateway: facts?.gateway6, metric: METRIC6 },
  ].flatMap(({ destination, gateway, metric }): readonly LinkRoute[] =>
    gateway === undefined ? [] : [{ ...route, destination, metric, gateway: gatewayOf(gateway) }],
  );
  return [...networks.values(), ...defaults, ...refusals];
}

/**
 * The refusals of kill switches, as whoever chooses ways writes them into the tables of lanes: it comes later than the
 * first packet may, and takes them over.  Only what is missing is put there; what is too much is that one's to remove.
 */
export function refusalsOf(lanes: SteeringPlan["lanes"]): readonly LinkRoute[] {
  return lanes.flatMap(({ table, refuses = [] }) =>
    refuses.map((text): LinkRoute => {
      const parsed = parsePrefix(text);
      if (!parsed.ok) throw new TypeError(`not a prefix: ${text}`);
      const { ip, length } = parsed.value;
      const destination = { ip: masked(ip, length), length };
      return {
        table,
        destination,
        metric: LANE_METRIC.refusal,
        type: "unreachable",
        gateway: undefined,
        oif: undefined,
      };
    }),
  );
}

export interface RouteChanges {
  readonly replace: readonly LinkRoute[];
  readonly remove: readonly LinkRoute[];
}

/** `have`: our own routes in the tables that are links'. */
export function planRoutes(want: readonly LinkRoute[], have: readonly LinkRoute[]): RouteChanges {
  const there = new Map(have.map((route) => [placeOf(route), route]));
  const places = new Set(want.map(placeOf));
  return {
    replace: want.filter((route) => {
      const found = there.get(placeOf(route));
      return found === undefined || wayOf(found) !== wayOf(route);
    }),
    remove: have.filter((route) => !places.has(placeOf(route))),
  };
}

function placeOf({ table, destination, metric }: LinkRoute): string {
  return `${table} ${destination.ip}/${destination.length} ${metric}`;
}
function wayOf({ type, gateway, oif }: LinkRoute): string {
  return type === "unreachable" ? type : `${gateway ?? ""} ${oif ?? ""}`;
}

/** undefined: the interface itself is the way (the unspecified address stands for it). */
function gatewayOf(text: string): Ip | undefined {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new TypeError(`not a gateway: ${text}`);
  return parsed.value === ANY4.ip || parsed.value === ANY6.ip ? undefined : parsed.value;
}

const ANY4: Prefix = { ip: ipv4("0.0.0.0"), length: 0 };
const ANY6: Prefix = { ip: ipv6("::"), length: 0 };
/** What the kernel writes where nobody says (IP6_RT_PRIO_USER). */
const METRIC6 = 1024;
