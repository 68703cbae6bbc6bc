/**
 * Restarts and upgrades under full load: requests that failed, connections that were reset, the longest time without an
 * answer, and whether the router noticed (BFD 100 ms × 3, BGP).  NovaEdge's bundles under a service manager (lab/manager.ts)
 * against reloads of `haproxy -W` and nginx, one after the other on the same lab in the same run.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildLab, type Lab } from "../lab/build.ts";
import { startFrr } from "../lab/peers/frr.ts";
import { until } from "../lab/peers/until.ts";
import { anycast, BACKENDS, front, ROUTER4 } from "../lab/topology/anycast.ts";
import { asnOf, ROUTER_ASN } from "./anycast/edge.ts";
import type { BenchOptions } from "./options.ts";
import { peer } from "./peer.ts";
import { type Report, Samples } from "./report.ts";
import { BFD, haproxy, nginx, novaedge, type Subject } from "./upgrade/subjects.ts";

type Frr = Awaited<ReturnType<typeof startFrr>>;

export async function upgrade(options: BenchOptions): Promise<Report> {
  peer("vtysh", "frr");
  peer("haproxy", "haproxy");
  peer("nginx", "nginx-light");
  const samples = new Samples();
  const restarts = options.quick ? 3 : (options.rounds ?? 100);
  const upgrades = options.quick ? 1 : Math.ceil(restarts / 5);
  const folder = mkdtempSync(join(tmpdir(), "novaedge-upgrade-"));
  try {
    await using lab = await buildLab(anycast());
    await using stack = new AsyncDisposableStack();
    for (const name of BACKENDS) {
      const backend = stack.use(lab.host(name).node("lab/programs/backend.ts", [name, "8080"]));
      await backend.says(/^listening/, 30_000);
    }
    const frr = stack.use(await startFrr(lab.host("r"), router()));
    for (const open of [novaedge, haproxy, nginx]) {
      await using subject = await open(lab, folder);
      if (subject.name === "novaedge") await until("BFD is up", async () => (await sessions(frr)).up === 1);
      await measure(lab, frr, subject, "restart", restarts, () => subject.restart(), samples);
      const { upgrade: change } = subject;
      if (change !== undefined) await measure(lab, frr, subject, "upgrade", upgrades, change, samples);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return samples.report("upgrade", ["gap_ms"]);
}

async function measure(
  lab: Lab,
  frr: Frr,
  subject: Subject,
  name: "restart" | "upgrade",
  times: number,
  once: () => Promise<void>,
  samples: Samples,
): Promise<void> {
  const before = await sessions(frr);
  await using load = lab
    .host("client")
    .node("lab/programs/hammer.ts", [subject.address, String(subject.port), "16", "any"]);
  await load.says(/"hammering"/, 30_000);
  const took: number[] = [];
  for (let n = 0; n < times; n++) {
    const begun = performance.now();
    await once();
    took.push(performance.now() - begun);
  }
  load.write("stop\n");
  const result = JSON.parse(await load.says(/"requests"/, 30_000)) as Result;
  const after = await sessions(frr);
  process.stderr.write(`${subject.name.padEnd(10)} ${times} × ${name} ${JSON.stringify(result)}\n`);
  const resets = Object.entries(result.why).filter(([why]) => why.includes("ECONNRESET"));
  const add = (metric: string, unit: string, value: number): void =>
    samples.add(subject.name, `${name} ×${times}`, metric, unit, value);
  add("requests", "", result.requests);
  add("failed_requests", "", result.failed);
  add(
    "reset_connections",
    "",
    resets.reduce((sum, [, count]) => sum + count, 0),
  );
  add("gap_ms", "ms", result.gap);
  for (const each of took) add("took_ms", "ms", each);
  if (subject.name !== "novaedge") return;
  add("bfd_down", "", after.down - before.down);
  add("bgp_dropped", "", after.dropped - before.dropped);
}

interface Result {
  readonly requests: number;
  readonly failed: number;
  readonly gap: number;
  readonly why: Readonly<Record<string, number>>;
}

/** As the router counts them. */
async function sessions(frr: Frr): Promise<{ readonly up: number; readonly down: number; readonly dropped: number }> {
  const bfd = await frr.json<readonly Readonly<Record<string, number>>[]>("bfdd", "show bfd peers counters json");
  const bgp = await frr.json<Readonly<Record<string, Readonly<Record<string, number>>>>>(
    "bgpd",
    "show bgp neighbors json",
  );
  return {
    up: bfd[0]?.["session-up"] ?? 0,
    down: bfd[0]?.["session-down"] ?? 0,
    dropped: bgp[front("a").v4]?.["connectionsDropped"] ?? 0,
  };
}

function router(): Parameters<typeof startFrr>[1] {
  const { v4: address } = front("a");
  const one = { name: "a", address, local: ROUTER4, asn: asnOf("a"), bfd: BFD, announces: false };
  return { routerId: ROUTER4, bgp: { asn: ROUTER_ASN, neighbors: [one] } };
}
