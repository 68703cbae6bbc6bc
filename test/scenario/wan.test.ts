/** Sites joined by the whole daemon, proved on the wire. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { capture } from "../../lab/capture.ts";
import { missing } from "../../lab/peers/installed.ts";
import { until } from "../../lab/peers/until.ts";
import { probe } from "../../lab/probe.ts";
import { outside, outside6, type Wan } from "../../lab/topology/sites.ts";
import { wanName } from "../../lab/wan-sites.ts";
import { choicesOf, chosen, eventsOf, joined, kernelOf, killDaemon, openWan, packets4, SITE2, wanOf } from "./wan.ts";

const why = missing("wireguardGo", "wg");
const LONG = { timeout: 300_000 };
const UDP = 17;
/** A question of the prober (16 octets, UDP, IPv4), padded and sealed by WireGuard, in UDP and IPv4. */
const SEALED_QUESTION = 48 + 32 + 28;

const POLICIES = `apiVersion: novaedge.io/v1alpha1
kind: ProxyWANPolicy
metadata: { name: voice }
spec:
  priority: 200
  match: { protocols: [udp], ports: [7000] }
  pathSelection: { strategy: lowest-latency, dscpClass: EF, links: [s1-isp2, s2-isp2] }
---
apiVersion: novaedge.io/v1alpha1
kind: ProxyWANPolicy
metadata: { name: bulk }
spec:
  match: { protocols: [udp], ports: [7001] }
  pathSelection: { strategy: lowest-cost, links: [s1-isp1, s2-isp1], killSwitch: true }
`;
/** Names of the other site's links are unknown here: a policy names links of its own site. */
const policiesOf = (site: number): string =>
  POLICIES.replaceAll(new RegExp(`s${3 - site}-isp[12](, )?|, s${3 - site}-isp[12]`, "g"), "");

describe.skipIf(why !== undefined)(`two sites (${why ?? "wireguard-go is here"})`, () => {
  test(
    "each class by its link, with its code point inside and outside; nothing leaks; probes stay on their link",
    LONG,
    async () => {
      await using scene = await openWan({ resources: policiesOf(1) });
      const { lab } = scene;
      const first = scene.start(1);
      await first.ready(90_000);
      await using responder = lab.host("h2").node("lab/programs/responder.ts", ["h2", "7000", "10.2.0.10"]);
      await using bulk = lab.host("h2").node("lab/programs/responder.ts", ["h2", "7001", "10.2.0.10"]);
      await Promise.all([responder.says(/"responding"/), bulk.says(/"responding"/)]);

      // The other site is not up: bulk may not leave by any way, whatever the main table says.
      await until("the class is there", async () => (await choicesOf(first)).has(`bulk→${SITE2}`));
      const wans = { ports: ["e1:wan1", "e1:wan2"] as const, everything: true };
      const early = await capture(lab, wans);
      await using tooEarly = await probe(lab.host("h1"), { urls: ["udp://10.2.0.10:7001"], every: 5, timeout: 200 });
      await until("some were sent", async () => {
        const { stdout } = await lab.host("e1").exec("ip", ["-s", "-j", "link", "show", "lan0"]);
        return Number(/"rx":\{"bytes":[0-9]+,"packets":([0-9]+)/.exec(stdout)?.[1] ?? 0) > 100;
      });
      expect((await tooEarly.stop()).samples.filter(({ answeredAt }) => answeredAt !== undefined)).toEqual([]);
      const leaked = packets4((await early.stop()).frames).filter(({ destination }) => destination === "10.2.0.10");
      expect(leaked).toEqual([]);

      const second = scene.start(2);
      await joined(first, second);
      await chosen(first, `voice→${SITE2}`, (path) => path.startsWith(wanName(1, 2)));
      await chosen(first, `bulk→${SITE2}`, (path) => path.startsWith(wanName(1, 1)));
      const on = await capture(lab, { ports: ["e1:wan1", "e1:wan2", "e2:lan0"], everything: true });
      await using both = await probe(lab.host("h1"), {
        urls: ["udp://10.2.0.10:7000", "udp://10.2.0.10:7001"],
        every: 5,
      });
      await until("both classes carried", async () => {
        const { stdout } = await lab.host("h2").exec("ip", ["-s", "-j", "link", "show", "eth0"]);
        return Number(/"rx":\{"bytes":[0-9]+,"packets":([0-9]+)/.exec(stdout)?.[1] ?? 0) > 400;
      });
      const answered = (await both.stop()).samples;
      const seen = packets4((await on.stop()).frames);
      for (const target of [0, 1])
        expect(
          answered.filter((each) => each.target === target && each.answeredAt !== undefined).length,
        ).toBeGreaterThan(50);

      const inside = seen.filter(({ port, destination }) => port === "e2.lan0" && destination === "10.2.0.10");
      const points = (destinationPort: number) => [
        ...new Set(inside.filter((each) => each.destinationPort === destinationPort).map(({ dscp }) => dscp)),
      ];
      expect(points(7000)).toEqual([46]);
      expect(points(7001)).toEqual([0]);
      const outer = seen.filter(({ port, protocol }) => port !== "e2.lan0" && protocol === UDP);
      // The class has tunnels of its own by both links, which shake hands; its data are by one.
      const marked = outer.filter(({ dscp, length }) => dscp === 46 && length === SEALED_QUESTION);
      expect(marked.length).toBeGreaterThan(50);
      expect(new Set(marked.map(({ port, source }) => `${port} ${source}`))).toEqual(
        new Set([`e1.wan2 ${outside(1, 2)}`]),
      );
      // Every packet on a WAN has that WAN's own address, and none an inside one.
      for (const { port, source, destination } of seen.filter((each) => each.port !== "e2.lan0")) {
        expect([source, destination]).not.toContain("10.2.0.10");
        expect(source).toBe(outside(1, port === "e1.wan1" ? 1 : 2));
      }
      expect(outer.filter(({ port }) => port === "e1.wan1").length).toBeGreaterThan(50);
    },
  );

  test("killed, it goes on; started again, it finds everything as it was; stopped, nothing is left", LONG, async () => {
    await using scene = await openWan({ settings: "onStop: remove" });
    const { lab } = scene;
    const before = await kernelOf(lab, "e1");
    const second = scene.start(2);
    const first = scene.start(1);
    await joined(first, second);
    await chosen(first, `default→${SITE2}`, () => true);
    await using responder = lab.host("h2").node("lab/programs/responder.ts", ["h2", "7000", "10.2.0.10"]);
    await responder.says(/"responding"/);
    await using prober = await probe(lab.host("h1"), { urls: ["udp://10.2.0.10:7000"], every: 5, timeout: 2000 });
    const had = await choicesOf(first);
    const shook = await handshakes(lab);
    await killDaemon(first);
    const again = scene.start(1);
    await joined(again);
    const has = await choicesOf(again);
    expect([...has].filter(([choice]) => choice.startsWith("default"))).toEqual(
      [...had].filter(([choice]) => choice.startsWith("default")),
    );
    expect(await handshakes(lab)).toEqual(shook); // adopted, not made anew
    const moves = (await eventsOf(again)).filter(
      ({ name, fields }) => /^wan\.(moved|lost)$/.test(name) && String(fields["choice"]).startsWith("default"),
    );
    expect(moves.filter(({ fields }) => fields["from"] !== fields["to"] && fields["from"] !== undefined)).toEqual([]);
    const { samples } = await prober.stop();
    const lost = samples.filter(({ answeredAt }) => answeredAt === undefined);
    expect(samples.length).toBeGreaterThan(200);
    expect(lost.length).toBe(0);
    again.running.signal("SIGTERM");
    expect((await again.running.finished).code).toBe(0);
    expect(await kernelOf(lab, "e1")).toBe(before);
    expect(second.running.output()).not.toContain("UnhandledPromise");
  });

  test("links that change places in the order of names: every tunnel leads where its name says", LONG, async () => {
    await using scene = await openWan();
    const { lab, folder } = scene;
    const edges = [scene.start(1), scene.start(2)] as const;
    await joined(...edges);
    // The first link of site 1 is its last one from now on: both sites count its tunnels anew, one after the other.
    for (const site of [1, 2]) {
      const file = join(folder, `e${site}`, "conf.d", "links.yaml");
      writeFileSync(file, readFileSync(file, "utf8").replace("name: s1-isp1", "name: s1-zisp1"));
      await lab
        .host(`e${site}`)
        .exec(process.execPath, ["cli/main.ts", "--socket", edges[site - 1]?.socket ?? "", "reload"]);
    }
    for (const [index, edge] of edges.entries()) {
      const [own, other] = index === 0 ? [1, 2] : [2, 1];
      const truth = async (): Promise<boolean> => {
        const { paths } = await wanOf(edge);
        const tunnels = paths.filter(({ site }) => site !== undefined);
        const right = tunnels.map(({ remoteLink, tunnel, report }) => {
          const there = isAt(tunnel?.endpoint, other, remoteLink?.endsWith("isp1") === true ? 1 : 2);
          return there && tunnel?.state === "up" && report?.life.kind === "alive";
        });
        const renamed = tunnels.filter(({ id }) => id.includes("s1-zisp1")).length === 2;
        return tunnels.length === 4 && renamed && right.every(Boolean);
      };
      const explain = async (): Promise<string> =>
        JSON.stringify((await wanOf(edge)).paths.map(({ id, tunnel }) => [id, tunnel]));
      await until(`site ${own} tells the truth`, truth, { within: 90_000, every: 200, explain });
    }
  });

  test("strangers on the wire and on the inside change nothing", LONG, async () => {
    await using scene = await openWan();
    const { lab } = scene;
    const [first, second] = [scene.start(1), scene.start(2)];
    await joined(first, second);
    // The other site sees where this one is; that is known some time after the first packet.
    const settled = async (): Promise<boolean> => {
      const { links, paths } = await wanOf(first);
      const seen = links.every(({ report }) => report?.nat?.mapping === "none");
      return seen && paths.every(({ report }) => report?.life.kind === "alive");
    };
    await until("all is known", settled, { within: 60_000, explain: async () => JSON.stringify(await wanOf(first)) });
    const quiet = await wanOf(first);
    await using forger = lab
      .host("core")
      .node("test/scenario/programs/wan-forger.ts", [outside(1, 1), "51820", "51821"]);
    await using insider = lab
      .host("h1")
      .node("test/scenario/programs/wan-forger.ts", ["10.255.1.1", "862", "9478", "3784"]);
    await Promise.all([forger.says(/"forged"/, 30_000), insider.says(/"forged"/, 30_000)]);
    // So many packets at once may starve a tunnel on a busy machine: for a moment, and for no other reason.
    const alive = async () => {
      const then = await wanOf(first);
      return then.paths.every(({ report }) => report?.life.kind === "alive") ? then : undefined;
    };
    const now = await until("all is alive", alive, {
      within: 60_000,
      explain: async () => JSON.stringify((await wanOf(first)).paths),
    });
    expect(now.paths.map(({ id, tunnel }) => [id, tunnel?.state])).toEqual(
      quiet.paths.map(({ id, tunnel }) => [id, tunnel?.state]),
    );
    for (const { id, remoteLink, tunnel } of now.paths)
      if (remoteLink !== undefined)
        expect({ id, right: isAt(tunnel?.endpoint, 2, remoteLink === wanName(2, 1) ? 1 : 2) }).toEqual({
          id,
          right: true,
        });
    expect(now.links.map(({ report }) => report?.nat?.address)).toEqual(
      quiet.links.map(({ report }) => report?.nat?.address),
    );
    for (const [index, path] of now.paths.entries())
      expect(path.report?.answered ?? 0).toBeGreaterThanOrEqual(quiet.paths[index]?.report?.answered ?? 0);
  });
});

/** Where the site has its WAN, by either family: which of them, the sites agree upon. */
function isAt(endpoint: string | undefined, site: number, wan: Wan): boolean {
  return (
    endpoint?.startsWith(`${outside(site, wan)}:`) === true ||
    endpoint?.startsWith(`[${outside6(site, wan)}]:`) === true
  );
}

/** Device → when it shook hands last: a device that was made anew has another time. */
async function handshakes(lab: {
  host(name: string): { exec(c: string, a: readonly string[]): Promise<{ stdout: string }> };
}) {
  const { stdout } = await lab.host("e1").exec("wg", ["show", "all", "public-key"]);
  const devices = (await lab.host("e1").exec("ip", ["-o", "link", "show", "type", "tun"])).stdout;
  return {
    keys: stdout.split("\n").sort(),
    devices: devices.split("\n").map((line) => line.split(":").slice(0, 2).join(":")),
  };
}
