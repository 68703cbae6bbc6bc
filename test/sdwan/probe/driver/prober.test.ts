/** A prober through a real network: what its figures say of what the relay imposed (loosely), and what it notices at once. */
import { describe, expect, test } from "vitest";
import type { Order, Said } from "../../../../bench/probe-truth/words.ts";
import { buildLab, type Lab } from "../../../../lab/build.ts";
import { describe as described } from "../../../../lab/description.ts";
import type { Running } from "../../../../lab/process.ts";
import { spawnInside } from "../../../../netstack/kernel/namespace.ts";
import type { Pace, PathReport, PathSpec, ProbeSpec } from "../../../../sdwan/steer-plan.ts";

const PROGRAM = `${import.meta.dirname}/../../../../bench/probe-truth/program.ts`;
const KEY = "5a".repeat(32);
const PACE: Pace = { interval: 50, inDoubt: 20, deadAfter: 3, alpha: 0.3, octetsPerHour: 1e10 };
const MARK = 0x0100_0000;

const STAMP: ProbeSpec = {
  kind: "stamp",
  local: "10.0.0.1",
  peer: "10.0.0.2",
  port: 8862,
  key: KEY,
  pace: PACE,
  counters: true,
};

describe.skipIf(process.getuid?.() !== 0)("a prober through an impaired link (needs root)", () => {
  test("delay, jitter and loss of each direction, both families, by STAMP and by ICMP", async () => {
    await using lab = await network();
    await using _y = reflect(lab);
    await using x = probe(lab, [
      pathOf("4", STAMP),
      pathOf("6", { ...STAMP, local: "fd00::1", peer: "fd00::2" }),
      pathOf("icmp", { kind: "icmp", targets: ["10.0.0.2", "fd00::2"], mark: MARK, pace: PACE }),
    ]);
    await lab.link("wan").impair({ forward: { delay: 30, jitter: 4, loss: 4 }, backward: { delay: 10 } });
    const reports = await x.until("250 answers", (all) => all.every(({ answered }) => answered > 250), 40_000);
    for (const { id, life, figures } of reports) {
      expect([id, life.kind]).toEqual([id, "alive"]);
      expect(figures?.rtt?.median).toBeGreaterThan(37);
      expect(figures?.rtt?.median).toBeLessThan(48);
      expect(figures?.loss.low).toBeLessThan(4);
      expect(figures?.loss.high).toBeGreaterThan(2);
    }
    const [four] = reports;
    expect(four?.figures?.jitterOut).toBeGreaterThan(1);
    expect(four?.figures?.jitterOut).toBeGreaterThan((four?.figures?.jitterBack ?? 0) * 1.5);
    expect(four?.figures?.lossOut?.percent).toBeGreaterThan(four?.figures?.lossBack?.percent ?? 100);
    expect(four?.figures?.bitsOut).toBeGreaterThan(1000);
  });

  test("a blackhole is death, and its end is life", async () => {
    await using lab = await network();
    await using _y = reflect(lab);
    await using x = probe(lab, [
      pathOf("4", STAMP),
      pathOf("icmp", { kind: "icmp", targets: ["10.0.0.2"], mark: MARK, pace: PACE }),
      pathOf("icmp6", { kind: "icmp", targets: ["fd00::2"], mark: MARK, pace: PACE }),
    ]);
    await x.until("alive", (all) => all.every(({ life }) => life.kind === "alive"));
    await lab.link("wan").impair({ blackhole: true });
    const dead = await x.until("dead", (all) => all.every(({ life }) => life.kind === "dead"));
    expect(dead[0]?.life).toEqual({ kind: "dead", why: expect.stringMatching(/probes in a row without an answer/) });
    await lab.link("wan").impair({ blackhole: false });
    await x.until("alive again", (all) => all.every(({ life }) => life.kind === "alive"));
  });

  test("what a stranger sends to a reflector changes nothing but counters", async () => {
    await using lab = await network();
    const { promise, resolve } = Promise.withResolvers<Readonly<Record<string, number>>>();
    await using _y = reflect(lab, (said) => {
      if (said.kind === "reports" && Object.keys(said.reflected.refused).length >= 3) resolve(said.reflected.refused);
    });
    await using x = probe(lab, [pathOf("4", STAMP)]);
    await x.until("alive", (all) => all.every(({ life }) => life.kind === "alive"));
    await lab.host("x").exec("ip", ["addr", "add", "10.0.0.3/24", "dev", "wan0"]);
    await using _stranger = lab.host("x").spawn(process.execPath, ["-e", STRANGER]);
    expect(Object.keys(await promise).sort()).toEqual(["bad-hmac", "short", "stranger"]);
    expect((await x.until("still alive", () => true))[0]?.life.kind).toBe("alive");
  });

  test("loss of traffic by the counters of both ends' devices", async () => {
    await using lab = await network();
    await using _y = reflect(lab);
    await using x = probe(lab, [pathOf("4", STAMP)]);
    await using _traffic = lab.host("x").spawn(process.execPath, ["-e", TRAFFIC]);
    const busy = await x.until("traffic", ([report]) => (report?.figures?.lossOut?.of ?? 0) > 2000, 30_000);
    expect(busy[0]?.figures?.lossOut?.low).toBeLessThan(1);
    await lab.link("wan").impair({ forward: { loss: 10 } });
    const [lossy] = await x.until("loss", ([report]) => (report?.figures?.lossRecent?.low ?? 0) > 3);
    expect(lossy?.figures?.lossRecent?.of).toBeGreaterThan(100);
    expect(lossy?.life.kind).toBe("alive");
  });

  test("a device that loses its carrier, goes and comes back", async () => {
    await using lab = await network();
    await using _y = reflect(lab);
    await using x = probe(lab, [pathOf("4", STAMP), pathOf("none", { kind: "none" })]);
    await x.until("alive", (all) => all.every(({ life }) => life.kind === "alive"));
    const ip = (...args: readonly string[]): Promise<unknown> => lab.host("x").exec("ip", args);
    await ip("link", "set", "wan0", "down");
    const down = await x.until("dead", (all) => all.every(({ life }) => life.kind === "dead"));
    expect(down.map(({ life }) => life)).toEqual(Array(2).fill({ kind: "dead", why: "interface wan0 is down" }));
    await ip("link", "set", "wan0", "up");
    await x.until("alive", (all) => all.every(({ life }) => life.kind === "alive"));
    await ip("link", "set", "wan0", "down");
    await ip("link", "set", "wan0", "name", "other0");
    const gone = await x.until("gone", (all) =>
      all.every(({ life }) => life.kind === "dead" && /no interface/.test(life.why)),
    );
    expect(gone[0]?.life).toEqual({ kind: "dead", why: "there is no interface wan0" });
    await ip("link", "set", "other0", "name", "wan0");
    await ip("link", "set", "wan0", "up");
    await x.until("alive", (all) => all.every(({ life }) => life.kind === "alive"));
  });

  test("a plan that says the same touches nothing; another pace or key keeps the windows, another peer does not", async () => {
    await using lab = await network();
    await lab.host("y").exec("ip", ["addr", "add", "10.0.0.4/24", "dev", "wan0"]);
    const reflector = (local: string, key: string) => ({
      ifname: "wan0",
      local,
      port: 8862,
      peers: { "10.0.0.1": key },
    });
    await using y = start(lab, "y", { paths: [], reflectors: [reflector("10.0.0.2", KEY)], every: 60_000 });
    const path = pathOf("4", STAMP);
    await using x = probe(lab, [path]);
    const sent = (least: number) => (all: readonly PathReport[]) =>
      all.every((each) => each.life.kind === "alive" && each.answered >= least && each.figures?.rtt !== undefined);
    const [before] = await x.until("40 answers", sent(40));
    x.order([path]);
    x.order([{ ...path, probe: { ...STAMP, pace: { ...PACE, interval: 40 } } }]);
    const [paced] = await x.until("another pace", ([report]) => report?.interval === 40);
    expect(paced?.answered).toBeGreaterThanOrEqual(before?.answered ?? 0);
    const other = "77".repeat(32);
    y.write(`${JSON.stringify({ paths: [], reflectors: [reflector("10.0.0.2", other)], every: 60_000 })}\n`);
    x.order([{ ...path, probe: { ...STAMP, key: other } }]);
    const [rekeyed] = await x.until("another key", sent((paced?.answered ?? 0) + 40));
    expect(rekeyed?.figures?.loss.of).toBeGreaterThan(60);
    y.write(`${JSON.stringify({ paths: [], reflectors: [reflector("10.0.0.4", other)], every: 60_000 })}\n`);
    x.order([{ ...path, probe: { ...STAMP, key: other, peer: "10.0.0.4" } }]);
    const [moved] = await x.until(
      "another peer",
      ([report]) => report?.life.kind === "alive" && (report.figures?.loss.of ?? 100) < 40,
    );
    expect(moved?.answered).toBeGreaterThan(rekeyed?.answered ?? 0);
  });

  test("a peer changes its key under one that was told beforehand, without a death", async () => {
    await using lab = await network();
    const reflector = { ifname: "wan0", local: "10.0.0.2", port: 8862, peers: { "10.0.0.1": KEY } };
    await using y = start(lab, "y", { paths: [], reflectors: [reflector], every: 60_000 });
    const next = "77".repeat(32);
    // A busy machine takes a probe or two of its own.
    const stamp = { ...STAMP, pace: { ...PACE, deadAfter: 6 } };
    const path = pathOf("4", { ...stamp, nextKey: next });
    await using x = probe(lab, [path]);
    const [before] = await x.until("alive", (all) =>
      all.every(({ life, answered }) => life.kind === "alive" && answered > 20),
    );
    y.write(
      `${JSON.stringify({ paths: [], reflectors: [{ ...reflector, peers: { "10.0.0.1": next } }], every: 60_000 })}\n`,
    );
    await x.until("more answers", (all) => all.every(({ answered }) => answered > (before?.answered ?? 0) + 40));
    x.order([{ ...path, probe: { ...stamp, key: next } }]);
    const [after] = await x.until("yet more", (all) =>
      all.every(({ answered }) => answered > (before?.answered ?? 0) + 80),
    );
    expect(after?.life.kind).toBe("alive");
    expect(after?.since).toBe(before?.since);
  });

  test("devices of both ends are made anew: sockets follow them", async () => {
    await using lab = await network();
    const link = async (): Promise<void> => {
      const [x, y] = [lab.host("x"), lab.host("y")];
      await x.exec("ip", ["link", "add", "tun0", "type", "veth", "peer", "name", "tun0", "netns", y.namespace]);
      for (const [host, address] of [
        [x, "10.9.0.1/24"],
        [y, "10.9.0.2/24"],
      ] as const) {
        await host.exec("ip", ["addr", "add", address, "dev", "tun0"]);
        await host.exec("ip", ["link", "set", "tun0", "up"]);
      }
    };
    await link();
    const reflectors = [{ ifname: "tun0", local: "10.9.0.2", port: 8862, peers: { "10.9.0.1": KEY } }];
    await using _y = start(lab, "y", { paths: [], reflectors, every: 60_000 });
    const tunnel = { ...pathOf("t", { ...STAMP, local: "10.9.0.1", peer: "10.9.0.2" }), ifname: "tun0" };
    await using x = probe(lab, [tunnel]);
    await x.until("alive", (all) => all.every(({ life }) => life.kind === "alive"));
    await lab.host("x").exec("ip", ["link", "del", "tun0"]);
    const [dead] = await x.until("dead", (all) => all.every(({ life }) => life.kind === "dead"));
    expect(dead?.life).toEqual({ kind: "dead", why: "there is no interface tun0" });
    await link();
    await x.until("alive again", (all) => all.every(({ life }) => life.kind === "alive"));
  });

  test("TCP and HTTP: an open port, a closed one, a server that answers, one that does not", async () => {
    await using lab = await network();
    const server = spawnInside(lab.host("y").namespace, process.execPath, ["-e", SERVER], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      await new Promise<void>((resolve) => server.stdout?.once("data", () => resolve()));
      const tcp = (port: number): ProbeSpec => ({
        kind: "tcp",
        targets: [{ address: "10.0.0.2", port }],
        mark: MARK,
        pace: PACE,
      });
      const http = (port: number): ProbeSpec => ({
        kind: "http",
        targets: [{ address: "fd00::2", port, host: "example.com", path: "/generate_204" }],
        mark: MARK,
        pace: PACE,
      });
      await using x = probe(lab, [
        pathOf("open", tcp(8080)),
        pathOf("closed", tcp(8081)),
        pathOf("http", http(8080)),
        pathOf("captive", http(8082)),
      ]);
      const settled = (all: readonly PathReport[]): boolean =>
        all.every(({ id, life }) => life.kind === (id === "captive" ? "dead" : "alive"));
      const reports = await x.until("three alive", settled);
      expect(reports.find(({ id }) => id === "captive")?.refused["captive"]).toBeGreaterThan(0);
      expect(reports.find(({ id }) => id === "http")?.figures?.rtt?.median).toBeLessThan(100);
      expect(reports[0]?.figures?.jitterOut).toBeUndefined();
    } finally {
      server.kill("SIGKILL");
    }
  });
});

/** Answers 204 on 8080 and 511 on 8082, nothing on 8081. */
const SERVER = `
const { createServer } = require("node:http");
createServer((_, response) => response.writeHead(204).end()).listen(8080, "::");
createServer((_, response) => response.writeHead(511).end()).listen(8082, "::", () => console.log("listening"));
`;

/** Rubbish of two lengths from an address with a key, and from one without. */
const STRANGER = `
const { createSocket } = require("node:dgram");
for (const address of ["10.0.0.1", "10.0.0.3"]) {
  const socket = createSocket("udp4");
  socket.bind(0, address, () => {
    for (const length of [10, 148]) socket.send(Buffer.alloc(length, 7), 8862, "10.0.0.2");
  });
}
`;

/** About 500 packets a second, to a port that nobody listens on; their refusals are not sent back as fast. */
const TRAFFIC = `
const socket = require("node:dgram").createSocket("udp4");
socket.on("error", () => undefined);
setInterval(() => { for (let n = 0; n < 5; n++) socket.send(Buffer.alloc(100), 9, "10.0.0.2"); }, 10);
`;

function network(): Promise<Lab> {
  return buildLab(
    described({
      hosts: {
        x: { interfaces: { wan0: ["10.0.0.1/24", "fd00::1/64"] } },
        y: { interfaces: { wan0: ["10.0.0.2/24", "fd00::2/64"] } },
      },
      switches: [],
      links: [{ name: "wan", from: "x:wan0", to: "y:wan0", impair: {} }],
    }),
  );
}

function pathOf(id: string, probe: ProbeSpec): PathSpec {
  const names = { id, link: "wan", site: "y", ifname: "wan0", underlay: "wan0", via: "direct" };
  return { ...names, usable: true, why: "", probe, bfd: undefined, cost: 1, bandwidth: 1e9, metered: false };
}

function reflect(lab: Lab, said?: (said: Said) => void): Running {
  const reflectors = ["10.0.0", "fd00:"].map((net) => {
    const dot = net.startsWith("fd") ? ":" : ".";
    return { ifname: "wan0", local: `${net}${dot}2`, port: 8862, peers: { [`${net}${dot}1`]: KEY } };
  });
  return start(lab, "y", { paths: [], reflectors, every: 100 }, said);
}

function probe(lab: Lab, paths: readonly PathSpec[]) {
  let look: () => void = () => undefined;
  let reports: readonly PathReport[] = [];
  const running = start(lab, "x", { paths, reflectors: [], every: 100 }, (said) => {
    if (said.kind !== "reports") return;
    reports = said.reports;
    look();
  });
  return {
    order: (changed: readonly PathSpec[]) =>
      running.write(`${JSON.stringify({ paths: changed, reflectors: [], every: 100 } satisfies Order)}\n`),
    until: async (what: string, fits: (reports: readonly PathReport[]) => boolean, within = 20_000) => {
      const { promise, resolve, reject } = Promise.withResolvers<readonly PathReport[]>();
      const late = setTimeout(
        () => reject(new Error(`${what}: not within ${within} ms: ${JSON.stringify(reports)}`)),
        within,
      );
      look = () => {
        if (reports.length > 0 && fits(reports)) resolve(reports);
      };
      look();
      try {
        return await promise;
      } finally {
        clearTimeout(late);
      }
    },
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

function start(lab: Lab, host: string, order: Order, said: (said: Said) => void = () => undefined): Running {
  const running = lab.host(host).node(PROGRAM, [], {
    line: (line, from) => {
      if (from === "stdout") said(JSON.parse(line) as Said);
    },
  });
  running.write(`${JSON.stringify(order)}\n`);
  return running;
}
