/**
 * Routes out to BIRD and in from a fast sender and from BIRD, from KEEPALIVE to the last one; memory, CPU; many idle
 * peers.  Every subject in the same two namespaces, rounds interleaved.  BIRD runs with `scan time 1` (at its default it
 * stalls three seconds when it sends many routes), FRR once with its defaults and once without its second of gathering.
 */

import { SUBJECTS, type Subject } from "./bgp/subject.ts";
import { idle, into, type Measured, out } from "./bgp/trial.ts";
import type { BenchOptions } from "./options.ts";
import { peer } from "./peer.ts";
import { type Report, Samples } from "./report.ts";

export async function bgp(options: BenchOptions): Promise<Report> {
  const wanted = process.env["NOVAEDGE_BENCH_SUBJECTS"]?.split(",");
  const subjects = SUBJECTS.filter(({ name }) => wanted?.includes(name) ?? (!options.quick || QUICK.includes(name)));
  for (const subject of subjects) if (subject.package !== undefined) peer(...subject.package);
  peer("tcpdump", "tcpdump");
  const samples = new Samples();
  const rounds = options.quick ? 1 : (options.rounds ?? 3);
  const counts = options.quick ? [1000, 100_000] : [1000, 10_000, 100_000];
  const measure = async (subject: Subject, name: string, run: () => Promise<Measured>): Promise<void> => {
    const measured = await run();
    process.stderr.write(`${name.padEnd(16)} ${subject.name.padEnd(16)} ${JSON.stringify(measured)}\n`);
    for (const [metric, value] of Object.entries(measured))
      samples.add(subject.name, name, metric, unitOf(metric), value);
  };
  for (let round = 0; round < rounds; round++) {
    for (const count of counts) {
      for (const subject of subjects) {
        if (subject.takes({ kind: "announce", prefixes: Array.from({ length: count }, () => "") }))
          await measure(subject, `${count}-out`, () => out(subject, count));
      }
      for (const subject of subjects) {
        if (!subject.takes({ kind: "learn", installs: false })) continue;
        await measure(subject, `${count}-in`, () => into(subject, count, "sender"));
        if (!options.quick) await measure(subject, `${count}-in-bird`, () => into(subject, count, "bird"));
      }
    }
    if (options.quick) break;
    for (const subject of subjects)
      if (subject.takes({ kind: "idle", peers: [] })) await measure(subject, "500-idle", () => idle(subject, 500, 20));
  }
  return samples.report("bgp", ["to_last_ms", "to_kernel_ms", "peak_rss_mb", "cpu_ms", "rss_mb", "cpu_share"]);
}

function unitOf(metric: string): string {
  if (metric.endsWith("_ms")) return "ms";
  if (metric.endsWith("_mb")) return "MiB";
  return metric === "cpu_share" ? "%" : "";
}

const QUICK = ["novaedge", "gobgp", "bird"];
