/** ProxyGateway: where HTTP is listened for. */
import * as z from "zod";
import { flag, fraction, hostname, integer, path, port, size, subdomain } from "./scalar.ts";

const accessLog = z.strictObject({
  enabled: flag.default(true).describe("Write a line per request."),
  format: z.enum(["json", "clf"]).default("json").describe("`json` or the Common Log Format."),
  excludePaths: z.array(path).default([]).describe("Paths (exact, without the query) that are not logged."),
  filterStatusCodes: z.array(integer(100, 599)).default([]).describe("Log only these status codes; empty logs all."),
  sampleRate: fraction().default(1).describe("The share of requests that is logged."),
});

const listener = z.strictObject({
  name: subdomain.describe("Unique in the gateway."),
  port: port.describe("TCP port."),
  protocol: z.enum(["HTTP"]).describe("HTTP/1.1 in clear text."),
  hostnames: z
    .array(hostname)
    .default([])
    .describe("Requests for other hosts get 404. Exact, `*.example.com`, `api.*` or `*`; empty admits all."),
  maxRequestBodySize: size
    .optional()
    .describe("A longer request body gets 413; a rule may set a lower limit. Without it there is no limit."),
});

export const gatewaySpec = z.strictObject({
  vipRef: subdomain
    .optional()
    .describe("Name of the ProxyVIP whose addresses are listened on. Without it: all addresses of the host."),
  listeners: z
    .array(listener)
    .min(1, "at least one listener")
    .max(64, "at most 64 listeners")
    .describe("Ports that are listened on."),
  accessLog: accessLog.optional().describe("Access log of all listeners. Without this block nothing is logged."),
});
export type GatewaySpec = z.output<typeof gatewaySpec>;
export type ListenerSpec = z.output<typeof listener>;
