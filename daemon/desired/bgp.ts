/** The BGP router of this node: its settings, and what virtual IPs of mode BGP add to them. */
import { bitsOf, formatIp, formatPrefix, isIpv4, type Prefix, parseIp } from "../../base/address.ts";
import type { BfdTiming } from "../../netstack/bfd/plan.ts";
import type {
  BgpAuth,
  BgpDynamicSpec,
  BgpNetwork,
  BgpPeerSpec,
  BgpPlan,
  BgpPolicy,
  BgpRule,
  BgpSession,
} from "../../netstack/bgp/plan.ts";
import {
  type BgpPeerSettings,
  type BgpRuleSettings,
  type BgpSessionSettings,
  type BgpSettings,
  bgpSettings,
  type GracefulRestartSpec,
} from "../../resources/bgp.ts";
import type { Settings } from "../../resources/settings.ts";
import { secretOf } from "../secret.ts";
import { profileTiming, vipTiming } from "./bfd.ts";
import type { DesiredCondition } from "./desired.ts";
import type { Facts } from "./facts.ts";
import { hostPrefix, type Routed } from "./routed.ts";
import { derivedRouterId } from "./router-id.ts";

export interface BgpWish {
  readonly plan: BgpPlan | undefined;
  readonly conditions: readonly DesiredCondition[];
}

export function bgpPlan(settings: Settings, vips: readonly Routed[], facts: Facts): BgpWish {
  const written = settings.bgp ?? DEFAULTS;
  const wanted = vips.length > 0 || written.peers.length + written.dynamic.length > 0;
  if (!wanted) return { plan: undefined, conditions: [] };
  const routerId = written.routerId ?? first(vips, "routerID") ?? derivedRouterId(facts);
  if (routerId === undefined) {
    return incomplete("no router id: no interface has an IPv4 address; write bgp.routerId in the settings");
  }
  const base = first(vips, "localASBase");
  const asn = written.asn ?? first(vips, "localAS") ?? (base === undefined ? undefined : base + lastOctet(routerId));
  if (asn === undefined) return incomplete("no AS: write bgp.asn in the settings");
  const making: Making = { settings, written, asn, secrets: facts.secrets };
  const plan: BgpPlan = {
    asn,
    routerId,
    listen: { port: written.listen.port, addresses: written.listen.addresses.map(formatIp) },
    peers: [...written.peers.map((each) => peerSpec(each, making)), ...vipPeers(vips, making)],
    dynamic: written.dynamic.map(
      (each): BgpDynamicSpec => ({
        name: each.name,
        prefix: formatPrefix(each.prefix),
        most: each.most,
        ...session(each, each.extendedNextHop ?? false, making),
      }),
    ),
    networks: [
      ...written.networks.map(({ prefix, localPreference, peers, ...rest }): BgpNetwork => {
        return { prefix: formatPrefix(prefix), localPref: localPreference, ...announced(rest), peers };
      }),
      ...vips.flatMap((each) => vipNetworks(each, written)),
    ],
    install: written.install,
    gracefulShutdown: written.gracefulShutdown,
    restarting: false,
  };
  return { plan, conditions: [] };
}

const DEFAULTS: BgpSettings = bgpSettings.parse({});
/** Of a peer that only a virtual IP names. */
const USUAL_PEER = bgpSettings.parse({ peers: [{ name: "usual", address: "192.0.2.1", asn: 1 }] }).peers[0];

interface Making {
  readonly settings: Settings;
  readonly written: BgpSettings;
  readonly asn: number;
  readonly secrets: ReadonlyMap<string, string>;
}

function incomplete(message: string): BgpWish {
  const condition = { code: "ROUTING_INCOMPLETE", severity: "error", subject: "bgp", message } as const;
  return { plan: undefined, conditions: [condition] };
}

/** All that say it say the same. */
function first<Field extends "routerID" | "localAS" | "localASBase">(
  vips: readonly Routed[],
  field: Field,
): Routed["vip"]["spec"]["bgpConfig"][Field] | undefined {
  return vips.map(({ vip }) => vip.spec.bgpConfig[field]).find((each) => each !== undefined);
}
function lastOctet(routerId: string): number {
  const ip = parseIp(routerId);
  return ip.ok && isIpv4(ip.value) ? ip.value & 255 : 0;
}

function peerSpec(peer: BgpPeerSettings, making: Making): BgpPeerSpec {
  const { name, address, port, mode, enabled } = peer;
  const unnumbered = address === undefined;
  return {
    name,
    address: address === undefined ? undefined : formatIp(address),
    ifname: peer.interface,
    port,
    mode,
    adminDown: !enabled,
    ...session(peer, peer.extendedNextHop ?? (unnumbered && peer.families.includes("ipv4")), making),
  };
}

/** Peers of virtual IPs that the settings do not describe, each once. */
function vipPeers(vips: readonly Routed[], making: Making): readonly BgpPeerSpec[] {
  if (USUAL_PEER === undefined) throw new TypeError("the usual peer has no defaults");
  const known = new Set(making.written.peers.map(({ address }) => (address === undefined ? "" : formatIp(address))));
  const out: BgpPeerSpec[] = [];
  for (const { vip } of vips) {
    for (const { address, as, port } of vip.spec.bgpConfig.peers) {
      const name = formatIp(address);
      if (known.has(name)) continue;
      known.add(name);
      const spec = peerSpec({ ...USUAL_PEER, name, address, asn: as, port }, making);
      out.push({ ...spec, bfd: vipTiming(vip.spec.bfd) });
    }
  }
  return out;
}

function vipNetworks({ vip, addresses }: Routed, { peers }: BgpSettings): readonly BgpNetwork[] {
  const { bgpConfig } = vip.spec;
  const heard = bgpConfig.peers.map(({ address }) => {
    const text = formatIp(address);
    return peers.find((each) => each.address !== undefined && formatIp(each.address) === text)?.name ?? text;
  });
  return addresses.map((ip) => ({
    prefix: hostPrefix(ip),
    localPref: bgpConfig.localPreference,
    ...announced(bgpConfig),
    peers: heard.length > 0 ? heard : undefined,
  }));
}

type Announced = Pick<BgpNetwork, "med" | "prepend" | "communities" | "extendedCommunities" | "largeCommunities">;
function announced(spec: Omit<BgpSettings["networks"][number], "prefix" | "peers">): Announced {
  const { med, prepend, communities, extendedCommunities, largeCommunities } = spec;
  return { med, prepend, communities, extendedCommunities, largeCommunities };
}

function session(each: BgpSessionSettings, extendedNextHop: boolean, making: Making): BgpSession {
  const { written } = making;
  return {
    asn: each.asn,
    localAsn: each.localAsn,
    source: each.source === undefined ? undefined : formatIp(each.source),
    holdTime: each.holdTime,
    keepalive: each.keepalive ?? each.holdTime / 3,
    connectRetry: each.connectRetry,
    auth: auth(each, making.secrets),
    ttlSecurity: each.ttlSecurity,
    multihop: each.multihop,
    families: [...new Set(each.families)].map((family) => ({
      family,
      addPathReceive: each.addPathReceive.includes(family),
      maxPrefixes: limitOf(each.maxPrefixes[family]),
    })),
    extendedNextHop,
    gracefulRestart: restart(each.gracefulRestart ?? written.gracefulRestart, making.settings),
    import: policy(each.import, written, making.asn),
    export: policy(each.export, written, each.localAsn ?? making.asn),
    bfd: guard(each, making.settings),
    ...(each.bfd?.multihop === undefined ? {} : { bfdHops: each.bfd.multihop ? "multi" : "single" }),
  };
}

function limitOf(spec: BgpSessionSettings["maxPrefixes"]["ipv4"]): BgpSession["families"][number]["maxPrefixes"] {
  if (spec === undefined) return undefined;
  const { limit, warnAt, restartAfter } = spec;
  return { limit, warnAt, restartAfter };
}

function guard({ bfd }: BgpSessionSettings, settings: Settings): BfdTiming | undefined {
  return bfd === undefined ? undefined : profileTiming(bfd.profile, settings.bfd.profiles);
}

function auth(each: BgpSessionSettings, secrets: ReadonlyMap<string, string>): BgpAuth | undefined {
  const { password, passwordFile, ao } = each;
  if (ao !== undefined) {
    const { keyId, algorithm, key, keyFile } = ao;
    return { kind: "ao", keyId, algorithm, key: secretOf(key, keyFile, secrets) };
  }
  if (password === undefined && passwordFile === undefined) return undefined;
  return { kind: "md5", password: secretOf(password, passwordFile, secrets) };
}

function restart(spec: GracefulRestartSpec, { routing }: Settings): BgpSession["gracefulRestart"] {
  const { enabled = routing.onStop === "keep", restartTime, stalePathTime, longLived, notification } = spec;
  return { restartTime, stalePathTime, longLived, notification, helperOnly: !enabled };
}

function policy(name: string, { policies, prefixLists }: BgpSettings, asn: number): BgpPolicy {
  switch (name) {
    case "all":
      return { rules: [], otherwise: "accept" };
    case "none":
      return { rules: [], otherwise: "reject" };
    case "own":
      return own(asn);
    default: {
      const found = policies.find((each) => each.name === name);
      if (found === undefined) throw new TypeError(`no policy ${name}`);
      return { rules: found.rules.map((each) => rule(each, prefixLists)), otherwise: found.otherwise };
    }
  }
}
/** What begins here has passed through nobody: its AS path is empty, or prepended with ourselves. */
function own(asn: number): BgpPolicy {
  const match = { asPath: `^(?:${asn}(?: ${asn})*)?$` };
  return { rules: [{ name: "own", match, action: "accept", set: {} }], otherwise: "reject" };
}

function rule({ name, match, action, set }: BgpRuleSettings, lists: BgpSettings["prefixLists"]): BgpRule {
  const listed = match.prefixLists?.flatMap((each) => lists.find((list) => list.name === each)?.prefixes ?? []);
  const prefixes = listed === undefined ? match.prefixes : [...listed, ...(match.prefixes ?? [])];
  const { communities, largeCommunities, asPath, nextHops } = match;
  const { localPreference, med, prepend, addCommunities, removeCommunities, nextHop } = set;
  return {
    name,
    match: {
      ...(prefixes === undefined ? {} : { prefixes: prefixes.map(range) }),
      ...(communities === undefined ? {} : { communities }),
      ...(largeCommunities === undefined ? {} : { largeCommunities }),
      ...(asPath === undefined ? {} : { asPath }),
      ...(nextHops === undefined ? {} : { nextHops: nextHops.map(formatIp) }),
    },
    action,
    set: {
      ...(localPreference === undefined ? {} : { localPref: localPreference }),
      ...(med === undefined ? {} : { med }),
      ...(prepend === undefined ? {} : { prepend }),
      ...(addCommunities === undefined ? {} : { addCommunities }),
      ...(removeCommunities === undefined ? {} : { removeCommunities }),
      ...(nextHop === undefined ? {} : { nextHop: nextHop === "self" ? nextHop : formatIp(nextHop) }),
    },
  };
}

/** `ge` alone reaches to the end, `le` alone begins at the prefix, neither is the prefix itself. */
function range(each: { readonly prefix: Prefix; readonly ge?: number | undefined; readonly le?: number | undefined }): {
  readonly prefix: string;
  readonly ge?: number;
  readonly le?: number;
} {
  const { prefix, ge, le } = each;
  if (ge === undefined && le === undefined) return { prefix: formatPrefix(prefix) };
  return {
    prefix: formatPrefix(prefix),
    ge: ge ?? prefix.length,
    le: le ?? bitsOf(prefix.ip),
  };
}
