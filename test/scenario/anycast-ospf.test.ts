/** The whole daemon announces a virtual IP by OSPFv2 and OSPFv3, guarded by BFD, to FRR and to BIRD. */
import { describe, expect, test } from "vitest";
import type { OspfStatus } from "../../daemon/admin/routing-api.ts";
import { missing } from "../../lab/peers/installed.ts";
import { ANYCAST4, ANYCAST6 } from "../../lab/topology/anycast.ts";
import { openScene } from "./anycast.ts";
import { ask, eventually, killAll, ready } from "./daemon.ts";

const why = missing("frr", "bird");

describe.skipIf(why !== undefined)(`a virtual IP announced by OSPF (${why ?? "FRR and BIRD are here"})`, () => {
  test.each(["frr", "bird"] as const)(
    "%s: of two hosts; follows the backends, a kill, a restart and a graceful stop",
    { timeout: 180_000 },
    async (router) => {
      await using scene = await openScene({ router, protocol: "ospf" });
      const a = scene.start("a");
      const b = scene.start("b");
      await Promise.all([ready(a.files), ready(b.files)]);
      await scene.reach("a b", 60_000);
      const client = scene.lab.host("client");
      for (const address of [ANYCAST4, `[${ANYCAST6}]`]) {
        const { stdout } = await client.exec("curl", ["-sS", "-m", "5", `http://${address}/`]);
        expect(stdout).toMatch(/^b\d/);
      }
      await eventually("a full neighbor in each version", async () => {
        const { interfaces } = await ask<OspfStatus>(a.files, "/v1/ospf");
        const full = interfaces.filter(({ neighbors }) => neighbors.some(({ state }) => state === "full"));
        return full.length === 2 ? true : undefined;
      });

      for (const backend of scene.backends) backend.signalTree("SIGUSR2");
      await scene.reach("");
      for (const backend of scene.backends) backend.signalTree("SIGUSR2");
      await scene.reach("a b");

      killAll(a.daemon);
      await scene.reach("b");
      const again = scene.start("a");
      await ready(again.files);
      await scene.reach("a b", 60_000);
      again.daemon.signal("SIGTERM");
      expect((await again.daemon.finished).code).toBe(0);
      await scene.reach("b");
      const left = await scene.lab.host("a").exec("ip", ["-o", "address", "show", "dev", "lo"]);
      expect(left.stdout).not.toContain(ANYCAST4);
    },
  );
});
