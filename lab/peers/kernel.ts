/** What a host's kernel routes now: the only proof that a route arrived where packets are. */
import type { Host } from "../host.ts";

export interface KernelRoute {
  readonly prefix: string;
  /** "bgp", "ospf", "bird", "186" … */
  readonly protocol: string;
  readonly metric: number | undefined;
  /** Gateways, or interfaces where there is none. */
  readonly via: readonly string[];
}

/** The routes to exactly `prefix`, with its length ("192.0.2.1/32"). */
export async function kernelRoutes(host: Host, prefix: string): Promise<readonly KernelRoute[]> {
  const family = prefix.includes(":") ? "-6" : "-4";
  const { stdout } = await host.exec("ip", ["-j", family, "route", "show", "table", "main", "exact", prefix]);
  const rows = JSON.parse(stdout === "" ? "[]" : stdout) as readonly IpRoute[];
  return rows.map((row) => ({
    prefix,
    protocol: row.protocol ?? "boot",
    metric: row.metric,
    via: (row.nexthops ?? [row]).map((hop) => hop.gateway ?? hop.via?.host ?? hop.dev ?? "").sort(),
  }));
}

interface IpHop {
  readonly gateway?: string;
  readonly dev?: string;
  /** RFC 8950: another family's gateway. */
  readonly via?: { readonly host?: string };
}
interface IpRoute extends IpHop {
  readonly protocol?: string;
  readonly metric?: number;
  readonly nexthops?: readonly IpHop[];
}
