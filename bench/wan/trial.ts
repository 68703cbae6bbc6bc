/**
 * One fault on the first provider of the first site, seen by a host behind it: a datagram to a host behind the other site
 * each millisecond, and TCP flows that ask without a pause.  A probe is bad when its answer is lost or later than the path
 * at its best by more than 60 ms; the outage lasts from the fault until a second begins of which no more than 0.5 % is bad.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as elapse } from "node:timers/promises";
import { buildLab, type Lab } from "../../lab/build.ts";
import type { Impairment } from "../../lab/description.ts";
import { probe } from "../../lab/probe.ts";
import { sites } from "../../lab/topology/sites.ts";
import type { Contender } from "./joined.ts";

export const FAULTS = ["blackhole", "carrier", "loss5", "delay100", "jitter", "asymmetric", "flap", "all-bad"] as const;
export type FaultName = (typeof FAULTS)[number];

export interface Trial {
  readonly outage: number;
  /** Until the first move; undefined: none came. */
  readonly detection: number | undefined;
  readonly moves: number;
  readonly lost: number;
  readonly reordered: number;
  /** Of 8 flows, how often one broke or stood still for 10 s. */
  readonly brokenFlows: number;
  readonly stalled: number;
}

export async function suffer(contender: Contender, fault: FaultName): Promise<Trial> {
  const folder = mkdtempSync(join(tmpdir(), "novaedge-wan-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const lab = stack.use(await buildLab(sites({ count: 2 })));
  for (const [name, delay] of Object.entries(BASE))
    await lab.link(name).impair({ forward: { delay }, backward: { delay } });
  stack.use(lab.host("h2").node("lab/programs/backend.ts", ["h2", "8080"]));
  const responder = stack.use(lab.host("h2").node("lab/programs/responder.ts", ["h2", "7000", "10.2.0.10"]));
  await responder.says(/"responding"/);
  const joined = stack.use(await contender.join(lab, folder));
  await using prober = await probe(lab.host("h1"), { urls: ["udp://10.2.0.10:7000"], every: 1, timeout: 3000 });
  await using load = lab.host("h1").node("lab/programs/hammer.ts", ["10.2.0.10", "8080", "8", "h2"]);
  await load.says(/"hammering"/);
  await elapse(2000 + Math.random() * 100);
  await joined.settled();
  const at = Date.now();
  await begin(lab, fault);
  await elapse(LASTS);
  const moves = await joined.moves(at);
  const { samples, report } = await prober.stop();
  load.write("stop\n");
  const flows = JSON.parse(await load.says(/"requests"/, 15_000)) as { readonly failed: number };
  const seen = samples.filter(({ sentAt }) => sentAt >= at && sentAt < at + LASTS - 3000);
  const answers = seen.flatMap(({ sentAt, answeredAt }) => (answeredAt === undefined ? [] : [answeredAt - sentAt]));
  const limit = (answers.length === 0 ? 0 : Math.min(...answers)) + LATE;
  const bad = seen.filter(({ sentAt, answeredAt }) => answeredAt === undefined || answeredAt - sentAt > limit);
  let reordered = 0;
  let newest = 0;
  for (const { answeredAt } of seen) {
    if (answeredAt === undefined) continue;
    if (answeredAt < newest) reordered++;
    newest = Math.max(newest, answeredAt);
  }
  const first = moves[0];
  return {
    outage: outageOf(
      bad.map(({ sentAt }) => sentAt - at),
      LASTS - 3000,
    ),
    detection: first === undefined ? undefined : first - at,
    moves: moves.length,
    lost: seen.length - answers.length,
    reordered,
    brokenFlows: flows.failed,
    stalled: report.stalled,
  };
}

/** `bad`: when bad probes were sent, after the fault. */
function outageOf(bad: readonly number[], lasts: number): number {
  for (const [index, each] of [0, ...bad].entries()) {
    const rest = bad.slice(index);
    const next = rest.findIndex((at) => at >= each + SECOND);
    if ((next < 0 ? rest.length : next) <= (SECOND * MOST_BAD) / 100) return index === 0 ? 0 : each;
  }
  return lasts;
}

async function begin(lab: Lab, fault: FaultName): Promise<void> {
  const first = lab.link("e1-wan1");
  const delay = BASE["e1-wan1"];
  const both = (impairment: Impairment) => first.impair({ forward: impairment, backward: impairment });
  switch (fault) {
    case "blackhole":
      return both({ blackhole: true });
    case "carrier":
      return lab.cut("e1:wan1");
    case "loss5":
      return both({ delay, loss: 5 });
    case "delay100":
      return first.impair({ forward: { delay: delay + 100 }, backward: { delay } });
    case "jitter":
      return first.impair({ forward: { delay: delay + 60, jitter: 60 }, backward: { delay } });
    case "asymmetric":
      return first.impair({ forward: { delay }, backward: { delay, loss: 10 } });
    case "flap":
      void flapping(lab, delay);
      return;
    case "all-bad":
      for (const [name, own] of Object.entries(BASE))
        if (name.startsWith("e1"))
          await lab.link(name).impair({ forward: { delay: own, loss: 8 }, backward: { delay: own, loss: 8 } });
  }
}

/** Down and up for 3 s each, as long as the trial lasts. */
async function flapping(lab: Lab, delay: number): Promise<void> {
  for (const end = Date.now() + LASTS - 3000; Date.now() < end; ) {
    await lab.link("e1-wan1").impair({ forward: { blackhole: true }, backward: { blackhole: true } });
    await elapse(3000);
    await lab.link("e1-wan1").impair({ forward: { delay }, backward: { delay } });
    await elapse(3000);
  }
}

/** Milliseconds one way. */
const BASE = { "e1-wan1": 5, "e2-wan1": 5, "e1-wan2": 12, "e2-wan2": 12 } as const;
const LATE = 60;
const SECOND = 1000;
/** Percent. */
const MOST_BAD = 0.5;
const LASTS = 15_000;
