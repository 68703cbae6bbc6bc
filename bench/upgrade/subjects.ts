/** What is restarted under load: ours under a service manager beside its router, HAProxy and nginx with their reloads. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Lab } from "../../lab/build.ts";
import { edgeOf } from "../../lab/edges.ts";
import { Manager } from "../../lab/manager.ts";
import { until } from "../../lab/peers/until.ts";
import { send, treeOf } from "../../lab/process.ts";
import { ANYCAST4, front } from "../../lab/topology/anycast.ts";
import { writeEdge } from "../anycast/edge.ts";
import { peer } from "../peer.ts";

export const BFD = { interval: 100, multiplier: 3 };

/** On host a of the lab. */
export interface Subject extends AsyncDisposable {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** Another process by the same program; resolves when it serves. */
  restart(): Promise<void>;
  /** … by another version of it; undefined: there is no difference. */
  readonly upgrade: (() => Promise<void>) | undefined;
}

export async function novaedge(lab: Lab, folder: string): Promise<Subject> {
  const home = join(folder, "novaedge");
  writeEdge(home, "a", BFD, "/health");
  const versions = ["0.0.9", "0.1.0"];
  const root = join(import.meta.dirname, "..", "..");
  execFileSync(process.execPath, [join(root, "tools", "bundles.ts"), folder, ...versions], { stdio: "ignore" });
  const command = (index: number): readonly string[] => {
    const program = join(folder, versions[index % versions.length] ?? "", "novaedge.cjs");
    return [process.execPath, program, "run", "--config", join(home, "novaedge.yaml")];
  };
  const manager = new Manager(lab.host("a"), home, command(0));
  await manager.ready(1);
  const edge = edgeOf("a", join(home, "admin.sock"), manager.running);
  const served = async (): Promise<void> => {
    // Until the data planes of before have finished, too.
    await until("it serves alone", async () => {
      const status = await edge.get<Status>("/v1/status").catch(() => undefined);
      const announced = status?.vips.every(({ state }) => state === "announced") === true;
      return announced && status?.processes.every(({ name }) => !name.includes("@")) === true;
    });
  };
  await served();
  let version = 0;
  return {
    name: "novaedge",
    address: ANYCAST4,
    port: 80,
    async restart() {
      await manager.restart();
      await served();
    },
    async upgrade() {
      manager.program(...command(++version));
      await manager.restart();
      await served();
    },
    [Symbol.asyncDispose]: () => manager[Symbol.asyncDispose](),
  };
}

/** `haproxy -W`, reloaded by SIGUSR2 to its master. */
export async function haproxy(lab: Lab, folder: string): Promise<Subject> {
  const file = join(folder, "haproxy.cfg");
  const pidFile = join(folder, "haproxy.pid");
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  option http-keep-alive
  timeout connect 2s
  timeout client 75s
  timeout server 60s
frontend front
  bind ${front("a").v4}:8082
  use_backend app
backend app
  balance roundrobin
  server s1 10.78.0.11:8080
  server s2 10.78.0.12:8080
`,
  );
  const running = lab.host("a").spawn(peer("haproxy", "haproxy"), ["-W", "-db", "-f", file, "-p", pidFile]);
  return reloaded("haproxy", 8082, running, "SIGUSR2");
}

/** `nginx -s reload`: SIGHUP to its master. */
export async function nginx(lab: Lab, folder: string): Promise<Subject> {
  const file = join(folder, "nginx.conf");
  const scratch = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (each) => `${each}_temp_path ${folder}/${each};`,
  );
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 100000000; ${scratch.join(" ")}
  upstream app { server 10.78.0.11:8080; server 10.78.0.12:8080; keepalive 64; }
  server { listen 8083; location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; } } }
`,
  );
  const running = lab.host("a").spawn(peer("nginx", "nginx-light"), ["-c", file]);
  return reloaded("nginx", 8083, running, "SIGHUP");
}

/** A master whose workers are others after a signal. */
async function reloaded(
  name: string,
  port: number,
  running: ReturnType<ReturnType<Lab["host"]>["spawn"]>,
  signal: NodeJS.Signals,
): Promise<Subject> {
  const workers = (): readonly number[] => treeOf(running.pid).slice(1);
  await until(`${name} has a worker`, () => Promise.resolve(workers().length > 0));
  return {
    name,
    address: front("a").v4,
    port,
    upgrade: undefined,
    async restart() {
      const before = workers();
      send(running.pid, signal);
      await until(`${name} has other workers`, () => {
        const now = workers();
        return Promise.resolve(now.length > 0 && now.every((pid) => !before.includes(pid)));
      });
    },
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

interface Status {
  readonly vips: readonly { readonly state: string }[];
  readonly processes: readonly { readonly name: string }[];
}
