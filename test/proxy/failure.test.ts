import { describe, expect, it } from "vitest";
import { ms, seconds } from "../../base/unit.ts";
import { backend, NO_LEAKS, proxy, Rig } from "./rig.ts";

const GET = "GET /a HTTP/1.1\r\nHost: h.example\r\n\r\n";
const OK = "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\n\r\nhello";
const POST = "POST /a HTTP/1.1\r\nHost: h.example\r\nContent-Length: 10\r\n\r\n";

/** Everything over: what is left must be nothing. */
function settle(rig: Rig): object {
  rig.pass(seconds(200));
  return rig.leaks();
}

describe("what has no answer from a server", () => {
  it("is 404 for a host or path that nobody serves", () => {
    const rig = new Rig(proxy([{ hostnames: ["only.example"] }]));
    const client = rig.client();
    rig.say(client, GET);
    expect(client.text).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
    expect(client.open).toBe(true);
    rig.say(client, `${POST.replace("h.example", "other")}0123456789${GET.replace("h.example", "only.example")}`);
    rig.say(rig.server(), OK);
    expect(client.text.match(/HTTP\/1\.1 (\d+)/g)).toEqual(["HTTP/1.1 404", "HTTP/1.1 404", "HTTP/1.1 200"]);
  });

  it("has no body for HEAD", () => {
    const rig = new Rig(proxy([{ hostnames: ["only.example"] }]));
    const client = rig.client();
    rig.say(client, GET.replace("GET", "HEAD"));
    expect(client.text.endsWith("\r\n\r\n")).toBe(true);
    expect(client.text).toContain("Content-Length: 10\r\n");
  });

  it("is 405 or 501 for TRACE and CONNECT", () => {
    for (const [request, status] of [
      ["TRACE /a HTTP/1.1\r\nHost: h\r\n\r\n", 405],
      ["CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", 501],
    ] as const) {
      const rig = new Rig();
      const client = rig.client();
      rig.say(client, request);
      expect(client.text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(rig.loop.dialled).toEqual([]);
    }
  });

  it("is 503 when nobody can be connected, after other endpoints were tried", () => {
    const endpoints = ["198.51.100.1", "198.51.100.2"].map((address) => ({ address, port: 80, weight: 1 }));
    const rig = new Rig(proxy([{}], [{ endpoints }]));
    const client = rig.client();
    rig.say(client, GET);
    const tried = [];
    while (rig.loop.dialled[0] !== undefined) {
      tried.push(rig.loop.dialled[0].remote?.ip);
      rig.loop.dialled[0].refuse(111);
      rig.loop.turn();
    }
    expect(new Set(tried).size).toBe(2);
    expect(client.text).toMatch(/^HTTP\/1\.1 503 Service Unavailable/);
    expect(client.text).not.toContain("198.51");
    expect(settle(rig)).toEqual(NO_LEAKS);
  });

  it("finds the second endpoint when the first refuses", () => {
    const endpoints = ["198.51.100.1", "198.51.100.2"].map((address) => ({ address, port: 80, weight: 1 }));
    const rig = new Rig(proxy([{}], [{ endpoints }]));
    const client = rig.client();
    rig.say(client, `${POST}0123456789`);
    rig.loop.dialled[0]?.refuse(111);
    rig.loop.turn();
    const server = rig.server();
    expect(server.text.endsWith("\r\n\r\n0123456789")).toBe(true);
    rig.say(server, OK);
    expect(client.text).toBe(OK);
  });

  it("is 504 when connecting takes too long", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, GET);
    rig.pass(seconds(20));
    expect(client.text).toMatch(/^HTTP\/1\.1 504 /);
    expect(settle(rig)).toEqual(NO_LEAKS);
  });

  it("is 502 when the response is not HTTP, and 504 when none comes", () => {
    const rig = new Rig(proxy([{}], [{ idleTimeout: seconds(5) }]));
    const first = rig.client();
    rig.say(first, GET);
    const server = rig.server();
    rig.say(server, "SSH-2.0-OpenSSH\r\n");
    expect(first.text).toMatch(/^HTTP\/1\.1 502 /);
    expect(server.open).toBe(false);
    const second = rig.client();
    rig.say(second, GET);
    rig.server();
    rig.pass(seconds(6));
    expect(second.text).toMatch(/^HTTP\/1\.1 504 /);
    expect(settle(rig)).toEqual(NO_LEAKS);
  });

  it("is 504 when the rule's timeout ends the exchange, however busy it is", () => {
    const rig = new Rig(proxy([{ timeout: seconds(3) }]));
    const client = rig.client();
    rig.say(client, GET);
    const server = rig.server();
    for (let round = 0; round < 4; round++) {
      if (server.open) rig.say(server, "HTTP/1.1 103 Early Hints\r\n\r\n");
      rig.pass(seconds(1));
    }
    expect(client.text).toMatch(/HTTP\/1\.1 504 /);
    expect(server.open).toBe(false);
  });
});

describe("a server that dies", () => {
  it("before it answers on a fresh connection: 502", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, GET);
    const server = rig.server();
    server.fin();
    rig.loop.turn();
    expect(client.text).toMatch(/^HTTP\/1\.1 502 /);
    expect(settle(rig)).toEqual(NO_LEAKS);
  });

  it("on a reused connection before any octet: repeated once on a fresh one, RFC 9110 §9.2.2", () => {
    for (const end of ["fin", "reset"] as const) {
      const rig = new Rig();
      const client = rig.client();
      rig.say(client, GET);
      const server = rig.server();
      rig.say(server, OK);
      rig.say(client, GET);
      server[end]();
      rig.loop.turn();
      const second = rig.server();
      expect(second.text).toMatch(/^GET \/a/);
      second.reset();
      rig.loop.turn();
      expect(client.text.slice(OK.length)).toMatch(/^HTTP\/1\.1 502 /);
      expect(settle(rig)).toEqual(NO_LEAKS);
    }
  });

  it("on a reused connection that took nothing of the request: even a POST is sent again", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, GET);
    const server = rig.server();
    rig.say(server, OK);
    server.room = 0;
    rig.say(client, GET.replace("GET", "POST"));
    server.fin();
    rig.loop.turn();
    const second = rig.server();
    expect(second.text).toMatch(/^POST \/a/);
    rig.say(second, OK);
    expect(client.text).toBe(OK + OK);
    expect(server.text).not.toContain("POST");
  });

  it("on a reused connection, but a POST is not repeated, RFC 9110 §9.2.2", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, GET);
    const server = rig.server();
    rig.say(server, OK);
    rig.say(client, `${POST}0123456789`);
    server.reset();
    rig.loop.turn();
    expect(client.text.slice(OK.length)).toMatch(/^HTTP\/1\.1 502 /);
    expect(rig.loop.dialled).toEqual([]);
  });

  it("within the head: 502; within the body: the client's connection is cut, RFC 9112 §8", () => {
    const rig = new Rig();
    const first = rig.client();
    rig.say(first, GET);
    let server = rig.server();
    rig.say(server, "HTTP/1.1 200 OK\r\nContent-Le");
    server.fin();
    rig.loop.turn();
    expect(first.text).toMatch(/^HTTP\/1\.1 502 /);
    const second = rig.client();
    rig.say(second, GET);
    server = rig.server();
    rig.say(server, OK.slice(0, -2));
    server.fin();
    rig.loop.turn();
    expect(second.text).toBe(OK.slice(0, -2));
    expect(second.open).toBe(false);
    expect(rig.traffic.stats.requestsInFlight).toBe(0);
    first.fin();
    rig.loop.turn();
    expect(rig.leaks()).toEqual(NO_LEAKS);
  });

  it("while idle: leaves the pool without a word", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, GET);
    const server = rig.server();
    rig.say(server, OK);
    server.fin();
    rig.loop.turn();
    expect(rig.plane.pools()).toEqual({ b: [0, 0, 0, 1] });
    rig.say(client, GET);
    rig.say(rig.server(), OK);
    expect(client.text).toBe(OK + OK);
  });

  it("within a body whose end only the connection tells: the client sees a reset, not an end", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, GET);
    const server = rig.server();
    rig.say(server, "HTTP/1.1 200 OK\r\nDate: d\r\n\r\nsome");
    server.reset();
    rig.loop.turn();
    expect(client.finSent).toBe(false);
    expect(client.aborted).toBe(true);
  });

  it("or speaks unasked while idle: is dropped, and its words reach nobody", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, GET);
    const server = rig.server();
    rig.say(server, `${OK}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`);
    expect(server.open).toBe(false);
    rig.say(client, GET);
    rig.say(rig.server(), OK);
    expect(client.text).toBe(OK + OK);
    expect(settle(rig)).toEqual(NO_LEAKS);
  });
});

describe("a client that does not read its last answer", () => {
  it("is given up when nothing moves for 30 s", () => {
    for (const request of [GET, GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"), "junk\r\n\r\n"]) {
      const rig = new Rig();
      const client = rig.client();
      client.room = 3;
      rig.say(client, request);
      if (rig.loop.dialled.length > 0) rig.say(rig.server(), OK.replace("5\r\n\r\nhello", "9\r\n\r\n123456789"));
      rig.pass(seconds(25));
      client.take(2);
      rig.pass(seconds(25));
      expect(client.open).toBe(true);
      rig.pass(seconds(200));
      expect(client.open).toBe(false);
      expect(rig.leaks()).toEqual(NO_LEAKS);
    }
  });
});

describe("a client that dies", () => {
  it("at any moment takes the server's connection with it", () => {
    const moments: readonly ((rig: Rig, say: (text: string) => void) => void)[] = [
      (_rig, say) => say("GET /a HT"),
      (_rig, say) => say(GET),
      (rig, say) => (say(GET), rig.server()),
      (rig, say) => (say(`${POST}01`), rig.server()),
      (rig, say) => (say(GET), rig.say(rig.server(), OK.slice(0, 20))),
      (rig, say) => (say(GET), rig.say(rig.server(), OK.slice(0, -2))),
    ];
    for (const moment of moments) {
      const rig = new Rig();
      const client = rig.client();
      moment(rig, (text) => rig.say(client, text));
      client.reset();
      rig.loop.turn();
      expect(rig.leaks()).toEqual(NO_LEAKS);
      expect(rig.plane.pools()["b"]?.slice(0, 2)).toEqual([0, 0]);
    }
  });

  it("with FIN after its request still gets the answer", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, GET + GET);
    client.fin();
    rig.loop.turn();
    const server = rig.server();
    rig.say(server, OK);
    rig.say(server, OK);
    expect(client.text).toBe(OK + OK);
    expect(client.open).toBe(false);
  });
});

describe("time", () => {
  it("ends a head that drips, with 408, RFC 9110 §15.5.9", () => {
    const rig = new Rig();
    const client = rig.client();
    for (const drop of ["GET /", "a HTTP/1.1\r\n", "Host: h\r\n", "X: 1\r\n", "X: 2\r\n", "X: 3\r\n"]) {
      if (client.text === "") rig.say(client, drop);
      rig.pass(seconds(2));
    }
    expect(client.text).toMatch(/^HTTP\/1\.1 408 /);
    expect(settle(rig)).toEqual(NO_LEAKS);
  });

  it("closes a connection that is idle for 75 s, without a word", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, GET);
    rig.say(rig.server(), OK);
    rig.pass(seconds(74));
    expect(client.open).toBe(true);
    rig.pass(seconds(2));
    expect(client.open).toBe(false);
    expect(client.text).toBe(OK);
  });

  it("ends a body that does not come, with 408", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, `${POST}01`);
    const server = rig.server();
    rig.pass(seconds(61));
    expect(client.text).toMatch(/^HTTP\/1\.1 408 /);
    expect(server.open).toBe(false);
    expect(settle(rig)).toEqual(NO_LEAKS);
  });

  it("cuts a response that stops", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, GET);
    rig.say(rig.server(), OK.slice(0, -2));
    rig.pass(seconds(61));
    expect(client.open).toBe(false);
    expect(settle(rig)).toEqual(NO_LEAKS);
  });

  it("closes a server's connection that is idle for idleConnTimeout", () => {
    const pool = { ...backend().pool, idleConnTimeout: ms(3000) };
    const rig = new Rig(proxy([{}], [{ pool }]));
    const client = rig.client();
    rig.say(client, GET);
    const server = rig.server();
    rig.say(server, OK);
    rig.pass(seconds(4));
    expect(server.open).toBe(false);
  });
});
