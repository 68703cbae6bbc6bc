/**
 * The admin API's HTTP side: paths, bodies, streams, refusals.  What the calls do is a parameter (`AdminActions`).
 * Left out on purpose: authentication (the socket's mode is the permission), compression, ranges.
 */

import { createReadStream } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import * as z from "zod";
import { Fault } from "../../base/fault.ts";
import type { Log } from "../../base/log.ts";
import type { Result } from "../../base/result.ts";
import type { Events } from "../events.ts";
import type {
  AdminCalls,
  ApplyRequest,
  CleanupRequest,
  DeleteRequest,
  DiffRequest,
  Refusal,
  ReloadRequest,
} from "./api.ts";
import type { RoutesQuery, RoutingActions } from "./routing-actions.ts";
import type { ClearRequest } from "./routing-api.ts";
import type { WanActions } from "./wan-actions.ts";
import { EXPLAIN, MEASURE, REDISCOVER, WAN_PATHS, WHAT_IF } from "./wan-requests.ts";

type Answer<Call extends keyof AdminCalls> = AdminCalls[Call]["answer"];
type Outcome<Call extends keyof AdminCalls> = Promise<Result<Answer<Call>, Refusal>>;

export interface ResourceQuery {
  readonly kind: string | undefined;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
}

export interface AdminActions extends RoutingActions, WanActions {
  status(): Answer<"GET /v1/status">;
  resources(query: ResourceQuery): Answer<"GET /v1/resources">;
  apply(request: ApplyRequest): Outcome<"POST /v1/apply">;
  diff(request: DiffRequest): Outcome<"POST /v1/diff">;
  remove(request: DeleteRequest): Outcome<"POST /v1/delete">;
  reload(request: ReloadRequest): Outcome<"POST /v1/reload">;
  doctor(): Promise<Answer<"GET /v1/doctor">>;
  cleanup(request: CleanupRequest): Promise<Answer<"POST /v1/cleanup">>;
}

export interface AdminParts {
  readonly actions: AdminActions;
  readonly events: Events;
  readonly log: Log;
}

/** Documents above this are refused with 413. */
export const LARGEST_BODY = 8 * 1024 * 1024;

export function adminServer(parts: AdminParts): Server {
  return createServer((request, response) => {
    answer(parts, request, response).catch((error: unknown) => {
      const code = error instanceof Fault ? error.code : "INTERNAL";
      const message = error instanceof Error ? error.message : String(error);
      if (!(error instanceof Fault))
        parts.log.error("admin.failed", { path: request.url, message, stack: stackOf(error) });
      refuse(response, 500, refusal(code, message));
    });
  });
}

async function answer(parts: AdminParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { actions } = parts;
  const url = new URL(request.url ?? "/", "http://admin");
  const call = `${request.method ?? ""} ${url.pathname}`;
  switch (call) {
    case "GET /v1/status":
      return send(response, 200, actions.status());
    case "GET /v1/resources":
      return send(response, 200, actions.resources(resourceQuery(url.searchParams)));
    case "GET /v1/doctor":
      return send(response, 200, await actions.doctor());
    case "GET /v1/events":
      return events(parts, url.searchParams, response);
    case "GET /v1/bgp":
      return send(response, 200, actions.bgp());
    case "GET /v1/bgp/routes":
      return answered(response, await actions.bgpRoutes(routesQuery(url.searchParams)));
    case "POST /v1/bgp/clear":
      return withBody(request, response, CLEAR, (body) => actions.clear(body));
    case "GET /v1/ospf":
      return send(response, 200, actions.ospf());
    case "GET /v1/ospf/database":
      return answered(response, await actions.ospfDatabase());
    case "GET /v1/ospf/routes":
      return answered(response, await actions.ospfRoutes());
    case "GET /v1/bfd":
      return send(response, 200, await actions.bfd());
    case "GET /v1/wan":
      return send(response, 200, actions.wan());
    case "GET /v1/wan/flows":
      return answered(response, await actions.wanFlows(limitOf(url.searchParams)));
    case "GET /v1/wan/keys":
      return answered(response, actions.wanKeys());
    case "GET /v1/wan/records":
      return files(await actions.wanRecords(Number(url.searchParams.get("since") ?? 0) || 0), response);
    case "POST /v1/wan/what-if":
      return withBody(request, response, WHAT_IF, async (body) => actions.wanWhatIf(body));
    case "POST /v1/wan/explain":
      return withBody(request, response, EXPLAIN, (body) => actions.wanExplain(body));
    case "POST /v1/wan/measure":
      return withBody(request, response, MEASURE, (body) => actions.wanMeasure(body));
    case "POST /v1/wan/rediscover":
      return withBody(request, response, REDISCOVER, (body) => actions.wanRediscover(body));
    case "GET /v1/trace":
      return trace(actions, url.searchParams, response);
    case "POST /v1/apply":
      return withBody(request, response, APPLY, (body) => actions.apply(body));
    case "POST /v1/diff":
      return withBody(request, response, DIFF, (body) => actions.diff(body));
    case "POST /v1/delete":
      return withBody(request, response, DELETE, (body) => actions.remove(body));
    case "POST /v1/reload":
      return withBody(request, response, DRY_RUN, (body) => actions.reload(body));
    case "POST /v1/cleanup":
      return withBody(request, response, DRY_RUN, async (body) => ({ ok: true, value: await actions.cleanup(body) }));
    default: {
      const other = request.method === "GET" ? `POST ${url.pathname}` : `GET ${url.pathname}`;
      if (PATHS.has(other))
        return refuse(response, 405, refusal("METHOD", `${url.pathname} takes ${other.split(" ")[0]}`));
      return refuse(response, 404, refusal("NOT_FOUND", `no such path: ${url.pathname}`));
    }
  }
}

async function withBody<Body, Value>(
  request: IncomingMessage,
  response: ServerResponse,
  schema: z.ZodType<Body>,
  act: (body: Body) => Promise<Result<Value, Refusal>>,
): Promise<void> {
  const text = await textOf(request);
  if (text === undefined) return refuse(response, 413, refusal("TOO_LARGE", `more than ${LARGEST_BODY} octets`));
  const body = schema.safeParse(jsonOf(text));
  if (!body.success) return refuse(response, 400, refusal("BAD_REQUEST", z.prettifyError(body.error)));
  answered(response, await act(body.data));
}

function answered<Value>(response: ServerResponse, outcome: Result<Value, Refusal>): void {
  if (outcome.ok) return send(response, 200, outcome.value);
  return refuse(response, STATUS_OF[outcome.error.code] ?? 500, outcome.error);
}

function events({ events }: AdminParts, query: URLSearchParams, response: ServerResponse): void {
  const number = (name: string, otherwise: number): number => {
    const value = Number(query.get(name) ?? otherwise);
    return Number.isSafeInteger(value) && value >= 0 ? value : otherwise;
  };
  response.writeHead(200, { "content-type": "application/jsonl" });
  response.flushHeaders();
  for (const event of events.since(number("after", 0), number("limit", 1_000)))
    response.write(`${JSON.stringify(event)}\n`);
  if (query.get("follow") !== "1") return void response.end();
  const following = events.follow((event) => follow(response, event));
  response.on("close", () => following[Symbol.dispose]());
}

/** One after the other; what is gone meanwhile is left out. */
async function files(paths: readonly string[], response: ServerResponse): Promise<void> {
  response.writeHead(200, { "content-type": "application/jsonl" });
  for (const path of paths) {
    try {
      await pipeline(createReadStream(path), response, { end: false });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") continue;
      return void response.destroy();
    }
  }
  response.end();
}

function trace(actions: AdminActions, query: URLSearchParams, response: ServerResponse): void {
  const wanted = z.enum(["bgp", "ospf", "bfd", "arp"]).safeParse(query.get("protocol"));
  if (!wanted.success) return refuse(response, 400, refusal("BAD_REQUEST", "protocol is bgp, ospf, bfd or arp"));
  const peer = query.get("peer") ?? undefined;
  const why = actions.untraceable(wanted.data, peer);
  if (why !== undefined) return refuse(response, STATUS_OF[why.code] ?? 500, why);
  response.writeHead(200, { "content-type": "application/jsonl" });
  response.flushHeaders();
  const following = actions.trace(wanted.data, peer, (line) => follow(response, line));
  response.on("close", () => following[Symbol.dispose]());
}

/** A follower that does not read is cut off: our memory is worth more than its completeness. */
function follow(response: ServerResponse, line: unknown): void {
  if (response.writableLength > LARGEST_BACKLOG) response.destroy();
  else response.write(`${JSON.stringify(line)}\n`);
}

/** undefined when the body is too large. */
async function textOf(request: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    // Read on without keeping, so that the answer reaches a client that is still sending.
    if (size <= LARGEST_BODY) parts.push(part);
    else parts.length = 0;
  }
  return size > LARGEST_BODY ? undefined : Buffer.concat(parts).toString("utf8");
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text === "" ? "{}" : text);
  } catch {
    return undefined; // the schema refuses it and says what it wants instead
  }
}

function routesQuery(query: URLSearchParams): RoutesQuery {
  return {
    prefix: query.get("prefix") ?? undefined,
    peer: query.get("peer") ?? undefined,
    limit: limitOf(query),
  };
}
function limitOf(query: URLSearchParams): number {
  const limit = Number(query.get("limit") ?? MOST_ROUTES);
  return Number.isSafeInteger(limit) && limit > 0 ? Math.min(limit, MOST_ROUTES) : MOST_ROUTES;
}

function resourceQuery(query: URLSearchParams): ResourceQuery {
  return {
    kind: query.get("kind") ?? undefined,
    namespace: query.get("namespace") ?? undefined,
    name: query.get("name") ?? undefined,
  };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(`${JSON.stringify(body)}\n`);
}

function refuse(response: ServerResponse, status: number, body: Refusal): void {
  if (response.headersSent) return void response.destroy();
  send(response, status, body);
}

export function refusal(code: Refusal["code"], message: string, problems: Refusal["problems"] = []): Refusal {
  return { code, message, problems };
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}

const documents = z.string().max(LARGEST_BODY);
const source = z.string().max(4_096).default("<stdin>");
const dryRun = z.boolean().default(false);
const APPLY: z.ZodType<ApplyRequest> = z.strictObject({ documents, source, dryRun });
const DIFF: z.ZodType<DiffRequest> = z.strictObject({ documents, source });
const DELETE: z.ZodType<DeleteRequest> = z.strictObject({
  kind: z.string(),
  namespace: z.string().default(""),
  name: z.string(),
  dryRun,
});
const DRY_RUN: z.ZodType<ReloadRequest> = z.strictObject({ dryRun });

const CLEAR: z.ZodType<ClearRequest> = z.strictObject({
  peer: z.string().max(256),
  how: z.enum(["hard", "refresh-in", "refresh-out"]),
});

const STATUS_OF: Readonly<Record<string, number>> = {
  NOT_FOUND: 404,
  INVALID: 422,
  BUSY: 409,
  NOT_ROUTING: 409,
  NO_WAN: 409,
  BAD_REQUEST: 400,
};
/** In one answer. */
const MOST_ROUTES = 10_000;
const LARGEST_BACKLOG = 1024 * 1024;
const PATHS: ReadonlySet<string> = new Set([
  "GET /v1/status",
  "GET /v1/resources",
  "GET /v1/doctor",
  "GET /v1/events",
  "POST /v1/apply",
  "POST /v1/diff",
  "POST /v1/delete",
  "POST /v1/reload",
  "POST /v1/cleanup",
  "GET /v1/bgp",
  "GET /v1/bgp/routes",
  "POST /v1/bgp/clear",
  "GET /v1/ospf",
  "GET /v1/ospf/database",
  "GET /v1/ospf/routes",
  "GET /v1/bfd",
  "GET /v1/trace",
  ...WAN_PATHS,
]);
