/** ProxyBackend: the endpoints that answer, how they are chosen, checked and connected to. */
import * as z from "zod";
import { duration, integer, path, port, unicast } from "./scalar.ts";

const endpoint = z.strictObject({
  address: unicast.describe("IPv4 or IPv6 address."),
  port: port.describe("TCP port."),
  weight: integer(1, 256).default(1).describe("Share of requests in relation to the other endpoints."),
});

const healthCheck = z.strictObject({
  interval: duration("100ms", "1h").prefault("10s").describe("Time between two checks of an endpoint."),
  timeout: duration("10ms", "10m")
    .optional()
    .describe("A check without an answer for so long has failed. Without it: 5s, or the interval if that is shorter."),
  healthyThreshold: integer(1, 100).default(2).describe("Successes in a row that make an endpoint healthy."),
  unhealthyThreshold: integer(1, 100).default(3).describe("Failures in a row that make an endpoint unhealthy."),
  httpPath: path.optional().describe("GET this path; 2xx or 3xx is healthy. Without a path a TCP connection decides."),
  httpHealthCheck: z
    .strictObject({ path: path.describe("The same as `httpPath`.") })
    .optional()
    .describe("Another way to write `httpPath`."),
});

const connectionPool = z.strictObject({
  maxIdleConns: integer(1, 10_000).default(100).describe("Idle connections kept per worker for the whole backend."),
  maxIdleConnsPerHost: integer(1, 1000).default(10).describe("Idle connections kept per worker and endpoint."),
  maxConnsPerHost: integer(0, 10_000).default(0).describe("Connections per worker and endpoint; 0 = no limit."),
  idleConnTimeout: duration("1ms", "24h").prefault("90s").describe("An idle connection is closed after this time."),
});

export const backendSpec = z.strictObject({
  endpoints: z
    .array(endpoint)
    .min(1, "at least one endpoint")
    .max(1024, "at most 1024 endpoints")
    .describe("The servers behind this backend."),
  lbPolicy: z.enum(["RoundRobin"]).default("RoundRobin").describe("How an endpoint is chosen."),
  connectTimeout: duration("1ms", "10m").prefault("2s").describe("Longest wait for a connection to an endpoint."),
  idleTimeout: duration("1ms", "24h").prefault("60s").describe("Longest silence of an exchange under way."),
  healthCheck: healthCheck.optional().describe("Active checks. Without this block every endpoint counts as healthy."),
  connectionPool: connectionPool.prefault({}).describe("Connections kept open to the endpoints."),
});
export type BackendSpec = z.output<typeof backendSpec>;
