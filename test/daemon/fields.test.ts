/** What a route, a gateway and a backend say is what a client gets: the real daemon and its data planes, field by field. */
import type { ChildProcess } from "node:child_process";
import { describe, expect, it } from "vitest";
import { spawnInside } from "../../netstack/kernel/namespace.ts";
import { TestDaemon } from "./daemon-process.ts";

const CONFIGURATION = `apiVersion: novaedge.io/v1alpha1
kind: ProxyGateway
metadata: {name: web}
spec:
  listeners: [{name: http, port: 8090, protocol: HTTP, hostnames: ["*.example.com"], maxRequestBodySize: 100}]
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyRoute
metadata: {name: all}
spec:
  parentRefs: [{name: web}]
  hostnames: [www.example.com]
  rules:
    - matches: [{path: {type: PathPrefix, value: /api}}]
      filters:
        - {type: AddHeader, add: [{name: X-Add, value: "yes"}]}
        - {type: RemoveHeader, remove: [User-Agent]}
        - {type: ResponseSetHeader, responseSet: [{name: X-Set, value: new}]}
        - {type: ResponseRemoveHeader, responseRemove: [X-Gone]}
        - {type: ResponseAddHeader, responseAdd: [{name: X-More, value: more}]}
        - {type: URLRewrite, rewritePath: /v1}
      backendRefs: [{name: a, weight: 3}, {name: b, weight: 1}]
    - matches: [{path: {type: Exact, value: /old}}]
      filters: [{type: RequestRedirect, redirectURL: "https://www.example.com/new"}]
    - matches: [{path: {type: PathPrefix, value: /slow}}]
      limits: {requestTimeout: 300ms}
      backendRef: {name: a}
    - matches:
        - method: POST
          headers: [{name: X-Kind, type: RegularExpression, value: "b+"}]
          queryParams: [{name: "q[1]", value: x}]
      maxRequestBodySize: 5
      backendRef: {name: b}
    - backendRef: {name: a}
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyBackend
metadata: {name: a}
spec: {endpoints: [{address: 127.0.0.1, port: 9001}, {address: 127.0.0.1, port: 9002, weight: 2}]}
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyBackend
metadata: {name: b}
spec: {endpoints: [{address: 127.0.0.1, port: 9003}]}
`;

/** Answers with its port, the request line and the headers, one a line; never on /slow. */
const SERVER = `
const port = Number(process.argv[1]);
require("node:http").createServer((request, response) => {
  if (request.url.startsWith("/slow")) return;
  request.resume().on("end", () => {
    response.setHeader("X-Set", "old").setHeader("X-Gone", "gone");
    const headers = Object.entries(request.headers).map(([name, value]) => name + ": " + value);
    response.end([port, request.method, request.url, ...headers].join("\\n"));
  });
}).listen(port, "127.0.0.1", () => process.stdout.write("ready"));
`;

describe.skipIf(process.getuid?.() !== 0)("fields (namespaces need root)", () => {
  it("do what they say", async () => {
    await using daemon = new TestDaemon("../../daemon/main.ts");
    daemon.put("conf.d/all.yaml", CONFIGURATION);
    using _servers = await servers(daemon.namespace, [9001, 9002, 9003]);
    daemon.start(["--workers", "1"]);
    await daemon.logged("daemon.ready");
    const ask = (path: string, ...more: readonly string[]): ReturnType<TestDaemon["curl"]> =>
      daemon.curl(`http://127.0.0.1:8090${path}`, "-H", "Host: www.example.com", ...more);
    const port = (path: string): string => ask(path).body.split("\n", 1)[0] ?? "";

    // Filters, and where they stand.
    const { status, body } = ask("/api/x?y=1", "-i");
    expect(status).toBe(200);
    expect(body).toMatch(/^X-Set: new\r$/m);
    expect(body).toMatch(/^X-More: more\r$/m);
    expect(body).not.toMatch(/X-Set: old|X-Gone/);
    expect(body).toContain("\nGET\n/v1/x?y=1\n");
    expect(body).toContain("\nx-add: yes");
    expect(body).not.toContain("user-agent");

    // Weights of backends (3:1), of endpoints (1:2).
    const counts = Object.groupBy(
      Array.from({ length: 24 }, () => port("/api")),
      (each) => each,
    );
    expect(Object.entries(counts).map(([name, all]) => [name, all?.length])).toEqual(
      expect.arrayContaining([
        ["9001", 6],
        ["9002", 12],
        ["9003", 6],
      ]),
    );

    expect(ask("/old", "-i").body).toMatch(
      /^HTTP\/1\.1 302 .*\r\n(.*\r\n)*Location: https:\/\/www\.example\.com\/new\r\n/,
    );
    expect(ask("/slow").status).toBe(504);

    // Method, header and query together; anything missing leads to the next rule.
    const post = (query: string, kind: string, octets: number): { status: number; port: string | undefined } => {
      const answer = ask(`/?${query}`, "-H", `X-Kind: ${kind}`, "-d", "x".repeat(octets));
      return { status: answer.status, port: answer.body.split("\n", 1)[0] };
    };
    expect(post("q%5B1%5D=x", "bbb", 5)).toEqual({ status: 200, port: "9003" });
    expect(post("q%5B1%5D=x", "bbb", 6).status).toBe(413);
    expect(post("q%5B1%5D=x", "abb", 6).port).toMatch(/^900[12]$/);
    expect(post("q%5B1%5D=y", "bbb", 6).port).toMatch(/^900[12]$/);

    // Limits and hosts of the listener.
    expect(ask("/", "-d", "x".repeat(100)).status).toBe(200);
    expect(ask("/", "-d", "x".repeat(101)).status).toBe(413);
    expect(daemon.curl("http://127.0.0.1:8090/").status).toBe(404);
    expect(daemon.curl("http://127.0.0.1:8090/", "-H", "Host: other.example.com").status).toBe(404);
  });
});

async function servers(namespace: string, ports: readonly number[]): Promise<Disposable> {
  const started = ports.map((port) =>
    spawnInside(namespace, process.execPath, ["-e", SERVER, String(port)], { stdio: ["ignore", "pipe", "inherit"] }),
  );
  await Promise.all(started.map((each: ChildProcess) => new Promise((resolve) => each.stdout?.once("data", resolve))));
  return {
    [Symbol.dispose]() {
      for (const each of started) each.kill("SIGKILL");
    },
  };
}
