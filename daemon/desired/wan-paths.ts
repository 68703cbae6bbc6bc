/** What pulse measures: a path for each pair of links and for each link towards the internet; reflectors; BFD on tunnels. */
import { formatIp, isLinkLocal, parseIp } from "../../base/address.ts";
import type { BfdSpec } from "../../netstack/bfd/plan.ts";
import { packetMark } from "../../netstack/kernel/marks.ts";
import type { WanLink } from "../../resources/kinds.ts";
import { keyOf } from "../../resources/wan-lanes.ts";
import { firstHost, isMetered } from "../../resources/wan-sites.ts";
import type { Pace, PathSpec, ProbeSpec, ReflectorSpec } from "../../sdwan/steer-plan.ts";
import type { TunnelReport } from "../../sdwan/underlay-plan.ts";
import { tunnelKey } from "./facts.ts";
import { internetPath, type Pair } from "./wan-pairs.ts";
import type { WanWorld } from "./wan-world.ts";

export function paths(world: WanWorld): readonly PathSpec[] {
  // Twins for other code points lead the same way: what is measured is the tunnel that everything may use.
  const tunnels = world.pairs.filter(({ device }) => device.dscp === 0).map((pair) => tunnelPath(world, pair));
  return [...tunnels, ...world.layout.sites.links.map((link) => linkPath(world, link))];
}

/** Id of the BFD session that guards the path, as the one who asks for it; undefined: none does. */
export function bfdOf(world: WanWorld, pair: Pair): string | undefined {
  const { bfd, overlayCIDR } = world.settings.sdwan;
  const report = reportOf(world, pair);
  if (!bfd.enabled || overlayCIDR === undefined) return undefined;
  // There is no device yet; and a relay forwards, and so lowers the TTL: that is no single-hop BFD (RFC 5881 §5).
  if (report === undefined || report.state === "down" || via(report) !== "direct") return undefined;
  return `${BFD_CLIENT}${pair.id}`;
}
export const BFD_CLIENT = "wan/";

export function bfdWishes(world: WanWorld): readonly BfdSpec[] {
  const { bfd, overlayCIDR } = world.settings.sdwan;
  return world.pairs.flatMap((pair): readonly BfdSpec[] => {
    const id = pair.device.dscp === 0 ? bfdOf(world, pair) : undefined;
    if (id === undefined || overlayCIDR === undefined) return [];
    const interval = metered(pair) ? Math.max(bfd.interval, METERED_BFD) : bfd.interval;
    return [
      {
        id,
        peer: formatIp(pair.remote.address),
        local: formatIp(firstHost(overlayCIDR)),
        ifname: pair.device.ifname,
        hops: "single",
        minTtl: 255,
        role: "active",
        timing: {
          desiredMinTx: interval,
          requiredMinRx: interval,
          multiplier: bfd.multiplier,
          echoTx: undefined,
          requiredMinEchoRx: 0,
          demand: false,
        },
        // Whoever speaks inside the tunnel has the site's key.
        auth: undefined,
        adminDown: false,
      },
    ];
  });
}
const METERED_BFD = 1000;

export function reflectors({ settings, layout, pairs, facts }: WanWorld): readonly ReflectorSpec[] {
  const { overlayCIDR, probe } = settings.sdwan;
  if (overlayCIDR === undefined) return [];
  const local = formatIp(firstHost(overlayCIDR));
  return layout.devices.flatMap((device): readonly ReflectorSpec[] => {
    const peers = pairs.flatMap((pair) => {
      const key = facts.shared.get(pair.remote.name)?.probe;
      return pair.device !== device || key === undefined ? [] : [[formatIp(pair.remote.address), key] as const];
    });
    if (device.dscp !== 0 || peers.length === 0) return [];
    const next = pairs.flatMap((pair) => {
      const key = facts.shared.get(pair.remote.name)?.nextProbe;
      return pair.device !== device || key === undefined ? [] : [[formatIp(pair.remote.address), key] as const];
    });
    const keys = { peers: Object.fromEntries(peers), nextKeys: Object.fromEntries(next) };
    return [{ ifname: device.ifname, local, port: probe.port, ...keys }];
  });
}

export function metered({ device, link }: Pair): boolean {
  return isMetered(device.link) || link.metered;
}

function reportOf({ facts }: WanWorld, { device, remote }: Pair): TunnelReport | undefined {
  return facts.tunnels.get(tunnelKey(device.ifname, remote.name));
}
function via(report: TunnelReport | undefined): string {
  return report?.via ?? "direct";
}

function tunnelPath(world: WanWorld, pair: Pair): PathSpec {
  const { device, remote, link } = pair;
  const report = reportOf(world, pair);
  const down = report?.state === "down" ? `tunnel: ${report.why}` : linkDown(world, device.link);
  const own = device.link.spec;
  return {
    id: pair.id,
    link: device.link.metadata.name,
    site: remote.name,
    ifname: device.ifname,
    underlay: own.interface,
    usable: down === undefined,
    why: down ?? "",
    via: via(report),
    probe: stamp(world, pair),
    bfd: bfdOf(world, pair),
    cost: own.cost + own.tariff + link.cost,
    bandwidth: Math.min(uplink(world, device.link), link.bandwidth?.down ?? Number.MAX_SAFE_INTEGER),
    metered: metered(pair),
  };
}

function stamp(world: WanWorld, pair: Pair): ProbeSpec {
  const { settings, facts, pairs } = world;
  const { probe, overlayCIDR } = settings.sdwan;
  const key = facts.shared.get(pair.remote.name)?.probe;
  if (key === undefined || overlayCIDR === undefined) return { kind: "none" };
  const spared = metered(pair);
  const interval = spared ? probe.metered : probe.interval;
  return {
    kind: "stamp",
    local: formatIp(firstHost(overlayCIDR)),
    peer: formatIp(pair.remote.address),
    port: probe.port,
    key,
    nextKey: facts.shared.get(pair.remote.name)?.nextProbe,
    pace: {
      interval,
      inDoubt: Math.min(interval, probe.inDoubt),
      deadAfter: probe.deadAfter,
      alpha: probe.alpha,
      octetsPerHour: spared ? probe.meteredBytesPerHour : probe.bytesPerHour,
    },
    // What the relay carries for others, and what other sites' peers carry, is on the same counters.
    counters:
      via(reportOf(world, pair)) === "direct" && pairs.filter(({ device }) => device === pair.device).length === 1,
  };
}

function linkPath(world: WanWorld, link: WanLink): PathSpec {
  const { interface: ifname, cost, tariff } = link.spec;
  const down = linkDown(world, link);
  return {
    id: internetPath(link),
    link: link.metadata.name,
    site: undefined,
    ifname,
    underlay: ifname,
    usable: down === undefined,
    why: down ?? "",
    via: "direct",
    probe: internetProbe(world, link),
    bfd: undefined,
    cost: cost + tariff,
    bandwidth: uplink(world, link),
    metered: isMetered(link),
  };
}

function internetProbe(world: WanWorld, link: WanLink): ProbeSpec {
  const { probe } = link.spec;
  if (probe.kind === "none") return { kind: "none" };
  const mark = packetMark(world.mark(keyOf({ kind: "link", link: link.metadata.name })));
  const pace = internetPace(world, link, probe);
  switch (probe.kind) {
    case "icmp": {
      const targets = probe.targets.length > 0 ? probe.targets.map(formatIp) : gatewaysOf(world, link);
      return targets.length === 0 ? { kind: "none" } : { kind: "icmp", targets, mark, pace };
    }
    case "tcp":
      return { kind: "tcp", targets: probe.targets, mark, pace };
    case "http":
      return { kind: "http", targets: probe.targets, mark, pace };
  }
}

/** To servers of others: seldom enough to be no nuisance. */
function internetPace(
  { settings }: WanWorld,
  link: WanLink,
  { interval, deadAfter }: { readonly interval?: number | undefined; readonly deadAfter: number },
): Pace {
  const { probe } = settings.sdwan;
  const spared = isMetered(link);
  const usual = interval ?? (spared ? Math.max(METERED_INTERNET, probe.metered) : INTERNET);
  return {
    interval: usual,
    inDoubt: Math.min(usual, IN_DOUBT),
    deadAfter,
    alpha: probe.alpha,
    octetsPerHour: spared ? probe.meteredBytesPerHour : probe.bytesPerHour,
  };
}
const INTERNET = 500;
const METERED_INTERNET = 5000;
const IN_DOUBT = 200;

/** Next hops that can be asked; a link-local one would need its zone. */
function gatewaysOf({ facts }: WanWorld, { metadata, spec }: WanLink): readonly string[] {
  const report = facts.links.get(metadata.name);
  const written = [spec.gateway, spec.gateway6].flatMap((each) => (each === "auto" || each === "none" ? [] : [each]));
  const found = [report?.gateway4, report?.gateway6].flatMap((each) => {
    const parsed = each === undefined ? undefined : parseIp(each);
    return parsed?.ok === true ? [parsed.value] : [];
  });
  const all = (written.length > 0 ? written : found).filter((ip) => !isLinkLocal(ip)).map(formatIp);
  return all.filter((each) => each !== "0.0.0.0" && each !== "::");
}

function linkDown({ facts }: WanWorld, { metadata }: WanLink): string | undefined {
  const report = facts.links.get(metadata.name);
  return report?.state === "down" ? `link ${metadata.name}: ${report.why}` : undefined;
}

/** What was measured replaces what is said, where measuring is asked for. */
function uplink({ facts }: WanWorld, { metadata, spec }: WanLink): number {
  const measured = facts.links.get(metadata.name)?.bandwidth?.up;
  return spec.bandwidthTest === undefined || measured === undefined ? spec.bandwidth.up : measured;
}
