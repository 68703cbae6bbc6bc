/**
 * The whole daemon restarts while a router sends to its virtual IP: the routing process is killed, then the daemon is
 * stopped with `routing.onStop: keep` and started again.  What the host answers itself (datagrams to a process that is not
 * ours) loses no packet; requests that the proxy answers lose none where the proxy goes on.
 */
import { describe, expect, test } from "vitest";
import type { BgpStatus, OspfDatabase, OspfStatus } from "../../daemon/admin/routing-api.ts";
import { missing } from "../../lab/peers/installed.ts";
import { until } from "../../lab/peers/until.ts";
import { type Probed, type Prober, probe } from "../../lab/probe.ts";
import { send } from "../../lab/process.ts";
import { ANYCAST4, ANYCAST6 } from "../../lab/topology/anycast.ts";
import { openScene, type Scene } from "./anycast.ts";
import { ask, type DaemonFiles, eventually, ready, statusOf } from "./daemon.ts";

const why = missing("frr", "bird");
const CASES = [
  ["frr", "bgp"],
  ["bird", "bgp"],
  ["frr", "ospf"],
  ["bird", "ospf"],
] as const;
/** Seconds. */
const MIN_LS_INTERVAL = 5;
/** Milliseconds between two packets. */
const EVERY = 5;

describe.skipIf(why !== undefined)(`a daemon that restarts behind a router (${why ?? "FRR and BIRD are here"})`, () => {
  test.each(CASES)(
    "%s, %s: kill -9 of routing, then a stop that keeps and a start: no packet to the virtual IP is lost",
    { timeout: 180_000 },
    async (router, protocol) => {
      await using scene = await openScene({ router, protocol, keeps: true });
      const { files, daemon } = scene.start("a");
      await ready(files);
      await scene.reach("a", 60_000);
      await learnt(files, protocol);
      await using echo = scene.lab.host("a").node("lab/programs/responder.ts", ["echo", "7", ANYCAST4, ANYCAST6]);
      await echo.says(/responding/);
      await using routes = scene.lab.host("r").spawn("ip", ["monitor", "route"]);
      await using addresses = scene.lab.host("a").spawn("ip", ["monitor", "address"]);
      await using packets = await packetsTo(scene);
      const explain = async (): Promise<string> => `${await scene.router()}\n${daemon.output().slice(-6000)}`;

      await using requests = await requestsTo(scene);
      const before = await routingOf(files);
      send(before, "SIGKILL");
      await eventually("another routing process", async () => (await routingOf(files)) !== before || undefined);
      await restarted(files, protocol, () => daemon.output());
      await nothingLost(requests, async () => `requests\n${await explain()}`);

      daemon.signal("SIGTERM");
      expect((await daemon.finished).code).toBe(0);
      const next = scene.start("a");
      await ready(next.files);
      await restarted(files, protocol, () => next.daemon.output());
      await eventually("announced", async () => {
        const vip = (await statusOf(files))?.vips[0];
        return vip?.state === "announced" || undefined;
      });
      await nothingLost(packets, async () => `${await explain()}\n${next.daemon.output().slice(-6000)}`);
      expect(routes.output()).not.toMatch(/Deleted (192\.0\.2\.100|2001:db8::100)/);
      expect(addresses.output()).not.toMatch(/Deleted.*(192\.0\.2\.100|2001:db8::100)/);
    },
  );
});

function packetsTo(scene: Scene): Promise<Prober> {
  const urls = [`udp://${ANYCAST4}:7`, `udp://[${ANYCAST6}]:7`];
  return probe(scene.lab.host("client"), { urls, every: EVERY });
}
function requestsTo(scene: Scene): Promise<Prober> {
  return probe(scene.lab.host("client"), { urls: [`http://${ANYCAST4}/`], host: "app", every: 4 * EVERY });
}

async function nothingLost(prober: Prober, explain: () => Promise<string>): Promise<void> {
  const probed: Probed = await prober.stop();
  const { sent, failed, failures } = probed.report;
  if (failed > 0) {
    const outages = probed.outages().filter(({ probes }) => probes > 0);
    throw new Error(`${JSON.stringify({ sent, failed, failures, outages })}\n${await explain()}`);
  }
  expect(sent).toBeGreaterThan(20);
}

async function routingOf(files: DaemonFiles): Promise<number> {
  return await until("a routing process", async () => {
    const status = await statusOf(files);
    return status?.processes.find(({ name, state }) => name === "routing" && state === "up")?.pid;
  });
}

/** All neighbors are there, and have heard of the address. */
async function learnt(files: DaemonFiles, protocol: "bgp" | "ospf"): Promise<void> {
  await eventually(
    "everybody has heard",
    async () => {
      if (protocol === "bgp") {
        const { peers } = await ask<BgpStatus>(files, "/v1/bgp");
        const heard = peers.filter(({ families }) => families.every(({ announced }) => announced === 1));
        return heard.length === 2 && heard.every(({ state }) => state === "established") ? true : undefined;
      }
      const { interfaces } = await ask<OspfStatus>(files, "/v1/ospf");
      const full = interfaces.filter(({ neighbors }) => neighbors.some(({ state }) => state === "full"));
      return full.length === 2 ? true : undefined;
    },
    60_000,
  );
}

/** The restart is over: nothing is kept for us any more that we have not said anew. */
async function restarted(files: DaemonFiles, protocol: "bgp" | "ospf", log: () => string): Promise<void> {
  await learnt(files, protocol);
  if (protocol === "bgp") return;
  await eventually("the end of the restart, both versions", () => {
    return (log().match(/ospf\.restarted/g)?.length ?? 0) >= 2 ? true : undefined;
  });
  // RFC 3623 §3.1 (2): who has something new for us under way does not help, and what is new waits for MinLSInterval.
  await eventually("nothing new for a while", async () => {
    const { lsas } = await ask<OspfDatabase>(files, "/v1/ospf/database");
    return lsas.every(({ age, type }) => age > MIN_LS_INTERVAL + 1 || type === "grace") ? true : undefined;
  });
}
