/** From control's plan (text) to what the machines take (values).  Control validated it; what cannot be read is its bug. */
import { type Ip, ipOf, isIpv4 } from "../../../base/address.ts";
import { ms } from "../../../base/unit.ts";
import type { SegmentConfig, VipConfig } from "../event.ts";
import type { SegmentPlan, VipPlan, VipSpec } from "../plan.ts";

export function configOf(plan: VipPlan, segment: SegmentPlan, incarnation: number): SegmentConfig {
  return {
    node: plan.node,
    ifname: segment.ifname,
    incarnation,
    timing: { interval: ms(segment.interval), multiplier: segment.multiplier },
    witnesses: segment.witnesses.map(ipOf),
    vips: segment.vips.map(vipOf),
  };
}

function vipOf(spec: VipSpec): VipConfig {
  const addresses = [spec.address4, spec.address6].filter((each) => each !== undefined).map(addressOf);
  return {
    name: spec.name,
    addresses,
    priority: spec.priority,
    preemptDelay: spec.preemptDelay === undefined ? undefined : ms(spec.preemptDelay),
    onConflict: spec.onConflict,
    eligible: spec.eligible,
    why: spec.why,
  };
}

/** A virtual IP is one address: its prefix length says nothing but that. */
function addressOf(text: string): Ip {
  const [address = "", length = ""] = text.split("/");
  const ip = ipOf(address);
  if (length !== (isIpv4(ip) ? "32" : "128")) throw new TypeError(`a virtual IP with prefix length ${length}`);
  return ip;
}
