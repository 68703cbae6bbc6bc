/**
 * Who hears what we announce: an address is announced when a router hears of it, which takes one of its own family.  BGP
 * peers count for the families in which they were told something, OSPF neighbors for that of their version.
 */
import type { BgpNetwork, BgpPeerReport } from "../../netstack/bgp/plan.ts";
import type { OspfInterfaceReport } from "../../netstack/ospf/plan.ts";
import type { RoutingPlan } from "./words.ts";

type Family = "ipv4" | "ipv6";

export class Hearers {
  /** Name of a peer → families. */
  readonly #peers = new Map<string, readonly Family[]>();
  /** "2 eth0" */
  readonly #interfaces = new Set<string>();
  /** Somebody hears who did not, or the other way round. */
  readonly #moved: () => void;

  constructor(moved: () => void) {
    this.#moved = moved;
  }

  peer({ name, state, families }: BgpPeerReport): void {
    const told = state === "established" ? families.filter(({ announced }) => announced > 0) : [];
    const now = told.map(({ family }) => family);
    const before = this.#peers.get(name) ?? [];
    if (now.length > 0) this.#peers.set(name, now);
    else this.#peers.delete(name);
    if (now.length !== before.length || now.some((family) => !before.includes(family))) this.#moved();
  }
  peerGone(name: string): void {
    if (this.#peers.delete(name)) this.#moved();
  }
  noPeers(): void {
    this.#peers.clear();
  }

  interface({ version, ifname, neighbors }: OspfInterfaceReport): void {
    const key = `${version} ${ifname}`;
    const full = neighbors.some(({ state }) => state === "full");
    if (this.#interfaces.has(key) === full) return;
    if (full) this.#interfaces.add(key);
    else this.#interfaces.delete(key);
    this.#moved();
  }
  interfaceGone(version: 2 | 3, ifname: string): void {
    if (this.#interfaces.delete(`${version} ${ifname}`)) this.#moved();
  }

  /** Whether the plan tells anybody of this prefix, and whether anybody hears. */
  of(prefix: string, plan: RoutingPlan): "heard" | "unheard" | "not told" {
    const family = prefix.includes(":") ? "ipv6" : "ipv4";
    const bgp = (plan.bgp?.networks ?? []).filter((network) => network.prefix === prefix);
    const ospf = plan.ospf.filter(({ networks }) => networks.some((network) => network.prefix === prefix));
    if (bgp.length + ospf.length === 0) return "not told";
    const adjacent = ospf.some(({ version }) => this.#adjacent(version));
    return adjacent || bgp.some((network) => this.#told(network, family)) ? "heard" : "unheard";
  }

  #told({ peers }: BgpNetwork, family: Family): boolean {
    for (const [name, families] of this.#peers) {
      if (families.includes(family) && (peers === undefined || peers.includes(name))) return true;
    }
    return false;
  }
  #adjacent(version: 2 | 3): boolean {
    for (const key of this.#interfaces) if (key.startsWith(`${version} `)) return true;
    return false;
  }
}
