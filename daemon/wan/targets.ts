/** What measuring needs to know of the plan and the tunnels: whom to ask for path MTUs, and with whom to try bandwidth. */
import type { Ip } from "../../base/address.ts";
import { parseEndpoint } from "../../base/endpoint.ts";
import type { BandwidthDevice, BandwidthPlan } from "../../sdwan/link/driver/bandwidth.ts";
import type { TunnelReport, UnderlayPlan } from "../../sdwan/underlay-plan.ts";

export type Way = Pick<TunnelReport, "ifname" | "link" | "endpoint">;

/** Where packets of the tunnels go: as it was told, or as it is planned while nothing was. */
export function waysOf(plan: Pick<UnderlayPlan, "tunnels">, told: readonly TunnelReport[]): readonly Way[] {
  return plan.tunnels.flatMap(({ ifname, link, peers }) =>
    peers.map(({ site, endpoint }) => {
      const report = told.find((each) => each.ifname === ifname && each.site === site);
      return { ifname, link, endpoint: report?.endpoint ?? endpoint };
    }),
  );
}

/** By link; a few, since each costs packets all the time. */
export function targetsOf(
  plan: Pick<UnderlayPlan, "links" | "stun">,
  ways: readonly Way[],
): ReadonlyMap<string, readonly Ip[]> {
  const servers = plan.stun.servers.flatMap((each) => addressIn(each) ?? []);
  return new Map(
    plan.links.map(({ name }) => {
      const ends = ways.filter(({ link }) => link === name).flatMap(({ endpoint }) => addressIn(endpoint) ?? []);
      // In the same order whatever came first, so that the same ones are asked.
      const sorted = [...new Set(ends)].sort((a, b) => (String(a) < String(b) ? -1 : 1));
      return [name, [...new Set([...sorted.slice(0, MOST - 1), ...servers])].slice(0, MOST)];
    }),
  );
}

/** What passes to all of them, as far as it is known. */
export function pathMtuOf(ends: readonly Ip[], known: (target: Ip) => number | undefined): number | undefined {
  const found = ends.flatMap((end) => known(end) ?? []);
  return found.length === 0 ? undefined : Math.min(...found);
}

/** The address in "192.0.2.1:51820", "[2001:db8::1]:51820"; undefined of names. */
export function addressIn(endpoint: string | undefined): Ip | undefined {
  const read = parseEndpoint(endpoint ?? "");
  return read.ok ? read.value.ip : undefined;
}

/** Trains go between overlay addresses, to the port after that of the rendezvous (before it, when that is the last). */
export function bandwidthPlanOf({ rendezvous }: Pick<UnderlayPlan, "rendezvous">): BandwidthPlan | undefined {
  return rendezvous === undefined
    ? undefined
    : { ...rendezvous, port: rendezvous.port < 65_535 ? rendezvous.port + 1 : rendezvous.port - 1 };
}

/** One device for each link and site: twins for another DSCP lead to the same line. */
export function devicesOf(
  plan: Pick<UnderlayPlan, "tunnels">,
  tunnels: readonly TunnelReport[],
): readonly BandwidthDevice[] {
  return plan.tunnels.flatMap(({ ifname, link, dscp }): readonly BandwidthDevice[] => {
    const own = tunnels.filter((each) => each.ifname === ifname);
    const [first] = own;
    if (dscp !== 0 || first === undefined) return [];
    const sites = own.filter(({ state, via }) => state === "up" && via === "direct").map(({ site }) => site);
    const overhead = own.some(({ endpoint }) => endpoint?.startsWith("[") === true) ? OVERHEAD_6 : OVERHEAD_4;
    return [{ ifname, link, mtu: first.mtu, overhead, sites }];
  });
}

const MOST = 4;
/** IP, UDP and WireGuard's own header and tag. */
const OVERHEAD_4 = 60;
const OVERHEAD_6 = 80;
