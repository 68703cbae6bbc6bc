/** The loss shield: two sites, two providers, both of which lose packets. */
import { describe, expect, test } from "vitest";
import type { WanShieldStatus } from "../../daemon/admin/wan-api.ts";
import type { Lab } from "../../lab/build.ts";
import type { Edge } from "../../lab/edges.ts";
import { missing } from "../../lab/peers/installed.ts";
import { until } from "../../lab/peers/until.ts";
import type { Running } from "../../lab/process.ts";
import { chosen, eventsOf, joined, openWan, SITE2, wanOf } from "./wan.ts";

const why = missing("wireguardGo", "wg");
const LOST = 5;
const ROUNDS = 8;

const POLICY = `apiVersion: novaedge.io/v1alpha1
kind: ProxyWANPolicy
metadata: { name: voice }
spec:
  match: { protocols: [udp, tcp], ports: [7000] }
  pathSelection: { strategy: lowest-latency, dscpClass: EF, lossShield: { aboveLoss: "1%" } }
`;

/** What a starved host does to BFD and probes is not what is looked for here. */
const PATIENT = "outerDSCP: false\nbfd: {enabled: false}\nprobe: {deadAfter: 10}";

describe.skipIf(why !== undefined)(`loss shield (${why ?? "wireguard-go is here"})`, () => {
  test("both ways nearly nothing is lost, nothing comes twice, and without loss nothing is copied", {
    timeout: 480_000,
  }, async () => {
    await using scene = await openWan({ resources: POLICY, settings: PATIENT });
    const { lab } = scene;
    const edges = [scene.start(1), scene.start(2)] as const;
    await joined(...edges);
    for (const [index, edge] of edges.entries()) await chosen(edge, `voice→site${2 - index}`, () => true);
    const program = "test/scenario/programs/shield-peer.ts";
    await using receiver = lab.host("h2").node(program, ["receive", "7000"]);
    await receiver.says(/"receiving"/);
    await using sender = lab.host("h1").node(program, ["send", "10.2.0.10", "7000", "10.1.0.10"]);
    await sender.says(/"sending"/);

    const calm = await stream(sender, { name: "calm", count: 500, every: 4 });
    expect(calm.came).toMatchObject({ distinct: calm.came.all });
    for (const edge of edges) {
      // A starved host loses packets, too.
      const needed = (await eventsOf(edge)).some(({ name }) => name === "wan.shield-began");
      if (!needed) expect((await shieldOf(edge))?.copies.packets).toBe(0);
    }

    await lose(lab, LOST);
    const noticed = stream(sender, { name: "noticed", count: 5000, every: 4 });
    for (const edge of edges) await shielded(edge, true);
    await noticed;
    // A host that is starved loses what no path has lost: one round has to be without that.  Of 1,000 packets 15 are lost
    // by chance once in ten million rounds when each is lost with 5 %, and twice that back.
    let best = { came: 0, back: 0 };
    for (let round = 0; round < ROUNDS && !(best.came > 985 && best.back > 970); round++) {
      const { came, back } = await stream(sender, { name: `lossy-${round}`, count: 1000, every: 4 });
      if (came.distinct + back.distinct > best.came + best.back) best = { came: came.distinct, back: back.distinct };
      // Both of two that come in the same microsecond may pass.
      expect(came.all - came.distinct).toBeLessThan(20);
      expect(back.all - back.distinct).toBeLessThan(20);
    }
    expect(best.came).toBeGreaterThan(985);
    expect(best.back).toBeGreaterThan(970);

    // Not told apart by anything, they are nevertheless as many as without a shield.
    let alike = 0;
    for (let round = 0; round < ROUNDS && alike <= 920; round++) {
      const { came } = await stream(sender, { name: `same-${round}`, count: 1000, every: 4, same: true });
      alike = Math.max(alike, came.all);
      expect(came.all).toBeLessThan(1020);
    }
    expect(alike).toBeGreaterThan(920);
    expect(await transferred(sender, { name: "tcp", count: 300_000 })).toBe(300_000);

    for (const [index, edge] of edges.entries()) {
      const other = edges[1 - index] ?? edge;
      await until(
        `${other.name}: drops are counted`,
        async () => ((await shieldOf(other))?.duplicates.packets ?? 0) > 1000,
      );
      expect((await shieldOf(edge))?.copies.packets).toBeGreaterThan(2000);
      const began = (await eventsOf(edge)).filter(({ name }) => name === "wan.shield-began");
      expect(String(began[0]?.fields["why"])).toMatch(/^[0-9.]+ % lost there, over 1 %$/);
    }

    await lose(lab, 0);
    for (const edge of edges) await shielded(edge, false);
    for (const edge of edges) {
      const ended = (await eventsOf(edge)).filter(({ name }) => name === "wan.shield-ended");
      expect(ended.map(({ fields }) => fields["why"])).toContain("no more than 1 % lost for a while");
      await until(`${edge.name}: nothing is left in the kernel`, async () => (await tablesOf(lab, edge)) === "");
    }
    const { came } = await stream(sender, { name: "after", count: 500, every: 4 });
    expect(came.all).toBe(came.distinct);
  });
});

async function tablesOf(lab: Lab, edge: Edge): Promise<string> {
  const { stdout } = await lab.host(edge.name).exec("nft", ["list", "tables"]);
  return stdout
    .split("\n")
    .filter((line) => line.includes("shield"))
    .join();
}

async function transferred(
  sender: Running,
  order: { readonly name: string; readonly count: number },
): Promise<number | undefined> {
  sender.write(`${JSON.stringify(order)}\n`);
  return JSON.parse(await sender.says(new RegExp(`"sent","name":"${order.name}"`), 60_000)).came;
}

interface Counts {
  readonly distinct: number;
  readonly all: number;
}

async function stream(
  sender: Running,
  order: { readonly name: string; readonly count: number; readonly every: number; readonly same?: boolean },
): Promise<{ readonly came: Counts; readonly back: Counts }> {
  sender.write(`${JSON.stringify(order)}\n`);
  return JSON.parse(await sender.says(new RegExp(`"sent","name":"${order.name}"`), 60_000));
}

async function lose(lab: Lab, loss: number): Promise<void> {
  for (const [name, delay] of [
    ["e1-wan1", 3],
    ["e1-wan2", 8],
  ] as const)
    await lab.link(name).impair({ forward: { delay, loss }, backward: { delay, loss } });
}

async function shieldOf(edge: Edge): Promise<WanShieldStatus | undefined> {
  return (await wanOf(edge)).policies.find(({ name }) => name === "voice")?.shield;
}

async function shielded(edge: Edge, wanted: boolean): Promise<void> {
  const site = edge.name === "e1" ? SITE2 : "site1";
  const explain = async (): Promise<string> =>
    JSON.stringify([await shieldOf(edge), await eventsOf(edge)]).slice(-6000);
  await until(
    `${edge.name}: the path to ${site} is ${wanted ? "" : "not "}shielded`,
    async () => {
      const { policies } = await wanOf(edge);
      const voice = policies.find(({ name }) => name === "voice");
      const active = voice?.shield?.active ?? [];
      if (!wanted) return active.length === 0;
      const chosen = voice?.choices.find((choice) => choice.site === site)?.report?.chosen;
      return active.some(({ path, second }) => path === chosen && second !== undefined);
    },
    { within: 120_000, every: 100, explain },
  );
}
