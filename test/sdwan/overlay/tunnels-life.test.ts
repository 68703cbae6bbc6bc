/** What becomes of tunnels that are up: peers roam, relays carry, ports move, keys change, names and families differ. */
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { ipv4, ipv6 } from "../../../base/address.ts";
import { generateSiteKeys } from "../../../daemon/wan-keys.ts";
import { ROUTE_PROTOCOL } from "../../../netstack/kernel/marks.ts";
import { spawnInside } from "../../../netstack/kernel/namespace.ts";
import { writeSysctl } from "../../../netstack/kernel/sysctl.ts";
import { sweep } from "../../netstack/kernel/segment.ts";
import { Pinging } from "./pinging.ts";
import { overlay, pair, WITHOUT, World } from "./world.ts";

beforeAll(sweep);

describe.skipIf(WITHOUT !== undefined)(`living tunnels${WITHOUT === undefined ? "" : ` (${WITHOUT})`}`, () => {
  let world: World;
  const children: ReturnType<typeof spawnInside>[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    world[Symbol.dispose]();
  });

  test("a peer that roams is followed, and not called back to where it was configured", async () => {
    world = await pair();
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
        world
          .wg("h", "show", world.site("h").ifname, "transfer")
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
    // Three moments in which the ends differ; what is under way in between is not lost.
    expect(pinging.lost().length).toBeLessThan(pinging.received / 2);
  });

  test("a moved port stays moved, over a restart of the driver too, until it is given back", async () => {
    world = await pair();
    const { host, ifname } = world.site("a");
    const port = (): string => world.wg("a", "show", ifname, "listen-port").trim();
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
    world = await pair();
    world.route("a", "b");
    world.route("b", "a");
    using pinging = new Pinging(world.site("a").host.namespace, overlay(1));
    await world.until("traffic", () => pinging.received > 50);
    const presharedKey = generateSiteKeys().privateKey;
    for (const name of ["a", "b"]) world.apply(name, world.plan(name, {}, { presharedKey }));
    await world.until("changed", () =>
      world.wg("a", "show", world.site("a").ifname, "preshared-keys").includes(presharedKey),
    );
    const then = pinging.received;
    await world.until("traffic then", () => pinging.received > then + 100);
    expect(pinging.lost()).toEqual([]);
  });

  test("a site that changes its key is known by both meanwhile; the peer goes over by itself", async () => {
    world = await pair();
    world.route("a", "b");
    world.route("b", "a");
    const next = generateSiteKeys();
    const publicKey = world.site("a").keys.publicKey;
    world.apply("b", world.plan("b", {}, { nextPublicKey: next.publicKey }));
    await world.until("known", () => world.wg("b", "show", world.site("b").ifname, "peers").includes(next.publicKey));
    using pinging = new Pinging(world.site("a").host.namespace, overlay(1));
    await world.until("traffic", () => pinging.received > 50);
    const first = pinging.newest;
    world.apply("a", { ...world.plan("a"), privateKey: next.privateKey });
    const allowed = (): string => world.wg("b", "show", world.site("b").ifname, "allowed-ips");
    await world.until("gone over", () => allowed().includes(`${next.publicKey}\t${overlay(0)}/32`));
    const then = pinging.received;
    await world.until("traffic then", () => pinging.received > then + 100);
    const over = pinging.newest;
    world.apply("b", world.plan("b", {}, { publicKey: next.publicKey }));
    await world.until("forgotten", () => !world.wg("b", "show", world.site("b").ifname, "peers").includes(publicKey));
    const last = pinging.received;
    await world.until("traffic still", () => pinging.received > last + 50);
    // Only while the one end had the new key and the other had not seen it: how long that is, the machine decides.
    const lost = pinging.lost();
    expect(lost.filter((number) => number <= first || number >= over)).toEqual([]);
    expect(world.events("b", "wan.tunnel-rekeyed")).toMatchObject([{ site: "a" }]);
    expect(world.events("b", "wan.tunnel-repaired")).toEqual([]);
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
    const waits = "no endpoint: the peer must call, or be found";
    await world.until("waiting", () => world.report("b", "a")?.why === waits);
  });
});
