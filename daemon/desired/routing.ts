/**
 * Virtual IPs of modes BGP and OSPF, and the routers of this node's settings → what the routing process shall do.
 * Contradictions between them were refused when the files were read (resources/routing-together.ts).
 */
import type { ProxyConfig } from "../../proxy/config.ts";
import type { Allocated } from "../../resources/allocate.ts";
import { qualifiedName, type ResourceSet, type Vip } from "../../resources/kinds.ts";
import { selects } from "../../resources/metadata.ts";
import type { Settings } from "../../resources/settings.ts";
import type { RoutedVip, RoutingPlan } from "../routing/words.ts";
import { bgpPlan } from "./bgp.ts";
import type { DesiredCondition } from "./desired.ts";
import type { Facts } from "./facts.ts";
import { gate, type Health, reached } from "./gate.ts";
import { ospfPlans } from "./ospf.ts";
import { vipAddresses } from "./proxy.ts";
import { hostPrefix, type Routed } from "./routed.ts";
import { ineligible } from "./vips.ts";

export interface RoutingWish {
  /** undefined: nothing to route, no process. */
  readonly plan: RoutingPlan | undefined;
  readonly conditions: readonly DesiredCondition[];
}

export function routingPlan(
  settings: Settings,
  resources: ResourceSet,
  allocated: Allocated,
  proxy: ProxyConfig,
  facts: Facts,
  healthy: ReadonlyMap<string, Health>,
): RoutingWish {
  const routed = resources.vips
    .filter(({ spec }) => spec.mode !== "L2ARP" && selects(spec.nodeSelector, settings.node.labels))
    .map((vip): Routed => ({ vip, addresses: vipAddresses(vip, allocated.allocations) }))
    // Without addresses the allocation's problem is among the conditions.
    .filter(({ addresses }) => addresses.length > 0);
  const of = (mode: string): readonly Routed[] => routed.filter(({ vip }) => vip.spec.mode === mode);
  const bgp = bgpPlan(settings, of("BGP"), facts);
  const ospf = ospfPlans(settings, of("OSPF"), facts);
  const conditions: DesiredCondition[] = [...bgp.conditions, ...ospf.conditions];
  // A router that cannot be made announces nothing: then its virtual IPs are not bound either.
  const announced = routed.filter(({ vip }) =>
    vip.spec.mode === "BGP" ? bgp.plan !== undefined : ospf.plans.length > 0,
  );
  const vips = announced.map(({ vip, addresses }): RoutedVip => {
    const { name } = vip.metadata;
    const verdict = gate(vip, addresses, resources, proxy, healthy, settings, facts);
    conditions.push(...ineligible(`ProxyVIP/${name}`, verdict), ...inconsistent(vip, resources, proxy));
    const served = resources.gateways.some(({ spec }) => spec.vipRef === name);
    const ports = served ? vip.spec.ports : [];
    return { name, addresses: addresses.map(hostPrefix), eligible: verdict.eligible, why: verdict.why, ports };
  });
  const nothing = bgp.plan === undefined && ospf.plans.length === 0;
  return { plan: nothing ? undefined : { bgp: bgp.plan, ospf: ospf.plans, vips }, conditions };
}

/**
 * Routers spread flows over all hosts that announce an address, and move some when a host comes or goes.  A host that
 * then gets a flow of another's would choose another endpoint for it, unless its policy chooses by the flow alone.
 */
function inconsistent(vip: Vip, resources: ResourceSet, proxy: ProxyConfig): readonly DesiredCondition[] {
  const gateways = resources.gateways.filter(({ spec }) => spec.vipRef === vip.metadata.name);
  const names = reached(proxy, new Set(gateways.map(({ metadata }) => qualifiedName(metadata))));
  const found = resources.backends.filter(
    ({ metadata, spec }) =>
      names.has(qualifiedName(metadata)) && spec.endpoints.length > 1 && !CONSISTENT.has(spec.lbPolicy),
  );
  if (found.length === 0) return [];
  const list = found.map(({ metadata, spec }) => `${qualifiedName(metadata)} (${spec.lbPolicy})`).join(", ");
  const message = `several hosts may announce the address, and these backends are not balanced alike by all of them: ${list}; a flow that routers move to another host may get another endpoint`;
  return [{ code: "LB_NOT_CONSISTENT", severity: "warning", subject: `ProxyVIP/${vip.metadata.name}`, message }];
}
/** Policies that choose the same endpoint for a flow on every host. */
const CONSISTENT: ReadonlySet<string> = new Set(["Maglev", "RingHash"]);
