/**
 * The neighbor state machine.  Standards: RFC 2328 §10 (states §10.1, events §10.2, table §10.3, adjacency §10.4),
 * RFC 3623 §3.2 for a neighbor that restarts with our help.
 */
import { unreachable } from "../../base/result.ts";
import { after, type Instant, ms } from "../../base/unit.ts";
import { changed } from "./backoff.ts";
import { beginExchange, beginNegotiation, clearLists } from "./description.ts";
import { helloSoon, nextPoll } from "./hello-out.ts";
import { quad } from "./packet/describe.ts";
import type { OspfNeighborState } from "./plan.ts";
import { atLeast, type Interface, type Neighbor, type State } from "./state.ts";

export type NeighborEvent =
  | "hello-received"
  | "start"
  | "2-way-received"
  | "negotiation-done"
  | "exchange-done"
  | "bad-ls-req"
  | "loading-done"
  | "adj-ok"
  | "seq-number-mismatch"
  | "1-way"
  | "kill-nbr"
  | "inactivity-timer"
  | "ll-down";

/** What each cell of §10.3 does. */
export type NeighborCell =
  | "ignore"
  | "attempt"
  | "init"
  | "heard"
  | "two-way"
  | "exchange"
  | "load"
  | "full"
  | "reconsider"
  | "restart"
  | "one-way"
  | "down";

/** Total: a cell that is missing does not compile. */
export const NEIGHBOR_TABLE: Readonly<Record<OspfNeighborState, Readonly<Record<NeighborEvent, NeighborCell>>>> = {
  down: row({ start: "attempt", "hello-received": "init" }),
  attempt: row({ "hello-received": "init" }),
  init: row({ "hello-received": "heard", "2-way-received": "two-way" }),
  "2-way": row({ "hello-received": "heard", "adj-ok": "reconsider", "1-way": "one-way" }),
  "ex-start": row({
    "hello-received": "heard",
    "negotiation-done": "exchange",
    "adj-ok": "reconsider",
    "1-way": "one-way",
  }),
  exchange: row({
    "hello-received": "heard",
    "exchange-done": "load",
    "bad-ls-req": "restart",
    "adj-ok": "reconsider",
    "seq-number-mismatch": "restart",
    "1-way": "one-way",
  }),
  loading: row({
    "hello-received": "heard",
    "bad-ls-req": "restart",
    "loading-done": "full",
    "adj-ok": "reconsider",
    "seq-number-mismatch": "restart",
    "1-way": "one-way",
  }),
  full: row({
    "hello-received": "heard",
    "bad-ls-req": "restart",
    "adj-ok": "reconsider",
    "seq-number-mismatch": "restart",
    "1-way": "one-way",
  }),
};

export function neighborEvent(
  state: State,
  neighbor: Neighbor,
  event: NeighborEvent,
  now: Instant,
  why: string = event,
): void {
  const cell = NEIGHBOR_TABLE[neighbor.state][event];
  switch (cell) {
    case "ignore":
      return;
    case "attempt":
      neighbor.inactiveAt = after(now, ms(neighbor.iface.spec.dead));
      neighbor.pollAt = now;
      return move(state, neighbor, "attempt", why, now);
    case "init":
      heard(neighbor, now);
      move(state, neighbor, "init", why, now);
      return helloSoon(neighbor.iface, now);
    case "heard":
      return heard(neighbor, now);
    case "two-way":
      move(state, neighbor, "2-way", why, now);
      if (wanted(state, neighbor)) startNegotiation(state, neighbor, why, now);
      return;
    case "exchange":
      move(state, neighbor, "exchange", why, now);
      return beginExchange(state, neighbor, now);
    case "load":
      if (neighbor.requests.size > 0) return move(state, neighbor, "loading", why, now);
      return move(state, neighbor, "full", why, now);
    case "full":
      return move(state, neighbor, "full", why, now);
    case "reconsider":
      if (neighbor.state === "2-way") {
        if (wanted(state, neighbor)) startNegotiation(state, neighbor, why, now);
      } else if (!wanted(state, neighbor)) {
        clearLists(neighbor);
        move(state, neighbor, "2-way", why, now);
      }
      return;
    case "restart":
      note(neighbor.iface, neighbor.key, why);
      return startNegotiation(state, neighbor, why, now);
    case "one-way":
      note(neighbor.iface, neighbor.key, why);
      clearLists(neighbor);
      return move(state, neighbor, "init", why, now);
    case "down":
      return bringDown(state, neighbor, why, now);
    default:
      return unreachable(cell);
  }
}

/** Why it went down, or back, or never came, last: outlives the neighbor. */
export function note({ errors }: Interface, key: string, why: string): void {
  errors.delete(key);
  errors.set(key, why);
  const [oldest] = errors.keys();
  if (errors.size > MOST_ERRORS && oldest !== undefined) errors.delete(oldest);
}

/** §10.4: should there be an adjacency? */
export function wanted(state: State, neighbor: Neighbor): boolean {
  const { iface } = neighbor;
  if (iface.spec.type === "point-to-point") return true;
  if (iface.state === "dr" || iface.state === "backup") return true;
  const identity = state.dialect.identityOf(neighbor);
  return identity === iface.dr || identity === iface.bdr;
}

export function newNeighbor(iface: Interface, key: string, fields: Partial<Neighbor>, now: Instant): Neighbor {
  const neighbor: Neighbor = {
    key,
    iface,
    routerId: 0,
    address: iface.link?.addresses[0]?.ip ?? NOWHERE,
    interfaceId: 0,
    priority: 0,
    dr: 0,
    bdr: 0,
    options: 0,
    opaque: false,
    state: "down",
    since: now,
    inactiveAt: undefined,
    pollAt: undefined,
    master: false,
    // Differs from what an earlier life of ours used: the time of day would, and so does the time since the host's start.
    sequence: Math.floor(now) >>> 0,
    summary: [],
    lastReceived: undefined,
    lastSent: undefined,
    descriptionAt: undefined,
    keepUntil: undefined,
    requests: new Map(),
    asked: new Map(),
    answered: new Map(),
    requestAt: undefined,
    retransmissions: new Map(),
    retransmitAt: undefined,
    retransmitted: 0,
    sequences: new Map(),
    bfd: undefined,
    helping: undefined,
    mutual: false,
    ...fields,
  };
  iface.neighbors.set(key, neighbor);
  return neighbor;
}

function heard(neighbor: Neighbor, now: Instant): void {
  neighbor.inactiveAt = after(now, ms(neighbor.iface.spec.dead));
}

function startNegotiation(state: State, neighbor: Neighbor, why: string, now: Instant): void {
  clearLists(neighbor);
  move(state, neighbor, "ex-start", why, now);
  beginNegotiation(state, neighbor, now);
}

function bringDown(state: State, neighbor: Neighbor, why: string, now: Instant): void {
  const { iface } = neighbor;
  if (neighbor.state !== "down") note(neighbor.iface, neighbor.key, why);
  clearLists(neighbor);
  neighbor.inactiveAt = undefined;
  neighbor.helping = undefined;
  neighbor.sequences.clear(); // RFC 2328 D.3: a neighbor that starts anew may count anew
  neighbor.bfd = undefined;
  move(state, neighbor, "down", why, now);
  if (iface.neighbors.get(neighbor.key) !== neighbor) return;
  if (iface.spec.type === "nbma") nextPoll(neighbor, now);
  else iface.neighbors.delete(neighbor.key);
}

function move(state: State, neighbor: Neighbor, to: OspfNeighborState, why: string, now: Instant): void {
  const from = neighbor.state;
  if (from === to) return;
  const [was, wasFull] = [atLeast(neighbor, "2-way"), from === "full"];
  neighbor.state = to;
  neighbor.since = now;
  // §9.2 NeighborChange: two-way communication came or went.
  if (was !== atLeast(neighbor, "2-way")) neighbor.iface.changes.add("neighbor-change");
  if (wasFull || to === "full") state.origin.dirty = true;
  if (was !== atLeast(neighbor, "2-way") || wasFull || to === "full") changed(state.backoff, now); // it is a next hop, or none
  const peer = neighbor.routerId === 0 ? neighbor.key : quad(neighbor.routerId);
  state.out.push({ kind: "moved", ifname: neighbor.iface.name, peer, text: `neighbor ${from} → ${to}: ${why}` });
}

function row(cells: Partial<Record<NeighborEvent, NeighborCell>>): Readonly<Record<NeighborEvent, NeighborCell>> {
  return {
    "hello-received": "ignore",
    start: "ignore",
    "2-way-received": "ignore",
    "negotiation-done": "ignore",
    "exchange-done": "ignore",
    "bad-ls-req": "ignore",
    "loading-done": "ignore",
    "adj-ok": "ignore",
    "seq-number-mismatch": "ignore",
    "1-way": "ignore",
    "kill-nbr": "down",
    "inactivity-timer": "down",
    "ll-down": "down",
    ...cells,
  };
}

const NOWHERE = 0 as Neighbor["address"] & number;
const MOST_ERRORS = 256;
