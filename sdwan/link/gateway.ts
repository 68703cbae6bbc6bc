/**
 * Which next hop a link has: the one of the configuration, or what anybody (a DHCP client, NetworkManager, networkd, the
 * kernel on a router advertisement, a person) has put into the main table as default route of the interface.  Of several
 * the lowest metric counts, as in the kernel.
 */
import { formatIp, type Ip, isIpv4 } from "../../base/address.ts";
import type { LinkSpec } from "../underlay-plan.ts";
import type { DefaultRoute, Seen, SeenAddress } from "./seen.ts";

export interface Gateways {
  /** Text of an address; `ON_DEVICE` = the interface needs none (point to point); undefined = none known. */
  readonly gateway4: string | undefined;
  readonly gateway6: string | undefined;
}

/** What stands for "the interface itself", where a next hop would. */
export const ON_DEVICE = { v4: "0.0.0.0", v6: "::" } as const;

export function gatewaysOf(spec: Pick<LinkSpec, "gateway4" | "gateway6">, seen: Seen): Gateways {
  return {
    gateway4: gatewayOf(spec.gateway4, 4, seen),
    gateway6: gatewayOf(spec.gateway6, 6, seen),
  };
}

/** Those that a packet may leave with as its source, the best first. */
export function sourcesOf(seen: Seen): readonly SeenAddress[] {
  const usable = seen.addresses.filter((each) => each.usable);
  return [...usable.filter((each) => !each.temporary), ...usable.filter((each) => each.temporary)];
}

function gatewayOf(wanted: string, family: 4 | 6, seen: Seen): string | undefined {
  if (wanted === "none") return undefined;
  // Without an address of the family a next hop leads nowhere.
  if (!sourcesOf(seen).some(({ ip }) => isIpv4(ip) === (family === 4))) return undefined;
  if (wanted !== "auto") return wanted;
  const best = seen.defaults.filter((each) => each.family === family).reduce(lower, undefined);
  if (best === undefined) return undefined;
  const gateway = best.gateway ?? otherEnd(family, seen);
  return gateway === undefined ? ON_DEVICE[family === 4 ? "v4" : "v6"] : formatIp(gateway);
}

/** Of two with the same metric the first stays, so that two pictures of the same tables agree. */
function lower(best: DefaultRoute | undefined, next: DefaultRoute): DefaultRoute {
  return best === undefined || next.metric < best.metric ? next : best;
}

function otherEnd(family: 4 | 6, seen: Seen): Ip | undefined {
  return sourcesOf(seen).find(({ ip, peer }) => peer !== undefined && isIpv4(ip) === (family === 4))?.peer;
}
