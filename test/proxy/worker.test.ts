import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ms } from "../../base/unit.ts";
import { Child, Client, freePort } from "./child.ts";
import { backend, proxy } from "./rig.ts";

const GET = "GET /a HTTP/1.1\r\nHost: h.example\r\n\r\n";
let server: Server;
let serverPort = 0;

beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url === "/health") response.end();
    else {
      let octets = 0;
      request.on("data", (chunk: Buffer) => {
        octets += chunk.length;
      });
      request.on("end", () => response.end(`${request.method} ${request.url} ${octets}`));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  serverPort = (server.address() as AddressInfo).port;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function toServer(version = "1") {
  const healthCheck = {
    interval: ms(200),
    timeout: ms(1000),
    healthyThreshold: 1,
    unhealthyThreshold: 2,
    httpPath: "/health",
  };
  return {
    ...proxy([{}], [backend({ endpoints: [{ address: "127.0.0.1", port: serverPort, weight: 1 }], healthCheck })]),
    version,
  };
}

describe.each(["io_uring", "epoll"])("a data-plane process on %s", (engine) => {
  it("says hello, serves what it is given, reports health, drains and exits 0", async () => {
    await using child = new Child(engine);
    const hello = await child.message((message) => message.kind === "hello");
    expect(hello).toMatchObject({ kind: "hello", engine, pid: child.process.pid });
    const port = await freePort();
    child.listen("web", port);
    expect(await child.apply(toServer())).toEqual(["web"]);
    const client = new Client(port);
    client.say(GET);
    expect(await client.until(/GET \/a 0/)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    const health = await child.message((message) => message.kind === "health");
    expect(health).toMatchObject({ backend: "b", endpoint: `127.0.0.1:${serverPort}`, healthy: true });
    child.send({ kind: "ping", n: 7 });
    await child.message((message) => message.kind === "pong" && message.n === 7);
    child.send({ kind: "drain", grace: 5000 });
    client.say(GET);
    expect(await client.end()).toMatch(/Connection: close/);
    expect(await child.ended()).toBe(0);
    expect(child.stderr).toContain("dataplane.finished");
    const stats = child.messages.filter((message) => message.kind === "stats").at(-1);
    expect(stats).toMatchObject({ stats: { connectionsTotal: 1, requests: { "GET|2xx|b": 2 } } });
  });

  it("ends soon after control has died", async () => {
    await using child = new Child(engine);
    await child.message((message) => message.kind === "hello");
    child.hangUp();
    expect(await child.ended()).toBe(0);
  });
});
