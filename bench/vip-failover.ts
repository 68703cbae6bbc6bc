/**
 * A virtual IP loses its owner: link cut, killed, frozen, filtered, partitioned.  What does the client see, and do two
 * hosts answer?  NovaEdge at its default (100 ms × 3) and at 10 ms × 3, keepalived at 1 s, 100 ms and 10 ms adverts, on the
 * same topology in the same run, rounds interleaved.
 */

import { openArena } from "./failover/arena.ts";
import { type Contender, keepalived, novaedge } from "./failover/contender.ts";
import type { FaultName } from "./failover/fault.ts";
import type { BenchOptions } from "./options.ts";
import { type Report, Samples } from "./report.ts";

const COMMON: readonly FaultName[] = ["link-cut", "kill9", "freeze", "filter-out", "filter-both", "partition", "stop"];

export async function vipFailover(options: BenchOptions): Promise<Report> {
  const samples = new Samples();
  const contenders: readonly Contender[] = [
    novaedge("novaedge", { interval: 100, multiplier: 3 }),
    novaedge("novaedge-10ms", { interval: 10, multiplier: 3 }),
    keepalived("keepalived-1s", 1),
    keepalived("keepalived-100ms", 0.1),
    keepalived("keepalived-10ms", 0.01),
  ];
  const faults: readonly FaultName[] = options.quick ? ["link-cut"] : COMMON;
  const rounds = options.quick ? 1 : (options.rounds ?? 3);
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) {
      for (const fault of faults) {
        // A fresh arena for each fault: what a peer leaves behind after kill -9 must not colour the next one.
        await using arena = await openArena(contender);
        const result = await arena.suffer(fault);
        process.stderr.write(`${contender.name.padEnd(18)} ${JSON.stringify(result)}\n`);
        samples.add(contender.name, fault, "outage_ms", "ms", result.outage);
        samples.add(contender.name, fault, "two_answering_ms", "ms", result.twoAnswering);
        samples.add(contender.name, fault, "moved", "", result.moved ? 1 : 0);
        if (result.load !== undefined) samples.add(contender.name, fault, "failed_requests", "", result.load.failed);
      }
    }
  }
  return samples.report("vip-failover", ["outage_ms"], ["novaedge", "novaedge-10ms"]);
}
