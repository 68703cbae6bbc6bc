/**
 * Counters of one data-plane process.  The hot path adds to slots of typed arrays; the keys that control wants are made
 * once a second in `snapshot`.
 */
import { type DataplaneStats, DURATION_BUCKETS } from "./control.ts";
import { CONNECT, methodName } from "./http1/method.ts";

/** What became of an attempt to use an endpoint. */
export type UpstreamResult =
  | "ok"
  | "connect-failed"
  | "connect-timeout"
  | "reset"
  | "idle-timeout"
  | "bad-response"
  | "retried";

/** Counters of one backend. */
export class BackendCounters {
  readonly requests = new Float64Array(METHODS * CLASSES);
  readonly buckets = new Float64Array(DURATION_BUCKETS.length + 1);
  seconds = 0;

  /** `method` is a number of http1/method.ts. */
  count(method: number, status: number, seconds: number): void {
    const at = method * CLASSES + Math.min(Math.max(Math.trunc(status / 100), 1), CLASSES) - 1;
    this.requests[at] = (this.requests[at] as number) + 1;
    let bucket = 0;
    while (bucket < DURATION_BUCKETS.length && seconds > (DURATION_BUCKETS[bucket] as number)) bucket++;
    this.buckets[bucket] = (this.buckets[bucket] as number) + 1;
    this.seconds += seconds;
  }
}

export class UpstreamCounters {
  readonly results = new Float64Array(RESULTS.length);

  count(result: UpstreamResult): void {
    const at = RESULTS.indexOf(result);
    this.results[at] = (this.results[at] as number) + 1;
  }
}

export class Stats {
  connections = 0;
  connectionsTotal = 0;
  requestsInFlight = 0;
  readonly refused = new Map<string, number>();
  /** Requests that reached no backend: its name is empty. */
  readonly none: BackendCounters;
  readonly #backends = new Map<string, BackendCounters>();
  readonly #upstreams = new Map<string, UpstreamCounters>();

  constructor() {
    this.none = this.backend("");
  }

  /** The same counters for the same name for ever: they are monotonic across reloads. */
  backend(name: string): BackendCounters {
    return existing(this.#backends, name, () => new BackendCounters());
  }
  upstream(backend: string, endpoint: string): UpstreamCounters {
    return existing(this.#upstreams, `${backend}|${endpoint}`, () => new UpstreamCounters());
  }
  refuse(reason: string): void {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1);
  }

  snapshot(pools: DataplaneStats["pools"]): DataplaneStats {
    const requests: Record<string, number> = {};
    const durations: Record<string, readonly number[]> = {};
    const upstream: Record<string, number> = {};
    for (const [name, counters] of this.#backends) {
      counters.requests.forEach((count, at) => {
        if (count === 0) return;
        requests[`${methodName(Math.trunc(at / CLASSES))}|${(at % CLASSES) + 1}xx|${name}`] = count;
      });
      let sum = 0;
      const cumulative = Array.from(counters.buckets, (count) => (sum += count));
      if (sum > 0) durations[name] = [...cumulative.slice(0, DURATION_BUCKETS.length), counters.seconds];
    }
    for (const [key, counters] of this.#upstreams) {
      counters.results.forEach((count, at) => {
        if (count > 0) upstream[`${key}|${RESULTS[at]}`] = count;
      });
    }
    return {
      connections: this.connections,
      requestsInFlight: this.requestsInFlight,
      connectionsTotal: this.connectionsTotal,
      requests,
      durations,
      upstream,
      pools,
      refused: Object.fromEntries(this.refused),
    };
  }
}

function existing<V>(map: Map<string, V>, key: string, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}

/** A method that is not in the table counts as "OTHER", so that a client cannot make keys. */
const METHODS = CONNECT + 1;
const CLASSES = 5; // 1xx to 5xx
const RESULTS: readonly UpstreamResult[] = [
  "ok",
  "connect-failed",
  "connect-timeout",
  "reset",
  "idle-timeout",
  "bad-response",
  "retried",
];
