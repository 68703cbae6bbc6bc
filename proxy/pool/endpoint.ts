/** One server of a backend as this worker sees it: health, balance credit, idle connections, connections in use. */
import { seconds } from "../../base/unit.ts";
import type { Endpoint as Address } from "../../netstack/kernel/loop.ts";
import type { Member } from "../balance/round-robin.ts";
import type { TrafficClass } from "../classes.ts";
import type { UpstreamCounters } from "../stats.ts";
import { Timed, ticksOf, type Wheel } from "../wheel.ts";
import { Idle, type Pooled } from "./idle.ts";

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
  /** Of active and idle together; 0 = no limit. */
  maxConnections = 0;
  #failures = 0;
  readonly #idle = new Idle();

  constructor(key: string, address: Address, weight: number, counters: UpstreamCounters) {
    super();
    this.key = key;
    this.address = address;
    this.weight = weight;
    this.counters = counters;
  }

  /** Kept connections that nobody uses. */
  get idle(): number {
    return this.#idle.count;
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

  /**
   * A kept connection of this class (undefined: of none), counted as active.  Without one, room is made for a new one
   * where connections of other classes have taken it.
   */
  take(of: TrafficClass | undefined): Pooled | undefined {
    const kept = this.#idle.take(of);
    if (kept !== undefined) this.active++;
    else if (this.maxConnections > 0 && this.active + this.idle >= this.maxConnections) {
      this.trim(this.idle - 1, Number.POSITIVE_INFINITY);
    }
    return kept;
  }
  /** An active connection becomes idle. */
  put(connection: Pooled, tick: number): void {
    this.active--;
    this.#idle.put(connection, tick);
  }
  remove(connection: Pooled): void {
    this.#idle.remove(connection);
  }
  /** Closes idle connections of classes that are no longer configured. */
  retireGone(): void {
    this.#idle.retireGone();
  }
  /** Closes the oldest idle connections until `keep` are left, only those idle since `tick` or before; returns the number closed. */
  trim(keep: number, tick: number): number {
    let closed = 0;
    while (this.idle > keep) {
      const oldest = this.#idle.oldest();
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
