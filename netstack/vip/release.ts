/**
 * Giving an address away: to a successor that we name, or, when we lost it, at once and without a word of farewell.
 * The one that releases knows all candidates' loads best, so it chooses; nobody has to agree with it.
 */
import { after, type Instant, type Ms, seconds } from "../../base/unit.ts";

import type { Holding } from "./event.ts";
import { compare } from "./rank.ts";
import {
  alive,
  believe,
  hearsUs,
  holdingOf,
  isAlive,
  listening,
  ownedCount,
  type Peer,
  type State,
  type Vip,
} from "./state.ts";
import { detection } from "./timing.ts";

/** Graceful: the successor claims when it hears of it, flows that we have are served for `handover`. */
export function release(state: State, vip: Vip, why: string, handover: Ms, now: Instant, to?: Peer): void {
  if (vip.phase.kind !== "owner") return;
  const { timing } = state.config;
  const successor = to ?? bestOf(state, vip, now);
  // Without a successor too: nobody sends flows back then, but neighbours that know us still reach those under way.
  if (handover > 0) {
    drain(state, holdingOf(vip), handover, now);
  } else {
    state.out.push({ kind: "drop", holding: holdingOf(vip) });
  }
  quiet(state, vip);
  vip.phase = { kind: "waiting" };
  vip.why = why;
  vip.releasing = {
    until: after(now, detection(timing)),
    successor: successor?.node,
    handover,
  };
  // The successor has a detection time of its own to show itself before we might take the address back.
  const releasedUntil = alive(timing, after(now, detection(timing)), "released");
  believe(vip, releasedUntil);
  if (successor !== undefined) successor.owned++; // until its next heartbeat says so: the next release looks elsewhere
  state.urgent = "now";
  const fields = { vip: vip.config.name, why, successor: successor?.node, handover };
  state.out.push({ kind: "event", name: "vip.released", fields });
}

/** It is not ours any more, or must not be: silence at once. */
export function stepDown(state: State, vip: Vip, why: string, now: Instant): void {
  if (vip.phase.kind !== "owner") return;
  state.out.push({ kind: "drop", holding: holdingOf(vip) });
  quiet(state, vip);
  vip.phase = { kind: "waiting" };
  vip.why = why;
  believe(vip, listening(state.config.timing, now));
  state.urgent = "now";
  state.out.push({ kind: "event", name: "vip.lost", fields: { vip: vip.config.name, why, term: vip.term } });
}

/** Ends what a release left behind when its time is over. */
export function settle(vip: Vip, now: Instant): void {
  if (vip.releasing !== undefined && now >= vip.releasing.until) vip.releasing = undefined;
}

/** From now nobody is answered, but flows are served for `span`. */
export function drain(state: State, holding: Holding, span: Ms, now: Instant): void {
  for (const ip of holding.addresses) state.drains.set(ip, after(now, span));
  state.out.push({ kind: "drain", holding, span });
}

/** Silences what has been served for long enough. */
export function endDrains(state: State, now: Instant): void {
  for (const [ip, until] of state.drains) {
    if (now < until) continue;
    state.drains.delete(ip);
    state.out.push({ kind: "drop", holding: { vip: ip, addresses: [ip] } });
  }
}

/** An owner asked by a better candidate lets go; one request at a time, so that counts stay true. */
export function heed(state: State, vip: Vip, peer: Peer, priority: number, now: Instant): void {
  if (vip.phase.kind !== "owner" || !hearsUs(peer, state.config.timing)) return;
  if (!isBetter(priority, peer.owned, vip.config.priority, ownedCount(state))) return;
  release(state, vip, "preempted", HANDOVER, now, peer);
}

/** Priority decides; among equals a move must make the load more even. */
export function isBetter(priority: number, load: number, ownerPriority: number, ownerLoad: number): boolean {
  return priority > ownerPriority || (priority === ownerPriority && ownerLoad - load >= 2);
}

function bestOf(state: State, vip: Vip, now: Instant): Peer | undefined {
  let best: Peer | undefined;
  let bestPriority = 0;
  for (const peer of state.peers.values()) {
    const standing = peer.standings.get(vip.id);
    if (standing?.role !== "candidate" || !isAlive(peer, now) || !hearsUs(peer, state.config.timing)) continue;
    const one = { node: peer.node, priority: standing.priority, load: peer.owned };
    if (best === undefined || compare(one, { node: best.node, priority: bestPriority, load: best.owned }, vip.id) < 0) {
      best = peer;
      bestPriority = standing.priority;
    }
  }
  return best;
}

function quiet(state: State, vip: Vip): void {
  for (const ip of vip.config.addresses) state.announcer.stop(ip);
}

/** How long flows are handed back after a release that control did not time itself. */
export const HANDOVER = seconds(30);
