/** Tunnels between sites, with wireguard-go, in namespaces of their own. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { formatIp, ipv4, ipv6 } from "../../../base/address.ts";
import { generateSiteKeys } from "../../../daemon/wan-keys.ts";
import {
  INTERFACE_ALIAS,
  OVERLAY_ADDRESS_PROTOCOL,
  packetMark,
  ROUTE_PROTOCOL,
} from "../../../netstack/kernel/marks.ts";
import { spawnInside } from "../../../netstack/kernel/namespace.ts";
import { readSysctl, writeSysctl } from "../../../netstack/kernel/sysctl.ts";
import { wireguardGoOf } from "../../../netstack/kernel/wireguard/process.ts";
import { sweep, UNABLE } from "../../netstack/kernel/segment.ts";
import { linesOf } from "./lines.ts";
import { Pinging } from "./pinging.ts";
import { overlay, World } from "./world.ts";

const WITHOUT = UNABLE ?? (existsSync("/usr/bin/wireguard-go") ? undefined : "wireguard-go is not installed");

beforeAll(sweep);

describe.skipIf(WITHOUT !== undefined)(`tunnels of sites${WITHOUT === undefined ? "" : ` (${WITHOUT})`}`, () => {
  let world: World;
  const children: ReturnType<typeof spawnInside>[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    world[Symbol.dispose]();
  });

  async function pair(): Promise<void> {
    world = new World(["a", "b"]);
    for (const name of ["a", "b"]) world.apply(name, world.plan(name));
    await world.until("up", () => world.isUp("a", "b") && world.isUp("b", "a"));
  }

  const wg = (site: string, ...args: readonly string[]): string =>
    execFileSync("nsenter", [`--net=/run/netns/${world.site(site).host.namespace}`, "wg", ...args], {
      encoding: "utf8",
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
    expect(Number(wg("a", "show", ifname, "fwmark"))).toBe(packetMark(5));
    expect(world.report("a", "b")).toMatchObject({ engine: "wireguard-go", via: "direct", found: "configured" });
  });

  test("wireguard-go's sockets have room for what comes while it waits for a core, new ones as well", async () => {
    await pair();
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
    await pair();
    const before = wg("a", "showconf", world.site("a").ifname);
    world.site("a").news.length = 0;
    world.apply("a", world.plan("a"));
    await world.turn(1_500);
    expect(wg("a", "showconf", world.site("a").ifname)).toBe(before);
    expect(world.site("a").news.filter(({ kind }) => kind === "event")).toEqual([]);
  });

  test("a driver that comes anew adopts device and process, and touches nothing", async () => {
    await pair();
    const { ifname, host } = world.site("a");
    const pid = wireguardGoOf(ifname);
    const index = host.route.indexOf(ifname);
    const handshake = wg("a", "show", ifname, "latest-handshakes");
    world.restart("a");
    world.apply("a", world.plan("a"));
    await world.until("adopted", () => world.isUp("a", "b"));
    expect(world.events("a", "wan.tunnel-adopted")).toMatchObject([{ ifname, engine: "wireguard-go", pid }]);
    expect(world.site("a").news.filter((each) => each.kind === "event")).toHaveLength(1);
    expect([wireguardGoOf(ifname), host.route.indexOf(ifname)]).toEqual([pid, index]);
    expect(wg("a", "show", ifname, "latest-handshakes")).toBe(handshake);
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
    await pair();
    const { host, ifname } = world.site("a");
    const { publicKey } = world.site("b").keys;
    const index = host.route.indexOf(ifname);
    wg("a", "set", ifname, "peer", publicKey, "remove");
    await world.until("a peer", () => world.events("a", "wan.tunnel-repaired").length === 1);
    await world.until("up", () => wg("a", "show", ifname, "latest-handshakes").startsWith(publicKey));
    wg("a", "set", ifname, "fwmark", "0");
    await world.until("the mark", () => Number(wg("a", "show", ifname, "fwmark")) === packetMark(5));
    const [address] = host.route.addresses(index);
    if (address === undefined) throw new TypeError("no address");
    host.route.deleteAddress(address.ip, 32, index);
    await world.until("an address", () => host.route.addresses(index).some(({ ip }) => ip === address.ip));
    host.route.changeLink(ifname, { up: false });
    await world.until("up again", () => host.route.link(ifname)?.up === true);
  });

  test("a process that dies is started again, with the same peers", async () => {
    await pair();
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
      wg("a", "set", name, "private-key", file);
    }
    try {
      world.apply("a", world.plan("a"));
      await world.until("told", () => world.events("a", "wan.tunnel-name-taken").length > 0);
      await world.turn(1_200);
      expect(wg("a", "show", ifname, "public-key").trim()).toBe(key.publicKey);
      expect(wg("a", "show", ifname, "peers")).toBe("");
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
    await pair();
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

  test("stopped to be started again they stay, stopped for good they go", async () => {
    await pair();
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

  test("a peer that roams is followed, and not called back to where it was configured", async () => {
    await pair();
    const { host } = world.site("b");
    const index = host.route.indexOf("e0");
    host.route.deleteAddress(ipv4("192.0.2.2"), 24, index);
    host.route.addAddress({ ip: ipv4("192.0.2.77"), prefixLength: 24, index });
    host.do(() => world.site("b").tunnels.roamed("isp1"));
    await world.until("followed", () => world.report("a", "b")?.endpoint === "192.0.2.77:51820");
    await world.turn(1_500);
    expect(world.report("a", "b")).toMatchObject({ endpoint: "192.0.2.77:51820", found: "called-us", state: "up" });
    // Nor by a plan that says the same, nor by a driver that comes anew.
    world.restart("a");
    world.apply("a", world.plan("a"));
    await world.until("adopted", () => world.isUp("a", "b"));
    await world.turn(1_200);
    expect(world.report("a", "b")).toMatchObject({ endpoint: "192.0.2.77:51820", found: "called-us" });
  });

  test("carried by a relay and back again; lost is only what is under way while the two ends differ", async () => {
    world = new World(["a", "b", "h"]);
    for (const name of ["a", "b", "h"]) world.apply(name, world.plan(name, {}, { relay: "h" }));
    const names = ["a", "b", "h"];
    await world.until("all up", () => names.every((from) => names.every((to) => from === to || world.isUp(from, to))));
    for (const [from, to] of [
      ["a", "b"],
      ["b", "a"],
      ["h", "a"],
      ["h", "b"],
    ] as const)
      world.route(from, to);
    world.site("h").host.do(() => writeSysctl("net/ipv4/ip_forward", "1"));
    const { publicKey } = world.site("a").keys;
    const received = (): number =>
      Number(
        wg("h", "show", world.site("h").ifname, "transfer")
          .split("\n")
          .find((line) => line.startsWith(publicKey))
          ?.split("\t")[1],
      );
    using pinging = new Pinging(world.site("a").host.namespace, overlay(1), 5);
    await world.until("traffic", () => pinging.received > 20);
    const before = received();
    for (const [from, to] of [
      ["a", "b"],
      ["b", "a"],
    ] as const)
      world.site(from).host.do(() => world.site(from).tunnels.carriage(world.site(from).ifname, to, "h"));
    await world.until("relayed", () => world.report("a", "b")?.via === "h" && world.report("b", "a")?.via === "h");
    const then = pinging.received;
    await world.until("traffic by the relay", () => pinging.received > then + 40);
    expect(received()).toBeGreaterThan(before + 40 * 64);
    expect(world.report("a", "b")?.state).toBe("up");
    // A driver that comes anew sees who carries what.
    world.restart("a");
    world.apply("a", world.plan("a", {}, { relay: "h" }));
    await world.until("adopted", () => world.report("a", "b")?.via === "h" && world.isUp("a", "b"));
    for (const [from, to] of [
      ["a", "b"],
      ["b", "a"],
    ] as const)
      world.site(from).host.do(() => world.site(from).tunnels.carriage(world.site(from).ifname, to, "direct"));
    await world.until("direct", () => world.report("a", "b")?.via === "direct");
    const now = pinging.received;
    await world.until("traffic", () => pinging.received > now + 40);
    expect(pinging.lost().length).toBeLessThan(20);
  });

  test("a moved port stays moved, over a restart of the driver too, until it is given back", async () => {
    await pair();
    const { host, ifname } = world.site("a");
    const port = (): string => wg("a", "show", ifname, "listen-port").trim();
    host.do(() => world.site("a").tunnels.listenPort(ifname, 40_404));
    await world.until("moved", () => port() === "40404");
    await world.until("followed", () => world.report("b", "a")?.endpoint === "192.0.2.1:40404");
    world.restart("a");
    world.apply("a", world.plan("a"));
    await world.turn(1_200);
    expect(port()).toBe("40404");
    host.do(() => world.site("a").tunnels.listenPort(ifname, undefined));
    await world.until("back", () => port() === "51820");
  });

  test("a preshared key that changes at both ends costs nothing", async () => {
    await pair();
    world.route("a", "b");
    world.route("b", "a");
    using pinging = new Pinging(world.site("a").host.namespace, overlay(1));
    await world.until("traffic", () => pinging.received > 50);
    const presharedKey = generateSiteKeys().privateKey;
    for (const name of ["a", "b"]) world.apply(name, world.plan(name, {}, { presharedKey }));
    await world.until("changed", () =>
      wg("a", "show", world.site("a").ifname, "preshared-keys").includes(presharedKey),
    );
    const then = pinging.received;
    await world.until("traffic then", () => pinging.received > then + 100);
    expect(pinging.lost()).toEqual([]);
  });

  test("a site that changes its key is known by both meanwhile; the peer goes over by itself", async () => {
    await pair();
    world.route("a", "b");
    world.route("b", "a");
    const next = generateSiteKeys();
    const publicKey = world.site("a").keys.publicKey;
    world.apply("b", world.plan("b", {}, { nextPublicKey: next.publicKey }));
    await world.until("known", () => wg("b", "show", world.site("b").ifname, "peers").includes(next.publicKey));
    using pinging = new Pinging(world.site("a").host.namespace, overlay(1));
    await world.until("traffic", () => pinging.received > 50);
    world.apply("a", { ...world.plan("a"), privateKey: next.privateKey });
    const allowed = (): string => wg("b", "show", world.site("b").ifname, "allowed-ips");
    await world.until("gone over", () => allowed().includes(`${next.publicKey}\t${overlay(0)}/32`));
    const then = pinging.received;
    await world.until("traffic then", () => pinging.received > then + 100);
    world.apply("b", world.plan("b", {}, { publicKey: next.publicKey }));
    await world.until("forgotten", () => !wg("b", "show", world.site("b").ifname, "peers").includes(publicKey));
    const last = pinging.received;
    await world.until("traffic still", () => pinging.received > last + 50);
    expect(pinging.lost().length).toBeLessThan(50);
  });

  test("over IPv6, with IPv6 inside: 80 octets around each packet", async () => {
    world = new World(["a", "b"]);
    for (const [index, name] of ["a", "b"].entries()) {
      const peer = { endpoint: `[2001:db8::${2 - index}]:51820`, allowedIps: [`fd00::${2 - index}/128`] };
      world.apply(name, { ...world.plan(name, {}, peer), overlay: [`fd00::${index + 1}/128`] });
    }
    await world.until("up", () => world.isUp("a", "b") && world.isUp("b", "a"));
    expect(world.report("a", "b")).toMatchObject({ endpoint: "[2001:db8::2]:51820", mtu: 1420 });
    for (const [from, to] of [
      ["a", 2],
      ["b", 1],
    ] as const) {
      const { host, ifname } = world.site(from);
      const destination = { ip: ipv6(`fd00::${to}`), length: 128 };
      const oif = host.route.indexOf(ifname);
      host.route.replaceRoute({ destination, table: 254, protocol: ROUTE_PROTOCOL, oif });
    }
    using pinging = new Pinging(world.site("a").host.namespace, "fd00::2");
    await world.until("traffic", () => pinging.received > 20);
  });

  test("a name is looked up where the host is told to, and its address used", async () => {
    world = new World(["a", "b"]);
    world.apply("b", world.plan("b", {}, { endpoint: undefined }));
    world.apply("a", world.plan("a", {}, { endpoint: "localhost:51820" }));
    await world.until("looked up", () => world.report("a", "b")?.endpoint?.endsWith(":51820") === true);
    expect(world.report("a", "b")?.endpoint).toMatch(/^(127\.0\.0\.1|\[::1\]):51820$/);
    expect(world.report("b", "a")).toMatchObject({ why: "no endpoint: the peer must call, or be found" });
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
