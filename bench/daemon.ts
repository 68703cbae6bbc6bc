/**
 * The daemon itself, as packages ship it: memory of all its processes (proportional set size) when idle and after many
 * requests, and the CPU that idleness costs, alone and with all engines on (bench/daemon/all-engines.ts).
 * NOVAEDGE_BENCH_CASES chooses: "idle", "all-engines-idle".  Start-up time is `npm run build -- --measure`.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as elapse } from "node:timers/promises";
import { allEnginesIdle } from "./daemon/all-engines.ts";
import { cpuOf, load } from "./http/load.ts";
import { novaedge, reachable, startBackend, stop } from "./http/subject.ts";
import { inNamespace, isInNamespace } from "./namespace.ts";
import type { BenchOptions } from "./options.ts";
import { family, peer, pssMiB } from "./peer.ts";
import { type Report, Samples } from "./report.ts";

export async function daemon(options: BenchOptions): Promise<Report> {
  peer("wrk", "wrk");
  peer("nginx", "nginx-light");
  if (!isInNamespace()) {
    execFileSync(process.execPath, ["tools/build.ts"], { stdio: "inherit" });
    return await inNamespace();
  }
  const samples = new Samples();
  const wanted = process.env["NOVAEDGE_BENCH_CASES"]?.split(",") ?? ["idle", "all-engines-idle"];
  for (let round = 0; wanted.includes("all-engines-idle") && round < (options.rounds ?? 1); round++)
    await allEnginesIdle(samples, options.quick ? 20 : 60);
  if (wanted.includes("idle")) await alone(samples, options.quick ? 500_000 : 10_000_000);
  return samples.report("daemon", []);
}

/** One that serves HTTP and nothing else; then under load, and after it. */
async function alone(samples: Samples, requests: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "novaedge-bench-"));
  const backend = await startBackend(folder);
  const subject = novaedge(true);
  const child = subject.start(folder);
  const pid = child.pid ?? 0;
  try {
    await reachable(subject.port);
    await elapse(5000);
    samples.add("novaedge", "idle", "pss", "MiB", memoryOf(pid));
    const before = cpuOf(pid);
    await elapse(10_000);
    samples.add("novaedge", "idle", "cpu_share", "%", (cpuOf(pid) - before) / 100_000);
    let done = 0;
    let failed = 0;
    while (done < requests) {
      const result = load(subject.port, "/api/128", 20);
      done += result.requests;
      failed += result.failed;
      samples.add("novaedge", "under-load", "pss", "MiB", memoryOf(pid));
    }
    samples.add("novaedge", "after-load", "requests", "", done);
    samples.add("novaedge", "after-load", "failed_requests", "", failed);
    await elapse(5000);
    samples.add("novaedge", "after-load", "pss", "MiB", memoryOf(pid));
  } finally {
    await stop(child);
    await stop(backend);
    rmSync(folder, { recursive: true, force: true });
  }
}

function memoryOf(pid: number): number {
  return family(pid).reduce((sum, each) => sum + pssMiB(each), 0);
}
