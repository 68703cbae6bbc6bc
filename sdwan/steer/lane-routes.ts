/**
 * The routes of choices: what their tables shall hold, what they hold, and the changes between, which replace and never
 * leave a destination without a route that has one.  Several choices may share a table, each with its own destinations.
 * Whatever in those tables does not have our metrics is another's (a link's refusal, an operator's hand): not seen.  Pure.
 */
import { formatPrefix, type Ip, isIpv4, masked, type Prefix, parseIp, parsePrefix } from "../../base/address.ts";
import type { CandidateSpec } from "../steer-plan.ts";

export interface Lane {
  readonly choice: string;
  readonly table: number;
  readonly destinations: readonly string[];
  readonly killSwitch: boolean;
  /** undefined with a kill switch: nothing may carry it; without: what is there stays. */
  readonly carrier: CandidateSpec | undefined;
}

export interface LaneRoute {
  readonly table: number;
  readonly destination: Prefix;
  readonly metric: number;
  /** undefined: refused. */
  readonly oif: number | undefined;
  readonly gateway: Ip | undefined;
}

/** By their number, and whether they can carry anything. */
export type Devices = (ifname: string) => { readonly index: number; readonly up: boolean } | undefined;

export interface LaneChanges {
  readonly replace: readonly LaneRoute[];
  readonly remove: readonly LaneRoute[];
}

/** `remove` is what has our metrics in `tables`, and is wanted no more. */
export function planLanes(lanes: readonly Lane[], have: readonly LaneRoute[], devices: Devices): LaneChanges {
  const want = new Map<string, LaneRoute>();
  const kept = new Set<string>();
  for (const lane of lanes) {
    for (const route of wantedRoutes(lane, devices)) want.set(placeOf(route), route);
    // Nothing is known yet, or the device is gone: what stands there is better than nothing.
    if (!lane.killSwitch) for (const place of openPlaces(lane, devices)) kept.add(place);
  }
  const there = new Map(have.map((route) => [placeOf(route), route]));
  return {
    replace: [...want].filter(([place, route]) => !isSame(there.get(place), route)).map(([, route]) => route),
    remove: have.filter((route) => !want.has(placeOf(route)) && !kept.has(placeOf(route))),
  };
}

export function wantedRoutes(lane: Lane, devices: Devices): readonly LaneRoute[] {
  const { table, destinations, killSwitch, carrier } = lane;
  const device = carrier === undefined ? undefined : devices(carrier.ifname);
  return destinations.map(prefixOf).flatMap((destination): LaneRoute[] => {
    const refusal = { table, destination, metric: LANE_METRIC.refusal, oif: undefined, gateway: undefined };
    const below = killSwitch ? [refusal] : [];
    if (carrier === undefined || device?.up !== true) return below;
    const { usable, gateway } = isIpv4(destination.ip) ? carrier.v4 : carrier.v6;
    if (!usable) return below;
    const hop = { oif: device.index, gateway: gateway === undefined ? undefined : ipOf(gateway) };
    return [{ table, destination, metric: LANE_METRIC.carrier, ...hop }, ...below];
  });
}

/** Which candidate the routes that are there stand for: the one that most of a choice's destinations go by. */
export function carrierIn(
  lane: Pick<Lane, "table" | "destinations">,
  candidates: readonly CandidateSpec[],
  have: readonly LaneRoute[],
  devices: Devices,
): CandidateSpec | undefined {
  const places = new Set(lane.destinations.map((text) => `${lane.table} ${formatPrefix(prefixOf(text))}`));
  const routes = have.filter(
    ({ table, destination, oif }) => oif !== undefined && places.has(`${table} ${formatPrefix(destination)}`),
  );
  let best: { readonly candidate: CandidateSpec; readonly count: number } | undefined;
  for (const candidate of candidates) {
    const index = devices(candidate.ifname)?.index;
    const count = routes.filter(({ oif, gateway, destination }) => {
      const way = isIpv4(destination.ip) ? candidate.v4 : candidate.v6;
      return (
        oif === index &&
        way.usable &&
        (way.gateway === undefined ? gateway === undefined : gateway === ipOf(way.gateway))
      );
    }).length;
    if (count > (best?.count ?? 0)) best = { candidate, count };
  }
  return best?.candidate;
}

/** What tells our routes from others of the same protocol in the same tables. */
export const LANE_METRIC = { carrier: 50, refusal: 0xffff_fff0 } as const;
export function isLaneMetric(metric: number): boolean {
  return metric === LANE_METRIC.carrier || metric === LANE_METRIC.refusal;
}

/** Destinations that have no carrier now, and would have one if it were known or its device were back. */
function openPlaces({ table, destinations, carrier }: Lane, devices: Devices): readonly string[] {
  const device = carrier === undefined ? undefined : devices(carrier.ifname);
  if (device?.up === true) return [];
  return destinations.map((text) => placeOf({ table, destination: prefixOf(text), metric: LANE_METRIC.carrier }));
}

function placeOf({ table, destination, metric }: Pick<LaneRoute, "table" | "destination" | "metric">): string {
  return `${table} ${formatPrefix(destination)} ${metric}`;
}

function isSame(a: LaneRoute | undefined, b: LaneRoute): boolean {
  return a !== undefined && a.oif === b.oif && a.gateway === b.gateway;
}

/** Control has checked both. */
function prefixOf(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new TypeError(`not a prefix: ${text}`);
  const { ip, length } = parsed.value;
  return { ip: masked(ip, length), length };
}
function ipOf(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new TypeError(`not an address: ${text}`);
  return parsed.value;
}
