import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Status } from "../../../daemon/admin/api.ts";
import { expose } from "../../../daemon/metrics/exposition.ts";
import { families } from "../../../daemon/metrics/metrics.ts";
import type { RoutingMeasured } from "../../../daemon/metrics/routing.ts";
import type { WanMeasured } from "../../../daemon/metrics/wan.ts";
import { NO_STATS } from "../../../daemon/parts/counters.ts";
import { type DataplaneStats, DURATION_BUCKETS } from "../../../proxy/control.ts";
import { ROUTING_ANSWERS, SESSIONS } from "../routing-answers.ts";
import { WAN_STATUS } from "../wan-answers.ts";
import { parseExposition } from "./exposition-parser.ts";

const status: Status = {
  version: "1.2.3",
  node: "n",
  pid: 1,
  startedAt: 0,
  uptime: 1_500,
  phase: "ready",
  engine: "io_uring",
  engineWhy: "",
  configuration: {
    generation: 7,
    hash: "h",
    loadedAt: 0,
    settingsFile: "",
    resourceDir: "",
    problems: [],
  },
  processes: [
    { name: "pulse", pid: 2, state: "silent", startedAt: 0, restarts: 3, lastEnd: undefined, memory: 4096 },
    {
      name: "dataplane/0",
      pid: undefined,
      state: "up",
      startedAt: 0,
      restarts: 0,
      lastEnd: undefined,
      memory: undefined,
    },
    {
      name: "dataplane/0@4711",
      pid: 4711,
      state: "stopping",
      startedAt: 0,
      restarts: 0,
      lastEnd: undefined,
      memory: 1,
    },
  ],
  conditions: [{ code: "BACKEND_DOWN", severity: "error", subject: "ProxyBackend/default/b", message: "", since: 0 }],
  vips: [
    {
      name: "web",
      mode: "L2ARP",
      addresses: ["192.0.2.1/32", "2001:db8::1/128"],
      ifname: "eth0",
      state: "owner",
      owner: "n",
      term: 9,
      why: "",
      eligible: true,
      eligibleWhy: "OK",
      priority: 100,
      conflictWith: undefined,
      since: 0,
      failovers: 2,
      neighbors: [],
    },
  ],
  peers: [{ node: "m", ifname: "eth0", state: "one-way", address: "192.0.2.2" }],
  routing: { bgp: undefined, ospf: undefined, bfd: { sessions: 0, up: 0 } },
  listeners: [],
  backends: [
    {
      name: "default/b",
      lbPolicy: "RoundRobin",
      checked: true,
      endpoints: [
        { address: "2001:db8::2", port: 80, weight: 1, health: "unhealthy", why: "", since: 0 },
        { address: "192.0.2.9", port: 80, weight: 1, health: "unknown", why: "", since: undefined },
      ],
    },
  ],
};
const stats: DataplaneStats = {
  ...NO_STATS,
  connections: 4,
  requests: { "GET|2xx|default/b": 10, "POST|5xx|default/b": 1, "GET|4xx|": 2 },
  durations: { "default/b": [...DURATION_BUCKETS.map((_, index) => Math.min(index, 10)), 4.5] },
  upstream: { "default/b|192.0.2.9:80|ok": 11 },
  pools: { "default/b": [1, 2, 8, 3] },
  refused: { "chunk-size": 1 },
};
const routing: RoutingMeasured = {
  bgp: ROUTING_ANSWERS.bgp(),
  ospf: ROUTING_ANSWERS.ospf(),
  bfd: { sessions: SESSIONS.map((each) => ({ ...each, refused: { auth: 1 } })), strays: { "no-session": 2 } },
  announced: { bgp: 3, ospf: 4 },
};
const wan: WanMeasured = {
  status: WAN_STATUS,
  counters: { selections: new Map([["isp1|lowest-latency", 3]]), failovers: new Map([["isp2|isp1", 1]]) },
};
const all = families({ status, stats, reloads: { accepted: 2, refused: 1 }, routing, wan });

describe("metrics", () => {
  const parsed = parseExposition(expose(all));
  const value = (name: string, labels: Readonly<Record<string, string>> = {}, family = name): number | undefined =>
    parsed
      .get(family)
      ?.samples.find((sample) => sample.name === name && JSON.stringify(sample.labels) === JSON.stringify(labels))
      ?.value;

  it("say what the status and the data planes say", () => {
    expect(value("novaedge_vip_status", { vip_name: "web", address: "2001:db8::1/128", mode: "L2ARP" })).toBe(1);
    expect(value("novaedge_vip_bound", { vip_name: "web" })).toBe(1);
    expect(value("novaedge_vip_failovers_total", { vip_name: "web" })).toBe(2);
    expect(value("novaedge_vip_peer_up", { peer: "m", interface: "eth0" })).toBe(0);
    expect(value("novaedge_process_up", { process: "pulse" })).toBe(0);
    expect(parsed.get("novaedge_process_up")?.samples).toHaveLength(2); // none for a data plane that is on its way out
    expect(value("novaedge_http_requests_total", { method: "POST", status_class: "5xx", cluster: "default/b" })).toBe(
      1,
    );
    expect(value("novaedge_backend_health_status", { cluster: "default/b", endpoint: "[2001:db8::2]:80" })).toBe(0);
    expect(parsed.get("novaedge_backend_health_status")?.samples).toHaveLength(1); // no verdict, no sample
    expect(value("novaedge_pool_connections_total", { cluster: "default/b" })).toBe(3);
    const histogram = "novaedge_http_request_duration_seconds";
    expect(value(`${histogram}_count`, { cluster: "default/b" }, histogram)).toBe(11);
    expect(value(`${histogram}_sum`, { cluster: "default/b" }, histogram)).toBe(4.5);
    expect(value(`${histogram}_bucket`, { cluster: "default/b", le: "+Inf" }, histogram)).toBe(11);
  });
  it("say what routing says", () => {
    const peer = { peer: "tor1", peer_address: "192.0.2.1", peer_as: "65000" };
    expect(value("novaedge_bgp_session_state", peer)).toBe(6);
    expect(value("novaedge_bgp_session_status", { peer: "tor2", peer_address: "192.0.2.2", peer_as: "" })).toBe(0);
    expect(value("novaedge_bgp_announced_routes")).toBe(3);
    expect(value("novaedge_bgp_prefixes", { peer: "tor1", family: "ipv6", kind: "stale" })).toBe(1);
    expect(value("novaedge_bgp_messages_total", { peer: "tor1", type: "update", direction: "out" })).toBe(6);
    const bfd = { peer_address: "192.0.2.9", session: "192.0.2.9" };
    expect(value("novaedge_bfd_session_state", bfd)).toBe(1);
    expect(value("novaedge_bfd_packet_tx_total", bfd)).toBe(101);
    expect(value("novaedge_bfd_stray_packets_total", { reason: "no-session" })).toBe(2);
    const neighbor = { area_id: "0.0.0.1", router_id: "192.0.2.1", interface: "eth0", version: "2" };
    expect(value("novaedge_ospf_neighbor_status", { neighbor_address: "10.0.0.1", ...neighbor })).toBe(1);
    expect(value("novaedge_ospf_announced_routes")).toBe(4);
  });
  it("say what links and paths say, loss as a ratio, under the labels of the documents", () => {
    const labels = {
      link: "isp1",
      remote_site: "madrid",
      remote_link: "isp1",
      site: "berlin",
      provider: "acme",
      role: "primary",
    };
    expect(value("novaedge_sdwan_link_latency_ms", labels)).toBe(12.34);
    expect(value("novaedge_sdwan_link_jitter_ms", labels)).toBe(1.25);
    expect(value("novaedge_sdwan_link_packet_loss", labels)).toBe(0.005);
    expect(value("novaedge_sdwan_link_packet_loss_ratio", labels)).toBe(0.005);
    expect(value("novaedge_sdwan_link_healthy", labels)).toBe(1);
    const dead = { ...labels, link: "isp2", provider: "mobile", role: "backup" };
    expect(value("novaedge_sdwan_link_healthy", dead)).toBe(0);
    expect(value("novaedge_sdwan_link_latency_ms", dead)).toBeUndefined(); // nothing measured, no sample
    expect(value("novaedge_sdwan_path_selections_total", { link: "isp1", strategy: "lowest-latency" })).toBe(3);
    expect(value("novaedge_sdwan_failovers_total", { from_link: "isp2", to_link: "isp1" })).toBe(1);
  });
  it("nothing is said of routing and SD-WAN where there is none", () => {
    const none: RoutingMeasured = {
      bgp: { router: undefined, peers: [] },
      ospf: { routers: [], interfaces: [] },
      bfd: { sessions: [], strays: {} },
      announced: { bgp: 0, ospf: 0 },
    };
    const lone: WanMeasured = { ...wan, status: { site: undefined, links: [], paths: [], policies: [] } };
    const text = expose(families({ status, stats, reloads: { accepted: 2, refused: 1 }, routing: none, wan: lone }));
    expect(text).not.toMatch(/novaedge_(bgp|ospf|bfd|sdwan)/);
  });
  it("a name of the documents and its alias carry the same samples", () => {
    const samples = (name: string): unknown => parsed.get(name)?.samples.map(({ labels, value }) => [labels, value]);
    expect(samples("novaedge_requests_total")).toEqual(samples("novaedge_http_requests_total"));
    expect(samples("novaedge_backend_healthy")).toEqual(samples("novaedge_backend_health_status"));
  });
  it("docs/metrics.md lists exactly what a scrape can show", () => {
    const rows = all.map(({ name, type, help, samples }) => {
      const labels = Object.keys(samples[0]?.labels ?? {}).filter((label) => label !== "le");
      return `| \`${name}\` | ${type} | ${labels.join(", ")} | ${help} |`;
    });
    const text = readFileSync(join(import.meta.dirname, "../../../docs/metrics.md"), "utf8");
    expect(text.split("\n").filter((line) => line.startsWith("| `novaedge_"))).toEqual(rows);
  });
});
