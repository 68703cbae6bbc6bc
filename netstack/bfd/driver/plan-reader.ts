/**
 * From control's plan (text) to what the engine takes (values).  Control validated it; what cannot be read is its bug.
 * Several who ask for the same path share one session (RFC 5882 §2), with the timing of the one who wants to know soonest.
 */
import { ipOf, type Prefix, prefixOf } from "../../../base/address.ts";
import { ms } from "../../../base/unit.ts";
import type { AuthConfig } from "../auth.ts";
import type { SessionConfig, Timing, UnsolicitedConfig } from "../event.ts";
import type { BfdAuth, BfdPlan, BfdSpec, BfdTiming, UnsolicitedSpec } from "../plan.ts";

export function sessionsOf(plan: BfdPlan): readonly SessionConfig[] {
  const paths = new Map<string, SessionConfig>();
  for (const spec of plan.sessions) {
    const config = configOf(spec);
    const key = JSON.stringify([config.peer, config.hops, config.ifname, config.local]);
    const shared = paths.get(key);
    paths.set(key, shared === undefined ? config : joined(shared, config));
  }
  return [...paths.values()];
}

/** `networks`: what an interface without a list of its own takes strangers from. */
export function unsolicitedOf(
  spec: UnsolicitedSpec,
  networks: (ifname: string) => readonly Prefix[],
): UnsolicitedConfig {
  const { ifname, from, timing, most } = spec;
  return { ifname, from: from.length === 0 ? networks(ifname) : from.map(prefixOf), timing: timingOf(timing), most };
}

function configOf(spec: BfdSpec): SessionConfig {
  return {
    ids: [spec.id],
    peer: ipOf(spec.peer),
    local: spec.local === undefined ? undefined : ipOf(spec.local),
    ifname: spec.ifname,
    hops: spec.hops,
    minTtl: spec.minTtl,
    role: spec.role,
    timing: timingOf(spec.timing),
    auth: authOf(spec.auth),
    adminDown: spec.adminDown,
    unsolicited: false,
  };
}

function joined(a: SessionConfig, b: SessionConfig): SessionConfig {
  const sooner = detection(b.timing) < detection(a.timing) ? b : a;
  return {
    ...a,
    ids: [...a.ids, ...b.ids],
    timing: sooner.timing,
    role: a.role === "active" || b.role === "active" ? "active" : "passive",
    auth: a.auth ?? b.auth,
    // Held down for one of them is not down for the others.
    adminDown: a.adminDown && b.adminDown,
  };
}

function detection(timing: Timing): number {
  return timing.multiplier * Math.max(timing.desiredMinTx, timing.requiredMinRx);
}

function timingOf(timing: BfdTiming): Timing {
  return {
    desiredMinTx: ms(timing.desiredMinTx),
    requiredMinRx: ms(timing.requiredMinRx),
    multiplier: timing.multiplier,
    echoTx: timing.echoTx === undefined ? undefined : ms(timing.echoTx),
    requiredMinEchoRx: ms(timing.requiredMinEchoRx),
    demand: timing.demand,
  };
}

function authOf(auth: BfdAuth | undefined): AuthConfig | undefined {
  if (auth === undefined) return undefined;
  return { type: auth.type, keyId: auth.keyId, key: Uint8Array.from(Buffer.from(auth.key, "hex")) };
}
