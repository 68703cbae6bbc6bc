/**
 * The daemon itself, as packages ship it: memory of all its processes (proportional set size) when idle and after many
 * requests, and the CPU that idleness costs. Start-up time is `npm run build -- --measure`.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as elapse } from "node:timers/promises";
import { cpuOf, load } from "./http/load.ts";
import { novaedge, reachable, startBackend, stop } from "./http/subject.ts";
import { inNamespace, isInNamespace } from "./namespace.ts";
import type { BenchOptions } from "./options.ts";
import { family, peer } from "./peer.ts";
import { type Report, Samples } from "./report.ts";

export async function daemon(options: BenchOptions): Promise<Report> {
  peer("wrk", "wrk");
  peer("nginx", "nginx-light");
  if (!isInNamespace()) {
    execFileSync(process.execPath, ["tools/build.ts"], { stdio: "inherit" });
    return await inNamespace();
  }
  const requests = options.quick ? 500_000 : 10_000_000;
  const folder = mkdtempSync(join(tmpdir(), "novaedge-bench-"));
  const backend = await startBackend(folder);
  const subject = novaedge(true);
  const child = subject.start(folder);
  const pid = child.pid ?? 0;
  const samples = new Samples();
  try {
    await reachable(subject.port);
    await elapse(5000);
    samples.add("novaedge", "idle", "pss", "MiB", pssMiB(pid));
    const before = cpuOf(pid);
    await elapse(10_000);
    samples.add("novaedge", "idle", "cpu_share", "%", (cpuOf(pid) - before) / 100_000);
    let done = 0;
    let failed = 0;
    while (done < requests) {
      const result = load(subject.port, "/api/128", 20);
      done += result.requests;
      failed += result.failed;
      samples.add("novaedge", "under-load", "pss", "MiB", pssMiB(pid));
    }
    samples.add("novaedge", "after-load", "requests", "", done);
    samples.add("novaedge", "after-load", "failed_requests", "", failed);
    await elapse(5000);
    samples.add("novaedge", "after-load", "pss", "MiB", pssMiB(pid));
    return samples.report("daemon", []);
  } finally {
    await stop(child);
    await stop(backend);
    rmSync(folder, { recursive: true, force: true });
  }
}

function pssMiB(pid: number): number {
  return family(pid)
    .map((each) => /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${each}/smaps_rollup`, "utf8"))?.[1])
    .reduce((sum, kib) => sum + Number(kib ?? 0) / 1024, 0);
}
