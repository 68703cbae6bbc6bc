/**
 * Routes that outlive their session: the helper's side of graceful restart.  Standards: RFC 4724 §4.2, RFC 8538 §4,
 * RFC 9494 §4.2, §4.3.  A peer's routes are kept per family, through up to three phases, each with its end in time.
 */
import { after, type Instant, type Ms, ms } from "../../base/unit.ts";
import { type Core, event, type Peer, type Retained, rearm } from "./core.ts";
import type { Negotiated } from "./negotiate.ts";
import type { Family } from "./packet/family.ts";
import type { Reason } from "./packet/notification.ts";
import { LONG_LIVED_STALE, type PathIndex, STALE } from "./paths.ts";
import type { Cause } from "./session-state.ts";

/** The session is over: which of its routes stay. */
export function retain(core: Core, peer: Peer, cause: Cause, received: Reason | undefined, now: Instant): void {
  const { last } = peer;
  const graceful = last?.graceful;
  for (const family of last?.agreed.families ?? []) {
    const kept = graceful !== undefined && graceful.families.has(family) && survives(cause, received, graceful);
    if (!kept) {
      drop(core, peer, family);
      continue;
    }
    // RFC 4724 §4.2: what was already stale has had its chance.
    sweep(core, peer, family, STALE);
    mark(core, peer, family, STALE);
    const span = graceful.restartTime;
    peer.retained.set(family, { phase: "restarting", until: after(now, span) });
    event(core, "info", "bgp.retained", { peer: peer.name, family, span });
  }
}

/** RFC 4724 §4.2 keeps routes when TCP ends; RFC 8538 §4 also over NOTIFICATION and hold time, but no hard reset. */
function survives(cause: Cause, received: Reason | undefined, graceful: NonNullable<Negotiated["graceful"]>): boolean {
  if (cause === "tcp") return true;
  if (cause === "stopped" || received === "cease/hard-reset") return false;
  return graceful.notification;
}

/** The peer is back: RFC 4724 §4.2, RFC 9494 §4.3. */
export function resume(core: Core, peer: Peer, negotiated: Negotiated, now: Instant): void {
  for (const [family, retained] of peer.retained) {
    const { graceful, longLived, agreed } = negotiated;
    const forwarding =
      graceful?.families.get(family) === true ||
      (retained.phase === "long-lived" && longLived.get(family)?.forwarding === true);
    if (!agreed.families.includes(family) || !forwarding) {
      drop(core, peer, family);
      continue;
    }
    const patience = peer.spec.gracefulRestart?.stalePathTime ?? 0;
    peer.retained.set(family, { phase: "stale", until: after(now, ms(patience)) });
  }
}

/** RFC 4724 §4.2: what was not said again by End-of-RIB is gone. */
export function endOfRib(core: Core, peer: Peer, family: Family): void {
  if (!peer.retained.delete(family)) return;
  sweep(core, peer, family, STALE);
}

export function expireRetained(core: Core, peer: Peer, now: Instant): void {
  for (const [family, retained] of peer.retained) {
    if (now < retained.until) continue;
    if (retained.phase === "restarting" && linger(core, peer, family, now)) continue;
    event(core, "warn", "bgp.stale-expired", { peer: peer.name, family, phase: retained.phase });
    if (retained.phase === "stale") endOfRib(core, peer, family);
    else drop(core, peer, family);
  }
  rearm(peer);
}

/** RFC 9494 §4.2: kept for long, as the last resort. */
function linger(core: Core, peer: Peer, family: Family, now: Instant): boolean {
  const span: Ms = peer.last?.longLived.get(family)?.staleTime ?? ms(0);
  const importer = peer.importers.get(family);
  if (span === 0 || importer === undefined) return false;
  const { paths } = core.ribs[family];
  each(core, peer, family, (path) => {
    const attributes = paths.attributes(path);
    if (core.store.entry(paths.raw(path)).noLongLived) core.ribs[family].remove(path);
    else {
      const kept = attributes === 0 ? 0 : importer.longLived(attributes);
      core.ribs[family].update(path, paths.raw(path), kept, paths.flags(path) | LONG_LIVED_STALE);
    }
  });
  const retained: Retained = { phase: "long-lived", until: after(now, span) };
  peer.retained.set(family, retained);
  event(core, "info", "bgp.long-lived", { peer: peer.name, family, span });
  return true;
}

/** Everything of a peer, kept or not. */
export function flush(core: Core, peer: Peer): void {
  for (const family of peer.importers.keys()) drop(core, peer, family);
}
export function drop(core: Core, peer: Peer, family: Family): void {
  peer.retained.delete(family);
  each(core, peer, family, (path) => core.ribs[family].remove(path));
  if (peer.up === undefined) peer.importers.delete(family);
  core.changed.add(peer.name);
}
/** Those with a flag. */
export function sweep(core: Core, peer: Peer, family: Family, flag: number): void {
  const { paths } = core.ribs[family];
  each(core, peer, family, (path) => {
    if ((paths.flags(path) & flag) !== 0) core.ribs[family].remove(path);
  });
  core.changed.add(peer.name);
}
export function mark(core: Core, peer: Peer, family: Family, flag: number): void {
  const { paths } = core.ribs[family];
  each(core, peer, family, (path) =>
    core.ribs[family].update(path, paths.raw(path), paths.attributes(path), paths.flags(path) | flag),
  );
}

function each(core: Core, peer: Peer, family: Family, visit: (path: PathIndex) => void): void {
  const rib = core.ribs[family];
  if (rib.counts(peer.source).received > 0) rib.paths.eachOf(peer.source, visit);
}
