/** Packets that leave: heads, destinations, and how much fits one.  Standards: RFC 2328 §8.1, A.1. */
import type { Ip } from "../../base/address.ts";
import type { Lsa, LsaHeader } from "./packet/lsa.ts";
import {
  HEAD_OCTETS,
  KEY_OCTETS,
  LSA_HEADER_OCTETS,
  type Packet,
  type PacketHead,
  UPDATE_OCTETS,
} from "./packet/packet.ts";
import { atLeast, type Interface, type Neighbor, type State } from "./state.ts";

export function send(state: State, iface: Interface, destination: Ip, packet: Packet): void {
  const source = iface.link === undefined ? undefined : state.dialect.addressOf(iface.link);
  if (source === undefined || iface.spec.passive || iface.state === "down" || iface.state === "loopback") return;
  state.out.push({ kind: "send", ifname: iface.name, source, destination, packet });
}

export function headOf(state: State, iface: Interface): PacketHead {
  const { version } = state.dialect;
  const instanceId = version === 3 ? iface.spec.instanceId : 0;
  return { version, routerId: state.routerId, areaId: iface.area.id, instanceId };
}

/** §8.1: point-to-point links know no unicast. */
export function addressed(state: State, neighbor: Neighbor): Ip {
  return neighbor.iface.spec.type === "point-to-point" ? state.dialect.allSpf : neighbor.address;
}

/** §13.3 (5), §13.5: where updates and delayed acknowledgements of an interface go. */
export function flooded(state: State, iface: Interface): readonly Ip[] {
  const { allSpf, allDr } = state.dialect;
  if (iface.spec.type === "nbma") {
    return [...iface.neighbors.values()].filter((each) => atLeast(each, "exchange")).map((each) => each.address);
  }
  if (iface.spec.type === "point-to-point") return [allSpf];
  return [iface.state === "dr" || iface.state === "backup" ? allSpf : allDr];
}

export function sendUpdates(state: State, iface: Interface, destinations: readonly Ip[], lsas: readonly Lsa[]): void {
  for (const some of packed(lsas, (lsa) => lsa.raw.length, room(state, iface) - UPDATE_OCTETS)) {
    for (const to of destinations) send(state, iface, to, { ...headOf(state, iface), kind: "update", lsas: some });
  }
}

export function sendAcks(
  state: State,
  iface: Interface,
  destinations: readonly Ip[],
  headers: readonly LsaHeader[],
): void {
  for (const some of packed(headers, () => LSA_HEADER_OCTETS, room(state, iface))) {
    for (const to of destinations) {
      send(state, iface, to, { ...headOf(state, iface), kind: "acknowledgement", headers: some });
    }
  }
}

/** What fits behind the OSPF header, with room for the longest authentication that there is. */
export function room(state: State, iface: Interface): number {
  const { version, ipHeader } = state.dialect;
  const trailer = iface.spec.auth?.kind === "cryptographic" ? LONGEST_TRAILER : 0;
  return Math.max(LEAST_ROOM, (iface.link?.mtu ?? 0) - ipHeader - HEAD_OCTETS[version] - trailer);
}
export function keysPerPacket(state: State, iface: Interface): number {
  return Math.floor(room(state, iface) / KEY_OCTETS);
}

/** In order, as many as fit; what is larger than a packet goes alone, in fragments. */
export function* packed<T>(items: readonly T[], size: (item: T) => number, most: number): Iterable<readonly T[]> {
  let some: T[] = [];
  let octets = 0;
  for (const item of items) {
    if (some.length > 0 && octets + size(item) > most) {
      yield some;
      some = [];
      octets = 0;
    }
    some.push(item);
    octets += size(item);
  }
  if (some.length > 0) yield some;
}

/** SHA-512 and the head of RFC 7166's trailer. */
const LONGEST_TRAILER = 80;
const LEAST_ROOM = 400;
