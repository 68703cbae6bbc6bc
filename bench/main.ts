/** `npm run bench -- NAME [--json FILE] [--quick] [--rounds N]`: one bench, side by side with its peers in the same run. */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { BenchOptions } from "./options.ts";
import { type Report, table } from "./report.ts";

const BENCHES: Readonly<Record<string, () => Promise<(options: BenchOptions) => Promise<Report>>>> = {
  bfd: async () => (await import("./bfd.ts")).bfd,
  "anycast-failover": async () => (await import("./anycast-failover.ts")).anycastFailover,
  bgp: async () => (await import("./bgp.ts")).bgp,
  daemon: async () => (await import("./daemon.ts")).daemon,
  "probe-truth": async () => (await import("./probe-truth.ts")).probeTruth,
  "proxy-http": async () => (await import("./proxy-http.ts")).proxyHttp,
  upgrade: async () => (await import("./upgrade.ts")).upgrade,
  tunnel: async () => (await import("./tunnel.ts")).tunnel,
  "wan-probes": async () => (await import("./wan-probes.ts")).wanProbes,
  "wan-nat": async () => (await import("./wan-nat.ts")).wanNat,
  "wan-failover": async () => (await import("./wan-failover.ts")).wanFailover,
  "vip-failover": async () => (await import("./vip-failover.ts")).vipFailover,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "string" }, quick: { type: "boolean", default: false }, rounds: { type: "string" } },
});
const load = BENCHES[positionals[0] ?? ""];
if (load === undefined) {
  process.stderr.write(
    `usage: npm run bench -- NAME [--json FILE] [--quick] [--rounds N]\nbenches: ${Object.keys(BENCHES).join(", ")}\n`,
  );
  process.exit(64);
}
const bench = await load();
const report = await bench({
  quick: values.quick,
  ...(values.rounds === undefined ? {} : { rounds: Number(values.rounds) }),
});
process.stdout.write(`${table(report)}\n`);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
