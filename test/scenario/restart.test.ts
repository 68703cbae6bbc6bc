/**
 * A daemon whose service manager starts it again, under load through a virtual IP: after kill -9 of control, and when a
 * restart is asked for, no request fails, no connection is reset, and the address never leaves.  NOVAEDGE_RESTARTS sets how
 * often each.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Status } from "../../daemon/admin/api.ts";
import { buildLab, type Lab } from "../../lab/build.ts";
import { edgeOf } from "../../lab/edges.ts";
import type { Host } from "../../lab/host.ts";
import { Manager } from "../../lab/manager.ts";
import { probe } from "../../lab/probe.ts";
import type { Running } from "../../lab/process.ts";
import { ANYCAST4 } from "../../lab/topology/anycast.ts";
import { twoEdges, VIP4 } from "../../lab/topology/two-edges.ts";
import { webResources } from "../../lab/web-resources.ts";
import { openScene, type Scene } from "./anycast.ts";
import { eventually, layOut, owns, ready, statusOf } from "./daemon.ts";
import { chosen, joined, kernelOf, openWan, SITE2 } from "./wan.ts";

const times = Number(process.env["NOVAEDGE_RESTARTS"] ?? 3);
const CHECK = "interval: 500ms, timeout: 300ms, healthyThreshold: 1, unhealthyThreshold: 2, httpPath: /health";

describe.skipIf(process.getuid?.() !== 0)("another control (needs root)", () => {
  test(`${times} crashes and ${times} restarts under load`, { timeout: 90_000 + times * 30_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "novaedge-restart-"));
    await using lab = await buildLab(twoEdges());
    const resources = webResources({
      vip: `address: ${VIP4}, mode: L2ARP`,
      backends: ["10.78.0.11", "10.78.0.12"],
      check: CHECK,
    });
    const files = layOut(folder, "a", resources);
    await using b1 = lab.host("b1").node("lab/programs/backend.ts", ["b1", "8080"]);
    await using b2 = lab.host("b2").node("lab/programs/backend.ts", ["b2", "8080"]);
    await b1.says(/^listening/);
    await b2.says(/^listening/);
    const command = [process.execPath, "daemon/main.ts", "run", "--config", files.settings];
    await using manager = new Manager(lab.host("a"), folder, command);
    try {
      await manager.ready(1);
      const before = await ready(files, owns);
      await using load = hammering(lab, VIP4);
      await load.says(/"hammering"/);
      const took: number[] = [];
      for (let n = 0; n < times; n++) {
        took.push((await manager.crash()).after ?? 0);
        await ready(files, owns);
        took.push((await manager.restart()).after ?? 0);
        await ready(files, owns);
      }
      load.write("stop\n");
      const result = JSON.parse(await load.says(/"requests"/)) as { requests: number; failed: number; why: object };
      const after = await statusOf(files);
      process.stdout.write(
        `${times} crashes and restarts: ${JSON.stringify(result)}, ready after ${took.join(" ")} ms\n`,
      );
      expect(result.failed).toBe(0);
      expect(result.requests).toBeGreaterThan(times);
      expect(pulse(after)).toBe(pulse(before));
      expect(manager.lines.filter((line) => /"vip.withdrawn"|"vip.swept"/.test(line))).toEqual([]);
      // What was taken over is watched as what was started: a frozen one is ended, and another one takes its place.
      const frozen = pulse(after);
      process.kill(frozen ?? -1, "SIGSTOP");
      await ready(files, (status) => owns(status) && pulse(status) !== frozen && pulse(status) !== undefined);
      await manager.stop();
      await empty(lab.host("a"));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test(`${times} crashes and ${times} restarts beside a router`, { timeout: 90_000 + times * 30_000 }, async () => {
    await using scene = await openScene({ router: "frr", protocol: "bgp" });
    const files = scene.layOut("a");
    const host = scene.lab.host("a");
    const command = [process.execPath, "daemon/main.ts", "run", "--config", files.settings];
    await using manager = new Manager(host, files.folder, command);
    await manager.ready(1);
    const before = await ready(files, announced);
    await scene.reach("a");
    await using load = hammering(scene.lab, ANYCAST4);
    await load.says(/"hammering"/);
    await eventually("BFD guards both sessions", async () => {
      const { bfd } = await sessions(scene);
      return bfd.filter(([, ups]) => ups === 1).length === 2 ? true : undefined;
    });
    await ready(files, announced);
    const first = await sessions(scene);
    for (let n = 0; n < times; n++) {
      await manager.crash();
      await ready(files, announced);
      await manager.restart();
      await ready(files, announced);
    }
    load.write("stop\n");
    const result = JSON.parse(await load.says(/"requests"/)) as { requests: number; failed: number; why: object };
    const last = await sessions(scene);
    process.stdout.write(`beside a router: ${JSON.stringify(result)}, sessions ${JSON.stringify(last)}\n`);
    expect(result.failed).toBe(0);
    // As the router counted them: no BFD session went down, and BGP's are the same ones.
    expect(last).toEqual(first);
    const same = (status: Awaited<ReturnType<typeof statusOf>>) =>
      status?.processes.filter(({ name }) => name === "pulse" || name === "routing").map(({ pid }) => pid);
    expect(same(await statusOf(files))).toEqual(same(before));
    await manager.stop();
    await empty(host);
  });

  test(`${times} crashes and ${times} restarts with tunnels`, { timeout: 120_000 + times * 30_000 }, async () => {
    await using scene = await openWan();
    const { lab, folder } = scene;
    const second = scene.start(2);
    const settings = join(folder, "e1", "novaedge.yaml");
    mkdirSync(join(folder, "e1", "state"), { recursive: true });
    const command = [process.execPath, "daemon/main.ts", "run", "--config", settings];
    await using manager = new Manager(lab.host("e1"), join(folder, "e1"), command);
    await manager.ready(1);
    const first = edgeOf("e1", join(folder, "e1", "admin.sock"), manager.running);
    await joined(first, second);
    await chosen(first, `default→${SITE2}`, () => true);
    await using responder = lab.host("h2").node("lab/programs/responder.ts", ["h2", "7000", "10.2.0.10"]);
    await responder.says(/"responding"/);
    await using prober = await probe(lab.host("h1"), { urls: ["udp://10.2.0.10:7000"], every: 5, timeout: 2000 });
    const kernel = await lasting(lab);
    for (let n = 0; n < times; n++) {
      await manager.crash();
      await manager.restart();
    }
    await joined(first);
    const { samples } = await prober.stop();
    const lost = samples.filter(({ answeredAt }) => answeredAt === undefined);
    process.stdout.write(`with tunnels: ${lost.length} of ${samples.length} packets lost\n`);
    expect(samples.length).toBeGreaterThan(200);
    expect(lost.length).toBe(0);
    expect(await lasting(lab)).toEqual(kernel);
    await manager.stop();
  });
});

/** As much as the machine has time for when the daemon has had its share. */
function hammering(lab: Lab, address: string): Running {
  const args = ["-n", "15", process.execPath, "lab/programs/hammer.ts", address, "80", "8", "any"];
  return lab.host("client").spawn("nice", args);
}

/** What is ours in the kernel but for the routes of choices, which follow what is measured. */
async function lasting(lab: Lab): Promise<readonly string[]> {
  const lines = (await kernelOf(lab, "e1")).split("\n");
  return lines.filter((line) => !/ table \d+ | proto 110 /.test(line));
}

/** Nobody is left of all that every control has started. */
async function empty(host: Host): Promise<void> {
  await eventually("the host is empty", () => (host.pids().length === 0 ? true : undefined));
}

const pulse = (status: Status | undefined): number | undefined =>
  status?.processes.find(({ name }) => name === "pulse")?.pid;

const announced = (status: Status): boolean =>
  status.vips.length > 0 && status.vips.every(({ state }) => state === "announced");

/** How often BFD went down, and how often BGP's sessions were established, as FRR counted. */
async function sessions(scene: Scene) {
  const bfd = JSON.parse(await scene.ask("bfdd", "show bfd peers counters json")) as Record<string, unknown>[];
  const bgp = JSON.parse(await scene.ask("bgpd", "show bgp neighbors json")) as Record<string, Record<string, unknown>>;
  return {
    bfd: bfd.map((each) => [each["peer"], each["session-up"], each["session-down"]]),
    bgp: Object.entries(bgp).map(([peer, each]) => [peer, each["connectionsEstablished"], each["connectionsDropped"]]),
  };
}
