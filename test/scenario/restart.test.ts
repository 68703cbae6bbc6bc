/**
 * A daemon whose service manager starts it again, under load through a virtual IP: after kill -9 of control, and when a
 * restart is asked for, no request fails, no connection is reset, and the address never leaves.  NOVAEDGE_RESTARTS sets how
 * often each.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { buildLab } from "../../lab/build.ts";
import { Manager } from "../../lab/manager.ts";
import { twoEdges, VIP4 } from "../../lab/topology/two-edges.ts";
import { webResources } from "../../lab/web-resources.ts";
import { layOut, owns, ready, statusOf } from "./daemon.ts";

const times = Number(process.env["NOVAEDGE_RESTARTS"] ?? 3);
const CHECK = "interval: 500ms, timeout: 300ms, healthyThreshold: 1, unhealthyThreshold: 2, httpPath: /health";

describe.skipIf(process.getuid?.() !== 0)("another control (needs root)", () => {
  test(`${times} crashes and ${times} restarts under load`, { timeout: 90_000 + times * 8_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "novaedge-restart-"));
    await using lab = await buildLab(twoEdges());
    const resources = webResources({ vip: `address: ${VIP4}, mode: L2ARP`, backends: ["10.78.0.11", "10.78.0.12"], check: CHECK });
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
      await using load = lab.host("client").node("lab/programs/hammer.ts", [VIP4, "80", "16", "any"]);
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
      const pulse = (status: typeof after) => status?.processes.find(({ name }) => name === "pulse")?.pid;
      expect(pulse(after)).toBe(pulse(before));
      expect(manager.lines.filter((line) => /"vip.withdrawn"|"vip.swept"|vip.control-silent/.test(line))).toEqual([]);
      await manager.stop();
      expect(lab.host("a").pids()).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
