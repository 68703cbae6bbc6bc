/**
 * The whole daemon announces a virtual IP by BGP, guarded by BFD, to FRR and to BIRD: it is in the router's kernel while it
 * works, and leaves when it does not.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { BfdStatus, BgpStatus } from "../../daemon/admin/routing-api.ts";
import { missing } from "../../lab/peers/installed.ts";
import { send, treeOf } from "../../lab/process.ts";
import { ANYCAST4, ROUTER4 } from "../../lab/topology/anycast.ts";
import { openScene } from "./anycast.ts";
import { ask, type DaemonFiles, eventually, killAll, ready } from "./daemon.ts";

const why = missing("frr", "bird");
const routers = ["frr", "bird"] as const;
const LONG = { timeout: 120_000 };

describe.skipIf(why !== undefined)(`a virtual IP announced by BGP (${why ?? "FRR and BIRD are here"})`, () => {
  test.each(routers)("%s: spread over two hosts; follows the data plane and the backends", LONG, async (router) => {
    await using scene = await openScene({ router, protocol: "bgp" });
    const a = scene.start("a");
    const b = scene.start("b");
    await Promise.all([ready(a.files), ready(b.files)]);
    await scene.reach("a b");
    const answer = await scene.lab.host("client").exec("curl", ["-sS", "-m", "5", `http://${ANYCAST4}/`]);
    expect(answer.stdout).toMatch(/^b\d/);
    // The route was there by the IPv4 session alone: the other one takes its own time.
    const bgp = await eventually("both sessions established", async () => {
      const each = await ask<BgpStatus>(a.files, "/v1/bgp");
      return each.peers.length === 2 && each.peers.every(({ state }) => state === "established") ? each : undefined;
    });
    expect(bgp.router).toMatchObject({ asn: 65_001, routerId: expect.any(String) });
    await guarded(a.files, () => scene.router());
    const bfd = await ask<BfdStatus>(a.files, "/v1/bfd");
    expect(bfd.sessions.map(({ peer }) => peer)).toContain(ROUTER4);

    for (const pid of dataplanes(a.daemon.pid)) send(pid, "SIGSTOP");
    await scene.reach("b");
    for (const pid of dataplanes(a.daemon.pid)) send(pid, "SIGCONT");
    await scene.reach("a b");
    for (const pid of dataplanes(b.daemon.pid)) send(pid, "SIGKILL");
    await scene.reach("a");
    await scene.reach("a b"); // it was started again

    for (const backend of scene.backends) backend.signalTree("SIGUSR2");
    await scene.reach("");
    for (const backend of scene.backends) backend.signalTree("SIGUSR2");
    await scene.reach("a b");
  });

  test.each(routers)(
    "%s: killed at once, its routes go with BFD; a restart takes the address over",
    LONG,
    async (router) => {
      await using scene = await openScene({ router, protocol: "bgp" });
      const a = scene.start("a");
      const b = scene.start("b");
      await Promise.all([ready(a.files), ready(b.files)]);
      await scene.reach("a b");
      await guarded(a.files, () => scene.router());
      killAll(a.daemon);
      await scene.reach("b", 5000);
      const bound = async (): Promise<string> =>
        (await scene.lab.host("a").exec("ip", ["-o", "address", "show", "dev", "lo"])).stdout;
      expect(await bound()).toContain(ANYCAST4); // nobody was left to remove it
      const again = scene.start("a");
      await ready(again.files);
      await scene.reach("a b");
      again.daemon.signal("SIGTERM");
      expect((await again.daemon.finished).code).toBe(0);
      await scene.reach("b", 5000);
      expect(await bound()).not.toContain(ANYCAST4);
    },
  );

  test.each(routers)("%s: a graceful stop loses no request while another host serves", LONG, async (router) => {
    await using scene = await openScene({ router, protocol: "bgp" });
    const a = scene.start("a");
    const b = scene.start("b");
    await Promise.all([ready(a.files), ready(b.files)]);
    await scene.reach("a b");
    await using load = scene.lab.host("client").node("lab/programs/hammer.ts", [ANYCAST4, "80", "16", "app"]);
    await load.says(/"hammering"/);
    a.daemon.signal("SIGTERM");
    expect((await a.daemon.finished).code).toBe(0);
    await scene.reach("b", 5000);
    load.write("stop\n");
    const outcome = JSON.parse(await load.says(/"requests"/)) as { requests: number; failed: number };
    expect(outcome).toMatchObject({ failed: 0, why: {} });
    expect(outcome.requests).toBeGreaterThan(100);
  });
});

/** Both sessions of the host are guarded by BFD. */
async function guarded(files: DaemonFiles, router: () => Promise<string>): Promise<void> {
  let last: BfdStatus | undefined;
  try {
    await eventually("BFD up", async () => {
      last = await ask<BfdStatus>(files, "/v1/bfd");
      return last.sessions.length === 2 && last.sessions.every(({ state }) => state === "up") ? true : undefined;
    });
  } catch (error) {
    throw new Error(`${String(error)}: ${JSON.stringify(last)}; the router says ${await router()}`, { cause: error });
  }
}

function dataplanes(daemon: number): readonly number[] {
  return treeOf(daemon).filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("dataplane"));
}
