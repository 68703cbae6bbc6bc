/** The worker's own life on the fake loop: drain, reports, checks, time. */
import { describe, expect, it } from "vitest";
import { ipv4 } from "../../base/address.ts";
import { logTo } from "../../base/log.ts";
import { ms, seconds } from "../../base/unit.ts";
import type { FromDataplane } from "../../proxy/control.ts";
import { Worker } from "../../proxy/worker.ts";
import { FakeLoop, type FakeStream } from "./fake-loop.ts";
import { backend, proxy } from "./rig.ts";

const GET = "GET /a HTTP/1.1\r\nHost: h.example\r\n\r\n";
const OK = "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 5\r\n\r\nhello";
const healthCheck = {
  interval: seconds(1),
  timeout: seconds(1),
  healthyThreshold: 1,
  unhealthyThreshold: 1,
  httpPath: "/h",
};

class Stage {
  readonly loop = new FakeLoop();
  readonly sent: FromDataplane[] = [];
  readonly logged: string[] = [];
  finished = 0;
  readonly worker: Worker;

  constructor(index = 0, config = proxy(), descriptors = 1000) {
    this.worker = new Worker({
      loop: this.loop,
      log: logTo((_level, name) => this.logged.push(name), "debug"),
      index,
      pid: 1,
      descriptors,
      send: (message) => this.sent.push(message),
      sink: (octets) => octets.length,
      close: () => undefined,
      wallClock: () => 0,
      chance: () => 0.5,
      seed: new Uint8Array(12),
      finished: () => this.finished++,
    });
    this.worker.start();
    this.worker.plane.socket("web", 5);
    this.worker.message({ kind: "config", config });
    this.loop.turn();
  }
  client(): FakeStream {
    const stream = this.loop.arrive(5, { ip: ipv4("192.0.2.7"), port: 1 });
    if (stream === undefined) throw new Error("refused");
    return stream;
  }
  say(stream: FakeStream, text: string): void {
    stream.feed(text);
    this.loop.turn();
  }
  server(): FakeStream {
    const stream = this.loop.dialled[0] as FakeStream;
    stream.establish();
    this.loop.turn();
    return stream;
  }
  kinds(): string[] {
    return this.sent.map((message) => message.kind);
  }
}

describe("hush", () => {
  it("accepts on; every answer says close, what is quiet is closed; tells when nothing is left, and drains later", () => {
    const stage = new Stage();
    const [speaks, quiet] = [stage.client(), stage.client()];
    stage.loop.pass(500);
    stage.worker.message({ kind: "hush" });
    stage.say(speaks, GET);
    const late = stage.client();
    stage.say(late, GET);
    for (const client of [speaks, late]) {
      stage.say(stage.server(), OK);
      expect(client.text).toContain("Connection: close");
      client.fin();
      stage.loop.turn();
    }
    expect(quiet.open).toBe(true);
    expect(stage.kinds()).not.toContain("hushed");
    stage.loop.pass(600);
    expect(quiet.open).toBe(false);
    expect(stage.kinds().filter((kind) => kind === "hushed")).toHaveLength(1);
    expect(stage.finished).toBe(0);
    expect(stage.loop.acceptors.size).toBeGreaterThan(0);
    stage.worker.message({ kind: "drain", grace: 5000 });
    expect(stage.finished).toBe(1);
  });
});

describe("drain", () => {
  it("ends at once when there is nothing to finish", () => {
    const stage = new Stage();
    stage.worker.message({ kind: "drain", grace: 5000 });
    expect(stage.finished).toBe(1);
    expect(stage.loop.acceptors.size).toBe(0);
  });

  it("finishes what is under way and says close, then ends", () => {
    const stage = new Stage();
    const client = stage.client();
    stage.say(client, GET);
    const server = stage.server();
    stage.worker.message({ kind: "drain", grace: 5000 });
    stage.loop.pass(3000);
    stage.say(server, OK);
    expect(client.text).toBe(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    client.fin();
    stage.loop.turn();
    expect(stage.finished).toBe(1);
  });

  it("answers one more request on an idle connection, and closes it only when it has been quiet for a second", () => {
    const stage = new Stage();
    const [speaks, quiet] = [stage.client(), stage.client()];
    stage.loop.pass(500);
    stage.worker.message({ kind: "drain", grace: 5000 });
    stage.loop.pass(300);
    expect(quiet.open).toBe(true);
    stage.say(speaks, GET);
    stage.say(stage.server(), OK);
    expect(speaks.text).toContain("Connection: close");
    speaks.fin();
    stage.loop.pass(1000);
    expect(quiet.open).toBe(false);
    expect(stage.finished).toBe(1);
  });

  it("holds a connection until the client has acknowledged its answer, sends FIN meanwhile, then ends", () => {
    const stage = new Stage();
    const client = stage.client();
    stage.say(client, GET);
    client.inFlight = 900_000;
    stage.say(stage.server(), OK);
    stage.worker.message({ kind: "drain", grace: 10_000 });
    stage.loop.pass(5000);
    expect([client.open, client.finSent, stage.finished]).toEqual([true, true, 0]);
    client.inFlight = 0;
    stage.loop.pass(300);
    expect([client.open, client.aborted, stage.finished]).toEqual([false, false, 1]);
  });

  it("resets a connection whose client has not acknowledged all when its grace is over", () => {
    const stage = new Stage();
    const client = stage.client();
    stage.say(client, GET);
    client.inFlight = 900_000;
    stage.say(stage.server(), OK);
    stage.worker.message({ kind: "drain", grace: 2000 });
    stage.loop.pass(2500);
    expect([client.aborted, stage.finished]).toEqual([true, 1]);
    expect(stage.logged).toContain("dataplane.cut");
  });

  it("counts also what was closed before it began", () => {
    const stage = new Stage();
    const client = stage.client();
    client.inFlight = 900_000;
    stage.say(client, GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    stage.say(stage.server(), OK);
    stage.loop.pass(8000);
    stage.worker.message({ kind: "drain", grace: 2000 });
    expect([client.open, stage.finished]).toEqual([true, 0]);
    client.inFlight = 0;
    stage.loop.pass(300);
    expect([client.aborted, stage.finished]).toEqual([false, 1]);
  });

  it("cuts what is left when its grace is over", () => {
    const stage = new Stage();
    const client = stage.client();
    stage.say(client, GET);
    stage.server();
    stage.worker.message({ kind: "drain", grace: 2000 });
    stage.loop.pass(1500);
    expect(stage.finished).toBe(0);
    stage.loop.pass(1000);
    expect(stage.finished).toBe(1);
    expect(stage.logged).toContain("dataplane.cut");
  });

  it("is not made longer by a second one, only shorter", () => {
    const stage = new Stage();
    const client = stage.client();
    stage.say(client, GET);
    stage.server();
    stage.worker.message({ kind: "drain", grace: 2000 });
    stage.worker.message({ kind: "drain", grace: 60_000 });
    stage.loop.pass(2500);
    expect(stage.finished).toBe(1);
  });

  it("takes no configuration any more", () => {
    const stage = new Stage();
    stage.client();
    stage.worker.message({ kind: "drain", grace: 2000 });
    stage.worker.message({ kind: "config", config: { ...proxy(), version: "2" } });
    const applied = stage.sent.filter((message) => message.kind === "applied");
    expect(applied).toEqual([
      { kind: "applied", version: "1", listening: ["web"] },
      { kind: "applied", version: "1", listening: [] },
    ]);
  });
});

describe("reports", () => {
  it("say hello, what is in force, and health of endpoints without a check", () => {
    const stage = new Stage();
    expect(stage.kinds()).toEqual(["hello", "applied", "health"]);
    expect(stage.sent[1]).toEqual({ kind: "applied", version: "1", listening: ["web"] });
    expect(new Stage(1).kinds()).toEqual(["hello", "applied"]);
  });

  it("send counters once a second while something changes", () => {
    const stage = new Stage();
    stage.loop.pass(5000);
    const quiet = stage.kinds().filter((kind) => kind === "stats").length;
    const client = stage.client();
    stage.say(client, GET);
    stage.say(stage.server(), OK);
    stage.loop.pass(5000);
    const stats = stage.sent.filter((message) => message.kind === "stats");
    expect(stats.length).toBe(quiet + 1);
    expect(stats.at(-1)?.stats).toMatchObject({
      connections: 1,
      requestsInFlight: 0,
      connectionsTotal: 1,
      requests: { "GET|2xx|b": 1 },
      durations: { b: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0] },
      upstream: { "b|198.51.100.1:80|ok": 1 },
      pools: { b: [0, 1, 0, 1] },
    });
  });

  it("keep the configuration in force when a new one does not compile", () => {
    const stage = new Stage();
    stage.worker.message({
      kind: "config",
      config: { ...proxy([{ backends: [{ backend: "x", weight: 1 }] }]), version: "2" },
    });
    expect(stage.logged).toContain("dataplane.config-refused");
    expect(stage.sent).toContainEqual({ kind: "refused", version: "2", why: expect.stringContaining("backend x") });
    const client = stage.client();
    stage.say(client, GET);
    stage.say(stage.server(), OK);
    expect(client.text).toBe(OK);
  });
});

describe("limits", () => {
  it("leave half of the descriptors to connections to servers", () => {
    const stage = new Stage(0, proxy(), 2 * (64 + 3));
    for (let client = 0; client < 3; client++) stage.client();
    expect(() => stage.client()).toThrow("refused");
    expect(stage.worker.traffic.stats.refused.get("too-many-connections")).toBe(1);
  });
});

describe("health checks", () => {
  const checked = proxy([{}], [backend({ healthCheck })]);

  it("are made by worker 0 with the endpoint as Host, and decide at once", () => {
    const stage = new Stage(0, checked);
    stage.loop.pass(50);
    const probe = stage.server();
    expect(probe.text).toMatch(/^GET \/h HTTP\/1\.1\r\nHost: 198\.51\.100\.1:80\r\n/);
    stage.say(probe, "HTTP/1.1 302 Found\r\n\r\n");
    expect(stage.sent.at(-1)).toMatchObject({ kind: "health", backend: "b", healthy: true, why: "status 302" });
    expect(probe.open).toBe(false);
  });

  it.each([
    ["HTTP/1.1 404 Not Found\r\n", "status 404"],
    ["SSH-2.0-x_x_x_x", "not HTTP"],
  ])("fail on %j", (words, why) => {
    const stage = new Stage(0, checked);
    stage.loop.pass(50);
    stage.say(stage.server(), words);
    expect(stage.sent.at(-1)).toMatchObject({ kind: "health", healthy: false, why });
    const client = stage.client();
    stage.say(client, GET);
    expect(client.text).toMatch(/^HTTP\/1\.1 503/);
  });

  it("fail on refusal, silence and an early end", () => {
    for (const [death, why] of [
      [(probe: FakeStream) => probe.refuse(111), "connection refused"],
      [(probe: FakeStream) => (probe.establish(), probe.fin()), "closed without an answer"],
      [() => undefined, "timeout"],
    ] as const) {
      const stage = new Stage(0, checked);
      stage.loop.pass(50);
      death(stage.loop.dialled[0] as FakeStream);
      stage.loop.pass(1200);
      expect(stage.sent.find((message) => message.kind === "health")).toMatchObject({ healthy: false, why });
    }
  });

  it("are not made by other workers, which are told", () => {
    const stage = new Stage(1, checked);
    stage.loop.pass(3000);
    expect(stage.loop.dialled).toEqual([]);
    stage.worker.message({ kind: "health", backend: "b", endpoint: "198.51.100.1:80", healthy: false });
    const client = stage.client();
    stage.say(client, GET);
    expect(client.text).toMatch(/^HTTP\/1\.1 503/);
  });

  it("go on over a reload with what is known, which is told again, and stop for what is removed", () => {
    const stage = new Stage(0, checked);
    stage.loop.pass(50);
    stage.say(stage.server(), "HTTP/1.1 200 OK\r\n\r\n");
    stage.sent.length = 0;
    stage.worker.message({ kind: "config", config: { ...checked, version: "2" } });
    expect(stage.sent).toMatchObject([{ kind: "applied" }, { kind: "health", healthy: true }]);
    stage.worker.message({ kind: "config", config: { version: "3", listeners: [], backends: [] } });
    const before = stage.loop.streams.length;
    stage.loop.pass(5000);
    expect(stage.loop.streams.length).toBe(before);
  });

  it("follow a shorter interval at once", () => {
    const stage = new Stage(0, proxy([{}], [backend({ healthCheck: { ...healthCheck, interval: seconds(1000) } })]));
    stage.loop.pass(50);
    stage.say(stage.server(), "HTTP/1.1 200 OK\r\n\r\n");
    const shorter = { ...healthCheck, interval: ms(200) };
    stage.worker.message({
      kind: "config",
      config: { ...proxy([{}], [backend({ healthCheck: shorter })]), version: "2" },
    });
    stage.loop.pass(300);
    expect(stage.loop.dialled).toHaveLength(1);
  });
});

describe("time", () => {
  it("that stood still (a freeze) ends no exchange at once", () => {
    const stage = new Stage();
    const client = stage.client();
    stage.say(client, GET);
    const server = stage.server();
    stage.loop.freeze(600_000);
    stage.loop.pass(1000);
    stage.say(server, OK);
    expect(client.text).toBe(OK);
  });
});
