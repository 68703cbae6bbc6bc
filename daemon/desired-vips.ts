/** Virtual IPs → what pulse shall do with them here, and why not where it shall not. */
import { contains, formatIp, type Ip, isIpv4, parseIp } from "../base/address.ts";
import type { SegmentPlan, VipPlan, VipSpec } from "../netstack/vip/plan.ts";
import type { ProxyConfig } from "../proxy/config.ts";
import type { Allocated } from "../resources/allocate.ts";
import type { ResourceSet, Vip } from "../resources/kinds.ts";
import { selects } from "../resources/metadata.ts";
import { parseDuration } from "../resources/scalar.ts";
import type { Settings } from "../resources/settings.ts";
import type { DesiredCondition } from "./desired.ts";
import { listenerKey, vipAddresses } from "./desired-proxy.ts";
import { eligibility, type Verdict } from "./eligibility.ts";
import { endpointKey, endpointText, type Facts, type InterfaceFact } from "./facts.ts";

export function vipPlan(
  settings: Settings,
  resources: ResourceSet,
  allocated: Allocated,
  proxy: ProxyConfig,
  facts: Facts,
): { readonly plan: VipPlan; readonly conditions: readonly DesiredCondition[] } {
  const conditions: DesiredCondition[] = allocated.problems.map((problem) => ({
    code: problem.code,
    severity: problem.code === "POOL_OUTSIDE" || problem.code === "ADDRESS_ALLOCATED" ? "warning" : "error",
    subject: `ProxyVIP/${problem.vip}`,
    message: problem.message,
  }));
  const healthy = healthOf(proxy, facts);
  const segments = new Map<string, VipSpec[]>();
  for (const vip of resources.vips) {
    const subject = `ProxyVIP/${vip.metadata.name}`;
    const addresses = vipAddresses(vip, allocated.allocations);
    if (addresses.length === 0) continue; // the allocation's problem is among the conditions
    const ifname = interfaceOf(vip, addresses, settings, facts.interfaces);
    if (ifname === undefined) {
      // On a node that is not meant, nobody misses the interface.
      if (!selects(vip.spec.nodeSelector, settings.node.labels)) continue;
      const message = `no interface has a network with ${addresses.map(formatIp).join(", ")}; write l2.interface`;
      conditions.push({ code: "VIP_NO_INTERFACE", severity: "error", subject, message });
      continue;
    }
    const verdict = gate(vip, addresses, resources, proxy, healthy, settings, facts);
    if (!verdict.eligible) {
      const severity = verdict.why === "NODE_NOT_SELECTED" || verdict.why === "DRAINING" ? "info" : "warning";
      conditions.push({ code: "VIP_INELIGIBLE", severity, subject, message: `${verdict.why}: ${verdict.message}` });
    }
    segments.set(ifname, [...(segments.get(ifname) ?? []), vipSpec(vip, addresses, settings, verdict)]);
  }
  conditions.push(...backendConditions(proxy, healthy));
  const plan: VipPlan = {
    node: settings.node.name ?? facts.hostname,
    key: facts.key,
    segments: [...segments]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([ifname, vips]) => segment(ifname, vips, settings, facts)),
  };
  return { plan, conditions };
}

function segment(ifname: string, vips: readonly VipSpec[], settings: Settings, facts: Facts): SegmentPlan {
  const { heartbeat, peers, witnesses } = settings.l2;
  const gateways = facts.interfaces.find((each) => each.name === ifname)?.gateways ?? [];
  const asked = witnesses === "auto" ? gateways : witnesses === "none" ? [] : witnesses;
  return {
    ifname,
    interval: heartbeat.interval,
    multiplier: heartbeat.multiplier,
    port: heartbeat.port,
    peers: peers.map(formatIp),
    witnesses: asked.map(formatIp),
    vips,
  };
}

function vipSpec({ metadata, spec }: Vip, addresses: readonly Ip[], settings: Settings, verdict: Verdict): VipSpec {
  const { preempt, preemptDelay, onConflict, priorities } = spec.l2;
  const own = priorities.find(({ nodeSelector }) => selects(nodeSelector, settings.node.labels));
  const v4 = addresses.find(isIpv4);
  const v6 = addresses.find((each) => !isIpv4(each));
  return {
    name: metadata.name,
    address4: v4 === undefined ? undefined : `${formatIp(v4)}/32`,
    address6: v6 === undefined ? undefined : `${formatIp(v6)}/128`,
    priority: own?.priority ?? settings.node.priority,
    preemptDelay: preempt ? (preemptDelay ?? DEFAULT_PREEMPT_DELAY) : undefined,
    onConflict,
    eligible: verdict.eligible,
    why: verdict.why,
  };
}
const DEFAULT_PREEMPT_DELAY = parseDuration("5s");

/** The VIP's own word, the node's, then the longest network around one of its addresses. */
function interfaceOf(
  vip: Vip,
  addresses: readonly Ip[],
  settings: Settings,
  interfaces: readonly InterfaceFact[],
): string | undefined {
  const written = vip.spec.l2.interface ?? settings.l2.interface;
  if (written !== undefined) return written;
  const around = interfaces.flatMap(({ name, networks }) =>
    networks
      .filter((network) => addresses.some((address) => contains(network, address)))
      // A network of one address is no link: an owned VIP's own /32 would otherwise decide.
      .filter((network) => network.length < (isIpv4(network.ip) ? 32 : 128))
      .map((network) => ({ name, length: network.length })),
  );
  return around.toSorted((a, b) => b.length - a.length || (a.name < b.name ? -1 : 1))[0]?.name;
}

function gate(
  vip: Vip,
  addresses: readonly Ip[],
  resources: ResourceSet,
  proxy: ProxyConfig,
  health: ReadonlyMap<string, Health>,
  settings: Settings,
  facts: Facts,
): Verdict {
  const { name } = vip.metadata;
  const gateways = resources.gateways.filter((gateway) => gateway.spec.vipRef === name);
  const names = new Set(gateways.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
  const sockets = vip.spec.ports.flatMap((port) =>
    addresses.map((ip) => {
      const keys = gateways.flatMap(({ metadata, spec }) =>
        spec.listeners
          .filter((listener) => listener.port === port)
          .map((listener) => listenerKey(`${metadata.namespace}/${metadata.name}`, listener.name, ip, port)),
      );
      return { port, listening: keys.some((key) => facts.listening.has(key)) };
    }),
  );
  const reached = new Set(
    proxy.listeners
      .filter((listener) => names.has(listener.gateway))
      .flatMap((listener) => listener.rules)
      .flatMap((rule) => rule.backends.filter(({ weight }) => weight > 0).map(({ backend }) => backend)),
  );
  const behind = [...reached].flatMap((backend) => health.get(backend) ?? []);
  return eligibility({
    draining: facts.draining,
    selected: selects(vip.spec.nodeSelector, settings.node.labels),
    gateways: gateways.length,
    requireGateway: vip.spec.healthPolicy.requireGateway,
    sockets,
    healthy: behind.reduce((sum, each) => sum + each.healthy, 0),
    endpoints: behind.reduce((sum, each) => sum + each.endpoints, 0),
    unknown: behind.reduce((sum, each) => sum + each.endpoints - each.known, 0),
    wasEligible: facts.eligible?.has(name) === true,
    minHealthyNodes: vip.spec.healthPolicy.minHealthyNodes,
    minHealthyPercent: vip.spec.healthPolicy.minHealthyPercent,
  });
}

interface Health {
  readonly endpoints: number;
  readonly healthy: number;
  /** Endpoints with a verdict, whichever. */
  readonly known: number;
}

/** Without a health check every endpoint counts as healthy; with one, only those that answered. */
function healthOf(proxy: ProxyConfig, facts: Facts): ReadonlyMap<string, Health> {
  return new Map(
    proxy.backends.map((backend) => {
      const verdicts = backend.endpoints.map(({ address, port }) => {
        if (backend.healthCheck === undefined) return true;
        const parsed = parseIp(address);
        return parsed.ok ? facts.health.get(endpointKey(backend.name, endpointText(parsed.value, port))) : undefined;
      });
      return [
        backend.name,
        {
          endpoints: verdicts.length,
          healthy: verdicts.filter((verdict) => verdict === true).length,
          known: verdicts.filter((verdict) => verdict !== undefined).length,
        },
      ];
    }),
  );
}

/** An endpoint without a verdict yet is no news. */
function backendConditions(proxy: ProxyConfig, health: ReadonlyMap<string, Health>): readonly DesiredCondition[] {
  return proxy.backends.flatMap(({ name }): readonly DesiredCondition[] => {
    const { endpoints = 0, healthy = 0, known = 0 } = health.get(name) ?? {};
    const down = known - healthy;
    if (down === 0) return [];
    const message = `${down} of ${endpoints} endpoints are down`;
    const severity = down === endpoints ? "error" : "warning";
    return [{ code: "BACKEND_DOWN", severity, subject: `ProxyBackend/${name}`, message }];
  });
}
