/** Takes a new configuration into a running segment: what did not change goes on undisturbed. */
import type { Ip } from "../../base/address.ts";
import type { Instant } from "../../base/unit.ts";
import { Announcer } from "./announce.ts";

import type { SegmentConfig, VipConfig, VipId } from "./event.ts";
import { startJoining } from "./join.ts";
import { drain, HANDOVER, release } from "./release.ts";
import { believe, giveWay, hasten, holdingOf, listening, type State, type Vip, vipOf } from "./state.ts";

export function configure(state: State, config: SegmentConfig, now: Instant): void {
  if (config.node !== state.config.node) state.announcer = new Announcer(config.node);
  state.config = config;
  const known = matches(state, config.vips);
  for (const each of config.vips) {
    const [id] = each.addresses;
    if (id === undefined) throw new TypeError(`virtual IP ${each.name} has no address`);
    const vip = known.get(each) ?? vipOf(each, id, config.timing, now);
    known.set(each, vip);
    vip.leaving = false;
    change(state, vip, each, id, now);
    gate(state, vip, now);
  }
  const kept = new Set(known.values());
  for (const vip of state.vips.values()) {
    if (kept.has(vip)) continue;
    vip.leaving = true;
    release(state, vip, "not-configured", HANDOVER, now);
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

/** Removes a virtual IP that is ours no more. */
export function forget(state: State, vip: Vip): void {
  for (const ip of vip.config.addresses) without(state, vip, ip);
  if (state.vips.get(vip.id) === vip) state.vips.delete(vip.id);
  for (const peer of state.peers.values()) peer.standings.delete(vip.id);
}

/** Which of ours each one is: that of the same id, else one that has an address of it and is not another's. */
function matches(state: State, wanted: readonly VipConfig[]): Map<VipConfig, Vip> {
  const found = new Map<VipConfig, Vip>();
  const taken = new Set<Vip>();
  const match = (each: VipConfig, vip: Vip | undefined): void => {
    if (vip === undefined || taken.has(vip) || found.has(each)) return;
    found.set(each, vip);
    taken.add(vip);
  };
  for (const each of wanted) for (const ip of each.addresses.slice(0, 1)) match(each, state.vips.get(ip));
  for (const each of wanted) for (const ip of each.addresses) match(each, state.byAddress.get(ip));
  return found;
}

/** What stays is held on; what goes is released, what comes is probed and claimed by itself. */
function change(state: State, vip: Vip, config: VipConfig, id: VipId, now: Instant): void {
  const held = vip.phase.kind === "owner" ? holdingOf(vip).addresses : [];
  const gone = vip.config.addresses.filter((ip) => !config.addresses.includes(ip));
  const changed = gone.length > 0 || config.addresses.length !== vip.config.addresses.length;
  const freed = gone.filter((ip) => held.includes(ip));
  if (freed.length > 0) drain(state, { vip: vip.id, addresses: freed }, HANDOVER, now);
  for (const ip of gone) without(state, vip, ip);
  for (const ip of config.addresses) state.byAddress.set(ip, vip);
  if (vip.id !== id) {
    if (state.vips.get(vip.id) === vip) state.vips.delete(vip.id);
    for (const { standings } of state.peers.values()) {
      const standing = standings.get(vip.id);
      standings.delete(vip.id);
      if (standing !== undefined) standings.set(id, standing);
    }
    vip.id = id;
  }
  state.vips.set(id, vip);
  vip.config = config;
  if (!changed) return;
  if (vip.phase.kind === "owner") {
    const added = config.addresses.filter((ip) => !held.includes(ip));
    startJoining(state, vip, added, now);
  } else if (vip.phase.kind === "claiming") giveWay(vip, vip.why); // it has probed for other addresses
}

/** The address is no more that of this virtual IP; another may have it by now. */
function without(state: State, vip: Vip, ip: Ip): void {
  if (state.byAddress.get(ip) !== vip) return;
  state.byAddress.delete(ip);
  state.announcer.stop(ip);
}
