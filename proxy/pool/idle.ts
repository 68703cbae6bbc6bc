/**
 * Kept connections of one endpoint that nobody uses: a stack for each traffic class, because a flow keeps the class it
 * began with.  Where no class exists there is one stack.
 */
import type { TrafficClass } from "../classes.ts";
import { Timed } from "../wheel.ts";

/** A kept connection as its pool sees it; the links belong to the stack. */
export abstract class Pooled extends Timed {
  /** Of its flow; undefined: whatever the host's ruleset makes of it. */
  readonly class: TrafficClass | undefined;
  newer: Pooled | undefined = undefined;
  older: Pooled | undefined = undefined;
  pooled = false;
  /** The tick at which it became idle. */
  idleAt = 0;
  constructor(of: TrafficClass | undefined) {
    super();
    this.class = of;
  }
  /** Closes the connection, which is not in the pool any more. */
  abstract retire(): void;
}

export class Idle {
  count = 0;
  readonly #plain = new Stack();
  readonly #classed = new Map<TrafficClass, Stack>();

  put(connection: Pooled, tick: number): void {
    this.count++;
    connection.pooled = true;
    connection.idleAt = tick;
    this.#stack(connection.class).push(connection);
  }
  /** Takes out the one of this class that has been idle for the shortest time: the most likely to be alive. */
  take(of: TrafficClass | undefined): Pooled | undefined {
    const { newest } = this.#stack(of);
    if (newest !== undefined) this.remove(newest);
    return newest;
  }
  remove(connection: Pooled): void {
    this.#stack(connection.class).remove(connection);
    connection.pooled = false;
    this.count--;
  }
  /** The one that has been idle for the longest time, of any class. */
  oldest(): Pooled | undefined {
    let { oldest } = this.#plain;
    for (const stack of this.#classed.values()) {
      if (stack.oldest !== undefined && (oldest === undefined || stack.oldest.idleAt < oldest.idleAt)) {
        oldest = stack.oldest;
      }
    }
    return oldest;
  }
  /** Closes those whose class is no longer configured. */
  retireGone(): void {
    for (const [of, stack] of this.#classed) {
      if (!of.gone) continue;
      for (let each = stack.oldest; each !== undefined; each = stack.oldest) {
        this.remove(each);
        each.retire();
      }
      this.#classed.delete(of);
    }
  }

  #stack(of: TrafficClass | undefined): Stack {
    if (of === undefined) return this.#plain;
    let stack = this.#classed.get(of);
    if (stack === undefined) this.#classed.set(of, (stack = new Stack()));
    return stack;
  }
}

class Stack {
  newest: Pooled | undefined = undefined;
  oldest: Pooled | undefined = undefined;

  push(connection: Pooled): void {
    connection.newer = undefined;
    connection.older = this.newest;
    if (this.newest === undefined) this.oldest = connection;
    else this.newest.newer = connection;
    this.newest = connection;
  }
  remove(connection: Pooled): void {
    const { newer, older } = connection;
    if (newer === undefined) this.newest = older;
    else newer.older = older;
    if (older === undefined) this.oldest = newer;
    else older.newer = newer;
    connection.newer = connection.older = undefined;
  }
}
