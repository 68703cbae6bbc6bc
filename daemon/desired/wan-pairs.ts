/** Pairs of a link of ours and one of another site: what a tunnel between them is called, costs and must keep.  Pure. */
import { formatIp } from "../../base/address.ts";
import type { WanLink, WanPolicy } from "../../resources/kinds.ts";
import { linkTier, sparing, type TunnelDevice, type WanLayout } from "../../resources/wan-lanes.ts";
import { SLA_CLASS_LIMITS } from "../../resources/wan-policy.ts";
import type { RemoteLink, RemoteSite } from "../../resources/wan-sites.ts";
import type { Sla } from "../../sdwan/steer-plan.ts";

export interface Pair {
  /** Of the path: "isp1>berlin/isp2". */
  readonly id: string;
  readonly device: TunnelDevice;
  readonly remote: RemoteSite;
  readonly link: RemoteLink;
}

/** One for each device and each site that has a tunnel on it. */
export function pairsOf({ devices, sites }: WanLayout): readonly Pair[] {
  return devices.flatMap((device) =>
    sites.remotes.flatMap((remote): readonly Pair[] => {
      const link = remote.links[device.far];
      if (link === undefined || remote.via !== undefined || !worthHaving(device.link, link)) return [];
      const near = device.link.metadata.name;
      return [{ id: `${near}>${remote.name}/${link.name}`, device, remote, link }];
    }),
  );
}

/** A link without a gateway of the far end's family never reaches it. */
function worthHaving({ spec }: WanLink, { host }: RemoteLink): boolean {
  if (host === undefined) return true;
  if (/^[\d.]+$/.test(host)) return spec.gateway !== "none";
  return host.includes(":") ? spec.gateway6 !== "none" : true;
}

export function internetPath(link: WanLink): string {
  return internetPathOf(link.metadata.name);
}
export function internetPathOf(link: string): string {
  return `${link}>internet`;
}

/** Of a tunnel: metered ends are spared, then backup links. */
export function pairTier({ device, link }: Pair, policy: WanPolicy | undefined): number {
  const spared = Number(sparing(device.link, policy)) + Number(link.metered);
  const backups = Number(device.link.spec.role === "backup") + Number(link.backup);
  return 3 * spared + backups;
}
export function internetTier(link: WanLink, policy: WanPolicy | undefined): number {
  return linkTier(link, policy);
}

/** "auto", "none", or the address. */
export function gatewayText(written: WanLink["spec"]["gateway"]): string {
  return written === "auto" || written === "none" ? written : formatIp(written);
}

type Limits = WanLink["spec"]["sla"];

/** What a policy asks for. */
export function policySla({ spec }: WanPolicy): Sla {
  const { sla } = spec.pathSelection;
  const usual = sla.class === undefined ? {} : SLA_CLASS_LIMITS[sla.class];
  return {
    maxLatency: sla.maxLatency ?? usual.latency,
    maxJitter: sla.maxJitter ?? usual.jitter,
    maxPacketLoss: sla.maxPacketLoss ?? usual.loss,
    minMos: sla.minMOS ?? usual.mos,
  };
}
/** The stricter of each limit. */
export function tightened(sla: Sla, ...others: readonly (Limits | undefined)[]): Sla {
  const least = (own: number | undefined, limit: (each: Limits) => number | undefined): number | undefined => {
    const all = [own, ...others.map((each) => (each === undefined ? undefined : limit(each)))];
    const said = all.filter((each) => each !== undefined);
    return said.length === 0 ? undefined : Math.min(...said);
  };
  return {
    maxLatency: least(sla.maxLatency, (each) => each.maxLatency),
    maxJitter: least(sla.maxJitter, (each) => each.maxJitter),
    maxPacketLoss: least(sla.maxPacketLoss, (each) => each.maxPacketLoss),
    minMos: sla.minMos,
  };
}
export const NO_SLA: Sla = {
  maxLatency: undefined,
  maxJitter: undefined,
  maxPacketLoss: undefined,
  minMos: undefined,
};
