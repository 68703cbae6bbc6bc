/**
 * HTTP/1.1 through each proxy in turn: requests per second, latency and CPU per request at 128 B and 64 KiB, one proxy
 * thread each, host and path routing on, keep-alive on both sides, access logs off. The proxy has one core, wrk and the
 * nginx backend share the other. All in a network namespace of its own, over loopback.
 */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpuOf, load } from "./http/load.ts";
import { CASES, haproxy, nginx, novaedge, reachable, type Subject, startBackend, stop } from "./http/subject.ts";
import { inNamespace, isInNamespace } from "./namespace.ts";
import type { BenchOptions } from "./options.ts";
import { family, peakMiB, peer } from "./peer.ts";
import { type Report, Samples } from "./report.ts";

export async function proxyHttp(options: BenchOptions): Promise<Report> {
  const subjects = [novaedge(), haproxy(), nginx()];
  peer("wrk", "wrk");
  if (!isInNamespace()) return await inNamespace();
  const folder = mkdtempSync(join(tmpdir(), "novaedge-bench-"));
  const running: ChildProcess[] = [];
  try {
    running.push(await startBackend(folder));
    const started: { subject: Subject; pid: number }[] = [];
    for (const subject of subjects) {
      const child = subject.start(folder);
      running.push(child);
      await reachable(subject.port);
      started.push({ subject, pid: child.pid ?? 0 });
    }
    return measure(started, options);
  } finally {
    for (const child of running.reverse()) await stop(child);
    rmSync(folder, { recursive: true, force: true });
  }
}

function measure(started: readonly { subject: Subject; pid: number }[], options: BenchOptions): Report {
  const samples = new Samples();
  const rounds = options.rounds ?? (options.quick ? 1 : 3);
  const seconds = options.quick ? 3 : 5;
  for (let round = 0; round < rounds; round++) {
    for (const each of CASES) {
      for (const { subject, pid } of started) {
        load(subject.port, each.path, 1);
        const before = cpuOf(pid);
        const result = load(subject.port, each.path, seconds);
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
