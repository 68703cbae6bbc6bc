/**
 * The choices: for each class and each place it goes to, the paths among which pulse chooses, in tiers.  Beside classes:
 * the links of spread or pinned flows, the way back of answers, and "default" for what no policy matches.
 */
import { formatPrefix } from "../../base/address.ts";
import type { WanLink, WanPolicy } from "../../resources/kinds.ts";
import { DEFAULT_CLASS } from "../../resources/wan-consistency.ts";
import {
  allowedLinks,
  balancedLinks,
  breakoutOf,
  keyOf,
  type LaneWhat,
  pinnedLinks,
} from "../../resources/wan-lanes.ts";
import type { RemoteSite } from "../../resources/wan-sites.ts";
import type { CandidateSpec, ChoiceSpec, Hold, Sla, SteerPlan, Strategy } from "../../sdwan/steer-plan.ts";
import { tunnelKey } from "./facts.ts";
import {
  gatewayText,
  internetPath,
  internetTier,
  NO_SLA,
  type Pair,
  pairTier,
  policySla,
  tightened,
} from "./wan-pairs.ts";
import { paths, reflectors } from "./wan-paths.ts";
import { steered, tableOf, type WanWorld } from "./wan-world.ts";

export function steerPlan(world: WanWorld): SteerPlan {
  return { paths: paths(world), choices: choices(world), reflectors: reflectors(world) };
}

/** "voice→berlin", "voice@isp1→internet" */
export function choiceId(lane: string, place: string): string {
  return `${lane}→${place}`;
}
export const INTERNET = "internet";
const EVERYWHERE = ["0.0.0.0/0", "::/0"];
/** Answers keep to their tunnel unless it loses as much. */
const BACK_SLA: Sla = { ...NO_SLA, maxPacketLoss: 2 };
/** Above any tier of a pair: other links than the one that a flow is bound to. */
const ELSEWHERE = 20;

function choices(world: WanWorld): readonly ChoiceSpec[] {
  const { layout } = world;
  const { remotes } = layout.sites;
  const unmatched = remotes.map((remote) => {
    const candidates = siteCandidates(world, remote, undefined, NO_SLA);
    return choice(world, { lane: DEFAULT_CLASS, what: { kind: "class", name: DEFAULT_CLASS } }, remote, candidates, {
      ...PLAIN,
      killSwitch: isSpent(world, undefined),
    });
  });
  const backs = world.layout.devices.flatMap(({ ifname }) => remotes.flatMap((remote) => back(world, ifname, remote)));
  return [...unmatched, ...steered(layout).flatMap((policy) => ofClass(world, policy)), ...backs];
}

function ofClass(world: WanWorld, policy: WanPolicy): readonly ChoiceSpec[] {
  const { sites } = world.layout;
  const { name } = policy.metadata;
  const sla = policySla(policy);
  const { strategy, failover, killSwitch } = policy.spec.pathSelection;
  const how: How = { policy: name, strategy, sla, failover, killSwitch: killSwitch || isSpent(world, policy) };
  const lane: LaneOf = { lane: name, what: { kind: "class", name } };
  const own = sites.remotes.map((remote) => ({
    ...choice(world, lane, remote, siteCandidates(world, remote, policy, sla), how),
    ...shieldOf(policy),
  }));
  return [...own, ...internet(world, policy, lane, how), ...pinned(world, policy, how)];
}

/** By paths of the class itself: flows that are bound to a link take the same ones. */
function shieldOf({ spec: { pathSelection } }: WanPolicy): Pick<ChoiceSpec, "shield"> {
  const { lossShield } = pathSelection;
  return lossShield === undefined ? {} : { shield: { loss: lossShield.aboveLoss, metered: lossShield.metered } };
}

function internet(world: WanWorld, policy: WanPolicy, lane: LaneOf, how: How): readonly ChoiceSpec[] {
  const { sites } = world.layout;
  const breakout = breakoutOf(policy, sites);
  if (breakout === "none") return [choice(world, lane, undefined, [], { ...how, killSwitch: true })];
  if (breakout === "local") {
    const links = usableLinks(world, policy);
    const candidates = links.map((link) => linkCandidate(world, link, policy, how.sla));
    return [choice(world, lane, undefined, candidates, how)];
  }
  const remote = sites.remotes.find(({ name }) => name === breakout);
  // The site is paused: nothing says that its internet may be had elsewhere.
  const candidates = remote === undefined ? [] : siteCandidates(world, remote, policy, how.sla);
  return [choice(world, lane, undefined, candidates, { ...how, killSwitch: how.killSwitch || remote === undefined })];
}

/** A flow that is spread, or that a NAT ties to its link, has a table for that link. */
function pinned(world: WanWorld, policy: WanPolicy, how: How): readonly ChoiceSpec[] {
  const { sites } = world.layout;
  const { name } = policy.metadata;
  const balanced = new Set(balancedLinks(policy, sites));
  const local = breakoutOf(policy, sites) === "local";
  return pinnedLinks(policy, sites).flatMap((link): readonly ChoiceSpec[] => {
    const lane = `${name}@${link.metadata.name}`;
    const of: LaneOf = { lane, what: { kind: "pinned", name, link: link.metadata.name } };
    const spread = balanced.has(link)
      ? sites.remotes.map((remote) => {
          const all = siteCandidates(world, remote, policy, how.sla, link);
          return choice(world, of, remote, all, how);
        })
      : [];
    if (!local) {
      return balanced.has(link) ? [...spread, ...internet(world, policy, of, how)] : spread;
    }
    const only = usableLinks(world, policy).includes(link) ? [linkCandidate(world, link, policy, how.sla)] : [];
    // Its address is the link's: elsewhere the flow is worth nothing.
    const tied: How = { ...how, failover: false, killSwitch: true };
    return [...spread, choice(world, of, undefined, only, tied)];
  });
}

/** Answers leave by the tunnel that the flow came in by, while that one lives. */
function back(world: WanWorld, ifname: string, remote: RemoteSite): readonly ChoiceSpec[] {
  const target = remote.via ?? remote.name;
  const device = world.layout.devices.find((each) => each.ifname === ifname);
  const own = world.pairs.find((pair) => pair.device === device && pair.remote.name === target);
  if (device === undefined || own === undefined) return [];
  const others = basePairs(world, target).filter(
    (pair) => pair.device.near !== device.near || pair.device.far !== device.far,
  );
  const candidate = (pair: Pair, tier: number, name: string): CandidateSpec => ({
    path: pair.id,
    tier,
    weight: pair.device.link.spec.weight,
    sla: tightened(BACK_SLA, pair.device.link.spec.sla, pair.link.sla),
    ifname: name,
    ...ON_DEVICE,
  });
  const candidates = [
    candidate(own, 0, ifname),
    ...others.map((pair) => candidate(pair, ELSEWHERE + pairTier(pair, undefined), twin(world, pair, device.dscp))),
  ];
  const how: How = { ...PLAIN, sla: BACK_SLA };
  return [choice(world, { lane: ifname, what: { kind: "back", ifname } }, remote, candidates, how)];
}

interface LaneOf {
  readonly lane: string;
  readonly what: LaneWhat;
}
interface How {
  readonly policy: string;
  readonly strategy: Strategy;
  readonly sla: Sla;
  readonly failover: boolean;
  readonly killSwitch: boolean;
}
const PLAIN: How = {
  policy: DEFAULT_CLASS,
  strategy: "lowest-latency",
  sla: NO_SLA,
  failover: true,
  killSwitch: false,
};

function choice(
  world: WanWorld,
  { lane, what }: LaneOf,
  remote: RemoteSite | undefined,
  candidates: readonly CandidateSpec[],
  how: How,
): ChoiceSpec {
  return {
    id: choiceId(lane, remote?.name ?? INTERNET),
    policy: how.policy,
    site: remote?.name,
    table: tableOf(world.mark(keyOf(what))),
    destinations: remote === undefined ? EVERYWHERE : remote.networks.map(formatPrefix),
    strategy: how.strategy,
    sla: how.sla,
    candidates,
    hold: holdOf(world),
    failover: how.failover,
    killSwitch: how.killSwitch,
  };
}

function holdOf({ settings }: WanWorld): Hold {
  const { marginLatency, ...rest } = settings.sdwan.hold;
  return { ...rest, marginMs: marginLatency };
}

/** `bound`: the link whose tunnels come first, whatever the others' tiers. */
function siteCandidates(
  world: WanWorld,
  remote: RemoteSite,
  policy: WanPolicy | undefined,
  sla: Sla,
  bound?: WanLink,
): readonly CandidateSpec[] {
  const links = usableLinks(world, policy);
  const dscp = policy?.spec.pathSelection.dscpClass ?? 0;
  return basePairs(world, remote.via ?? remote.name)
    .filter(({ device }) => links.includes(device.link))
    .map((pair) => {
      const away = bound === undefined || pair.device.link === bound ? 0 : ELSEWHERE;
      return {
        path: pair.id,
        tier: away + pairTier(pair, policy),
        weight: pair.device.link.spec.weight,
        sla: tightened(sla, pair.device.link.spec.sla, pair.link.sla),
        ifname: twin(world, pair, dscp),
        ...ON_DEVICE,
      };
    });
}

function linkCandidate(world: WanWorld, link: WanLink, policy: WanPolicy, sla: Sla): CandidateSpec {
  const { spec, metadata } = link;
  const report = world.facts.links.get(metadata.name);
  const family = (written: string, found: string | undefined): CandidateSpec["v4"] => {
    const next = written === "auto" ? found : written;
    if (next === undefined || next === "none") return { usable: false, gateway: undefined };
    return { usable: true, gateway: next === "0.0.0.0" || next === "::" ? undefined : next };
  };
  return {
    path: internetPath(link),
    tier: internetTier(link, policy),
    weight: spec.weight,
    sla: tightened(sla, spec.sla),
    ifname: spec.interface,
    v4: family(gatewayText(spec.gateway), report?.gateway4),
    v6: family(gatewayText(spec.gateway6), report?.gateway6),
  };
}

const ON_DEVICE = {
  v4: { usable: true, gateway: undefined },
  v6: { usable: true, gateway: undefined },
} as const;

function basePairs({ pairs }: WanWorld, site: string): readonly Pair[] {
  return pairs.filter(({ device, remote }) => device.dscp === 0 && remote.name === site);
}

/** Device of the same pair whose outer packets carry the code point; its own until that one is up. */
function twin({ layout, facts }: WanWorld, { device, remote }: Pair, dscp: number): string {
  if (dscp === 0) return device.ifname;
  const other = layout.devices.find(
    ({ near, far, dscp: own }) => near === device.near && far === device.far && own === dscp,
  );
  const up = other !== undefined && facts.tunnels.get(tunnelKey(other.ifname, remote.name))?.state === "up";
  return up ? other.ifname : device.ifname;
}

/** All links that could carry it have spent their quotas: refused, or its last routes would go on spending. */
function isSpent(world: WanWorld, policy: WanPolicy | undefined): boolean {
  return usableLinks(world, policy).length === 0 && allowedLinks(world.layout.sites, policy).length > 0;
}

/** A link whose quota is spent is left to those that it is reserved for. */
function usableLinks({ layout, facts }: WanWorld, policy: WanPolicy | undefined): readonly WanLink[] {
  const name = policy?.metadata.name ?? "";
  return allowedLinks(layout.sites, policy).filter(
    ({ metadata, spec }) => facts.links.get(metadata.name)?.quotaSpent !== true || spec.reservedFor.includes(name),
  );
}
