/**
 * systemd itself keeps the doors of the daemon's processes: restarts, crashes of control and an upgrade under load cost no
 * request, the process that holds the virtual IP goes on, and a stop still ends everything.
 */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../scenario/daemon.ts";
import { CONTAINER_TOOLS, hindrance, makePackages, PACKAGE_TOOLS } from "./packages.ts";
import { Scene } from "./scene.ts";
import { debianTree } from "./tree.ts";

const why = hindrance(...CONTAINER_TOOLS, ...PACKAGE_TOOLS);
const out = mkdtempSync(join(tmpdir(), "novaedge-packages-"));
let tree = "";

describe.skipIf(why !== undefined)(`restarts under systemd${why === undefined ? "" : ` (${why})`}`, () => {
  beforeAll(async () => {
    tree = await debianTree();
  }, 900_000);
  afterAll(() => rmSync(out, { recursive: true, force: true }));

  test("restarts, crashes and an upgrade under load", { timeout: 900_000 }, async () => {
    const [old, fresh] = [await makePackages(out, "0.0.9"), await makePackages(out, "0.1.0")];
    await using scene = await Scene.open(tree);
    const { machine } = scene;
    for (const [name, { deb }] of Object.entries({ old, fresh })) copyFileSync(deb, machine.path(`/root/${name}.deb`));
    await machine.exec("dpkg", "-i", "/root/old.deb");
    machine.write("/etc/novaedge/l2.key", `${"5a".repeat(32)}\n`, 0o600);
    machine.write("/etc/novaedge/novaedge.yaml", "node: { name: edge-1 }\ndataplane: { workers: 2 }\n");
    scene.configure("one");
    await machine.exec("systemctl", "start", "novaedge");
    await scene.serves("one");
    const pulse = pulseOf(scene);
    expect(pulse).toHaveLength(1);

    await using load = scene.hammer(8);
    await load.says(/"hammering"/, 30_000);
    for (let n = 0; n < 3; n++) {
      await machine.exec("systemctl", "restart", "novaedge");
      await settled(scene);
      const pid = await scene.property("MainPID");
      await machine.exec("kill", "-KILL", pid);
      await eventually("systemd has started another control", async () => {
        const now = await scene.property("MainPID");
        return now !== pid && now !== "0" && (await scene.property("ActiveState")) === "active" ? true : undefined;
      });
      await settled(scene);
    }
    await machine.exec("dpkg", "--force-confold", "-i", "/root/fresh.deb");
    await settled(scene);
    expect(JSON.parse(await machine.exec("novactl", "version", "-o", "json"))).toMatchObject({ daemon: "0.1.0" });
    load.write("stop\n");
    const result = JSON.parse(await load.says(/"requests"/, 30_000)) as { requests: number; failed: number };
    process.stdout.write(`under systemd: ${JSON.stringify(result)}\n`);
    expect(result.failed).toBe(0);
    expect(result.requests).toBeGreaterThan(100);
    expect(pulseOf(scene)).toEqual(pulse);

    await machine.exec("systemctl", "stop", "novaedge");
    expect(scene.processes()).toEqual([]);
    // With a control that was killed, the emptied store ends the others.
    await machine.exec("systemctl", "start", "novaedge");
    await scene.serves("one");
    await machine.exec("sh", "-c", "systemctl kill -s KILL --kill-who=main novaedge; systemctl stop novaedge");
    await eventually("nobody is left", () => (scene.processes().length === 0 ? true : undefined), 60_000);
  });
});

function pulseOf(scene: Scene): readonly number[] {
  return scene.processes().flatMap(({ name, pid }) => (name.startsWith("novaedge: pulse") ? [pid] : []));
}

/** The control of now is ready, and the data planes of the one before are gone. */
async function settled(scene: Scene): Promise<void> {
  await eventually(
    "the new control serves alone",
    async () => {
      const { code, stdout } = await scene.machine.attempt("novactl", "status", "-o", "json");
      return code === 0 && !stdout.includes("dataplane/0@") && !stdout.includes("dataplane/1@") ? true : undefined;
    },
    60_000,
  );
}
