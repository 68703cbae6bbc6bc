/**
 * Our own restarts and ends.  Standards: RFC 4724 §4.1 (restarting speaker), RFC 8326 (graceful shutdown), RFC 9003.
 * Only peers that kept our routes are made to wait for our decision, and not for long: the others have nothing of us.
 */
import { after, type Instant, ms } from "../../base/unit.ts";
import { type Core, event, linksOf } from "./core.ts";
import { reexport } from "./established.ts";
import { close } from "./link.ts";
import { shutdownData } from "./packet/notification.ts";
import { stop } from "./peer.ts";
import { sessionOf } from "./session.ts";
import { isWaiting, keepsOurs } from "./updates.ts";

export function startDeferral(core: Core, now: Instant): void {
  let patience = 0;
  for (const { name, spec } of core.peers.values()) {
    if (!core.restarting || !keepsOurs(spec) || spec.adminDown) continue;
    core.unheard.add(name);
    core.unsynced.add(name);
    patience = Math.max(patience, spec.gracefulRestart?.restartTime ?? 0);
  }
  const sweepAt = after(now, ms(Math.max(DEFERRAL, Math.min(patience, MOST_PATIENCE))));
  core.deferral = { until: after(now, DEFERRAL), sweepAt, over: false };
  core.fib.held = core.unheard.size > 0;
  expireDeferral(core, now);
}

/**
 * Over when everybody has told us everything, or has had the time to.  What an earlier life left in the kernel waits
 * longer: nothing that we announce depends on it, and a peer that is slow to take our call still forwards for it.
 */
export function expireDeferral(core: Core, now: Instant): void {
  const { deferral, unheard, unsynced } = core;
  if (deferral === undefined) return;
  for (const name of unsynced) {
    const spec = core.peers.get(name)?.spec;
    if (spec !== undefined && keepsOurs(spec) && !spec.adminDown) continue;
    unheard.delete(name);
    unsynced.delete(name);
  }
  if (!deferral.over && (unheard.size === 0 || now >= deferral.until)) {
    if (unheard.size > 0) event(core, "warn", "bgp.restart-incomplete", { missing: [...unheard] });
    core.deferral = { ...deferral, over: true };
    core.fib.held = false;
    core.outDirty = true;
  }
}
/** Not before what was learnt is the kernel's: whoever hears it removes the rest. */
export function converge(core: Core, now: Instant): void {
  const { deferral, unsynced } = core;
  if (deferral?.over !== true || (unsynced.size > 0 && now < deferral.sweepAt)) return;
  if (core.fib.waiting) {
    core.deferral = { ...deferral, sweepAt: after(now, SOON) };
    return;
  }
  core.deferral = undefined;
  core.out.push({ kind: "converged" });
}
export function deferralWake({ deferral }: Core): Instant | undefined {
  return deferral?.over === true ? deferral.sweepAt : deferral?.until;
}

export function startDrain(core: Core, until: Instant): void {
  core.drain = { until, silent: false, told: false };
  for (const peer of core.peers.values()) reexport(core, peer);
}
export function advanceDrain(core: Core, now: Instant): void {
  const { drain } = core;
  if (drain === undefined || drain.told || now < drain.until) return;
  if (!drain.silent) {
    drain.silent = true;
    for (const { up } of core.peers.values()) for (const { out } of up?.families.values() ?? []) out.review();
    core.outDirty = true;
  }
  if ([...core.peers.values()].some((peer) => isWaiting(core, peer))) {
    core.wakeSoon = after(now, SOON);
    return;
  }
  drain.told = true;
  core.out.push({ kind: "withdrawn" });
}

export function stopAll(core: Core, keep: boolean, why: string, now: Instant): void {
  core.stopped = true;
  const ending = { reason: "cease/administrative-shutdown", data: shutdownData(why) } as const;
  for (const peer of core.peers.values()) {
    if (!keep) {
      stop(core, peer, ending, { idle: { kind: "for-good" }, manual: true }, now);
      continue;
    }
    // RFC 4724 §4.1: as a crash would look; our tables stay, and with them what the kernel has of them.
    for (const link of linksOf(peer)) {
      close(core, link, false);
      link.session = sessionOf(link.session.config);
    }
    peer.second = undefined;
    peer.up = undefined;
    peer.wakeAt = undefined;
  }
}

/** Long enough for a peer that dials at once; what it costs is that peers which kept our routes hear news late. */
const DEFERRAL = ms(10_000);
const MOST_PATIENCE = 120_000;
/** To look again whether the driver has pulled. */
const SOON = ms(20);
