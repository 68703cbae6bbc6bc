/** What becomes of a packet, and why: the classes as classify.ts evaluates them, the way as the kernel's tables have it. */
import { type Ip, isIpv4, parseIp } from "../../../base/address.ts";
import type { RouteSocket } from "../../../netstack/kernel/netlink/route-socket.ts";
import { classify, leftAlone, type Question, type Way } from "../classify.ts";
import { lanesOf, overlayPeers, remoteNetworks } from "../lanes.ts";
import { protocolNumbers } from "../match.ts";
import type { SteeringPlan } from "../part.ts";
import { isWithin } from "../spans.ts";

export interface PacketAsked {
  readonly source: string;
  readonly destination: string;
  readonly protocol: string | undefined;
  readonly port: number | undefined;
  readonly dscp: number | undefined;
  readonly ifname: string | undefined;
  readonly user?: number | undefined;
}

export interface Explained {
  readonly class: string | undefined;
  /** Value of the mark; 0 = none. */
  readonly mark: number;
  readonly why: string;
}

export function explain(
  plan: SteeringPlan,
  route: RouteSocket,
  asked: PacketAsked,
  hostOf: (ip: Ip, hosts: readonly string[]) => string | undefined,
): Explained {
  const question = questionOf(asked);
  const nothing = (why: string): Explained => ({ class: undefined, mark: 0, why });
  if (question === undefined) return nothing("source and destination have to be addresses of one family");
  const lanes = lanesOf(plan);
  const back = asked.ifname === undefined ? undefined : lanes.back.get(asked.ifname);
  const entered = plan.links.find(({ ifname }) => ifname === asked.ifname);
  const alone = leftAlone(question, wayOf(plan, route, question));
  if (entered !== undefined) {
    const mark = lanes.link.get(entered.name) ?? 0;
    return { class: undefined, mark, why: `it comes in by link ${entered.name}: its answers leave by that link` };
  }
  if (alone !== undefined && back === undefined) return nothing(alone);
  const { class: spec, why } = classify(plan.classes, question, hostOf);
  if (back !== undefined) {
    const onward = alone ?? `going on from here: ${why}`;
    const mark = alone === undefined ? (spec?.mark ?? 0) : 0;
    return {
      class: alone === undefined ? spec?.name : undefined,
      mark,
      why: `its answers leave by ${asked.ifname}; ${onward}`,
    };
  }
  return { class: spec?.name, mark: spec?.mark ?? 0, why };
}

function wayOf(plan: SteeringPlan, route: RouteSocket, { source, destination }: Question): Way {
  const peers = overlayPeers(plan);
  const own = lanesOf(plan).overlay;
  const between =
    (isWithin(own, source) && isWithin(peers, destination)) || (isWithin(peers, source) && isWithin(own, destination));
  if (between) return { kind: "overlay" };
  const found = route.findRoute(destination);
  if (found === undefined) return { kind: "none" };
  if (found.type === "local") return { kind: "local" };
  const index = found.hops[0]?.oif;
  const device = index === undefined ? undefined : route.link(index)?.name;
  if (device === undefined) return { kind: "none" };
  const ours = [...plan.links, ...plan.tunnels].some((each) => each.ifname === device);
  if (!ours) return { kind: "near", ifname: device };
  const onWire = plan.links.some((each) => each.ifname === device) && found.destination.length > 0;
  if (onWire && found.hops[0]?.gateway === undefined && !isWithin(remoteNetworks(plan), destination)) {
    return { kind: "neighbour", ifname: device };
  }
  return { kind: "wan", ifname: device };
}

function questionOf(asked: PacketAsked): Question | undefined {
  const source = parseIp(asked.source);
  const destination = parseIp(asked.destination);
  if (!source.ok || !destination.ok || isIpv4(source.value) !== isIpv4(destination.value)) return undefined;
  const icmp = isIpv4(source.value) ? 1 : 58;
  const [protocol] = asked.protocol === undefined ? [] : protocolNumbers([asked.protocol], [icmp]);
  return {
    source: source.value,
    destination: destination.value,
    protocol,
    destinationPort: asked.port,
    dscp: asked.dscp ?? 0,
    ifname: asked.ifname,
    user: asked.user,
  };
}
