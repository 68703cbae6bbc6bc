/** One measurement: routes out to BIRD, routes in from a fast sender or from BIRD, or many idle peers. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as elapse } from "node:timers/promises";
import { Fault } from "../../base/fault.ts";
import { buildLab, type Lab } from "../../lab/build.ts";
import { describe } from "../../lab/description.ts";
import { startBird } from "../../lab/peers/bird.ts";
import type { RouterSpec } from "../../lab/peers/router.ts";
import { until } from "../../lab/peers/until.ts";
import { cpuMicroseconds, peakMiB } from "../peer.ts";
import { prefixes } from "./prefixes.ts";
import type { SenderOrder } from "./sender.ts";
import { OTHER, OWN, type Role, type Started, type Subject } from "./subject.ts";
import { spoken } from "./wire.ts";

/** Metric → value; milliseconds, MiB. */
export type Measured = Readonly<Record<string, number>>;

/** From the moment both sides have said KEEPALIVE to the last route: on the wire, and in BIRD's table. */
export async function out(subject: Subject, count: number): Promise<Measured> {
  await using lab = await pair();
  const role: Role = { kind: "announce", prefixes: prefixes(count) };
  const loading = performance.now();
  await using started = await subject.start(lab.host("s"), role);
  await quiet(started);
  const load = performance.now() - loading;
  await using tap = await capture(lab);
  const before = cpuOf(started);
  await using bird = await startBird(lab.host("r"), receiver());
  const held = async (): Promise<number> =>
    Number(/Routes:\s+(\d+) imported/.exec(await bird.ask("show protocols all p"))?.[1] ?? 0);
  await until(`${count} routes in BIRD`, async () => (await held()) >= count, { within: 240_000, every: 5 });
  const inTable = Date.now();
  const cpu = cpuOf(started) - before;
  // The capture is read by a process that may be behind.
  const captured = (): boolean => spoken(tap.file, OWN.address).announced >= count;
  await until("the last route in the capture", captured, { within: 10_000, every: 100 });
  await tap.stop();
  const ours = spoken(tap.file, OWN.address);
  const theirs = spoken(tap.file, OTHER.address);
  const established = Math.max(ours.keepalive ?? Number.NaN, theirs.keepalive ?? Number.NaN);
  if (ours.last === undefined) throw new Fault("LAB", { why: "no route on the wire" });
  return {
    to_first_ms: (ours.first ?? Number.NaN) - established,
    to_last_ms: ours.last - established,
    to_table_ms: inTable - established,
    peak_rss_mb: peakOf(started),
    cpu_ms: cpu / 1000,
    load_ms: load,
    updates: ours.updates,
  };
}

/** From Established to the last route in the subject's own table, and in its kernel where it has one. */
export async function into(subject: Subject, count: number, from: "sender" | "bird"): Promise<Measured> {
  await using lab = await pair();
  const installs = subject.takes({ kind: "learn", installs: true });
  await using started = await subject.start(lab.host("s"), { kind: "learn", installs });
  const [pid] = started.pids();
  const inKernel = (): number => kernelPrefixes(pid ?? 0);
  const bare = inKernel();
  const before = cpuOf(started);
  await using source = from === "sender" ? await fast(lab, count) : await slow(lab, count);
  const established = await source.established();
  let table: number | undefined;
  let kernel: number | undefined;
  await until(
    `${count} routes in ${subject.name}`,
    async () => {
      if (table === undefined && (await started.learnt(count)) >= count) table = now();
      if (installs && kernel === undefined && inKernel() - bare >= count) kernel = now();
      return table !== undefined && (!installs || kernel !== undefined);
    },
    { within: 240_000, every: count > 1000 ? 10 : 1 },
  );
  const cpu = cpuOf(started) - before;
  return {
    to_last_ms: (table ?? Number.NaN) - established,
    ...(kernel === undefined ? {} : { to_kernel_ms: kernel - established }),
    peak_rss_mb: peakOf(started),
    cpu_ms: cpu / 1000,
  };
}

/** Memory and CPU with so many established peers that only keep alive (every 10 s). */
export async function idle(subject: Subject, count: number, seconds: number): Promise<Measured> {
  const peers = Array.from({ length: count }, (_, n) => `10.0.${1 + (n >> 7)}.${1 + (n & 127)}`);
  await using lab = await pair();
  await lab.host("r").exec("ip", ["-batch", "-"], {
    input: peers.map((peer) => `address add ${peer}/16 dev eth0\n`).join(""),
  });
  await using farm = lab.host("r").node(join(import.meta.dirname, "peer-farm.ts"), [String(OTHER.asn)]);
  await farm.says(/"listening"/);
  const starting = performance.now();
  await using started = await subject.start(lab.host("s"), { kind: "idle", peers });
  await farm.says(new RegExp(`"established":${count}\\b`), 120_000);
  const up = performance.now() - starting;
  await elapse(2000);
  const before = cpuOf(started);
  await elapse(seconds * 1000);
  return {
    cpu_share: (cpuOf(started) - before) / (seconds * 10_000),
    rss_mb: started.pids().reduce((sum, pid) => sum + residentMiB(pid), 0),
    all_established_ms: up,
  };
}

function receiver(): RouterSpec {
  const neighbor = { name: "p", address: OWN.address, local: OTHER.address, asn: OWN.asn, hold: 90, announces: false };
  return { routerId: OTHER.address, installs: false, bgp: { asn: OTHER.asn, neighbors: [neighbor] } };
}

function pair(): Promise<Lab> {
  return buildLab(
    describe({
      hosts: {
        s: { interfaces: { eth0: [`${OWN.address}/16`] } },
        r: { interfaces: { eth0: [`${OTHER.address}/16`] } },
      },
      switches: [],
      links: [{ from: "s:eth0", to: "r:eth0" }],
    }),
  );
}

interface Source extends AsyncDisposable {
  /** When both sides had said KEEPALIVE, as the sender sees it. */
  established(): Promise<number>;
}

async function fast(lab: Lab, count: number): Promise<Source> {
  const order: SenderOrder = { to: OWN.address, from: OTHER.address, asn: OTHER.asn, count, alike: 10 };
  const running = lab.host("r").node(join(import.meta.dirname, "sender.ts"), [JSON.stringify(order)]);
  return {
    established: async () => (JSON.parse(await running.says(/"established"/)) as { readonly at: number }).at,
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

async function slow(lab: Lab, count: number): Promise<Source> {
  const spec = receiver();
  const [neighbor] = spec.bgp?.neighbors ?? [];
  if (spec.bgp === undefined || neighbor === undefined) throw new TypeError("a receiver without a neighbour");
  const bgp = { ...spec.bgp, neighbors: [{ ...neighbor, announces: true }], networks: prefixes(count) };
  const bird = await startBird(lab.host("r"), { ...spec, bgp });
  return {
    established: () =>
      until("Established", async () => (await bird.ask("show protocols")).includes("Established") && now(), {
        every: 2,
      }),
    [Symbol.asyncDispose]: () => bird[Symbol.asyncDispose](),
  };
}

interface Tap extends AsyncDisposable {
  readonly file: string;
  stop(): Promise<void>;
}

async function capture(lab: Lab): Promise<Tap> {
  const file = join(lab.directory, "wire.pcap");
  const words = ["--immediate-mode", "-i", "eth0", "-B", "65536", "-s", "0", "-U", "-n", "--nano", "-Z", "root"];
  const running = lab.host("r").spawn("tcpdump", [...words, "-w", file, "tcp", "port", "179"]);
  await running.says(/listening on/);
  return {
    file,
    async stop() {
      running.signal("SIGINT");
      await running.finished;
      if (!/\b0 packets dropped by kernel/.test(running.output()))
        throw new Fault("LAB", { capture: file, said: running.output() });
    },
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

/** What it was told may still be under way inside. */
async function quiet(started: Started): Promise<void> {
  for (let before = cpuOf(started), looks = 0; looks < 240; looks++) {
    await elapse(250);
    const after = cpuOf(started);
    if (after - before < 10_000) return;
    before = after;
  }
}

/** Prefixes of the main table of the namespace in which `pid` lives: reading them costs the kernel a millisecond or two. */
function kernelPrefixes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/net/fib_triestat`, "utf8");
  return Number(/Main:[^:]*:[^:]*:[^:]*:\s*\d+\s+Prefixes:\s+(\d+)/.exec(text)?.[1] ?? 0);
}
function cpuOf(started: Started): number {
  return started.pids().reduce((sum, pid) => sum + cpuMicroseconds(pid), 0);
}
function peakOf(started: Started): number {
  return started.pids().reduce((sum, pid) => sum + peakMiB(pid), 0);
}
function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? Number.NaN) / 1024;
}
function now(): number {
  return performance.timeOrigin + performance.now();
}
