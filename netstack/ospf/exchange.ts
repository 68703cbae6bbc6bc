/**
 * Databases are made equal: database descriptions and link state requests.
 * Standards: RFC 2328 §10.6-10.9, RFC 5340 §4.2.2, RFC 5250 §3.1 (who hears of opaque LSAs).
 */
import { after, type Instant, ms } from "../../base/unit.ts";
import { ask, repeat, tellMore } from "./description.ts";
import { type Entry, headerOf, newer } from "./lsdb.ts";
import { neighborEvent, note } from "./neighbor.ts";
import { OPTION_O } from "./packet/lsa.ts";
import { keyText } from "./packet/lsa-header.ts";
import type { DatabaseDescription, Request } from "./packet/packet.ts";
import { outgoing } from "./retransmit.ts";
import { addressed, sendUpdates } from "./send.ts";
import { atLeast, homeOf, type Neighbor, refuse, type State, tolerates } from "./state.ts";

/** §10.6. */
export function descriptionReceived(state: State, neighbor: Neighbor, dd: DatabaseDescription, now: Instant): void {
  const { iface } = neighbor;
  const mtu = iface.link?.mtu ?? 0;
  if (!iface.spec.mtuIgnore && dd.mtu > mtu) {
    note(iface, neighbor.key, `mtu-mismatch: ${dd.mtu} there, ${mtu} here`);
    return refuse(iface, "mtu-mismatch");
  }
  if (neighbor.state === "init") neighborEvent(state, neighbor, "2-way-received", now);
  switch (neighbor.state) {
    case "ex-start":
      return negotiate(state, neighbor, dd, now);
    case "exchange":
      return exchange(state, neighbor, dd, now);
    case "loading":
    case "full":
      if (!isRepeated(neighbor, dd)) return mismatch(state, neighbor, "dd-sequence", now);
      if (!neighbor.master && neighbor.lastSent === undefined) return mismatch(state, neighbor, "dd-sequence", now);
      refuse(iface, "dd-duplicate");
      return neighbor.master ? undefined : repeat(state, neighbor);
    case "down":
    case "attempt":
    case "init":
    case "2-way":
      return refuse(iface, "neighbor-state");
  }
}

/** §10.7. */
export function requestReceived(state: State, neighbor: Neighbor, request: Request, now: Instant): void {
  if (!atLeast(neighbor, "exchange")) return refuse(neighbor.iface, "neighbor-state");
  const found: Entry[] = [];
  for (const key of request.wanted) {
    const entry = homeOf(state, neighbor.iface, key.type)?.database.find(key);
    if (entry === undefined) {
      refuse(neighbor.iface, "request-unknown");
      return neighborEvent(state, neighbor, "bad-ls-req", now);
    }
    found.push(entry);
  }
  const { transmitDelay } = neighbor.iface.spec;
  const lsas = found.map((entry) => outgoing(entry, transmitDelay, now));
  sendUpdates(state, neighbor.iface, [addressed(state, neighbor)], lsas);
}

function negotiate(state: State, neighbor: Neighbor, dd: DatabaseDescription, now: Instant): void {
  const first = dd.init && dd.more && dd.master && dd.headers.length === 0;
  if (first && neighbor.routerId > state.routerId) {
    neighbor.master = false;
    neighbor.sequence = dd.sequence;
  } else if (!dd.init && !dd.master && dd.sequence === neighbor.sequence && neighbor.routerId < state.routerId) {
    neighbor.master = true;
  } else if (first)
    return; // it does not know yet that we shall be the master
  else return refuse(neighbor.iface, "dd-sequence");
  neighbor.options = dd.options;
  neighbor.opaque = state.dialect.version === 2 && (dd.options & OPTION_O) !== 0;
  neighbor.descriptionAt = undefined;
  neighborEvent(state, neighbor, "negotiation-done", now);
  accept(state, neighbor, dd, now);
}

function exchange(state: State, neighbor: Neighbor, dd: DatabaseDescription, now: Instant): void {
  const { iface, master } = neighbor;
  if (isRepeated(neighbor, dd)) {
    refuse(iface, "dd-duplicate");
    return master ? undefined : repeat(state, neighbor);
  }
  if (dd.master === master || dd.init) return mismatch(state, neighbor, "dd-sequence", now);
  if (neighbor.lastReceived !== undefined && dd.options !== neighbor.lastReceived.options) {
    return mismatch(state, neighbor, "dd-options", now);
  }
  const expected = master ? neighbor.sequence : (neighbor.sequence + 1) >>> 0;
  if (dd.sequence !== expected) return mismatch(state, neighbor, "dd-sequence", now);
  accept(state, neighbor, dd, now);
}

/** Next in sequence: its headers are looked at, and it is answered. */
function accept(state: State, neighbor: Neighbor, dd: DatabaseDescription, now: Instant): void {
  const { iface } = neighbor;
  for (const header of dd.headers) {
    const home = homeOf(state, iface, header.type);
    if (home === undefined || !tolerates(state, iface, home, header.type)) {
      return mismatch(state, neighbor, "lsa-type", now);
    }
    const have = home.database.find(header);
    if (have === undefined || newer(header, headerOf(have, now)) > 0) neighbor.requests.set(keyText(header), header);
    if (neighbor.requests.size > MOST_REQUESTS) return mismatch(state, neighbor, "database-full", now);
  }
  neighbor.lastReceived = dd;
  if (neighbor.master) {
    const done = neighbor.lastSent?.more === false && !dd.more;
    neighbor.sequence = (neighbor.sequence + 1) >>> 0;
    if (!done) tellMore(state, neighbor, now);
    else {
      neighbor.descriptionAt = undefined;
      neighborEvent(state, neighbor, "exchange-done", now);
    }
  } else {
    neighbor.sequence = dd.sequence;
    tellMore(state, neighbor, now);
    if (!dd.more && neighbor.lastSent?.more === false) {
      neighbor.keepUntil = after(now, ms(iface.spec.dead));
      neighborEvent(state, neighbor, "exchange-done", now);
    }
  }
  if (atLeast(neighbor, "exchange")) ask(state, neighbor, now);
}

function isRepeated(neighbor: Neighbor, dd: DatabaseDescription): boolean {
  const last = neighbor.lastReceived;
  if (last === undefined) return false;
  return (
    last.init === dd.init &&
    last.more === dd.more &&
    last.master === dd.master &&
    last.options === dd.options &&
    last.sequence === dd.sequence
  );
}

function mismatch(
  state: State,
  neighbor: Neighbor,
  why: "dd-sequence" | "dd-options" | "lsa-type" | "database-full",
  now: Instant,
): void {
  refuse(neighbor.iface, why);
  neighborEvent(state, neighbor, "seq-number-mismatch", now);
}

/** Everything asked for has come: the next request, or Full. */
export function requestSettled(state: State, neighbor: Neighbor, now: Instant): void {
  if (neighbor.asked.size > 0 || !atLeast(neighbor, "exchange")) return;
  neighbor.requestAt = undefined;
  if (neighbor.requests.size > 0) ask(state, neighbor, now);
  else if (neighbor.state === "loading") neighborEvent(state, neighbor, "loading-done", now);
}

/** As many as a database holds. */
const MOST_REQUESTS = 200_000;
