/** The proxies that are compared and the backend behind them, each with one thread. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { peer } from "../peer.ts";
import { LOAD_CORE } from "./load.ts";

const BACKEND = 9001;
export const CASES = [
  { name: "128B", path: "/api/128", octets: 128 },
  { name: "64KiB", path: "/api/65536", octets: 65_536 },
] as const;
const PROXY_CORE = "0";

export interface Subject {
  readonly name: string;
  readonly port: number;
  start(folder: string): ChildProcess;
}

export async function startBackend(folder: string): Promise<ChildProcess> {
  const root = join(folder, "www", "api");
  mkdirSync(root, { recursive: true });
  for (const each of CASES) writeFileSync(join(root, String(each.octets)), "x".repeat(each.octets));
  const config = `
daemon off; master_process off; worker_processes 1; pid ${folder}/backend.pid; error_log ${folder}/backend.log;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 100000000; keepalive_timeout 1h; open_file_cache max=16; sendfile on; tcp_nopush on;
  client_body_temp_path ${folder}/b1; proxy_temp_path ${folder}/b2; fastcgi_temp_path ${folder}/b3; uwsgi_temp_path ${folder}/b4; scgi_temp_path ${folder}/b5;
  server { listen 127.0.0.1:${BACKEND} backlog=4096; root ${folder}/www; } }`;
  const backend = nginxWith(peer("nginx", "nginx-light"), join(folder, "backend.conf"), config, LOAD_CORE);
  await reachable(BACKEND);
  return backend;
}

export function nginx(): Subject {
  const program = peer("nginx", "nginx-light");
  const port = 8083;
  return {
    name: "nginx",
    port,
    start: (folder) => {
      const config = `
daemon off; master_process off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 100000000; keepalive_timeout 1h;
  client_body_temp_path ${folder}/n1; proxy_temp_path ${folder}/n2; fastcgi_temp_path ${folder}/n3; uwsgi_temp_path ${folder}/n4; scgi_temp_path ${folder}/n5;
  upstream app { server 127.0.0.1:${BACKEND}; keepalive 128; keepalive_requests 100000000; }
  server { listen 127.0.0.1:${port} backlog=4096; server_name app.example;
    location /api/ { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_buffering on; } } }`;
      return nginxWith(program, join(folder, "nginx.conf"), config, PROXY_CORE);
    },
  };
}

function nginxWith(program: string, file: string, config: string, core: string): ChildProcess {
  writeFileSync(file, config);
  return spawn("taskset", ["-c", core, program, "-c", file], { stdio: "ignore" });
}

export function haproxy(): Subject {
  const program = peer("haproxy", "haproxy");
  const port = 8082;
  return {
    name: "haproxy",
    port,
    start: (folder) => {
      const file = join(folder, "haproxy.cfg");
      writeFileSync(
        file,
        `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  option forwardfor
  option http-keep-alive
  http-reuse always
  timeout connect 2s
  timeout client 75s
  timeout server 60s
frontend front
  bind 127.0.0.1:${port}
  acl host_app hdr(host) -i app.example
  acl path_api path_beg /api/
  use_backend app if host_app path_api
backend app
  balance roundrobin
  server s1 127.0.0.1:${BACKEND} check inter 10s
`,
      );
      return spawn("taskset", ["-c", PROXY_CORE, program, "-f", file, "-db"], { stdio: "ignore" });
    },
  };
}

/** `bundled`: as packages ship it (npm run build first); otherwise from the sources. */
export function novaedge(bundled = false): Subject {
  const port = 8081;
  return {
    name: "novaedge",
    port,
    start: (folder) => {
      const conf = join(folder, "conf.d");
      mkdirSync(conf);
      writeFileSync(
        join(folder, "novaedge.yaml"),
        `node:
  name: bench
dataplane:
  workers: 1
  user: root
admin:
  socket: ${folder}/admin.sock
log:
  level: warn
paths:
  config: ${conf}
  state: ${folder}/state
`,
      );
      writeFileSync(
        join(conf, "app.yaml"),
        `apiVersion: novaedge.io/v1alpha1
kind: ProxyGateway
metadata: { name: bench }
spec:
  listeners: [{ name: http, port: ${port}, protocol: HTTP }]
  accessLog: { enabled: false }
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyRoute
metadata: { name: app }
spec:
  parentRefs: [{ name: bench }]
  hostnames: [app.example]
  rules:
    - matches: [{ path: { type: PathPrefix, value: /api } }]
      backendRefs: [{ name: app }]
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyBackend
metadata: { name: app }
spec:
  endpoints: [{ address: 127.0.0.1, port: ${BACKEND} }]
  connectionPool: { maxIdleConns: 128, maxIdleConnsPerHost: 128 }
  healthCheck: { interval: 10s }
`,
      );
      const root = join(import.meta.dirname, "..", "..");
      const main = bundled ? join(root, "dist", "novaedge.cjs") : join(root, "daemon", "main.ts");
      const args = [process.execPath, main, "run", "--config", join(folder, "novaedge.yaml")];
      return spawn("taskset", ["-c", PROXY_CORE, ...args], { stdio: ["ignore", "inherit", "inherit"] });
    },
  };
}

export async function reachable(port: number): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const up = await Promise.race([
      once(socket, "connect").then(() => true),
      once(socket, "error").then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (up) return;
    if (Date.now() > deadline) throw new Error(`nothing listens on port ${port}`);
    await new Promise((resume) => setTimeout(resume, 50));
  }
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
  await ended;
  clearTimeout(timer);
}
