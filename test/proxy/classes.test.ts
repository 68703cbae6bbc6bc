/** Traffic classes of requests: which connection carries which request, and with what it begins. */
import { describe, expect, it } from "vitest";
import { seconds } from "../../base/unit.ts";
import type { BackendConfig, ClassConfig, ProxyConfig } from "../../proxy/config.ts";
import { backend, proxy, Rig } from "./rig.ts";

const OK = "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\n\r\nhello";
const { pool } = backend();

function get(path: string, fields = "", host = "h.example"): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`;
}
function classOf(name: string, token: number, part: Partial<ClassConfig> = {}): ClassConfig {
  return { name, token, hosts: [], paths: [], headers: [], sources: [], destinations: [], ports: [], ...part };
}
function config(classes: readonly ClassConfig[], part: Partial<BackendConfig> = {}): ProxyConfig {
  return { ...proxy([{}], [part]), classes };
}
/** What a request's connection begins with: a DSCP; undefined: nothing. */
function tokenOf(rig: Rig, request: string): number | undefined {
  const client = rig.client();
  rig.say(client, request);
  const { handshake } = rig.loop.dialled[0] ?? {};
  rig.say(rig.server(), OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
  expect(client.text).toContain("hello");
  return handshake === undefined ? undefined : handshake >> 2;
}

describe("a request's class", () => {
  it("is the first that matches in host, path, fields and client", () => {
    const rig = new Rig(
      config([
        classOf("gold", 9, { headers: [{ name: "X-Tier", value: "gold" }], paths: ["/api"] }),
        classOf("api", 10, { paths: ["/api/", "/v2"] }),
        classOf("video", 11, { hosts: ["*.video.example", "tv.example"] }),
        classOf("strangers", 12, { sources: ["10.0.0.0/8"] }),
        classOf("near", 13, { sources: ["192.0.2.0/24"], paths: ["/near"] }),
      ]),
    );
    expect(tokenOf(rig, get("/api/a"))).toBe(10);
    expect(tokenOf(rig, get("/api"))).toBe(10);
    expect(tokenOf(rig, get("/v2?q=/api"))).toBe(10);
    expect(tokenOf(rig, get("/%61pi/../api//x"))).toBe(10);
    expect(tokenOf(rig, get("/apiary"))).toBeUndefined();
    expect(tokenOf(rig, get("/API"))).toBeUndefined();
    expect(tokenOf(rig, get("/x?/api"))).toBeUndefined();
    expect(tokenOf(rig, get("/api/a", "x-tier: gold\r\n"))).toBe(9);
    expect(tokenOf(rig, get("/api/a", "X-Tier: silver\r\nX-Tier: gold\r\n"))).toBe(9);
    expect(tokenOf(rig, get("/api/a", "X-Tier: Gold\r\n"))).toBe(10);
    expect(tokenOf(rig, get("/other", "X-Tier: gold\r\n"))).toBeUndefined();
    expect(tokenOf(rig, get("/", "", "EU.Video.example:80"))).toBe(11);
    expect(tokenOf(rig, get("/", "", "tv.example."))).toBe(11);
    expect(tokenOf(rig, get("/", "", "video.example"))).toBeUndefined();
    expect(tokenOf(rig, get("/near"))).toBe(13);
    expect(rig.leaks()).toMatchObject({ lent: 0, requestsInFlight: 0 });
  });

  it("asks for the endpoint that was chosen, not for one of the backend's", () => {
    const classes = [
      classOf("second", 9, { paths: ["/"], destinations: ["198.51.100.2/32"] }),
      classOf("high", 10, { paths: ["/"], ports: [[8000, 8080]] }),
      classOf("rest", 11, { paths: ["/"] }),
    ];
    const endpoints = [
      { address: "198.51.100.1", port: 80, weight: 1 },
      { address: "198.51.100.2", port: 80, weight: 1 },
      { address: "198.51.100.3", port: 8080, weight: 1 },
    ];
    const rig = new Rig(config(classes, { endpoints }));
    const tokens = Array.from({ length: 6 }, () => tokenOf(rig, get("/")));
    expect(tokens.map(Number).toSorted((a, b) => a - b)).toEqual([9, 9, 10, 10, 11, 11]);
  });

  it.each(["127.0.0.1", "::1", "169.254.1.1", "fe80::1"])("is none towards %s, which no rule looks at", (address) => {
    const rig = new Rig(
      config([classOf("all", 9, { paths: ["/"] })], { endpoints: [{ address, port: 80, weight: 1 }] }),
    );
    expect(tokenOf(rig, get("/"))).toBeUndefined();
  });

  it.each([
    [{ hosts: ["a b"] }, "hostname"],
    [{ paths: ["api"] }, "path"],
    [{ headers: [{ name: "a b", value: "" }] }, "field-name"],
    [{ sources: ["10.0.0.0/33"] }, "network"],
  ])("%j does not compile, and nothing changes", (part, kind) => {
    const rig = new Rig(config([classOf("api", 9, { paths: ["/api"] })]));
    const applied = rig.plane.apply(config([classOf("bad", 10, part)]));
    expect(applied).toMatchObject({ ok: false, error: { kind, class: "bad" } });
    expect(tokenOf(rig, get("/api"))).toBe(9);
  });
});

describe("a pool", () => {
  const two = [classOf("a", 9, { paths: ["/a"] }), classOf("b", 10, { paths: ["/b"] })];

  it("gives a request a kept connection of its class only: a client may alternate", () => {
    const rig = new Rig(config(two));
    const client = rig.client();
    const servers = new Map<string, object>();
    for (const path of ["/a", "/b", "/c", "/b", "/a", "/c", "/c", "/a"]) {
      rig.say(client, get(path));
      const isNew = rig.loop.dialled.length > 0;
      expect({ path, isNew }).toEqual({ path, isNew: !servers.has(path) });
      const server = isNew ? rig.server() : rig.loop.streams.find((each) => each === servers.get(path));
      if (server === undefined) throw new Error("no server");
      servers.set(path, server);
      expect(server.text).toContain(`GET ${path} `);
      rig.say(server, OK);
    }
    expect(rig.plane.pools()).toEqual({ b: [0, 3, 5, 3] });
    const handshakes = [...servers.values()].map((each) => rig.loop.streams.find((one) => one === each)?.handshake);
    expect(handshakes).toEqual([9 << 2, 10 << 2, undefined]);
  });

  it("makes room at maxConnsPerHost by closing one of another class", () => {
    const rig = new Rig(config(two, { pool: { ...pool, maxConnsPerHost: 1 } }));
    const client = rig.client();
    rig.say(client, get("/a"));
    const first = rig.server();
    rig.say(first, OK);
    rig.say(client, get("/b"));
    expect(first.why).toBeDefined();
    rig.say(rig.server(), OK);
    expect(client.text).toBe(OK + OK);
    expect(rig.plane.pools()).toEqual({ b: [0, 1, 0, 2] });
  });

  it("closes those idle for the longest time first, of whatever class", () => {
    const rig = new Rig(config(two, { pool: { ...pool, maxIdleConnsPerHost: 1 } }));
    const client = rig.client();
    const servers = ["/a", "/b", "/c"].map((path) => {
      rig.say(client, get(path));
      const server = rig.server();
      rig.say(server, OK);
      rig.pass(seconds(1));
      return server;
    });
    rig.pass(seconds(3));
    rig.plane.trim();
    rig.loop.turn();
    expect(servers.map(({ why }) => why !== undefined)).toEqual([true, true, false]);
  });

  it("keeps connections over a reload while name and token are the same, and closes them after", () => {
    const rig = new Rig(config(two));
    const client = rig.client();
    rig.say(client, get("/a"));
    const server = rig.server();
    rig.say(server, OK);
    rig.apply(config([classOf("a", 9, { paths: ["/moved"] })]));
    rig.say(client, get("/moved"));
    expect(rig.loop.dialled).toEqual([]);
    rig.say(server, OK);
    // The token is another class's now.
    rig.apply(config([classOf("c", 9, { paths: ["/moved"] })]));
    rig.loop.turn();
    expect(server.why).toBeDefined();
    rig.say(client, get("/moved"));
    rig.say(rig.server(), OK);
    expect(client.text).toBe(OK + OK + OK);
    expect(rig.plane.pools()).toEqual({ b: [0, 1, 1, 2] });
  });

  it("lets a request under way finish when its class goes, and keeps nothing of it", () => {
    const rig = new Rig(config(two));
    const [client, waiting] = [rig.client(), rig.client()];
    rig.say(client, get("/a"));
    const server = rig.server();
    rig.say(waiting, get("/a"));
    rig.apply(config([]));
    rig.say(server, OK);
    expect(client.text).toBe(OK);
    expect(server.why).toBeDefined();
    rig.say(rig.server(), OK);
    expect(waiting.text).toBe(OK);
    expect(rig.plane.pools()).toEqual({ b: [0, 0, 0, 2] });
    expect(rig.leaks()).toMatchObject({ lent: 0, requestsInFlight: 0 });
  });
});
