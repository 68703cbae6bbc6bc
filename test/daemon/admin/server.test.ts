import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, request, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { SILENT } from "../../../base/log.ts";
import { err, ok } from "../../../base/result.ts";
import type { AdminEvent, ApplyRequest, Refusal, Status } from "../../../daemon/admin/api.ts";
import { type AdminActions, adminServer, LARGEST_BODY, refusal } from "../../../daemon/admin/server.ts";
import { Events } from "../../../daemon/events.ts";
import { closeServer, listenUnix } from "../../../daemon/listen.ts";
import { ROUTING_ANSWERS } from "../routing-answers.ts";
import { WAN_ANSWERS } from "../wan-answers.ts";

const dir = mkdtempSync(join(tmpdir(), "nv-admin-"));
const path = join(dir, "admin.sock");
const events = new Events(SILENT, () => 1_000);
const asked: ApplyRequest[] = [];

const actions: AdminActions = {
  ...ROUTING_ANSWERS,
  ...WAN_ANSWERS,
  status: () => ({ version: "1", node: "n" }) as Status,
  resources: () => ({ generation: 3, resources: [] }),
  apply: async (body) => {
    asked.push(body);
    if (body.documents.includes("bad"))
      return err(
        refusal("INVALID", "refused", [
          { severity: "error", file: body.source, line: 2, column: 3, code: "VALUE", message: "no" },
        ]),
      );
    return ok({ changes: [], warnings: [], dryRun: body.dryRun, generation: 4 });
  },
  diff: async () => ok({ changes: [], warnings: [] }),
  remove: async ({ name }) => err(refusal("NOT_FOUND", `no ${name}`)),
  reload: async () => ok({ changed: false, changes: [], generation: 3, hash: "h", warnings: [] }),
  doctor: async () => {
    throw new TypeError("a bug");
  },
  cleanup: async ({ dryRun }) => ({ removed: [], kept: [], dryRun }),
};

let server: Server;
beforeEach(async () => {
  server = adminServer({ actions, events, log: SILENT });
  await listenUnix(server, path);
});
afterEach(async () => {
  await closeServer(server);
  rmSync(path, { force: true });
});

afterAll(() => rmSync(dir, { recursive: true }));

interface Got {
  readonly status: number;
  readonly body: unknown;
}
function call(method: string, target: string, body?: string): Promise<Got> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath: path, method, path: target, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => (text += part));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as unknown }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

describe("admin API over its Unix socket", () => {
  it("the socket admits its owner and group only", () => {
    expect(statSync(path).mode & 0o777).toBe(0o660);
  });
  it("answers status", async () => {
    expect(await call("GET", "/v1/status")).toEqual({ status: 200, body: { version: "1", node: "n" } });
  });
  it("fills in what a request may leave out, and refuses what it does not know", async () => {
    expect((await call("POST", "/v1/apply", JSON.stringify({ documents: "x" }))).status).toBe(200);
    expect(asked.at(-1)).toEqual({ documents: "x", source: "<stdin>", dryRun: false });
    const refused = await call("POST", "/v1/apply", JSON.stringify({ documents: "x", dryrun: true }));
    expect(refused.status).toBe(400);
    expect((refused.body as Refusal).message).toContain("dryrun");
    expect((await call("POST", "/v1/apply", "{no json")).status).toBe(400);
  });
  it("no word of a question reaches the processes that they cannot read", async () => {
    const packet = { source: "10.1.0.5", destination: "10.2.0.9" };
    const asking = (protocol: string) => call("POST", "/v1/wan/explain", JSON.stringify({ ...packet, protocol }));
    for (const protocol of ["udp", "icmp", "255"]) expect((await asking(protocol)).status).toBe(200);
    for (const protocol of ["sip", "UDP", "256", "-1", "1.5", ""]) expect((await asking(protocol)).status).toBe(400);
  });
  it("refused documents are 422 with their places", async () => {
    const { status, body } = await call("POST", "/v1/apply", JSON.stringify({ documents: "bad", source: "f.yaml" }));
    expect(status).toBe(422);
    expect((body as Refusal).problems[0]).toMatchObject({ file: "f.yaml", line: 2, column: 3 });
  });
  it("tells a wrong path from a wrong method from an unknown resource", async () => {
    expect((await call("GET", "/v1/nothing")).status).toBe(404);
    expect((await call("GET", "/v1/apply")).status).toBe(405);
    expect((await call("POST", "/v1/status")).status).toBe(405);
    const gone = await call("POST", "/v1/delete", JSON.stringify({ kind: "ProxyVIP", name: "x" }));
    expect(gone).toMatchObject({ status: 404, body: { code: "NOT_FOUND" } });
  });
  it("a body above the limit is 413 and answered after it was read", async () => {
    expect((await call("POST", "/v1/apply", "x".repeat(LARGEST_BODY + 1))).status).toBe(413);
  });
  it("a bug of ours is a 500 and not the end", async () => {
    expect(await call("GET", "/v1/doctor")).toMatchObject({ status: 500, body: { code: "INTERNAL" } });
    expect((await call("GET", "/v1/status")).status).toBe(200);
  });
  it("whatever is asked is answered with JSON, and the next one too", async () => {
    const paths = [
      "status",
      "resources",
      "apply",
      "diff",
      "delete",
      "reload",
      "doctor",
      "cleanup",
      "%2e%2e",
      "",
      "status/x",
    ];
    const asks = fc.record({
      method: fc.constantFrom("GET", "POST", "PUT", "DELETE", "PATCH"),
      path: fc.constantFrom(...paths),
      query: fc.webQueryParameters({ size: "small" }),
      body: fc.oneof(fc.json(), fc.string(), fc.constant('{"documents":{}}'), fc.constant('{"kind":1,"name":[]}')),
    });
    await fc.assert(
      fc.asyncProperty(asks, async ({ method, path, query, body }) => {
        const { status, body: answer } = await call(
          method,
          `/v1/${path}?${query}`,
          method === "GET" ? undefined : body,
        );
        expect(status).toBeGreaterThanOrEqual(200);
        if (status >= 400) expect(answer).toMatchObject({ code: expect.any(String), problems: expect.any(Array) });
      }),
      { numRuns: 60 },
    );
    expect((await call("GET", "/v1/status")).status).toBe(200);
  });
  it("events: what was, then what comes, line by line", async () => {
    events.emit("first", { a: 1 });
    const lines = follow("/v1/events?follow=1&limit=1");
    expect(await lines.next()).toMatchObject({ name: "first", fields: { a: 1 }, at: 1_000 });
    events.emit("second", { why: "line\nfeed" }, "warn");
    expect(await lines.next()).toMatchObject({ name: "second", level: "warn", fields: { why: "line\nfeed" } });
    lines.close();
    const { body } = await call("GET", "/v1/events?limit=1");
    expect((body as AdminEvent).name).toBe("second");
  });
});

describe("listening", () => {
  it("a socket that somebody answers on is not taken over; a dead one is", async () => {
    const second = adminServer({ actions, events, log: SILENT });
    await expect(listenUnix(second, path)).rejects.toThrow(/ADDRESS_TAKEN.*--admin-socket/);
    const dead = join(dir, "dead.sock");
    writeFileSync(dead, "");
    chmodSync(dead, 0o600);
    const third: Server = createServer();
    await listenUnix(third, dead);
    expect(statSync(dead).isSocket()).toBe(true);
    await closeServer(third);
  });
});

function follow(target: string): { next(): Promise<AdminEvent>; close(): void } {
  const ready: AdminEvent[] = [];
  let waiting: ((event: AdminEvent) => void) | undefined;
  let answer: IncomingMessage | undefined;
  let rest = "";
  const sent = request({ socketPath: path, path: target, agent: false }, (response) => {
    answer = response;
    response.setEncoding("utf8");
    response.on("data", (part: string) => {
      const lines = (rest + part).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const event = JSON.parse(line) as AdminEvent;
        if (waiting === undefined) ready.push(event);
        else waiting(event);
        waiting = undefined;
      }
    });
  });
  sent.on("error", () => undefined);
  sent.end();
  return {
    next: () =>
      new Promise((resolve) => {
        const event = ready.shift();
        if (event === undefined) waiting = resolve;
        else resolve(event);
      }),
    close: () => answer?.destroy(),
  };
}
