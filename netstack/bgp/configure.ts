/**
 * A new plan, and no more than what differs: a peer whose specification is the same does not notice; policy, limits and
 * timers change under a running session; only who the peer is, how it is reached and what was negotiated restarts it,
 * and it alone.
 */
import { contains, ipv4, parseIp, parsePrefix } from "../../base/address.ts";
import type { Instant } from "../../base/unit.ts";
import { type Core, linksOf, type Peer } from "./core.ts";
import { limited, reexport, reimport } from "./established.ts";
import { drop } from "./graceful.ts";
import { shutdownData } from "./packet/notification.ts";
import { configOf, createPeer, dynamicSpec, RESTART, removePeer, start, stop } from "./peer.ts";
import type { BgpPeerSpec, BgpPlan } from "./plan.ts";
import { must } from "./policy.ts";
import { expireDeferral, startDeferral } from "./restart.ts";

export function configure(core: Core, plan: BgpPlan, now: Instant): void {
  const before = core.plan;
  const other = before !== undefined && (before.asn !== plan.asn || before.routerId !== plan.routerId);
  core.plan = plan;
  core.routerId = ipv4(plan.routerId);
  if (before === undefined) core.restarting = plan.restarting;
  if (other) core.sources.replace(0, { ...core.sources.get(0), routerId: core.routerId });
  // Networks first: a peer that comes up hears them at once.
  core.locals.configure(plan.networks, plan.asn);
  core.fib.configure(plan.install);

  const wanted = new Map(plan.peers.map((spec) => [spec.name, spec]));
  // A copy: who is reset leaves the map and enters it anew.
  for (const peer of Array.from(core.peers.values())) {
    const spec = peer.dynamic === undefined ? wanted.get(peer.name) : dynamicWanted(plan, peer);
    if (spec === undefined) depose(core, peer, now);
    else if (other) reset(core, peer, spec, now);
    else change(core, peer, spec, now);
  }
  for (const spec of plan.peers) {
    if (core.peers.has(spec.name)) continue;
    const peer = createPeer(core, spec, undefined, now);
    start(core, peer, false, now);
  }
  if (before?.gracefulShutdown !== plan.gracefulShutdown) for (const peer of core.peers.values()) reexport(core, peer);
  if (before === undefined) startDeferral(core, now);
  else expireDeferral(core, now);
}

function dynamicWanted(plan: BgpPlan, peer: Peer): BgpPeerSpec | undefined {
  const spec = plan.dynamic.find(({ name }) => name === peer.dynamic);
  if (spec === undefined || peer.spec.address === undefined) return undefined;
  const address = must(parseIp(peer.spec.address));
  const named = plan.peers.some((each) => each.address === peer.spec.address);
  const fits = !named && contains(must(parsePrefix(spec.prefix)), address);
  return fits ? dynamicSpec(spec, address) : undefined;
}

function depose(core: Core, peer: Peer, now: Instant): void {
  stop(core, peer, { reason: "cease/peer-deconfigured", data: NOTHING }, FOR_GOOD, now);
  removePeer(core, peer);
}

function change(core: Core, peer: Peer, spec: BgpPeerSpec, now: Instant): void {
  const { spec: before } = peer;
  if (same(before, spec)) return;
  core.changed.add(peer.name);
  core.listsDirty = true;
  if (!same(identity(before), identity(spec))) {
    reset(core, peer, spec, now);
    return;
  }
  peer.spec = spec;
  for (const link of linksOf(peer)) {
    const config = { ...configOf(spec), active: link === peer.main && spec.mode !== "passive" };
    link.session = { ...link.session, config };
  }
  if (spec.adminDown !== before.adminDown) {
    if (spec.adminDown) shut(core, peer, now);
    else start(core, peer, true, now);
    return;
  }
  if (before.mode !== spec.mode && peer.up === undefined && !spec.adminDown) {
    stop(core, peer, { reason: "cease/other-configuration-change", data: NOTHING }, RESTART, now);
  }
  if (!same(before.import, spec.import)) reimport(core, peer);
  if (!same(before.export, spec.export)) reexport(core, peer);
  for (const family of peer.up?.families.keys() ?? []) limited(core, peer, family, now);
}

/** RFC 9003: said in so many words. */
function shut(core: Core, peer: Peer, now: Instant): void {
  const ending = {
    reason: "cease/administrative-shutdown",
    data: shutdownData("shut down by its configuration"),
  } as const;
  stop(core, peer, ending, FOR_GOOD, now);
  for (const family of peer.retained.keys()) drop(core, peer, family);
}

/** What it was, ends; what it shall be, begins. */
function reset(core: Core, peer: Peer, spec: BgpPeerSpec, now: Instant): void {
  stop(core, peer, { reason: "cease/other-configuration-change", data: NOTHING }, FOR_GOOD, now);
  removePeer(core, peer);
  if (peer.dynamic !== undefined) return; // it will call again
  start(core, createPeer(core, spec, undefined, now), false, now);
}

/** What a session is made of: a change of any of it is another session. */
function identity(spec: BgpPeerSpec): unknown {
  const { mode: _mode, adminDown: _adminDown, keepalive: _keepalive, connectRetry: _retry, ...hard } = spec;
  const { import: _import, export: _export, bfd: _bfd, ...session } = hard;
  return {
    ...session,
    families: spec.families.map(({ family, addPathReceive }) => ({ family, addPathReceive })),
    gracefulRestart: spec.gracefulRestart && { ...spec.gracefulRestart, stalePathTime: 0 },
  };
}
function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

const NOTHING = new Uint8Array(0);
const FOR_GOOD = { idle: { kind: "for-good" }, manual: true } as const;
