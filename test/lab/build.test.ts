import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, test } from "vitest";
import { buildLab } from "../../lab/build.ts";
import { describe as described } from "../../lab/description.ts";
import { startOf, sweep } from "../../lab/guardian.ts";
import type { Host } from "../../lab/host.ts";
import { twoEdges } from "../../lab/topology/two-edges.ts";

const pair = described({
  hosts: {
    a: { interfaces: { eth0: ["192.0.2.1/24", "2001:db8::1/64"] } },
    b: { interfaces: { eth0: ["192.0.2.2/24", "2001:db8::2/64"] } },
    c: { interfaces: { eth0: ["192.0.2.3/24"] } },
  },
  switches: ["front"],
  links: [
    { from: "a:eth0", to: "front" },
    { from: "b:eth0", to: "front" },
    { from: "c:eth0", to: "front" },
  ],
});

describe.skipIf(process.getuid?.() !== 0)("a lab (needs root)", () => {
  test("of two edges, a client and three backends comes up with every address reachable", async () => {
    await using lab = await buildLab(twoEdges());
    for (const [from, to] of [
      ["client", "10.77.0.1"],
      ["client", "fd77::2"],
      ["a", "10.78.0.13"],
      ["b", "fd78::11"],
    ] as const)
      expect(await reaches(lab.host(from), to)).toBe(true);
    expect(await isDeaf(lab.host("client"), "10.78.0.11")).toBe(true);
    const tentative = await lab.host("a").exec("ip", ["-6", "address", "show", "tentative"]);
    expect(tentative.stdout).toBe("");
  });

  test("cuts a cable with and without its carrier, and restores it", async () => {
    await using lab = await buildLab(pair);
    const a = lab.host("a");
    lab.cut("a:eth0");
    expect((await a.exec("cat", ["/sys/class/net/eth0/carrier"])).stdout).toBe("0\n");
    lab.restore("a:eth0");
    expect((await a.exec("cat", ["/sys/class/net/eth0/carrier"])).stdout).toBe("1\n");
    lab.cut("a:eth0", "silent");
    expect((await a.exec("cat", ["/sys/class/net/eth0/carrier"])).stdout).toBe("1\n");
    expect(await isDeaf(a, "192.0.2.2")).toBe(true);
    lab.restore("a:eth0");
    expect(await reaches(a, "192.0.2.2")).toBe(true);
  });

  test("drops what matches between two ports, one way; partitions a segment", async () => {
    await using lab = await buildLab(pair);
    const [a, b, c] = [lab.host("a"), lab.host("b"), lab.host("c")];
    {
      using _ = lab.drop({ from: "a:eth0", to: "b:eth0", match: "ip protocol tcp" });
      expect(await isDeaf(a, "192.0.2.2")).toBe(true);
      expect(await reaches(a, "2001:db8::2")).toBe(true);
    }
    expect(await reaches(a, "192.0.2.2")).toBe(true);
    using _ = lab.partition([["a:eth0"], ["b:eth0", "c:eth0"]]);
    expect(await isDeaf(a, "192.0.2.2")).toBe(true);
    expect(await reaches(b, "192.0.2.3")).toBe(true);
    expect(await reaches(c, "192.0.2.2")).toBe(true);
  });

  test("leaves nothing behind, not even a stopped process that ignores signals", async () => {
    const lab = await buildLab(pair);
    const stubborn = lab.host("a").spawn("sh", ["-c", "trap '' TERM HUP INT; sleep 600 & echo ready; wait"]);
    await stubborn.says(/ready/);
    const pids = stubborn.signalTree("SIGSTOP");
    expect(pids.length).toBe(2);
    await lab[Symbol.asyncDispose]();
    expect(namespacesOf(lab.id)).toEqual([]);
    expect(pids.filter(runs)).toEqual([]);
  });

  test("is removed by its guardian when its creator is killed", async () => {
    const creator = createLab();
    const id = await creator.id;
    expect(namespacesOf(id).length).toBe(4);
    creator.kill();
    await gone(id);
    expect(namespacesOf(id)).toEqual([]);
  });

  test("is removed at the next start when creator and guardian are gone", async () => {
    const directory = mkdtempSync(join(tmpdir(), "nv-records-"));
    const dead = spawn("true");
    await once(dead, "exit");
    const namespace = `nv${dead.pid}-1-h-a`;
    await new Promise((resolve) => spawn("ip", ["netns", "add", namespace]).once("exit", resolve));
    const record = { pid: dead.pid, started: "1", namespaces: [namespace] };
    writeFileSync(join(directory, "nv1-1.json"), JSON.stringify(record));
    const alive = { pid: process.pid, started: startOf(process.pid), namespaces: [] };
    writeFileSync(join(directory, "nv2-1.json"), JSON.stringify(alive));
    expect(await sweep(directory)).toEqual(["nv1-1"]);
    expect(existsSync(`/run/netns/${namespace}`)).toBe(false);
    expect(readdirSync(directory)).toEqual(["nv2-1.json"]);
    rmSync(directory, { recursive: true });
  });
});

/** A TCP connection that is refused reached its host.  An address being resolved is asked for once a second. */
async function reaches(from: Host, to: string): Promise<boolean> {
  return await refused(from, to, "4");
}
async function isDeaf(from: Host, to: string): Promise<boolean> {
  return !(await refused(from, to, "0.3"));
}
async function refused(from: Host, to: string, within: string): Promise<boolean> {
  const url = to.includes(":") ? `http://[${to}]:9/` : `http://${to}:9/`;
  const { stderr } = await from.exec("curl", ["-sv", "-m", within, url], { anyCode: true });
  return stderr.includes("Connection refused");
}

function namespacesOf(id: string): readonly string[] {
  return readdirSync("/run/netns").filter((name) => name.startsWith(`${id}-`));
}

function runs(pid: number): boolean {
  return startOf(pid) !== undefined;
}

function createLab() {
  const program = `
    import { buildLab } from ${JSON.stringify(join(import.meta.dirname, "../../lab/build.ts"))};
    const lab = await buildLab(${JSON.stringify(pair)});
    lab.host("a").spawn("sleep", ["600"]);
    console.log(lab.id);
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout });
  return { id: once(lines, "line").then(([line]) => String(line)), kill: () => void child.kill("SIGKILL") };
}

/** The record is removed last. */
async function gone(id: string): Promise<void> {
  for (let tries = 0; existsSync(`/run/novaedge-lab/${id}.json`) && tries < 500; tries++)
    await new Promise((resolve) => setTimeout(resolve, 10));
}
