/**
 * `npm run build`: the programs as bundles in dist/ (bundle.ts).  `--measure` then starts the bundled daemon in a network
 * namespace and prints how long it took from exec until it was ready (root only).
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNamespace, deleteNamespace, spawnInside } from "../netstack/kernel/namespace.ts";
import { bundle, copyBinding, installedBinding } from "./bundle.ts";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");

await bundle(dist);
copyBinding(installedBinding(process.arch), dist, process.arch);
if (process.argv.includes("--measure")) await measure(Number(process.argv.at(-1)) || 10);

/** Milliseconds from exec to ready: the median, and all of them. */
async function measure(rounds: number): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "nv-ready-"));
  const namespace = `nv${process.pid}-ready`;
  createNamespace(namespace);
  try {
    writeFileSync(
      join(dir, "novaedge.yaml"),
      `node: {name: ready}\nadmin: {socket: ${dir}/run/admin.sock}\npaths: {state: ${dir}/state}\n`,
    );
    mkdirSync(join(dir, "conf.d"));
    writeFileSync(join(dir, "conf.d", "edge.yaml"), readFileSync(join(root, "tools", "ready.yaml")));
    const took: number[] = [];
    for (let round = 0; round < rounds + 1; round++) took.push(await ready(namespace, dir));
    took.shift(); // the first one fills the compile cache
    took.sort((a, b) => a - b);
    process.stdout.write(
      `ready after ${took[Math.floor(took.length / 2)]} ms (median of ${rounds}: ${took.join(", ")})\n`,
    );
  } finally {
    deleteNamespace(namespace);
    rmSync(dir, { recursive: true });
  }
}

function ready(namespace: string, dir: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const args = [join(dist, "novaedge.cjs"), "run", "--config", dir, "--log-format", "json"];
    const env = { ...process.env, NODE_COMPILE_CACHE: join(dir, "cache") };
    const child: ReturnType<typeof spawn> = spawnInside(namespace, process.execPath, args, {
      stdio: ["ignore", "ignore", "pipe"],
      env,
    });
    let text = "";
    let after: number | undefined;
    child.stderr?.setEncoding("utf8").on("data", (part: string) => {
      text += part;
      const found = /"name":"daemon.ready","after":(\d+)/.exec(text)?.[1];
      if (found === undefined || after !== undefined) return;
      after = Number(found);
      child.kill("SIGTERM");
    });
    child.on("error", reject);
    child.on("exit", () =>
      after === undefined ? reject(new Error(`never ready:\n${text.slice(-2000)}`)) : resolve(after),
    );
  });
}
