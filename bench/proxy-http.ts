/**
 * HTTP/1.1 through each proxy in turn: requests per second, latency and CPU per request at 128 B and 64 KiB, one proxy
 * thread each, host and path routing on, keep-alive on both sides, access logs off. The proxy has one core, wrk and the
 * nginx backend share the other. All in a network namespace of its own, over loopback.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BenchOptions } from "./main.ts";
import { cpuMicroseconds, family, peakMiB, peer } from "./peer.ts";
import { type Report, Samples } from "./report.ts";

const BACKEND = 9001;
const CASES = [
  { name: "128B", path: "/api/128", octets: 128 },
  { name: "64KiB", path: "/api/65536", octets: 65_536 },
] as const;
const CONNECTIONS = 64;
const PROXY_CORE = "0";
const LOAD_CORE = "1";

interface Subject {
  readonly name: string;
  readonly port: number;
  start(folder: string): ChildProcess;
}

export async function proxyHttp(options: BenchOptions): Promise<Report> {
  const nginx = peer("nginx", "nginx-light");
  const haproxy = peer("haproxy", "haproxy");
  const wrk = peer("wrk", "wrk");
  if (process.env["NOVAEDGE_BENCH_NAMESPACE"] === undefined) return inNamespace();
  const folder = mkdtempSync(join(tmpdir(), "novaedge-bench-"));
  const subjects = [novaedge(), haproxySubject(haproxy), nginxSubject(nginx)];
  const running: ChildProcess[] = [];
  try {
    running.push(startBackend(nginx, folder));
    await reachable(BACKEND);
    const started: { subject: Subject; pid: number }[] = [];
    for (const subject of subjects) {
      const child = subject.start(folder);
      running.push(child);
      await reachable(subject.port);
      started.push({ subject, pid: child.pid ?? 0 });
    }
    return measure(wrk, started, options);
  } finally {
    for (const child of running.reverse()) await stop(child);
    rmSync(folder, { recursive: true, force: true });
  }
}

function measure(wrk: string, started: readonly { subject: Subject; pid: number }[], options: BenchOptions): Report {
  const samples = new Samples();
  const rounds = options.quick ? 1 : 3;
  const seconds = options.quick ? 3 : 5;
  for (let round = 0; round < rounds; round++) {
    for (const each of CASES) {
      for (const { subject, pid } of started) {
        load(wrk, subject.port, each.path, 1);
        const before = cpuOf(pid);
        const result = load(wrk, subject.port, each.path, seconds);
        const cpu = cpuOf(pid) - before;
        samples.add(subject.name, each.name, "requests_per_second", "1/s", result.requests / result.seconds);
        samples.add(subject.name, each.name, "cpu_us_per_request", "us", cpu / result.requests);
        samples.add(subject.name, each.name, "latency_p50_ms", "ms", result.p50);
        samples.add(subject.name, each.name, "latency_p99_ms", "ms", result.p99);
        samples.add(subject.name, each.name, "failed_requests", "", result.failed);
      }
    }
  }
  for (const { subject, pid } of started) {
    const peak = family(pid).reduce((sum, each) => sum + peakMiB(each), 0);
    samples.add(subject.name, "all", "peak_rss", "MiB", peak);
  }
  return samples.report("proxy-http", ["cpu_us_per_request", "requests_per_second", "latency_p99_ms"]);
}

/** All processes of the proxy: a helper that works beside the worker is paid for too. */
function cpuOf(pid: number): number {
  return family(pid).reduce((sum, each) => sum + cpuMicroseconds(each), 0);
}

interface Load {
  readonly requests: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  readonly failed: number;
}

function load(wrk: string, port: number, path: string, seconds: number): Load {
  const args = [
    "-c",
    LOAD_CORE,
    wrk,
    "-t1",
    `-c${CONNECTIONS}`,
    `-d${seconds}s`,
    "--latency",
    "-H",
    "Host: app.example",
  ];
  const run = spawnSync("taskset", [...args, `http://127.0.0.1:${port}${path}`], { encoding: "utf8" });
  const text = run.stdout;
  const number = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 0);
  const requests = number(/(\d+) requests in/);
  if (requests === 0) throw new Error(`no request succeeded on port ${port}:\n${text}${run.stderr}`);
  const socketErrors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text);
  const failed = (socketErrors?.slice(1) ?? []).reduce((sum, each) => sum + Number(each), 0);
  return {
    requests,
    seconds: duration(/requests in ([\d.]+m?s)/, text) / 1000,
    p50: duration(/50%\s+([\d.]+[mu]?s)/, text),
    p99: duration(/99%\s+([\d.]+[mu]?s)/, text),
    failed: failed + number(/Non-2xx or 3xx responses: (\d+)/),
  };
}

/** Milliseconds of wrk's "12.3us", "1.2ms", "3.4s". */
function duration(pattern: RegExp, text: string): number {
  const found = pattern.exec(text)?.[1] ?? "";
  const value = Number.parseFloat(found);
  return found.endsWith("us") ? value / 1000 : found.endsWith("ms") ? value : value * 1000;
}

function startBackend(nginx: string, folder: string): ChildProcess {
  const root = join(folder, "www", "api");
  mkdirSync(root, { recursive: true });
  for (const each of CASES) writeFileSync(join(root, String(each.octets)), "x".repeat(each.octets));
  const config = `
daemon off; master_process off; worker_processes 1; pid ${folder}/backend.pid; error_log ${folder}/backend.log;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 100000000; keepalive_timeout 1h; open_file_cache max=16; sendfile on; tcp_nopush on;
  client_body_temp_path ${folder}/b1; proxy_temp_path ${folder}/b2; fastcgi_temp_path ${folder}/b3; uwsgi_temp_path ${folder}/b4; scgi_temp_path ${folder}/b5;
  server { listen 127.0.0.1:${BACKEND} backlog=4096; root ${folder}/www; } }`;
  return nginxWith(nginx, join(folder, "backend.conf"), config, LOAD_CORE);
}

function nginxSubject(nginx: string): Subject {
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
      return nginxWith(nginx, join(folder, "nginx.conf"), config, PROXY_CORE);
    },
  };
}

function nginxWith(nginx: string, file: string, config: string, core: string): ChildProcess {
  writeFileSync(file, config);
  return spawn("taskset", ["-c", core, nginx, "-c", file], { stdio: "ignore" });
}

function haproxySubject(haproxy: string): Subject {
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
      return spawn("taskset", ["-c", PROXY_CORE, haproxy, "-f", file, "-db"], { stdio: "ignore" });
    },
  };
}

function novaedge(): Subject {
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
      const main = join(import.meta.dirname, "..", "daemon", "main.ts");
      const args = [process.execPath, main, "run", "--config", join(folder, "novaedge.yaml")];
      return spawn("taskset", ["-c", PROXY_CORE, ...args], { stdio: ["ignore", "inherit", "inherit"] });
    },
  };
}

async function reachable(port: number): Promise<void> {
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

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
  await ended;
  clearTimeout(timer);
}

/** The same bench again, inside a network namespace that ends with its processes. */
async function inNamespace(): Promise<never> {
  const script = 'ip link set lo up && exec "$@"';
  const args = ["--net", "sh", "-c", script, "sh", process.execPath, ...process.argv.slice(1)];
  const env = { ...process.env, NOVAEDGE_BENCH_NAMESPACE: "1" };
  const child = spawn("unshare", args, { stdio: "inherit", env });
  const [code] = await once(child, "exit");
  process.exit(typeof code === "number" ? code : 1);
}
