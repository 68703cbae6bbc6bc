/** A data plane on the fake loop: one listener, configured as the test likes, clients and servers played by the test. */

import { ipv4 } from "../../base/address.ts";
import { type Ms, seconds } from "../../base/unit.ts";
import { AccessLog } from "../../proxy/access-log.ts";
import type { BackendConfig, ListenerConfig, ProxyConfig, RuleConfig } from "../../proxy/config.ts";
import { Plane } from "../../proxy/plane.ts";
import { Traffic } from "../../proxy/traffic.ts";
import { TICK } from "../../proxy/wheel.ts";
import { FakeLoop, type FakeStream } from "./fake-loop.ts";

export class Rig {
  readonly loop: FakeLoop;
  readonly traffic: Traffic;
  readonly plane: Plane;
  /** What the access log wrote. */
  log = "";
  logTakes = Number.POSITIVE_INFINITY;
  #client = 0;

  constructor(config: ProxyConfig = proxy(), loop = new FakeLoop()) {
    this.loop = loop;
    const sink = (octets: Buffer): number => {
      const taken = Math.min(octets.length, this.logTakes);
      this.log += octets.toString("utf8", 0, taken);
      return taken;
    };
    this.traffic = new Traffic(
      this.loop,
      new AccessLog(
        sink,
        () => Date.UTC(2026, 10, 20, 12),
        () => 0.5,
      ),
      new Uint8Array(12),
    );
    this.plane = new Plane(
      this.traffic,
      (fd) => this.loop.closedFds.push(fd),
      () => undefined,
    );
    this.apply(config);
  }
  apply(config: ProxyConfig): readonly string[] {
    for (const listener of config.listeners)
      if (!this.loop.acceptors.has(fdOf(listener.key))) this.plane.socket(listener.key, fdOf(listener.key));
    const applied = this.plane.apply(config);
    if (!applied.ok) throw new Error(JSON.stringify(applied.error));
    return applied.value.listening;
  }
  client(key = "web"): FakeStream {
    const stream = this.loop.arrive(fdOf(key), { ip: ipv4("192.0.2.7"), port: 40_000 + this.#client++ });
    if (stream === undefined) throw new Error("refused");
    return stream;
  }
  /** The client sends `text`, in reads of `piece` octets. */
  say(stream: FakeStream, text: string | Buffer, piece?: number): void {
    stream.feed(text, piece);
    this.loop.turn();
  }
  /** The connection that the proxy opens next, established. */
  server(): FakeStream {
    const stream = this.loop.dialled[0];
    if (stream === undefined) throw new Error("no connection was opened");
    stream.establish();
    this.loop.turn();
    return stream;
  }
  pass(span: Ms): void {
    for (let left = span as number; left > 0; left -= TICK) {
      this.loop.pass(TICK);
      this.traffic.wheel.advance();
      this.loop.turn();
    }
  }
  /** Nothing is left behind when all is over. */
  leaks(): object {
    const { connections, requestsInFlight } = this.traffic.stats;
    return { lent: this.loop.lent, connections, requestsInFlight };
  }
}

export const NO_LEAKS = { lent: 0, connections: 0, requestsInFlight: 0 };

export function proxy(
  rules: readonly Partial<RuleConfig>[] = [{}],
  backends: readonly Partial<BackendConfig>[] = [{}],
  listener: Partial<ListenerConfig> = {},
): ProxyConfig {
  return {
    version: "1",
    listeners: [
      {
        key: "web",
        gateway: "g",
        name: "web",
        protocol: "HTTP",
        hostnames: [],
        maxRequestBodySize: undefined,
        accessLog: { enabled: false, format: "json", excludePaths: [], filterStatusCodes: [], sampleRate: 1 },
        rules: rules.map(rule),
        ...listener,
      },
    ],
    backends: backends.map(backend),
  };
}
export function rule(part: Partial<RuleConfig> = {}, index = 0): RuleConfig {
  return {
    route: "r",
    index,
    hostnames: [],
    matches: [],
    filters: [],
    backends: [{ backend: "b", weight: 1 }],
    timeout: undefined,
    maxRequestBodySize: undefined,
    ...part,
  };
}
export function backend(part: Partial<BackendConfig> = {}): BackendConfig {
  return {
    name: "b",
    endpoints: [{ address: "198.51.100.1", port: 80, weight: 1 }],
    lbPolicy: "RoundRobin",
    connectTimeout: seconds(2),
    idleTimeout: seconds(60),
    healthCheck: undefined,
    pool: { maxIdleConns: 100, maxIdleConnsPerHost: 10, maxConnsPerHost: 0, idleConnTimeout: seconds(90) },
    ...part,
  };
}

function fdOf(key: string): number {
  let hash = 1000;
  for (const letter of key) hash = (hash * 31 + letter.charCodeAt(0)) % 100_000;
  return hash;
}
