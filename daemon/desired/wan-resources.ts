/** What has become of a WAN link, a policy or a remote site: its `status` in `novactl get` and `describe`. */
import type { RemoteCluster, WanLink, WanPolicy } from "../../resources/kinds.ts";
import type { Wan } from "../parts/wan.ts";
import { wanStatus } from "../status/wan-status.ts";

export function wanResourceStatus(
  resource: WanLink | WanPolicy | RemoteCluster,
  wan: Wan,
): Readonly<Record<string, unknown>> {
  switch (resource.kind) {
    case "ProxyWANLink":
      return linkStatus(resource, wan);
    case "ProxyWANPolicy":
      return policyStatus(resource, wan);
    case "NovaEdgeRemoteCluster":
      return siteStatus(resource, wan);
  }
}

function linkStatus({ metadata, spec }: WanLink, wan: Wan): Readonly<Record<string, unknown>> {
  const status = wanStatus(wan);
  if (spec.site !== status.site) return { state: "remote", why: `a link of site ${spec.site}` };
  const link = status.links.find(({ name }) => name === metadata.name);
  const paths = status.paths.filter((path) => path.link === metadata.name);
  const { state = "unknown", why = "not looked at yet", ...report } = link?.report ?? {};
  return {
    state,
    why,
    internet: link?.internet,
    ...report,
    paths: paths.map(({ id, healthy, via, carries }) => ({ id, healthy, via, carries })),
  };
}

function policyStatus({ metadata }: WanPolicy, wan: Wan): Readonly<Record<string, unknown>> {
  const policy = wanStatus(wan).policies.find(({ name }) => name === metadata.name);
  if (policy === undefined) return { paths: "", why: "not steered here: no link of this site may carry it" };
  const chosen = policy.choices.map(({ site, report }) => `${site ?? "internet"}: ${report?.chosen ?? "-"}`);
  return { ...policy, paths: chosen.join(", ") };
}

function siteStatus({ spec }: RemoteCluster, wan: Wan): Readonly<Record<string, unknown>> {
  const status = wanStatus(wan);
  if (spec.clusterName === status.site) return { phase: "Local", connected: true, tunnels: "" };
  if (spec.paused) return { phase: "Paused", connected: false, tunnels: "" };
  const remote = wan.plan?.layout.sites.remotes.find(({ name }) => name === spec.clusterName);
  const paths = status.paths.filter(({ site }) => site !== undefined && site === (remote?.via ?? remote?.name));
  const alive = paths.filter(({ usable, report }) => usable && report?.life.kind === "alive");
  const [some, all] = [alive.length > 0, alive.length === paths.length && paths.length > 0];
  return {
    phase: all ? "Connected" : some ? "Degraded" : paths.length === 0 ? "Pending" : "Disconnected",
    connected: some,
    via: remote?.via,
    tunnels: `${alive.length}/${paths.length}`,
    paths: paths.map(({ id, healthy, via }) => ({ id, healthy, via })),
  };
}
