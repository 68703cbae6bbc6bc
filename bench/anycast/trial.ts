/**
 * One fault on one of two hosts, seen by a client: a new connection every 5 ms, and flows that ask without a pause.  Half of
 * them go through the other host and see nothing; the outage is what the others see, from the fault to the last new
 * connection that failed or took more than 100 ms, as long as such connections follow each other within a second.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as elapse } from "node:timers/promises";
import { buildLab, type Lab } from "../../lab/build.ts";
import { startFrr } from "../../lab/peers/frr.ts";
import { kernelRoutes } from "../../lab/peers/kernel.ts";
import { until } from "../../lab/peers/until.ts";
import { probe } from "../../lab/probe.ts";
import { send } from "../../lab/process.ts";
import { ANYCAST4, anycast, BACKENDS, front, HOSTS, ROUTER4 } from "../../lab/topology/anycast.ts";
import { BFD, type Contender, type Installed } from "./contender.ts";
import { asnOf, ROUTER_ASN } from "./edge.ts";

export const FAULTS = ["dataplane", "daemon", "link", "stop"] as const;
export type FaultName = (typeof FAULTS)[number];

export interface Trial {
  readonly outage: number;
  readonly failedConnections: number;
  /** Of 16 flows: how often one broke, or did not answer for 10 s. */
  readonly brokenFlows: number;
  /** From the fault until the router's kernel used the other host alone; undefined: it never did. */
  readonly routeGone: number | undefined;
  readonly requests: number;
  /** The client's own longest silence. */
  readonly stalled: number;
}

export async function suffer(contender: Contender, fault: FaultName): Promise<Trial> {
  const folder = mkdtempSync(join(tmpdir(), "novaedge-anycast-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const lab = stack.use(await buildLab(anycast()));
  for (const name of BACKENDS) {
    const backend = stack.use(lab.host(name).node("lab/programs/backend.ts", [name, "8080"]));
    await backend.says(/^listening/);
  }
  stack.use(
    await startFrr(lab.host("r"), {
      routerId: ROUTER4,
      bgp: {
        asn: ROUTER_ASN,
        multipath: 8,
        neighbors: HOSTS.map((name) => {
          return { name, address: front(name).v4, asn: asnOf(name), bfd: BFD, announces: false };
        }),
      },
    }),
  );
  const installed = {
    a: stack.use(await contender.start(lab, "a", folder)),
    b: stack.use(await contender.start(lab, "b", folder)),
  };
  await ways(lab, 2);
  const client = lab.host("client");
  await client.exec("curl", ["-sS", "-m", "5", "--retry", "20", "--retry-all-errors", `http://${ANYCAST4}/`]);
  await elapse(3000); // BFD of both hosts comes up after BGP
  await using prober = await probe(client, { urls: [`http://${ANYCAST4}/`], every: 5, timeout: 3000 });
  await using load = client.node("lab/programs/hammer.ts", [ANYCAST4, "80", "16", "app"]);
  await load.says(/"hammering"/);
  await elapse(500 + Math.random() * 200);
  const at = Date.now();
  const gone = fault === "dataplane" ? undefined : ways(lab, 1);
  await begin(lab, installed.a, fault);
  await elapse(LASTS);
  const routeGone = gone === undefined ? undefined : Math.max(0, (await gone) - at);
  const { samples, report } = await prober.stop();
  load.write("stop\n");
  const flows = JSON.parse(await load.says(/"requests"/, 15_000)) as { requests: number; failed: number };
  const bad = samples.filter(
    ({ sentAt, answeredAt }) => sentAt >= at - LATE && (answeredAt === undefined || answeredAt - sentAt > LATE),
  );
  return {
    outage: bad.reduce((end, { sentAt }) => (sentAt - at - end < TOGETHER ? Math.max(end, sentAt - at) : end), 0),
    failedConnections: samples.filter(({ sentAt, answeredAt }) => sentAt >= at && answeredAt === undefined).length,
    brokenFlows: flows.failed,
    routeGone,
    requests: flows.requests,
    stalled: report.stalled,
  };
}

async function begin(lab: Lab, host: Installed, fault: FaultName): Promise<void> {
  switch (fault) {
    case "link":
      return lab.cut("a:eth0");
    case "stop":
      return host.stop();
    case "dataplane":
    case "daemon": {
      // Stopped first, so that none of them sees another one die and still says good-bye.
      const pids = fault === "daemon" ? host.everything() : host.dataplane();
      for (const pid of pids) send(pid, "SIGSTOP");
      for (const pid of pids) send(pid, "SIGKILL");
    }
  }
}

/** When the router's kernel uses so many hosts. */
async function ways(lab: Lab, count: number): Promise<number> {
  return await until(
    `${count} ways`,
    async () => {
      const [route] = await kernelRoutes(lab.host("r"), `${ANYCAST4}/32`);
      return (route?.via.length ?? 0) === count && Date.now();
    },
    { within: 60_000, every: 10 },
  );
}

/** Milliseconds. */
const LATE = 100;
const TOGETHER = 1000;
const LASTS = 6000;
