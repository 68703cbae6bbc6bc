/** The OSPF routers of this node: its settings, and what virtual IPs of mode OSPF add to them. */
import { formatIp, isIpv4 } from "../../base/address.ts";
import { seconds } from "../../base/unit.ts";
import type { OspfArea, OspfAuth, OspfInterfaceSpec, OspfNetwork, OspfPlan } from "../../netstack/ospf/plan.ts";
import {
  type OspfAuthSettings,
  type OspfInterfaceSettings,
  type OspfSettings,
  ospfSettings,
} from "../../resources/ospf.ts";
import type { Settings } from "../../resources/settings.ts";
import type { OspfConfig } from "../../resources/vip-routing.ts";
import { secretOf } from "../secret.ts";
import { profileTiming, vipTiming } from "./bfd.ts";
import type { DesiredCondition } from "./desired.ts";
import type { Facts } from "./facts.ts";
import { hostPrefix, type Routed } from "./routed.ts";
import { derivedRouterId } from "./router-id.ts";

export interface OspfWish {
  readonly plans: readonly OspfPlan[];
  readonly conditions: readonly DesiredCondition[];
}

export function ospfPlans(settings: Settings, vips: readonly Routed[], facts: Facts): OspfWish {
  const written = settings.ospf ?? DEFAULTS;
  const described = written.v2 !== undefined || written.v3 !== undefined;
  if (!described && vips.length === 0) return { plans: [], conditions: [] };
  const configs = vips.map(({ vip }) => vip.spec.ospfConfig);
  const routerId =
    written.routerId ??
    configs.map(({ routerID }) => routerID).find(Boolean) ??
    settings.bgp?.routerId ??
    derivedRouterId(facts);
  if (routerId === undefined) {
    return incomplete("no router id: no interface has an IPv4 address; write ospf.routerId in the settings");
  }
  const own = settings.ospf?.gracefulRestart ?? {
    ...DEFAULTS.gracefulRestart,
    enabled: configs.some(({ gracefulRestart }) => gracefulRestart === true),
  };
  const plans: OspfPlan[] = [];
  for (const version of [2, 3] as const) {
    const areas = described
      ? (version === 2 ? written.v2 : written.v3)?.areas.map(
          (area): OspfArea => ({
            id: area.id,
            kind: area.kind,
            interfaces: area.interfaces.map((each) => interfaceSpec(each, settings, facts.secrets)),
          }),
        )
      : derivedAreas(version, vips, facts);
    if (areas === undefined) continue;
    if (areas.every(({ interfaces }) => interfaces.length === 0)) {
      return incomplete("no interface: none has a default route; write ospf.v2 or ospf.v3 in the settings");
    }
    plans.push({
      version,
      routerId,
      areas,
      networks: vips.flatMap((each) => networks(each, version)),
      install: written.install,
      maxMetric: written.maxMetric,
      gracefulRestart: own.enabled ? { period: own.period, helper: own.helper } : undefined,
      restarting: false,
    });
  }
  return { plans, conditions: [] };
}

const DEFAULTS: OspfSettings = ospfSettings.parse({});
const [USUAL_INTERFACE] =
  ospfSettings.parse({
    v2: { areas: [{ id: 0, interfaces: [{ name: "usual" }] }] },
  }).v2?.areas[0]?.interfaces ?? [];

function incomplete(message: string): OspfWish {
  return { plans: [], conditions: [{ code: "ROUTING_INCOMPLETE", severity: "error", subject: "ospf", message }] };
}

function networks({ vip, addresses }: Routed, version: 2 | 3): readonly OspfNetwork[] {
  const { metricType, cost, tag, areaID } = vip.spec.ospfConfig;
  return addresses
    .filter((ip) => isIpv4(ip) === (version === 2))
    .map((ip) => ({ prefix: hostPrefix(ip), as: metricType, metric: cost, tag, area: areaID }));
}

/**
 * Without a word about interfaces: those that lead out of here, in the area and with the timers of the virtual IPs, which
 * agree about them.  undefined: no virtual IP has an address of that family.
 */
function derivedAreas(version: 2 | 3, vips: readonly Routed[], facts: Facts): readonly OspfArea[] | undefined {
  const some = vips.find(({ addresses }) => addresses.some((ip) => isIpv4(ip) === (version === 2)));
  if (some === undefined || (version === 3 && !facts.ipv6)) return undefined;
  const { ospfConfig, bfd } = some.vip.spec;
  const outward = facts.interfaces
    .filter(({ gateways }) => gateways.length > 0)
    .filter(({ networks }) => version === 3 || networks.some(({ ip }) => isIpv4(ip)));
  const interfaces = outward.map(({ name }): OspfInterfaceSpec => {
    const hello = ospfConfig.helloInterval ?? 10;
    return {
      ...plain(name),
      hello: seconds(hello),
      dead: seconds(ospfConfig.deadInterval ?? 4 * hello),
      auth: configAuth(ospfConfig, facts.secrets),
      bfd: vipTiming(bfd),
    };
  });
  return [{ id: ospfConfig.areaID ?? "0.0.0.0", kind: "normal", interfaces }];
}

function plain(name: string): OspfInterfaceSpec {
  if (USUAL_INTERFACE === undefined) throw new TypeError("the usual interface has no defaults");
  const { name: _name, neighbors: _neighbors, auth: _auth, bfd: _bfd, ...rest } = USUAL_INTERFACE;
  return { ifname: name, ...rest, instanceId: 0, neighbors: [], auth: undefined, bfd: undefined };
}

function interfaceSpec(
  each: OspfInterfaceSettings,
  settings: Settings,
  secrets: ReadonlyMap<string, string>,
): OspfInterfaceSpec {
  const { name, neighbors, auth, bfd, ...rest } = each;
  return {
    ifname: name,
    ...rest,
    instanceId: "instanceId" in each ? each.instanceId : 0,
    neighbors: neighbors.map(({ address, priority }) => ({ address: formatIp(address), priority })),
    auth: auth === undefined ? undefined : authOf(auth, secrets),
    bfd: bfd === undefined ? undefined : profileTiming(bfd.profile, settings.bfd.profiles),
  };
}

function authOf(auth: OspfAuthSettings, secrets: ReadonlyMap<string, string>): OspfAuth {
  if (auth.keys.length === 0 && "password" in auth) {
    return { kind: "simple", password: secretOf(auth.password, auth.passwordFile, secrets) };
  }
  if (auth.keys.length === 0 && "passwordFile" in auth) {
    return { kind: "simple", password: secretOf(undefined, auth.passwordFile, secrets) };
  }
  return {
    kind: "cryptographic",
    ...("extendedSequence" in auth && auth.extendedSequence ? { extended: true } : {}),
    keys: auth.keys.map(({ id, algorithm, secret, secretFile }) => ({
      id,
      algorithm,
      secret: secretOf(secret, secretFile, secrets),
    })),
  };
}

function configAuth(config: OspfConfig, secrets: ReadonlyMap<string, string>): OspfAuth | undefined {
  const { authType, authKey, authKeyFile, authKeyId } = config;
  if (authType === "none") return undefined;
  const secret = secretOf(authKey, authKeyFile, secrets);
  if (authType === "simple") return { kind: "simple", password: secret };
  return { kind: "cryptographic", keys: [{ id: authKeyId, algorithm: authType, secret }] };
}
