/**
 * What a node costs that has everything to watch and nothing to do: L2 virtual IPs shared with another node, two BGP
 * peers, one of them guarded by BFD, OSPF of both versions, an endpoint whose health is checked, a virtual IP of each
 * mode, all intervals at their defaults.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as elapse } from "node:timers/promises";
import type { Status } from "../../daemon/admin/api.ts";
import type { BfdStatus, BgpStatus, OspfStatus } from "../../daemon/admin/routing-api.ts";
import { buildLab, type Lab } from "../../lab/build.ts";
import { type Description, describe } from "../../lab/description.ts";
import { startBird } from "../../lab/peers/bird.ts";
import { until } from "../../lab/peers/until.ts";
import type { Running } from "../../lab/process.ts";
import { webResources } from "../../lab/web-resources.ts";
import { cpuMicroseconds, family, peer, pssMiB, sleeps } from "../peer.ts";
import type { Samples } from "../report.ts";

/** Adds rows of the case "all-engines-idle", for the whole daemon and for each of its processes. */
export async function allEnginesIdle(samples: Samples, seconds: number): Promise<void> {
  peer("bird", "bird2");
  const folder = mkdtempSync(join(tmpdir(), "novaedge-bench-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const lab = stack.use(await buildLab(topology()));
  for (const name of ROUTERS) {
    stack.use(await startBird(lab.host(name), routerOf(name)));
    stack.use(lab.host(name).node("lab/programs/backend.ts", [name, "8080"]));
  }
  const running = stack.use(start(lab, "s", folder, ROUTING));
  await until("everything up", () => isUp(join(folder, "s", "admin.sock")), {
    within: 120_000,
    every: 500,
    explain: () => running.output().slice(-4000),
  });
  // It has the virtual IP already, and keeps it.
  stack.use(start(lab, "t", folder, ""));
  await elapse(SETTLED);
  const before = looks(running.pid);
  const begun = performance.now();
  await elapse(seconds * 1000);
  const span = performance.now() - begun;
  const after = looks(running.pid);
  let whole = 0;
  for (const [name, { cpu, sleeps: slept }] of after) {
    const then = before.get(name);
    if (then === undefined) throw new TypeError(`${name} has begun meanwhile`);
    const share = (cpu - then.cpu) / (span * 10);
    whole += share;
    samples.add("novaedge", CASE, `cpu_share_${name}`, "%", share);
    samples.add("novaedge", CASE, `sleeps_${name}`, "/s", ((slept - then.sleeps) * 1000) / span);
  }
  samples.add("novaedge", CASE, "cpu_share", "%", whole);
  samples.add(
    "novaedge",
    CASE,
    "pss",
    "MiB",
    family(running.pid).reduce((sum, pid) => sum + pssMiB(pid), 0),
  );
}

interface Look {
  /** Microseconds. */
  readonly cpu: number;
  /** How often a thread of it has gone to sleep. */
  readonly sleeps: number;
}

/** By "control", "pulse", "routing", "dataplane". */
function looks(daemon: number): ReadonlyMap<string, Look> {
  return new Map(
    family(daemon).map((pid) => {
      const title = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      const name = /novaedge: (\w+)/.exec(title)?.[1] ?? "control";
      return [name, { cpu: cpuMicroseconds(pid), sleeps: sleeps(pid) }];
    }),
  );
}

function topology(): Description {
  const names = ["s", "t", ...ROUTERS];
  return describe({
    hosts: Object.fromEntries(
      names.map((name, n) => [
        name,
        { interfaces: { eth0: [`10.0.0.${n + 1}/24`, `fd00::${n + 1}/64`] }, forwards: n > 1 },
      ]),
    ),
    switches: ["lan"],
    links: names.map((name) => ({ from: `${name}:eth0`, to: "lan" })),
  });
}

function start(lab: Lab, name: string, folder: string, routing: string): Running {
  const home = join(folder, name);
  mkdirSync(join(home, "conf.d"), { recursive: true });
  writeFileSync(join(home, "l2.key"), `${"5a".repeat(32)}\n`, { mode: 0o600 });
  writeFileSync(
    join(home, "novaedge.yaml"),
    `node: { name: ${name} }
l2: { interface: eth0, keyFile: ${home}/l2.key, witnesses: [10.0.0.3] }
dataplane: { workers: 1 }
admin: { socket: ${home}/admin.sock }
log: { level: warn }
paths: { config: ${home}/conf.d, state: ${home}/state }
${routing}`,
  );
  writeFileSync(join(home, "conf.d", "app.yaml"), `${SHARED}${routing === "" ? "" : ROUTED}`);
  const main = join(import.meta.dirname, "..", "..", "dist", "novaedge.cjs");
  return lab.host(name).spawn(process.execPath, [main, "run", "--config", join(home, "novaedge.yaml")]);
}

/** Each engine has done all that there is to do. */
async function isUp(socket: string): Promise<boolean> {
  try {
    const { vips } = await ask<Status>(socket, "/v1/status");
    const { peers } = await ask<BgpStatus>(socket, "/v1/bgp");
    const { interfaces } = await ask<OspfStatus>(socket, "/v1/ospf");
    const { sessions } = await ask<BfdStatus>(socket, "/v1/bfd");
    return (
      vips.every(({ state }) => state === "owner" || state === "announced") &&
      peers.length === ROUTERS.length &&
      peers.every(({ state }) => state === "established") &&
      interfaces.length === 2 &&
      interfaces.every(
        ({ neighbors }) => neighbors.filter(({ state }) => state === "full").length === ROUTERS.length,
      ) &&
      sessions.length === 1 &&
      sessions.every(({ state }) => state === "up")
    );
  } catch {
    return false; // it does not answer yet; if it never does, its output tells why
  }
}

function ask<T>(socketPath: string, path: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, timeout: 1000 }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode === 200) resolve(JSON.parse(body) as T);
        else reject(new Error(body));
      });
    });
    asked.on("timeout", () => asked.destroy(new Error("no answer")));
    asked.on("error", reject);
    asked.end();
  });
}

const ROUTERS = ["r", "q"] as const;

function routerOf(name: (typeof ROUTERS)[number]) {
  const n = name === "r" ? 3 : 4;
  const area = { id: "0.0.0.0", interfaces: [{ ifname: "eth0", hello: 10, dead: 40 }] };
  const bfd = name === "r" ? { bfd: { interval: 300, multiplier: 3 } } : {};
  const session = { asn: 65_001, hold: 90, keepalive: 30, announces: false, ...bfd };
  return {
    routerId: `10.0.0.${n}`,
    bgp: { asn: 65_000 + n, neighbors: [{ name: "node", address: "10.0.0.1", local: `10.0.0.${n}`, ...session }] },
    ospf: [2, 3].map((version) => ({ version: version as 2 | 3, areas: [area] })),
  };
}

const ROUTING = `bgp:
  asn: 65001
  peers:
    - { name: r, address: 10.0.0.3, asn: 65003, bfd: {} }
    - { name: q, address: 10.0.0.4, asn: 65004 }
ospf:
  v2: { areas: [{ id: 0.0.0.0, interfaces: [{ name: eth0 }] }] }
  v3: { areas: [{ id: 0.0.0.0, interfaces: [{ name: eth0 }] }] }
`;

const SHARED = webResources({
  vip: "address: 10.0.0.100, ipv6Address: fd00::100, mode: L2ARP",
  backends: ["10.0.0.3"],
  check: "interval: 10s, httpPath: /",
});

const ROUTED = (["BGP", "OSPF"] as const)
  .map(
    (mode, n) => `---
apiVersion: novaedge.io/v1alpha1
kind: ProxyVIP
metadata: { name: ${mode.toLowerCase()} }
spec: { address: 192.0.2.${n + 1}, mode: ${mode}, ports: [80] }
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyGateway
metadata: { name: ${mode.toLowerCase()} }
spec:
  vipRef: ${mode.toLowerCase()}
  listeners: [{ name: http, port: 80, protocol: HTTP }]
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyRoute
metadata: { name: ${mode.toLowerCase()} }
spec:
  parentRefs: [{ name: ${mode.toLowerCase()} }]
  rules: [{ backendRefs: [{ name: app }] }]
`,
  )
  .join("");

const CASE = "all-engines-idle";
/** Milliseconds; what coming up has caused is over by then. */
const SETTLED = 10_000;
