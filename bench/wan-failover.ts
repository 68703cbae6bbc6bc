/**
 * A way between two sites gets bad: how long until traffic has left it, what is lost, whether flows live.  NovaEdge and two
 * WireGuard tunnels with a script as mwan3's users have it, on the same topology in the same run, rounds interleaved.
 */
import type { BenchOptions } from "./options.ts";
import { peer } from "./peer.ts";
import { type Report, Samples } from "./report.ts";
import { novaedge, script } from "./wan/joined.ts";
import { FAULTS, suffer } from "./wan/trial.ts";

export async function wanFailover(options: BenchOptions): Promise<Report> {
  for (const [command, from] of PEERS) peer(command, from);
  const samples = new Samples();
  const rounds = options.quick ? 1 : (options.rounds ?? 3);
  const only = process.env["BENCH_WAN_FAULTS"]?.split(",");
  const faults = options.quick ? (["blackhole"] as const) : FAULTS.filter((each) => only?.includes(each) ?? true);
  for (let round = 0; round < rounds; round++) {
    for (const fault of faults) {
      for (const contender of [novaedge, script]) {
        const result = await suffer(contender, fault);
        process.stderr.write(`${fault.padEnd(10)} ${contender.name.padEnd(10)} ${JSON.stringify(result)}\n`);
        const add = (metric: string, unit: string, value: number | undefined): void => {
          if (value !== undefined) samples.add(contender.name, fault, metric, unit, value);
        };
        add("outage_ms", "ms", result.outage);
        add("detection_ms", "ms", result.detection);
        add("moves", "", result.moves);
        add("lost", "", result.lost);
        add("reordered", "", result.reordered);
        add("broken_flows", "", result.brokenFlows);
      }
    }
  }
  return samples.report("wan-failover", ["outage_ms", "lost"]);
}

const PEERS = [
  ["wireguard-go", "wireguard-go"],
  ["wg", "wireguard-tools"],
  ["fping", "fping"],
] as const;
