/** What a peer's heartbeat says about one virtual IP, and what follows.  docs/protocols/vip.md §4 has the table. */

import { unreachable } from "../../base/result.ts";
import { after, type Instant, ms } from "../../base/unit.ts";
import { claimAtOnce } from "./claim.ts";
import type { Entry, Role } from "./packet.ts";
import { isUs } from "./peers.ts";
import { type Claim, outranks } from "./rank.ts";
import { heed, stepDown } from "./release.ts";
import { intentHeard } from "./rival.ts";
import {
  alive,
  believe,
  freed,
  giveWay,
  hasten,
  hearsUs,
  holdingOf,
  ownerSpeaks,
  type Peer,
  type State,
  type Vip,
} from "./state.ts";
import { detection } from "./timing.ts";

export function hear(state: State, vip: Vip, peer: Peer, entry: Entry, now: Instant): void {
  const { role, priority, wants } = entry;
  peer.standings.set(vip.id, { role, priority, wants, at: now });
  if (!peer.proven) return hearsay(state, vip, peer, role, now);
  switch (role) {
    case "owner":
      ownerHeard(state, vip, peer, entry, now);
      break;
    case "claiming":
      intentHeard(state, vip, peer, entry, now);
      break;
    case "released":
      releaseHeard(state, vip, peer, entry, now);
      break;
    case "candidate":
    case "listening":
    case "ineligible":
      if (vip.owner?.node === peer.node) ownerGone(state, vip, peer, now);
      if (wants) heed(state, vip, peer, priority, now);
      break;
    default:
      unreachable(role);
  }
  vip.term = Math.max(vip.term, entry.term);
}

/**
 * Perhaps a recording, perhaps a node that has not heard us yet.  It may make us wait and probe, once a minute: after one
 * detection time the sender has proved itself, or the probes tell.  An owner does nothing about it, nor does anybody claim because of it.
 */
function hearsay(state: State, vip: Vip, peer: Peer, role: Role, now: Instant): void {
  if ((role !== "owner" && role !== "claiming") || now - vip.hearsayAt < SELDOM) return;
  if (vip.phase.kind !== "waiting" && vip.phase.kind !== "claiming") return;
  if (ownerSpeaks(state, vip, now)) return;
  if (vip.phase.kind === "claiming" && role === "claiming" && state.link.mac < peer.mac) return;
  vip.hearsayAt = now;
  believe(vip, alive(state.config.timing, now, "hearsay"));
  giveWay(vip, "hearsay");
}

function ownerHeard(state: State, vip: Vip, peer: Peer, entry: Entry, now: Instant): void {
  const theirs: Claim = { node: peer.node, term: entry.term, priority: entry.priority };
  if (vip.phase.kind === "owner") {
    const ours = { node: state.config.node, term: vip.phase.term, priority: vip.config.priority };
    const since = vip.owner?.node === peer.node ? (vip.owner.contestedSince ?? now) : now;
    const first = vip.owner?.node !== peer.node;
    vip.owner = { ...theirs, contestedSince: since };
    // An owner that cannot hear us will never step down, whatever our term: one of both must, so it is us.
    const deaf = now - since >= detection(state.config.timing) && !hearsUs(peer, state.config.timing);
    if (outranks(ours, theirs) && !deaf) {
      if (first) reassert(state, vip, peer, now);
      return;
    }
    stepDown(state, vip, deaf ? "rival-deaf" : "rival-newer", now);
  } else if (vip.owner !== undefined && vip.owner.node !== peer.node && ownerSpeaks(state, vip, now)) {
    if (!outranks(theirs, vip.owner)) return; // the better owner will silence this one
  }
  vip.owner = { ...theirs, contestedSince: undefined };
  vip.releasing = undefined;
  vip.predecessor = undefined;
  believe(vip, alive(peer.timing, now, "heartbeat"));
  if (vip.phase.kind === "conflict") vip.phase = { kind: "waiting" };
  vip.backoff = detection(state.config.timing);
  giveWay(vip, "owner-alive");
}

function releaseHeard(state: State, vip: Vip, peer: Peer, entry: Entry, now: Instant): void {
  if (vip.phase.kind === "owner") return ownerGone(state, vip, peer, now);
  // Copies of a release change nothing; only what we knew as the owner can release.
  if (vip.owner?.node !== peer.node || entry.term < vip.owner.term) return;
  vip.owner = undefined;
  vip.term = Math.max(vip.term, entry.term);
  if (entry.handover > 0) {
    vip.predecessor = { addresses: peer.addresses, until: after(now, entry.handover) };
  }
  const { timing } = state.config;
  const named = entry.successor === undefined ? undefined : peer.echoes[entry.successor];
  if (named !== undefined && isUs(state, named)) {
    // What lay in our queue while we slept may be old: then others may have claimed meanwhile, and a probe tells.
    if (now - state.wokeAt < timing.interval) {
      believe(vip, freed(timing, now, "freed"));
      return giveWay(vip, "released");
    }
    believe(vip, { at: now, span: ms(0), window: ms(0), probes: 0, of: "released" });
    claimAtOnce(state, vip, "released-to-us", now);
    return;
  }
  believe(vip, named === undefined ? freed(timing, now, "freed") : alive(timing, now, "released"));
  giveWay(vip, "released");
}

/** It was the owner and says that it is not: no need to wait for its silence, but nothing vouches for the address either. */
function ownerGone(state: State, vip: Vip, peer: Peer, now: Instant): void {
  if (vip.owner?.node !== peer.node) return;
  vip.owner = undefined;
  if (vip.phase.kind === "owner") {
    reassert(state, vip, peer, now); // a contest is over, and its last announcement may have been after ours
    return;
  }
  believe(vip, freed(state.config.timing, now, "freed"));
  giveWay(vip, "owner-gone");
}

/** Tells everybody again who has the address. */
function reassert(state: State, vip: Vip, peer: Peer, now: Instant): void {
  for (const ip of holdingOf(vip).addresses) state.announcer.start(ip, now);
  hasten(state);
  const fields = { vip: vip.config.name, rival: peer.node, term: vip.term };
  state.out.push({ kind: "event", name: "vip.contested", fields });
}

const SELDOM = 60_000;
