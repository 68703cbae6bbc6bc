/** OSPFv2's own ways.  Standards: RFC 2328; RFC 3101 (NSSA), RFC 5250 (opaque LSAs), RFC 3623 (grace LSA). */
import { contains, formatIp, type Ip, type Ipv4, ipv4, isIpv4, masked, type Prefix } from "../../base/address.ts";
import { bodyAs } from "./body.ts";
import { type Attached, type Dialect, routerVertex } from "./dialect.ts";
import type { Link, LinkAddress } from "./event.ts";
import { desiredV2 } from "./own-v2.ts";
import { GRACE_ID, OPTION_E, OPTION_N, OPTION_O, scopeOf, TYPES } from "./packet/lsa.ts";
import { lengthOfMask } from "./packet/mask.ts";
import type { Interface } from "./state.ts";

export const V2: Dialect = {
  version: 2,
  types: TYPES[2],
  allSpf: ipv4("224.0.0.5"),
  allDr: ipv4("224.0.0.6"),
  ipHeader: 20,

  scopeOf: (type) => scopeOf(2, type),
  accepts: (type) => scopeOf(2, type) !== "reserved",
  mayTell: (neighbor, type) => type < TYPES[2]["opaque-link"] || neighbor.opaque,

  addressOf: (link) => primary(link)?.ip,
  identity: (_state, iface) => number(iface.link === undefined ? undefined : primary(iface.link)?.ip),
  identityOf: (neighbor) => number(neighbor.address),
  neighborKey: (spec, source, routerId) => (spec.type === "point-to-point" ? `r${routerId}` : formatIp(source)),
  checkSource(iface, source) {
    if (!isIpv4(source)) return "source-not-on-link";
    if (iface.spec.type === "point-to-point") return undefined;
    return onLink(iface.link, source) ? undefined : "source-not-on-link";
  },
  checkHello(iface, hello) {
    const own = iface.link === undefined ? undefined : primary(iface.link);
    if (iface.spec.type === "point-to-point" || own === undefined) return undefined;
    return hello.maskLength === own.length ? undefined : "mask-mismatch";
  },
  helloFields(iface) {
    const own = iface.link === undefined ? undefined : primary(iface.link);
    // §9.5: unnumbered links have no mask.
    const maskLength = own === undefined || own.peer !== undefined ? 0 : own.length;
    return { maskLength, interfaceId: 0 };
  },
  options: (area) => (area.kind === "normal" ? OPTION_E : area.kind === "nssa" ? OPTION_N : 0),

  desired: desiredV2,
  grace(_state, iface, period, reason) {
    const address = iface.spec.type === "point-to-point" ? undefined : number(V2.addressOf(iface.link as Link));
    const body = { kind: "grace", period, reason, address: address as Ipv4 | undefined } as const;
    return { home: iface.home, type: TYPES[2]["opaque-link"], id: GRACE_ID, options: OPTION_O | OPTION_E, body };
  },
  graceOf: ({ lsa }) => lsa.header.type === TYPES[2]["opaque-link"] && lsa.header.id === GRACE_ID,
  isOurs(state, header) {
    if (header.type !== TYPES[2].network || header.advertisingRouter === state.routerId) return false;
    for (const { link } of state.interfaces.values()) {
      if (link !== undefined && number(primary(link)?.ip) === header.id) return true;
    }
    return false;
  },

  propagates: (lsa) => (lsa.header.options & OPTION_N) !== 0,

  targetOf: (link) => (link.type === "transit" ? `n${link.id}` : routerVertex(link.id)),
  networkKey: (header) => `n${header.id}`,
  ownInterface(state, area, link) {
    let found: Interface | undefined;
    for (const iface of state.interfaces.values()) {
      if (iface.area !== area || iface.link === undefined || link.data !== linkData(iface.link)) continue;
      found ??= iface;
      // Several point-to-point links may share one address: it is the one behind which the neighbor is.
      if (link.type === "point-to-point" && iface.neighbors.has(routerVertex(link.id))) return iface;
    }
    return found;
  },
  hopOf: (_iface, _routerId, link) => link.data as Ipv4,
  attached(area) {
    const found = new Map<string, Attached[]>();
    for (const { lsa, flushing } of area.home.database.of(TYPES[2].router)) {
      if (flushing) continue;
      const here: Attached[] = [];
      for (const link of bodyAs(lsa, "router")?.links ?? []) {
        const length = link.type === "stub" ? lengthOfMask(link.data) : undefined;
        if (length !== undefined) here.push({ prefix: prefixOf(link.id as Ipv4, length), metric: link.metric });
      }
      found.set(routerVertex(lsa.header.advertisingRouter), here);
    }
    for (const { lsa, flushing } of area.home.database.of(TYPES[2].network)) {
      if (flushing) continue;
      const prefix = bodyAs(lsa, "network")?.prefix;
      if (prefix !== undefined) found.set(V2.networkKey(lsa.header), [{ prefix, metric: 0 }]);
    }
    return found;
  },
  isTransit: () => true,
};

/** The first IPv4 address: what a v2 interface is known by. */
export function primary(link: Link): LinkAddress | undefined {
  return link.addresses.find((each) => isIpv4(each.ip));
}
/** RFC 2328 §12.4.1: the interface's address; unnumbered, its index. */
export function linkData(link: Link): number {
  const own = primary(link);
  return own === undefined ? link.ifindex : number(own.ip);
}
export function prefixOf(ip: Ip, length: number): Prefix {
  return { ip: masked(ip, length), length };
}

function onLink(link: Link | undefined, source: Ip): boolean {
  return link?.addresses.some((each) => isIpv4(each.ip) && contains(prefixOf(each.ip, each.length), source)) ?? false;
}
function number(ip: Ip | undefined): number {
  return ip !== undefined && isIpv4(ip) ? ip : 0;
}
