/**
 * BFD: the lowest interval that stays up while every core is busy, how soon a cut is noticed, and what sessions cost.
 * Ours, FRR's bfdd and BIRD, each with its own kind at the other end, in the same run.
 *   BENCH_BFD_HOLD=600   seconds per interval (default 60; 10 minutes are what is promised)
 */
import { availableParallelism } from "node:os";
import { setTimeout as elapse } from "node:timers/promises";
import { buildLab, type Lab } from "../lab/build.ts";
import { describe } from "../lab/description.ts";
import type { Running } from "../lab/process.ts";
import { BIRD, FRR, NOVAEDGE, openPair, type Pair, type Speaker, type Subject } from "./bfd/subject.ts";
import { Watch } from "./bfd/watch.ts";
import type { BenchOptions } from "./options.ts";
import { cpuMicroseconds, peer } from "./peer.ts";
import { type Report, Samples } from "./report.ts";

export async function bfd(options: BenchOptions): Promise<Report> {
  peer("bird", "bird2");
  peer("vtysh", "frr");
  const samples = new Samples();
  if (options.quick) await quickly(samples);
  else {
    await cost(samples, CASES, { seconds: 20, rounds: options.rounds ?? 3 });
    await detection(samples, { intervals: [50, 10], cuts: 40 });
    const seconds = Number(process.env["BENCH_BFD_HOLD"] ?? 60);
    await endurance(samples, { intervals: [3.3, 5, 10, 20, 50], seconds });
  }
  return samples.report("bfd", ["cpu_percent", "detection_median_ms", "detection_p99_ms", "lowest_interval_ms"]);
}

/** One of each, at one interval: starting the peers is what takes the time. */
async function quickly(samples: Samples): Promise<void> {
  for (const subject of SUBJECTS) {
    await using lab = await network(1);
    await using both = await openPair(lab, subject, pairs(1), { interval: 10, multiplier: 3 });
    const flaps = await hold(lab, both, 2);
    samples.add(subject.name, "busy-10msx3", "false_flaps", "", flaps);
    await cuts(samples, lab, subject, { interval: 10, count: 2 });
  }
  await cost(samples, CASES.slice(0, 1), { seconds: 2, rounds: 1 });
}

/** CPU of one end that keeps its sessions up, nothing else running. */
async function cost(
  samples: Samples,
  cases: readonly Case[],
  { seconds, rounds }: { seconds: number; rounds: number },
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const subject of SUBJECTS) {
      for (const { name, count, interval } of cases) {
        await using lab = await network(count);
        await using both = await openPair(lab, subject, pairs(count), { interval, multiplier: 3 });
        await elapse(2000); // polls and slow start are over
        const lost = await both.x.flaps();
        const [begun, at] = [cpuMicroseconds(both.x.pid), performance.now()];
        await elapse(seconds * 1000);
        const percent = ((cpuMicroseconds(both.x.pid) - begun) / 1000 / (performance.now() - at)) * 100;
        samples.add(subject.name, name, "cpu_percent", "%", percent);
        samples.add(subject.name, name, "flaps", "", (await both.x.flaps()) - lost);
        process.stderr.write(`${subject.name} ${name}: ${percent.toFixed(2)} %\n`);
      }
    }
  }
}

async function detection(
  samples: Samples,
  options: { readonly intervals: readonly number[]; readonly cuts: number },
): Promise<void> {
  for (const interval of options.intervals) {
    for (const subject of SUBJECTS) {
      await using lab = await network(1);
      await using _both = await openPair(lab, subject, pairs(1), { interval, multiplier: 3 });
      await cuts(samples, lab, subject, { interval, count: options.cuts });
    }
  }
}

/** From the moment when nothing passes any more until the measured end says that its session is down. */
async function cuts(
  samples: Samples,
  lab: Lab,
  subject: Subject,
  { interval, count }: { readonly interval: number; readonly count: number },
): Promise<void> {
  using watch = new Watch(lab);
  const took: number[] = [];
  for (let cut = 0; cut < count; cut++) {
    await watch.first("up", ({ up }) => up);
    await elapse(500 + Math.random() * 100); // past the poll, at any place within an interval
    watch.forget();
    const before = Date.now();
    using _cut = lab.partition([["x:eth0"], ["y:eth0"]]);
    const at = (before + Date.now()) / 2;
    took.push((await watch.first("down", (said) => !said.up && said.at >= before)).at - at);
    watch.forget();
  }
  took.sort((a, b) => a - b);
  const name = `cut-${interval}msx3`;
  samples.add(subject.name, name, "detection_median_ms", "ms", quantile(took, 0.5));
  samples.add(subject.name, name, "detection_p99_ms", "ms", quantile(took, 0.99));
  samples.add(subject.name, name, "detection_max_ms", "ms", quantile(took, 1));
  process.stderr.write(`${subject.name} ${name}: ${took.map((each) => each.toFixed(0)).join(" ")}\n`);
}

/**
 * The lowest interval without a lost session, all subjects at the same time beside the same burners. From the lowest
 * upwards: an interval is out at the first session lost, and the first one that lasts is the answer.
 */
async function endurance(
  samples: Samples,
  { intervals, seconds }: { intervals: readonly number[]; seconds: number },
): Promise<void> {
  const lowest = async (subject: Subject): Promise<void> => {
    for (const interval of intervals.filter((each) => each >= subject.leastInterval)) {
      const { flaps, lasted } = await survive(subject, { interval, seconds });
      samples.add(subject.name, `busy-${interval}msx3`, "false_flaps", "", flaps);
      samples.add(subject.name, `busy-${interval}msx3`, "lasted_s", "s", lasted);
      process.stderr.write(`${subject.name} ${interval} ms x 3, busy for ${lasted.toFixed(0)} s: ${flaps} flaps\n`);
      if (flaps === 0) return samples.add(subject.name, "busy", "lowest_interval_ms", "ms", interval);
    }
    // Without a row: not even the longest held.
  };
  await using lab = await network(1);
  await using burners = await burn(lab);
  await Promise.all(SUBJECTS.map(lowest));
  burners.check();
}

/** Until a session is lost, at most so many seconds. One that does not even come up, or whose speaker ends, is lost. */
async function survive(
  subject: Subject,
  { interval, seconds }: { readonly interval: number; readonly seconds: number },
): Promise<{ readonly flaps: number; readonly lasted: number }> {
  await using lab = await network(1);
  await using both = await openPair(lab, subject, pairs(1), { interval, multiplier: 3 });
  await elapse(2000); // polls and slow start are over
  const lost = async (): Promise<number> => (await both.x.flaps()) + (await both.y.flaps());
  const [before, begun] = [await lost(), performance.now()];
  for (;;) {
    await elapse(1000);
    const lasted = (performance.now() - begun) / 1000;
    const flaps = (await lost()) - before;
    if (flaps > 0 || lasted >= seconds) return { flaps, lasted };
  }
}

/** Sessions lost at either end while every core has three busy processes. */
async function hold(
  lab: Lab,
  { x, y }: { readonly x: Speaker; readonly y: Speaker },
  seconds: number,
): Promise<number> {
  const begun = (await x.flaps()) + (await y.flaps());
  await using burners = await burn(lab);
  await elapse(seconds * 1000);
  burners.check();
  return (await x.flaps()) + (await y.flaps()) - begun;
}

/** Three busy processes for every core. */
async function burn(lab: Lab): Promise<AsyncDisposable & { check(): void }> {
  const burners = Array.from({ length: availableParallelism() * 3 }, () => burner(lab));
  let ended = 0;
  for (const { finished } of burners) void finished.then(() => ended++);
  await Promise.all(burners.map((each) => each.says(/burning/)));
  return {
    check() {
      if (ended > 0) throw new Error("a burner ended before its time");
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(burners.map((each) => each[Symbol.asyncDispose]()));
    },
  };
}

function burner(lab: Lab): Running {
  return lab.host("y").node(`${import.meta.dirname}/../lab/programs/burner.ts`, ["86400"]);
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

function network(count: number): Promise<Lab> {
  const addresses = (which: keyof Pair): readonly string[] => pairs(count).map((pair) => `${pair[which]}/16`);
  return buildLab(
    describe({
      hosts: {
        x: { interfaces: { eth0: addresses("local") } },
        y: { interfaces: { eth0: addresses("peer") } },
      },
      switches: ["lan"],
      links: [
        { from: "x:eth0", to: "lan" },
        { from: "y:eth0", to: "lan" },
      ],
    }),
  );
}

function pairs(count: number): readonly Pair[] {
  return Array.from({ length: count }, (_, index) => ({ local: `10.0.1.${index + 1}`, peer: `10.0.2.${index + 1}` }));
}

const SUBJECTS: readonly Subject[] = [NOVAEDGE, FRR, BIRD];

interface Case {
  readonly name: string;
  readonly count: number;
  readonly interval: number;
}
const CASES: readonly Case[] = [
  { name: "64x50msx3", count: 64, interval: 50 },
  { name: "1x10msx3", count: 1, interval: 10 },
];
