/**
 * What needs a value of the mark and a routing table of its own, and which tunnel devices there are: from configuration
 * alone, so that a value stays the same whatever happens to links (daemon/parts/allocations.ts keeps them).
 */
import type { ResourceSet, WanLink, WanPolicy } from "./kinds.ts";
import type { Settings } from "./settings.ts";
import { DEFAULT_CLASS } from "./wan-consistency.ts";
import { firstPort, isMetered, tunnelPort, type WanSites, wanSites } from "./wan-sites.ts";

export interface WanLayout {
  readonly sites: WanSites;
  /** In the order in which they are tried. */
  readonly policies: readonly WanPolicy[];
  readonly devices: readonly TunnelDevice[];
  readonly lanes: readonly Lane[];
}

/** One WireGuard interface: its peers are the far links of this number, one of each remote site. */
export interface TunnelDevice {
  readonly ifname: string;
  readonly link: WanLink;
  /** Place of `link` among the links of this site. */
  readonly near: number;
  /** Place of the far link among those of its site. */
  readonly far: number;
  /** Of the outer packets. */
  readonly dscp: number;
  readonly port: number;
}

export interface Lane {
  /** What a value is allocated for. */
  readonly key: string;
  readonly what: LaneWhat;
}
export type LaneWhat =
  | { readonly kind: "class"; readonly name: string }
  | { readonly kind: "pinned"; readonly name: string; readonly link: string }
  | { readonly kind: "link"; readonly link: string }
  | { readonly kind: "back"; readonly ifname: string };

export function wanLayout(settings: Settings, resources: ResourceSet): WanLayout {
  const sites = wanSites(settings, resources);
  const policies = inOrder(resources.wanPolicies);
  const devices = tunnelDevices(settings, sites, policies);
  return { sites, policies, devices, lanes: lanesOf(sites, policies, devices) };
}

/** Links of this site that may carry the class; reserved for others they may not. */
export function allowedLinks({ links }: WanSites, policy: WanPolicy | undefined): readonly WanLink[] {
  const name = policy?.metadata.name;
  const only = policy?.spec.pathSelection.links ?? [];
  return links.filter(({ metadata, spec }) => {
    if (only.length > 0 && !only.includes(metadata.name)) return false;
    // With a quota the others may use it, too, until it is spent.
    if (spec.quota !== undefined || spec.reservedFor.length === 0) return true;
    return name !== undefined && spec.reservedFor.includes(name);
  });
}

/** Whether the link is spent last by this class. */
export function sparing(link: WanLink, policy: WanPolicy | undefined): boolean {
  return isMetered(link) && !link.spec.reservedFor.includes(policy?.metadata.name ?? "");
}

/** `local`: by the links of this site; `none`: not at all. */
export function breakoutOf({ spec }: WanPolicy, { site }: WanSites): string {
  const { breakout } = spec.pathSelection;
  return breakout === site ? "local" : breakout;
}

/** Links over which flows of the class are spread: fewer than two are none. */
export function balancedLinks(policy: WanPolicy, sites: WanSites): readonly WanLink[] {
  const { strategy, balance } = policy.spec.pathSelection;
  const allowed = allowedLinks(sites, policy);
  const weighted = strategy === "weighted";
  if (!weighted && !balance) return [];
  const equals = allowed.filter(({ spec }) => weighted || spec.role === "loadbalance");
  const least = Math.min(...equals.map((link) => linkTier(link, policy)));
  const chosen = equals.filter((link) => linkTier(link, policy) === least);
  return chosen.length > 1 ? chosen : [];
}

/** 0 is tried first: backup links after others, metered ones after all. */
export function linkTier(link: WanLink, policy: WanPolicy | undefined): number {
  return (sparing(link, policy) ? 2 : 0) + (link.spec.role === "backup" ? 1 : 0);
}

function inOrder(policies: readonly WanPolicy[]): readonly WanPolicy[] {
  return policies.toSorted((a, b) => b.spec.priority - a.spec.priority || (a.metadata.name < b.metadata.name ? -1 : 1));
}

/** Ascending, 0 first: the tunnels that everything may use. */
function codePoints({ sdwan }: Settings, policies: readonly WanPolicy[]): readonly number[] {
  const used = sdwan.outerDSCP ? policies.map(({ spec }) => spec.pathSelection.dscpClass ?? 0) : [];
  return [...new Set([0, ...used])].sort((a, b) => a - b);
}

function tunnelDevices(
  settings: Settings,
  { links, remotes }: WanSites,
  policies: readonly WanPolicy[],
): readonly TunnelDevice[] {
  const direct = remotes.filter(({ via }) => via === undefined);
  const most = Math.max(0, ...direct.map((remote) => remote.links.length));
  const points = codePoints(settings, policies);
  return links.flatMap((link, near) =>
    Array.from({ length: most }, (_, far) => far).flatMap((far) =>
      points.map((dscp): TunnelDevice => {
        const ifname = deviceName(link.metadata.name, far, dscp);
        return { ifname, link, near, far, dscp, port: tunnelPort(firstPort(link, near), far, dscp) };
      }),
    ),
  );
}

/** "nv-fibre-0", "nv-fibre-0-46"; a name that does not fit in 15 characters is cut and told apart by a hash. */
export function deviceName(link: string, far: number, dscp: number): string {
  const end = dscp === 0 ? `-${far}` : `-${far}-${dscp}`;
  const whole = `nv-${link}${end}`;
  if (whole.length <= LONGEST_NAME && /^[-a-z0-9]+$/.test(link)) return whole;
  const hash = fnv(link).toString(36).padStart(7, "0").slice(-HASH);
  const head = link.replace(/[^a-z0-9]/g, "").slice(0, LONGEST_NAME - "nv".length - HASH - end.length);
  return `nv${head}${hash}${end}`;
}
/** IFNAMSIZ - 1. */
const LONGEST_NAME = 15;
const HASH = 4;

/** FNV-1a, 32 bits. */
function fnv(text: string): number {
  let hash = 0x811c9dc5;
  for (const char of text) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return hash;
}

function lanesOf(sites: WanSites, policies: readonly WanPolicy[], devices: readonly TunnelDevice[]): readonly Lane[] {
  if (sites.links.length === 0) return [];
  const lane = (what: LaneWhat): Lane => ({ key: keyOf(what), what });
  const classes = policies.map(({ metadata }) => metadata.name);
  return [
    ...sites.links.map(({ metadata }) => lane({ kind: "link", link: metadata.name })),
    ...(sites.remotes.length > 0 ? [DEFAULT_CLASS, ...classes] : classes).map((name) => lane({ kind: "class", name })),
    ...policies.flatMap((policy) =>
      pinnedLinks(policy, sites).map(({ metadata }) =>
        lane({ kind: "pinned", name: policy.metadata.name, link: metadata.name }),
      ),
    ),
    ...devices.map(({ ifname }) => lane({ kind: "back", ifname })),
  ];
}

/** Flows that leave by a link itself stay on it; so do those that are spread. */
export function pinnedLinks(policy: WanPolicy, sites: WanSites): readonly WanLink[] {
  return breakoutOf(policy, sites) === "local" ? allowedLinks(sites, policy) : balancedLinks(policy, sites);
}

export function keyOf(what: LaneWhat): string {
  switch (what.kind) {
    case "class":
      return `class/${what.name}`;
    case "pinned":
      return `pinned/${what.name}@${what.link}`;
    case "link":
      return `link/${what.link}`;
    case "back":
      return `back/${what.ifname}`;
  }
}
