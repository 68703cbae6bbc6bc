/**
 * Flooding: LSAs that came, how they travel on, and what is said in return.
 * Standards: RFC 2328 §13-13.7, §14, RFC 5340 §4.5.1, RFC 5250 §3.1, RFC 3101 §2.2.
 */
import { after, type Instant, ms } from "../../base/unit.ts";
import { changed } from "./backoff.ts";
import { bodyIn } from "./body.ts";
import { ageOf, type Entry, entryOf, headerOf, newer, sameContents } from "./lsdb.ts";
import { neighborEvent } from "./neighbor.ts";
import { CHECK_AGE, type Lsa, type LsaHeader, MAX_AGE, MAX_SEQUENCE } from "./packet/lsa.ts";
import { aged, checksumHolds, keyText } from "./packet/lsa-header.ts";
import type { Acknowledgement, Update } from "./packet/packet.ts";
import { acknowledged, outgoing, retransmit } from "./retransmit.ts";
import { addressed, flooded, room, sendAcks, sendUpdates } from "./send.ts";
import {
  atLeast,
  type Home,
  homeOf,
  type Interface,
  type Neighbor,
  neighborsOf,
  reaches,
  refuse,
  type State,
  tolerates,
} from "./state.ts";

/** §13. */
export function updateReceived(state: State, neighbor: Neighbor, update: Update, now: Instant): void {
  if (!atLeast(neighbor, "exchange")) return refuse(neighbor.iface, "neighbor-state");
  const direct: LsaHeader[] = [];
  for (const lsa of update.lsas) {
    lsaReceived(state, neighbor, lsa, direct, now);
    if (!atLeast(neighbor, "exchange")) break; // the adjacency starts over
  }
  sendAcks(state, neighbor.iface, [addressed(state, neighbor)], direct);
}

function lsaReceived(state: State, from: Neighbor, lsa: Lsa, direct: LsaHeader[], now: Instant): void {
  const { iface } = from;
  const { header } = lsa;
  if (!checksumHolds(lsa.raw)) return refuse(iface, "lsa-checksum"); // (1)
  const home = homeOf(state, iface, header.type);
  if (home === undefined || !state.dialect.accepts(header.type)) return refuse(iface, "lsa-type"); // (2)
  if (!tolerates(state, iface, home, header.type)) return refuse(iface, "lsa-scope"); // (3)
  const key = keyText(header);
  const have = home.database.get(key);
  if (header.age >= MAX_AGE && have === undefined && !isExchanging(state)) {
    direct.push(header); // (4)
    return refuse(iface, "lsa-maxage-unknown");
  }
  const comparison = have === undefined ? 1 : newer(header, headerOf(have, now));
  if (comparison > 0) return take(state, from, home, lsa, have, now); // (5)
  if (from.requests.has(key)) {
    refuse(iface, "lsa-older");
    return neighborEvent(state, from, "bad-ls-req", now); // (6)
  }
  if (have === undefined) return;
  if (comparison === 0) {
    // (7): it is an acknowledgement, or it wants one
    if (from.retransmissions.has(key)) {
      acknowledged(from, key);
      if (iface.state === "backup" && isDr(state, from)) delay(iface, headerOf(have, now), now);
    } else direct.push(header);
    return;
  }
  refuse(iface, "lsa-older"); // (8)
  if (ageOf(have, now) >= MAX_AGE && have.lsa.header.sequence === MAX_SEQUENCE) return; // its number wraps
  if (now - (from.answered.get(key) ?? Number.NEGATIVE_INFINITY) < MIN_LS_ARRIVAL) return;
  if (from.answered.size > MOST_ANSWERED) from.answered.clear();
  from.answered.set(key, now);
  sendUpdates(state, iface, [addressed(state, from)], [outgoing(have, iface.spec.transmitDelay, now)]);
}

/** (5): the instance is new. */
function take(state: State, from: Neighbor, home: Home, lsa: Lsa, have: Entry | undefined, now: Instant): void {
  const { iface } = from;
  if (have?.from === "flooded" && now - have.installedAt < MIN_LS_ARRIVAL) return refuse(iface, "lsa-too-soon"); // (a)
  if (have === undefined && home.database.size >= MOST_LSAS) return refuse(iface, "database-full");
  const dies = lsa.header.age >= MAX_AGE;
  const entry = entryOf(lsa, from.requests.has(keyText(lsa.header)) ? "requested" : "flooded", now, dies);
  const back = flood(state, home, entry, from, now); // (b), (c)
  install(state, home, entry, now); // (d)
  if (!back && (iface.state !== "backup" || isDr(state, from))) delay(iface, lsa.header, now); // (e)
  if (bodyIn(lsa) === undefined) refuse(iface, "lsa-malformed"); // kept and passed on all the same
  if (lsa.header.advertisingRouter === state.routerId || state.dialect.isOurs(state, lsa.header)) {
    state.origin.dirty = true; // (f)
  }
}

/** §13.3; true: it leaves through the interface that it came from. */
export function flood(state: State, home: Home, entry: Entry, from: Neighbor | undefined, now: Instant): boolean {
  let back = false;
  for (const iface of state.interfaces.values()) {
    if (!reaches(home, iface)) continue;
    let added = false;
    for (const neighbor of iface.neighbors.values()) {
      if (!atLeast(neighbor, "exchange") || !state.dialect.mayTell(neighbor, entry.lsa.header.type)) continue; // (a)
      acknowledged(neighbor, entry.key); // an older instance need not arrive any more, §13 (5) (c)
      const asked = neighbor.requests.get(entry.key); // (b)
      if (asked !== undefined) {
        const comparison = newer(entry.lsa.header, asked);
        if (comparison >= 0) {
          neighbor.requests.delete(entry.key);
          neighbor.asked.delete(entry.key);
          state.settled.add(neighbor);
        }
        if (comparison <= 0) continue;
      }
      if (neighbor === from) continue; // (c)
      retransmit(neighbor, entry, now); // (d)
      added = true;
    }
    if (!added) continue; // (2)
    const incoming = from?.iface === iface;
    if (incoming && isDesignated(state, from)) continue; // (3)
    if (incoming && iface.state === "backup") continue; // (4)
    iface.outbox.set(entry.key, entry); // (5)
    if (incoming) back = true;
  }
  return back;
}

/** Into the database; what depends on it is computed anew (§13.2). */
export function install(state: State, home: Home, entry: Entry, now: Instant): void {
  const had = home.database.get(entry.key);
  if (had !== undefined) state.dying.delete(had);
  home.database.put(entry);
  if (entry.flushing) state.dying.set(entry, home);
  else scheduleAge(state, home, entry, now);
  const alike = had !== undefined && had.flushing === entry.flushing && sameContents(had.lsa, entry.lsa);
  if (!alike) contentChanged(state, home, entry, now);
}

/** Premature ageing and the end of a life (§14, §14.1): flooded with MaxAge, removed when all have acknowledged. */
export function flush(state: State, home: Home, entry: Entry, now: Instant): void {
  if (entry.flushing) return;
  const dead = entryOf(aged(entry.lsa, MAX_AGE), entry.from, now, true);
  flood(state, home, dead, undefined, now);
  install(state, home, dead, now);
}

export function ackReceived(neighbor: Neighbor, ack: Acknowledgement, now: Instant): void {
  if (!atLeast(neighbor, "exchange")) return refuse(neighbor.iface, "neighbor-state");
  for (const header of ack.headers) {
    const key = keyText(header);
    const waiting = neighbor.retransmissions.get(key);
    if (waiting === undefined) continue; // §13.7: nothing is wrong, it was acknowledged by other means
    if (newer(header, headerOf(waiting, now)) === 0) acknowledged(neighbor, key);
    else refuse(neighbor.iface, "ack-unknown");
  }
}

/** What was collected in this step leaves, packed; of very much a part now, the rest soon: sockets' buffers are finite. */
export function emptyOutboxes(state: State, now: Instant): void {
  for (const iface of state.interfaces.values()) {
    if (iface.outbox.size > 0 && (iface.outboxAt === undefined || now >= iface.outboxAt)) {
      const lsas: Lsa[] = [];
      let octets = room(state, iface) * MOST_AT_ONCE;
      for (const [key, entry] of iface.outbox) {
        octets -= entry.lsa.raw.length;
        if (octets < 0 && lsas.length > 0) break;
        iface.outbox.delete(key);
        lsas.push(outgoing(entry, iface.spec.transmitDelay, now));
      }
      iface.outboxAt = iface.outbox.size > 0 ? after(now, PACE) : undefined;
      sendUpdates(state, iface, flooded(state, iface), lsas);
    }
    if (iface.acksAt === undefined || now < iface.acksAt) continue;
    const headers = [...iface.acks.values()];
    iface.acks.clear();
    iface.acksAt = undefined;
    sendAcks(state, iface, flooded(state, iface), headers);
  }
}

/** §14: who dies goes when nobody has to be told any more, and nobody is just learning the database. */
export function bury(state: State): void {
  if (state.dying.size === 0 || isExchanging(state)) return;
  const waiting = new Set<string>();
  for (const neighbor of neighborsOf(state)) for (const key of neighbor.retransmissions.keys()) waiting.add(key);
  for (const [entry, home] of state.dying) {
    if (waiting.has(entry.key)) continue;
    state.dying.delete(entry);
    home.database.remove(entry);
    if (entry.lsa.header.advertisingRouter === state.routerId) state.origin.dirty = true; // its number may have wrapped
  }
}

/** The ages at which something happens: each CheckAge, and MaxAge; a refresh of ours is `originate`'s. */
export function scheduleAge(state: State, home: Home, entry: Entry, now: Instant): void {
  const age = ageOf(entry, now);
  const next = Math.min(MAX_AGE, (Math.floor(age / CHECK_AGE) + 1) * CHECK_AGE);
  state.ages.push(entry.bornAt + next * 1000, { home, entry });
}

function contentChanged(state: State, home: Home, entry: Entry, now: Instant): void {
  changed(state.backoff, now, state.database.size + (home.kind === "area" ? home.database.size : 0));
  state.contents.push({ home, entry });
}

/** §13.5. */
function delay(iface: Interface, header: LsaHeader, now: Instant): void {
  iface.acks.set(keyText(header), header);
  iface.acksAt ??= after(now, ms(Math.min(MOST_DELAY, iface.spec.retransmit / 3)));
  if (iface.acks.size >= MOST_DELAYED) iface.acksAt = now; // a packet is full
}

function isDesignated(state: State, neighbor: Neighbor | undefined): boolean {
  if (neighbor === undefined || neighbor.iface.spec.type === "point-to-point") return false;
  return isDr(state, neighbor) || state.dialect.identityOf(neighbor) === neighbor.iface.bdr;
}
function isDr(state: State, neighbor: Neighbor): boolean {
  return state.dialect.identityOf(neighbor) === neighbor.iface.dr;
}

function isExchanging(state: State): boolean {
  for (const each of neighborsOf(state)) if (each.state === "exchange" || each.state === "loading") return true;
  return false;
}

const MIN_LS_ARRIVAL = 1000;
/** Milliseconds. */
const MOST_DELAY = 1000;
/** Packets. */
const MOST_AT_ONCE = 32;
const PACE = ms(10);
const MOST_DELAYED = 64;
const MOST_ANSWERED = 1024;
/** Of one database: what a router of this kind can be asked to keep. */
const MOST_LSAS = 200_000;
