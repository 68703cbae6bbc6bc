/**
 * Every decision with its reasons, said once: into the ring that the admin API reads, into the log, and to whoever
 * follows.  A follower must be quick; one that throws is a bug of ours and is not shielded.
 */
import type { Fields, Level, Log } from "../base/log.ts";
import type { AdminEvent } from "./admin/api.ts";

const RING_SIZE = 1_000;

export class Events {
  #seq = 0;
  readonly #ring: AdminEvent[] = [];
  readonly #followers = new Set<(event: AdminEvent) => void>();
  readonly #log: Log;
  readonly #wall: () => number;

  constructor(log: Log, wall: () => number) {
    this.#log = log;
    this.#wall = wall;
  }

  emit(name: string, told: Fields = {}, level: Level = "info"): void {
    // A child names the weight of an event among its fields: said once, it is not one of them.
    const { level: _weight, ...fields } = told;
    const event: AdminEvent = { seq: ++this.#seq, at: this.#wall(), level, name, fields };
    this.#ring.push(event);
    if (this.#ring.length > RING_SIZE) this.#ring.shift();
    this.#log[level](name, fields);
    for (const follow of this.#followers) follow(event);
  }

  /** The newest `limit` events with a number above `after`, oldest first. */
  since(after: number, limit: number = RING_SIZE): readonly AdminEvent[] {
    const found = this.#ring.filter((event) => event.seq > after);
    return limit < found.length ? found.slice(found.length - limit) : found;
  }

  follow(on: (event: AdminEvent) => void): Disposable {
    this.#followers.add(on);
    return { [Symbol.dispose]: () => void this.#followers.delete(on) };
  }
}
