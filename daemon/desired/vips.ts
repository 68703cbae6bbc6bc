/** Virtual IPs of mode L2ARP → what pulse shall do with them here, and why not where it shall not. */
import { bitsOf, contains, formatIp, type Ip, isIpv4 } from "../../base/address.ts";
import type { SegmentPlan, VipPlan, VipSpec } from "../../netstack/vip/plan.ts";
import type { ProxyConfig } from "../../proxy/config.ts";
import type { Allocated } from "../../resources/allocate.ts";
import type { ResourceSet, Vip } from "../../resources/kinds.ts";
import { selects } from "../../resources/metadata.ts";
import { parseDuration } from "../../resources/scalar.ts";
import type { Settings } from "../../resources/settings.ts";
import type { DesiredCondition } from "./desired.ts";
import type { Verdict } from "./eligibility.ts";
import type { Facts, InterfaceFact } from "./facts.ts";
import { gate, type Health } from "./gate.ts";
import { vipAddresses } from "./proxy.ts";

export function vipPlan(
  settings: Settings,
  resources: ResourceSet,
  allocated: Allocated,
  proxy: ProxyConfig,
  facts: Facts,
  healthy: ReadonlyMap<string, Health>,
): { readonly plan: VipPlan; readonly conditions: readonly DesiredCondition[] } {
  const conditions: DesiredCondition[] = allocated.problems.map((problem) => ({
    code: problem.code,
    severity: problem.code === "POOL_OUTSIDE" || problem.code === "ADDRESS_ALLOCATED" ? "warning" : "error",
    subject: `ProxyVIP/${problem.vip}`,
    message: problem.message,
  }));
  const segments = new Map<string, VipSpec[]>();
  for (const vip of resources.vips) {
    if (vip.spec.mode !== "L2ARP") continue;
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
    conditions.push(...ineligible(subject, verdict));
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

export function ineligible(subject: string, { eligible, why, message }: Verdict): readonly DesiredCondition[] {
  if (eligible) return [];
  const severity = why === "NODE_NOT_SELECTED" || why === "DRAINING" ? "info" : "warning";
  return [{ code: "VIP_INELIGIBLE", severity, subject, message: `${why}: ${message}` }];
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
      .filter((network) => network.length < bitsOf(network.ip))
      .map((network) => ({ name, length: network.length })),
  );
  return around.toSorted((a, b) => b.length - a.length || (a.name < b.name ? -1 : 1))[0]?.name;
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
