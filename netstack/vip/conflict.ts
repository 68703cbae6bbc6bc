/**
 * Somebody else uses, or asks for, one of our virtual addresses.
 * Standards: RFC 5227 §2.1.1 (answers to probes, simultaneous probes), §2.4 (conflict after the claim); RFC 4862 §5.4.
 */
import { formatMac, type Ip, type Mac } from "../../base/address.ts";
import { after, type Instant, ms, seconds } from "../../base/unit.ts";

import { joiningAnswered } from "./join.ts";
import { stepDown } from "./release.ts";
import { probeSeen } from "./rival.ts";
import { alive, believe, giveWay, hasten, isAlive, ownerSpeaks, type Peer, type State, type Vip } from "./state.ts";
import { urgentGap } from "./timing.ts";

/** `mac` uses `ip` as its own. */
export function asserted(state: State, vip: Vip, ip: Ip, mac: Mac, now: Instant): void {
  const peer = peerWith(state, mac);
  if (vip.phase.kind === "owner") {
    if (joiningAnswered(state, vip, ip, mac, now)) return;
    if (peer === undefined) contested(state, vip, ip, mac, now);
    else contestedByPeer(state, vip, ip, peer, now);
    return;
  }
  // While the owner speaks that tells more; an answer to a probe counts always, it may have fallen silent since.
  const heeded = vip.phase.kind === "claiming" || !ownerSpeaks(state, vip, now);
  if (!heeded) return;
  if (peer !== undefined) {
    if (vip.phase.kind === "conflict") vip.phase = { kind: "waiting" };
    vip.owner ??= { node: peer.node, term: vip.term, priority: 0, contestedSince: undefined };
    believe(vip, alive(peer.timing, now, "answer"));
    giveWay(vip, "owner-answers");
    return;
  }
  if (vip.phase.kind === "waiting" || vip.phase.kind === "claiming") retreat(state, vip, mac, now);
}

/** `mac` probes for the address. */
export function probed(state: State, vip: Vip, mac: Mac, now: Instant): void {
  probeSeen(state, vip, mac, peerWith(state, mac), now);
}

/** §2.4: (a) yield, or (b) defend once, and yield to a second conflict within DEFEND_INTERVAL. */
function contested(state: State, vip: Vip, ip: Ip, mac: Mac, now: Instant): void {
  const again = vip.contestedAt !== undefined && now - vip.contestedAt < DEFEND_INTERVAL;
  vip.contestedAt = now;
  if (vip.config.onConflict === "defend" && !again) {
    state.out.push({ kind: "announce", ip, before: after(now, state.config.timing.interval) });
    report(state, vip, mac, "defended");
    return;
  }
  stepDown(state, vip, "address-in-use", now);
  retreat(state, vip, mac, now);
}

/** A node of ours answers for what we own: terms decide if we hear it; else the station with the smaller address keeps. */
function contestedByPeer(state: State, vip: Vip, ip: Ip, peer: Peer, now: Instant): void {
  hasten(state);
  if (peer.proven && isAlive(peer, now)) return;
  if (state.link.mac < peer.mac) {
    if (!state.retorts.take(now, urgentGap(state.config.timing))) return;
    state.out.push({ kind: "announce", ip, before: after(now, state.config.timing.interval) });
    return;
  }
  stepDown(state, vip, "rival-answers", now);
  vip.owner = { node: peer.node, term: vip.term, priority: 0, contestedSince: undefined };
  believe(vip, alive(peer.timing, now, "answer"));
}

function retreat(state: State, vip: Vip, mac: Mac, now: Instant): void {
  vip.phase = { kind: "conflict", with: mac, until: after(now, vip.backoff) };
  vip.why = "address-in-use";
  vip.backoff = ms(Math.min(MOST_BACKOFF, vip.backoff * 2));
  hasten(state);
  report(state, vip, mac, "gave-way");
}

function report(state: State, vip: Vip, mac: Mac, outcome: string): void {
  const fields = { vip: vip.config.name, mac: formatMac(mac), outcome };
  state.out.push({ kind: "event", name: "vip.address-conflict", fields });
}

function peerWith(state: State, mac: Mac): Peer | undefined {
  for (const peer of state.peers.values()) if (peer.mac === mac) return peer;
  return undefined;
}

const DEFEND_INTERVAL = seconds(10); // RFC 5227 §1.1
const MOST_BACKOFF = seconds(10);
