/**
 * What we send to make databases equal: database descriptions and link state requests.
 * Standards: RFC 2328 §10.6, §10.8, §10.9.
 */
import { after, type Instant, ms } from "../../base/unit.ts";
import { ageOf, headerOf } from "./lsdb.ts";
import { type LsaHeader, MAX_AGE, OPTION_O } from "./packet/lsa.ts";
import { type DatabaseDescription, DESCRIPTION_OCTETS, LSA_HEADER_OCTETS } from "./packet/packet.ts";
import { retransmit } from "./retransmit.ts";
import { addressed, headOf, keysPerPacket, room, send } from "./send.ts";
import { homesOf, type Neighbor, reaches, type State } from "./state.ts";

/** ExStart: we claim to be the master until we know better. */
export function beginNegotiation(state: State, neighbor: Neighbor, now: Instant): void {
  neighbor.sequence = (neighbor.sequence + 1) >>> 0;
  neighbor.master = true;
  describeDatabase(state, neighbor, { init: true, more: true, headers: [] }, now);
}

/** Exchange: what there is to be told.  What dies is sent itself, so that it dies there too. */
export function beginExchange(state: State, neighbor: Neighbor, now: Instant): void {
  neighbor.summary = [];
  for (const home of homesOf(neighbor.iface, state)) {
    if (!reaches(home, neighbor.iface)) continue;
    for (const entry of home.database) {
      if (!state.dialect.mayTell(neighbor, entry.lsa.header.type)) continue;
      if (ageOf(entry, now) >= MAX_AGE) retransmit(neighbor, entry, now);
      else neighbor.summary.push(headerOf(entry, now));
    }
  }
}

export function clearLists(neighbor: Neighbor): void {
  neighbor.summary = [];
  neighbor.lastReceived = undefined;
  neighbor.lastSent = undefined;
  neighbor.descriptionAt = undefined;
  neighbor.keepUntil = undefined;
  neighbor.requests.clear();
  neighbor.asked.clear();
  neighbor.requestAt = undefined;
  neighbor.retransmissions.clear();
  neighbor.retransmitAt = undefined;
}

/** §10.9: one request at a time, of as many LSAs as fit. */
export function ask(state: State, neighbor: Neighbor, now: Instant): void {
  const { iface } = neighbor;
  if (neighbor.asked.size > 0 || neighbor.requests.size === 0) return;
  for (const [key, header] of neighbor.requests) {
    if (neighbor.asked.size >= keysPerPacket(state, iface)) break;
    neighbor.asked.set(key, header);
  }
  sendRequest(state, neighbor, now);
}

/** What is due of an exchange: descriptions of the master, requests, a slave's memory. */
export function advanceExchange(state: State, neighbor: Neighbor, now: Instant): void {
  if (neighbor.keepUntil !== undefined && now >= neighbor.keepUntil) {
    neighbor.keepUntil = undefined;
    neighbor.lastSent = undefined;
  }
  if (neighbor.descriptionAt !== undefined && now >= neighbor.descriptionAt) {
    neighbor.descriptionAt = after(now, ms(neighbor.iface.spec.retransmit));
    repeat(state, neighbor);
  }
  if (neighbor.requestAt !== undefined && now >= neighbor.requestAt) sendRequest(state, neighbor, now);
}

function sendRequest(state: State, neighbor: Neighbor, now: Instant): void {
  const { iface } = neighbor;
  neighbor.requestAt = after(now, ms(iface.spec.retransmit));
  const wanted = [...neighbor.asked.values()].map(({ type, id, advertisingRouter }) => ({
    type,
    id,
    advertisingRouter,
  }));
  send(state, iface, addressed(state, neighbor), { ...headOf(state, iface), kind: "request", wanted });
}

/** The next of what there is to be told. */
export function tellMore(state: State, neighbor: Neighbor, now: Instant): void {
  const { version } = state.dialect;
  const most = Math.floor((room(state, neighbor.iface) - DESCRIPTION_OCTETS[version]) / LSA_HEADER_OCTETS);
  const headers: readonly LsaHeader[] = neighbor.summary.splice(0, most);
  describeDatabase(state, neighbor, { init: false, more: neighbor.summary.length > 0, headers }, now);
}

function describeDatabase(
  state: State,
  neighbor: Neighbor,
  what: Pick<DatabaseDescription, "init" | "more" | "headers">,
  now: Instant,
): void {
  const { iface, master, sequence } = neighbor;
  const options = state.dialect.options(iface.area) | (state.dialect.version === 2 ? OPTION_O : 0);
  const mtu = iface.link?.mtu ?? 0;
  const kind = "database-description";
  neighbor.lastSent = { ...headOf(state, iface), kind, mtu, options, master, sequence, ...what };
  neighbor.descriptionAt = master ? after(now, ms(iface.spec.retransmit)) : undefined;
  repeat(state, neighbor);
}

/** The last description once more. */
export function repeat(state: State, neighbor: Neighbor): void {
  if (neighbor.lastSent !== undefined) {
    send(state, neighbor.iface, addressed(state, neighbor), neighbor.lastSent);
  }
}
