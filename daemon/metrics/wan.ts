/** Metrics of links, paths, tunnels and choices, under the names and labels that the seeds document. */
import type { WanPathStatus, WanPolicyStatus, WanStatus } from "../admin/wan-api.ts";
import type { WanCounters } from "../parts/wan-counters.ts";
import { counter, type Family, gauge, type Sample, sample } from "./exposition.ts";

export interface WanMeasured {
  readonly status: WanStatus;
  readonly counters: Pick<WanCounters, "selections" | "failovers">;
}

export function wanFamilies({ status, counters }: WanMeasured): readonly Family[] {
  if (status.site === undefined) return [];
  return [
    ...pathFamilies(status),
    ...linkFamilies(status),
    ...tunnelFamilies(status),
    ...shieldFamilies(status),
    ...countFamilies(counters),
  ];
}

function pathFamilies(status: WanStatus): readonly Family[] {
  const { site = "", links, paths } = status;
  const about = new Map(links.map(({ name, provider, role }) => [name, { provider, role }]));
  const each = (value: (path: WanPathStatus) => number | undefined): readonly Sample[] =>
    paths.flatMap((path) => {
      const found = value(path);
      const { provider = "", role = "" } = about.get(path.link) ?? {};
      const remote = { remote_site: path.site ?? "internet", remote_link: path.remoteLink ?? "" };
      return found === undefined ? [] : [sample({ link: path.link, ...remote, site, provider, role }, found)];
    });
  const loss = each(({ report }) => (report?.figures === undefined ? undefined : report.figures.loss.percent / 100));
  const aboutLoss = "Share of packets lost on the path, 0 to 1, both ways together.";
  return [
    gauge(
      "novaedge_sdwan_link_latency_ms",
      "Smoothed round-trip time of the path, without the time in the reflector.",
      each(({ report }) => report?.figures?.rtt?.smoothed),
    ),
    gauge(
      "novaedge_sdwan_link_jitter_ms",
      "Jitter (RFC 3550) of the path, in the worse direction.",
      each(({ report }) => worse(report?.figures?.jitterOut, report?.figures?.jitterBack)),
    ),
    gauge("novaedge_sdwan_link_packet_loss", aboutLoss, loss),
    gauge("novaedge_sdwan_link_packet_loss_ratio", aboutLoss, loss),
    gauge(
      "novaedge_sdwan_link_score",
      "Quality of the path from 0 to 1, from its MOS (ITU-T G.107).",
      each(({ score }) => score),
    ),
    gauge(
      "novaedge_sdwan_link_healthy",
      "1 while the path is alive and keeps the limits of the links at both ends.",
      each(({ healthy }) => (healthy ? 1 : 0)),
    ),
    gauge(
      "novaedge_sdwan_path_carries",
      "Choices that take the path now.",
      each(({ carries }) => carries.length),
    ),
    gauge(
      "novaedge_sdwan_path_relayed",
      "1 while another site relays the path's packets.",
      each(({ site: remote, via }) => (remote === undefined ? undefined : via === "direct" ? 0 : 1)),
    ),
    counter(
      "novaedge_sdwan_probes_sent_total",
      "Probes sent on the path.",
      each(({ report }) => report?.sent),
    ),
    counter(
      "novaedge_sdwan_probes_answered_total",
      "Probes answered on the path.",
      each(({ report }) => report?.answered),
    ),
    gauge(
      "novaedge_sdwan_probe_bytes_per_hour",
      "What probes of the path cost at the pace of now, both ways.",
      each(({ report }) => report?.octetsPerHour),
    ),
  ];
}

function worse(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined && b === undefined ? undefined : Math.max(a ?? 0, b ?? 0);
}

function linkFamilies({ links, site = "" }: WanStatus): readonly Family[] {
  const each = (value: (link: WanStatus["links"][number]) => number | undefined): readonly Sample[] =>
    links.flatMap((link) => {
      const found = value(link);
      const { name, provider, role } = link;
      return found === undefined ? [] : [sample({ link: name, site, provider, role }, found)];
    });
  return [
    gauge(
      "novaedge_sdwan_link_up",
      "1 while the link is up, 0.5 while it is degraded.",
      each(({ report }) =>
        report === undefined ? undefined : report.state === "up" ? 1 : report.state === "down" ? 0 : 0.5,
      ),
    ),
    counter(
      "novaedge_sdwan_link_quota_bytes_total",
      "Octets both ways since the quota of the link began anew.",
      each(({ report, quota }) => (quota === undefined ? undefined : report?.used)),
    ),
    gauge(
      "novaedge_sdwan_link_quota_size_bytes",
      "Quota of the link.",
      each(({ quota }) => quota?.size),
    ),
    gauge(
      "novaedge_sdwan_link_bandwidth_bits_per_second",
      "Measured bandwidth of the link, upwards.",
      each(({ report }) => report?.bandwidth?.up),
    ),
  ];
}

function tunnelFamilies({ paths }: WanStatus): readonly Family[] {
  const each = (value: (tunnel: NonNullable<WanPathStatus["tunnel"]>) => number): readonly Sample[] =>
    paths.flatMap(({ tunnel, remoteLink = "" }) =>
      tunnel === undefined
        ? []
        : [sample({ link: tunnel.link, remote_site: tunnel.site, remote_link: remoteLink }, value(tunnel))],
    );
  return [
    gauge(
      "novaedge_sdwan_tunnel_up",
      "1 while the tunnel has a session.",
      each(({ state }) => (state === "up" ? 1 : 0)),
    ),
    counter(
      "novaedge_sdwan_tunnel_received_bytes_total",
      "Octets received by the tunnel.",
      each(({ received }) => received),
    ),
    counter(
      "novaedge_sdwan_tunnel_sent_bytes_total",
      "Octets sent by the tunnel.",
      each(({ sent }) => sent),
    ),
  ];
}

function shieldFamilies({ policies, site = "" }: WanStatus): readonly Family[] {
  const each = (value: (shield: NonNullable<WanPolicyStatus["shield"]>) => number): readonly Sample[] =>
    policies.flatMap(({ name, shield }) =>
      shield === undefined ? [] : [sample({ policy: name, site }, value(shield))],
    );
  return [
    gauge(
      "novaedge_sdwan_shield_paths",
      "Paths from which packets of the policy are copied to a second one now.",
      each(({ active }) => active.filter(({ second }) => second !== undefined).length),
    ),
    counter(
      "novaedge_sdwan_shield_copies_total",
      "Packets of the policy that were sent by a second path, too.",
      each(({ copies }) => copies.packets),
    ),
    counter(
      "novaedge_sdwan_shield_copied_bytes_total",
      "Octets of the policy's packets that were sent by a second path, too.",
      each(({ copies }) => copies.octets),
    ),
    counter(
      "novaedge_sdwan_shield_duplicates_total",
      "Packets with the policy's code point that came by tunnels for the second time and were dropped.",
      each(({ duplicates }) => duplicates.packets),
    ),
  ];
}

function countFamilies({ selections, failovers }: WanMeasured["counters"]): readonly Family[] {
  const pairs = (counts: ReadonlyMap<string, number>, first: string, second: string): readonly Sample[] =>
    [...counts].map(([key, value]) => {
      const [a = "", b = ""] = key.split("|");
      return sample({ [first]: a, [second]: b }, value);
    });
  return [
    counter(
      "novaedge_sdwan_path_selections_total",
      "Times that a path of the link was taken, by strategy.",
      pairs(selections, "link", "strategy"),
    ),
    counter(
      "novaedge_sdwan_failovers_total",
      "Times that a path was left because it was dead or bad.",
      pairs(failovers, "from_link", "to_link"),
    ),
  ];
}
