/** One listening socket of this worker, with the configuration that its next request meets. */
import type { Acceptor, Fd, Stream, StreamHandler } from "../netstack/kernel/loop.ts";
import { Downstream } from "./downstream.ts";
import type { Site } from "./site.ts";
import type { Traffic } from "./traffic.ts";

export class Listener implements Acceptor {
  readonly key: string;
  /** Replaced by a reload, between turns. */
  site: Site;
  /** Every connection ends with its next answer. */
  closing = false;
  readonly #traffic: Traffic;
  readonly #accepting: Disposable;
  readonly #connections = new Set<Downstream>();
  readonly #emptied: () => void;
  #stopped = false;

  /** Takes `fd`.  `emptied` is called whenever the last connection has gone. */
  constructor(traffic: Traffic, key: string, fd: Fd, site: Site, emptied: () => void) {
    this.#traffic = traffic;
    this.key = key;
    this.site = site;
    this.#emptied = emptied;
    this.#accepting = traffic.loop.accept(fd, this);
  }

  get connections(): number {
    return this.#connections.size;
  }

  accepted(stream: Stream): StreamHandler | undefined {
    const { stats, maxConnections } = this.#traffic;
    if (stats.connections >= maxConnections) {
      stats.refuse("too-many-connections");
      return undefined;
    }
    stats.connections++;
    stats.connectionsTotal++;
    const connection = new Downstream(this.#traffic, this, stream);
    this.#connections.add(connection);
    return connection;
  }
  refused(): void {
    this.#traffic.stats.refuse("accept-failed");
  }

  left(connection: Downstream): void {
    if (!this.#connections.delete(connection)) return;
    this.#traffic.stats.connections--;
    if (this.#connections.size === 0) this.#emptied();
  }

  /** Accepts no more; what is connected gets one more answer. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.closing = true;
    this.#accepting[Symbol.dispose]();
  }
  /** What is connected, and what still comes, gets one more answer each. */
  hush(): void {
    this.closing = true;
  }
  /** Closes connections that have no request under way, those first that have been quiet for `ticks`. */
  retireIdle(ticks: number): void {
    for (const connection of this.#connections) if (connection.quietFor(ticks)) connection.retire();
  }
  /** Ends everything at once. */
  abort(): void {
    for (const connection of this.#connections) connection.cut(false);
  }
}
