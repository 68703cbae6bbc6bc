/** A terminal in memory, and a daemon's admin socket with made-up answers behind it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SILENT } from "../../base/log.ts";
import type { ExitCode, Io } from "../../cli/command.ts";
import { run } from "../../cli/run.ts";
import type { LoadedResource, Status } from "../../daemon/admin/api.ts";
import { type AdminActions, adminServer } from "../../daemon/admin/server.ts";
import { Events } from "../../daemon/events.ts";
import { ROUTING_ANSWERS } from "../daemon/routing-answers.ts";
import { WAN_ANSWERS } from "../daemon/wan-answers.ts";

export interface Ran {
  readonly exit: ExitCode;
  readonly out: string;
  readonly err: string;
}

export interface Typed {
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly colour?: boolean;
  readonly signal?: AbortSignal;
  /** Sees each piece of output as it comes. */
  readonly seen?: (text: string) => void;
}

export async function novactl(words: readonly string[], typed: Typed = {}): Promise<Ran> {
  let out = "";
  let err = "";
  const io: Io = {
    out: (text) => {
      out += text;
      typed.seen?.(text);
    },
    err: (text) => void (err += text),
    stdin: () => Promise.resolve(typed.stdin ?? ""),
    env: typed.env ?? {},
    colour: typed.colour ?? false,
    signal: typed.signal ?? new AbortController().signal,
    now: () => 100_000,
  };
  const exit = await run(words, io);
  return { exit, out, err };
}

export class FakeDaemon implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), "nv-cli-"));
  readonly socket = join(this.dir, "admin.sock");
  readonly events = new Events(SILENT, () => 5000);
  readonly #server;
  constructor(actions: Partial<AdminActions> = {}) {
    this.#server = adminServer({ actions: { ...ANSWERS, ...actions }, events: this.events, log: SILENT });
  }
  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(this.socket, resolve));
    return this;
  }
  novactl(words: readonly string[], typed?: Typed): Promise<Ran> {
    return novactl(["--socket", this.socket, ...words], typed);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.dir, { recursive: true });
  }
}

export const STATUS: Status = {
  version: "9.9.9",
  node: "edge-1",
  pid: 7,
  startedAt: 0,
  uptime: 100_000,
  phase: "ready",
  engine: "io_uring",
  engineWhy: "",
  configuration: {
    generation: 3,
    hash: "abcd",
    loadedAt: 40_000,
    settingsFile: "/etc/n.yaml",
    resourceDir: "/etc/c",
    problems: [],
  },
  processes: [
    { name: "pulse", pid: 8, state: "up", startedAt: 0, restarts: 0, lastEnd: undefined, memory: 1024 * 1024 },
  ],
  conditions: [],
  vips: [
    {
      name: "edge",
      mode: "L2ARP",
      addresses: ["192.0.2.10/32", "2001:db8::10/128"],
      ifname: "eth0",
      state: "owner",
      owner: "edge-1",
      term: 4,
      why: "elected",
      eligible: true,
      eligibleWhy: "OK",
      priority: 100,
      conflictWith: undefined,
      since: 0,
      failovers: 1,
      neighbors: [],
    },
  ],
  routing: {
    bgp: { asn: 65001, routerId: "192.0.2.7", peers: 2, established: 1, gracefulShutdown: true },
    ospf: { routerId: "192.0.2.7", interfaces: 1, neighbors: 2, full: 1, maxMetric: true },
    bfd: { sessions: 2, up: 1 },
  },
  peers: [{ node: "edge-2", ifname: "eth0", state: "up", address: "192.0.2.2" }],
  listeners: [
    {
      key: "k",
      gateway: "default/web",
      name: "http",
      protocol: "HTTP",
      address: "192.0.2.10",
      port: 80,
      workers: 1,
      wanted: 2,
      problem: undefined,
    },
  ],
  backends: [
    {
      name: "default/api",
      lbPolicy: "RoundRobin",
      checked: true,
      endpoints: [
        { address: "10.0.0.1", port: 80, weight: 1, health: "healthy", why: "", since: 0 },
        { address: "10.0.0.2", port: 80, weight: 1, health: "unhealthy", why: "connect", since: 0 },
      ],
    },
  ],
};

const resource = (kind: string, namespace: string, name: string, labels: object, spec: object): LoadedResource => ({
  apiVersion: "novaedge.io/v1alpha1",
  kind,
  namespace,
  name,
  file: "/etc/c/a.yaml",
  line: 3,
  manifest: {
    apiVersion: "novaedge.io/v1alpha1",
    kind,
    metadata: { name, labels, annotations: { note: "mine" } },
    spec,
  },
  status: {},
});
export const RESOURCES: readonly LoadedResource[] = [
  resource("ProxyVIP", "", "edge", { tier: "front" }, { address: "192.0.2.10", mode: "L2ARP", ports: [80] }),
  resource("ProxyBackend", "default", "api", { tier: "back" }, { endpoints: [{}, {}] }),
  resource("ProxyBackend", "shop", "cart", {}, { endpoints: [{}] }),
  resource("ProxyGateway", "default", "web", {}, { vipRef: "edge", listeners: [{ name: "http", port: 80 }] }),
];

const ANSWERS: AdminActions = {
  ...ROUTING_ANSWERS,
  ...WAN_ANSWERS,
  status: () => STATUS,
  resources: () => ({ generation: 3, resources: RESOURCES }),
  apply: ({ dryRun }) =>
    Promise.resolve({
      ok: true,
      value: {
        changes: [{ kind: "ProxyVIP", namespace: "", name: "edge", change: "created", file: "/f" }],
        warnings: [],
        dryRun,
        generation: 4,
      },
    }),
  diff: () =>
    Promise.resolve({
      ok: true,
      value: {
        changes: [
          {
            kind: "ProxyVIP",
            namespace: "",
            name: "edge",
            change: "configured",
            file: "/f",
            fields: [{ path: "spec.ports[0]", before: 80, after: 81 }],
          },
        ],
        warnings: [],
      },
    }),
  remove: ({ kind, namespace, name, dryRun }) =>
    Promise.resolve({
      ok: true,
      value: {
        changes: [{ kind, namespace, name, change: "deleted", file: "/f" }],
        warnings: [],
        dryRun,
        generation: 4,
      },
    }),
  reload: () =>
    Promise.resolve({
      ok: true,
      value: { changed: true, changes: ["secret in /etc/psk"], generation: 4, hash: "ef", warnings: [] },
    }),
  doctor: () =>
    Promise.resolve({
      checks: [
        { name: "kernel.version", verdict: "ok", message: "6.1", hint: undefined },
        { name: "port.80", verdict: "error", message: "taken", hint: "ss -ltn" },
      ],
      owned: [],
    }),
  cleanup: ({ dryRun }) =>
    Promise.resolve({
      removed: [{ kind: "address", name: "192.0.2.9/32", detail: "on eth0", wanted: false }],
      kept: [],
      dryRun,
    }),
};
