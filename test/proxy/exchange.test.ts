import { describe, expect, it } from "vitest";
import { seconds } from "../../base/unit.ts";
import { NO_LEAKS, proxy, Rig } from "./rig.ts";

const GET = "GET /a HTTP/1.1\r\nHost: h.example\r\n\r\n";
const OK = "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\n\r\nhello";
const POST = "POST /a HTTP/1.1\r\nHost: h.example\r\nContent-Length: 10\r\n\r\n";
const CHUNKED = "POST /a HTTP/1.1\r\nHost: h.example\r\nTransfer-Encoding: chunked\r\n\r\n";

/** Everything over: what is left must be nothing. */
function settle(rig: Rig): object {
  rig.pass(seconds(200));
  return rig.leaks();
}

describe("one exchange", () => {
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

  it("is the same in whatever pieces the octets arrive, RFC 9112 §2.2", () => {
    const request = `${CHUNKED}5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nX-T: 1\r\n\r\n`;
    const response = "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-U: 2\r\n\r\n";
    for (const piece of [1, 2, 3, 7, 1000]) {
      const rig = new Rig();
      const client = rig.client();
      rig.say(client, request, piece);
      const server = rig.server();
      rig.say(server, response, piece);
      expect(server.text.endsWith("\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nX-T: 1\r\n\r\n")).toBe(true);
      expect(server.text.split("\r\n\r\n")[0]).toContain("Transfer-Encoding: chunked");
      expect(client.text).toBe(response);
      rig.say(client, GET, piece);
      rig.say(server, OK, piece);
      expect(client.text).toBe(response + OK);
      expect(settle(rig)).toEqual(NO_LEAKS);
    }
  });

  it("keeps the connections of both sides for the next, RFC 9112 §9.3", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, GET);
    const server = rig.server();
    rig.say(server, OK);
    for (let round = 0; round < 3; round++) {
      rig.say(client, GET);
      expect(rig.loop.dialled).toEqual([]);
      rig.say(server, OK);
    }
    expect(client.text).toBe(OK.repeat(4));
    expect(rig.plane.pools()).toEqual({ b: [0, 1, 3, 1] });
  });

  it("answers pipelined requests in order, one at a time, RFC 9112 §9.3.2", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, GET + GET.replace("/a", "/b") + GET.replace("/a", "/c"), 50);
    const server = rig.server();
    expect(server.text).not.toContain("/b");
    rig.say(server, OK.replace("hello", "first"));
    expect(server.text).toContain("GET /b");
    expect(server.text).not.toContain("/c");
    rig.say(server, OK.replace("hello", "secnd"));
    rig.say(server, OK.replace("hello", "third"));
    expect(client.text.match(/first|secnd|third/g)).toEqual(["first", "secnd", "third"]);
    expect(settle(rig)).toEqual(NO_LEAKS);
  });

  it("keeps a body apart from the request behind it", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, `${POST}0123456789${GET}`);
    const server = rig.server();
    expect(server.text.endsWith("\r\n\r\n0123456789")).toBe(true);
    rig.say(server, OK);
    expect(server.text).toContain("0123456789GET /a");
    rig.say(server, OK);
    expect(client.text).toBe(OK + OK);
  });

  it("has no body in the answer to HEAD, whatever its length says, RFC 9110 §9.3.2", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, GET.replace("GET", "HEAD"));
    const server = rig.server();
    const head = "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 5000\r\n\r\n";
    rig.say(server, head);
    rig.say(client, GET);
    rig.say(server, OK);
    expect(client.text).toBe(head + OK);
  });

  it("has no body in 204 and 304, RFC 9112 §6.3", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, GET);
    const server = rig.server();
    rig.say(server, "HTTP/1.1 304 Not Modified\r\nDate: d\r\nContent-Length: 99\r\n\r\n");
    rig.say(client, GET);
    rig.say(server, "HTTP/1.1 204 No Content\r\nDate: d\r\n\r\n");
    rig.say(client, GET);
    rig.say(server, OK);
    expect(client.text.endsWith(OK)).toBe(true);
    expect(rig.plane.pools()).toEqual({ b: [0, 1, 2, 1] });
  });

  it("ends a response without a length with the connection, RFC 9112 §6.3", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, GET);
    const server = rig.server();
    rig.say(server, "HTTP/1.1 200 OK\r\nDate: d\r\n\r\nsome");
    rig.say(server, " more");
    expect(client.open).toBe(true);
    server.fin();
    rig.loop.turn();
    expect(client.text).toBe("HTTP/1.1 200 OK\r\nDate: d\r\nConnection: close\r\n\r\nsome more");
    expect(client.finSent).toBe(true);
    client.fin();
    rig.loop.turn();
    expect(rig.leaks()).toEqual(NO_LEAKS);
  });

  it("serves HTTP/1.0: closes after the response, or keeps alive when asked", () => {
    const rig = new Rig();
    const old = "GET /a HTTP/1.0\r\n\r\n";
    const client = rig.client();
    rig.say(client, old);
    const server = rig.server();
    expect(server.text).toContain("\r\nHost: 198.51.100.1:80\r\n");
    rig.say(server, OK);
    expect(client.text).toContain("Connection: close");
    expect(client.open).toBe(false);
    const keeper = rig.client();
    rig.say(keeper, old.replace("\r\n\r\n", "\r\nConnection: keep-alive\r\n\r\n"));
    rig.say(server, OK);
    expect(keeper.text).toContain("Connection: keep-alive");
    expect(keeper.open).toBe(true);
  });

  it("takes the chunks off for an HTTP/1.0 client, RFC 9112 §7.1", () => {
    for (const piece of [1, 5, 4000]) {
      const rig = new Rig();
      const client = rig.client();
      rig.say(client, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
      const server = rig.server();
      rig.say(
        server,
        "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;e\r\nde\r\n0\r\n\r\n",
        piece,
      );
      expect(client.text).toBe("HTTP/1.1 200 OK\r\nDate: d\r\nConnection: close\r\n\r\nabcde");
      expect(client.finSent).toBe(true);
      client.fin();
      rig.loop.turn();
      expect(rig.leaks()).toEqual(NO_LEAKS);
    }
  });

  it("passes 100-continue and other interim responses on, RFC 9110 §10.1.1, §15.2", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, POST.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n"));
    const server = rig.server();
    expect(server.text).toContain("Expect: 100-continue");
    rig.say(server, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n", 9);
    expect(client.text).toBe("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
    rig.say(client, "0123456789");
    expect(server.text.endsWith("0123456789")).toBe(true);
    rig.say(server, OK);
    expect(client.text.endsWith(OK)).toBe(true);
    rig.say(client, GET);
    rig.say(server, OK);
    expect(client.open).toBe(true);
  });

  it("does not tell HTTP/1.0 clients of interim responses, RFC 9110 §15.2", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, "GET /a HTTP/1.0\r\n\r\n");
    const server = rig.server();
    rig.say(server, `HTTP/1.1 103 Early Hints\r\n\r\n${OK}`);
    expect(client.text).toMatch(/^HTTP\/1\.1 200 OK/);
  });

  it("closes after a final answer instead of 100, because the body may or may not come, RFC 9110 §10.1.1", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, GET);
    const server = rig.server();
    rig.say(server, OK);
    rig.say(client, POST.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n"));
    rig.say(server, OK.replace("200 OK", "401 No"));
    expect(client.text).toContain("Connection: close");
    expect(client.finSent).toBe(true);
    expect(server.open).toBe(false);
    client.fin();
    rig.loop.turn();
    expect(rig.leaks()).toEqual(NO_LEAKS);
  });

  it("lets a response overtake the request's body and goes on after it", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, `${POST}0123`);
    const server = rig.server();
    rig.say(server, OK);
    expect(client.text).toBe(OK);
    // The rest of the body is thrown away; the server's connection, whose request was never finished, is not used again.
    expect(server.open).toBe(false);
    rig.say(client, `456789${GET}`);
    const second = rig.server();
    rig.say(second, OK);
    expect(client.text).toBe(OK + OK);
    expect(settle(rig)).toEqual(NO_LEAKS);
  });

  it("does not read for ever what a client sends after an early response", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(client, POST.replace("10", "10000000"));
    const server = rig.server();
    rig.say(server, OK);
    rig.say(client, Buffer.alloc(2_000_000));
    expect(client.finSent).toBe(true);
    client.fin();
    rig.loop.turn();
    expect(rig.leaks()).toEqual(NO_LEAKS);
  });
});

describe("edits", () => {
  it("forwards no hop-by-hop field in either direction, RFC 9110 §7.6.1", () => {
    const rig = new Rig();
    const client = rig.client();
    rig.say(
      client,
      GET.replace(
        "\r\n\r\n",
        "\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nUpgrade: websocket\r\n\r\n",
      ),
    );
    const server = rig.server();
    expect(server.text).not.toMatch(/X-Hop|Keep-Alive|Upgrade|websocket/i);
    rig.say(server, OK.replace("\r\n\r\n", "\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n"));
    expect(client.text).toBe(OK);
  });

  it("writes a response head that grew without losing or moving the body", () => {
    const add = { name: "X-Long", value: "v".repeat(600) };
    const rig = new Rig(proxy([{ filters: [{ type: "ResponseAddHeader", responseAdd: [add] }] }]));
    const client = rig.client();
    rig.say(client, GET);
    rig.say(rig.server(), OK);
    expect(client.text).toBe(OK.replace("\r\n\r\n", `\r\nX-Long: ${add.value}\r\n\r\n`));
  });

  it("redirects without a server", () => {
    const rig = new Rig(proxy([{ filters: [{ type: "RequestRedirect", redirectURL: "https://x.example/y" }] }]));
    const client = rig.client();
    rig.say(client, GET);
    expect(client.text).toMatch(/^HTTP\/1\.1 302 Found\r\n(.*\r\n)*Location: https:\/\/x\.example\/y\r\n/);
    expect(rig.loop.dialled).toEqual([]);
  });

  it("rewrites the matched prefix", () => {
    const path = { type: "PathPrefix", value: "/a" } as const;
    const rig = new Rig(
      proxy([
        {
          matches: [{ path, method: undefined, headers: [], queryParams: [] }],
          filters: [{ type: "URLRewrite", rewritePath: "/new" }],
        },
      ]),
    );
    rig.say(rig.client(), GET.replace("/a", "/a/b?c"));
    expect(rig.server().text).toMatch(/^GET \/new\/b\?c HTTP/);
  });
});
