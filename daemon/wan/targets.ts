/** Whom to ask for the path MTU of a link: the far ends of its tunnels, then servers on the internet. */
import { type Ip, parseIp } from "../../base/address.ts";
import type { TunnelReport, UnderlayPlan } from "../../sdwan/underlay-plan.ts";

type Ends = Pick<TunnelReport, "link" | "endpoint">;

/** By link; a few, since each costs packets all the time. */
export function targetsOf(
  plan: Pick<UnderlayPlan, "links" | "stun">,
  tunnels: readonly Ends[],
): ReadonlyMap<string, readonly Ip[]> {
  const servers = plan.stun.servers.flatMap((each) => endpointOf(each) ?? []);
  return new Map(
    plan.links.map(({ name }) => {
      const ends = tunnels.filter(({ link }) => link === name).flatMap(({ endpoint }) => endpointOf(endpoint) ?? []);
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

/** "192.0.2.1:51820", "[2001:db8::1]:51820"; undefined of names. */
export function endpointOf(text: string | undefined): Ip | undefined {
  const host = text === undefined ? undefined : /^\[(.*)\]:\d+$|^([\d.]+):\d+$/.exec(text);
  const parsed = parseIp(host?.[1] ?? host?.[2] ?? "");
  return parsed.ok ? parsed.value : undefined;
}

const MOST = 8;
