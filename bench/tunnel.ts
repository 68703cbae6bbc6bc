/**
 * What our tunnels cost: throughput and CPU of a tunnel of ours, with marks, rules and classification around it, against
 * wireguard-go as it comes, with our buffers, and with those on a host that is a router anyway, between hosts that are
 * alike, in turns, in the same run.  And what changing keys costs.
 */
import { type ChildProcess, execFile } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { spawnInside } from "../netstack/kernel/namespace.ts";
import type { BenchOptions } from "./options.ts";
import { cpuMicroseconds, peer } from "./peer.ts";
import { type Report, Samples } from "./report.ts";
import { barePair, ourPair, type Pair } from "./tunnel/pair.ts";
import { rotations } from "./tunnel/rotation.ts";

export async function tunnel(options: BenchOptions): Promise<Report> {
  peer("wireguard-go", "wireguard-go");
  peer("wg", "wireguard-tools");
  peer("iperf3", "iperf3");
  peer("fping", "fping");
  peer("nft", "nftables");
  const samples = new Samples();
  const rounds = options.rounds ?? (options.quick ? 2 : 8);
  const seconds = options.quick ? 2 : 5;
  await using bare = await barePair("plain");
  await using wide = await barePair("wide");
  await using router = await barePair("router");
  await using ours = await ourPair();
  const pairs = [bare, wide, router, ours];
  for (const pair of pairs) await measure(undefined, pair, TCP, 1); // handshake, caches, the governor
  for (let round = 0; round < rounds; round++) {
    // Who is first alternates: what warms up or gets in the way meets both.
    const order = round % 2 === 0 ? pairs : pairs.toReversed();
    for (const each of options.quick ? [TCP] : CASES)
      for (const pair of order) await measure(samples, pair, each, seconds);
  }
  await rotations(samples, ours, options.quick ? 1 : 8);
  return samples.report("tunnel", ["throughput", "cpu_per_gb"]);
}

interface Case {
  readonly name: string;
  readonly args: readonly string[];
}

/** One transfer from the client to the server through the tunnel. */
async function measure(samples: Samples | undefined, pair: Pair, { name, args }: Case, seconds: number): Promise<void> {
  const server = spawnInside(pair.server, "iperf3", ["-s", "-1", "--forceflush"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  try {
    await listening(server);
    const before = carriers(pair);
    const command = ["-c", "10.2.0.1", "-B", "10.1.0.1", "-t", String(seconds), "-J", ...args];
    const { stdout } = await run("nsenter", [`--net=/run/netns/${pair.client}`, "iperf3", ...command]);
    const after = carriers(pair);
    const { bits, octets, lost, cpu } = read(stdout);
    const gigabytes = octets / 1e9;
    process.stderr.write(`${pair.subject} ${name}: ${(bits / 1e6).toFixed(0)} Mbit/s\n`);
    samples?.add(pair.subject, name, "throughput", "Mbit/s", bits / 1e6);
    samples?.add(pair.subject, name, "cpu_per_gb", "s", ((after - before) / 1e6 + cpu) / gigabytes);
    if (lost !== undefined) samples?.add(pair.subject, name, "lost", "%", lost);
    if (server.exitCode === null) await once(server, "close");
  } finally {
    server.kill("SIGKILL");
  }
}

async function listening(server: ChildProcess): Promise<void> {
  if (server.stdout === null) throw new TypeError("a server without output");
  for await (const chunk of server.stdout) if (String(chunk).includes("listening")) return;
  throw new Error("iperf3 does not listen");
}

/**
 * CPU time of the processes that carry the tunnel and of those that keep it.  What the kernel does for marks and rules is
 * done in the time of whoever sends: here, or in that of iperf3.
 */
function carriers(pair: Pair): number {
  return pair.pids.reduce((sum, pid) => sum + cpuMicroseconds(pid), 0);
}

interface Read {
  readonly bits: number;
  readonly octets: number;
  readonly lost: number | undefined;
  /** Seconds of CPU that both ends of the transfer took. */
  readonly cpu: number;
}

function read(text: string): Read {
  const { end, error } = JSON.parse(text) as {
    readonly error?: string;
    readonly end: Record<string, Readonly<Record<string, number>> | undefined>;
  };
  if (error !== undefined) throw new Error(`iperf3: ${error}`);
  const sum = end["sum_received"] ?? end["sum"];
  if (sum === undefined) throw new Error("iperf3 says nothing");
  const { host_total = 0, remote_total = 0 } = end["cpu_utilization_percent"] ?? {};
  return {
    bits: sum["bits_per_second"] ?? 0,
    octets: sum["bytes"] ?? 0,
    lost: end["sum"]?.["lost_percent"],
    cpu: ((host_total + remote_total) / 100) * (sum["seconds"] ?? 0),
  };
}

const run = promisify(execFile);
const TCP: Case = { name: "tcp", args: [] };
const CASES: readonly Case[] = [
  TCP,
  { name: "udp-200M", args: ["-u", "-b", "200M", "-l", "1300"] },
  { name: "tcp-reverse", args: ["-R"] },
  { name: "tcp-4", args: ["-P", "4"] },
];
