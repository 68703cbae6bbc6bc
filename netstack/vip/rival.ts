/**
 * Two that claim one address at the same time.  Those that hear each other compare what they said (rank.ts), and the
 * loser says that it gives way; the winner claims only after that.  Where one hears the other but not the other way
 * round, or they see each other's probes only, the station with the smaller address goes on (RFC 5227 §2.1.1 would have
 * both give way, and try again for ever).  Whoever cannot be sure that the other gives way, does so itself.
 */
import type { Mac } from "../../base/address.ts";
import type { Instant } from "../../base/unit.ts";

import type { Entry } from "./packet.ts";
import { compare } from "./rank.ts";
import {
  alive,
  believe,
  giveWay,
  hasten,
  hearsUs,
  isAlive,
  opensAt,
  ownerSpeaks,
  type Peer,
  type Phase,
  type State,
  type Vip,
} from "./state.ts";

/** A peer says that it is about to claim. */
export function intentHeard(state: State, vip: Vip, peer: Peer, entry: Entry, now: Instant): void {
  const { phase } = vip;
  if (phase.kind === "owner") {
    hasten(state); // it has not heard us: it should before it claims
    return;
  }
  if (phase.kind === "claiming") {
    if (goesOn(state, vip, phase, peer, entry)) {
      hasten(state);
      return;
    }
  } else if (vip.owner?.node !== peer.node && ownerSpeaks(state, vip, now)) {
    return; // the owner will tell it
  }
  yieldTo(state, vip, peer, "claimed-by-peer", now);
}

/** Our turn has come, but a peer has begun before us: while the owner seemed to speak that was not for us to heed. */
export function deferToClaimant(state: State, vip: Vip, now: Instant): boolean {
  for (const peer of state.peers.values()) {
    const standing = peer.standings.get(vip.id);
    if (standing?.role !== "claiming" || !peer.proven || !isAlive(peer, now)) continue;
    const left = alive(peer.timing, standing.at, "claim");
    if (now >= opensAt(left)) continue;
    believe(vip, left);
    giveWay(vip, "claimed-by-peer");
    return true;
  }
  return false;
}

/** Somebody else probes for the address. */
export function probeSeen(state: State, vip: Vip, mac: Mac, peer: Peer | undefined, now: Instant): void {
  const { phase } = vip;
  if (phase.kind !== "waiting" && phase.kind !== "claiming") return; // an owner's kernel answers
  if (peer?.proven === true && isAlive(peer, now)) {
    if (phase.kind === "claiming") phase.probers.set(peer.node, now); // its heartbeat should say more
    return;
  }
  if (phase.kind === "claiming" && state.link.mac < mac) return;
  if (phase.kind === "waiting" && ownerSpeaks(state, vip, now)) return;
  believe(vip, alive(state.config.timing, now, "claim"));
  giveWay(vip, "probed-by-other");
}

/** Before the claim: has everybody else given way?  If not, we do. */
export function isUnrivalled(
  state: State,
  vip: Vip,
  phase: Phase & { readonly kind: "claiming" },
  now: Instant,
): boolean {
  for (const peer of state.peers.values()) {
    const standing = peer.standings.get(vip.id);
    if (!isAlive(peer, now) || standing === undefined) continue;
    const probedAt = phase.probers.get(peer.node);
    const silent = probedAt !== undefined && standing.at < probedAt;
    const claims = peer.proven && standing.role === "claiming" && standing.at >= phase.since;
    if (!silent && !claims) continue;
    const sure = silent || !hearsUs(peer, state.config.timing);
    if (sure && state.link.mac < peer.mac) continue;
    yieldTo(state, vip, peer, "claimed-by-peer", now);
    return false;
  }
  return true;
}

function goesOn(
  state: State,
  vip: Vip,
  phase: Phase & { readonly kind: "claiming" },
  peer: Peer,
  entry: Entry,
): boolean {
  if (!hearsUs(peer, state.config.timing)) return state.link.mac < peer.mac;
  const ours = { node: state.config.node, priority: vip.config.priority, load: phase.load };
  return compare(ours, { node: peer.node, priority: entry.priority, load: entry.load }, vip.id) < 0;
}

function yieldTo(state: State, vip: Vip, peer: Peer, why: string, now: Instant): void {
  if (vip.phase.kind === "claiming") hasten(state); // it waits for our word
  believe(vip, alive(peer.timing, now, "claim"));
  giveWay(vip, why);
}
