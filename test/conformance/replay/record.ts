/**
 * Makes the recordings anew: `node test/conformance/replay/record.ts [NAME…]`, as root, with FRR and BIRD.  To be done when
 * a machine says something else for a good reason; the replay shows what.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildLab, type Lab } from "../../../lab/build.ts";
import { describe } from "../../../lab/description.ts";
import { startBird } from "../../../lab/peers/bird.ts";
import { startFrr } from "../../../lab/peers/frr.ts";
import { kernelRoutes } from "../../../lab/peers/kernel.ts";
import type { RouterSpec } from "../../../lab/peers/router.ts";
import { until } from "../../../lab/peers/until.ts";
import type { OspfPlan } from "../../../netstack/ospf/plan.ts";
import { bgpOf, peerOf } from "../../interop/bgp-router.ts";

const MAKES = ["frr", "bird"] as const;
const THEIRS4 = "198.51.100.0/24";
const THEIRS6 = "2001:db8:77::/48";
const OURS = { bgp: "192.0.2.10/32", ospf2: "192.0.2.11/32", ospf3: "2001:db8::11/128" } as const;

for (const make of MAKES) {
  await recording(
    `bgp-${make}`,
    "bgp-recorder.ts",
    bgpOf([peerOf()], { install: { table: 254, metric: 20, multipath: 1 } }),
    {
      routerId: "2.2.2.2",
      bgp: {
        asn: 65_002,
        networks: [THEIRS4, THEIRS6],
        neighbors: [{ name: "ours", address: "10.0.0.1", local: "10.0.0.2", asn: 65_001, families: ["ipv4", "ipv6"] }],
      },
    },
  );
  for (const version of [2, 3] as const) {
    await recording(`ospf${version}-${make}`, "ospf-recorder.ts", ospfPlan(version), {
      routerId: "2.2.2.2",
      ospf: [
        {
          version,
          areas: [{ id: "0.0.0.0", interfaces: [{ ifname: "eth0" }] }],
          networks: [version === 2 ? THEIRS4 : THEIRS6],
        },
      ],
    });
  }

  async function recording(name: string, program: string, plan: object, spec: RouterSpec): Promise<void> {
    if (process.argv.length > 2 && !process.argv.includes(name)) return;
    await using lab = await cable();
    const out = join(import.meta.dirname, `${name}.jsonl`);
    const planFile = join(lab.directory, "plan.json");
    writeFileSync(planFile, JSON.stringify(plan));
    const host = lab.host("r");
    const frr = make === "frr" ? await startFrr(host, spec) : undefined;
    const bird = make === "bird" ? await startBird(host, spec) : undefined;
    await using stack = new AsyncDisposableStack();
    stack.use(frr);
    stack.use(bird);
    await using recorder = lab.host("a").node(join(import.meta.dirname, program), [planFile, out]);
    const six = name.startsWith("ospf3");
    const explain = (): string => `${recorder.output()} ${frr?.log() ?? bird?.log()}`;
    const there = (at: "a" | "r", prefix: string, wanted = true) =>
      until(
        `${prefix} ${wanted ? "on" : "off"} ${at}`,
        async () => (await kernelRoutes(lab.host(at), prefix)).some(({ protocol }) => protocol !== "static") === wanted,
        { within: 60_000, every: 100, explain },
      );
    await there("a", six ? THEIRS6 : THEIRS4);
    await there("r", name.startsWith("bgp") ? OURS.bgp : six ? OURS.ospf3 : OURS.ospf2);
    if (name.startsWith("bgp")) {
      // The peer asks for all again, withdraws what it has, and says it again.
      await frr?.ask("bgpd", "clear bgp ipv4 unicast * soft in");
      await bird?.ask("reload in ours");
      await frr?.configure("bgpd", `router bgp 65002\naddress-family ipv4 unicast\nno network ${THEIRS4}`);
      await bird?.ask("disable own_ipv4");
      await there("a", THEIRS4, false);
      await frr?.configure("bgpd", `router bgp 65002\naddress-family ipv4 unicast\nnetwork ${THEIRS4}`);
      await bird?.ask("enable own_ipv4");
      await there("a", THEIRS4);
    }
    recorder.write("stop\n");
    await recorder.finished;
    process.stdout.write(`${name}: recorded\n`);
  }
}

function ospfPlan(version: 2 | 3): OspfPlan {
  const eth0 = {
    ifname: "eth0",
    type: "broadcast",
    passive: false,
    cost: 10,
    priority: 1,
    hello: 1000,
    dead: 4000,
    retransmit: 5000,
    transmitDelay: 1000,
    mtuIgnore: false,
    instanceId: 0,
    auth: undefined,
    neighbors: [],
    poll: 10_000,
    bfd: undefined,
  } as const;
  return {
    version,
    routerId: "1.1.1.1",
    areas: [{ id: "0.0.0.0", kind: "normal", interfaces: [eth0] }],
    networks: [
      { prefix: version === 2 ? OURS.ospf2 : OURS.ospf3, as: "external-2", metric: 10, tag: 0, area: undefined },
    ],
    install: { table: 254, metric: 110 },
    maxMetric: false,
    gracefulRestart: undefined,
    restarting: false,
  };
}

function cable(): Promise<Lab> {
  const host = (n: number) => ({ interfaces: { eth0: [`10.0.0.${n}/24`, `fd00::${n}/64`] }, forwards: true });
  return buildLab(
    describe({ hosts: { a: host(1), r: host(2) }, switches: [], links: [{ from: "a:eth0", to: "r:eth0" }] }),
  );
}
