/**
 * One fault, observed: a client probes the virtual IP each millisecond, asks who has it each 2 ms, and a capture in the
 * fabric sees which host answers.  "Two answering" is read from the capture: the time in which claims of both hosts
 * alternate.
 */
import { setTimeout as elapse } from "node:timers/promises";
import { Fault } from "../../base/fault.ts";
import type { Lab } from "../../lab/build.ts";
import type { Answer } from "../../lab/capture/answers.ts";
import { capture } from "../../lab/capture.ts";
import { probe } from "../../lab/probe.ts";
import type { Running } from "../../lab/process.ts";
import { VIP4 } from "../../lab/topology/two-edges.ts";
import type { Contender, Edge } from "./contender.ts";
import { type FaultName, type Scene, SPECS } from "./fault.ts";

export interface Trial {
  readonly fault: FaultName;
  /** The longest outage that the client saw from the fault on, milliseconds; to one probe interval. */
  readonly outage: number;
  /** Time in which both hosts answered ARP or neighbour discovery for the address, milliseconds. */
  readonly twoAnswering: number;
  /** Answers by the former owner after it was frozen and thawed (or cut and joined), while the other one owned. */
  readonly revived: number;
  readonly moved: boolean;
  /** Of the keep-alive load during a graceful stop or a data plane's death; undefined where there was none. */
  readonly load: { readonly requests: number; readonly failed: number } | undefined;
  /** The client's own longest silence: above a few ms, the outage figure is the machine's. */
  readonly stalled: number;
}

export async function settled(lab: Lab, contender: Contender, within = 15_000): Promise<Edge> {
  const deadline = Date.now() + within;
  for (;;) {
    const owners = (["a", "b"] as const).filter((edge) => contender.owns(lab, edge));
    const [owner] = owners;
    if (owners.length === 1 && owner !== undefined) return owner;
    if (Date.now() > deadline) throw new Fault("LAB", { why: `owners of ${VIP4}: ${owners.join(" ") || "nobody"}` });
    await elapse(50);
  }
}

export async function trial(scene: Scene, fault: FaultName): Promise<Trial> {
  const { lab, owner, contender } = scene;
  const spec = SPECS[fault];
  const http = contender.carries && (fault === "stop" || fault === "dataplane-kill");
  const target = http ? `http://${VIP4}/` : `udp://${VIP4}:9000`;
  await using frames = await capture(lab, { ports: ["a:eth0", "b:eth0"] });
  await using asker = lab.host("client").node("lab/programs/asker.ts", ["eth0", "10.77.0.254", "2", VIP4]);
  await asker.says(/"asking"/);
  await using prober = await probe(lab.host("client"), { urls: [target], every: http ? 5 : 1, timeout: 2000 });
  await using load =
    http && fault === "stop" ? lab.host("client").node("lab/programs/hammer.ts", [VIP4, "80", "16", "app"]) : undefined;
  await load?.says(/"hammering"/);
  // A random phase: the fault must not beat in time with the heartbeats.
  await elapse(500 + Math.random() * contender.settles * 0.4);
  const at = Date.now();
  spec.begin(scene);
  await elapse(spec.lasts);
  const ended = Date.now();
  await spec.end(scene);
  await elapse(spec.watch);
  const probed = await prober.stop();
  const claims = (await frames.stop())
    .answers(VIP4)
    .filter((answer) => answer.kind !== "packet" && answer.kind !== "arp-request");
  const last = claims.at(-1)?.port;
  return {
    fault,
    outage: Math.max(
      0,
      ...probed.outages().map(({ from, to }) => ((to ?? Date.now()) < at ? 0 : (to ?? Date.now()) - from)),
    ),
    twoAnswering: alternating(claims),
    revived:
      last === undefined || last.startsWith(owner)
        ? 0
        : claims.filter((c) => c.port.startsWith(owner) && c.at > ended).length,
    moved: last !== undefined && !last.startsWith(owner),
    load: load === undefined ? undefined : await outcome(load),
    stalled: probed.report.stalled,
  };
}

/** The union of all stretches in which a claim of one host lies between two of the other that are at most 50 ms apart. */
export function alternating(claims: readonly Answer[]): number {
  let total = 0;
  let covered = Number.NEGATIVE_INFINITY;
  for (const [index, before] of claims.entries()) {
    if (claims[index + 1]?.port === before.port) continue;
    const back = claims.find((claim, at) => at > index && claim.port === before.port);
    if (back === undefined || back.at - before.at > 50) continue;
    total += Math.max(0, back.at - Math.max(before.at, covered));
    covered = back.at;
  }
  return total;
}

/** Ends the load and reads what its clients saw. */
async function outcome(load: Running): Promise<{ requests: number; failed: number }> {
  load.write("stop\n");
  return JSON.parse(await load.says(/"requests"/)) as { requests: number; failed: number };
}
