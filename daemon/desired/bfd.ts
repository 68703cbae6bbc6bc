/** Settings of BFD → sessions for pulse; and timings by profile for BGP and OSPF. */
import { formatIp, formatPrefix } from "../../base/address.ts";
import type { BfdAuth, BfdPlan, BfdSpec, BfdTiming } from "../../netstack/bfd/plan.ts";
import {
  type BfdAuthSpec,
  type BfdProfile,
  type BfdSessionSpec,
  bfdProfile,
  type VipBfd,
} from "../../resources/bfd.ts";
import type { Settings } from "../../resources/settings.ts";
import { secretOf } from "../secret.ts";

/** What the operator asks for; sessions that BGP and OSPF want come from the routing process. */
export function bfdPlan({ bfd }: Settings, secrets: ReadonlyMap<string, string>): BfdPlan {
  return {
    sessions: bfd.sessions.map((each) => session(each, bfd.profiles, secrets)),
    unsolicited: bfd.unsolicited.map((each) => ({
      ifname: each.interface,
      from: each.from.map(formatPrefix),
      timing: profileTiming(each.profile, bfd.profiles),
      most: each.most,
    })),
  };
}

/** `profile` was checked when the settings were read. */
export function profileTiming(profile: string | undefined, profiles: readonly BfdProfile[]): BfdTiming {
  const { interval, minRx, multiplier, echoInterval, minEchoRx, demand } =
    profiles.find(({ name }) => name === profile) ?? USUAL;
  return {
    desiredMinTx: interval,
    requiredMinRx: minRx ?? interval,
    multiplier,
    echoTx: echoInterval,
    requiredMinEchoRx: minEchoRx,
    demand,
  };
}
const USUAL: Omit<BfdProfile, "name"> = bfdProfile.parse({ name: "usual" });

export function vipTiming(bfd: VipBfd | undefined): BfdTiming | undefined {
  if (bfd?.enabled !== true) return undefined;
  const { desiredMinTxInterval, requiredMinRxInterval, detectMultiplier, echoMode } = bfd;
  return {
    desiredMinTx: desiredMinTxInterval,
    requiredMinRx: requiredMinRxInterval,
    multiplier: detectMultiplier,
    echoTx: echoMode ? desiredMinTxInterval : undefined,
    requiredMinEchoRx: USUAL.minEchoRx,
    demand: false,
  };
}

function session(spec: BfdSessionSpec, profiles: readonly BfdProfile[], secrets: ReadonlyMap<string, string>): BfdSpec {
  const { name, peer, local, multihop, minTtl, passive, profile, auth, enabled } = spec;
  return {
    id: `static/${name}`,
    peer: formatIp(peer),
    local: local === undefined ? undefined : formatIp(local),
    ifname: spec.interface,
    hops: multihop ? "multi" : "single",
    minTtl: minTtl ?? 1,
    role: passive ? "passive" : "active",
    timing: profileTiming(profile, profiles),
    auth: auth === undefined ? undefined : authOf(auth, secrets),
    adminDown: !enabled,
  };
}

function authOf({ type, keyId, key, keyFile }: BfdAuthSpec, secrets: ReadonlyMap<string, string>): BfdAuth {
  return { type, keyId, key: hex(secretOf(key, keyFile, secrets)) };
}
/** Secrets are visible ASCII (resources/routing-values.ts). */
function hex(text: string): string {
  return Array.from(text, (char) => char.charCodeAt(0).toString(16).padStart(2, "0")).join("");
}
