/**
 * What the fence's sets hold for addresses, moves and flows, as elements.  Pure.  Elements of one set come in parts that
 * fit the 64 KiB of a netlink attribute; all parts may be in one transaction.
 */
import { type Ip, isIpv4, octetsOfIp } from "../../base/address.ts";
import { join } from "../../base/octets.ts";
import type { Ms } from "../../base/unit.ts";
import { type Living, setRef, setsOf } from "./fence-plan.ts";
import type { Change, Element, SetRef } from "./netlink/nftables-elements.ts";
import type { Flow } from "./netlink/socket-diag.ts";

/** A flow's way back after a graceful move: packets for `address` of older flows go to `previous`. */
export interface Handover {
  readonly address: Ip;
  /** The previous owner's own address on the same link, of the same family. */
  readonly previous: Ip;
}

export type Group = readonly [SetRef, readonly Element[]];

/** The elements that addresses become, by the set that they go into. */
export function groups(set: Living["set"], addresses: readonly Ip[], timeout?: Ms): readonly Group[] {
  const time = timeout === undefined ? {} : { timeout };
  return bySet(
    addresses.flatMap((address) =>
      setsOf(set, address).map((ref): Group => [ref, [{ key: octetsOfIp(address), ...time }]]),
    ),
  );
}

export function handoverElements(moves: readonly Handover[], timeout?: Ms): readonly Group[] {
  return bySet(
    moves.flatMap(({ address, previous }): readonly Group[] => {
      if (isIpv4(address) !== isIpv4(previous)) throw new TypeError("a handover between address families");
      const element = { key: octetsOfIp(address), ...(timeout === undefined ? {} : { timeout }) };
      const [family, digit] = isIpv4(address) ? (["ip", "4"] as const) : (["ip6", "6"] as const);
      return [
        [setRef(family, `handover${digit}`), [{ ...element, data: octetsOfIp(previous) }]],
        [setRef(family, `moving${digit}`), [{ ...element, goto: "moving" }]],
      ];
    }),
  );
}

/** The same change to the elements of each group. */
export function changesOf(
  all: readonly Group[],
  change: (set: SetRef, elements: readonly Element[]) => readonly Change[],
): readonly Change[] {
  return all.flatMap(([set, elements]) => change(set, elements));
}

export function permitGroups(addresses: readonly Ip[], timeout: Ms): readonly Group[] {
  return bySet(addresses.map((address): Group => [PERMITS, [{ key: permitKey(address), timeout }]]));
}

/** Source address, source port, destination address, destination port of its packets to us, each padded to four octets. */
export function flowKey(flow: Flow): Uint8Array {
  const port = (value: number): Uint8Array => Uint8Array.of(value >>> 8, value & 0xff, 0, 0);
  return join([octetsOfIp(flow.remote), port(flow.remotePort), octetsOfIp(flow.local), port(flow.localPort)]);
}

function bySet(all: readonly Group[]): readonly Group[] {
  const sets = new Map<string, [SetRef, Element[]]>();
  for (const [ref, elements] of all) {
    const name = `${ref.family} ${ref.name}`;
    const group = sets.get(name) ?? [ref, []];
    group[1].push(...elements);
    sets.set(name, group);
  }
  return [...sets.values()].flatMap(([ref, elements]) => parts(elements).map((part): Group => [ref, part]));
}

function parts(elements: readonly Element[]): readonly (readonly Element[])[] {
  if (elements.length <= AT_ONCE) return [elements];
  return Array.from({ length: Math.ceil(elements.length / AT_ONCE) }, (_, part) =>
    elements.slice(part * AT_ONCE, (part + 1) * AT_ONCE),
  );
}

/** IPv4 as ::ffff:a.b.c.d. */
function permitKey(ip: Ip): Uint8Array {
  const octets = octetsOfIp(ip);
  if (octets.length === 16) return octets;
  return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...octets);
}

/** Some hundred octets each. */
const AT_ONCE = 400;
const PERMITS = setRef("netdev", "permit");
