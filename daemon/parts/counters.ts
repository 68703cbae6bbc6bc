/**
 * Counters of all data planes as one: sums over workers, and monotonic over a worker's restart (its process counts from
 * zero again, so what the dead one had counted is kept).  Gauges of a dead worker go.
 */
import type { DataplaneStats } from "../../proxy/control.ts";

type Counts = Readonly<Record<string, number>>;
type Rows = Readonly<Record<string, readonly number[]>>;

export const NO_STATS: DataplaneStats = {
  connections: 0,
  requestsInFlight: 0,
  connectionsTotal: 0,
  requests: {},
  durations: {},
  upstream: {},
  pools: {},
  refused: {},
};

export class Counters {
  readonly #live = new Map<string, DataplaneStats>();
  /** Totals of processes that ended. */
  #past = NO_STATS;

  update(worker: string, stats: DataplaneStats): void {
    this.#live.set(worker, stats);
  }

  /** The worker's process ended. */
  ended(worker: string): void {
    const last = this.#live.get(worker);
    if (last === undefined) return;
    this.#live.delete(worker);
    this.#past = add(this.#past, withoutGauges(last));
  }

  total(): DataplaneStats {
    return [...this.#live.values()].reduce(add, this.#past);
  }
}

function withoutGauges(stats: DataplaneStats): DataplaneStats {
  const pools = Object.entries(stats.pools).map(([key, [, , hits, misses]]) => [key, [0, 0, hits, misses]] as const);
  return { ...stats, connections: 0, requestsInFlight: 0, pools: Object.fromEntries(pools) };
}

function add(a: DataplaneStats, b: DataplaneStats): DataplaneStats {
  return {
    connections: a.connections + b.connections,
    requestsInFlight: a.requestsInFlight + b.requestsInFlight,
    connectionsTotal: a.connectionsTotal + b.connectionsTotal,
    requests: addCounts(a.requests, b.requests),
    durations: addRows(a.durations, b.durations),
    upstream: addCounts(a.upstream, b.upstream),
    pools: addRows(a.pools, b.pools) as DataplaneStats["pools"],
    refused: addCounts(a.refused, b.refused),
  };
}

function addCounts(a: Counts, b: Counts): Counts {
  const sum: Record<string, number> = { ...a };
  for (const [key, value] of Object.entries(b)) sum[key] = (sum[key] ?? 0) + value;
  return sum;
}

function addRows(a: Rows, b: Rows): Rows {
  const sum: Record<string, readonly number[]> = { ...a };
  for (const [key, row] of Object.entries(b)) {
    const have = sum[key];
    sum[key] = have === undefined ? row : row.map((value, index) => value + (have[index] ?? 0));
  }
  return sum;
}
