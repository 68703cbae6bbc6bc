/**
 * Graceful restart, ours and that of a neighbor.  Standards: RFC 3623, RFC 5187.
 * Ours: while we are back but not all adjacencies are, what we advertised before stands (it comes back to us by the
 * exchange), we originate nothing, flush nothing and touch no route.  A neighbor's: it stays adjacent for us, and for
 * everybody who reads our LSAs, until its time is over, it is done, or the network changes.
 */
import { after, type Instant, ms } from "../../base/unit.ts";
import { changed } from "./backoff.ts";
import { bodyAs } from "./body.ts";
import type { Desired } from "./dialect.ts";
import { ageOf, type Entry } from "./lsdb.ts";
import { neighborEvent } from "./neighbor.ts";
import { gracePeriod } from "./outage.ts";
import { quad } from "./packet/describe.ts";
import type { LsaBody, RouterLink } from "./packet/lsa.ts";
import { type Area, event, type Home, type Neighbor, neighborsOf, type State } from "./state.ts";

/** RFC 3623 §2.1. */
export function holdsBack(state: State): boolean {
  return state.restart.kind === "restarting";
}

/** The grace LSA that says: I am going away and will be back.  RFC 3623 §2.1, A. */
export function graceLsas(state: State): readonly Desired[] {
  if (state.stopping?.keep !== true) return [];
  const running = [...state.interfaces.values()].filter((each) => each.neighbors.size > 0 && each.link !== undefined);
  return running.map((iface) => state.dialect.grace(state, iface, gracePeriod(state), "software-restart"));
}

/** What changed in this step: grace LSAs come and go; anything else ends our help (RFC 3623 §3.2 (3)). */
export function heed(
  state: State,
  changes: readonly { readonly home: Home; readonly entry: Entry }[],
  now: Instant,
): void {
  for (const { home, entry } of changes) {
    if (home.kind === "link" && state.dialect.graceOf(entry)) graceHeard(state, home, entry, now);
    else if (ends(state, entry)) {
      for (const neighbor of neighborsOf(state)) {
        if (neighbor.helping === undefined || entry.lsa.header.advertisingRouter === neighbor.routerId) continue;
        stopHelping(state, neighbor, "topology-changed", now);
      }
    }
  }
}

export function advanceHelping(state: State, neighbor: Neighbor, now: Instant): void {
  if (neighbor.helping !== undefined && now >= neighbor.helping.until) {
    stopHelping(state, neighbor, "grace-period-over", now);
  }
}

/** RFC 3623 §2.2: over when all that was adjacent is again, when something does not fit, or when time is up. */
export function advanceRestart(state: State, now: Instant): void {
  const { restart } = state;
  if (restart.kind !== "restarting") return;
  if (now >= restart.until) return finish(state, "grace-period-over", now);
  let heard = false;
  for (const area of state.areas.values()) {
    const links = linksBefore(state, area);
    if (links === undefined) continue;
    heard = true;
    const wrong = inconsistent(state, area, links);
    if (wrong) return finish(state, "topology-changed", now);
    if (!links.every((link) => isBack(state, area, link))) return;
  }
  if (heard) finish(state, "all-adjacent", now);
}

function finish(state: State, why: string, now: Instant): void {
  state.restart = { kind: "none" };
  state.origin.dirty = true;
  state.untold = true;
  changed(state.backoff, now);
  event(state, "ospf.restarted", { why });
}

/** The non-stub links of the router LSA that we had before; it is in the database as soon as a neighbor told us. */
function linksBefore(state: State, area: Area): readonly RouterLink[] | undefined {
  const links: RouterLink[] = [];
  let found = false;
  for (const entry of area.home.database.of(state.dialect.types.router)) {
    if (entry.lsa.header.advertisingRouter !== state.routerId || entry.flushing) continue;
    found = true;
    links.push(...(bodyAs(entry.lsa, "router")?.links ?? []).filter((each) => each.type !== "stub"));
  }
  return found ? links : undefined;
}

function isBack(state: State, area: Area, link: RouterLink): boolean {
  const iface = state.dialect.ownInterface(state, area, link);
  if (iface === undefined) return false;
  if (link.type === "point-to-point") {
    return [...iface.neighbors.values()].some((each) => each.routerId === link.id && each.state === "full");
  }
  if (iface.state === "dr") {
    const network = networkOf(state, area, link);
    const before = network?.routers.filter((each) => each !== state.routerId) ?? [];
    const full = new Set([...iface.neighbors.values()].filter((each) => each.state === "full").map((e) => e.routerId));
    return before.length > 0 ? before.every((each) => full.has(each)) : full.size > 0;
  }
  return [...iface.neighbors.values()].some(
    (each) => each.state === "full" && state.dialect.identityOf(each) === iface.dr,
  );
}

/** A neighbor's LSA does not have the link to us any more: it has not helped (RFC 3623 §2.2 (2)). */
function inconsistent(state: State, area: Area, links: readonly RouterLink[]): boolean {
  for (const link of links) {
    if (link.type !== "point-to-point") continue;
    const theirs: (LsaBody & { kind: "router" })[] = [];
    for (const { lsa } of area.home.database.of(state.dialect.types.router)) {
      const body = lsa.header.advertisingRouter === link.id ? bodyAs(lsa, "router") : undefined;
      if (body !== undefined) theirs.push(body);
    }
    const back = theirs.some(({ links: all }) =>
      all.some((each) => each.type === "point-to-point" && each.id === state.routerId),
    );
    if (theirs.length > 0 && !back) return true;
  }
  return false;
}

function networkOf(state: State, area: Area, link: RouterLink): (LsaBody & { kind: "network" }) | undefined {
  for (const { lsa, flushing } of area.home.database.of(state.dialect.types.network)) {
    if (!flushing && state.dialect.networkKey(lsa.header) === state.dialect.targetOf(link))
      return bodyAs(lsa, "network");
  }
  return undefined;
}

/** RFC 3623 §3.1. */
function graceHeard(state: State, home: Home & { readonly kind: "link" }, entry: Entry, now: Instant): void {
  const { header } = entry.lsa;
  const neighbor = [...home.iface.neighbors.values()].find((each) => each.routerId === header.advertisingRouter);
  if (neighbor === undefined) return;
  if (entry.flushing) {
    if (neighbor.helping !== undefined) stopHelping(state, neighbor, "restarted", now);
    return;
  }
  const body = bodyAs(entry.lsa, "grace");
  if (body === undefined) return;
  const left = body.period - ageOf(entry, now);
  const willing = state.plan.gracefulRestart?.helper === true && state.restart.kind === "none";
  if (!willing || left <= 0 || (neighbor.state !== "full" && neighbor.helping === undefined)) return;
  if (hasNews(state, neighbor)) return;
  if (neighbor.helping === undefined) {
    event(state, "ospf.helping", { peer: quad(neighbor.routerId), ifname: home.iface.name, period: left });
  }
  neighbor.helping = { until: after(now, ms(left * 1000)) };
}

/** (2): something that it should have known before it left is still on its way to it. */
function hasNews(state: State, neighbor: Neighbor): boolean {
  for (const entry of neighbor.retransmissions.values()) if (ends(state, entry)) return true;
  return false;
}

function stopHelping(state: State, neighbor: Neighbor, why: string, now: Instant): void {
  neighbor.helping = undefined;
  state.origin.dirty = true;
  neighbor.iface.changes.add("neighbor-change"); // who is designated is decided anew (§3.2)
  event(state, "ospf.helped", { peer: quad(neighbor.routerId), ifname: neighbor.iface.name, why });
  if (neighbor.inactiveAt !== undefined && now >= neighbor.inactiveAt) {
    neighborEvent(state, neighbor, "inactivity-timer", now);
    // Who is done has exchanged databases with us since its last hello, which may be from before it knew us.
  } else if (!neighbor.mutual && why !== "restarted") neighborEvent(state, neighbor, "1-way", now);
}

/** LSAs that routes depend on: types 1 to 5 and 7, and v3's likes of them. */
function ends(state: State, entry: Entry): boolean {
  return Object.values(state.dialect.types).includes(entry.lsa.header.type);
}
