/** Flows as the kernel tracks them, with what carries each now: a mark names a table, and the choice of that table a path. */
import type { FlowPath, WanFlow } from "../admin/wan-api.ts";
import type { WanPlan } from "../desired/wan.ts";
import { internetPathOf } from "../desired/wan-pairs.ts";
import { INTERNET } from "../desired/wan-steer.ts";
import type { Wan } from "../parts/wan.ts";
import type { FlowReport } from "../wan/words.ts";
import { destinationOf } from "./wan-explain.ts";

export function withPath(wan: Wan, plan: WanPlan, flow: FlowReport): WanFlow {
  return { ...flow, ...pathOf(wan, plan, flow) };
}

function pathOf(wan: Wan, plan: WanPlan, flow: FlowReport): FlowPath {
  const lane = plan.underlay.lanes.find(({ mark }) => mark === flow.mark);
  if (lane === undefined) return { path: undefined, link: flow.link, ifname: flow.ifname };
  // Answers to what came in by a link's own address leave by that link.
  if (lane.what.kind === "link") {
    const { link } = lane.what;
    const ifname = plan.underlay.links.find(({ name }) => name === link)?.ifname;
    return { path: internetPathOf(link), link, ifname };
  }
  // What came in by a tunnel is answered to where it came from.
  const place = destinationOf(plan, hostOf(lane.what.kind === "back" ? flow.source : flow.destination));
  const spec = plan.steer.choices.find(({ table, site }) => table === lane.table && (site ?? INTERNET) === place);
  const chosen = spec === undefined ? undefined : wan.choices.get(spec.id)?.chosen;
  const candidate = spec?.candidates.find(({ path }) => path === chosen);
  const path = plan.steer.paths.find(({ id }) => id === chosen);
  return { path: chosen, link: path?.link ?? flow.link, ifname: candidate?.ifname ?? flow.ifname };
}

/** "192.0.2.1:5060", "[2001:db8::1]:5060", and both without a port where the protocol has none. */
function hostOf(end: string): string {
  const [, v6, v4] = /^(?:\[([^\]]+)\]:[0-9]+|([0-9.]+):[0-9]+)$/.exec(end) ?? [];
  return v6 ?? v4 ?? end;
}
