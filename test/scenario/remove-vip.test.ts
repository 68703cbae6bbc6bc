/** The owner's files lose their last virtual IP under load: it goes to the peer as at a stop, and nothing breaks. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { RESOURCES } from "../../bench/failover/contender.ts";
import { buildLab } from "../../lab/build.ts";
import { BACKENDS, twoEdges, VIP4 } from "../../lab/topology/two-edges.ts";
import { eventually, layOut, owns, ready, startDaemon, statusOf, writeResources } from "./daemon.ts";

const ONLY_BACKEND = RESOURCES.slice(RESOURCES.lastIndexOf("---\n") + 4);

describe.skipIf(process.getuid?.() !== 0)("a reload removes the last virtual IP (needs root)", () => {
  test("under keep-alive load no request fails, the peer owns it, pulse lives", { timeout: 90_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "novaedge-remove-"));
    await using lab = await buildLab(twoEdges());
    await using started = new AsyncDisposableStack();
    for (const name of BACKENDS) {
      const backend = started.use(lab.host(name).node("lab/programs/backend.ts", [name, "8080"]));
      await backend.says(/^listening/);
    }
    const a = layOut(join(folder, "a"), "a", RESOURCES);
    const b = layOut(join(folder, "b"), "b", RESOURCES);
    try {
      started.use(startDaemon(lab.host("a"), a));
      await ready(a, owns);
      started.use(startDaemon(lab.host("b"), b));
      await ready(b, ({ peers, vips }) => peers.length > 0 && vips.every(({ state }) => state === "standby"));
      const load = started.use(lab.host("client").node("lab/programs/hammer.ts", [VIP4, "80", "8", "app.example"]));
      await load.says(/"hammering"/);
      writeResources(a, ONLY_BACKEND);
      await ready(b, owns);
      const after = await eventually("the listener is closed", async () => {
        const { stdout } = await lab.host("a").exec("ss", ["-Hltn", "sport", "= :80"]);
        return stdout === "" ? await statusOf(a) : undefined;
      });
      load.write("stop\n");
      const result = JSON.parse(await load.says(/"requests"/)) as { requests: number; failed: number };
      expect(result).toMatchObject({ failed: 0 });
      expect(result.requests).toBeGreaterThan(100);
      expect(after?.vips).toEqual([]);
      expect(after?.processes.map(({ restarts }) => restarts)).toEqual([0, 0, 0]);
      const addresses = async (): Promise<string> =>
        (await lab.host("a").exec("ip", ["address", "show", "dev", "eth0"])).stdout;
      await eventually(
        "the hand-over is over",
        async () => ((await addresses()).includes(VIP4) ? undefined : true),
        40_000,
      );
      expect((await statusOf(a))?.processes.map(({ restarts }) => restarts)).toEqual([0, 0, 0]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
