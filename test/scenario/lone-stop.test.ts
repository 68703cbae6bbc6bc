/** A host without a peer stops: there is nobody to hand flows to, and yet what is under way is finished. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { RESOURCES } from "../../bench/failover/contender.ts";
import { buildLab } from "../../lab/build.ts";
import { BACKENDS, twoEdges, VIP4 } from "../../lab/topology/two-edges.ts";
import { eventually, layOut, owns, ready, startDaemon } from "./daemon.ts";

/** Octets; at 600 KiB/s most of the grace. */
const SIZE = 4_500_000;
const CURL_RECEIVE_FAILED = 56;

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

  test("a slow download ends well within the grace; a slower one is reset at its end, never left in silence", async () => {
    const folder = mkdtempSync(join(tmpdir(), "novaedge-slow-"));
    await using lab = await buildLab(twoEdges());
    await using backends = new AsyncDisposableStack();
    for (const name of BACKENDS) {
      const backend = backends.use(lab.host(name).node("lab/programs/backend.ts", [name, "8080"]));
      await backend.says(/^listening/);
    }
    const client = lab.host("client");
    // The client's kernel takes little in advance, so that most waits in the edge's.
    await client.exec("sysctl", ["-qw", "net.ipv4.tcp_rmem=4096 32768 32768"]);
    const files = layOut(folder, "a", RESOURCES);
    await using daemon = startDaemon(lab.host("a"), files);
    try {
      await ready(files, owns);
      const download = (rate: string) =>
        client.exec(
          "curl",
          ["-sS", "-m", "40", "--limit-rate", rate, "-o", "/dev/null", "-w", "%{size_download}"].concat(
            `http://${VIP4}/size/${SIZE}`,
          ),
          { anyCode: true },
        );
      const [slow, slower] = [download("600k"), download("100k")];
      await eventually("both read", async () => {
        const { stdout } = await client.exec("ss", ["-Htn", "state", "established", "dport", "= :80"]);
        return stdout.match(/^[1-9]\d* /gm)?.length === 2 ? true : undefined;
      });
      daemon.signal("SIGTERM");
      expect(await slow).toMatchObject({ code: 0, stdout: String(SIZE) });
      const cut = await slower;
      expect([cut.code, cut.stderr]).toEqual([CURL_RECEIVE_FAILED, expect.stringMatching(/reset/i)]);
      expect((await daemon.finished).code).toBe(0);
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
