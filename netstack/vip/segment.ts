/**
 * The machine of one segment: every virtual IP on one interface, and the peers that share them.  Sans-IO: `step` takes
 * what happened and the time and returns what to do; `nextWake` is the one deadline.  docs/protocols/vip.md states what
 * it guarantees and why.
 *
 * Order within a step is part of the proof: first what we slept through, then leases that ran out, and only then news.
 */
import type { Ip } from "../../base/address.ts";
import { unreachable } from "../../base/result.ts";
import { after, type Instant, instant } from "../../base/unit.ts";
import { advance, askKernel, claimed, dueAt } from "./claim.ts";
import { configure, forget, gate } from "./configure.ts";
import { asserted, probed } from "./conflict.ts";
import { askAt, askWitnesses, connectedUntil, contact, isConnected, witnessHeard } from "./contact.ts";
import { hear } from "./election.ts";
import type { Action, Event, SegmentConfig, VipId } from "./event.ts";
import { advanceJoining } from "./join.ts";
import type { Role } from "./packet.ts";
import { admit, survey } from "./peers.ts";
import { endDrains, isBetter, release, settle, stepDown } from "./release.ts";
import { reportOf, sameReport } from "./report.ts";
import { speak } from "./speak.ts";
import { believe, hasten, holdingOf, ownedCount, ownerSpeaks, type State, stateOf, type Vip } from "./state.ts";
import { lease, urgentGap, window } from "./timing.ts";

export class Segment {
  readonly #state: State;
  #wakeAt: Instant;

  constructor(config: SegmentConfig, now: Instant) {
    this.#state = stateOf(config, now);
    this.#wakeAt = now;
    configure(this.#state, config, now);
  }

  step(event: Event, now: Instant): readonly Action[] {
    const state = this.#state;
    oversleep(state, this.#wakeAt, now);
    if (event.kind === "renewed") renewed(state, event.lost, now);
    for (const vip of state.vips.values()) lapse(state, vip, now);
    take(state, event, now);
    // Only when nothing more waits to be heard (deadlines come after inputs): what lies in our queue may be a peer.
    if (event.kind === "wake" && !isConnected(state, now)) {
      for (const vip of state.vips.values()) stepDown(state, vip, "isolated", now);
    }
    if (now >= state.nextTick) tick(state, now);
    askWitnesses(state, now);
    endDrains(state, now);
    for (const vip of state.vips.values()) {
      settle(vip, now);
      advance(state, vip, now);
      advanceJoining(state, vip, now);
      if (vip.leaving && vip.releasing === undefined) forget(state, vip);
    }
    if (state.link.up) {
      const before = after(now, window(state.config.timing));
      for (const ip of state.announcer.due(now)) state.out.push({ kind: "announce", ip, before });
    }
    if (mustSpeak(state, now)) speak(state, now);
    for (const vip of state.vips.values()) report(state, vip, now);
    finishWithdrawal(state);
    this.#wakeAt = wakeAt(state, now);
    // What the kernel is asked comes last, because the step that its answer causes comes right after.
    if (state.renewAt === now) renew(state);
    askKernel(state, now);
    return state.out.splice(0);
  }

  /** Step with "wake" then, or a little later. */
  nextWake(): Instant {
    return this.#wakeAt;
  }

  get config(): SegmentConfig {
    return this.#state.config;
  }
  owns(id: VipId): boolean {
    return this.#state.vips.get(id)?.phase.kind === "owner";
  }
  /** Do `asserted` and `probed` events for this address matter? */
  concerns(ip: Ip): boolean {
    return this.#state.byAddress.has(ip) || this.#state.config.witnesses.includes(ip);
  }
}

function wakeAt(state: State, now: Instant): Instant {
  let next = state.nextTick;
  const consider = (at: Instant | undefined): void => {
    // What is past and could not be done now (isolated, not heard) is looked at again by the next tick.
    if (at !== undefined && at > now && at < next) next = at;
  };
  if (state.link.up) consider(state.announcer.nextAt(now));
  consider(askAt(state));
  if (state.urgent === "soon") consider(state.pace.nextAt(now, urgentGap(state.config.timing)));
  for (const until of state.drains.values()) consider(until);
  for (const vip of state.vips.values()) {
    consider(dueAt(state, vip));
    consider(vip.releasing?.until);
    if (vip.phase.kind !== "owner") continue;
    consider(vip.phase.leaseUntil);
    if (state.config.witnesses.length > 0) consider(connectedUntil(state));
  }
  return next;
}

/**
 * We were not running for longer than half an interval.  Silence that we slept through proves nothing about others, so
 * all that we know of them is as much younger; our own leases are not, nor is our last contact, or an owner that is both
 * starved and cut off would never find out.
 */
function oversleep(state: State, promised: Instant, now: Instant): void {
  const late = now - promised;
  if (late <= window(state.config.timing)) return;
  state.wokeAt = now;
  const younger = (at: Instant): Instant => instant(Math.min(now, at + late));
  for (const peer of state.peers.values()) {
    peer.heardAt = younger(peer.heardAt);
    peer.hearsUsAt = younger(peer.hearsUsAt);
    for (const standing of peer.standings.values()) standing.at = younger(standing.at);
  }
  for (const vip of state.vips.values()) {
    believe(vip, { ...vip.evidence, at: younger(vip.evidence.at) });
    if (vip.phase.kind === "claiming") vip.phase = { kind: "waiting" };
  }
}

/** The owner's regular heartbeat waits for the kernel's answer; so does what is to be said meanwhile. */
function mustSpeak(state: State, now: Instant): boolean {
  if (state.urgent === "no" || state.renewAt !== undefined) return false;
  return state.urgent === "now" || state.pace.take(now, urgentGap(state.config.timing));
}

function renewed(state: State, lost: readonly VipId[], now: Instant): void {
  const { renewAt } = state;
  if (renewAt === undefined) return;
  state.renewAt = undefined;
  for (const vip of state.vips.values()) {
    if (vip.phase.kind !== "owner") continue;
    if (lost.includes(vip.id)) stepDown(state, vip, "lease-lapsed", now);
    else vip.phase.leaseUntil = after(renewAt, lease(state.config.timing));
  }
  state.urgent = "now";
}

function renew(state: State): void {
  const holdings = [...state.vips.values()].filter((vip) => vip.phase.kind === "owner").map(holdingOf);
  state.out.push({ kind: "renew", holdings, span: lease(state.config.timing) });
}

function lapse(state: State, vip: Vip, now: Instant): void {
  if (vip.phase.kind === "owner" && now >= vip.phase.leaseUntil) stepDown(state, vip, "lease-lapsed", now);
}

function take(state: State, event: Event, now: Instant): void {
  switch (event.kind) {
    case "wake":
    case "renewed":
      break;
    case "configured":
      configure(state, event.config, now);
      break;
    case "link":
      linked(state, event, now);
      break;
    case "heartbeat": {
      const peer = admit(state, event.packet, now);
      if (peer === undefined) break;
      if (peer.proven) contact(state, now);
      const said = new Map<Vip, Role>();
      for (const entry of event.packet.entries) {
        const vip = state.byAddress.get(entry.vip);
        if (vip === undefined || said.get(vip) === entry.role) continue; // its other address says the same
        said.set(vip, entry.role);
        hear(state, vip, peer, entry, now);
      }
      break;
    }
    case "asserted":
    case "probed": {
      if (!state.link.up || event.mac === state.link.mac) break;
      if (event.kind === "asserted") witnessHeard(state, event.ip, now);
      const vip = state.byAddress.get(event.ip);
      if (vip === undefined) break;
      if (event.kind === "asserted") asserted(state, vip, event.ip, event.mac, now);
      else probed(state, vip, event.mac, now);
      break;
    }
    case "claimed":
      for (const vip of state.vips.values()) claimed(state, vip, event.begun.includes(vip.id), now);
      break;
    case "withdraw":
      state.withdrawn = { handover: event.handover, done: false };
      if (event.handover <= 0) endDrains(state, instant(Number.POSITIVE_INFINITY)); // nobody may look after them
      for (const vip of state.vips.values()) {
        release(state, vip, "withdrawn", event.handover, now);
        gate(state, vip, now);
      }
      state.urgent = "now";
      break;
    default:
      unreachable(event);
  }
}

function tick(state: State, now: Instant): void {
  const { interval } = state.config.timing;
  const next = after(state.nextTick, interval);
  state.nextTick = next > now ? next : after(now, interval); // ticks that were missed are not made up for
  if (!state.link.up) return;
  const owned = state.vips.values().some((vip) => vip.phase.kind === "owner");
  // The heartbeat; an owner's follows the kernel's answer.
  if (owned) state.renewAt = now;
  else state.urgent = "now";
  survey(state, now);
  for (const vip of state.vips.values()) {
    prefer(state, vip, now);
    // An owner whose heartbeats do not come through but whose kernel answers: watch it closely.
    if (vip.phase.kind === "waiting" && vip.evidence.of === "answer") {
      for (const ip of vip.config.addresses) state.out.push({ kind: "probe", ip, before: after(now, interval) });
    }
  }
}

/** Keeps count of how long we have been the better owner; our heartbeat asks for the address after `preemptDelay`. */
function prefer(state: State, vip: Vip, now: Instant): void {
  const owner = vip.owner === undefined ? undefined : state.peers.get(vip.owner.node);
  const better =
    vip.phase.kind === "waiting" &&
    vip.config.eligible &&
    vip.owner !== undefined &&
    owner !== undefined &&
    ownerSpeaks(state, vip, now) &&
    isBetter(vip.config.priority, ownedCount(state), vip.owner.priority, owner.owned);
  vip.betterSince = better ? (vip.betterSince ?? now) : undefined;
}

function linked(state: State, event: Event & { readonly kind: "link" }, now: Instant): void {
  const { up, mac, addresses } = event;
  state.link = { up, mac, addresses };
  hasten(state);
  for (const vip of state.vips.values()) {
    if (up) {
      gate(state, vip, now);
      if (vip.phase.kind === "owner") for (const ip of holdingOf(vip).addresses) state.announcer.start(ip, now);
    } else if (vip.phase.kind !== "no-link") {
      stepDown(state, vip, "no-carrier", now);
      vip.phase = { kind: "no-link" };
      vip.why = "no-carrier";
      vip.releasing = undefined;
    }
  }
}

function report(state: State, vip: Vip, now: Instant): void {
  if (vip.phase.kind === "installing") return; // over in a moment, one way or the other
  const next = reportOf(state, vip, now);
  if (vip.reported !== undefined && sameReport(vip.reported, next)) return;
  vip.reported = next;
  state.out.push({ kind: "report", report: next });
}

/** Done when every address that we released has a new owner, or has had the time to find one. */
function finishWithdrawal(state: State): void {
  const { withdrawn } = state;
  if (withdrawn === undefined || withdrawn.done) return;
  for (const vip of state.vips.values()) {
    if (vip.phase.kind === "owner" || vip.phase.kind === "installing") return;
    if (vip.releasing?.successor !== undefined) return;
  }
  withdrawn.done = true;
  state.out.push({ kind: "withdrawn" });
}
