/**
 * From "nobody has it" to "we have it": wait for our turn, say that we claim, probe, ask the kernel.
 * Standards: RFC 5227 §2.1.1 and RFC 4862 §5.4 for the probes, with spans of our own (docs/protocols/vip.md §5).
 */
import { isIpv4, isLinkLocal } from "../../base/address.ts";
import { after, type Instant, ms } from "../../base/unit.ts";
import { ask, isConfirmed, isConnected } from "./contact.ts";
import type { Holding } from "./event.ts";
import { joined, joiningNow } from "./join.ts";
import { isMute } from "./peers.ts";
import { assign, type Candidate } from "./rank.ts";
import { deferToClaimant, isUnrivalled } from "./rival.ts";
import {
  alive,
  believe,
  freed,
  giveWay,
  hasten,
  holdingOf,
  isAlive,
  listening,
  opensAt,
  ownedCount,
  type State,
  type Vip,
} from "./state.ts";
import { detection, lease, stagger, window } from "./timing.ts";

/** Does what is due for a virtual IP that we do not own. */
export function advance(state: State, vip: Vip, now: Instant): void {
  if (vip.phase.kind === "conflict" && now >= vip.phase.until) {
    vip.phase = { kind: "waiting" };
    vip.why = "retrying";
    const { timing } = state.config;
    const span = window(timing);
    believe(vip, { at: now, span, window: span, probes: 3, of: "conflict" });
  }
  if (vip.phase.kind === "waiting") bide(state, vip, now);
  if (vip.phase.kind === "claiming") probe(state, vip, now);
}

/** When `advance` has something to do next. */
export function dueAt(state: State, vip: Vip): Instant | undefined {
  if (vip.phase.kind === "owner") return vip.joining?.nextAt;
  if (vip.phase.kind === "conflict") return vip.phase.until;
  if (vip.phase.kind === "claiming") return vip.phase.nextProbeAt ?? vip.phase.dueAt;
  if (vip.phase.kind !== "waiting" || !mayClaim(state, vip)) return undefined;
  return vip.turnAt ?? opensAt(vip.evidence);
}

/** The predecessor named us: no probe, because it has just said that it answers no more. */
export function claimAtOnce(state: State, vip: Vip, why: string, now: Instant): void {
  if (vip.phase.kind !== "waiting" && vip.phase.kind !== "claiming") return;
  if (!mayClaim(state, vip)) return;
  install(vip, why, now);
}

/** Everything that is to be claimed, as one question to the kernel. */
export function askKernel(state: State, now: Instant): void {
  const { timing } = state.config;
  const holdings: Holding[] = [];
  for (const vip of state.vips.values()) {
    if (vip.phase.kind === "installing" && vip.phase.at === now) {
      handOver(state, vip, now);
      holdings.push(holdingOf(vip));
    }
    const more = joiningNow(vip, now);
    if (more !== undefined) holdings.push(more);
  }
  if (holdings.length === 0) return;
  state.out.push({ kind: "claim", holdings, span: lease(timing), before: after(now, window(timing)) });
}

/** Before the claim: from that moment a neighbour may send us segments of flows that only the previous owner knows. */
function handOver(state: State, vip: Vip, now: Instant): void {
  const { predecessor } = vip;
  if (predecessor === undefined || predecessor.until <= now) return;
  const span = ms(predecessor.until - now);
  for (const address of vip.config.addresses) {
    const previous = predecessor.addresses.find((each) => isIpv4(each) === isIpv4(address) && !isLinkLocal(each));
    if (previous !== undefined) state.out.push({ kind: "handover", address, previous, span });
  }
}

/** The kernel's answer. */
export function claimed(state: State, vip: Vip, ok: boolean, now: Instant): void {
  if (vip.phase.kind === "owner") joined(state, vip, ok, now);
  if (vip.phase.kind !== "installing") return;
  const { timing } = state.config;
  const { at, why } = vip.phase;
  vip.why = why;
  if (!ok) {
    vip.phase = { kind: "waiting" };
    vip.why = "claim-late";
    believe(vip, listening(timing, now));
    return;
  }
  vip.term = Math.min(MOST_TERM, vip.term + 1);
  vip.phase = { kind: "owner", term: vip.term, leaseUntil: after(at, lease(timing)) };
  vip.owner = undefined;
  vip.releasing = undefined;
  for (const ip of vip.config.addresses) state.drains.delete(ip);
  vip.betterSince = undefined;
  vip.contestedAt = undefined;
  vip.predecessor = undefined;
  for (const ip of vip.config.addresses) state.announcer.start(ip, now);
  hasten(state);
  const { name } = vip.config;
  state.out.push({ kind: "event", name: "vip.claimed", fields: { vip: name, term: vip.term, why } });
}

function mayClaim(state: State, vip: Vip): boolean {
  return (
    state.link.up &&
    state.link.addresses.length > 0 &&
    state.withdrawn === undefined &&
    vip.config.eligible &&
    !vip.leaving &&
    vip.releasing === undefined
  );
}

function bide(state: State, vip: Vip, now: Instant): void {
  if (!mayClaim(state, vip) || now < opensAt(vip.evidence)) return;
  if (vip.turnAt === undefined) fixTurns(state, now);
  if (vip.turnAt === undefined || now < vip.turnAt) return;
  if (!isConnected(state, now)) vip.why = "isolated";
  else if (isMute(state, now)) vip.why = "not-heard";
  else if (!deferToClaimant(state, vip, now)) begin(state, vip, now);
}

function begin(state: State, vip: Vip, now: Instant): void {
  const { window: span, probes } = vip.evidence;
  if (probes === 0) return install(vip, "released-to-us", now);
  const gap = ms(span / probes);
  vip.phase = {
    kind: "claiming",
    since: now,
    dueAt: after(now, span),
    load: vip.turnLoad,
    gap,
    nextProbeAt: now,
    probesLeft: probes,
    probedAt: now,
    probedAfter: state.sequence,
    probers: new Map(),
  };
  vip.why = vip.owner === undefined ? "free" : "owner-silent";
}

function probe(state: State, vip: Vip, now: Instant): void {
  const { phase } = vip;
  if (phase.kind !== "claiming") return;
  if (phase.nextProbeAt !== undefined && now >= phase.nextProbeAt) {
    for (const ip of vip.config.addresses) {
      state.out.push({ kind: "probe", ip, before: after(now, window(state.config.timing)) });
    }
    // Who answers this shows that the probe got out and that an answer would have come in.
    ask(state, now);
    hasten(state);
    phase.probedAt = now;
    phase.probedAfter = state.sequence;
    phase.probesLeft--;
    phase.nextProbeAt = phase.probesLeft > 0 ? after(now, phase.gap) : undefined;
    // A probe that goes out late still gets the time for an answer.
    const answered = after(now, ms(phase.gap * (phase.probesLeft + 1)));
    if (answered > phase.dueAt) vip.phase = { ...phase, dueAt: answered };
    return;
  }
  if (phase.nextProbeAt !== undefined || now < phase.dueAt) return;
  if (!mayClaim(state, vip) || !isConnected(state, now)) {
    giveWay(vip, "isolated");
    believe(vip, listening(state.config.timing, now));
    return;
  }
  if (!isConfirmed(state, phase)) {
    if (now < after(phase.dueAt, detection(state.config.timing))) return;
    giveWay(vip, "isolated");
    believe(vip, freed(state.config.timing, now, "freed"));
    return;
  }
  if (isUnrivalled(state, vip, phase, now)) install(vip, vip.owner === undefined ? "was-free" : "owner-dead", now);
}

function install(vip: Vip, why: string, now: Instant): void {
  vip.phase = { kind: "installing", at: now, why };
}

/**
 * Fixes the turn of every address that is free or about to be, all at once, so that the owners' counts that the order
 * depends on are the same for all of them, and on all nodes.
 */
function fixTurns(state: State, now: Instant): void {
  const { timing, node } = state.config;
  const horizon = after(now, window(timing));
  const free = [...state.vips.values()].filter(
    (vip) =>
      vip.phase.kind === "waiting" &&
      vip.turnAt === undefined &&
      mayClaim(state, vip) &&
      opensAt(vip.evidence) <= horizon,
  );
  const own = ownedCount(state);
  const orders = assign(
    free.map((vip) => ({
      vip: vip.id,
      candidates: [{ node, priority: vip.config.priority, load: own }, ...rivals(state, vip, now)],
    })),
  );
  for (const vip of free) {
    const order = orders.get(vip.id) ?? [];
    const place = order.findIndex((each) => each.node === node);
    const opens = opensAt(vip.evidence);
    const from = opens < now - timing.interval ? now : opens;
    vip.turnLoad = Math.min(0xffff, order[place]?.load ?? own);
    vip.turnAt = after(from, ms(place * stagger(timing) + patience(state, vip, order.slice(0, place), now)));
  }
}

/** A better candidate that has only just started gets the time to listen, but only while nothing is lost by waiting. */
function patience(state: State, vip: Vip, better: readonly Candidate[], now: Instant): number {
  if (vip.term > 0) return 0;
  const starting = better.some(({ node }) => state.peers.get(node)?.standings.get(vip.id)?.role === "listening");
  return starting && now >= opensAt(vip.evidence) ? detection(state.config.timing) : 0;
}

function rivals(state: State, vip: Vip, now: Instant): readonly Candidate[] {
  const found: Candidate[] = [];
  for (const peer of state.peers.values()) {
    const standing = peer.standings.get(vip.id);
    if (standing === undefined || !peer.proven || !isAlive(peer, now)) continue;
    if (now - standing.at >= alive(peer.timing, now, "heartbeat").span) continue;
    if (standing.role !== "candidate" && standing.role !== "claiming" && standing.role !== "listening") continue;
    found.push({ node: peer.node, priority: standing.priority, load: peer.owned });
  }
  return found;
}

const MOST_TERM = 0xffff_ffff;
