/** A plan to change in tests: a site with two links, tunnels over both, three classes. */
import { type Ip, ipv4, ipv6 } from "../../../base/address.ts";
import type { SteeringPlan } from "../../../sdwan/steer/part.ts";
import {
  type ClassMatch,
  type ClassSpec,
  EVERYTHING,
  type LaneSpec,
  type LinkSpec,
  type TunnelSpec,
} from "../../../sdwan/underlay-plan.ts";

export function matching(match: Partial<ClassMatch>): ClassMatch {
  return { ...EVERYTHING, ...match };
}

export function classSpec(
  name: string,
  mark: number,
  match: Partial<ClassMatch>,
  more: Partial<ClassSpec> = {},
): ClassSpec {
  return { name, mark, match: matching(match), dscp: undefined, balance: undefined, ...more };
}

export function linkSpec(name: string, ifname: string, mark: number, more: Partial<LinkSpec> = {}): LinkSpec {
  return {
    name,
    ifname,
    mark,
    table: TABLES + mark,
    gateway4: "auto",
    gateway6: "auto",
    masquerade: true,
    publicIp: undefined,
    mtu: undefined,
    quota: undefined,
    bandwidthTest: undefined,
    ...more,
  };
}

export function tunnelSpec(
  ifname: string,
  link: string,
  mark: number,
  allowedIps: readonly string[],
  more: Partial<TunnelSpec> = {},
): TunnelSpec {
  const peer = { site: "berlin", link: "b1", publicKey: "", presharedKey: undefined, endpoint: undefined };
  return {
    ifname,
    link,
    listenPort: 51_820,
    mark,
    dscp: 0,
    mtu: undefined,
    peers: [{ ...peer, allowedIps, keepalive: 0, relay: undefined }],
    ...more,
  };
}

export function lane(mark: number, what: LaneSpec["what"]): LaneSpec {
  return { mark, table: TABLES + mark, what };
}

export const TABLES = 11_000;

export function planOf(part: Partial<SteeringPlan>): SteeringPlan {
  return {
    links: [],
    tunnels: [],
    lanes: [],
    classes: [],
    overlay: [],
    prefixes: [],
    rendezvous: undefined,
    ...part,
  };
}

export function ipOf(text: string): Ip {
  return text.includes(":") ? ipv6(text) : ipv4(text);
}
