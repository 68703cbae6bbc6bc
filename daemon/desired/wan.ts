/**
 * Links, policies and remote sites → what the wan process makes of them (UnderlayPlan) and what pulse measures and chooses
 * (SteerPlan).  Pure: equal inputs, equal outputs; what changes for one link, class or site touches no other.
 */
import { formatIp, formatPrefix, isIpv4 } from "../../base/address.ts";
import type { BfdSpec } from "../../netstack/bfd/plan.ts";
import type { ClassConfig } from "../../proxy/config.ts";
import type { ResourceSet, WanLink, WanPolicy } from "../../resources/kinds.ts";
import type { Settings } from "../../resources/settings.ts";
import { balancedLinks, breakoutOf, keyOf, type WanLayout, wanLayout } from "../../resources/wan-lanes.ts";
import { firstHost, tunnelPort } from "../../resources/wan-sites.ts";
import { formatHostPort } from "../../resources/wan-values.ts";
import type { SteerPlan } from "../../sdwan/steer-plan.ts";
import type {
  ClassSpec,
  LaneSpec,
  LinkSpec,
  RendezvousSpec,
  TunnelPeerSpec,
  TunnelSpec,
  UnderlayPlan,
} from "../../sdwan/underlay-plan.ts";
import type { DesiredCondition } from "./desired.ts";
import type { Facts } from "./facts.ts";
import { classSpecs, requestClasses, requestConditions, usersOf } from "./wan-classes.ts";
import { gatewayText, type Pair, pairsOf } from "./wan-pairs.ts";
import { bfdWishes } from "./wan-paths.ts";
import { steerPlan } from "./wan-steer.ts";
import { steered, tableOf, type WanWorld } from "./wan-world.ts";

export interface WanPlan {
  readonly layout: WanLayout;
  readonly underlay: UnderlayPlan;
  readonly steer: SteerPlan;
}
export interface WanWish {
  /** undefined: no links, so there is nothing to do. */
  readonly plan: WanPlan | undefined;
  /** Nothing can be planned, and what is there shall stay as it is. */
  readonly held: boolean;
  readonly bfd: readonly BfdSpec[];
  /** What the data plane tells requests of a traffic class by. */
  readonly classes: readonly ClassConfig[];
  readonly conditions: readonly DesiredCondition[];
}

const NOTHING: WanWish = { plan: undefined, held: false, bfd: [], classes: [], conditions: [] };

export function wanPlans(
  settings: Settings,
  resources: ResourceSet,
  { wan, secrets }: Pick<Facts, "wan" | "secrets">,
): WanWish {
  if (wan === undefined) return NOTHING;
  const layout = wanLayout(settings, resources);
  const { site, links } = layout.sites;
  if (site === undefined || links.length === 0) return NOTHING;
  // Without our own key no tunnel can be made; those that are there must not be taken for unwanted ones.
  if (wan.keys === undefined && layout.sites.remotes.length > 0) return { ...NOTHING, held: true };
  const world: WanWorld = {
    settings,
    layout,
    facts: wan,
    secrets,
    pairs: pairsOf(layout),
    carriesRequests: resources.gateways.length > 0,
    mark: (key) => {
      const value = wan.marks.get(key);
      if (value === undefined) throw new TypeError(`no mark for ${key}`);
      return value;
    },
  };
  const steer = steerPlan(world);
  return {
    plan: { layout, underlay: underlayPlan(world, site, steer), steer },
    held: false,
    bfd: bfdWishes(world),
    classes: requestClasses(world),
    conditions: [...conditionsOf(world), ...requestConditions(world)],
  };
}

function underlayPlan(world: WanWorld, site: string, { choices }: SteerPlan): UnderlayPlan {
  const { settings, layout, facts } = world;
  const { sdwan } = settings;
  return {
    site,
    links: layout.sites.links.map((link) => linkSpec(world, link)),
    tunnels: tunnels(world),
    lanes: layout.lanes.map(({ key, what }): LaneSpec => {
      const mark = world.mark(key);
      const table = tableOf(mark);
      const refuses = choices.flatMap((each) => (each.killSwitch && each.table === table ? each.destinations : []));
      return { mark, table, what, ...(refuses.length === 0 ? {} : { refuses }) };
    }),
    classes: classSpecs(world, (policy) => classSpec(world, policy)),
    overlay: overlayOf(settings),
    prefixes: sdwan.prefixes.map(formatPrefix),
    privateKey: facts.keys?.privateKey ?? "",
    wireguard: sdwan.wireguard,
    stun: { servers: sdwan.stun.servers.map(formatHostPort), interval: sdwan.stun.interval },
    rendezvous: rendezvous(world),
  };
}

/** Of this host, as it stands on every tunnel. */
function overlayOf({ sdwan }: Settings): readonly string[] {
  if (sdwan.overlayCIDR === undefined) return [];
  const ip = firstHost(sdwan.overlayCIDR);
  return [`${formatIp(ip)}/${isIpv4(ip) ? 32 : 128}`];
}

function linkSpec({ mark }: WanWorld, { metadata, spec }: WanLink): LinkSpec {
  const { name } = metadata;
  const own = mark(keyOf({ kind: "link", link: name }));
  const { gateway, gateway6, tunnelEndpoint, quota, bandwidthTest } = spec;
  return {
    name,
    ifname: spec.interface,
    mark: own,
    table: tableOf(own),
    gateway4: gatewayText(gateway),
    gateway6: gatewayText(gateway6),
    masquerade: spec.masquerade,
    ...(spec.routedPrefixes.length === 0 ? {} : { routedPrefixes: spec.routedPrefixes.map(formatPrefix) }),
    publicIp: tunnelEndpoint.publicIP === undefined ? undefined : formatIp(tunnelEndpoint.publicIP),
    mtu: spec.mtu,
    quota: quota === undefined ? undefined : { octets: quota.size, resetDay: quota.resetDay },
    bandwidthTest:
      bandwidthTest === undefined ? undefined : { schedule: bandwidthTest.schedule, window: bandwidthTest.window },
  };
}

function tunnels(world: WanWorld): readonly TunnelSpec[] {
  const { layout, pairs, mark } = world;
  return layout.devices.flatMap((device): readonly TunnelSpec[] => {
    const peers = pairs.filter((pair) => pair.device === device).map((pair) => peerSpec(world, pair));
    const { mtu } = device.link.spec;
    const link = device.link.metadata.name;
    if (peers.length === 0) return [];
    return [
      {
        ifname: device.ifname,
        link,
        listenPort: device.port,
        mark: mark(keyOf({ kind: "link", link })),
        dscp: device.dscp,
        // WireGuard over IPv6: 40 + 8 + 32 octets.
        mtu: mtu === undefined ? undefined : mtu - 80,
        peers,
      },
    ];
  });
}

function peerSpec(world: WanWorld, { device, remote, link }: Pair): TunnelPeerSpec {
  const { publicKey, nextPublicKey, presharedKeyFile, persistentKeepalive } =
    remote.cluster.spec.connection.tunnel.wireGuard;
  const port = tunnelPort(link.port, device.near, device.dscp);
  return {
    site: remote.name,
    link: link.name,
    publicKey,
    nextPublicKey,
    presharedKey: presharedKeyFile === undefined ? undefined : world.secrets.get(presharedKeyFile),
    endpoint: link.host === undefined ? undefined : formatHostPort({ host: link.host, port }),
    allowedIps: allowedIps(world, remote.name),
    keepalive: persistentKeepalive,
    relay: relayOn(world, device, remote.name, remote.relay),
  };
}

/** Its networks, those that are reached through it, and everything when a class breaks out there. */
function allowedIps({ layout }: WanWorld, site: string): readonly string[] {
  const { remotes } = layout.sites;
  const networks = remotes.filter(({ name, via }) => name === site || via === site).flatMap((each) => each.networks);
  const internet = layout.policies.some((policy) => breakoutOf(policy, layout.sites) === site);
  return [...networks.map(formatPrefix), ...(internet ? ["0.0.0.0/0", "::/0"] : [])];
}

/** Packets change the peer, not the device: a relay has to be on the same one. */
function relayOn(
  { pairs }: WanWorld,
  device: Pair["device"],
  site: string,
  relay: string | undefined,
): string | undefined {
  if (relay === undefined || relay === site) return undefined;
  return pairs.some((pair) => pair.device === device && pair.remote.name === relay) ? relay : undefined;
}

function classSpec({ layout, facts, mark }: WanWorld, policy: WanPolicy): ClassSpec {
  const { name } = policy.metadata;
  const { match, pathSelection } = policy.spec;
  const balanced = balancedLinks(policy, layout.sites);
  const users = usersOf(match.users, facts.users);
  return {
    name,
    mark: mark(keyOf({ kind: "class", name })),
    match: {
      sources: match.sources.map(formatPrefix),
      destinations: match.destinations.map(formatPrefix),
      protocols: match.protocols,
      ports: match.ports,
      dscp: match.dscp,
      interfaces: match.interfaces,
      // Nobody rather than everybody, when none of the names is known here.
      users: match.users.length > 0 && users.length === 0 ? [NOBODY] : users,
      hosts: match.hosts,
      proxied: [],
    },
    dscp: pathSelection.dscpClass,
    ...(pathSelection.lossShield === undefined ? {} : { shielded: true }),
    balance:
      balanced.length === 0
        ? undefined
        : Object.fromEntries(balanced.map((link) => [link.metadata.name, link.spec.weight])),
  };
}
/** (uid_t)-1 is no user's number; the greatest that one can have is one less. */
const NOBODY = 4_294_967_294;

function rendezvous({ settings, layout, facts }: WanWorld): RendezvousSpec | undefined {
  const { overlayCIDR, rendezvousPort } = settings.sdwan;
  const sites = layout.sites.remotes.flatMap(({ name, address, via }) => {
    const { rendezvous: key, nextRendezvous: nextKey } = facts.shared.get(name) ?? {};
    return key === undefined || via !== undefined
      ? []
      : [[name, { address: formatIp(address), key, nextKey }] as const];
  });
  if (overlayCIDR === undefined || sites.length === 0) return undefined;
  return { local: formatIp(firstHost(overlayCIDR)), port: rendezvousPort, sites: Object.fromEntries(sites) };
}

function conditionsOf({ layout, facts }: WanWorld): readonly DesiredCondition[] {
  const out: DesiredCondition[] = [];
  for (const { name, cluster } of layout.sites.remotes) {
    if (facts.keys === undefined) continue;
    const isOurs = cluster.spec.connection.tunnel.wireGuard.publicKey === facts.keys.publicKey;
    if (!isOurs && facts.shared.has(name)) continue;
    const message = isOurs
      ? `its publicKey is this site's own: write what novactl wan keys shows in ${name}`
      : "its public key is none that a secret can be shared with";
    out.push({ code: "WAN_KEY", severity: "error", subject: `site/${name}`, message });
  }
  for (const policy of steered(layout)) {
    const unknown = policy.spec.match.users.filter((each) => typeof each === "string" && !facts.users.has(each));
    if (unknown.length === 0) continue;
    const subject = `ProxyWANPolicy/${policy.metadata.namespace}/${policy.metadata.name}`;
    const message = `no such user on this host: ${unknown.join(", ")}`;
    out.push({ code: "WAN_INCOMPLETE", severity: "warning", subject, message });
  }
  return out;
}
