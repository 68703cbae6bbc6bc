/** Back pressure: what a slow side does not take stays with the sender, not with us. */
import { describe, expect, it } from "vitest";
import { seconds } from "../../base/unit.ts";
import { HIGH_WATER } from "../../proxy/traffic.ts";
import { FakeLoop } from "./fake-loop.ts";
import { NO_LEAKS, proxy, Rig } from "./rig.ts";

const GET = "GET /a HTTP/1.1\r\nHost: h.example\r\n\r\n";
const MEGABYTE = Buffer.alloc(1 << 20, "x");

function bigRig(): Rig {
  return new Rig(proxy(), new FakeLoop(16_384, 256));
}

describe("a client that reads slowly", () => {
  it("stops the server's connection from being read, and starts it again when it has caught up", () => {
    const rig = bigRig();
    const client = rig.client();
    rig.say(client, GET);
    const server = rig.server();
    client.room = 100_000;
    rig.say(server, `HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: ${4 * MEGABYTE.length}\r\n\r\n`);
    for (let part = 0; part < 4; part++) server.feed(MEGABYTE);
    rig.loop.turn();
    expect(server.paused).toBe(true);
    expect(client.queued).toBeLessThanOrEqual(2 * HIGH_WATER);
    expect(server.unread).toBeGreaterThan(3 * MEGABYTE.length);
    for (let round = 0; round < 100 && server.unread > 0; round++) {
      client.take(100_000);
      rig.loop.turn();
    }
    client.take(10_000_000);
    rig.loop.turn();
    expect(client.sent.length).toBe(client.text.indexOf("\r\n\r\n") + 4 + 4 * MEGABYTE.length);
    rig.say(client, GET);
    rig.say(server, "HTTP/1.1 204 No Content\r\nDate: d\r\n\r\n");
    expect(client.text.endsWith("204 No Content\r\nDate: d\r\n\r\n")).toBe(true);
    client.fin();
    rig.loop.turn();
    expect(rig.leaks()).toEqual(NO_LEAKS);
  });

  it("is cut off when it takes nothing for the backend's idleTimeout", () => {
    const rig = bigRig();
    const client = rig.client();
    rig.say(client, GET);
    const server = rig.server();
    client.room = 0;
    rig.say(server, `HTTP/1.1 200 OK\r\nContent-Length: ${MEGABYTE.length}\r\n\r\n`);
    rig.say(server, MEGABYTE);
    rig.pass(seconds(61));
    expect(client.open).toBe(false);
    expect(server.open).toBe(false);
    rig.loop.turn();
    expect(rig.leaks()).toEqual(NO_LEAKS);
  });

  it("cannot take all chunks: when half of them wait to be sent, more is copied", () => {
    const rig = bigRig();
    const clients = Array.from({ length: 40 }, () => rig.client());
    for (const client of clients) {
      client.room = 0;
      rig.say(client, GET);
      const server = rig.server();
      rig.say(server, `HTTP/1.1 200 OK\r\nContent-Length: ${MEGABYTE.length}\r\n\r\n`);
      rig.say(server, MEGABYTE);
      expect(server.paused).toBe(true);
    }
    expect(rig.loop.lent).toBeLessThan(140);
    const quick = rig.client();
    rig.say(quick, GET);
    rig.say(rig.server(), "HTTP/1.1 204 No Content\r\nDate: d\r\n\r\n");
    expect(quick.text).toMatch(/^HTTP\/1\.1 204/);
    for (const client of clients) client.take(2 * MEGABYTE.length);
    rig.loop.turn();
    for (const client of clients) expect(client.sent.length).toBeGreaterThan(MEGABYTE.length);
  });
});

describe("a server that reads slowly", () => {
  it("stops the client from being read, and starts it again", () => {
    const rig = bigRig();
    const client = rig.client();
    rig.say(client, `PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: ${4 * MEGABYTE.length}\r\n\r\n`);
    const server = rig.server();
    server.room = 100_000;
    for (let part = 0; part < 4; part++) client.feed(MEGABYTE);
    rig.loop.turn();
    expect(client.paused).toBe(true);
    expect(server.queued).toBeLessThanOrEqual(2 * HIGH_WATER);
    for (let round = 0; round < 100 && client.unread > 0; round++) {
      server.take(100_000);
      rig.loop.turn();
    }
    server.take(10_000_000);
    rig.loop.turn();
    expect(server.sent.length).toBe(server.text.indexOf("\r\n\r\n") + 4 + 4 * MEGABYTE.length);
    rig.say(server, "HTTP/1.1 204 No Content\r\nDate: d\r\n\r\n");
    expect(client.text).toMatch(/^HTTP\/1\.1 204/);
    client.fin();
    rig.loop.turn();
    expect(rig.leaks()).toEqual(NO_LEAKS);
  });

  it("that is not connected yet: the client's body waits in the socket", () => {
    const rig = bigRig();
    const client = rig.client();
    rig.say(client, `PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: ${MEGABYTE.length}\r\n\r\n`);
    rig.say(client, MEGABYTE);
    expect(client.paused).toBe(true);
    expect(client.unread).toBeGreaterThan(MEGABYTE.length - 40_000);
    const server = rig.server();
    expect(client.unread).toBe(0);
    expect(server.sent.length).toBe(server.text.indexOf("\r\n\r\n") + 4 + MEGABYTE.length);
  });
});

describe("chunks", () => {
  it("all come back after many exchanges that end in every way", () => {
    const rig = new Rig(proxy(), new FakeLoop(1024, 32));
    for (let round = 0; round < 200; round++) {
      const client = rig.client();
      rig.say(
        client,
        `PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3000\r\n\r\n${"x".repeat(round * 15)}`,
        100 + round,
      );
      const server = rig.loop.dialled[0];
      if (server !== undefined) {
        server.establish();
        rig.loop.turn();
        server.room = round * 20;
        if (round % 3 === 0)
          rig.say(server, "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + "y".repeat(round * 10));
        if (round % 3 === 1) server.reset();
      }
      client.reset();
      rig.loop.turn();
    }
    rig.pass(seconds(200));
    expect(rig.leaks()).toEqual(NO_LEAKS);
  });
});
