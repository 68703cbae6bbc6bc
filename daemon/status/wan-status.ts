/** What `novactl wan` and the metrics show of links, paths and policies, put together from plan and reports. */
import { DEFAULT_CLASS } from "../../resources/wan-consistency.ts";
import type { PathSpec, Sla } from "../../sdwan/steer-plan.ts";
import type { WanLinkStatus, WanPathStatus, WanPolicyStatus, WanStatus, WanSummary } from "../admin/wan-api.ts";
import { tunnelKey } from "../desired/facts.ts";
import type { WanPlan } from "../desired/wan.ts";
import { internetPath, NO_SLA, type Pair, pairsOf, tightened } from "../desired/wan-pairs.ts";
import { steered } from "../desired/wan-world.ts";
import type { Wan } from "../parts/wan.ts";
import { requestsStatus } from "./wan-requests.ts";
import { shieldStatus } from "./wan-shield.ts";

export function wanStatus(wan: Wan): WanStatus {
  const { plan } = wan;
  if (plan === undefined) return { site: undefined, links: [], paths: [], policies: [] };
  return {
    site: plan.layout.sites.site,
    links: linkStatuses(wan, plan),
    paths: pathStatuses(wan, plan),
    policies: policyStatuses(wan, plan),
  };
}

export function wanSummary(wan: Wan): WanSummary | undefined {
  const { site, links, paths, policies } = wanStatus(wan);
  if (site === undefined) return undefined;
  const reports = policies.flatMap(({ choices }) => choices.map(({ report }) => report?.state));
  return {
    site,
    links: links.length,
    up: links.filter(({ report }) => report !== undefined && report.state !== "down").length,
    paths: paths.length,
    alive: paths.filter(({ usable, report }) => usable && report?.life.kind === "alive").length,
    relayed: paths.filter(({ via }) => via !== "direct").length,
    choices: reports.length,
    good: reports.filter((state) => state === "chosen").length,
  };
}

function linkStatuses({ links, paths, tunnels }: Wan, { layout }: WanPlan): readonly WanLinkStatus[] {
  return layout.sites.links.map((link) => {
    const { name } = link.metadata;
    const { interface: ifname, provider, role, quota, reservedFor } = link.spec;
    const over = [...tunnels.values()].filter((each) => each.link === name);
    const unshaken = over.flatMap((each) => (each.unshaken === true ? [`${each.site}/${each.remoteLink}`] : []));
    return {
      name,
      ifname,
      provider,
      role,
      report: links.get(name),
      quota,
      reservedFor,
      internet: paths.get(internetPath(link))?.life.kind ?? "unknown",
      tunnels: {
        all: over.length,
        up: over.filter(({ state }) => state === "up").length,
        unshaken: [...new Set(unshaken)],
      },
    };
  });
}

function pathStatuses(wan: Wan, plan: WanPlan): readonly WanPathStatus[] {
  const pairs = new Map(
    pairsOf(plan.layout).flatMap((pair) => (pair.device.dscp === 0 ? [[pair.id, pair] as const] : [])),
  );
  return plan.steer.paths.map((path): WanPathStatus => {
    const { id, link, site, ifname, usable, why, via, metered, cost, bandwidth } = path;
    const report = wan.paths.get(id);
    const mos = report?.life.kind === "dead" ? 1 : report?.figures?.mos;
    return {
      id,
      link,
      site,
      remoteLink: pairs.get(id)?.link.name,
      ifname,
      usable,
      why,
      via,
      metered,
      cost,
      bandwidth,
      healthy: usable && report?.life.kind === "alive" && keeps(wan, path, promised(plan, path, pairs.get(id))),
      score: mos === undefined ? undefined : Math.round(((mos - 1) / 3.5) * 1000) / 1000,
      report,
      tunnel: site === undefined ? undefined : wan.tunnels.get(tunnelKey(ifname, site)),
      carries: [...wan.choices.values()].filter(({ chosen }) => chosen === id).map((each) => each.id),
    };
  });
}

/** What the links at both ends are said to keep. */
function promised({ layout }: WanPlan, { link }: PathSpec, pair: Pair | undefined): Sla {
  const own = layout.sites.links.find(({ metadata }) => metadata.name === link);
  return tightened(NO_SLA, own?.spec.sla, pair?.link.sla);
}
function keeps({ paths }: Wan, { id }: PathSpec, { maxLatency, maxJitter, maxPacketLoss }: Sla): boolean {
  const figures = paths.get(id)?.figures;
  if (figures === undefined) return true;
  const over = (value: number | undefined, most: number | undefined): boolean =>
    value !== undefined && most !== undefined && value > most;
  const jitter = Math.max(figures.jitterOut ?? 0, figures.jitterBack ?? 0);
  return (
    !over(figures.rtt?.smoothed, maxLatency) && !over(jitter, maxJitter) && !over(figures.loss.percent, maxPacketLoss)
  );
}

function policyStatuses({ choices, shields, proxied }: Wan, plan: WanPlan): readonly WanPolicyStatus[] {
  const { layout, underlay, steer } = plan;
  const marks = new Map(underlay.lanes.flatMap(({ mark, what }) => (what.kind === "class" ? [[what.name, mark]] : [])));
  const names = new Set(steered(layout).map(({ metadata }) => metadata.name));
  return [...names, DEFAULT_CLASS].flatMap((name): readonly WanPolicyStatus[] => {
    const mark = marks.get(name);
    if (mark === undefined) return [];
    const policy = layout.policies.find(({ metadata }) => metadata.name === name);
    const table = underlay.lanes.find((lane) => lane.mark === mark)?.table;
    // Those of single links follow from these.
    const own = steer.choices.filter((choice) => choice.table === table);
    return [
      {
        name,
        priority: policy?.spec.priority,
        strategy: policy?.spec.pathSelection.strategy ?? "lowest-latency",
        dscp: policy?.spec.pathSelection.dscpClass,
        mark,
        balance: underlay.classes.find((each) => each.name === name)?.balance,
        choices: own.map((choice) => ({
          id: choice.id,
          site: choice.site,
          table: choice.table,
          report: choices.get(choice.id),
        })),
        shield: shieldStatus(shields, plan, name),
        requests: policy === undefined ? undefined : requestsStatus(proxied, plan, policy),
      },
    ];
  });
}
