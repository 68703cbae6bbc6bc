/** What docs/sdwan.md says of names, balance, quotas and hubs, tried as its reader would: whole daemons, and packets. */
import { describe, expect, test } from "vitest";
import { capture } from "../../lab/capture.ts";
import { missing } from "../../lab/peers/installed.ts";
import { until } from "../../lab/peers/until.ts";
import { wanName } from "../../lab/wan-sites.ts";
import { choicesOf, chosen, openWan, packets4, type WanScene, wanOf } from "./wan.ts";

const why = missing("wireguardGo", "wg");
const LONG = { timeout: 240_000 };
const NAMED = "192.0.2.80";
const OTHER = "192.0.2.81";
const RESOLVER = "203.0.113.1";
const [ISP1, ISP2] = [wanName(1, 1), wanName(1, 2)];

const policy = (name: string, spec: string): string =>
  `apiVersion: novaedge.io/v1alpha1\nkind: ProxyWANPolicy\nmetadata: { name: ${name} }\nspec: ${spec}\n`;

/** Two servers that both providers lead to. */
async function internet({ lab }: WanScene): Promise<void> {
  for (const address of [NAMED, OTHER])
    await lab.host("core").exec("ip", ["address", "add", `${address}/32`, "dev", "lo"]);
}
async function run({ lab }: WanScene, ...args: readonly string[]): Promise<void> {
  await using program = lab.host("h1").node("test/scenario/programs/internet.ts", args);
  await program.says(/answered|sent/);
}
/** Flows, each of two packets, to a server by the WAN that they left by, while something runs. */
async function flows(
  scene: WanScene,
  to: string,
  send: () => Promise<void>,
): Promise<Readonly<Record<string, number>>> {
  const on = await capture(scene.lab, { ports: ["e1:wan1", "e1:wan2"], everything: true });
  await send();
  const seen = packets4((await on.stop()).frames).filter(({ destination }) => destination === to);
  const of = (port: string): number =>
    new Set(seen.filter((each) => each.port === port).map(({ sourcePort }) => sourcePort)).size;
  return { wan1: of("e1.wan1"), wan2: of("e1.wan2") };
}

describe.skipIf(why !== undefined)(`as docs/sdwan.md says (${why ?? "wireguard-go is here"})`, () => {
  test(
    "hosts: addresses that a DNS answer gave go by the policy's link; loadbalance: by weight, each flow by one",
    LONG,
    async () => {
      await using scene = await openWan({
        count: 1,
        links: { "1.1": "role: loadbalance\nweight: 300", "1.2": "role: loadbalance" },
        resources: [
          policy(
            "web",
            `{ priority: 300, match: { hosts: ["*.example.com"] }, pathSelection: { strategy: lowest-cost, links: [${ISP2}] } }`,
          ),
          policy("all", "{ match: { interfaces: [lan0] }, pathSelection: { strategy: lowest-latency } }"),
        ].join("---\n"),
      });
      await internet(scene);
      const first = scene.start(1);
      await first.ready(60_000);
      await chosen(first, "web→internet", (path) => path === `${ISP2}>internet`);
      await chosen(first, "all→internet", () => true);
      await using dns = scene.lab
        .host("core")
        .node("test/scenario/programs/internet.ts", ["dns", RESOLVER, "www.example.com", NAMED]);
      await dns.says(/serving/);
      await run(scene, "ask", RESOLVER, "www.example.com");
      expect(await flows(scene, NAMED, () => run(scene, "send", NAMED, "9000", "20"))).toEqual({ wan1: 0, wan2: 20 });
      const spread = await flows(scene, OTHER, () => run(scene, "send", OTHER, "9000", "80"));
      expect((spread["wan1"] ?? 0) + (spread["wan2"] ?? 0)).toBe(80);
      expect(spread["wan1"]).toBeGreaterThan(54);
      expect(spread["wan1"]).toBeLessThan(66);
    },
  );

  test("quota: when it is spent, only the policies in reservedFor use the link", LONG, async () => {
    await using scene = await openWan({
      count: 1,
      links: { "1.1": "quota: { size: 2000 }\nreservedFor: [office]" },
      resources: [
        policy("office", "{ priority: 300, match: { ports: [9000] }, pathSelection: { strategy: lowest-cost } }"),
        policy("all", `{ match: { interfaces: [lan0] }, pathSelection: { strategy: lowest-cost, links: [${ISP1}] } }`),
      ].join("---\n"),
    });
    await internet(scene);
    const first = scene.start(1);
    await first.ready(60_000);
    await until("the quota is spent", async () => (await wanOf(first)).links.some(({ report }) => report?.quotaSpent), {
      within: 60_000,
      every: 200,
    });
    await until("all is left without a link", async () => (await choicesOf(first)).get("all→internet") === undefined, {
      within: 30_000,
    });
    await chosen(first, "office→internet", (path) => path === `${ISP1}>internet` || path === `${ISP2}>internet`);
    expect(await flows(scene, OTHER, () => run(scene, "send", OTHER, "9001", "20"))).toEqual({ wan1: 0, wan2: 0 });
    const office = await flows(scene, OTHER, () => run(scene, "send", OTHER, "9000", "20"));
    expect((office["wan1"] ?? 0) + (office["wan2"] ?? 0)).toBe(20);
  });

  test("hub-and-spoke: tunnels to the hub only, and the spokes reach each other through it", LONG, async () => {
    await using scene = await openWan({
      count: 3,
      settings: "topology:\n  kind: hub-and-spoke\n  hubs: [site1]",
    });
    const edges = [1, 2, 3].map((site) => scene.start(site));
    await Promise.all(edges.map((edge) => edge.ready(90_000)));
    for (const [index, edge] of edges.entries()) {
      const want = index === 0 ? 8 : 4;
      await until(
        `${edge.name}: ${want} paths alive`,
        async () => {
          const tunnels = (await wanOf(edge)).paths.filter(({ site }) => site !== undefined);
          if (index > 0) expect(new Set(tunnels.map(({ site }) => site))).toEqual(new Set(["site1"]));
          return tunnels.length === want && tunnels.every(({ report }) => report?.life.kind === "alive");
        },
        { within: 90_000, every: 200, explain: async () => JSON.stringify((await wanOf(edge)).paths).slice(0, 3000) },
      );
    }
    const across = async (count: number): Promise<string> => {
      const args = ["-c", `${count}`, "-p", "50", "-t", "2000", "-q", "10.3.0.10"];
      const asked = await scene.lab.host("h2").exec("sh", ["-c", `fping ${args.join(" ")} 2>&1 || true`]);
      return /(\d+)\/(\d+)\/\d+%/.exec(asked.stdout)?.slice(1, 3).join(" of ") ?? asked.stdout;
    };
    await until("a spoke answers the other", async () => (await across(1)).startsWith("1 of 1"), {
      within: 30_000,
      every: 100,
      explain: async () =>
        (
          await scene.lab
            .host("e2")
            .exec("sh", [
              "-c",
              "ip rule; ip route show table all | grep nv; wg show; nft list ruleset | head -5; ip route get 10.3.0.10 from 10.2.0.10 iif lan0",
            ])
        ).stdout,
    });
    expect(await across(20)).toBe("20 of 20");
  });
});
