/** A host without a peer stops: there is nobody to hand flows to, and yet what is under way is finished. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { RESOURCES } from "../../bench/failover/contender.ts";
import { buildLab } from "../../lab/build.ts";
import { BACKENDS, twoEdges, VIP4 } from "../../lab/topology/two-edges.ts";
import { layOut, owns, ready, startDaemon } from "./daemon.ts";

describe.skipIf(process.getuid?.() !== 0)("a lone host stops (needs root)", () => {
  test("a request under way gets its answer, then nothing is left", async () => {
    const folder = mkdtempSync(join(tmpdir(), "novaedge-lone-"));
    await using lab = await buildLab(twoEdges());
    await using backends = new AsyncDisposableStack();
    for (const name of BACKENDS) {
      const backend = backends.use(lab.host(name).node("lab/programs/backend.ts", [name, "8080"]));
      await backend.says(/^listening/);
    }
    const files = layOut(folder, "a", RESOURCES);
    const edge = lab.host("a");
    await using daemon = startDaemon(edge, files);
    try {
      await ready(files, owns);
      const asked = lab
        .host("client")
        .exec("curl", ["-sS", "-m", "20", "-w", " %{http_code}", `http://${VIP4}/slow/3000`]);
      const before = await established(lab);
      daemon.signal("SIGTERM");
      expect((await asked).stdout).toMatch(/^b\d\n 200$/);
      expect((await daemon.finished).code).toBe(0);
      expect(before).toBe(true);
      expect((await edge.exec("ip", ["address", "show", "dev", "eth0"])).stdout).not.toContain(VIP4);
      expect((await edge.exec("nft", ["list", "tables"])).stdout).toBe("");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  /** The request has reached a backend: a connection to port 8080 is open on the edge. */
  async function established(lab: Awaited<ReturnType<typeof buildLab>>): Promise<boolean> {
    for (let attempt = 0; attempt < 100; attempt++) {
      const { stdout } = await lab.host("client").exec("ss", ["-Htn", "state", "established", "dport", "= :80"]);
      if (stdout !== "") return true;
    }
    return false;
  }
});
