/**
 * The configuration in force and its replacement.  A new one is compiled beside the old and swapped between turns:
 * exchanges under way finish under the rule they started with, unchanged listeners keep accepting, unchanged endpoints
 * keep their connections, health and balance.  Nothing is changed when any part does not compile.
 */
import { hostAndPort, parseIp } from "../base/address.ts";
import { err, ok, type Result } from "../base/result.ts";
import type { Endpoint as Address, Fd } from "../netstack/kernel/loop.ts";
import { type ClassTable, compileClasses, type TrafficClass } from "./classes.ts";
import type { BackendConfig, EndpointConfig, ProxyConfig } from "./config.ts";
import { Listener } from "./listener.ts";
import { Backend } from "./pool/backend.ts";
import { Endpoint } from "./pool/endpoint.ts";
import { compileSite, type Site } from "./site.ts";
import type { Traffic } from "./traffic.ts";

export interface Applied {
  /** Keys that accept now. */
  readonly listening: readonly string[];
  /** Keys whose socket has not come. */
  readonly missing: readonly string[];
}

export class Plane {
  readonly #traffic: Traffic;
  readonly #emptied: () => void;
  #backends = new Map<string, Backend>();
  readonly #listeners = new Map<string, Listener>();
  /** Removed listeners that still have connections. */
  readonly #leaving = new Set<Listener>();
  /** Listening sockets that no configuration has named yet. */
  readonly #sockets = new Map<string, { readonly fd: Fd; readonly tick: number }>();
  readonly #close: (fd: Fd) => void;

  /** `emptied` is called when a listener's last connection has gone; `close` closes a descriptor. */
  constructor(traffic: Traffic, close: (fd: Fd) => void, emptied: () => void) {
    this.#traffic = traffic;
    this.#close = close;
    this.#emptied = emptied;
  }

  get backends(): ReadonlyMap<string, Backend> {
    return this.#backends;
  }
  get connections(): number {
    let sum = 0;
    for (const listener of this.#listeners.values()) sum += listener.connections;
    for (const listener of this.#leaving) sum += listener.connections;
    return sum;
  }

  /** A listening socket for `key`; it accepts from the configuration on that names it. */
  socket(key: string, fd: Fd): void {
    const before = this.#sockets.get(key);
    if (before !== undefined) this.#close(before.fd);
    this.#sockets.set(key, { fd, tick: this.#traffic.wheel.tick });
  }

  apply(config: ProxyConfig): Result<Applied, object> {
    const backends = new Map<string, Backend>();
    for (const { name } of config.backends)
      backends.set(name, this.#backends.get(name) ?? new Backend(name, this.#traffic.stats.backend(name)));
    const sites = new Map<string, Site>();
    for (const listener of config.listeners) {
      const site = compileSite(listener, backends);
      if (!site.ok) return err({ listener: listener.key, ...site.error });
      sites.set(listener.key, site.value);
    }
    for (const backend of config.backends) {
      const bad = backend.endpoints.find(({ address }) => !parseIp(address).ok);
      if (bad !== undefined) return err({ kind: "endpoint-address", backend: backend.name, address: bad.address });
    }
    const before = this.#traffic.classes?.classes ?? [];
    const classes = compileClasses(config.classes ?? [], before);
    if (!classes.ok) return classes;
    this.#swapBackends(config.backends, backends);
    this.#swapClasses(before, classes.value);
    return ok(this.#swapListeners(sites));
  }

  /** The counters for control: backend → [active, idle, hits, misses]. */
  pools(): Record<string, readonly [number, number, number, number]> {
    const pools: Record<string, readonly [number, number, number, number]> = {};
    for (const [name, backend] of this.#backends) pools[name] = backend.pools();
    return pools;
  }
  endpoint(backend: string, key: string): Endpoint | undefined {
    return this.#backends.get(backend)?.endpoints.find((endpoint) => endpoint.key === key);
  }
  /** What a check has found; a recovered endpoint serves those who wait. */
  judge(backend: string, key: string, healthy: boolean): void {
    const endpoint = this.endpoint(backend, key);
    if (endpoint === undefined) return;
    endpoint.healthy = healthy;
    if (healthy) this.#backends.get(backend)?.freed();
    else endpoint.trim(0, this.#traffic.wheel.tick);
  }

  /** Accepts no more anywhere. */
  stop(): void {
    for (const listener of this.#listeners.values()) this.#leave(listener);
    this.#listeners.clear();
  }
  /** Everything that is connected, or still comes, gets one more answer. */
  hush(): void {
    for (const listener of this.#listeners.values()) listener.hush();
  }
  /** Once a tick: closes quiet connections of listeners that are leaving. */
  retireQuiet(ticks: number): void {
    for (const listener of this.#listeners.values()) if (listener.closing) listener.retireIdle(ticks);
    for (const listener of this.#leaving) {
      listener.retireIdle(ticks);
      if (listener.connections === 0) this.#leaving.delete(listener);
    }
  }
  /** Once a second. */
  trim(): void {
    for (const [key, { fd, tick }] of this.#sockets) {
      if (this.#traffic.wheel.tick - tick < UNCLAIMED) continue;
      this.#sockets.delete(key);
      this.#close(fd);
    }
    for (const backend of this.#backends.values()) backend.trim(this.#traffic.wheel.tick);
  }
  /** Cuts off everything that is left. */
  abort(): void {
    for (const listener of this.#leaving) listener.abort();
    for (const listener of this.#listeners.values()) listener.abort();
  }

  #swapBackends(configs: readonly BackendConfig[], next: Map<string, Backend>): void {
    for (const [name, backend] of this.#backends) if (!next.has(name)) for (const each of backend.endpoints) drop(each);
    this.#backends = next;
    for (const config of configs) {
      const backend = next.get(config.name) as Backend;
      const before = new Map(backend.endpoints.map((endpoint) => [endpoint.key, endpoint]));
      const endpoints = new Map<string, Endpoint>();
      for (const each of config.endpoints) {
        const key = endpointKey(each);
        const endpoint = before.get(key) ?? this.#endpoint(config.name, key, each);
        before.delete(key);
        endpoint.weight = each.weight;
        if (config.healthCheck === undefined) endpoint.healthy = undefined;
        endpoints.set(key, endpoint);
      }
      for (const removed of before.values()) drop(removed);
      backend.configure(config, [...endpoints.values()]);
    }
  }

  /** Connections of a class that is gone, or has another token now, serve no further request. */
  #swapClasses(before: readonly TrafficClass[], next: ClassTable | undefined): void {
    this.#traffic.classes = next;
    const kept = new Set(next?.classes);
    const gone = before.filter((each) => !kept.has(each));
    for (const each of gone) each.gone = true;
    if (gone.length === 0) return;
    for (const backend of this.#backends.values()) for (const endpoint of backend.endpoints) endpoint.retireGone();
  }

  #endpoint(backend: string, key: string, config: EndpointConfig): Endpoint {
    const counters = this.#traffic.stats.upstream(backend, key);
    return new Endpoint(key, addressOf(config), config.weight, counters);
  }

  #swapListeners(sites: ReadonlyMap<string, Site>): Applied {
    for (const [key, listener] of this.#listeners) {
      if (sites.has(key)) continue;
      this.#listeners.delete(key);
      this.#leave(listener);
    }
    const missing: string[] = [];
    for (const [key, site] of sites) {
      const running = this.#listeners.get(key);
      const socket = this.#sockets.get(key);
      if (running !== undefined) running.site = site;
      else if (socket === undefined) missing.push(key);
      else {
        this.#sockets.delete(key);
        this.#listeners.set(key, new Listener(this.#traffic, key, socket.fd, site, this.#emptied));
      }
    }
    return { listening: [...this.#listeners.keys()], missing };
  }

  #leave(listener: Listener): void {
    listener.stop();
    this.#leaving.add(listener);
  }
}

/** The address of an endpoint whose text `apply` has checked. */
export function addressOf({ address, port }: EndpointConfig): Address {
  const ip = parseIp(address);
  if (!ip.ok) throw new TypeError(`not an address: ${address}`);
  return { ip: ip.value, port };
}
/** "address:port", an IPv6 address in brackets; the address as it is written in the configuration, as control knows it. */
export function endpointKey({ address, port }: EndpointConfig): string {
  return hostAndPort(address, port);
}

/** Finishes what it carries, keeps nothing. */
function drop(endpoint: Endpoint): void {
  endpoint.gone = true;
  endpoint.trim(0, Number.POSITIVE_INFINITY);
}

/**
 * Ticks after which a socket that no configuration has named is closed.  Not at once: sockets overtake configurations, so
 * what the present one does not name may be for the next.
 */
const UNCLAIMED = 300;
