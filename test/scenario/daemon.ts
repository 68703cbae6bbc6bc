/** The real daemon on a host of a lab: its files, its admin API, its end. */
import { mkdirSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import type { Status } from "../../daemon/admin/api.ts";
import type { Host } from "../../lab/host.ts";
import { type Running, treeOf } from "../../lab/process.ts";

export interface DaemonFiles {
  readonly folder: string;
  readonly settings: string;
  readonly socket: string;
  readonly conf: string;
}

/** Lays out the files of a node named `name`; `resources` is the content of conf.d/app.yaml. */
export function layOut(folder: string, name: string, resources: string, settings = ""): DaemonFiles {
  const conf = join(folder, "conf.d");
  mkdirSync(conf, { recursive: true });
  const files = { folder, settings: join(folder, "novaedge.yaml"), socket: join(folder, "admin.sock"), conf };
  writeFileSync(join(folder, "l2.key"), `${"5a".repeat(32)}\n`, { mode: 0o600 });
  writeFileSync(
    files.settings,
    `node: { name: ${name} }
l2: { interface: eth0, keyFile: ${folder}/l2.key }
dataplane: { workers: 1 }
admin: { socket: ${files.socket} }
log: { format: json }
paths: { config: ${conf}, state: ${folder}/state }
${settings}`,
  );
  writeResources(files, resources);
  return files;
}

export function writeResources(files: DaemonFiles, resources: string): void {
  writeFileSync(join(files.conf, "app.yaml"), resources);
}

export function startDaemon(host: Host, files: DaemonFiles): Running {
  return host.node("daemon/main.ts", ["run", "--config", files.settings]);
}

/** Of the daemon now; undefined while its admin socket does not answer. */
export function statusOf(files: DaemonFiles): Promise<Status | undefined> {
  return ask<Status>(files, "/v1/status").catch(() => undefined);
}

/** One answer of the admin API. */
export function ask<T>(files: DaemonFiles, path: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: files.socket, path, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () =>
        response.statusCode === 200 ? resolve(JSON.parse(body) as T) : reject(new Error(`${path}: ${body}`)),
      );
    });
    asked.on("error", reject);
    asked.end();
  });
}

/** Polls what only the outside can tell (a file, a process table, another program's state) until it holds. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  within = 20_000,
): Promise<T> {
  const deadline = performance.now() + within;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`not within ${within} ms: ${what}`);
    await new Promise((resume) => setTimeout(resume, 20));
  }
}

export async function ready(files: DaemonFiles, more: (status: Status) => boolean = () => true): Promise<Status> {
  let last: Status | undefined;
  try {
    return await eventually("ready", async () => {
      last = await statusOf(files);
      return last !== undefined && last.phase !== "starting" && more(last) ? last : undefined;
    });
  } catch (error) {
    throw new Error(`${String(error)}; last status: ${JSON.stringify(last)}`, { cause: error });
  }
}

export const owns = (status: Status): boolean =>
  status.vips.length > 0 && status.vips.every((vip) => vip.state === "owner");

/** The daemon and all its children, killed at once. */
export function killAll(daemon: Running): readonly number[] {
  const pids = treeOf(daemon.pid);
  for (const pid of [...pids].reverse())
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // ended meanwhile
    }
  return pids;
}
