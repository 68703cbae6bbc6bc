/**
 * Are we part of the segment?  Peers that we hear, and witnesses that answer, say so.  A witness is any station that
 * answers ARP or neighbour solicitations, as a rule the gateway.  docs/protocols/vip.md §8 has the truth table.
 */
import type { Ip } from "../../base/address.ts";
import { after, type Instant, instant } from "../../base/unit.ts";
import { believe, listening, type State } from "./state.ts";
import { isolation } from "./timing.ts";

/** We hear a peer or a witness, or have no witness that could tell (docs/protocols/vip.md §8). */
export function isConnected(state: State, now: Instant): boolean {
  return state.config.witnesses.length === 0 || now < connectedUntil(state);
}
export function connectedUntil(state: State): Instant {
  return after(state.contactAt, isolation(state.config.timing));
}

/** A peer or a witness was heard.  After isolation what we believed of owners is worth nothing: listen anew. */
export function contact(state: State, now: Instant): void {
  if (!isConnected(state, now)) {
    for (const vip of state.vips.values()) {
      if (vip.phase.kind === "waiting") believe(vip, listening(state.config.timing, now));
    }
  }
  state.contactAt = now;
}

/** A station used `ip`: contact, if that is a witness. */
export function witnessHeard(state: State, ip: Ip, now: Instant): void {
  if (!state.config.witnesses.includes(ip)) return;
  state.witnessHeardAt = now;
  contact(state, now);
}

/**
 * Once a second while peers are heard, so that a dumb witness is known before it matters.  When nobody was heard for a
 * little more than an interval, three times an interval: before isolation is declared the answers must have come.
 */
export function askAt(state: State): Instant | undefined {
  const { witnesses, timing } = state.config;
  if (witnesses.length === 0 || !state.link.up) return undefined;
  const urgent = Math.max(state.contactAt + timing.interval * 1.1, state.witnessAskedAt + timing.interval / 3);
  return instant(Math.min(urgent, state.witnessAskedAt + SELDOM));
}

export function askWitnesses(state: State, now: Instant): void {
  const at = askAt(state);
  if (at === undefined || now < at) return;
  if (state.witnessAskedAt > 0 && now - state.witnessHeardAt > DUMB && !state.witnessDumb) {
    state.witnessDumb = true;
    const fields = { ifname: state.config.ifname, level: "warn" };
    state.out.push({ kind: "event", name: "vip.witness-silent", fields });
  } else if (now - state.witnessHeardAt <= DUMB) state.witnessDumb = false;
  ask(state, now);
}

/**
 * The probes had a path.  Silence that a cut link kept proves nothing: it may have been joined again a moment ago, and
 * somebody may own the address since.  So a witness has answered, or a peer echoes, what went out with the last probe.
 */
export function isConfirmed(
  state: State,
  phase: { readonly probedAt: Instant; readonly probedAfter: number },
): boolean {
  if (state.config.witnesses.length === 0 || state.witnessHeardAt >= phase.probedAt) return true;
  return [...state.peers.values()].some((peer) => peer.proven && peer.echoed > phase.probedAfter);
}

/** Asks every witness, now. */
export function ask(state: State, now: Instant): void {
  state.witnessAskedAt = now;
  const before = after(now, state.config.timing.interval);
  for (const ip of state.config.witnesses) state.out.push({ kind: "witness", ip, before });
}

/** Milliseconds. */
const SELDOM = 1000;
const DUMB = 5000;
