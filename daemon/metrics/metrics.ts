/**
 * The daemon's metrics, under the names that the seeds document; where their code said it differently, under both
 * (reference: docs/metrics.md).  A pure function of the status and the counters: the HTTP side is ports.ts.
 */
import { hostAndPort } from "../../base/address.ts";
import { type DataplaneStats, DURATION_BUCKETS } from "../../proxy/control.ts";
import type { Status } from "../admin/api.ts";
import { counter, type Family, gauge, histogram, type Sample, sample } from "./exposition.ts";
import { type RoutingMeasured, routingFamilies } from "./routing.ts";
import { type WanMeasured, wanFamilies } from "./wan.ts";

export interface Measured {
  readonly status: Status;
  readonly stats: DataplaneStats;
  readonly reloads: { readonly accepted: number; readonly refused: number };
  readonly routing: RoutingMeasured;
  readonly wan: WanMeasured;
}

export function families({ status, stats, reloads, routing, wan }: Measured): readonly Family[] {
  return [
    ...daemonFamilies(status, reloads),
    ...vipFamilies(status),
    ...routingFamilies(routing),
    ...wanFamilies(wan),
    ...backendFamilies(status),
    ...proxyFamilies(stats),
  ];
}

/** Data planes of an earlier control ("dataplane/0@4711") are on their way out: no alert, and no series for each. */
function stays({ name }: Status["processes"][number]): boolean {
  return !name.includes("@");
}

function daemonFamilies(status: Status, reloads: Measured["reloads"]): readonly Family[] {
  const each = (value: (process: Status["processes"][number]) => number | undefined): readonly Sample[] =>
    status.processes.filter(stays).flatMap((process) => {
      const found = value(process);
      return found === undefined ? [] : [sample({ process: process.name }, found)];
    });
  return [
    gauge("novaedge_build_info", "Version of the running daemon.", [
      sample({ version: status.version, node: status.node }, 1),
    ]),
    gauge("novaedge_uptime_seconds", "Time since the daemon started.", [sample({}, status.uptime / 1000)]),
    gauge(
      "novaedge_process_up",
      "1 while the process answers.",
      each(({ state }) => (state === "up" ? 1 : 0)),
    ),
    counter(
      "novaedge_process_restarts_total",
      "Restarts of a process by the supervisor.",
      each(({ restarts }) => restarts),
    ),
    gauge(
      "novaedge_process_resident_memory_bytes",
      "Resident memory of a process.",
      each(({ memory }) => memory),
    ),
    gauge("novaedge_config_generation", "Counts the configurations taken into force.", [
      sample({}, status.configuration.generation),
    ]),
    counter("novaedge_config_reloads_total", "Attempts to load the configuration, by result.", [
      sample({ result: "accepted" }, reloads.accepted),
      sample({ result: "refused" }, reloads.refused),
    ]),
    gauge("novaedge_config_refused", "1 while the files on disk are refused and an older configuration runs.", [
      sample({}, status.configuration.problems.some(({ severity }) => severity === "error") ? 1 : 0),
    ]),
    gauge(
      "novaedge_condition",
      "Conditions that hold now.",
      status.conditions.map(({ code, severity, subject }) => sample({ code, severity, subject }, 1)),
    ),
  ];
}

function vipFamilies({ vips, peers }: Status): readonly Family[] {
  const owned = vips.filter(({ mode }) => mode === "L2ARP");
  const serves = (state: string): number => (state === "owner" || state === "announced" ? 1 : 0);
  const bound = vips.map(({ name, state }) => sample({ vip_name: name }, state === "bound" ? 1 : serves(state)));
  return [
    gauge(
      "novaedge_vip_status",
      "1 while this node owns or announces the virtual IP.",
      vips.flatMap(({ name, mode, addresses, state }) =>
        addresses.map((address) => sample({ vip_name: name, address, mode }, serves(state))),
      ),
    ),
    gauge("novaedge_vip_bound", "1 while the virtual IP is bound on this node.", bound),
    counter(
      "novaedge_vip_failovers_total",
      "Changes of owner that this node has seen.",
      owned.map(({ name, failovers }) => sample({ vip_name: name }, failovers)),
    ),
    gauge(
      "novaedge_vip_eligible",
      "1 while the health gate admits the virtual IP on this node.",
      vips.map(({ name, eligible }) => sample({ vip_name: name }, eligible ? 1 : 0)),
    ),
    gauge(
      "novaedge_vip_term",
      "Term of the virtual IP's ownership; rises with each take-over.",
      owned.map(({ name, term }) => sample({ vip_name: name }, term)),
    ),
    gauge(
      "novaedge_vip_peer_up",
      "1 while the peer is heard and hears us.",
      peers.map(({ node, ifname, state }) => sample({ peer: node, interface: ifname }, state === "up" ? 1 : 0)),
    ),
  ];
}

function backendFamilies({ backends }: Status): readonly Family[] {
  const health = backends.flatMap(({ name, endpoints }) =>
    endpoints
      .filter(({ health }) => health === "healthy" || health === "unhealthy")
      .map((endpoint) =>
        sample(
          { cluster: name, endpoint: hostAndPort(endpoint.address, endpoint.port) },
          endpoint.health === "healthy" ? 1 : 0,
        ),
      ),
  );
  return named(["novaedge_backend_health_status", "novaedge_backend_healthy"], (name) =>
    gauge(name, "1 while the endpoint passes its health check.", health),
  );
}

function proxyFamilies(stats: DataplaneStats): readonly Family[] {
  const requests = Object.entries(stats.requests).map(([key, value]) => {
    const [method = "", statusClass = "", cluster = ""] = key.split("|");
    return sample({ method, status_class: statusClass, cluster }, value);
  });
  const durations = Object.entries(stats.durations).flatMap(([cluster, row]) => durationSamples(stats, cluster, row));
  const pool = (value: (row: readonly [number, number, number, number]) => number): readonly Sample[] =>
    Object.entries(stats.pools).map(([cluster, row]) => sample({ cluster }, value(row)));
  return [
    ...named(["novaedge_http_requests_total", "novaedge_requests_total"], (name) =>
      counter(name, "Requests answered.", requests),
    ),
    ...named(["novaedge_http_request_duration_seconds", "novaedge_request_duration_seconds"], (name) => ({
      name,
      type: "histogram",
      help: "From the request's head to the response's end.",
      samples: durations,
    })),
    gauge("novaedge_http_requests_in_flight", "Requests under way.", [sample({}, stats.requestsInFlight)]),
    gauge("novaedge_connections", "Client connections open.", [sample({}, stats.connections)]),
    counter("novaedge_connections_total", "Client connections accepted.", [sample({}, stats.connectionsTotal)]),
    counter(
      "novaedge_http_requests_refused_total",
      "Requests refused before routing, by reason.",
      Object.entries(stats.refused).map(([reason, value]) => sample({ reason }, value)),
    ),
    counter(
      "novaedge_backend_requests_total",
      "Requests sent to an endpoint, by result.",
      Object.entries(stats.upstream).map(([key, value]) => {
        const [cluster = "", endpoint = "", result = ""] = key.split("|");
        return sample({ cluster, endpoint, result }, value);
      }),
    ),
    ...named(["novaedge_pool_active_connections", "novaedge_backend_connections_active"], (name) =>
      gauge(
        name,
        "Upstream connections that carry a request.",
        pool(([active]) => active),
      ),
    ),
    gauge(
      "novaedge_pool_idle_connections",
      "Idle upstream connections.",
      pool(([, idle]) => idle),
    ),
    gauge(
      "novaedge_pool_connections_total",
      "Upstream connections open.",
      pool(([active, idle]) => active + idle),
    ),
    counter(
      "novaedge_pool_hits_total",
      "Requests that found an idle connection.",
      pool(([, , hits]) => hits),
    ),
    counter(
      "novaedge_pool_misses_total",
      "Requests that had to open a connection.",
      pool(([, , , misses]) => misses),
    ),
  ];
}

/** A row is one cumulative count per bucket, then the sum; the count of +Inf is the number of the cluster's requests. */
function durationSamples(stats: DataplaneStats, cluster: string, row: readonly number[]): readonly Sample[] {
  const bounds = DURATION_BUCKETS.length;
  const counted = Object.entries(stats.requests)
    .filter(([key]) => key.split("|")[2] === cluster)
    .reduce((total, [, value]) => total + value, 0);
  const total = Math.max(counted, row[bounds - 1] ?? 0);
  return histogram({ cluster }, DURATION_BUCKETS, row.slice(0, bounds), total, row.at(-1) ?? 0);
}

function named(names: readonly string[], family: (name: string) => Family): readonly Family[] {
  return names.map(family);
}
