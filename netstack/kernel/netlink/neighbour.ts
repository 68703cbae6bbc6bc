/**
 * Neighbours: the ARP and neighbour discovery caches.  Standards: rtnetlink(7), include/uapi/linux/neighbour.h;
 * RFC 4861 §7.3.2 (states).  Left out on purpose: bridge forwarding entries, proxies, VXLAN destinations.
 */
import { type Ip, ipOfOctets, isIpv4, type Mac, macOfOctets, octetsOfIp, octetsOfMac } from "../../../base/address.ts";
import { join } from "../../../base/octets.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import { AF_INET, AF_INET6 } from "../sockaddr.ts";
import { Attributes, attribute, attributeU8, type Malformed } from "./attribute.ts";
import { i32Of, u8, u8Of, u16, u16Of, u32 } from "./octets.ts";

export type NeighbourState =
  | "none"
  | "incomplete"
  | "reachable"
  | "stale"
  | "delay"
  | "probe"
  | "failed"
  | "noarp"
  | "permanent";

export interface Neighbour {
  readonly ip: Ip;
  /** Interface index. */
  readonly index: number;
  readonly mac: Mac | undefined;
  readonly state: NeighbourState;
  readonly router: boolean;
  readonly protocol: number;
}

export function decodeNeighbour(payload: Uint8Array): Result<Neighbour, Malformed> {
  if (payload.length < NDMSG) return err({ kind: "short", what: "ndmsg", have: payload.length, need: NDMSG });
  const family = u8Of(payload, 0);
  const parsed = Attributes.of(payload.subarray(NDMSG));
  if (!parsed.ok) return parsed;
  const attributes = parsed.value;
  const octets = attributes.octets(NDA_DST);
  const size = family === AF_INET ? 4 : 16;
  if (octets?.length !== size || (family !== AF_INET && family !== AF_INET6)) {
    return err({ kind: "bad-value", what: "neighbour", length: octets?.length ?? 0 });
  }
  const hardware = attributes.octets(NDA_LLADDR);
  const bits = u16Of(payload, 8);
  const neighbour: Neighbour = {
    ip: ipOfOctets(octets),
    index: i32Of(payload, 4),
    mac: hardware?.length === 6 ? macOfOctets(hardware) : undefined,
    state: STATES.find(([bit]) => (bits & bit) !== 0)?.[1] ?? "none",
    router: (u8Of(payload, 10) & NTF_ROUTER) !== 0,
    protocol: attributes.u8(NDA_PROTOCOL) ?? 0,
  };
  return attributes.refused === undefined ? ok(neighbour) : err(attributes.refused);
}

export interface NewNeighbour {
  readonly ip: Ip;
  readonly index: number;
  readonly mac: Mac;
  /** "reachable" ages like one that was learned; "permanent" stays until deleted. */
  readonly state: "reachable" | "stale" | "permanent";
  readonly protocol?: number;
}

export function encodeNeighbour(neighbour: NewNeighbour): Uint8Array {
  const bits = STATES.find(([, name]) => name === neighbour.state)?.[0] ?? 0;
  const parts = [
    ...head(neighbour.ip, neighbour.index, bits),
    attribute(NDA_DST, octetsOfIp(neighbour.ip)),
    attribute(NDA_LLADDR, octetsOfMac(neighbour.mac)),
  ];
  if (neighbour.protocol !== undefined) parts.push(attributeU8(NDA_PROTOCOL, neighbour.protocol));
  return join(parts);
}

export function encodeDeleteNeighbour(ip: Ip, index: number): Uint8Array {
  return join([...head(ip, index, 0), attribute(NDA_DST, octetsOfIp(ip))]);
}

export function encodeGetNeighbours(family: number): Uint8Array {
  return join([u8(family), new Uint8Array(NDMSG - 1)]);
}

export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
export const RTM_GETNEIGH = 30;

function head(ip: Ip, index: number, bits: number): readonly Uint8Array[] {
  return [u8(isIpv4(ip) ? AF_INET : AF_INET6), new Uint8Array(3), u32(index), u16(bits), u8(0), u8(0)];
}

const NDMSG = 12;
const NDA_DST = 1;
const NDA_LLADDR = 2;
const NDA_PROTOCOL = 12;
const NTF_ROUTER = 0x80;
const STATES: readonly (readonly [number, NeighbourState])[] = [
  [0x01, "incomplete"],
  [0x02, "reachable"],
  [0x04, "stale"],
  [0x08, "delay"],
  [0x10, "probe"],
  [0x20, "failed"],
  [0x40, "noarp"],
  [0x80, "permanent"],
];
