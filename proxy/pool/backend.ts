/**
 * A backend of this worker: its endpoints, whom the next request goes to, and who waits while all endpoints are at
 * `maxConnsPerHost`.  Waiting is first come, first served, and bounded.
 */
import { pick } from "../balance/round-robin.ts";
import type { BackendConfig } from "../config.ts";
import { latin1 } from "../http1/octets.ts";
import type { BackendCounters } from "../stats.ts";
import { type Ticks, ticksOf } from "../wheel.ts";
import type { Endpoint } from "./endpoint.ts";

/** An exchange that waits for a connection; the links belong to the backend. */
export interface Waiter {
  ahead: Waiter | undefined;
  after: Waiter | undefined;
  waiting: boolean;
  /** `endpoint` has room now; called once, the waiter is out of the queue. */
  granted(endpoint: Endpoint): void;
}

export class Backend {
  readonly name: string;
  readonly counters: BackendCounters;
  endpoints: readonly Endpoint[] = [];
  /** Host for requests that name none: the backend's first endpoint. */
  hostText: Uint8Array = latin1("localhost");
  hits = 0;
  misses = 0;
  connectTicks: Ticks = 0;
  idleTicks: Ticks = 0;
  keepTicks: Ticks = 0;
  #maxIdle = 0;
  #maxIdlePerHost = 0;
  #first: Waiter | undefined = undefined;
  #last: Waiter | undefined = undefined;
  #waiters = 0;

  constructor(name: string, counters: BackendCounters) {
    this.name = name;
    this.counters = counters;
  }

  /** Takes the settings of `config`, and `endpoints` for it. */
  configure(config: BackendConfig, endpoints: readonly Endpoint[]): void {
    this.endpoints = endpoints;
    const first = endpoints[0];
    if (first !== undefined) this.hostText = latin1(first.key);
    this.connectTicks = ticksOf(config.connectTimeout);
    this.idleTicks = ticksOf(config.idleTimeout);
    this.keepTicks = ticksOf(config.pool.idleConnTimeout);
    this.#maxIdle = config.pool.maxIdleConns;
    this.#maxIdlePerHost = config.pool.maxIdleConnsPerHost;
    for (const endpoint of endpoints) endpoint.maxConnections = config.pool.maxConnsPerHost;
    this.freed();
  }

  /** The endpoint for the next request, which has room for it; passes over `not`, and if it can what is avoided. */
  choose(not?: Endpoint): Endpoint | undefined {
    if (not !== undefined) not.skipped = true;
    const chosen = pick(this.endpoints) ?? this.#chooseAvoided();
    if (not !== undefined) not.skipped = false;
    return chosen;
  }
  #chooseAvoided(): Endpoint | undefined {
    const { endpoints } = this;
    if (!endpoints.some((endpoint) => endpoint.avoided)) return undefined;
    for (const endpoint of endpoints) endpoint.needed = true;
    const chosen = pick(endpoints);
    for (const endpoint of endpoints) endpoint.needed = false;
    return chosen;
  }
  /** Some endpoint is not known to be down, whether or not it has room. */
  get up(): boolean {
    const { endpoints } = this;
    for (let index = 0; index < endpoints.length; index++) if (endpoints[index]?.healthy !== false) return true;
    return false;
  }

  /** False when too many wait already. */
  wait(waiter: Waiter): boolean {
    if (this.#waiters >= MAX_WAITERS) return false;
    this.#waiters++;
    waiter.waiting = true;
    waiter.ahead = this.#last;
    waiter.after = undefined;
    if (this.#last === undefined) this.#first = waiter;
    else this.#last.after = waiter;
    this.#last = waiter;
    return true;
  }
  unwait(waiter: Waiter): void {
    const { ahead, after } = waiter;
    if (ahead === undefined) this.#first = after;
    else ahead.after = after;
    if (after === undefined) this.#last = ahead;
    else after.ahead = ahead;
    waiter.ahead = waiter.after = undefined;
    waiter.waiting = false;
    this.#waiters--;
  }
  /** A connection or an endpoint has become free: serves those who wait. */
  freed(): void {
    while (this.#first !== undefined) {
      const endpoint = this.choose();
      if (endpoint === undefined) return;
      const waiter = this.#first;
      this.unwait(waiter);
      waiter.granted(endpoint);
    }
  }

  /**
   * Closes idle connections beyond the limits.  Called once a second and sparing those used within it, so that a busy
   * backend does not close and open connections in every turn; under load the pool may hold more for a moment.
   */
  trim(tick: number): void {
    const since = tick - SPARED;
    let idle = 0;
    for (const endpoint of this.endpoints) {
      endpoint.trim(this.#maxIdlePerHost, since);
      idle += endpoint.idle;
    }
    for (const endpoint of this.endpoints) {
      if (idle <= this.#maxIdle) return;
      idle -= endpoint.trim(Math.max(0, endpoint.idle - (idle - this.#maxIdle)), since);
    }
  }
  /** [active, idle, hits, misses] */
  pools(): readonly [number, number, number, number] {
    let active = 0;
    let idle = 0;
    for (const endpoint of this.endpoints) {
      active += endpoint.active;
      idle += endpoint.idle;
    }
    return [active, idle, this.hits, this.misses];
  }
}

const MAX_WAITERS = 1024;
const SPARED = 10; // ticks
