/** What operators see. */
import { formatIp, formatPrefix } from "../../base/address.ts";
import type { Instant } from "../../base/unit.ts";
import type { BfdSpec } from "../bfd/plan.ts";
import { headerOf } from "./lsdb.ts";
import { quad, typeName } from "./packet/describe.ts";
import type { OspfInterfaceReport, OspfLsaReport, OspfNeighborReport, OspfRouteReport } from "./plan.ts";
import { atLeast, homesOfAll, type Interface, type Neighbor, type State } from "./state.ts";

export function reportOf(state: State, iface: Interface, now: Instant): OspfInterfaceReport {
  const { version } = state.dialect;
  return {
    version,
    ifname: iface.name,
    area: iface.area.name,
    state: iface.state,
    dr: iface.dr === 0 ? undefined : quad(iface.dr),
    bdr: iface.bdr === 0 ? undefined : quad(iface.bdr),
    neighbors: [...iface.neighbors.values()].map((each) => neighborReport(iface, each, now)),
    refused: { ...iface.refused },
  };
}

/** Reports what changed: states at once, counters at most once a second. */
export function tellReports(state: State, now: Instant): void {
  for (const iface of state.interfaces.values()) {
    const counted = !iface.refusalsReported && now - iface.reportedAt >= SELDOM;
    const essence = essenceOf(iface);
    if (essence === iface.reported && !counted) continue;
    iface.reported = essence;
    iface.reportedAt = now;
    iface.refusalsReported = true;
    state.out.push({ kind: "report", report: reportOf(state, iface, now) });
  }
}

export function databaseReport(state: State, now: Instant): readonly OspfLsaReport[] {
  return homesOfAll(state).flatMap((home) =>
    [...home.database].map((entry) => {
      const { type, id, advertisingRouter, age, sequence, checksum, length } = headerOf(entry, now);
      const area = home.kind === "as" ? undefined : home.kind === "area" ? home.area.name : home.iface.area.name;
      return {
        area,
        type: typeName(state.dialect.version, type),
        id: quad(id),
        advertisingRouter: quad(advertisingRouter),
        age,
        sequence,
        checksum,
        length,
      };
    }),
  );
}

export function routesReport(state: State): readonly OspfRouteReport[] {
  return [...state.routes.prefixes.values()].map(({ prefix, kind, cost, nextHops }) => ({
    prefix: formatPrefix(prefix),
    kind,
    cost,
    nextHops: nextHops.map(({ address, ifname }) => ({
      address: address === undefined ? undefined : formatIp(address),
      ifname,
    })),
  }));
}

/** RFC 5882 §4: every neighbor that hears us is guarded, from two-way communication on. */
export function tellBfd(state: State): void {
  const sessions: BfdSpec[] = [];
  for (const iface of state.interfaces.values()) {
    const { bfd: timing, passive } = iface.spec;
    const local = iface.link === undefined ? undefined : state.dialect.addressOf(iface.link);
    if (timing === undefined || passive || local === undefined) continue;
    for (const neighbor of iface.neighbors.values()) {
      if (!atLeast(neighbor, "2-way")) continue;
      sessions.push({
        id: bfdId(state, neighbor),
        peer: formatIp(neighbor.address),
        local: formatIp(local),
        ifname: iface.name,
        hops: "single",
        minTtl: 255,
        role: "active",
        timing,
        auth: undefined,
        adminDown: false,
      });
    }
  }
  const asked = JSON.stringify(sessions);
  if (asked === state.bfdAsked) return;
  state.bfdAsked = asked;
  state.out.push({ kind: "bfd", sessions });
}
export function bfdId(state: State, neighbor: Neighbor): string {
  return `ospfv${state.dialect.version}:${neighbor.iface.name}:${formatIp(neighbor.address)}`;
}

function neighborReport(iface: Interface, neighbor: Neighbor, now: Instant): OspfNeighborReport {
  return {
    routerId: quad(neighbor.routerId),
    address: formatIp(neighbor.address),
    priority: neighbor.priority,
    state: neighbor.state,
    since: neighbor.since,
    deadIn: neighbor.inactiveAt === undefined ? 0 : Math.max(0, neighbor.inactiveAt - now),
    retransmissions: neighbor.retransmissions.size,
    bfd: neighbor.bfd?.state,
    lastError: iface.errors.get(neighbor.key),
  };
}

/** All but what changes by itself. */
function essenceOf(iface: Interface): string {
  const neighbors = [...iface.neighbors.values()].map((each) => [
    each.routerId,
    each.address,
    each.priority,
    each.state,
    each.bfd?.state,
    iface.errors.get(each.key),
    each.helping !== undefined,
  ]);
  return JSON.stringify([iface.state, iface.dr, iface.bdr, iface.area.name, neighbors]);
}

const SELDOM = 1000;
