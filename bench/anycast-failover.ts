/**
 * Two hosts announce one virtual IP to an FRR router, which spreads flows over both (BFD 50 ms × 3); one of them loses its
 * data plane, all its processes, its link, or is stopped.  NovaEdge, and FRR with nginx and a check as keepalived's users
 * write it (each second, two failures), on the same topology in the same run, rounds interleaved.
 */
import { frr, novaedge } from "./anycast/contender.ts";
import { FAULTS, suffer } from "./anycast/trial.ts";
import type { BenchOptions } from "./options.ts";
import { peer } from "./peer.ts";
import { type Report, Samples } from "./report.ts";

export async function anycastFailover(options: BenchOptions): Promise<Report> {
  peer("vtysh", "frr");
  peer("nginx", "nginx-light");
  const samples = new Samples();
  const rounds = options.quick ? 1 : (options.rounds ?? 3);
  const faults = options.quick ? (["daemon"] as const) : FAULTS;
  for (let round = 0; round < rounds; round++) {
    for (const fault of faults) {
      for (const contender of [novaedge, frr]) {
        const result = await suffer(contender, fault);
        process.stderr.write(`${fault.padEnd(10)} ${contender.name.padEnd(10)} ${JSON.stringify(result)}\n`);
        const add = (metric: string, unit: string, value: number | undefined): void => {
          if (value !== undefined) samples.add(contender.name, fault, metric, unit, value);
        };
        add("outage_ms", "ms", result.outage);
        add("broken_flows", "", result.brokenFlows);
        add("failed_connections", "", result.failedConnections);
        add("route_gone_ms", "ms", result.routeGone);
      }
    }
  }
  return samples.report("anycast-failover", ["outage_ms", "broken_flows"]);
}
