import { describe, expect, it } from "vitest";
import { NO_LEAKS, Rig } from "./rig.ts";

const GET = "GET /a HTTP/1.1\r\nHost: h.example\r\n\r\n";
const OK = "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\n\r\nhello";

describe("one request", () => {
  it("goes to the server and its response to the client, RFC 9112 §9.3", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, GET);
    const server = rig.server();
    expect(server.text).toMatch(/^GET \/a HTTP\/1\.1\r\nHost: h\.example\r\n/);
    expect(server.text).toContain("X-Forwarded-For: 192.0.2.7\r\n");
    rig.say(server, OK);
    expect(client.text).toBe(OK);
    client.fin();
    rig.loop.turn();
    expect(client.open).toBe(false);
    expect(rig.leaks()).toEqual(NO_LEAKS);
  });
});
