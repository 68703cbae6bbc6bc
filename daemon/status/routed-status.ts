/** One virtual IP of mode BGP or OSPF as `novactl status` and `describe vip` show it. */
import type { Vip } from "../../resources/kinds.ts";
import type { Condition, VipNeighbor, VipStatus } from "../admin/api.ts";
import type { Control } from "../control.ts";
import type { Bfd } from "../parts/bfd.ts";
import type { Routing } from "../parts/routing.ts";
import { bgpStatus, ospfStatus } from "./routing-status.ts";

interface RoutedParts {
  readonly routing: Routing;
  readonly bfd: Bfd;
}

export function routedStatus(
  vip: Vip,
  { routing, bfd }: RoutedParts,
  { desired }: Control,
  condition: Condition | undefined,
): Omit<VipStatus, "name" | "mode" | "addresses"> {
  const { name } = vip.metadata;
  const planned = desired?.routing?.vips.find((each) => each.name === name);
  const reported = routing.vips.get(name);
  return {
    ifname: planned === undefined ? "" : "lo",
    state: reported?.report.state ?? "unknown",
    // Nobody owns what several hosts may announce.
    owner: undefined,
    term: 0,
    why: reported?.report.why ?? condition?.message ?? "",
    eligible: planned?.eligible ?? false,
    eligibleWhy: planned?.why ?? condition?.code ?? "",
    priority: 0,
    conflictWith: undefined,
    since: reported?.since,
    failovers: 0,
    neighbors:
      planned === undefined ? [] : vip.spec.mode === "BGP" ? peersOf(planned.addresses, routing, bfd) : ospfOf(routing),
  };
}

function peersOf(addresses: readonly string[], routing: Routing, bfd: Bfd): readonly VipNeighbor[] {
  const networks = routing.plan?.bgp?.networks.filter(({ prefix }) => addresses.includes(prefix)) ?? [];
  return bgpStatus(routing, bfd)
    .peers.filter(({ name }) => networks.some(({ peers }) => peers === undefined || peers.includes(name)))
    .map(({ name, state, bfd }) => ({ name, state, bfd }));
}

function ospfOf(routing: Routing): readonly VipNeighbor[] {
  return ospfStatus(routing).interfaces.flatMap(({ version, ifname, neighbors }) =>
    neighbors.map(({ routerId, state, bfd }) => ({ name: `OSPFv${version} ${routerId} on ${ifname}`, state, bfd })),
  );
}
