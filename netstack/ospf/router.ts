/**
 * The OSPF router: one version, all its areas, interfaces and neighbors.  Sans-IO: see event.ts for how it is driven.
 * Standards: RFC 2328 and RFC 5340; RFC 3101, 3509 (NSSA, area borders), 3623 and 5187 (graceful restart), 5250 (opaque
 * LSAs are carried), 5882 (BFD), 6987 (max-metric), 8405 (SPF back-off).
 * Left out on purpose: virtual links, point-to-multipoint, address ranges, demand circuits (RFC 1793), multicast (MOSPF),
 * type-of-service routing.
 */
import { unreachable } from "../../base/result.ts";
import { after, earliest, type Instant, instant, ms } from "../../base/unit.ts";
import { pathFailed } from "../bfd/plan.ts";
import { advanceAges } from "./age.ts";
import { backoff, due, nextAt } from "./backoff.ts";
import { electTranslators } from "./border.ts";
import { configure, idOf, linked, unlinked } from "./configure.ts";
import { advanceExchange } from "./description.ts";
import type { Action, Event, Route } from "./event.ts";
import { requestSettled } from "./exchange.ts";
import { bury, emptyOutboxes } from "./flood.ts";
import { Heap } from "./heap.ts";
import { advanceHellos, sendHello } from "./hello-out.ts";
import { interfaceEvent } from "./interface.ts";
import { Database } from "./lsdb.ts";
import { neighborEvent } from "./neighbor.ts";
import { originate } from "./originate.ts";
import { isBorder } from "./own.ts";
import type { OspfInterfaceReport, OspfLsaReport, OspfPlan, OspfRouteReport } from "./plan.ts";
import { packetReceived } from "./receive.ts";
import { bfdId, databaseReport, reportOf, routesReport, tellBfd, tellReports } from "./report.ts";
import { advanceHelping, advanceRestart, heed } from "./restart.ts";
import { advanceRetransmissions } from "./retransmit.ts";
import { computeRoutes, installable, sameRoute } from "./route.ts";
import { count, type Interface, neighborsOf, type State } from "./state.ts";
import { V2 } from "./v2.ts";
import { V3 } from "./v3.ts";

export class Router {
  readonly #state: State;
  #promised: Instant | undefined;

  constructor(plan: OspfPlan, now: Instant) {
    this.#state = stateOf(plan, now);
    configure(this.#state, plan, now);
  }

  get version(): 2 | 3 {
    return this.#state.dialect.version;
  }

  step(event: Event, now: Instant): readonly Action[] {
    const state = this.#state;
    if (state.stopped) return [];
    oversleep(state, this.#promised, now);
    take(state, event, now);
    advance(state, now);
    settle(state, now);
    advanceRestart(state, now);
    for (let again = true; again; ) {
      originate(state, now);
      settle(state, now);
      again = due(state.backoff, now); // what we advertise may follow from routes, and the other way round
      if (again) route(state);
      bury(state);
      again ||= state.origin.dirty;
    }
    for (const iface of state.interfaces.values()) advanceHellos(state, iface, now);
    emptyOutboxes(state, now);
    tellBfd(state);
    finish(state, now);
    tellReports(state, now);
    this.#promised = this.nextWake();
    return state.out.splice(0);
  }

  /** Step with "wake" then, or a little later; undefined: nothing is due. */
  nextWake(): Instant | undefined {
    const state = this.#state;
    if (state.stopped) return undefined;
    let next = earliest(nextAt(state.backoff), state.origin.retryAt);
    const { first } = state.ages;
    if (first !== undefined) next = earliest(next, instant(first));
    next = earliest(next, state.stopping?.until);
    if (state.restart.kind === "restarting") next = earliest(next, state.restart.until);
    for (const iface of state.interfaces.values()) {
      next = earliest(next, iface.helloAt);
      next = earliest(next, iface.extraHelloAt);
      next = earliest(next, iface.waitUntil);
      next = earliest(next, iface.acksAt);
      next = earliest(next, iface.outboxAt);
      for (const neighbor of iface.neighbors.values()) {
        next = earliest(next, neighbor.helping === undefined ? neighbor.inactiveAt : neighbor.helping.until);
        next = earliest(next, neighbor.pollAt);
        next = earliest(next, neighbor.descriptionAt);
        next = earliest(next, neighbor.keepUntil);
        next = earliest(next, neighbor.requestAt);
        next = earliest(next, neighbor.retransmitAt);
      }
    }
    return next;
  }

  interfaces(now: Instant): readonly OspfInterfaceReport[] {
    return [...this.#state.interfaces.values()].map((iface) => reportOf(this.#state, iface, now));
  }
  database(now: Instant): readonly OspfLsaReport[] {
    return databaseReport(this.#state, now);
  }
  routes(): readonly OspfRouteReport[] {
    return routesReport(this.#state);
  }
  /** Packets for interfaces that no plan names. */
  get refused(): Readonly<Record<string, number>> {
    return this.#state.refused;
  }
}

/** For tests of single machines. */
export function stateOf(plan: OspfPlan, now: Instant): State {
  const { gracefulRestart, restarting } = plan;
  return {
    dialect: plan.version === 2 ? V2 : V3,
    plan,
    routerId: idOf(plan.routerId),
    areas: new Map(),
    interfaces: new Map(),
    links: new Map(),
    database: new Database(),
    out: [],
    ages: new Heap(),
    dying: new Map(),
    settled: new Set(),
    contents: [],
    origin: {
      dirty: true,
      originatedAt: new Map(),
      fought: new Set(),
      retryAt: undefined,
      ids: new Map(),
      nextId: 1,
    },
    backoff: backoff(),
    routes: { prefixes: new Map(), routers: new Map(), told: new Map() },
    restart:
      restarting && gracefulRestart !== undefined
        ? { kind: "restarting", until: after(now, ms(gracefulRestart.period)) }
        : { kind: "none" },
    untold: true,
    bfdAsked: "[]",
    stopping: undefined,
    stopped: false,
    refused: {},
    duplicateToldAt: instant(Number.NEGATIVE_INFINITY),
    warned: new Set(),
  };
}

function take(state: State, event: Event, now: Instant): void {
  switch (event.kind) {
    case "wake":
      return;
    case "configured":
      return configure(state, event.plan, now);
    case "link":
      return linked(state, event.link, now);
    case "link-gone":
      return unlinked(state, event.ifname, now);
    case "packet":
      return packetReceived(state, event, now);
    case "refused": {
      const iface = state.interfaces.get(event.ifname);
      if (iface !== undefined) count(iface, event.why);
      else state.refused[event.why] = (state.refused[event.why] ?? 0) + 1;
      return;
    }
    case "bfd":
      for (const neighbor of neighborsOf(state)) {
        if (bfdId(state, neighbor) !== event.report.id) continue;
        const was = neighbor.bfd;
        neighbor.bfd = event.report;
        // RFC 5882 §4.2: only one that was up says anything; an operator's AdminDown says nothing.
        if (pathFailed(was, event.report)) neighborEvent(state, neighbor, "ll-down", now, "bfd-down");
      }
      return;
    case "stop":
      state.stopping = { keep: event.keep, until: after(now, STOP_WITHIN) };
      state.origin.dirty = true;
      if (!event.keep) state.restart = { kind: "none" };
      return;
    default:
      unreachable(event);
  }
}

/** We were not running.  What neighbors said meanwhile waits to be read: their silence is not theirs, but ours. */
function oversleep(state: State, promised: Instant | undefined, now: Instant): void {
  const late = promised === undefined ? 0 : now - promised;
  if (late < ASLEEP) return;
  for (const neighbor of neighborsOf(state)) {
    if (neighbor.inactiveAt !== undefined) neighbor.inactiveAt = after(neighbor.inactiveAt, ms(late));
  }
}

/** Deadlines of interfaces, neighbors and LSAs. */
function advance(state: State, now: Instant): void {
  for (const iface of state.interfaces.values()) {
    if (iface.waitUntil !== undefined && now >= iface.waitUntil) interfaceEvent(state, iface, "wait-timer", now);
    for (const neighbor of iface.neighbors.values()) {
      advanceHelping(state, neighbor, now);
      const { inactiveAt, helping } = neighbor;
      if (inactiveAt !== undefined && now >= inactiveAt && helping === undefined) {
        neighborEvent(state, neighbor, "inactivity-timer", now);
      }
      advanceExchange(state, neighbor, now);
      advanceRetransmissions(state, neighbor, now);
    }
  }
  advanceAges(state, now);
}

/** What machines told each other in this step, until all is said. */
function settle(state: State, now: Instant): void {
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const changes = state.contents.splice(0);
    const settled = [...state.settled];
    state.settled.clear();
    const unsettled = [...state.interfaces.values()].filter((iface) => iface.changes.size > 0);
    if (changes.length + settled.length + unsettled.length === 0) return;
    if (state.dialect.version === 3 && changes.some(({ home }) => home.kind === "link")) state.origin.dirty = true;
    if (changes.length > 0 && isBorder(state)) state.origin.dirty = true;
    heed(state, changes, now);
    for (const neighbor of settled) requestSettled(state, neighbor, now);
    for (const iface of unsettled) elections(state, iface, now);
  }
  throw new TypeError("the machines do not come to rest");
}

function elections(state: State, iface: Interface, now: Instant): void {
  const events = [...iface.changes];
  iface.changes.clear();
  for (const event of events) interfaceEvent(state, iface, event, now);
}

function route(state: State): void {
  if (state.restart.kind === "restarting") return; // RFC 3623 §2.1: routes stay as they are
  const table = computeRoutes(state);
  const told = installable(table);
  const before = state.routes.told;
  const set: Route[] = [];
  for (const [name, each] of told) {
    const known = before.get(name);
    if (state.untold || known === undefined || !sameRoute(known, each)) set.push(each);
  }
  const gone = [...before].filter(([name]) => !told.has(name)).map(([, each]) => each.prefix);
  if (state.untold || set.length > 0 || gone.length > 0) {
    state.out.push({ kind: "routes", set, gone, complete: state.untold });
  }
  state.untold = false;
  state.routes = { ...table, told };
  if (electTranslators(state) || isBorder(state)) state.origin.dirty = true;
}

/** Stopping is done when everybody has acknowledged what was said last, or when time is up. */
function finish(state: State, now: Instant): void {
  const { stopping } = state;
  if (stopping === undefined) return;
  const waits = [...neighborsOf(state)].some((each) => each.state === "full" && each.retransmissions.size > 0);
  if (waits && now < stopping.until) return;
  if (!stopping.keep) {
    for (const iface of state.interfaces.values()) {
      if (iface.spec.type !== "nbma") sendHello(state, iface, state.dialect.allSpf);
      else for (const each of iface.neighbors.values()) if (each.routerId !== 0) sendHello(state, iface, each.address);
    }
  }
  state.stopped = true;
  state.out.push({ kind: "stopped" });
}

const ASLEEP = 200;
/** Well before control ends us by force (3 s): the hello that makes neighbors drop us at once comes after it. */
const STOP_WITHIN = ms(1500);
const MOST_ROUNDS = 1000;
