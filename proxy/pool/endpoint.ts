/** One server of a backend as this worker sees it: health, balance credit, idle connections, connections in use. */

import { seconds } from "../../base/unit.ts";
import type { Endpoint as Address } from "../../netstack/kernel/loop.ts";
import type { Member } from "../balance/round-robin.ts";
import type { UpstreamCounters } from "../stats.ts";
import { Timed, ticksOf, type Wheel } from "../wheel.ts";

/** A kept connection as its pool sees it; the links belong to the endpoint. */
export abstract class Pooled extends Timed {
  newer: Pooled | undefined = undefined;
  older: Pooled | undefined = undefined;
  pooled = false;
  /** The tick at which it became idle. */
  idleAt = 0;
  /** Closes the connection, which is not in the pool any more. */
  abstract retire(): void;
}

export class Endpoint extends Timed implements Member {
  /** "address:port" */
  readonly key: string;
  readonly address: Address;
  readonly counters: UpstreamCounters;
  weight: number;
  credit = 0;
  /** undefined until the first check; such an endpoint is used. */
  healthy: boolean | undefined = undefined;
  /** No longer configured: finishes what it carries and what waits for it, keeps no connection. */
  gone = false;
  /** It could not be connected a moment ago: used only when no other is left. */
  avoided = false;
  /** Used all the same, because no other is left. */
  needed = false;
  /** Passed over while one exchange looks for another endpoint. */
  skipped = false;
  /** Connections being opened or carrying an exchange. */
  active = 0;
  idle = 0;
  /** Of active and idle together; 0 = no limit. */
  maxConnections = 0;
  #failures = 0;
  #newest: Pooled | undefined = undefined;
  #oldest: Pooled | undefined = undefined;

  constructor(key: string, address: Address, weight: number, counters: UpstreamCounters) {
    super();
    this.key = key;
    this.address = address;
    this.weight = weight;
    this.counters = counters;
  }

  /** A request could be sent now: over an idle connection or a new one. */
  usable(): boolean {
    if (this.healthy === false || this.skipped || (this.avoided && !this.needed)) return false;
    return this.idle > 0 || this.maxConnections === 0 || this.active < this.maxConnections;
  }

  /**
   * Connecting has failed: for a while, and longer each time, others are preferred.  Health checks may take long to see
   * it, and every request that tries meanwhile would wait for nothing.
   */
  avoid(wheel: Wheel): void {
    this.avoided = true;
    wheel.arm(this, ticksOf(seconds(Math.min(2 ** this.#failures, MOST_AVOIDED))));
    this.#failures++;
  }
  connected(wheel: Wheel): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.avoided = false;
    wheel.remove(this);
  }
  expired(): void {
    this.avoided = false;
  }

  /** The connection idle for the shortest time: the most likely to be alive. */
  take(): Pooled | undefined {
    const newest = this.#newest;
    if (newest !== undefined) {
      this.remove(newest);
      this.active++;
    }
    return newest;
  }
  /** An active connection becomes idle. */
  put(connection: Pooled, tick: number): void {
    this.active--;
    this.idle++;
    connection.pooled = true;
    connection.idleAt = tick;
    connection.newer = undefined;
    connection.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = connection;
    else this.#newest.newer = connection;
    this.#newest = connection;
  }
  remove(connection: Pooled): void {
    const { newer, older } = connection;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    connection.newer = connection.older = undefined;
    connection.pooled = false;
    this.idle--;
  }
  /** Closes the oldest idle connections until `keep` are left, only those idle since `tick` or before; returns the number closed. */
  trim(keep: number, tick: number): number {
    let closed = 0;
    while (this.idle > keep) {
      const oldest = this.#oldest;
      if (oldest === undefined || oldest.idleAt > tick) break;
      this.remove(oldest);
      oldest.retire();
      closed++;
    }
    return closed;
  }
}

/** Seconds. */
const MOST_AVOIDED = 30;
