/**
 * The one place where configuration meets measurement: settings, resources, allocations and facts → what the data plane,
 * pulse and the routing process shall do.  Pure: equal inputs, equal outputs, so that "what would happen if" is the same question.
 */

import { createHash } from "node:crypto";
import type { BfdPlan } from "../../netstack/bfd/plan.ts";
import type { VipPlan } from "../../netstack/vip/plan.ts";
import type { ClassConfig, ProxyConfig } from "../../proxy/config.ts";
import type { Allocated } from "../../resources/allocate.ts";
import type { ResourceSet } from "../../resources/kinds.ts";
import type { Settings } from "../../resources/settings.ts";
import type { ConditionCode } from "../admin/api.ts";
import type { RoutingPlan } from "../routing/words.ts";
import { bfdPlan } from "./bfd.ts";
import type { Facts } from "./facts.ts";
import { healthOf } from "./gate.ts";
import { proxyConfig, type SocketWanted } from "./proxy.ts";
import { routingPlan } from "./routing.ts";
import { vipPlan } from "./vips.ts";
import { type WanPlan, wanPlans } from "./wan.ts";

export interface Desired {
  readonly proxy: ProxyConfig;
  /** Listening sockets that control opens for the data planes: one per listener of `proxy`. */
  readonly sockets: readonly SocketWanted[];
  readonly vips: VipPlan;
  /** undefined: there is nothing to route. */
  readonly routing: RoutingPlan | undefined;
  /** What the operator asks for, and what guards tunnels; routing adds its own. */
  readonly bfd: BfdPlan;
  /** undefined: no WAN links here. */
  readonly wan: WanPlan | undefined;
  /** Links and tunnels stay as they are. */
  readonly wanHeld: boolean;
  /** What is wrong or remarkable; the daemon adds since when. */
  readonly conditions: readonly DesiredCondition[];
}

export interface DesiredCondition {
  readonly code: ConditionCode;
  readonly severity: "info" | "warning" | "error";
  /** "ProxyVIP/edge", "ProxyBackend/default/api" */
  readonly subject: string;
  readonly message: string;
}

export function desired(settings: Settings, resources: ResourceSet, allocated: Allocated, facts: Facts): Desired {
  const places = remembered(resources, allocated, facts.ipv6);
  const healthy = healthOf(places.proxy, facts);
  const { plan, conditions } = vipPlan(settings, resources, allocated, places.proxy, facts, healthy);
  const routing = routingPlan(settings, resources, allocated, places.proxy, facts, healthy);
  const wan = wanPlans(settings, resources, facts);
  const bfd = bfdPlan(settings, facts.secrets);
  return {
    proxy: classified(places.proxy, wan.classes),
    sockets: places.sockets,
    vips: plan,
    routing: routing.plan,
    bfd: wan.bfd.length === 0 ? bfd : { ...bfd, sessions: [...bfd.sessions, ...wan.bfd] },
    wan: wan.plan,
    wanHeld: wan.held,
    conditions: [...conditions, ...routing.conditions, ...wan.conditions],
  };
}

/** The version stands for the whole content. */
function classified(proxy: ProxyConfig, classes: readonly ClassConfig[]): ProxyConfig {
  if (classes.length === 0) return proxy;
  const digest = createHash("sha256").update(JSON.stringify(classes)).digest("hex").slice(0, 16);
  return { ...proxy, version: `${proxy.version}+${digest}`, classes };
}

/**
 * Facts change far more often than files, and hashing a large configuration is most of the work.  Resources and
 * allocations are never changed in place, so that identity is equality.
 */
function remembered(resources: ResourceSet, allocated: Allocated, ipv6: boolean): ReturnType<typeof proxyConfig> {
  if (last?.resources === resources && last.allocated === allocated && last.ipv6 === ipv6) return last.made;
  const made = proxyConfig(resources, allocated.allocations, { ipv6 });
  last = { resources, allocated, ipv6, made };
  return made;
}
let last: Remembered | undefined;
interface Remembered {
  readonly resources: ResourceSet;
  readonly allocated: Allocated;
  readonly ipv6: boolean;
  readonly made: ReturnType<typeof proxyConfig>;
}
