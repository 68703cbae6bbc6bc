/**
 * Nanoseconds of CPU per exchange of the whole data plane without a kernel: `node bench/micro/exchange.ts`.  Request and
 * response are put where a receive buffer would be and handed to the connections, in batches as a busy loop does.
 */
import { ipv4 } from "../../base/address.ts";
import { instant, seconds } from "../../base/unit.ts";
import type { Acceptor, Datagrams, Loop, Stream, StreamHandler } from "../../netstack/kernel/loop.ts";
import { AccessLog } from "../../proxy/access-log.ts";
import type { ProxyConfig } from "../../proxy/config.ts";
import { Plane } from "../../proxy/plane.ts";
import { Traffic } from "../../proxy/traffic.ts";

const CHUNK = 16_384;
const BATCH = 16;
const ROUNDS = 15;
const EXCHANGES = 100_000;
const REQUEST = Buffer.from("GET /api/128 HTTP/1.1\r\nHost: app.example\r\n\r\n");
const RESPONSE = Buffer.from(
  "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Fri, 20 Nov 2026 10:00:00 GMT\r\nContent-Type: text/plain\r\n" +
    "Content-Length: 128\r\nLast-Modified: Fri, 20 Nov 2026 09:00:00 GMT\r\nConnection: keep-alive\r\n" +
    `ETag: "655b3c10-80"\r\nAccept-Ranges: bytes\r\n\r\n${"x".repeat(128)}`,
);
const CONFIG: ProxyConfig = {
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
      rules: [
        {
          route: "r",
          index: 0,
          hostnames: ["app.example"],
          matches: [{ path: { type: "PathPrefix", value: "/api" }, method: undefined, headers: [], queryParams: [] }],
          filters: [],
          backends: [{ backend: "b", weight: 1 }],
          timeout: undefined,
          maxRequestBodySize: undefined,
        },
      ],
    },
  ],
  backends: [
    {
      name: "b",
      endpoints: [{ address: "198.51.100.1", port: 80, weight: 1 }],
      lbPolicy: "RoundRobin",
      connectTimeout: seconds(2),
      idleTimeout: seconds(60),
      healthCheck: undefined,
      pool: { maxIdleConns: 100, maxIdleConnsPerHost: 100, maxConnsPerHost: 0, idleConnTimeout: seconds(90) },
    },
  ],
};

/** Takes everything at once. */
class Sink implements Stream {
  readonly fd = -1;
  readonly queued = 0;
  readonly unacknowledged = 0;
  readonly remote = { ip: ipv4("192.0.2.7"), port: 40_000 };
  readonly local = undefined;
  handler: StreamHandler;
  readonly #sent = Buffer.allocUnsafeSlow(CHUNK);
  constructor(handler: StreamHandler) {
    this.handler = handler;
  }
  write(bytes: Uint8Array, start = 0, end = bytes.length): void {
    if (bytes instanceof Buffer) bytes.copy(this.#sent, 0, start, end);
  }
  forward(): void {}
  pause(): void {}
  resume(): void {}
  end(): void {}
  close(): void {}
  abort(): void {}
}

const NOBODY: StreamHandler = { received() {}, ended() {}, closed() {} };
const memory = Buffer.allocUnsafeSlow(2 * BATCH * CHUNK);
const servers: Sink[] = [];
let acceptor: Acceptor | undefined;
const cannot = (): Datagrams => {
  throw new TypeError("not in this bench");
};
const loop: Loop = {
  engine: "epoll",
  why: "bench",
  pool: { memory, chunkSize: CHUNK, chunks: 2 * BATCH },
  accept: (_fd, on) => {
    acceptor = on;
    return { [Symbol.dispose]() {} };
  },
  connect: (_to, on) => {
    const sink = new Sink(on);
    servers.push(sink);
    return sink;
  },
  adopt: (_fd, on) => new Sink(on),
  datagrams: cannot,
  watch: cannot,
  release() {},
  now: () => instant(0),
  turnAt: () => instant(0),
  wakeAt: () => ({ [Symbol.dispose]() {} }),
  run() {},
  stop() {},
  turn() {},
  stats: () => ({ streams: 0, chunksLent: 0, turns: 0, inFlight: 0 }),
  [Symbol.dispose]() {},
};

const traffic = new Traffic(loop, new AccessLog((octets) => octets.length, Date.now, Math.random), new Uint8Array(12));
const plane = new Plane(
  traffic,
  () => undefined,
  () => undefined,
);
plane.socket("web", 0);
plane.apply(CONFIG);
const clients = Array.from({ length: BATCH }, () => {
  const stream = new Sink(NOBODY);
  stream.handler = acceptor?.accepted(stream) ?? NOBODY;
  return stream;
});

function hand(stream: Sink, chunk: number, octets: Buffer): void {
  const start = chunk * CHUNK;
  octets.copy(memory, start);
  stream.handler.received(stream, chunk, start, start + octets.length);
}
function batch(): void {
  clients.forEach((client, index) => hand(client, index, REQUEST));
  servers.forEach((server, index) => hand(server, BATCH + index, RESPONSE));
}

clients.forEach((client, index) => hand(client, index, REQUEST));
for (const server of servers) server.handler.opened?.(server);
servers.forEach((server, index) => hand(server, BATCH + index, RESPONSE));
const costs: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  const before = process.cpuUsage();
  for (let done = 0; done < EXCHANGES; done += BATCH) batch();
  const { user, system } = process.cpuUsage(before);
  costs.push(((user + system) * 1000) / EXCHANGES);
}
// The first rounds compile.
costs.splice(0, 5);
costs.sort((a, b) => a - b);
const answered = traffic.stats.none.requests.reduce((sum, each) => sum + each, 0);
if (answered > 0) throw new Error(`${answered} requests were not forwarded`);
process.stdout.write(
  `exchange: ${Math.round(costs[Math.trunc(costs.length / 2)] ?? 0)} ns (best ${Math.round(costs[0] ?? 0)}), ${servers.length} connections\n`,
);
