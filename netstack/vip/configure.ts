/** Takes a new configuration into a running segment: what did not change goes on undisturbed. */
import { type Instant, ms } from "../../base/unit.ts";
import { Announcer } from "./announce.ts";

import type { SegmentConfig, VipConfig } from "./event.ts";
import { HANDOVER, release } from "./release.ts";
import { believe, giveWay, hasten, holdingOf, listening, type State, type Vip, vipOf } from "./state.ts";

export function configure(state: State, config: SegmentConfig, now: Instant): void {
  if (config.node !== state.config.node) state.announcer = new Announcer(config.node);
  state.config = config;
  const kept = new Set<Vip>();
  for (const each of config.vips) {
    const [id] = each.addresses;
    if (id === undefined) throw new TypeError(`virtual IP ${each.name} has no address`);
    let vip = state.vips.get(id);
    if (vip !== undefined && !sameAddresses(vip.config, each)) {
      forget(state, vip); // its kernel state goes with the old addresses: whoever has the new ones starts afresh
      vip = undefined;
    }
    if (vip === undefined) {
      vip = vipOf(each, id, config.timing, now);
      state.vips.set(id, vip);
      for (const ip of each.addresses) state.byAddress.set(ip, vip);
    }
    kept.add(vip);
    vip.leaving = false;
    vip.config = each;
    gate(state, vip, now);
  }
  for (const vip of state.vips.values()) {
    if (kept.has(vip)) continue;
    vip.leaving = true;
    release(state, vip, "not-configured", ms(0), now);
  }
  hasten(state);
}

/** Puts a virtual IP into the phase that link and health allow. */
export function gate(state: State, vip: Vip, now: Instant): void {
  const { phase } = vip;
  if (!state.link.up) return;
  if (phase.kind === "no-link") {
    vip.phase = { kind: "waiting" };
    vip.why = "link-up";
    believe(vip, listening(state.config.timing, now));
  }
  if (!vip.config.eligible || state.withdrawn !== undefined) {
    if (phase.kind === "owner") release(state, vip, vip.config.why, state.withdrawn?.handover ?? HANDOVER, now);
    giveWay(vip, vip.config.why);
    if (vip.phase.kind !== "owner") vip.phase = { kind: "ineligible" };
  } else if (phase.kind === "ineligible") {
    vip.phase = { kind: "waiting" };
    vip.why = "eligible";
    vip.turnAt = undefined;
  }
}

/** Removes a virtual IP and what it has in the kernel. */
export function forget(state: State, vip: Vip): void {
  if (vip.phase.kind === "owner" || vip.drainUntil !== undefined)
    state.out.push({ kind: "drop", holding: holdingOf(vip) });
  for (const ip of vip.config.addresses) {
    state.announcer.stop(ip);
    state.byAddress.delete(ip);
  }
  state.vips.delete(vip.id);
  for (const peer of state.peers.values()) peer.standings.delete(vip.id);
}

function sameAddresses(a: VipConfig, b: VipConfig): boolean {
  return a.addresses.length === b.addresses.length && a.addresses.every((ip, index) => ip === b.addresses[index]);
}
