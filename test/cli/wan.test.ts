/** `novactl wan`: links, paths, policies, flows, keys, explain. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { err, ok } from "../../base/result.ts";
import { EXIT } from "../../cli/command.ts";
import { leftOver } from "../../cli/doctor.ts";
import type { PacketQuestion } from "../../daemon/wan/words.ts";
import { tunnelReports } from "../daemon/desired/wan-world.ts";
import { WAN_ANSWERS, WAN_STATUS } from "../daemon/wan-answers.ts";
import { FakeDaemon, STATUS } from "./terminal.ts";

let daemon: FakeDaemon;
beforeAll(async () => {
  daemon = await new FakeDaemon().listen();
});
afterAll(() => daemon[Symbol.asyncDispose]());
const columns = (line: string | undefined): readonly string[] => (line ?? "").split(/ {3,}/);
const lines = (text: string): readonly string[] => text.trimEnd().split("\n");

describe("novactl wan", () => {
  it("links: state, addresses, NAT, quota, and why", async () => {
    const { exit, out } = await daemon.novactl(["wan"]);
    expect(exit).toBe(EXIT.ok);
    const [head, first, second] = lines(out).map(columns);
    expect(head).toContain("GATEWAY");
    expect(first?.slice(0, 4)).toEqual(["isp1", "wan1", "primary", "up"]);
    expect(first).toContain("endpoint-independent");
    expect(first).toContain("95 Mbit/s");
    expect(second).toContain("1.4 GiB of 954 MiB");
    expect(first).toContain("2/2");
    expect(second).toContain("1/2");
    expect(second?.at(-1)).toBe("no IPv6; never a handshake with madrid/isp1: compare novactl wan keys of both sites");
  });
  it("paths: life, figures with how many packets a loss is made of, who relays; of one site or link", async () => {
    const { out } = await daemon.novactl(["wan", "paths"]);
    const [, first, second, third] = lines(out).map(columns);
    expect(first?.slice(0, 2)).toEqual(["isp1>madrid/isp1", "alive"]);
    expect(first).toEqual(expect.arrayContaining(["12.3ms", "1.25ms", "0.5% of 600", "4.33", "direct", "nv-isp1-0"]));
    expect(second).toEqual(expect.arrayContaining(["dead", "oslo", "no answer for 3 probes"]));
    expect(third).toEqual(expect.arrayContaining(["unusable", "link isp1: no carrier"]));
    expect(lines((await daemon.novactl(["wan", "paths", "isp2"])).out)).toHaveLength(2);
    const wide = (await daemon.novactl(["wan", "paths", "-o", "wide"])).out;
    expect(wide).toContain("auth=2");
    expect(wide).toContain("4.77 MiB");
  });
  it("a path whose tunnel never worked says that, rather than which probes it lost", async () => {
    const [, dead, ...rest] = WAN_STATUS.paths;
    const [tunnel] = tunnelReports({ unshaken: true, why: "madrid calls with the public key K, not P" }).values();
    if (dead === undefined || tunnel === undefined) throw new TypeError("no path");
    await using here = await new FakeDaemon({
      wan: () => ({ ...WAN_STATUS, paths: [{ ...dead, tunnel }, ...rest] }),
    }).listen();
    const [, first] = lines((await here.novactl(["wan", "paths"])).out).map(columns);
    expect(first?.at(-1)).toBe("madrid calls with the public key K, not P; compare novactl wan keys of both sites");
  });
  it("policies: what each destination takes now, and why", async () => {
    const { out } = await daemon.novactl(["wan", "policies"]);
    const [, first, second] = lines(out).map(columns);
    expect(first).toEqual(
      expect.arrayContaining(["voice", "200", "lowest-latency", "EF", "madrid", "isp1>madrid/isp1", "chosen"]),
    );
    expect(second).toContain("internet");
  });
  it("policies: what they ask of requests, and whether the proxy knows", async () => {
    const { out } = await daemon.novactl(["wan", "policies"]);
    const from = lines(out).findIndex((line) => line.startsWith("REQUESTS OF"));
    expect(columns(lines(out)[from + 1])).toEqual(["voice", "-", "/calls", "X-Kind: speech", "matching"]);
  });
  it("policies: which paths are shielded against loss, what it costs, and where nothing helps", async () => {
    const { out } = await daemon.novactl(["wan", "policies"]);
    const from = lines(out).findIndex((line) => line.startsWith("SHIELD OF"));
    const [first, second] = lines(out)
      .slice(from + 1)
      .map(columns);
    expect(first?.slice(0, 6)).toEqual(["voice", "1%", "1200", "234 KiB", "1100", "shielded"]);
    expect(first).toEqual(expect.arrayContaining(["isp1>madrid/isp1", "5.1 % lost there, over 1 %"]));
    expect(second).toEqual(expect.arrayContaining(["needed", "9.0 % lost there, over 1 %; no second path lives"]));
  });
  it("flows, with what was left out", async () => {
    const { out, err: said } = await daemon.novactl(["wan", "flows"]);
    expect(columns(lines(out)[1])).toEqual([
      "udp",
      "10.1.0.5:4000",
      "10.2.0.9:5060",
      "voice",
      "isp1>madrid/isp1",
      "isp1",
      "nv-isp1-0",
      "4",
      "10",
      "1.95 KiB",
    ]);
    expect(said).toContain("3 more");
  });
  it("explain: the policy and why, the path, every candidate and why it lost, links that are none", async () => {
    const { out } = await daemon.novactl(["wan", "explain", "10.1.0.5", "10.2.0.9", "udp", "5060", "46"]);
    expect(out).toContain("policy      voice: port 5060 is one of 5060\n");
    expect(out).toContain("carried by  isp1>madrid/isp1 (link isp1, device nv-isp1-0)\n");
    expect(out).toMatch(/\* +isp1>madrid\/isp1 +0 +good +12\.34/);
    expect(out).toMatch(/isp2>madrid\/isp1 +1 +dead .* no answer for 3 probes\n/);
    expect(out).toContain("link lte is no candidate: reserved for office\n");
    expect((await daemon.novactl(["wan", "explain", "10.1.0.5"])).exit).toBe(EXIT.usage);
    expect((await daemon.novactl(["wan", "explain", "10.1.0.5", "10.2.0.9", "UDP", "5060", "EF"])).exit).toBe(EXIT.ok);
    for (const wrong of ["sip", "udp x", "udp 0", "udp 5060 FE", "udp 5060 EF more"]) {
      const asked = await daemon.novactl(["wan", "explain", "10.1.0.5", "10.2.0.9", ...wrong.split(" ")]);
      expect([asked.exit, asked.err]).toEqual([EXIT.usage, expect.stringContaining(wrong.split(" ").at(-1) ?? "")]);
    }
  });
  it("keys, measure, rediscover", async () => {
    expect((await daemon.novactl(["wan", "keys"])).out).toContain(
      "public key ours, private key in /var/lib/novaedge/wan.key",
    );
    expect((await daemon.novactl(["wan", "measure", "isp1"])).out).toContain("measuring isp1");
    expect((await daemon.novactl(["wan", "measure"])).exit).toBe(EXIT.usage);
    expect((await daemon.novactl(["wan", "rediscover"])).out).toContain("every link");
  });
  it("names choose among links, paths and policies; a name that is none is said to be", async () => {
    const { out } = await daemon.novactl(["wan", "links", "isp2"]);
    expect(lines(out).map((line) => columns(line)[0])).toEqual(["LINK", "isp2"]);
    expect(lines((await daemon.novactl(["wan", "paths", "internet"])).out)).toHaveLength(2);
    const voice = JSON.parse((await daemon.novactl(["wan", "policies", "voice", "-o", "json"])).out) as unknown;
    expect(voice).toHaveLength(1);
    const refused = await daemon.novactl(["wan", "paths", "madird"]);
    expect([refused.exit, refused.err]).toEqual([
      EXIT.failed,
      "novactl: error: this site has no link, site or path madird [NOT_FOUND]\n  hint: did you mean madrid?\n",
    ]);
    for (const word of ["flows", "events", "keys", "what-if"])
      expect((await daemon.novactl(["wan", word, "isp1"])).exit).toBe(EXIT.usage);
  });
  it("paths carry classes, not the lanes of answers, whatever the device is called", async () => {
    const carries = ["voice→madrid", "voice@isp1→madrid", "nvberlinfkzl4-0→madrid", "nv-isp1-0→madrid"];
    const [first, ...rest] = WAN_STATUS.paths;
    if (first === undefined) throw new TypeError("no path");
    await using here = await new FakeDaemon({
      wan: () => ({ ...WAN_STATUS, paths: [{ ...first, carries }, ...rest] }),
    }).listen();
    expect(columns(lines((await here.novactl(["wan", "paths"])).out)[1])).toContain("voice");
  });
  it("events: those of the WAN, answers' lanes with -o wide, and as YAML", async () => {
    await using here = await new FakeDaemon().listen();
    here.events.emit("vip.moved", { vip: "edge" });
    here.events.emit("wan.link-up", { link: "isp1" });
    here.events.emit("condition.raised", { code: "TUNNEL_DOWN", subject: "tunnel/a" }, "warn");
    here.events.emit("condition.raised", { code: "BGP_PEER_DOWN", subject: "bgp/a" }, "warn");
    here.events.emit("wan.moved", { choice: "nv-isp1-0→madrid" }, "debug");
    const named = async (...words: readonly string[]) =>
      lines((await here.novactl(["wan", "events", ...words])).out).map((line) => line.trim().split(/ +/)[2]);
    expect(await named()).toEqual(["wan.link-up", "condition.raised"]);
    expect(await named("-o", "wide")).toEqual(["wan.link-up", "condition.raised", "wan.moved"]);
    expect(await named("--limit", "1")).toEqual(["condition.raised"]);
    expect((await here.novactl(["wan", "events", "--limit", "1", "-o", "yaml"])).out).toMatch(
      /^---\n.*name: wan\.moved/s,
    );
  });
  it("explain does not say that nothing carries what the last routes may still carry", async () => {
    const answer = await WAN_ANSWERS.wanExplain({ source: "a", destination: "b" } as PacketQuestion);
    if (!answer.ok) throw new TypeError("refused");
    const dead = { ...answer.value, path: undefined, ifname: undefined, link: undefined, state: "none" } as const;
    await using here = await new FakeDaemon({ wanExplain: async () => ok(dead) }).listen();
    const { out } = await here.novactl(["wan", "explain", "10.1.0.5", "10.2.0.9"]);
    expect(out).toContain("carried by  no path that is known to work\n");
  });
  it("as JSON", async () => {
    const json = async (...words: readonly string[]): Promise<unknown> =>
      JSON.parse((await daemon.novactl(["wan", ...words, "-o", "json"])).out);
    expect(await json("links")).toEqual(JSON.parse(JSON.stringify(WAN_STATUS.links)));
    expect(await json("paths")).toEqual(JSON.parse(JSON.stringify(WAN_STATUS.paths)));
    expect(await json("policies")).toEqual(JSON.parse(JSON.stringify(WAN_STATUS.policies)));
    expect(await json("keys")).toMatchObject({ publicKey: "ours" });
    expect(await json("explain", "10.1.0.5", "10.2.0.9")).toMatchObject({ policy: "voice" });
  });
  it("status has it in a few numbers", async () => {
    const wan = { site: "berlin", links: 2, up: 1, paths: 6, alive: 6, relayed: 1, choices: 4, good: 3 };
    await using here = await new FakeDaemon({ status: () => ({ ...STATUS, wan }) }).listen();
    expect((await here.novactl(["status"])).out).toMatch(/^berlin +1\/2 +6\/6 +1 +3\/4$/m);
    expect((await daemon.novactl(["status"])).out).not.toContain("PATHS-ALIVE");
  });
  it("says why there is nothing", async () => {
    const refusal = { code: "NO_WAN", message: "this site has no WAN links", problems: [] } as const;
    await using none = await new FakeDaemon({
      wan: () => ({ site: undefined, links: [], paths: [], policies: [] }),
      wanExplain: async () => err(refusal),
    }).listen();
    const { exit, err: said } = await none.novactl(["wan"]);
    expect([exit, said]).toEqual([EXIT.ok, expect.stringContaining("no WAN links here")]);
    const asked = await none.novactl(["wan", "explain", "10.1.0.5", "10.2.0.9"]);
    expect([asked.exit, asked.err]).toEqual([EXIT.failed, "novactl: error: this site has no WAN links [NO_WAN]\n"]);
  });
});

describe("what a stopped daemon left", () => {
  it("is for cleanup, unless it is an SD-WAN that carries traffic", () => {
    const rule = { kind: "rule", name: "11001", detail: "table 11001", wanted: false } as const;
    const table = { kind: "nftables", name: "inet novaedge_wan", detail: "table", wanted: false } as const;
    expect(leftOver([rule])).toMatchObject({ verdict: "warning", hint: "novactl cleanup" });
    expect(leftOver([rule, table]).hint).toMatch(/^start the daemon: .* novactl cleanup would end$/);
  });
});
