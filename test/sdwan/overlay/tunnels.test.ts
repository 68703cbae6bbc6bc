/** Tunnels between sites, with wireguard-go, in namespaces of their own: made, adopted, repaired, left alone, removed. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { formatIp } from "../../../base/address.ts";
import { generateSiteKeys } from "../../../daemon/wan-keys.ts";
import { INTERFACE_ALIAS, OVERLAY_ADDRESS_PROTOCOL, packetMark } from "../../../netstack/kernel/marks.ts";
import { spawnInside } from "../../../netstack/kernel/namespace.ts";
import { readSysctl } from "../../../netstack/kernel/sysctl.ts";
import { wireguardGoOf } from "../../../netstack/kernel/wireguard/process.ts";
import { sweep } from "../../netstack/kernel/segment.ts";
import { linesOf } from "./lines.ts";
import { Pinging } from "./pinging.ts";
import { overlay, pair, WITHOUT, World } from "./world.ts";

beforeAll(sweep);

describe.skipIf(WITHOUT !== undefined)(`tunnels of sites${WITHOUT === undefined ? "" : ` (${WITHOUT})`}`, () => {
  let world: World;
  const children: ReturnType<typeof spawnInside>[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    world[Symbol.dispose]();
  });

  test("come up whoever is first, with addresses, settings and the mark", async () => {
    world = new World(["a", "b"]);
    world.apply("a", world.plan("a"));
    await world.until("a is made", () => world.events("a", "wan.tunnel-made").length === 1);
    world.apply("b", world.plan("b"));
    await world.until("up", () => world.isUp("a", "b") && world.isUp("b", "a"));
    const { host, ifname } = world.site("a");
    const link = host.route.link(ifname);
    expect(link).toMatchObject({ alias: INTERFACE_ALIAS, mtu: 1440, up: true, kind: "tun" });
    const addresses = host.route
      .addresses(link?.index ?? 0)
      .filter(({ protocol }) => protocol === OVERLAY_ADDRESS_PROTOCOL);
    expect(addresses.map(({ ip, prefixLength, noPrefixRoute }) => [formatIp(ip), prefixLength, noPrefixRoute])).toEqual(
      [[overlay(0), 32, true]],
    );
    expect(host.do(() => readSysctl(`net/ipv4/conf/${ifname}/rp_filter`))).toBe("2");
    expect(Number(world.wg("a", "show", ifname, "fwmark"))).toBe(packetMark(5));
    expect(world.report("a", "b")).toMatchObject({ engine: "wireguard-go", via: "direct", found: "configured" });
  });

  test("wireguard-go's sockets have room for what comes while it waits for a core, new ones as well", async () => {
    world = await pair();
    const room = (port: number): number => {
      const { namespace } = world.site("a").host;
      const args = [`--net=/run/netns/${namespace}`, "ss", "-Hulnm", "sport", "=", `:${port}`];
      const rooms = [...execFileSync("nsenter", args, { encoding: "utf8" }).matchAll(/\brb(\d+)/g)];
      return Math.min(...rooms.map(([, octets]) => Number(octets)));
    };
    await world.until("wide", () => room(51_820) === 2 * 7 * 1024 * 1024);
    world.site("a").host.do(() => world.site("a").tunnels.listenPort(world.site("a").ifname, 40_405));
    await world.until("wide again", () => room(40_405) === 2 * 7 * 1024 * 1024);
  });

  test("a second plan that says the same changes nothing", async () => {
    world = await pair();
    const before = world.wg("a", "showconf", world.site("a").ifname);
    world.site("a").news.length = 0;
    world.apply("a", world.plan("a"));
    await world.turn(1_500);
    expect(world.wg("a", "showconf", world.site("a").ifname)).toBe(before);
    expect(world.site("a").news.filter(({ kind }) => kind === "event")).toEqual([]);
  });

  test("a driver that comes anew adopts device and process, and touches nothing", async () => {
    world = await pair();
    const { ifname, host } = world.site("a");
    const pid = wireguardGoOf(ifname);
    const index = host.route.indexOf(ifname);
    const handshake = world.wg("a", "show", ifname, "latest-handshakes");
    world.restart("a");
    world.apply("a", world.plan("a"));
    await world.until("adopted", () => world.isUp("a", "b"));
    expect(world.events("a", "wan.tunnel-adopted")).toMatchObject([{ ifname, engine: "wireguard-go", pid }]);
    expect(world.site("a").news.filter((each) => each.kind === "event")).toHaveLength(1);
    expect([wireguardGoOf(ifname), host.route.indexOf(ifname)]).toEqual([pid, index]);
    expect(world.wg("a", "show", ifname, "latest-handshakes")).toBe(handshake);
  });

  test("kill -9 of the process that made them: not a packet is lost, then and when the next one comes", async () => {
    world = new World(["a", "b"]);
    world.apply("b", world.plan("b"));
    const { host, ifname } = world.site("a");
    const program = `${import.meta.dirname}/programs/tunnels-process.ts`;
    const plan = JSON.stringify(world.plan("a"));
    const start = (): ReturnType<typeof spawnInside> => {
      const child = spawnInside(host.namespace, process.execPath, [program, plan], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      children.push(child);
      return child;
    };
    const first = start();
    const told = linesOf(first.stdout);
    await world.until("up", () => told.some((line) => line.includes('"state":"up"')) && world.isUp("b", "a"));
    world.route("b", "a");
    world.route("a", "b");
    const pid = wireguardGoOf(ifname);
    using pinging = new Pinging(host.namespace, overlay(1));
    await world.until("traffic", () => pinging.received > 50);
    first.kill("SIGKILL");
    await world.until("killed", () => first.signalCode === "SIGKILL");
    await world.turn(200);
    const second = start();
    const toldThen = linesOf(second.stdout);
    await world.until("adopted", () => toldThen.some((line) => line.includes("wan.tunnel-adopted")));
    await world.until("up again", () => toldThen.some((line) => line.includes('"state":"up"')));
    const then = pinging.received;
    await world.until("traffic then", () => pinging.received > then + 50);
    expect(wireguardGoOf(ifname)).toBe(pid);
    expect(pinging.lost()).toEqual([]);
  });

  test("what somebody changed is put right, and told", async () => {
    world = await pair();
    const { host, ifname } = world.site("a");
    const { publicKey } = world.site("b").keys;
    const index = host.route.indexOf(ifname);
    world.wg("a", "set", ifname, "peer", publicKey, "remove");
    await world.until("a peer", () => world.events("a", "wan.tunnel-repaired").length === 1);
    await world.until("up", () => world.wg("a", "show", ifname, "latest-handshakes").startsWith(publicKey));
    world.wg("a", "set", ifname, "fwmark", "0");
    await world.until("the mark", () => Number(world.wg("a", "show", ifname, "fwmark")) === packetMark(5));
    const [address] = host.route.addresses(index);
    if (address === undefined) throw new TypeError("no address");
    host.route.deleteAddress(address.ip, 32, index);
    await world.until("an address", () => host.route.addresses(index).some(({ ip }) => ip === address.ip));
    host.route.changeLink(ifname, { up: false });
    await world.until("up again", () => host.route.link(ifname)?.up === true);
  });

  test("a process that dies is started again, with the same peers", async () => {
    world = await pair();
    const { ifname } = world.site("a");
    const pid = wireguardGoOf(ifname);
    process.kill(pid ?? 0, "SIGKILL");
    await world.until("lost", () => world.events("a", "wan.tunnel-lost").length === 1);
    await world.until("back", () => world.events("a", "wan.tunnel-made").length === 2 && world.isUp("a", "b"));
    expect(wireguardGoOf(ifname)).not.toBe(pid);
    expect(world.report("a", "b")?.state).toBe("up");
  });

  test("devices of strangers stay as they are, even under a name that we want", async () => {
    world = new World(["a", "b"]);
    const { host, ifname } = world.site("a");
    const other = `${ifname}x`;
    const key = generateSiteKeys();
    const file = join(mkdtempSync(join(tmpdir(), "nv-key-")), "private");
    writeFileSync(file, key.privateKey);
    for (const name of [other, ifname]) {
      execFileSync("nsenter", [`--net=/run/netns/${host.namespace}`, "wireguard-go", name], {
        stdio: "ignore",
      });
      world.wg("a", "set", name, "private-key", file);
    }
    try {
      world.apply("a", world.plan("a"));
      await world.until("told", () => world.events("a", "wan.tunnel-name-taken").length > 0);
      await world.turn(1_200);
      expect(world.wg("a", "show", ifname, "public-key").trim()).toBe(key.publicKey);
      expect(world.wg("a", "show", ifname, "peers")).toBe("");
      expect(host.route.link(ifname)?.alias).toBeUndefined();
      expect(world.report("a", "b")).toMatchObject({ state: "down" });
      const stopped: boolean[] = [];
      host.do(() => world.site("a").tunnels.stop(false, () => stopped.push(true)));
      await world.until("stopped", () => stopped.length === 1);
      expect(host.route.links().map(({ name }) => name)).toEqual(expect.arrayContaining([ifname, other]));
    } finally {
      rmSync(dirname(file), { recursive: true });
      for (const name of [other, ifname]) host.route.deleteLink(name);
    }
  });

  test("what is not wanted any more goes, with its process; what an earlier driver left behind as well", async () => {
    world = await pair();
    const { host, ifname, news } = world.site("a");
    world.apply("a", { ...world.plan("a"), tunnels: [] });
    await world.until("gone", () => host.route.link(ifname) === undefined);
    await world.until("its process", () => wireguardGoOf(ifname) === undefined);
    expect(news.at(-1)).toEqual({ kind: "tunnel-gone", ifname, site: "b" });
    const b = world.site("b");
    world.restart("b");
    world.apply("b", { ...world.plan("b"), tunnels: [] });
    await world.until("gone at b", () => b.host.route.link(b.ifname) === undefined);
  });

  test("not wanted any more before it was there: nothing of it comes up later", async () => {
    world = new World(["a", "b"]);
    const { host, ifname } = world.site("a");
    world.apply("a", world.plan("a"));
    world.apply("a", { ...world.plan("a"), tunnels: [] });
    await world.turn(500);
    expect([host.route.link(ifname), wireguardGoOf(ifname)]).toEqual([undefined, undefined]);
  });

  test("stopped to be started again they stay, stopped for good they go", async () => {
    world = await pair();
    for (const [name, keep] of [
      ["a", true],
      ["b", false],
    ] as const) {
      const { host, tunnels, ifname } = world.site(name);
      let over = false;
      host.do(() => tunnels.stop(keep, () => (over = true)));
      await world.until("stopped", () => over);
      expect(host.route.link(ifname) !== undefined).toBe(keep);
    }
  });

  test("the kernel's WireGuard, asked for where there is none, is refused with the reason; nothing else is tried", async () => {
    world = new World(["a"]);
    const { host, ifname } = world.site("a");
    const peer = { ...NOBODY_ELSE, publicKey: generateSiteKeys().publicKey };
    world.apply("a", { ...world.plan("a", { peers: [peer] }), wireguard: "kernel" });
    await world.until(
      "told",
      () => world.events("a", "wan.tunnel-failed").length > 0 || host.route.link(ifname)?.kind === "wireguard",
    );
    if (host.route.link(ifname)?.kind === "wireguard") return; // this kernel has it
    expect(world.events("a", "wan.tunnel-failed")[0]).toMatchObject({ why: "this kernel has no WireGuard" });
    await world.turn(300);
    expect(host.route.link(ifname)).toBeUndefined();
    expect(world.report("a", "x")).toMatchObject({ state: "down", why: "this kernel has no WireGuard" });
  });
});

const NOBODY_ELSE = {
  site: "x",
  link: "isp1",
  presharedKey: undefined,
  endpoint: "192.0.2.9:51820",
  allowedIps: ["10.9.0.0/16"],
  keepalive: 25,
  relay: undefined,
};
