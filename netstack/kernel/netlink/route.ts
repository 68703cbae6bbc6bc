/**
 * Routes.  Standards: rtnetlink(7), include/uapi/linux/rtnetlink.h.
 * Left out on purpose: metrics beyond the priority, encapsulation, nexthop objects (their ids are decoded), MPLS.
 */
import { type Ip, ipOfOctets, isIpv4, masked, octetsOfIp, type Prefix } from "../../../base/address.ts";
import { join } from "../../../base/octets.ts";
import { err, ok, type Result } from "../../../base/result.ts";
import { AF_INET, AF_INET6 } from "../sockaddr.ts";
import { Attributes, attribute, attributeU32, type Malformed } from "./attribute.ts";
import { i32Of, u8, u8Of, u16, u16Of, u32, u32Of } from "./octets.ts";

export type RouteType =
  | "unicast"
  | "local"
  | "broadcast"
  | "multicast"
  | "blackhole"
  | "unreachable"
  | "prohibit"
  | "other";

export interface NextHop {
  readonly gateway: Ip | undefined;
  /** Interface index. */
  readonly oif: number | undefined;
  readonly weight: number;
  /** The interface is down or has no carrier (RTNH_F_DEAD, RTNH_F_LINKDOWN). */
  readonly dead: boolean;
}

export interface Route {
  readonly destination: Prefix;
  readonly table: number;
  readonly protocol: number;
  readonly type: RouteType;
  readonly scope: number;
  /** The priority, which people call metric. */
  readonly metric: number;
  readonly source: Ip | undefined;
  /** One, several (multipath), or none (blackhole and its kin). */
  readonly hops: readonly NextHop[];
  readonly nextHopId: number | undefined;
}

export function decodeRoute(payload: Uint8Array): Result<Route, Malformed> {
  if (payload.length < RTMSG) return err({ kind: "short", what: "rtmsg", have: payload.length, need: RTMSG });
  const family = u8Of(payload, 0);
  if (family !== AF_INET && family !== AF_INET6) {
    return err({ kind: "bad-value", what: "address family", length: family });
  }
  const parsed = Attributes.of(payload.subarray(RTMSG));
  if (!parsed.ok) return parsed;
  const attributes = parsed.value;
  const size = family === AF_INET ? 4 : 16;
  const length = u8Of(payload, 1);
  if (length > size * 8) return err({ kind: "bad-value", what: "prefix length", length });
  const destination = ipIn(attributes, RTA_DST, size) ?? ipOfOctets(new Uint8Array(size));
  const multipath = attributes.octets(RTA_MULTIPATH);
  const hops = multipath === undefined ? ok(single(attributes, size, u32Of(payload, 8))) : hopsOf(multipath, size);
  if (!hops.ok) return hops;
  const route: Route = {
    destination: { ip: masked(destination, length), length },
    table: attributes.u32(RTA_TABLE) ?? u8Of(payload, 4),
    protocol: u8Of(payload, 5),
    type: TYPES[u8Of(payload, 7)] ?? "other",
    scope: u8Of(payload, 6),
    metric: attributes.u32(RTA_PRIORITY) ?? 0,
    source: ipIn(attributes, RTA_PREFSRC, size),
    hops: hops.value,
    nextHopId: attributes.u32(RTA_NH_ID),
  };
  return attributes.refused === undefined ? ok(route) : err(attributes.refused);
}

export interface NewRoute {
  readonly destination: Prefix;
  readonly table: number;
  readonly protocol: number;
  readonly type?: "unicast" | "blackhole" | "unreachable";
  readonly metric?: number;
  readonly gateway?: Ip;
  readonly oif?: number;
  readonly source?: Ip;
  /** The gateway is on the link even if no route says so. */
  readonly onLink?: boolean;
  /** In place of `gateway` and `oif`: several next hops, over which the kernel spreads flows. */
  readonly hops?: readonly NewHop[];
}

export interface NewHop {
  /** Of either family: an IPv4 destination may lie behind an IPv6 router (RFC 8950). */
  readonly gateway?: Ip;
  readonly oif?: number;
  /** 1–256 */
  readonly weight?: number;
  readonly onLink?: boolean;
}

export function encodeRoute(route: NewRoute): Uint8Array {
  const { gateway, hops, type = "unicast" } = route;
  // IPv4 only: without a gateway a destination is on the link itself.
  const onLink = gateway === undefined && hops === undefined;
  const scope = isIpv4(route.destination.ip) && type === "unicast" && onLink ? SCOPE_LINK : 0;
  return encode(route, scope, TYPES.indexOf(type));
}

/** What to delete: what is absent need not match. */
export type OldRoute = Omit<NewRoute, "source" | "onLink" | "hops">;
export function encodeDeleteRoute(route: OldRoute): Uint8Array {
  return encode(route, SCOPE_NOWHERE, route.type === undefined ? 0 : TYPES.indexOf(route.type));
}

/** Dump of one family; table, protocol and interface filter in the kernel (strict checking), 0 = all. */
export function encodeGetRoutes(family: number, table = 0, protocol = 0, oif = 0): Uint8Array {
  const parts = [u8(family), u8(0), u8(0), u8(0), u8(table < 256 ? table : 0), u8(protocol), u8(0), u8(0), u32(0)];
  if (table !== 0) parts.push(attributeU32(RTA_TABLE, table));
  if (oif !== 0) parts.push(attributeU32(RTA_OIF, oif));
  return join(parts);
}

/** Which route a packet to `ip` would take, as it is in the table (FIB match), not the cached result. */
export function encodeFindRoute(ip: Ip, oif?: number): Uint8Array {
  const v4 = isIpv4(ip);
  const head = [u8(v4 ? AF_INET : AF_INET6), u8(v4 ? 32 : 128), u8(0), u8(0), u8(0), u8(0), u8(0), u8(0)];
  const parts = [...head, u32(RTM_F_FIB_MATCH), attribute(RTA_DST, octetsOfIp(ip))];
  return join(oif === undefined ? parts : [...parts, attributeU32(RTA_OIF, oif)]);
}

export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;

function encode(route: NewRoute, scope: number, type: number): Uint8Array {
  const { destination, table, gateway, oif, source, metric } = route;
  const v4 = isIpv4(destination.ip);
  const parts = [
    u8(v4 ? AF_INET : AF_INET6),
    u8(destination.length),
    u8(0),
    u8(0),
    u8(table < 256 ? table : 0),
    u8(route.protocol),
    u8(scope),
    u8(type),
    u32(route.onLink === true ? RTNH_F_ONLINK : 0),
    attribute(RTA_DST, octetsOfIp(destination.ip)),
    attributeU32(RTA_TABLE, table),
  ];
  if (metric !== undefined) parts.push(attributeU32(RTA_PRIORITY, metric));
  if (gateway !== undefined) parts.push(encodeGateway(gateway, v4));
  if (route.hops !== undefined)
    parts.push(attribute(RTA_MULTIPATH, join(route.hops.map((each) => encodeHop(each, v4)))));
  if (oif !== undefined) parts.push(attributeU32(RTA_OIF, oif));
  if (source !== undefined) parts.push(attribute(RTA_PREFSRC, octetsOfIp(source)));
  return join(parts);
}

function encodeHop(hop: NewHop, v4: boolean): Uint8Array {
  const gateway = hop.gateway === undefined ? new Uint8Array(0) : encodeGateway(hop.gateway, v4);
  const weight = hop.weight ?? 1;
  if (weight < 1 || weight > 256) throw new TypeError(`a next hop of weight ${weight}`);
  const flags = hop.onLink === true ? RTNH_F_ONLINK : 0;
  return join([u16(RTNEXTHOP + gateway.length), u8(flags), u8(weight - 1), u32(hop.oif ?? 0), gateway]);
}

function encodeGateway(gateway: Ip, v4: boolean): Uint8Array {
  const octets = octetsOfIp(gateway);
  if (isIpv4(gateway) === v4) return attribute(RTA_GATEWAY, octets);
  if (!v4) throw new TypeError("an IPv4 gateway of an IPv6 route");
  return attribute(RTA_VIA, join([u16(AF_INET6), octets]));
}

function single(attributes: Attributes, size: number, flags: number): readonly NextHop[] {
  const gateway = ipIn(attributes, RTA_GATEWAY, size) ?? via(attributes);
  const oif = attributes.u32(RTA_OIF);
  if (gateway === undefined && oif === undefined) return [];
  return [{ gateway, oif, weight: 1, dead: (flags & RTNH_F_GONE) !== 0 }];
}

/** struct rtnexthop: length, flags, weight - 1, interface, then attributes. */
function hopsOf(bytes: Uint8Array, size: number): Result<readonly NextHop[], Malformed> {
  const hops: NextHop[] = [];
  for (let at = 0; bytes.length - at >= RTNEXTHOP; ) {
    const length = u16Of(bytes, at);
    const room = bytes.length - at;
    if (length < RTNEXTHOP || length > room) return err({ kind: "bad-length", what: "next hop", length, room });
    const attributes = Attributes.of(bytes.subarray(at + RTNEXTHOP, at + length));
    if (!attributes.ok) return attributes;
    hops.push({
      gateway: ipIn(attributes.value, RTA_GATEWAY, size) ?? via(attributes.value),
      oif: i32Of(bytes, at + 4),
      weight: u8Of(bytes, at + 3) + 1,
      dead: (u8Of(bytes, at + 2) & RTNH_F_GONE) !== 0,
    });
    if (attributes.value.refused !== undefined) return err(attributes.value.refused);
    at += (length + 3) & ~3;
  }
  return ok(hops);
}

function ipIn(attributes: Attributes, type: number, size: number): Ip | undefined {
  const octets = attributes.octets(type);
  if (octets === undefined) return undefined;
  if (octets.length === size) return ipOfOctets(octets);
  attributes.refuse({ kind: "bad-value", what: `address in attribute ${type}`, length: octets.length });
  return undefined;
}

/** A gateway of the other family (RFC 8950): two octets of family, then the address. */
function via(attributes: Attributes): Ip | undefined {
  const octets = attributes.octets(RTA_VIA);
  if (octets === undefined || (octets.length !== 6 && octets.length !== 18)) return undefined;
  return ipOfOctets(octets.subarray(2));
}

const RTMSG = 12;
const RTNEXTHOP = 8;
export const RTA_DST = 1;
export const RTA_OIF = 4;
export const RTA_GATEWAY = 5;
export const RTA_PRIORITY = 6;
export const RTA_PREFSRC = 7;
export const RTA_MULTIPATH = 9;
export const RTA_TABLE = 15;
export const RTA_VIA = 18;
const RTA_NH_ID = 30;
export const RTNH_F_ONLINK = 4;
const RTM_F_FIB_MATCH = 0x2000;
const RTNH_F_GONE = 1 | 16;
export const SCOPE_LINK = 253;
/** In a request to delete: any scope. */
export const SCOPE_NOWHERE = 255;
const TYPES: readonly RouteType[] = [
  "other",
  "unicast",
  "local",
  "broadcast",
  "other",
  "multicast",
  "blackhole",
  "unreachable",
  "prohibit",
];
