/** `npm start` as a user has it: the demo comes up, answers, and leaves nothing, however it ends. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { buildLab } from "../../lab/build.ts";
import { writeConfiguration } from "../../lab/edges.ts";
import { run, start } from "../../lab/process.ts";
import { twoEdges } from "../../lab/topology/two-edges.ts";

const program = join(import.meta.dirname, "../../tools/start.ts");

/** The demo, once it has an owner; the commands and addresses it printed. */
async function demo() {
  const running = start(process.execPath, [program, "--port", "18180"]);
  const kill = (await running.says(/kill the owner: kill -9/, 30_000)).split(": ")[1] ?? "";
  const shell = await running.says(/^from this shell/);
  const edit = (await running.says(/edit a route: /)).split(": ").slice(1).join(": ");
  const lab = /\/run\/novaedge-lab\/(nv[0-9]+-[0-9]+)/.exec(edit)?.[1] ?? "";
  return { running, kill, edit, lab, urls: [...shell.matchAll(/http:\S+/g)].map(([url]) => url) };
}

async function gone(lab: string): Promise<boolean> {
  for (let tries = 0; existsSync(`/run/novaedge-lab/${lab}.json`) && tries < 500; tries++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  const namespaces = readdirSync("/run/netns").filter((name) => name.startsWith(`${lab}-`));
  return namespaces.length === 0 && !existsSync(`/run/novaedge-lab/${lab}`);
}

describe.skipIf(process.getuid?.() !== 0)("npm start (needs root)", () => {
  test("answers on the printed addresses, shows a take-over when the owner is killed, and ends clean on Ctrl-C", async () => {
    const { running, kill, edit, lab, urls } = await demo();
    expect(urls.length).toBeGreaterThan(0);
    for (const url of urls) {
      const { stdout } = await run("curl", ["-si", "-m", "5", url]);
      expect(stdout).toMatch(/^HTTP\/1\.1 200/);
      expect(stdout).toMatch(/x-backend: b[123]/);
    }
    const asked = await run("sh", [`/run/novaedge-lab/${lab}/novactl-a`, "status"], { anyCode: true });
    expect(asked.stdout).toContain("10.77.0.100");
    await run("sh", ["-c", edit]);
    await run("sh", ["-c", kill]);
    await running.says(/outages [1-9]/, 10_000);
    const after = await run("curl", ["-s", "-m", "5", urls[0] ?? ""]);
    expect(after.stdout).toMatch(/^b[123]/);
    // One Ctrl-C as a program under npm gets it: from the terminal, and a moment later from npm.
    running.signal("SIGINT");
    await new Promise((resolve) => setTimeout(resolve, 20));
    running.signal("SIGINT");
    expect((await running.finished).code).toBe(0);
    expect(running.output()).toContain("everything is removed");
    expect(await gone(lab)).toBe(true);
  }, 60_000);

  test("leaves nothing when it is killed", async () => {
    const { running, lab } = await demo();
    running.signal("SIGKILL");
    await running.finished;
    expect(await gone(lab)).toBe(true);
  }, 60_000);
});

describe("npm start", () => {
  test("says how it is used", async () => {
    const refused = await run(process.execPath, [program, "--confg", "x"], { anyCode: true });
    expect([refused.code, refused.stderr.includes("npm start -- --config DIR")]).toEqual([64, true]);
  });
  test.skipIf(process.getuid?.() !== 0)(
    "with --config runs the daemon on the host it is called on, and ends with it",
    async () => {
      await using lab = await buildLab(twoEdges());
      writeConfiguration(lab.directory);
      const backend = lab.host("b1").node(join(import.meta.dirname, "../../lab/programs/backend.ts"), ["b1", "8000"]);
      await backend.says(/^listening/);
      const running = lab.host("a").node(program, ["--config", join(lab.directory, "a/novaedge.yaml")]);
      await running.says(/vip\.moved.*owner/, 30_000);
      const { stdout } = await lab.host("client").exec("curl", ["-si", "-m", "5", "http://10.77.0.100/"]);
      expect(stdout).toMatch(/^HTTP\/1\.1 200/);
      running.signal("SIGTERM");
      expect((await running.finished).code).toBe(0);
      expect(lab.host("a").pids()).toEqual([]);
    },
    60_000,
  );
  test.skipIf(process.getuid?.() !== 0)("runs the daemon with a configuration, whose faults it passes on", async () => {
    const missing = await run(process.execPath, [program, "--config", "/nonexistent"], { anyCode: true });
    expect(missing.code).toBe(78);
    expect(missing.stderr).toContain("/nonexistent: error: no such directory [FILE_READ]");
  });
  test.skipIf(process.getuid?.() !== 0)("passes the daemon's other flags on", async () => {
    const refused = await run(process.execPath, [program, "--health-port", "x", "--config=/nonexistent"], {
      anyCode: true,
    });
    expect([refused.code, refused.stderr]).toEqual([64, expect.stringContaining("--health-port")]);
  });
});
