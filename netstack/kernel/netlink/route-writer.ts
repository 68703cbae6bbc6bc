/**
 * Many changes of routes in one datagram, written straight into one buffer: a full table has a million of them, and what
 * encodeRoute allocates for each costs more than what the kernel does with it.  The octets are those of encodeRoute and
 * encodeDeleteRoute (a test holds them together).
 */
import { type Ip, isIpv4, octetsOfIp } from "../../../base/address.ts";
import { AF_INET, AF_INET6 } from "../sockaddr.ts";
import { NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST } from "./message.ts";
import { LITTLE } from "./octets.ts";
import {
  type NewHop,
  type NewRoute,
  type OldRoute,
  RTA_DST,
  RTA_GATEWAY,
  RTA_MULTIPATH,
  RTA_OIF,
  RTA_PREFSRC,
  RTA_PRIORITY,
  RTA_TABLE,
  RTA_VIA,
  RTM_DELROUTE,
  RTM_NEWROUTE,
  RTNH_F_ONLINK,
  SCOPE_LINK,
  SCOPE_NOWHERE,
} from "./route.ts";

export type RouteOrder =
  | { readonly kind: "add" | "replace"; readonly route: NewRoute }
  | { readonly kind: "delete"; readonly route: OldRoute };

export class RouteWriter {
  readonly #bytes = new Uint8Array(OCTETS);
  readonly #view = new DataView(this.#bytes.buffer);
  #at = 0;
  /** Where the last message begins. */
  #last = 0;

  begin(): void {
    this.#at = 0;
  }

  /** False: there is no room; send what there is first. */
  put(order: RouteOrder, sequence: number): boolean {
    const hops = order.kind === "delete" ? undefined : order.route.hops;
    if (this.#at + LARGEST + (hops?.length ?? 0) * HOP > OCTETS) {
      if (this.#at === 0) throw new TypeError(`a route with ${hops?.length ?? 0} next hops`);
      return false;
    }
    const start = this.#at;
    this.#last = start;
    this.#at += 4;
    this.#u16(order.kind === "delete" ? RTM_DELROUTE : RTM_NEWROUTE);
    this.#u16(FLAGS[order.kind]);
    this.#u32(sequence);
    this.#u32(0);
    if (order.kind === "delete") this.#delete(order.route);
    else this.#add(order.route);
    this.#view.setUint32(start, this.#at - start, LITTLE);
    return true;
  }

  /** What was put, the last of it with the request to acknowledge; valid until `begin`. */
  finish(): Uint8Array {
    const flags = this.#view.getUint16(this.#last + 6, LITTLE);
    this.#view.setUint16(this.#last + 6, flags | NLM_F_ACK, LITTLE);
    return this.#bytes.subarray(0, this.#at);
  }

  #add(route: NewRoute): void {
    const { gateway, hops, type = "unicast" } = route;
    const onLink = gateway === undefined && hops === undefined;
    const link = isIpv4(route.destination.ip) && type === "unicast" && onLink;
    this.#head(route, link ? SCOPE_LINK : 0, TYPES[type], route.onLink === true ? RTNH_F_ONLINK : 0);
    const v4 = isIpv4(route.destination.ip);
    if (route.metric !== undefined) this.#attribute32(RTA_PRIORITY, route.metric);
    if (gateway !== undefined) this.#gateway(gateway, v4);
    if (hops !== undefined) this.#hops(hops, v4);
    if (route.oif !== undefined) this.#attribute32(RTA_OIF, route.oif);
    if (route.source !== undefined) this.#address(RTA_PREFSRC, route.source);
  }

  #delete(route: OldRoute): void {
    this.#head(route, SCOPE_NOWHERE, route.type === undefined ? 0 : TYPES[route.type], 0);
    if (route.metric !== undefined) this.#attribute32(RTA_PRIORITY, route.metric);
    if (route.gateway !== undefined) this.#gateway(route.gateway, isIpv4(route.destination.ip));
    if (route.oif !== undefined) this.#attribute32(RTA_OIF, route.oif);
  }

  /** struct rtmsg, destination and table. */
  #head({ destination, table, protocol }: OldRoute, scope: number, type: number, flags: number): void {
    this.#u8(isIpv4(destination.ip) ? AF_INET : AF_INET6);
    this.#u8(destination.length);
    this.#u16(0);
    this.#u8(table < 256 ? table : 0);
    this.#u8(protocol);
    this.#u8(scope);
    this.#u8(type);
    this.#u32(flags);
    this.#address(RTA_DST, destination.ip);
    this.#attribute32(RTA_TABLE, table);
  }

  #hops(hops: readonly NewHop[], v4: boolean): void {
    const start = this.#at;
    this.#u16(0);
    this.#u16(RTA_MULTIPATH);
    for (const { gateway, oif = 0, weight = 1, onLink } of hops) {
      if (weight < 1 || weight > 256) throw new TypeError(`a next hop of weight ${weight}`);
      const hop = this.#at;
      this.#u16(0);
      this.#u8(onLink === true ? RTNH_F_ONLINK : 0);
      this.#u8(weight - 1);
      this.#u32(oif);
      if (gateway !== undefined) this.#gateway(gateway, v4);
      this.#view.setUint16(hop, this.#at - hop, LITTLE);
    }
    this.#view.setUint16(start, this.#at - start, LITTLE);
  }

  #gateway(gateway: Ip, v4: boolean): void {
    if (isIpv4(gateway) === v4) return this.#address(RTA_GATEWAY, gateway);
    if (!v4) throw new TypeError("an IPv4 gateway of an IPv6 route");
    this.#u16(22);
    this.#u16(RTA_VIA);
    this.#u16(AF_INET6);
    this.#octets(gateway);
    this.#u16(0); // attributes are aligned
  }

  #address(type: number, ip: Ip): void {
    this.#u16(isIpv4(ip) ? 8 : 20);
    this.#u16(type);
    this.#octets(ip);
  }
  #attribute32(type: number, value: number): void {
    this.#u16(8);
    this.#u16(type);
    this.#u32(value);
  }
  #octets(ip: Ip): void {
    if (isIpv4(ip)) {
      this.#view.setUint32(this.#at, ip);
      this.#at += 4;
    } else {
      this.#bytes.set(octetsOfIp(ip), this.#at);
      this.#at += 16;
    }
  }
  #u8(value: number): void {
    this.#bytes[this.#at++] = value;
  }
  #u16(value: number): void {
    this.#view.setUint16(this.#at, value, LITTLE);
    this.#at += 2;
  }
  #u32(value: number): void {
    this.#view.setUint32(this.#at, value, LITTLE);
    this.#at += 4;
  }
}

const OCTETS = 65_536;
/** A message without its multipath hops, and one of those. */
const LARGEST = 160;
const HOP = 32;
const FLAGS = {
  add: NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL,
  replace: NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE,
  delete: NLM_F_REQUEST,
} as const;
const TYPES = { unicast: 1, blackhole: 6, unreachable: 7 } as const;
