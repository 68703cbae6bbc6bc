/** The data-plane process over real sockets, both engines: large bodies, slow peers, deaths, reloads and health under load. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Agent, createServer as createHttpServer, get, request, type Server } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ms } from "../../base/unit.ts";
import type { BackendConfig, ProxyConfig } from "../../proxy/config.ts";
import { Child, Client, freePort } from "./child.ts";
import { backend, proxy } from "./rig.ts";

const GET = "GET /a HTTP/1.1\r\nHost: h.example\r\n\r\n";
const LARGE = 100 << 20;
const PIECE = Buffer.alloc(1 << 16, "x");
let server: Server;
let serverPort = 0;
let healthy = true;
let open = 0;
let mostOpen = 0;

beforeAll(async () => {
  server = createHttpServer((incoming, response) => {
    const url = incoming.url ?? "";
    if (url === "/health") {
      response.statusCode = healthy ? 200 : 500;
      response.end();
    } else if (url === "/large") {
      response.setHeader("Content-Length", LARGE);
      let left = LARGE;
      const more = (): void => {
        while (left > 0) {
          left -= PIECE.length;
          if (!response.write(PIECE)) return void response.once("drain", more);
        }
        response.end();
      };
      more();
    } else if (url === "/slow") {
      setTimeout(() => response.end("slow"), 100);
    } else if (url === "/trailers") {
      response.setHeader("Trailer", "X-Sum");
      response.write("a");
      response.write("b");
      response.addTrailers({ "X-Sum": "2" });
      response.end();
    } else {
      let octets = 0;
      incoming.on("data", (chunk: Buffer) => {
        octets += chunk.length;
      });
      incoming.on("end", () =>
        response.end(`${incoming.method} ${url} ${octets} ${JSON.stringify(incoming.trailers)}`),
      );
    }
  });
  server.keepAliveTimeout = 60_000;
  server.on("connection", (socket: Socket) => {
    mostOpen = Math.max(mostOpen, ++open);
    socket.on("close", () => open--);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  serverPort = (server.address() as AddressInfo).port;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const checked = { interval: ms(100), timeout: ms(1000), healthyThreshold: 1, unhealthyThreshold: 1 };

function to(port: number, part: Partial<BackendConfig> = {}, version = "1"): ProxyConfig {
  const endpoints = [{ address: "127.0.0.1", port, weight: 1 }];
  return { ...proxy([{}], [backend({ endpoints, ...part })]), version };
}
async function started(engine: string, config: ProxyConfig) {
  const child = new Child(engine);
  const port = await freePort();
  child.listen("web", port);
  await child.apply(config);
  return { child, port };
}
function residentMiB(pid: number | undefined): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}
async function fetchText(port: number, agent: Agent, path = "/a"): Promise<string> {
  const call = get({ port, host: "127.0.0.1", path, agent, headers: { Host: "h.example" } });
  const [response] = await once(call, "response");
  let text = `${response.statusCode} `;
  for await (const part of response) text += part.toString();
  return text;
}

describe.each(["io_uring", "epoll"])("over loopback on %s", (engine) => {
  it("carries 100 MB in both directions in bounded memory, also to a slow reader", async () => {
    const { child, port } = await started(engine, to(serverPort));
    await using _ = child;
    const before = residentMiB(child.process.pid);
    const download = new Client(port);
    let received = 0;
    download.socket.removeAllListeners("data");
    download.say(GET.replace("/a", "/large"));
    for await (const part of download.socket) {
      received += part.length;
      // A reader that stops now and then: what it does not take must stay with the server.
      if (received % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
      if (received > LARGE) break;
    }
    expect(received).toBeGreaterThan(LARGE);
    const upload = request({ port, host: "127.0.0.1", method: "PUT", path: "/up", headers: { Host: "h.example" } });
    for (let sent = 0; sent < LARGE; sent += PIECE.length) if (!upload.write(PIECE)) await once(upload, "drain");
    upload.end();
    const [response] = await once(upload, "response");
    let answer = "";
    for await (const part of response) answer += part.toString();
    expect(answer).toContain(`PUT /up ${LARGE} `);
    expect(residentMiB(child.process.pid) - before).toBeLessThan(80);
  });

  it("carries trailers both ways, RFC 9112 §7.1.2", async () => {
    const { child, port } = await started(engine, to(serverPort));
    await using _ = child;
    const client = new Client(port);
    client.say("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n");
    expect(await client.until(/POST \/a 3 \{"x-t":"1"\}/)).toContain("POST /a 3");
    client.say(GET.replace("/a", "/trailers"));
    expect(await client.until(/X-Sum: 2\r\n\r\n$/)).toContain("0\r\nX-Sum: 2\r\n\r\n");
    client.say(GET.replace("GET", "HEAD"));
    client.say(GET);
    expect(await client.until(/GET \/a 0/)).toMatch(/HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nHTTP\/1\.1 200 OK/);
  });

  it("answers a server that dies, in whatever phase, and goes on", async () => {
    const deaths = ["", "HTTP/1.1 200 OK\r\nCont", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"];
    let turn = 0;
    const dying = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => {
        const words = deaths[turn % deaths.length] ?? "";
        if (turn++ % 2 === 0) socket.end(words);
        else socket.write(words, () => socket.resetAndDestroy());
      });
    }).listen(0, "127.0.0.1");
    await once(dying, "listening");
    const { child, port } = await started(engine, to((dying.address() as AddressInfo).port));
    await using _ = child;
    for (let round = 0; round < 12; round++) {
      const client = new Client(port);
      client.say(GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
      const text = await client.end();
      if (round % 3 === 2) expect(text).not.toMatch(/1234567890/);
      else expect(text).toMatch(/^HTTP\/1\.1 502 /);
    }
    dying.close();
    await child.apply(to(serverPort, {}, "2"));
    const client = new Client(port);
    client.say(GET);
    expect(await client.until(/GET \/a 0/)).toMatch(/^HTTP\/1\.1 200/);
  });

  it("fails no request while the configuration changes under load", async () => {
    const { child, port } = await started(engine, to(serverPort));
    await using _ = child;
    const agent = new Agent({ keepAlive: true, maxSockets: 16 });
    let stop = false;
    let answered = 0;
    const failures: string[] = [];
    const loads = Array.from({ length: 16 }, async () => {
      while (!stop) {
        const text = await fetchText(port, agent).catch((error: Error) => error.message);
        if (text.startsWith("200 ")) answered++;
        else failures.push(text);
      }
    });
    const other = await freePort();
    for (let version = 2; version < 100; version++) {
      const config = to(serverPort, { idleTimeout: ms(1000 + version) }, String(version));
      const [listener] = config.listeners;
      if (listener === undefined) throw new Error("no listener");
      const added = version % 2 === 0 ? [{ ...listener, key: "other" }] : [];
      if (added.length > 0) child.listen("other", other);
      await child.apply({ ...config, listeners: [listener, ...added] });
    }
    stop = true;
    await Promise.all(loads);
    agent.destroy();
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(100);
  });

  it("lets a removed listener finish, and refuses new connections to it", async () => {
    const { child, port } = await started(engine, to(serverPort));
    await using _ = child;
    const client = new Client(port);
    client.say(GET.replace("/a", "/slow"));
    await child.message((message) => message.kind === "stats" && message.stats.requestsInFlight === 0).catch(() => {});
    const second = new Client(port);
    second.say(GET.replace("/a", "/slow"));
    await new Promise((resolve) => setTimeout(resolve, 30));
    await child.apply({ ...to(serverPort, {}, "2"), listeners: [] });
    expect(await second.end()).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n[^]*slow$/);
    const refused = new Client(port);
    expect(await refused.end()).toBe("");
    client.socket.destroy();
  });

  it("turns with health: 503 while all are down, and back", async () => {
    healthy = true;
    const { child, port } = await started(engine, to(serverPort, { healthCheck: { ...checked, httpPath: "/health" } }));
    await using _ = child;
    await child.message((message) => message.kind === "health" && message.healthy);
    healthy = false;
    await child.message((message) => message.kind === "health" && !message.healthy && message.why === "status 500");
    const agent = new Agent({ keepAlive: true });
    expect(await fetchText(port, agent)).toMatch(/^503 /);
    healthy = true;
    child.messages.length = 0;
    await child.message((message) => message.kind === "health" && message.healthy);
    expect(await fetchText(port, agent)).toMatch(/^200 /);
    agent.destroy();
  });

  it("finds a dead server by connecting alone", async () => {
    const dead = await freePort();
    const { child } = await started(engine, to(dead, { healthCheck: { ...checked, httpPath: undefined } }));
    await using _ = child;
    const found = await child.message((message) => message.kind === "health");
    expect(found).toMatchObject({ endpoint: `127.0.0.1:${dead}`, healthy: false, why: "connection refused" });
  });

  it("never opens more than maxConnsPerHost", async () => {
    const pool = { ...backend().pool, maxConnsPerHost: 3 };
    const { child, port } = await started(engine, to(serverPort, { pool, connectTimeout: ms(20_000) }));
    await using _ = child;
    mostOpen = open;
    const before = open;
    const agent = new Agent({ keepAlive: true, maxSockets: 20 });
    const answers = await Promise.all(Array.from({ length: 40 }, () => fetchText(port, agent, "/slow")));
    expect(new Set(answers)).toEqual(new Set(["200 slow"]));
    expect(mostOpen - before).toBeLessThanOrEqual(3);
    agent.destroy();
  });

  it("writes the access log to its standard output", async () => {
    const log = { enabled: true, format: "json", excludePaths: [], filterStatusCodes: [], sampleRate: 1 } as const;
    const config = to(serverPort);
    const listeners = config.listeners.map((each) => ({ ...each, accessLog: log }));
    const { child, port } = await started(engine, { ...config, listeners });
    await using _ = child;
    const client = new Client(port);
    client.say(GET.repeat(3));
    await client.until(/(GET \/a 0[^]*){3}/);
    client.socket.destroy();
    child.send({ kind: "drain", grace: 2000 });
    expect(await child.ended()).toBe(0);
    expect(child.stdout.trimEnd().split("\n")).toHaveLength(3);
    expect(JSON.parse(child.stdout.split("\n")[0] ?? "")).toMatchObject({ client: "127.0.0.1", status: 200 });
  });
});
