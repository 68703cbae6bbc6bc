/** A packet came in: is it for us, is it of a neighbor?  Standards: RFC 2328 §8.2, RFC 5340 §4.2.2, RFC 2328 D.3, RFC 7166 §4.1. */

import type { Ip } from "../../base/address.ts";
import { unreachable } from "../../base/result.ts";
import type { Instant } from "../../base/unit.ts";
import type { Event, Proven, Refused } from "./event.ts";
import { descriptionReceived, requestReceived } from "./exchange.ts";
import { ackReceived, updateReceived } from "./flood.ts";
import { helloReceived } from "./hello.ts";
import { quad } from "./packet/describe.ts";
import type { Packet } from "./packet/packet.ts";
import { event, type Interface, type Neighbor, refuse, type State } from "./state.ts";

export function packetReceived(state: State, received: Event & { readonly kind: "packet" }, now: Instant): void {
  const { ifname, source, destination, packet, proven } = received;
  const iface = state.interfaces.get(ifname);
  if (iface === undefined) {
    state.refused["interface-unknown"] = (state.refused["interface-unknown"] ?? 0) + 1;
    return;
  }
  const wrong = misdirected(state, iface, source, destination, packet, now);
  if (wrong !== undefined) return refuse(iface, wrong);
  const key = state.dialect.neighborKey(iface.spec, source, packet.routerId);
  const neighbor = iface.neighbors.get(key);
  if (neighbor !== undefined && isReplayed(state, neighbor, packet, proven)) return refuse(iface, "replayed");
  if (packet.kind === "hello") {
    helloReceived(state, iface, source, packet, now);
    const after = iface.neighbors.get(key);
    if (after !== undefined) remember(state, after, packet, proven);
    return;
  }
  if (neighbor === undefined) return refuse(iface, "neighbor-unknown");
  if (neighbor.routerId !== packet.routerId) return refuse(iface, "router-id-changed");
  remember(state, neighbor, packet, proven);
  switch (packet.kind) {
    case "database-description":
      return descriptionReceived(state, neighbor, packet, now);
    case "request":
      return requestReceived(state, neighbor, packet, now);
    case "update":
      return updateReceived(state, neighbor, packet, now);
    case "acknowledgement":
      return ackReceived(neighbor, packet, now);
    default:
      return unreachable(packet);
  }
}

function misdirected(
  state: State,
  iface: Interface,
  source: Ip,
  destination: Ip,
  packet: Packet,
  now: Instant,
): Refused | undefined {
  const { dialect } = state;
  if (packet.version !== dialect.version) return "version";
  if (iface.state === "down" || iface.state === "loopback" || iface.link === undefined) return "interface-down";
  if (iface.spec.passive) return "passive";
  if (dialect.version === 3 && packet.instanceId !== iface.spec.instanceId) return "instance-mismatch";
  if (packet.areaId !== iface.area.id) return packet.areaId === 0 ? "virtual-link" : "area-mismatch";
  if (packet.routerId === 0) return "router-id-zero";
  const isOwn = iface.link.addresses.some((each) => each.ip === source);
  if (isOwn) return "own-packet";
  if (packet.routerId === state.routerId) {
    if (now >= state.duplicateToldAt + TELL_AGAIN) {
      state.duplicateToldAt = now;
      event(state, "ospf.router-id-taken", { level: "warn", routerId: quad(packet.routerId), ifname: iface.name });
    }
    return "router-id-ours";
  }
  const off = dialect.checkSource(iface, source);
  if (off !== undefined) return off;
  if (destination === dialect.allDr) {
    return iface.state === "dr" || iface.state === "backup" ? undefined : "not-designated";
  }
  if (destination === dialect.allSpf || iface.link.addresses.some((each) => each.ip === destination)) return undefined;
  return "not-for-us";
}

/** v2 (D.3): a number must not decrease.  v3 (RFC 7166 §4.1): it must grow, for each type of packet. */
function isReplayed(state: State, neighbor: Neighbor, packet: Packet, proven: Proven): boolean {
  if (proven.kind !== "cryptographic") return false;
  const last = neighbor.sequences.get(counterOf(state, packet));
  if (last === undefined) return false;
  return state.dialect.version === 2 ? proven.sequence < last : proven.sequence <= last;
}
function remember(state: State, neighbor: Neighbor, packet: Packet, proven: Proven): void {
  if (proven.kind === "cryptographic") neighbor.sequences.set(counterOf(state, packet), proven.sequence);
}
function counterOf(state: State, packet: Packet): string {
  return state.dialect.version === 2 ? "" : packet.kind;
}

/** Milliseconds. */
const TELL_AGAIN = 60_000;
