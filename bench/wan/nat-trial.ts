/** Three sites: the first is public and relays, the other two stand behind gateways and look for direct ways. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as elapse } from "node:timers/promises";
import type { WanPathStatus, WanStatus } from "../../daemon/admin/wan-api.ts";
import { buildLab, type Lab } from "../../lab/build.ts";
import { type Edge, startEdge } from "../../lab/edges.ts";
import { startCoturn } from "../../lab/peers/coturn.ts";
import { until } from "../../lab/peers/until.ts";
import { lengthOf } from "../../lab/probe/outage.ts";
import { probe } from "../../lab/probe.ts";
import { CORE, type Gateways, outside, outside6, sites, WANS, type Wan } from "../../lab/topology/sites.ts";
import { siteName, wanName, writeSites } from "../../lab/wan-sites.ts";

/** Behind the two links of the second and of the third site. */
export interface Behind {
  readonly second: readonly [Gateways, Gateways];
  readonly third: readonly [Gateways, Gateways];
}

export interface PairResult {
  readonly kinds: readonly [Gateways, Gateways];
  /** Milliseconds from the start of the daemons to when it first was; undefined: relayed to the end. */
  readonly direct: number | undefined;
  readonly found: string | undefined;
  /** What the daemon says and what WireGuard and the addresses on the wire say are the same. */
  readonly truthful: boolean;
}

export interface Meeting {
  /** Milliseconds from the start of the daemons to the first packet between hosts of the two sites. */
  readonly firstPacket: number;
  readonly pairs: readonly PairResult[];
}

/** Ends when as many pairs as `enough` are direct, or when `patience` is over. */
export async function meet(behind: Behind, patience: number, enough = 4): Promise<Meeting> {
  await using world = await openWorld(behind);
  const { lab, begun, edges } = world;
  const first = untilPacket(lab, begun);
  const reached = new Map<string, number>();
  const second = edges[1];
  if (second === undefined) throw new TypeError("three sites");
  for (const end = Date.now() + patience; Date.now() < end && reached.size < enough; await elapse(100)) {
    for (const path of await pathsOf(second))
      if (isDirect(path) && !reached.has(path.id)) reached.set(path.id, Date.now() - begun);
  }
  const paths = await pathsOf(second);
  const pairs = await Promise.all(
    paths.map(async (path): Promise<PairResult> => {
      const [here, there] = WANS.flatMap((wan) => (path.link === wanName(2, wan) ? [wan] : [])).concat(
        WANS.filter((wan) => path.remoteLink === wanName(3, wan)),
      );
      if (here === undefined || there === undefined) throw new TypeError(`whose path is ${path.id}?`);
      const last = { path, truthful: false };
      // Between the two looks the way may have changed; what is said then is true a moment later.
      for (let tries = 0; tries < 5 && !last.truthful; tries++) {
        last.path = (await pathsOf(second)).find(({ id }) => id === path.id) ?? path;
        last.truthful = isDirect(last.path) === (await goesDirectly(lab, last.path, there));
      }
      return {
        kinds: [behind.second[here - 1] ?? "none", behind.third[there - 1] ?? "none"],
        direct: reached.get(path.id) ?? (isDirect(last.path) ? Date.now() - begun : undefined),
        found: last.path.tunnel?.found,
        truthful: last.truthful,
      };
    }),
  );
  return { firstPacket: await first, pairs };
}

/** Milliseconds without service between hosts of the two sites, after something below them moved. */
export async function recover(what: "mapping-lost" | "address-moved"): Promise<{ outage: number; again: number }> {
  const nat: Gateways = what === "mapping-lost" ? "symmetric" : "none";
  // One link only each: no other way helps out.
  await using world = await openWorld({ second: [nat, "none"], third: ["independent", "none"] }, true);
  const { lab, edges } = world;
  const second = edges[1];
  if (second === undefined) throw new TypeError("three sites");
  const path = async (): Promise<WanPathStatus | undefined> =>
    (await pathsOf(second)).find(({ link, remoteLink }) => link === wanName(2, 1) && remoteLink === wanName(3, 1));
  const isAlive = async (): Promise<boolean> => {
    const now = await path();
    return now !== undefined && isDirect(now) && now.report?.life.kind === "alive";
  };
  await until("a direct way", isAlive, { within: 60_000, every: 100 });
  const responder = lab.host("h3").node("lab/programs/responder.ts", ["h3", "7000", "10.3.0.10"]);
  await responder.says(/"responding"/);
  await using prober = await probe(lab.host("h2"), { urls: ["udp://10.3.0.10:7000"], every: 10, late: 500 });
  await elapse(2000);
  const at = Date.now();
  if (what === "mapping-lost") await lab.host("n21").exec("conntrack", ["-F"], { anyCode: true });
  else await moveAddress(lab);
  await elapse(1000);
  await until("a direct way again", isAlive, { within: 90_000, every: 100 });
  const again = Date.now() - at;
  await elapse(3000);
  const probed = await prober.stop();
  await responder[Symbol.asyncDispose]();
  const lengths = probed
    .outages()
    .filter(({ from, to }) => (to ?? from) >= at)
    .map(lengthOf);
  return { outage: lengths.reduce((sum, each) => sum + each, 0), again };
}

interface World extends AsyncDisposable {
  readonly lab: Lab;
  readonly edges: readonly Edge[];
  readonly begun: number;
}

async function openWorld({ second, third }: Behind, single = false): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), "novaedge-nat-"));
  const stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const options = {
    count: 3 as const,
    nats: { "2.1": second[0], "2.2": second[1], "3.1": third[0], "3.2": third[1] },
  };
  try {
    const lab = stack.use(await buildLab(sites(options)));
    stack.use(await startCoturn(lab.host("core"), [...CORE.isp1, ...CORE.isp2]));
    if (single) for (const site of [1, 2, 3]) lab.cut(`e${site}:wan2`);
    writeSites(folder, { ...options, hub: true });
    const begun = Date.now();
    const edges = [1, 2, 3].map((site) => startEdge(lab, `e${site}`, folder));
    for (const edge of edges) {
      stack.defer(async () => {
        edge.running.signal("SIGTERM");
        await edge.running.finished;
      });
    }
    await Promise.all(edges.map((edge) => edge.ready(90_000)));
    return { lab, edges, begun, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function pathsOf(edge: Edge): Promise<readonly WanPathStatus[]> {
  const { paths } = await edge.get<WanStatus>("/v1/wan");
  return paths.filter(({ site }) => site === siteName(3));
}

async function untilPacket(lab: Lab, begun: number): Promise<number> {
  await until(
    "a packet between the sites",
    async () => (await lab.host("h2").exec("fping", ["-q", "-c1", "-t200", "10.3.0.10"], { anyCode: true })).code === 0,
    { within: 60_000 },
  );
  return Date.now() - begun;
}

function isDirect({ via, tunnel }: WanPathStatus): boolean {
  return via === "direct" && tunnel?.state === "up";
}

/** By WireGuard's own word: the peer that has the far site's network is at that site's own address, and shook hands. */
async function goesDirectly(lab: Lab, path: WanPathStatus, there: Wan): Promise<boolean> {
  const { stdout } = await lab.host("e2").exec("wg", ["show", path.ifname, "dump"]);
  return stdout
    .split("\n")
    .slice(1)
    .some((line) => {
      const [, , endpoint = "", networks = "", handshake = "0"] = line.split("\t");
      const at = endpoint.replace(/:[0-9]+$/, "");
      const isThere = at === outside(3, there) || at === `192.168.3${there}.10` || at === `[${outside6(3, there)}]`;
      return networks.split(",").includes("10.3.0.0/24") && isThere && Date.now() / 1000 - Number(handshake) < 180;
    });
}

async function moveAddress(lab: Lab): Promise<void> {
  const moved = outside(2, 1).replace(/\.12$/, ".112");
  await lab
    .host("e2")
    .exec("sh", [
      "-ec",
      `ip address del ${outside(2, 1)}/24 dev wan1; ip address add ${moved}/24 dev wan1; ip route replace default via ${CORE.isp1[0]} dev wan1 metric 10`,
    ]);
}
