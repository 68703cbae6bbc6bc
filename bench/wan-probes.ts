/**
 * What measuring costs: sixteen paths to another site, each over a device of its own and asked twenty times a second while it answers as many probes of
 * the other side, and three classes that choose among them.  Processor time of the one process that does it, on one side.
 * BENCH_PROFILE_DIR: where profiles of it go (node --cpu-prof).
 */
import { setTimeout as elapse } from "node:timers/promises";
import { buildLab, type Lab } from "../lab/build.ts";
import { describe } from "../lab/description.ts";
import type { Running } from "../lab/process.ts";
import type { CandidateSpec, ChoiceSpec, PathSpec, ReflectorSpec, SteerPlan } from "../sdwan/steer-plan.ts";
import type { BenchOptions } from "./options.ts";
import { cpuMicroseconds, sleeps } from "./peer.ts";
import { type Report, Samples } from "./report.ts";

export async function wanProbes(options: BenchOptions): Promise<Report> {
  const samples = new Samples();
  const rounds = options.quick ? 1 : (options.rounds ?? 3);
  for (let round = 0; round < rounds; round++) {
    await using lab = await network();
    await using x = start(lab, "x");
    await using y = start(lab, "y");
    await Promise.all([x.says(/"ready"/), y.says(/"ready"/)]);
    x.write(`${JSON.stringify(planOf(1, 2))}\n`);
    y.write(`${JSON.stringify(planOf(2, 1))}\n`);
    await x.says(new RegExp(`"alive":${PATHS},`), 30_000);
    await elapse(SETTLED);
    const before = { cpu: cpuMicroseconds(x.pid), sleeps: sleeps(x.pid), sent: sentBy(x), at: performance.now() };
    await elapse(options.quick ? 5000 : SPAN);
    const span = performance.now() - before.at;
    const cpu = cpuMicroseconds(x.pid) - before.cpu;
    const slept = sleeps(x.pid) - before.sleeps;
    const probes = sentBy(x) - before.sent;
    x.write("end\n");
    await x.finished; // a profile is written at the end
    samples.add("novaedge", CASE, "cpu_share", "%", cpu / (span * 10));
    samples.add("novaedge", CASE, "probes", "/s", (probes * 1000) / span);
    samples.add("novaedge", CASE, "per_probe", "us", cpu / probes);
    samples.add("novaedge", CASE, "sleeps", "/s", (slept * 1000) / span);
  }
  return samples.report("wan-probes", []);
}

function start(lab: Lab, host: string): Running {
  const profile = process.env["BENCH_PROFILE_DIR"];
  const args = profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`];
  const program = `${import.meta.dirname}/wan/measuring.ts`;
  return lab.host(host).spawn(process.execPath, [...args, program], {});
}

function sentBy(running: Running): number {
  return Number([...running.output().matchAll(/"sent":([0-9]+)/g)].at(-1)?.[1] ?? 0);
}

function planOf(own: number, other: number): SteerPlan {
  const numbers = Array.from({ length: PATHS }, (_, index) => index + 1);
  const address = (number: number, side: number): string => `10.9.${number}.${side}`;
  const paths = numbers.map((number): PathSpec => {
    const ends = { local: address(number, own), peer: address(number, other), port: 8620 };
    const names = {
      id: `p${number}`,
      link: `l${number >> 2}`,
      site: "y",
      ifname: `wan${number}`,
      underlay: `wan${number}`,
      via: "direct",
    };
    const probe = { kind: "stamp", ...ends, key: KEY, pace: PACE, counters: true } as const;
    return { ...names, usable: true, why: "", probe, bfd: undefined, cost: 1, bandwidth: 1e9, metered: false };
  });
  const reflectors = numbers.map((number): ReflectorSpec => {
    return {
      ifname: `wan${number}`,
      local: address(number, own),
      port: 8620,
      peers: { [address(number, other)]: KEY },
    };
  });
  const family = { usable: true, gateway: undefined };
  const candidates = paths.map(({ id }, index): CandidateSpec => {
    return { path: id, tier: index >> 2, weight: 1, ifname: `wan${index + 1}`, v4: family, v6: family };
  });
  const choices = ["a", "b", "c"].map((policy, index): ChoiceSpec => {
    const sla = { maxLatency: 100 + 50 * index, maxJitter: 30, maxPacketLoss: 1 + index, minMos: undefined };
    const names = { id: `${policy}→y`, policy, site: "y", table: 11_001 + index, destinations: [`10.2.${index}.0/24`] };
    return { ...names, strategy: "lowest-latency", sla, candidates, hold: HOLD, failover: true, killSwitch: false };
  });
  return { paths, choices, reflectors };
}

function network(): Promise<Lab> {
  const numbers = Array.from({ length: PATHS }, (_, index) => index + 1);
  const interfaces = (side: number): Record<string, readonly string[]> =>
    Object.fromEntries(numbers.map((number) => [`wan${number}`, [`10.9.${number}.${side}/24`]]));
  return buildLab(
    describe({
      hosts: { x: { interfaces: interfaces(1) }, y: { interfaces: interfaces(2) } },
      switches: [],
      links: numbers.map((number) => ({ name: `wan${number}`, from: `x:wan${number}`, to: `y:wan${number}` })),
    }),
  );
}

const CASE = "16 paths, 20 probes/s each";
const PATHS = 16;
const KEY = "5a".repeat(32);
const PACE = { interval: 50, inDoubt: 50, deadAfter: 3, alpha: 0.3, octetsPerHour: 1e10 };
const HOLD = {
  bad: 3,
  of: 5,
  recover: 30_000,
  marginPercent: 10,
  marginMs: 5,
  marginLoss: 1,
  evaluations: 3,
  rest: 8000,
  mostRest: 600_000,
};
const SETTLED = 5000;
const SPAN = 20_000;
