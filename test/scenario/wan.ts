/** Two sites over two providers, each with the whole daemon: started, watched, killed, and proved by packets. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AdminEvent } from "../../daemon/admin/api.ts";
import type { WanStatus } from "../../daemon/admin/wan-api.ts";
import { buildLab, type Lab } from "../../lab/build.ts";
import type { Frame } from "../../lab/capture/pcapng.ts";
import { type Edge, startEdge } from "../../lab/edges.ts";
import { until } from "../../lab/peers/until.ts";
import { send, treeOf } from "../../lab/process.ts";
import { sites } from "../../lab/topology/sites.ts";
import { siteName, type WanSites, writeSites } from "../../lab/wan-sites.ts";

export interface WanScene extends AsyncDisposable {
  readonly lab: Lab;
  readonly folder: string;
  /** Starts the daemon of a site; what ran there before is its caller's to end. */
  start(site: number): Edge;
}

/** `count`: sites; two unless it is said. */
export async function openWan(written: Partial<WanSites> = {}): Promise<WanScene> {
  const options: WanSites = { count: 2, ...written };
  const folder = mkdtempSync(join(tmpdir(), "novaedge-wan-"));
  const stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  try {
    const lab = stack.use(await buildLab(sites(options)));
    for (const [name, delay] of [
      ["e1-wan1", 3],
      ["e1-wan2", 8],
    ] as const)
      await lab.link(name).impair({ forward: { delay }, backward: { delay } });
    writeSites(folder, options);
    return {
      lab,
      folder,
      start(site) {
        const edge = startEdge(lab, `e${site}`, folder);
        stack.use(edge.running);
        return edge;
      },
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

export const wanOf = (edge: Edge): Promise<WanStatus> => edge.get<WanStatus>("/v1/wan");

/** Both know each other by every pair of links. */
export async function joined(...edges: readonly Edge[]): Promise<void> {
  await Promise.all(edges.map((edge) => edge.ready(90_000)));
  for (const edge of edges) {
    await until(
      `${edge.name}: all paths alive`,
      async () => {
        const { paths } = await wanOf(edge);
        const tunnels = paths.filter(({ site }) => site !== undefined);
        return tunnels.length === 4 && tunnels.every(({ report }) => report?.life.kind === "alive");
      },
      { within: 90_000, every: 100, explain: async () => JSON.stringify(await wanOf(edge)).slice(0, 4000) },
    );
  }
}

/** Choice → path that it has. */
export async function choicesOf(edge: Edge): Promise<ReadonlyMap<string, string | undefined>> {
  const { policies } = await wanOf(edge);
  return new Map(policies.flatMap(({ choices }) => choices).map(({ id, report }) => [id, report?.chosen]));
}

export async function chosen(
  edge: Edge,
  choice: string,
  by: (path: string) => boolean,
  within = 30_000,
): Promise<string> {
  const path = await until(
    `${edge.name}: ${choice} decided`,
    async () => {
      const now = (await choicesOf(edge)).get(choice);
      return now !== undefined && by(now) ? now : undefined;
    },
    { within, every: 50, explain: async () => JSON.stringify([...(await choicesOf(edge))]) },
  );
  return path;
}

export async function eventsOf(edge: Edge): Promise<readonly AdminEvent[]> {
  return await edge.list<AdminEvent>("/v1/events?limit=1000");
}

/** The daemon and its children at once, but not the tunnels' processes: those are made to outlive it. */
export async function killDaemon(edge: Edge): Promise<void> {
  const pids = treeOf(edge.running.pid).filter((pid) => nameOf(pid) !== "wireguard-go");
  for (const pid of pids) send(pid, "SIGSTOP");
  for (const pid of pids) send(pid, "SIGKILL");
  await edge.running.finished;
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return ""; // ended meanwhile
  }
}

/** What the host holds that is ours, or that others must find unchanged. */
export async function kernelOf(lab: Lab, host: string): Promise<string> {
  const script = [
    "ip -o link show type tun | sed 's/^[0-9]*: //; s/:.*//' | sort",
    "ip -o address show | grep -v ' lo ' | awk '{print $2, $4}' | sort",
    "ip rule; ip -6 rule",
    "ip route show table all; ip -6 route show table all proto 110",
    "nft list tables",
  ].join("; ");
  return (await lab.host(host).exec("sh", ["-c", script])).stdout;
}

export interface Packet4 {
  readonly port: string;
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly dscp: number;
  /** Octets, IP header counted. */
  readonly length: number;
  /** Of UDP and TCP. */
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** IPv4 packets among captured frames. */
export function packets4(frames: readonly Frame[]): readonly Packet4[] {
  return frames.flatMap(({ port, octets }): readonly Packet4[] => {
    const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
    if (octets.length < 38 || view.getUint16(12) !== 0x0800) return [];
    const at = 14 + ((octets[14] ?? 0) & 15) * 4;
    if (octets.length < at + 4) return [];
    const text = (from: number): string => [...octets.subarray(from, from + 4)].join(".");
    return [
      {
        port,
        source: text(26),
        destination: text(30),
        protocol: octets[23] ?? 0,
        dscp: (octets[15] ?? 0) >> 2,
        length: view.getUint16(16),
        sourcePort: view.getUint16(at),
        destinationPort: view.getUint16(at + 2),
      },
    ];
  });
}

export const SITE2 = siteName(2);
