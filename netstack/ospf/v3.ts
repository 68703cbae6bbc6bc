/** OSPFv3's own ways.  Standards: RFC 5340; RFC 5187 (grace LSA). */
import { formatIp, ipv6, isIpv4, isLinkLocal } from "../../base/address.ts";
import { bodyAs } from "./body.ts";
import { type Attached, type Dialect, routerVertex } from "./dialect.ts";
import { desiredV3, optionsV3 } from "./own-v3.ts";
import { OPTION_R, OPTION_V6, PREFIX_NU, PREFIX_PROPAGATE, scopeOf, TYPES, U_BIT } from "./packet/lsa.ts";

export const V3: Dialect = {
  version: 3,
  types: TYPES[3],
  allSpf: ipv6("ff02::5"),
  allDr: ipv6("ff02::6"),
  ipHeader: 40,

  scopeOf: (type) => (KNOWN.has(type) || (type & U_BIT) !== 0 ? scopeOf(3, type) : unknownScope(type)),
  accepts: (type) => scopeOf(3, type) !== "reserved",
  mayTell: () => true,

  addressOf: (link) => link.addresses.find((each) => !isIpv4(each.ip) && isLinkLocal(each.ip))?.ip,
  identity: (state) => state.routerId,
  identityOf: (neighbor) => neighbor.routerId,
  neighborKey: (spec, source, routerId) => (spec.type === "nbma" ? formatIp(source) : `r${routerId}`),
  checkSource: (_iface, source) => (!isIpv4(source) && isLinkLocal(source) ? undefined : "source-not-on-link"),
  checkHello: () => undefined,
  helloFields: (iface) => ({ maskLength: undefined, interfaceId: iface.link?.ifindex ?? 0 }),
  options: optionsV3,

  desired: desiredV3,
  grace(_state, iface, period, reason) {
    const body = { kind: "grace", period, reason, address: undefined } as const;
    return { home: iface.home, type: TYPES[3].grace, id: iface.link?.ifindex ?? 0, options: 0, body };
  },
  graceOf: ({ lsa }) => lsa.header.type === TYPES[3].grace,
  isOurs: () => false,

  propagates: (_lsa, body) => (body.prefixOptions & PREFIX_PROPAGATE) !== 0,

  targetOf: (link) => (link.type === "transit" ? `n${link.id}/${link.neighborInterfaceId}` : routerVertex(link.id)),
  networkKey: (header) => `n${header.advertisingRouter}/${header.id}`,
  ownInterface(state, area, link) {
    for (const iface of state.interfaces.values()) {
      if (iface.area === area && iface.link?.ifindex === link.data) return iface;
    }
    return undefined;
  },
  hopOf(iface, routerId, link) {
    const key = { type: TYPES[3].link, id: link.data, advertisingRouter: routerId };
    const entry = iface.home.database.find(key);
    const told = entry === undefined || entry.flushing ? undefined : bodyAs(entry.lsa, "link")?.address;
    if (told !== undefined) return told;
    for (const each of iface.neighbors.values()) if (each.routerId === routerId) return each.address;
    return undefined;
  },
  attached(area) {
    const found = new Map<string, Attached[]>();
    for (const { lsa, flushing } of area.home.database.of(TYPES[3]["intra-area-prefix"])) {
      const body = bodyAs(lsa, "intra-area-prefix");
      if (body === undefined || flushing) continue;
      const { type, advertisingRouter } = body.referenced;
      if (advertisingRouter !== lsa.header.advertisingRouter) continue; // §4.4.3.9
      const router = type === TYPES[3].router;
      if (!router && type !== TYPES[3].network) continue;
      const vertex = router ? routerVertex(advertisingRouter) : V3.networkKey(body.referenced);
      const here = found.get(vertex) ?? [];
      for (const { prefix, prefixOptions, metric } of body.prefixes) {
        if ((prefixOptions & PREFIX_NU) === 0) here.push({ prefix, metric });
      }
      found.set(vertex, here);
    }
    return found;
  },
  isTransit: (body) => (body.options & (OPTION_R | OPTION_V6)) === (OPTION_R | OPTION_V6),
};

/** Without the U bit what is not understood stays on its link (RFC 5340 §4.5.1). */
function unknownScope(type: number) {
  return scopeOf(3, type) === "reserved" ? "reserved" : "link";
}

const KNOWN: ReadonlySet<number> = new Set<number>(Object.values(TYPES[3]));
