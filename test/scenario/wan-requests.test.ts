/** Requests through the proxy leave by the link of their class, with its code point; the token by which the host knows them never does. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Frame } from "../../lab/capture/pcapng.ts";
import { capture } from "../../lab/capture.ts";
import { missing } from "../../lab/peers/installed.ts";
import { until } from "../../lab/peers/until.ts";
import { probe } from "../../lab/probe.ts";
import { chosen, eventsOf, joined, openWan, packets4, SITE2, type WanScene } from "./wan.ts";

const why = missing("wireguardGo", "wg");
const LONG = { timeout: 180_000 };
const TCP = 6;
/** Octets: longer than anything else that a tunnel carries here. */
const LONG_REQUEST = 700;
/** Of the backend in the internet, and in the other site. */
const FAR = "192.0.2.80";
const THERE = "10.2.0.10";
const EDGE = "10.1.0.1";

const policy = (name: string, match: string, links: string, more = ""): string => `---
apiVersion: novaedge.io/v1alpha1
kind: ProxyWANPolicy
metadata: { name: ${name} }
spec:
  match: { ${match} }
  pathSelection: { strategy: lowest-latency, links: [${links}]${more} }
`;
/** The host's own default route is that of isp1. */
const POLICIES = [
  policy("api", "paths: [/api]", "s1-isp2", ", dscpClass: AF41"),
  policy("images", "paths: [/images]", "s1-isp1", ", dscpClass: AF11"),
  policy("gold", "headers: { X-Tier: gold }, sources: [10.1.0.0/24]", "s1-isp2", ", dscpClass: EF"),
  policy("video", "hosts: ['*.video.example']", "s1-isp2"),
].join("");
const web = (backend: string): string => `---
apiVersion: novaedge.io/v1alpha1
kind: ProxyGateway
metadata: { name: web }
spec:
  listeners: [{ name: http, port: 80, protocol: HTTP }]
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyRoute
metadata: { name: app }
spec:
  parentRefs: [{ name: web }]
  rules: [{ backendRefs: [{ name: app }] }]
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyBackend
metadata: { name: app }
spec:
  endpoints: [{ address: ${backend}, port: 8080 }]
`;

/** A connection to the backend as a port has seen it. */
interface Flow {
  readonly ports: ReadonlySet<string>;
  readonly dscp: ReadonlySet<number>;
  readonly requests: readonly string[];
  readonly ended: boolean;
}

function flows(frames: readonly Frame[], backend: string): readonly Flow[] {
  const found = new Map<string, { ports: Set<string>; dscp: Set<number>; requests: string[]; ended: boolean }>();
  for (const frame of frames) {
    const [packet] = packets4([frame]);
    if (packet?.protocol !== TCP || packet.destination !== backend || packet.destinationPort !== 8080) continue;
    const key = String(packet.sourcePort);
    const flow = found.get(key) ?? { ports: new Set(), dscp: new Set(), requests: [], ended: false };
    found.set(key, flow);
    flow.ports.add(packet.port);
    flow.dscp.add(packet.dscp);
    const [, path] = /GET (\/\S*) HTTP/.exec(Buffer.from(frame.octets).toString("latin1")) ?? [];
    if (path !== undefined) flow.requests.push(path);
    if (((frame.octets[14 + 20 + 13] ?? 0) & FIN) !== 0) flow.ended = true;
  }
  return [...found.values()];
}
const FIN = 1;
/** Of requests whose class is the same throughout a test. */
const CLASSES: ReadonlyMap<string, string> = new Map([
  ["/api/1", "api"],
  ["/api/2", "api"],
  ["/api/3", "api"],
  ["/v2/after", "api"],
  ["/v2/again", "api"],
  ["/images/1", "images"],
  ["/images/2", "images"],
  ["/gold/1", "gold"],
  ["/video/1", "video"],
  ["/plain/1", "none"],
  ["/apiary/1", "none"],
  ["/api/after", "none"],
]);

/** One connection of a client, and the answers to its requests in their order: curl closes none between them. */
async function ask(scene: WanScene, requests: readonly (readonly string[])[]): Promise<readonly string[]> {
  const each = requests.map((args) => ["-s", "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\\n", ...args]);
  const args = each.flatMap((one, index) => (index === 0 ? one : ["--next", ...one]));
  const { stdout } = await scene.lab.host("h1").exec("curl", args);
  return stdout.trim().split("\n");
}

/** The data plane knows the classes: a request of each has one. */
async function classified(scene: WanScene, class2: string): Promise<void> {
  const rules = async (): Promise<string> => {
    return (await scene.lab.host("e1").exec("nft", ["list", "chain", "inet", "novaedge_wan", "classify"])).stdout;
  };
  await until("the rules know the proxy's requests", async () => (await rules()).includes("meta skuid"), {
    within: 30_000,
    explain: rules,
  });
  const counted = async (): Promise<string> => {
    return (await scene.lab.host("e1").exec("nft", ["list", "table", "inet", "novaedge_wan"])).stdout;
  };
  const packets = (text: string): number =>
    [...text.matchAll(/chain class_\d+ \{\s+counter packets (\d+)/g)].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    );
  await until(
    "requests have a class",
    async () => {
      await ask(scene, [[`http://${EDGE}${class2}`]]);
      return packets(await counted()) > 0;
    },
    { within: 30_000, explain: counted },
  );
}

describe.skipIf(why !== undefined)(`requests of a class (${why ?? "wireguard-go is here"})`, () => {
  test("by path, header and host, alternating on one connection of a client; a reload moves a path", LONG, async () => {
    await using scene = await openWan({ resources: `${POLICIES}${web(FAR)}` });
    const { lab, folder } = scene;
    await lab.host("core").exec("ip", ["address", "add", `${FAR}/32`, "dev", "lo"]);
    await using backend = lab.host("core").node("lab/programs/backend.ts", ["far", "8080"]);
    await backend.says(/listening/);
    const first = scene.start(1);
    await first.ready(30_000);
    await chosen(first, "api→internet", (path) => path.startsWith("s1-isp2"));
    await chosen(first, "images→internet", (path) => path.startsWith("s1-isp1"));
    await classified(scene, "/api/first");

    await using on = await capture(lab, { ports: ["e1:wan1", "e1:wan2"], everything: true, kept: 400 });
    const gold = ["-H", "X-Tier: gold"];
    const video = ["-H", "Host: eu.video.example"];
    const url = (path: string): string => `http://${EDGE}${path}`;
    const answers = await ask(scene, [
      [url("/api/1")],
      [url("/images/1")],
      [url("/api/2")],
      [url("/images/2")],
      [url("/plain/1")],
      [...gold, url("/gold/1")],
      [...video, url("/video/1")],
      [url("/apiary/1")],
      [url("/api/3")],
    ]);
    // One connection of the client carried all of them.
    expect(answers).toEqual(answers.map((_, index) => `200 ${index === 0 ? 1 : 0}`));

    // A running client sees nothing of a policy that changes.
    await using client = await probe(lab.host("h1"), {
      urls: [url("/api/p"), url("/v2/p")],
      every: 5,
      late: 5000,
      timeout: 5000,
    });
    const file = join(folder, "e1", "conf.d", "policies.yaml");
    writeFileSync(file, readFileSync(file, "utf8").replace("paths: [/api]", "paths: [/v2]"));
    const loaded = async (): Promise<number> =>
      (await eventsOf(first)).filter(({ name }) => name === "config.loaded").length;
    await until("the changed file is in force", async () => (await loaded()) > 0, { within: 30_000 });
    await first.ready();
    await ask(scene, [[url("/v2/after")], [url("/api/after")], [url("/v2/again")]]);
    const { samples } = await client.stop();
    // A file has to be quiet for 100 ms before it is read: some were sent before that, some after.
    expect(samples.length).toBeGreaterThan(5);
    expect(samples.filter(({ answeredAt }) => answeredAt === undefined)).toEqual([]);
    // All connections end: the last acknowledgements are of nobody any more.
    first.running.signal("SIGTERM");
    expect((await first.running.finished).code).toBe(0);

    const seen = flows((await on.stop()).frames, FAR);
    const of = (path: string): readonly Flow[] => seen.filter(({ requests }) => requests.includes(path));
    const ways = (path: string): readonly unknown[] => of(path).map(({ ports, dscp }) => [[...ports], [...dscp]]);
    expect(ways("/api/1")).toEqual([[["e1.wan2"], [34]]]);
    expect(ways("/api/2")).toEqual([[["e1.wan2"], [34]]]);
    expect(ways("/images/1")).toEqual([[["e1.wan1"], [10]]]);
    expect(ways("/images/2")).toEqual([[["e1.wan1"], [10]]]);
    expect(ways("/plain/1")).toEqual([[["e1.wan1"], [0]]]);
    expect(ways("/apiary/1")).toEqual([[["e1.wan1"], [0]]]);
    expect(ways("/gold/1")).toEqual([[["e1.wan2"], [46]]]);
    expect(ways("/video/1")).toEqual([[["e1.wan2"], [0]]]);
    expect(ways("/v2/after")).toEqual([[["e1.wan2"], [34]]]);
    expect(ways("/v2/again")).toEqual([[["e1.wan2"], [34]]]);
    expect(ways("/api/after")).toEqual([[["e1.wan1"], [0]]]);
    // Connections are kept, and no class uses another's.
    expect(of("/api/1")[0]).toBe(of("/api/3")[0]);
    for (const { requests, ended } of seen) {
      expect(new Set(requests.flatMap((path) => CLASSES.get(path) ?? [])).size).toBeLessThan(2);
      expect(ended).toBe(true);
    }
    expect(new Set(seen.flatMap(({ dscp }) => [...dscp]))).toEqual(new Set([0, 10, 34, 46]));
  });

  test("to another site: by its tunnel, the code point inside and outside, the token nowhere", LONG, async () => {
    await using scene = await openWan({ resources: `${POLICIES}${web(THERE)}` });
    const { lab, folder } = scene;
    // Links of the other site's own.
    const theirs = join(folder, "e2", "conf.d", "policies.yaml");
    writeFileSync(theirs, readFileSync(theirs, "utf8").replaceAll("s1-isp", "s2-isp"));
    await using backend = lab.host("h2").node("lab/programs/backend.ts", ["there", "8080"]);
    await backend.says(/listening/);
    const [first, second] = [scene.start(1), scene.start(2)];
    await joined(first, second);
    await chosen(first, `api→${SITE2}`, (path) => path.startsWith("s1-isp2"));
    await chosen(first, `images→${SITE2}`, (path) => path.startsWith("s1-isp1"));
    await classified(scene, "/api/first");
    const routes = async (): Promise<string> =>
      (await lab.host("e1").exec("ip", ["route", "show", "table", "all", "10.2.0.0/24"])).stdout;
    await until(
      "both classes have tunnels with their code points",
      async () => /-34 .*(.|\n)*-10 |-10 .*(.|\n)*-34 /.test(await routes()),
      {
        within: 30_000,
        explain: routes,
      },
    );
    await using on = await capture(lab, {
      ports: ["e1:wan1", "e1:wan2", "e2:lan0"],
      everything: true,
      kept: 1000,
    });
    const url = (path: string): string => `http://${EDGE}${path}`;
    const long = ["-H", `X-Pad: ${"x".repeat(LONG_REQUEST)}`];
    const round = Array.from({ length: 20 }, (_, index) => [...long, url(index % 2 === 0 ? "/api/a" : "/images/a")]);
    const answers = await ask(scene, round);
    expect(answers).toEqual(answers.map((_, index) => `200 ${index === 0 ? 1 : 0}`));
    await ask(scene, [["-H", "Host: a.video.example", url("/video/a")]]);
    const { frames } = await on.stop();
    const seen = flows(
      frames.filter(({ port }) => port === "e2.lan0"),
      THERE,
    );
    const points = (path: string): readonly number[] => [
      ...new Set(seen.filter(({ requests }) => requests.includes(path)).flatMap(({ dscp }) => [...dscp])),
    ];
    expect([points("/api/a"), points("/images/a"), points("/video/a")]).toEqual([[34], [10], [0]]);
    expect(new Set(seen.flatMap(({ dscp }) => [...dscp]))).toEqual(new Set([0, 10, 34]));
    const outer = packets4(frames).filter(({ port, length }) => port !== "e2.lan0" && length > LONG_REQUEST);
    const byPort = (dscp: number): readonly string[] =>
      outer.filter((each) => each.dscp === dscp).map(({ port }) => port);
    expect(byPort(34).length).toBeGreaterThan(9);
    expect(new Set(byPort(34))).toEqual(new Set(["e1.wan2"]));
    expect(byPort(10).length).toBeGreaterThan(9);
    expect(new Set(byPort(10))).toEqual(new Set(["e1.wan1"]));
    expect(second.running.output()).not.toContain("UnhandledPromise");
  });
});
