/** Two sites, each with the wan process that control would start: from nothing to packets, through deaths, to nothing. */
import { execFileSync, spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { removeAll } from "../../../netstack/kernel/audit.ts";
import { inside } from "../../../netstack/kernel/namespace.ts";
import type { LinkSpec, UnderlayPlan } from "../../../sdwan/underlay-plan.ts";
import { UNABLE } from "../../netstack/kernel/segment.ts";
import { Line } from "../../sdwan/link/driver/line.ts";
import { WanProcess } from "./wan-process.ts";

const TOOLS = ["wireguard-go", "wg", "fping"].every((each) => spawnSync("which", [each]).status === 0);
const PORT = 51_820;
const PATIENCE = { timeout: 30_000, interval: 50 };
const KEY = "5a".repeat(32);

interface Keys {
  readonly privateKey: string;
  readonly publicKey: string;
}
function keys(): Keys {
  const pair = generateKeyPairSync("x25519");
  const raw = (der: Buffer): string => der.subarray(-32).toString("base64");
  return {
    privateKey: raw(pair.privateKey.export({ format: "der", type: "pkcs8" })),
    publicKey: raw(pair.publicKey.export({ format: "der", type: "spki" })),
  };
}

interface Site {
  readonly name: string;
  readonly ifname: string;
  readonly overlay: string;
  readonly address: string;
  readonly prefix: string;
  readonly keys: Keys;
}

describe.skipIf(UNABLE !== undefined || !TOOLS)("the wan process", () => {
  let line: Line;
  let device: (site: string) => string;
  let here: Site;
  let there: Site;
  const running: WanProcess[] = [];

  beforeEach(() => {
    line = new Line();
    line.connect();
    line.ip(line.here, "link add wan2 type veth peer name provider2", "link set provider2 up", "link set wan2 up");
    line.ip(line.here, "address add 203.0.113.10/24 dev wan2", "route add default via 203.0.113.1 dev wan2 metric 200");
    // Sockets of wireguard-go are by name, for the whole machine.
    device = (site) => `nv${process.pid.toString(36)}${line.here.slice(-3, -1)}${site[0]}`;
    here = {
      name: "here",
      ifname: "wan",
      overlay: "10.255.1.1",
      address: "192.0.2.10",
      prefix: "10.1.0.0/24",
      keys: keys(),
    };
    there = {
      name: "there",
      ifname: "e0",
      overlay: "10.255.2.1",
      address: "198.51.100.9",
      prefix: "10.2.0.0/24",
      keys: keys(),
    };
  });
  afterEach(async () => {
    for (const each of running.splice(0)) await each[Symbol.asyncDispose]();
    for (const site of [here, there]) {
      const pid = wireguardGo(site);
      if (pid !== undefined) process.kill(pid, "SIGTERM");
    }
    line[Symbol.dispose]();
  });

  const namespaceOf = (site: Site): string => (site === here ? line.here : line.server);
  const start = async (site: Site, plan?: UnderlayPlan): Promise<WanProcess> => {
    const process = new WanProcess(namespaceOf(site), `${line.directory}/${site.name}`);
    running.push(process);
    await process.until("hello", () => process.said.find(({ kind }) => kind === "hello"));
    if (plan !== undefined) process.send({ kind: "plan", plan });
    return process;
  };
  const plan = (own: Site, other: Site, more: Partial<LinkSpec> = {}): UnderlayPlan => {
    const link: LinkSpec = {
      name: "isp1",
      ifname: own.ifname,
      mark: 1,
      table: 11_001,
      gateway4: "auto",
      gateway6: "none",
      masquerade: true,
      publicIp: undefined,
      mtu: undefined,
      quota: undefined,
      bandwidthTest: undefined,
      ...more,
    };
    const peer = {
      site: other.name,
      link: "isp1",
      publicKey: other.keys.publicKey,
      presharedKey: undefined,
      endpoint: `${other.address}:${PORT}`,
      allowedIps: [`${other.overlay}/32`, other.prefix],
      keepalive: 25,
      relay: undefined,
    };
    return {
      site: own.name,
      links:
        own === here
          ? [link, { ...link, name: "isp2", ifname: "wan2", mark: 4, table: 11_004, mtu: undefined }]
          : [link],
      tunnels: [
        { ifname: device(own.name), link: "isp1", listenPort: PORT, mark: 1, dscp: 0, mtu: undefined, peers: [peer] },
      ],
      lanes: [
        { mark: 1, table: 11_001, what: { kind: "link", link: "isp1" } },
        { mark: 2, table: 11_002, what: { kind: "class", name: "default" } },
        { mark: 3, table: 11_003, what: { kind: "back", ifname: device(own.name) } },
        ...(own === here ? [{ mark: 4, table: 11_004, what: { kind: "link" as const, link: "isp2" } }] : []),
      ],
      classes: [],
      overlay: [`${own.overlay}/32`],
      prefixes: [own.prefix],
      privateKey: own.keys.privateKey,
      wireguard: "userspace",
      stun: { servers: [], interval: 60_000 },
      rendezvous: { local: own.overlay, port: 7000, sites: { [other.name]: { address: other.overlay, key: KEY } } },
    };
  };
  const up = async (process: WanProcess, site: Site, other: Site): Promise<void> => {
    const key = `${device(site.name)} ${other.name}`;
    await process.until("a tunnel that is up", () => (process.tunnels.get(key)?.state === "up" ? true : undefined));
  };
  /** What pulse does with its choices. */
  const choose = (site: Site, other: Site): void => {
    for (const table of [11_002, 11_003])
      run(site, `ip route replace ${other.overlay} dev ${device(site.name)} table ${table} proto 110`);
  };
  const run = (site: Site, command: string): string =>
    inside(namespaceOf(site), () => execFileSync("sh", ["-c", command], { encoding: "utf8" }));
  const passes = (): boolean =>
    inside(
      line.here,
      () => spawnSync("fping", ["-q", "-c", "1", "-t", "2000", "-I", device("here"), there.overlay]).status === 0,
    );
  /** Everything that is ours in the kernel, and the process that carries the tunnel. */
  const kernelOf = (site: Site): string =>
    [
      run(
        site,
        "ip rule show; ip -6 rule show; ip route show table all; ip -6 route show table all proto 110; ip address show",
      ),
      run(site, "nft list ruleset"),
      run(site, `wg show ${device(site.name)} dump 2>/dev/null | cut -f 1-4,8`),
      String(wireguardGo(site)),
    ].join("\n");
  const wireguardGo = (site: Site): number | undefined => {
    const name = device(site.name);
    const out = spawnSync("pgrep", ["-f", `wireguard-go.* ${name}$`], { encoding: "utf8" }).stdout.trim();
    return out === "" ? undefined : Number(out.split("\n")[0]);
  };

  test("from a plan to packets; killed and started again it changes nothing; told to stop it leaves nothing", async () => {
    const before = kernelOf(here);
    const far = await start(there, plan(there, here));
    const first = await start(here, plan(here, there));
    await Promise.all([up(first, here, there), up(far, there, here)]);
    choose(here, there);
    choose(there, here);
    expect(first.links.get("isp1")).toMatchObject({ state: "up", gateway4: "192.0.2.1", addresses: ["192.0.2.10"] });
    expect(passes()).toBe(true);
    expect(run(here, "ip route show table 11001")).toContain("default via 192.0.2.1 dev wan");
    expect(run(here, "ip rule show")).toMatch(/fwmark 0x1000000\/0x3f000000 lookup 11001/);
    expect(run(here, `wg show ${device("here")} fwmark`).trim()).toBe("0x1000000");

    const settled = kernelOf(here);
    expect(settled).toContain("default via 203.0.113.1 dev wan2 table 11004 proto 110");
    await first.kill();
    expect(passes()).toBe(true);
    expect(kernelOf(here)).toBe(settled);

    // Not even for a moment: whoever watches the kernel sees nothing.
    const heard = join(line.directory, "heard");
    line.start(line.here, "sh", "-c", `exec ip monitor route rule address >${heard}`);
    line.start(line.here, "sh", "-c", `exec nft monitor >${heard}.nft`);
    const told = (file: string): readonly string[] =>
      readFileSync(file, "utf8")
        .split("\n")
        .filter((each) => each !== "");
    await vi.waitUntil(() => {
      run(here, "ip route add 203.0.113.200 dev wan2; ip route del 203.0.113.200 dev wan2");
      run(here, "nft add table ip seen; nft delete table ip seen");
      return existsSync(heard) && told(heard).length > 0 && told(`${heard}.nft`).length > 0;
    }, PATIENCE);
    const second = await start(here, plan(here, there));
    await up(second, here, there);
    expect(kernelOf(here)).toBe(settled);
    expect(second.event("wan.steering-changed")).toBeUndefined();
    expect(told(heard).filter((each) => !each.includes("203.0.113.200"))).toEqual([]);
    expect(told(`${heard}.nft`).filter((each) => !/table ip seen|new generation/.test(each))).toEqual([]);
    expect(passes()).toBe(true);

    // Control dies: the process goes, its work stays.
    second.hangUp();
    expect(await second.exited).toBe(0);
    expect(kernelOf(here)).toBe(settled);
    expect(passes()).toBe(true);

    const third = await start(here, plan(here, there));
    await up(third, here, there);
    third.send({ kind: "stop", keep: false });
    expect(await third.exited).toBe(0);
    expect(third.said.at(-1)).toEqual({ kind: "stopped" });
    expect(kernelOf(here)).toBe(before);
    expect(existsSync(`/run/wireguard/${device("here")}.sock`)).toBe(false);
  }, 120_000);

  test("stop that keeps; a stop without a plan removes what the life before left", async () => {
    const before = kernelOf(here);
    const first = await start(here, plan(here, there));
    await first.until("a tunnel", () => first.tunnels.get(`${device("here")} there`));
    first.send({ kind: "stop", keep: true });
    expect(await first.exited).toBe(0);
    expect(wireguardGo(here)).toBeDefined();
    const second = await start(here);
    second.send({ kind: "stop", keep: false });
    expect(await second.exited).toBe(0);
    expect(kernelOf(here)).toBe(before);
  }, 120_000);

  test("a plan that names less takes away what it names no more, and leaves the rest", async () => {
    const process = await start(here, plan(here, there));
    await process.until("a tunnel", () => process.tunnels.get(`${device("here")} there`));
    const pid = wireguardGo(here);
    process.send({ kind: "plan", plan: plan(here, there, { mtu: 1400 }) });
    await process.until("another MTU", () =>
      process.tunnels.get(`${device("here")} there`)?.mtu === 1340 ? true : undefined,
    );
    expect(wireguardGo(here)).toBe(pid);
    process.send({ kind: "plan", plan: { ...plan(here, there), tunnels: [], lanes: [], links: [] } });
    await process.until("nothing", () => (process.links.size === 0 && process.tunnels.size === 0 ? true : undefined));
    await process.until("no device", () => (run(here, "ip -o link").includes(device("here")) ? undefined : true));
    expect(run(here, "ip rule show")).not.toContain("11001");
  }, 120_000);

  test("bandwidth is measured through the tunnel when somebody asks, and remembered", async () => {
    for (const [namespace, ifname] of [
      [line.router, "net"],
      [line.router, "lan"],
    ] as const)
      inside(namespace, () =>
        line.run(
          "tc",
          ..."qdisc add dev IF root tbf rate 10mbit burst 5kb latency 500ms".replace("IF", ifname).split(" "),
        ),
      );
    const far = await start(there, plan(there, here));
    const near = await start(here, plan(here, there));
    await Promise.all([up(near, here, there), up(far, there, here)]);
    near.send({ kind: "measure-bandwidth", link: "isp2" });
    await near.until("no tunnel", () => near.event("wan.bandwidth-failed"));
    near.send({ kind: "measure-bandwidth", link: "isp1" });
    const found = await near.until("bandwidth", () => near.links.get("isp1")?.bandwidth);
    // As near as a busy host comes: wireguard-go hands packets on when it has its turn.
    for (const bits of [found.up, found.down ?? 0]) expect(Math.abs(bits / 10e6 - 1)).toBeLessThan(0.3);
    await near.kill();
    const again = await start(here, plan(here, there));
    expect(await again.until("a link", () => again.links.get("isp1"))).toMatchObject({ bandwidth: found });
  }, 120_000);

  test("questions: flows, and what would become of a packet", async () => {
    const far = await start(there, plan(there, here));
    const near = await start(here, plan(here, there));
    await Promise.all([up(near, here, there), up(far, there, here)]);
    choose(here, there);
    choose(there, here);
    expect(passes()).toBe(true);
    const packet = { source: here.overlay, destination: there.overlay, protocol: "icmp" } as const;
    near.send({
      kind: "ask",
      n: 1,
      question: { of: "classify", packet: { ...packet, port: undefined, dscp: undefined, ifname: undefined } },
    });
    near.send({ kind: "ask", n: 2, question: { of: "flows", most: 10 } });
    const answers = await near.until("answers", () => {
      const found = near.said.filter((each) => each.kind === "answer");
      return found.length === 2 ? found : undefined;
    });
    expect(answers.map(({ n, answer }) => [n, answer.of])).toEqual([
      [1, "classify"],
      [2, "flows"],
    ]);
  }, 120_000);

  test("killed at any moment of its start, it leaves nothing that the next one does not put right", async () => {
    // A device that was made anew has another number and another link-local address; its process comes last.
    const alike = (state: string): string =>
      state
        .replaceAll(/fe80:[0-9a-f:]+/g, "fe80::")
        .replaceAll(/^\d+: /gm, "")
        .split("\n")
        .slice(0, -1)
        .toSorted()
        .join("\n");
    const clean = await start(here, plan(here, there));
    await clean.until("a tunnel", () => clean.tunnels.get(`${device("here")} there`)?.state);
    const right = alike(kernelOf(here));
    clean.send({ kind: "stop", keep: false });
    await clean.exited;
    for (const moment of [5, 20, 50, 100, 200, 400]) {
      const victim = await start(here, plan(here, there));
      await setTimeout(moment);
      await victim.kill();
    }
    const last = await start(here, plan(here, there));
    await last.until("all as it should be", () => (alike(kernelOf(here)) === right ? true : undefined));
    const engines = spawnSync("pgrep", ["-cf", `wireguard-go ${device("here")}`], { encoding: "utf8" });
    expect(engines.stdout.trim()).toBe("1");
    last.send({ kind: "stop", keep: false });
    await last.exited;
  }, 120_000);

  test("over IPv6 alone: link, table, tunnel and its MTU", async () => {
    line.ip(line.here, "-6 address add 2001:db8:1::10/64 dev wan", "-6 route add default via 2001:db8:1::1 dev wan");
    const six = (own: Site, other: Site, address: string): UnderlayPlan => {
      const four = plan(own, other, { gateway4: "none", gateway6: "auto" });
      const tunnels = four.tunnels.map((each) => ({
        ...each,
        peers: each.peers.map((peer) => ({ ...peer, endpoint: `[${address}]:${PORT}` })),
      }));
      return { ...four, links: four.links.slice(0, 1), tunnels };
    };
    const far = await start(there, six(there, here, "2001:db8:1::10"));
    const near = await start(here, six(here, there, "2001:db8:2::9"));
    await Promise.all([up(near, here, there), up(far, there, here)]);
    expect(near.links.get("isp1")).toMatchObject({ state: "up", gateway6: "2001:db8:1::1" });
    expect(near.tunnels.get(`${device("here")} there`)).toMatchObject({ endpoint: "[2001:db8:2::9]:51820", mtu: 1420 });
    expect(run(here, "ip -6 route show table 11001")).toContain("default via 2001:db8:1::1 dev wan");
    choose(here, there);
    choose(there, here);
    expect(passes()).toBe(true);
  }, 120_000);

  test("`novactl cleanup` takes away what was kept, wireguard-go included", async () => {
    const before = kernelOf(here);
    const first = await start(here, plan(here, there));
    await first.until("a tunnel", () => first.tunnels.get(`${device("here")} there`)?.state);
    await first.until("a device", () => (wireguardGo(here) === undefined ? undefined : true));
    first.send({ kind: "stop", keep: true });
    await first.exited;
    expect(inside(line.here, removeAll).links.map(({ name }) => name)).toEqual([device("here")]);
    await vi.waitUntil(() => kernelOf(here) === before, PATIENCE);
  }, 120_000);

  test("pings are answered, links followed, usage kept", async () => {
    const process = await start(here, plan(here, there));
    process.send({ kind: "ping", n: 7 });
    await process.until("pong", () => process.said.find((each) => each.kind === "pong" && each.n === 7));
    line.ip(line.router, "link set lan down");
    await process.until("down", () => (process.links.get("isp1")?.state === "down" ? true : undefined));
    line.ip(line.router, "link set lan up");
    await process.until("up", () => (process.links.get("isp1")?.state === "up" ? true : undefined));
    run(here, "ip route replace default dev wan2 metric 200");
    await process.until("on the device itself", () =>
      process.links.get("isp2")?.gateway4 === "0.0.0.0" ? true : undefined,
    );
    await process.until("its table", () =>
      run(here, "ip route show table 11004").includes("default dev wan2") ? true : undefined,
    );
    process.send({ kind: "internet", link: "isp1", alive: false });
    await process.until("degraded", () => (process.links.get("isp1")?.state === "degraded" ? true : undefined));
    process.send({ kind: "stop", keep: false });
    await process.exited;
    expect(JSON.parse(readFileSync(`${line.directory}/here/wan-links.json`, "utf8"))).toMatchObject({
      links: { isp1: { usage: { octets: expect.any(Number) } } },
    });
  }, 120_000);
});
