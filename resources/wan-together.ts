/**
 * Links, policies and remote sites, with each other and with the settings of this host: references that lead nowhere,
 * networks and ports that collide, and more than a mark can tell apart.  Findings stand where the resource is written.
 */
import { contains, formatIp, formatPrefix, isIpv4, type Prefix } from "../base/address.ts";
import type { Diagnostic } from "./diagnostic.ts";
import { Findings } from "./finding.ts";
import type { AnyResource, RemoteCluster, ResourceSet, WanLink, WanPolicy } from "./kinds.ts";
import { isAnything, NOTHING_REFUSED, type Refused } from "./refused.ts";
import type { Settings } from "./settings.ts";
import { allowedLinks, type WanLayout, wanLayout } from "./wan-lanes.ts";
import { requestClashes } from "./wan-requests.ts";
import { shieldClashes } from "./wan-shield.ts";
import { firstPort, MOST_LINKS, relayOf } from "./wan-sites.ts";
import type { Path } from "./yaml.ts";

/** Values of the mark's bits (netstack/kernel/marks.ts: 0x3f000000) but 0. */
export const MOST_LANES = 63;

export function wanTogether(
  settings: Settings,
  resources: ResourceSet,
  refused: Refused = NOTHING_REFUSED,
): readonly Diagnostic[] {
  const { wanLinks, wanPolicies, remoteClusters } = resources;
  if (wanLinks.length + wanPolicies.length + remoteClusters.length === 0) return [];
  const world = new World(settings, resources, refused);
  links(world);
  policies(world);
  sites(world);
  networks(world);
  if (!world.found) lanes(world);
  return world.list;
}

class World {
  readonly settings: Settings;
  readonly resources: ResourceSet;
  readonly layout: WanLayout;
  /** A link, policy or site may be among what is refused: that none is there says nothing. */
  readonly unsure: boolean;
  readonly #findings = new Map<AnyResource, Findings>();
  readonly #refused: Refused;

  constructor(settings: Settings, resources: ResourceSet, refused: Refused) {
    this.#refused = refused;
    this.unsure = isAnything(refused);
    this.settings = settings;
    this.resources = resources;
    this.layout = wanLayout(settings, resources);
  }
  on(resource: AnyResource): Findings {
    const known = this.#findings.get(resource) ?? new Findings(resource.source, this.#refused);
    this.#findings.set(resource, known);
    return known;
  }
  get list(): readonly Diagnostic[] {
    return [...this.#findings.values()].flatMap(({ list }) => list);
  }
  get found(): boolean {
    return this.list.some(({ severity }) => severity === "error");
  }
  get siteNames(): readonly string[] {
    const { site } = this.layout.sites;
    const remote = this.resources.remoteClusters.map(({ spec }) => spec.clusterName);
    return site === undefined ? remote : [site, ...remote];
  }
}

/** Of each pair the second, in the order of names. */
function repeated<T extends AnyResource>(
  world: World,
  all: readonly T[],
  value: (each: T) => string,
  told: Told,
): void {
  const first = new Map<string, T>();
  for (const each of all) {
    const before = first.get(value(each));
    if (before === undefined) first.set(value(each), each);
    else {
      const { line } = before.source.at(told.at);
      world.on(each).duplicate(told.at, told.message(value(each)), `the first is at ${before.source.file}:${line}`);
    }
  }
}
interface Told {
  readonly at: Path;
  readonly message: (value: string) => string;
}

function links(world: World): void {
  const { wanLinks, wanPolicies } = world.resources;
  const { site } = world.layout.sites;
  const names = wanPolicies.map(({ metadata }) => metadata.name);
  const remote = new Set(world.resources.remoteClusters.map(({ spec }) => spec.clusterName));
  for (const link of wanLinks) {
    const own = link.spec.site;
    if (site === undefined && !remote.has(own)) {
      const message = `whether ${own} is this host's site is not clear`;
      world.on(link).missing(["spec", "site"], message, "write sdwan.site in the settings of the node");
    } else {
      world
        .on(link)
        .refers(
          ["spec", "site"],
          "site",
          own,
          world.siteNames,
          `${describeSite(own)}; this host's own site is sdwan.site`,
        );
    }
    for (const [index, policy] of link.spec.reservedFor.entries()) {
      world.on(link).refers(["spec", "reservedFor", index], "ProxyWANPolicy", policy, names);
    }
  }
  const at = ["metadata", "name"];
  repeated(world, wanLinks, ({ spec, metadata }) => `${spec.site}/${metadata.name}`, {
    at,
    message: (name) => `two links ${name} in different namespaces`,
  });
  repeated(world, wanLinks, ({ spec }) => `${spec.interface} of site ${spec.site}`, {
    at: ["spec", "interface"],
    message: (name) => `interface ${name} is another link's already`,
  });
  const outside = (link: WanLink): string => {
    const before = wanLinks.filter(
      ({ spec, metadata }) => spec.site === link.spec.site && metadata.name < link.metadata.name,
    );
    const { publicIP } = link.spec.tunnelEndpoint;
    return `${publicIP === undefined ? "" : formatIp(publicIP)} port ${firstPort(link, before.length)}`;
  };
  const reached = wanLinks.filter(({ spec }) => spec.tunnelEndpoint.publicIP !== undefined);
  repeated(world, reached, outside, {
    at: ["spec", "tunnelEndpoint", "publicIP"],
    message: (place) => `${place} is another link's already`,
  });
  for (const name of new Set(wanLinks.map(({ spec }) => spec.site))) {
    const extra = wanLinks.filter(({ spec }) => spec.site === name)[MOST_LINKS];
    if (extra !== undefined)
      world.on(extra).contradiction(["spec", "site"], `site ${name} has more than ${MOST_LINKS} links`);
  }
}

function describeSite(name: string): string {
  return `write a NovaEdgeRemoteCluster with clusterName: ${name}`;
}

function policies(world: World): void {
  const { wanLinks, wanPolicies } = world.resources;
  const { sites } = world.layout;
  const names = wanLinks.map(({ metadata }) => metadata.name);
  repeated(world, wanPolicies, ({ metadata }) => metadata.name, {
    at: ["metadata", "name"],
    message: (name) => `two policies ${name} in different namespaces`,
  });
  for (const { policy, message, hint } of shieldClashes(wanPolicies)) {
    world.on(policy).contradiction(["spec", "pathSelection", "lossShield"], message, hint);
  }
  for (const { policy, field, message, hint } of requestClashes(world.settings, wanPolicies)) {
    world.on(policy).contradiction(["spec", "match", field], message, hint);
  }
  for (const policy of wanPolicies) {
    const { links: only, breakout } = policy.spec.pathSelection;
    const findings = world.on(policy);
    const at = ["spec", "pathSelection"];
    for (const [index, name] of only.entries()) findings.refers([...at, "links", index], "ProxyWANLink", name, names);
    if (breakout !== "local" && breakout !== "none") {
      findings.refers([...at, "breakout"], "site", breakout, world.siteNames, describeSite(breakout));
      const through = sites.remotes.find(({ name }) => name === breakout)?.via;
      if (through !== undefined) {
        const message = `${breakout} is reached through ${through}`;
        findings.contradiction([...at, "breakout"], message, `write breakout: ${through}`);
      }
    }
    if (allowedLinks(sites, policy).length === 0 && !world.unsure) {
      const message = sites.links.length === 0 ? "this site has no links" : "no link of this site may carry it";
      findings.warning([...at, only.length > 0 ? "links" : "strategy"], `${message}: it is not steered here`);
    }
  }
}

function sites(world: World): void {
  const { remoteClusters, wanLinks } = world.resources;
  const { sdwan } = world.settings;
  const { site, remotes } = world.layout.sites;
  repeated(world, remoteClusters, ({ spec }) => spec.clusterName, {
    at: ["spec", "clusterName"],
    message: (name) => `site ${name} is described twice`,
  });
  for (const cluster of remoteClusters) {
    const { clusterName, connection, overlayCIDR, paused } = cluster.spec;
    if (paused || clusterName === site) continue;
    const findings = world.on(cluster);
    const at = ["spec", "connection", "tunnel"];
    const { relay, via, relayEndpoint } = connection.tunnel;
    findings.refers([...at, "relay"], "site", relay, world.siteNames);
    findings.refers([...at, "via"], "site", via, world.siteNames);
    if (
      relayEndpoint !== undefined &&
      !world.unsure &&
      relayOf(relayEndpoint, wanLinks, remoteClusters) === undefined
    ) {
      const message = "relayEndpoint is the endpoint of no site that is known here";
      findings.contradiction([...at, "relayEndpoint"], message, "describe that site, or write relay: SITE");
    }
    const through = remotes.find(({ name }) => name === clusterName)?.via;
    if (through !== undefined && remotes.some(({ name, via }) => name === through && via !== undefined)) {
      findings.contradiction([...at, "via"], `${through} is itself reached through another site`);
    }
    if (site === undefined) {
      findings.missing(
        ["spec", "clusterName"],
        "this host has no site",
        "write sdwan.site in the settings of the node",
      );
    } else if (world.layout.sites.links.length === 0 && !world.unsure) {
      const message = `site ${site} has no links to reach it by`;
      findings.missing(["spec", "connection"], message, `write a ProxyWANLink of site ${site}`);
    }
    const own = sdwan.overlayCIDR;
    if (own === undefined) {
      const message = "this site has no part of the overlay";
      findings.missing(["spec", "overlayCIDR"], message, "write sdwan.overlayCIDR in the settings of the node");
    } else if (isIpv4(own.ip) !== isIpv4(overlayCIDR.ip)) {
      const message = `the overlay of this site, ${formatPrefix(own)}, is of the other family`;
      findings.contradiction(["spec", "overlayCIDR"], message);
    }
  }
  const anchor = remoteClusters[0] ?? wanLinks[0];
  for (const hub of sdwan.topology.hubs) {
    if (anchor === undefined || world.unsure || world.siteNames.includes(hub)) continue;
    world
      .on(anchor)
      .contradiction(["spec"], `sdwan.topology.hubs of the settings names ${hub}, which no resource describes`);
  }
}

interface Network {
  readonly prefix: Prefix;
  readonly owner: string;
  readonly told: ((message: string) => void) | undefined;
}

/** A packet goes to one site: which one must not depend on chance. */
function networks(world: World): void {
  const { site, remotes } = world.layout.sites;
  const { overlayCIDR, prefixes } = world.settings.sdwan;
  const owner = `site ${site ?? "of this host"}`;
  const own = [...(overlayCIDR === undefined ? [] : [overlayCIDR]), ...prefixes];
  const all: Network[] = own.map((prefix) => ({ prefix, owner, told: undefined }));
  for (const { cluster, name, networks: theirs } of remotes) {
    for (const [index, prefix] of theirs.entries()) {
      const at =
        index === 0 ? ["spec", "overlayCIDR"] : ["spec", "connection", "tunnel", "wireGuard", "allowedIPs", index - 1];
      const told = (message: string): void => world.on(cluster).overlap(at, message, hintFor(prefix, name));
      const other = all.find((each) => overlaps(each.prefix, prefix));
      if (other !== undefined && other.owner !== `site ${name}`) {
        told(`${formatPrefix(prefix)} overlaps ${formatPrefix(other.prefix)} of ${other.owner}`);
      } else if (prefix.length === 0) {
        told(`${formatPrefix(prefix)} is no network behind a site`);
      }
      all.push({ prefix, owner: `site ${name}`, told });
    }
  }
}
function hintFor({ length }: Prefix, site: string): string | undefined {
  return length === 0 ? `for the internet through ${site} write breakout: ${site} in a ProxyWANPolicy` : undefined;
}
function overlaps(a: Prefix, b: Prefix): boolean {
  return isIpv4(a.ip) === isIpv4(b.ip) && (a.length <= b.length ? contains(a, b.ip) : contains(b, a.ip));
}

/** Ports of tunnels, and values of the mark. */
function lanes(world: World): void {
  const { devices, lanes: all, sites, policies: classes } = world.layout;
  const { sdwan, l2 } = world.settings;
  const taken = new Map<number, string>([
    [sdwan.probe.port, "sdwan.probe.port"],
    [sdwan.rendezvousPort, "sdwan.rendezvousPort"],
    [l2.heartbeat.port, "l2.heartbeat.port"],
  ]);
  const told = new Set<WanLink>();
  const last = [...classes, ...sites.remotes.map(({ cluster }) => cluster)].at(-1);
  for (const { link, port, ifname } of devices) {
    const other = port > 65_535 ? "no port" : taken.get(port);
    taken.set(port, `tunnel ${ifname}`);
    if (other === undefined || told.has(link)) continue;
    told.add(link);
    const at = ["spec", "tunnelEndpoint", "port"];
    const hint = `a link needs ports from its first one on: one for each link of another site${sdwan.outerDSCP ? ", and as many 64 × dscpClass above" : ""}`;
    world
      .on(link)
      .overlap(at, `port ${port} of tunnel ${ifname} is ${other === "no port" ? other : `${other}'s already`}`, hint);
  }
  if (all.length <= MOST_LANES) return;
  const subject: WanPolicy | RemoteCluster | undefined = last;
  if (subject === undefined) return;
  const message = `links, policies and tunnels need ${all.length} values of the mark; there are ${MOST_LANES}`;
  world
    .on(subject)
    .contradiction(["spec"], message, "fewer policies, links, or dscpClass values (sdwan.outerDSCP: false)");
}
