/**
 * The nftables table that classifies packets, as data (driver/ruleset-keeper.ts puts it into the kernel).  Pure.
 *
 * A flow's connection mark holds one value.  A class's, or that of a class bound to a link: then packets of the original
 * direction carry it.  That of a tunnel or of a link, when the flow came in by it: then its answers carry it.  Which
 * table a value looks in, rules.ts says.  Only our own bits of both marks are ever changed.
 *
 * Left alone: what carries a value already (tunnels' outer packets, probes), loopback, link-local, multicast and
 * broadcast, this host's addresses, what would go to a network of this site anyway, neighbours on a WAN link's wire, DHCP, and the probes, BFD and
 * messages between the overlay addresses of sites, which have to stay on their device.
 */
import { classChains, hostSets } from "./class-chains.ts";
import { hookChains } from "./hook-chains.ts";
import type { MarkLayout, SteeringPlan } from "./part.ts";
import { shieldChains, shieldObjects } from "./shield-chains.ts";
import { DEAD_SET, wayChains } from "./way-chains.ts";
import { type Chain, Writing } from "./writing.ts";

export interface Ruleset {
  readonly sets: readonly string[];
  readonly chains: readonly Chain[];
  /** Sets whose elements come and go with time, and outlive a change of rules. */
  readonly living: readonly string[];
}

/** `near`: the networks on the wires of WAN links. */
export function rulesetOf(plan: SteeringPlan, mark: MarkLayout, near: readonly string[] = []): Ruleset {
  const writing = new Writing(plan, mark, near);
  const named = plan.classes.flatMap(({ match: { hosts } }) => (hosts.length === 0 ? [] : [hostSets(hosts)]));
  const hosts = [...new Map(named.map((sets) => [sets.v4, sets])).values()];
  return {
    sets: [
      `set ${DEAD_SET} { type mark; }`,
      ...hosts.flatMap(({ v4, v6 }) => [
        `set ${v4} { type ipv4_addr; flags timeout; }`,
        `set ${v6} { type ipv6_addr; flags timeout; }`,
      ]),
      ...shieldObjects(writing),
    ],
    chains: [...classChains(writing), ...wayChains(writing), ...hookChains(writing), ...shieldChains(writing)],
    living: [DEAD_SET, ...hosts.flatMap(({ v4, v6 }) => [v4, v6])],
  };
}
