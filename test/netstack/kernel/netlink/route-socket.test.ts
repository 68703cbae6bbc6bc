/** rtnetlink against the kernel, in namespaces of its own. */
import { closeSync } from "node:fs";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ipv4, ipv6, type Mac, type Prefix, parsePrefix } from "../../../../base/address.ts";
import { Fault } from "../../../../base/fault.ts";
import { SILENT } from "../../../../base/log.ts";
import {
  BGP_ROUTE_PROTOCOL,
  INTERFACE_ALIAS,
  ROUTE_PROTOCOL,
  RULE_PREFERENCE,
} from "../../../../netstack/kernel/marks.ts";
import { createNamespace, deleteNamespace, inside, openNamespace } from "../../../../netstack/kernel/namespace.ts";
import { RouteSocket } from "../../../../netstack/kernel/netlink/route-socket.ts";
import { type Change, watch } from "../../../../netstack/kernel/netlink/watch.ts";
import { openLoop } from "../../../../netstack/kernel/open-loop.ts";
import { sweep, UNABLE } from "../segment.ts";

const prefix = (text: string): Prefix => {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new TypeError(text);
  return parsed.value;
};
const one = `nv${process.pid}x1r`;
const two = `nv${process.pid}x2r`;

beforeAll(sweep);

describe.skipIf(UNABLE !== undefined)("rtnetlink", () => {
  let route: RouteSocket;
  beforeEach(() => {
    createNamespace(one);
    route = inside(one, () => new RouteSocket());
    route.addVeth("v0", { name: "v1" });
    for (const name of ["v0", "v1"]) route.changeLink(name, { up: true });
  });
  afterEach(() => {
    route[Symbol.dispose]();
    deleteNamespace(one);
    deleteNamespace(two);
  });

  test("links: named, changed, enslaved, moved, deleted", () => {
    const index = route.indexOf("v0");
    expect(route.link("v0")).toMatchObject({ index, kind: "veth", up: true, mtu: 1500, master: undefined });
    route.changeLink(index, { alias: INTERFACE_ALIAS, mtu: 1400, mac: 0x02_00_00_00_00_42 as Mac, name: "v9" });
    expect(route.link(index)).toMatchObject({ name: "v9", alias: INTERFACE_ALIAS, mtu: 1400, mac: 0x020000000042 });
    const bridge = route.addBridge("b0");
    route.changeLink("v9", { master: bridge });
    expect(route.link("v9")?.master).toBe(bridge);
    route.changeLink("v9", { master: 0, up: false });
    expect(route.link("v9")).toMatchObject({ master: undefined, up: false, operState: "down" });

    createNamespace(two);
    const there = openNamespace(two);
    route.changeLink("v9", { namespaceFd: there });
    closeSync(there);
    expect(route.link("v9")).toBeUndefined();
    using other = inside(two, () => new RouteSocket());
    expect(other.links().map((link) => link.name)).toEqual(["lo", "v9"]);
    expect(other.deleteLink("v9")).toBe(true);
    expect(other.deleteLink("v9")).toBe(false);
    // A veth dies with its peer.
    expect(route.link("v1")).toBeUndefined();
  });

  test("of an interface that has just gone there is nothing, and that is no fault", () => {
    expect(route.addresses(0x7fff_fff0)).toEqual([]);
    expect(route.routes({ table: 254, oif: 0x7fff_fff0 })).toEqual([]);
  });

  test("addresses: added once, with our mark, and deleted once", () => {
    const index = route.indexOf("v0");
    const v4 = { ip: ipv4("192.0.2.1"), prefixLength: 32, index, protocol: 110, label: "v0:vip" };
    const v6 = { ip: ipv6("2001:db8::1"), prefixLength: 128, index, protocol: 110, noDad: true, noPrefixRoute: true };
    expect([route.addAddress(v4), route.addAddress(v4), route.addAddress(v6), route.addAddress(v6)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    const ours = route.addresses(index).filter((each) => each.protocol === 110);
    expect(ours).toMatchObject([
      { ip: v4.ip, prefixLength: 32, label: "v0:vip" },
      { ip: v6.ip, prefixLength: 128, tentative: false, noPrefixRoute: true },
    ]);
    expect([v4, v4, v6, v6].map(({ ip, prefixLength }) => route.deleteAddress(ip, prefixLength, index))).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  test("RFC 4862 §5.4: an address that is being probed is tentative, one with a duplicate has failed", () => {
    const [v0, v1] = [route.indexOf("v0"), route.indexOf("v1")];
    const ip = ipv6("2001:db8::5");
    route.addAddress({ ip, prefixLength: 64, index: v1, noDad: true });
    using loop = inside(one, () => openLoop({ engine: "epoll", log: SILENT }));
    const changes: Change[] = [];
    using _watching = inside(one, () => watch(loop, ["addresses"], { changed: (change) => changes.push(change) }));
    route.addAddress({ ip, prefixLength: 64, index: v0 });
    const seen = (): readonly boolean[] =>
      changes.flatMap((each) => (each.kind === "address" && each.address.index === v0 ? [each.address.dadFailed] : []));
    expect(route.addresses(v0).find((each) => each.ip === ip)?.tentative).toBe(true);
    while (!seen().includes(true)) loop.turn(true);
    expect(route.addresses(v0).find((each) => each.ip === ip)).toMatchObject({ dadFailed: true });
  });

  test("routes: replaced in place, found by table and protocol, multipath read", () => {
    const index = route.indexOf("v0");
    route.addAddress({ ip: ipv4("192.0.2.1"), prefixLength: 24, index });
    const base = { destination: prefix("198.51.100.0/24"), table: 1000, protocol: ROUTE_PROTOCOL, metric: 10 };
    const first = { ...base, gateway: ipv4("192.0.2.2"), oif: index };
    expect([route.addRoute(first), route.addRoute(first)]).toEqual([true, false]);
    route.replaceRoute({ ...base, gateway: ipv4("192.0.2.3"), oif: index });
    expect(route.routes({ table: 1000 })).toMatchObject([
      { destination: base.destination, metric: 10, hops: [{ gateway: ipv4("192.0.2.3"), oif: index }] },
    ]);
    route.addRoute({
      destination: prefix("2001:db8:1::/48"),
      table: 1000,
      protocol: ROUTE_PROTOCOL,
      type: "blackhole",
    });
    expect(route.routes({ protocol: ROUTE_PROTOCOL }).map((each) => each.type)).toEqual(["unicast", "blackhole"]);
    expect(route.routes({ table: 4711 })).toEqual([]);
    expect([route.deleteRoute(base), route.deleteRoute(base)]).toEqual([true, false]);
  });

  test("RFC 8950, ECMP: routes with several next hops and of the other family, replaced by one and taken away as a whole", () => {
    const index = route.indexOf("v0");
    const four = { destination: prefix("198.51.101.0/24"), table: 1001, protocol: BGP_ROUTE_PROTOCOL, metric: 20 };
    const six = { ...four, destination: prefix("2001:db8:2::/48") };
    const link = [ipv6("fe80::2"), ipv6("fe80::3")].map((gateway) => ({ gateway, oif: index, weight: 1 }));
    route.addAddress({ ip: ipv4("192.0.2.1"), prefixLength: 24, index });
    const mixed = [{ gateway: ipv4("192.0.2.2"), oif: index, weight: 3 }, ...link];
    const dead = false;
    expect(
      route.changeRoutes([
        { kind: "add", route: { ...four, hops: mixed } },
        { kind: "add", route: { ...six, hops: link } },
      ]),
    ).toEqual([]);
    expect(route.routes({ table: 1001 })).toMatchObject([
      { ...four, hops: mixed.map((each) => ({ ...each, dead })) },
      { ...six, hops: link.map((each) => ({ ...each, dead })) },
    ]);
    for (const base of [four, six]) {
      const change = { kind: "replace", route: { ...base, gateway: ipv6("fe80::4"), oif: index } } as const;
      expect(route.changeRoutes([change])).toEqual([]);
    }
    expect(route.routes({ table: 1001 }).map(({ hops }) => hops.map(({ gateway }) => gateway))).toEqual([
      ["fe80::4"],
      ["fe80::4"],
    ]);
    route.changeRoutes([{ kind: "replace", route: { ...six, hops: link } }]);
    expect(route.changeRoutes([four, six].map((each) => ({ kind: "delete", route: each })))).toEqual([]);
    expect(route.routes({ table: 1001 })).toEqual([]);
  });

  test("a batch: what is refused is told by its place, everything else is done", () => {
    const index = route.indexOf("v0");
    const base = { table: 1002, protocol: BGP_ROUTE_PROTOCOL, metric: 20, oif: index };
    const at = (third: number): { destination: Prefix } => ({ destination: prefix(`10.0.${third}.0/24`) });
    const orders = Array.from(
      { length: 256 },
      (_, third) => ({ kind: "add", route: { ...base, ...at(third) } }) as const,
    );
    const again = { kind: "add", route: { ...base, ...at(7) } } as const;
    const lost = { kind: "add", route: { ...base, ...at(8), metric: 21, oif: 4711 } } as const;
    const absent = { kind: "delete", route: { ...base, ...at(9), metric: 22 } } as const;
    expect(route.changeRoutes([...orders, again, lost, absent])).toMatchObject([
      { index: 256, error: "EEXIST" },
      { index: 257, error: "ENODEV" },
    ]);
    expect(route.routes({ table: 1002 }).length).toBe(256);
    route.changeRoutes(orders.map((each) => ({ ...each, kind: "delete" })));
    expect(route.routes({ table: 1002 })).toEqual([]);
    expect(route.changeRoutes([])).toEqual([]);
  });

  test("the route to an address is the one in the table; where there is none, nothing", () => {
    const index = route.indexOf("v0");
    route.addAddress({ ip: ipv4("192.0.2.1"), prefixLength: 24, index });
    route.addAddress({ ip: ipv6("2001:db8:3::1"), prefixLength: 64, index, noDad: true });
    const far = {
      destination: prefix("203.0.113.0/24"),
      table: 254,
      protocol: 4,
      metric: 7,
      gateway: ipv4("192.0.2.2"),
    };
    route.addRoute(far);
    expect(route.findRoute(ipv4("203.0.113.9"))).toMatchObject({
      destination: far.destination,
      metric: 7,
      protocol: 4,
      hops: [{ gateway: far.gateway, oif: index }],
    });
    expect(route.findRoute(ipv4("192.0.2.77"))).toMatchObject({ hops: [{ gateway: undefined, oif: index }] });
    expect(route.findRoute(ipv6("2001:db8:3::77"))).toMatchObject({ hops: [{ gateway: undefined, oif: index }] });
    expect(route.findRoute(ipv6("fe80::77"), index)).toMatchObject({ hops: [{ oif: index }] });
    expect(route.findRoute(ipv4("203.0.113.9"), index)).toMatchObject({ metric: 7 });
    for (const nowhere of [ipv4("100.64.0.1"), ipv6("2001:db8:4::1")]) expect(route.findRoute(nowhere)).toBeUndefined();
    route.deleteRoute(far);
  });

  test("a watch does not tell what the socket changed that it excepts", () => {
    using loop = inside(one, () => openLoop({ engine: "epoll", log: SILENT }));
    using other = inside(one, () => new RouteSocket());
    const changes: Change[] = [];
    // The kernel's own, of links that have just come up, may still be on their way.
    const on = {
      changed: (change: Change) => change.kind === "route" && change.route.table === 1003 && changes.push(change),
    };
    using _watching = inside(one, () => watch(loop, ["routes"], on, other.port));
    const base = { table: 1003, protocol: BGP_ROUTE_PROTOCOL, oif: route.indexOf("v0") };
    other.addRoute({ ...base, destination: prefix("10.1.0.0/24") });
    other.addRoute({ ...base, destination: prefix("2001:db8:5::/48") });
    route.deleteRoute({ ...base, destination: prefix("10.1.0.0/24") });
    while (changes.length === 0) loop.turn(true);
    expect(changes).toMatchObject([{ kind: "route", gone: true, route: { destination: prefix("10.1.0.0/24") } }]);
    other.deleteRoute({ ...base, destination: prefix("2001:db8:5::/48") });
  });

  test("a watch tells of routes of one protocol, and of all else that it is asked for", () => {
    using loop = inside(one, () => openLoop({ engine: "epoll", log: SILENT }));
    const told: string[] = [];
    const on = {
      changed: (change: Change) => {
        if (change.kind === "route" && change.route.table === 1003) told.push(`route of ${change.route.protocol}`);
        if (change.kind === "rule" && change.rule.table === 1003) told.push("rule");
      },
    };
    using _watching = inside(one, () => watch(loop, ["routes", "rules"], on, undefined, ROUTE_PROTOCOL));
    const base = { table: 1003, oif: route.indexOf("v0"), destination: prefix("10.1.0.0/24") };
    for (const protocol of [BGP_ROUTE_PROTOCOL, ROUTE_PROTOCOL]) {
      route.addRoute({ ...base, protocol });
      route.deleteRoute({ ...base, protocol });
    }
    const rule = { family: "ip", preference: RULE_PREFERENCE.first, table: 1003, protocol: ROUTE_PROTOCOL } as const;
    route.addRule(rule);
    route.deleteRule(rule);
    while (told.filter((each) => each === "rule").length < 2) loop.turn(true);
    expect(told.toSorted((a, b) => a.localeCompare(b))).toEqual(["route of 110", "route of 110", "rule", "rule"]);
  });

  test("rules: by mark, added once, deleted once", () => {
    const rule = {
      family: "ip",
      preference: RULE_PREFERENCE.first,
      table: 1000,
      protocol: ROUTE_PROTOCOL,
      mark: 0x0100_0000,
      mask: 0x3f00_0000,
      to: prefix("198.51.100.0/24"),
      suppress: 0,
    } as const;
    expect([route.addRule(rule), route.addRule(rule)]).toEqual([true, false]);
    expect(route.rules().filter((each) => each.protocol === ROUTE_PROTOCOL)).toMatchObject([
      { ...rule, action: "lookup" },
    ]);
    expect([route.deleteRule(rule), route.deleteRule(rule)]).toEqual([true, false]);
  });

  test("neighbours: set, replaced, deleted", () => {
    const index = route.indexOf("v0");
    const entry = { ip: ipv6("2001:db8::7"), index, mac: 0x02_00_00_00_00_07 as Mac, state: "permanent" as const };
    route.replaceNeighbour(entry);
    route.replaceNeighbour({ ...entry, mac: 0x02_00_00_00_00_08 as Mac });
    const found = route.neighbours(index).filter((each) => each.ip === entry.ip);
    expect(found).toMatchObject([{ ...entry, mac: 0x020000000008 }]);
    expect([route.deleteNeighbour(entry.ip, index), route.deleteNeighbour(entry.ip, index)]).toEqual([true, false]);
  });

  test("a refusal carries the kernel's own words", () => {
    const wrong = (): unknown =>
      route.addAddress({ ip: ipv4("192.0.2.1"), prefixLength: 77, index: route.indexOf("v0") });
    expect(wrong).toThrow(Fault);
    expect(wrong).toThrow(/error=EINVAL, kernel=ipv4: Invalid prefix length/);
    expect(() => route.indexOf("nope")).toThrow(/INTERFACE_MISSING: .*ifname=nope/);
    const far = { destination: prefix("198.51.100.0/24"), table: 254, protocol: 110, gateway: ipv4("203.0.113.1") };
    expect(() => route.addRoute(far)).toThrow(/error=ENETUNREACH, kernel=Nexthop has invalid gateway/);
  });

  test("a dump that does not fit into one datagram is read whole", () => {
    const index = route.indexOf("v0");
    for (let each = 0; each < 1500; each++) {
      route.addRoute({
        destination: { ip: (ipv4("10.0.0.0") + each * 256) as never, length: 24 },
        table: 1000,
        protocol: ROUTE_PROTOCOL,
        oif: index,
      });
    }
    expect(route.routes({ table: 1000 }).length).toBe(1500);
  });

  describe.each(["epoll", "io_uring"] as const)("watching, on %s", (engine) => {
    test("every kind of change is told, in order, and nothing else", () => {
      using loop = inside(one, () => openLoop({ engine, log: SILENT }));
      const changes: Change[] = [];
      const topics = ["links", "addresses", "routes", "rules", "neighbours"] as const;
      using _watching = inside(one, () => watch(loop, topics, { changed: (change) => changes.push(change) }));
      const index = route.indexOf("v0");
      const rule = { family: "ip", preference: 11_000, table: 1000, protocol: 110 } as const;
      const target = { destination: prefix("198.51.100.0/24"), table: 1000, protocol: 110, oif: index };
      route.changeLink("v0", { alias: "seen" });
      route.addAddress({ ip: ipv4("192.0.2.1"), prefixLength: 32, index, protocol: 110 });
      route.addRoute(target);
      route.addRule(rule);
      route.replaceNeighbour({ ip: ipv4("192.0.2.9"), index, mac: 1 as Mac, state: "permanent" });
      route.deleteNeighbour(ipv4("192.0.2.9"), index);
      route.deleteRule(rule);
      route.deleteRoute(target);
      route.deleteAddress(ipv4("192.0.2.1"), 32, index);
      route.deleteLink("v0");
      while (!changes.some((each) => each.kind === "link" && each.gone && each.link.name === "v0")) loop.turn(true);
      const told = changes.filter((change) => {
        if (change.kind === "link") return change.link.name === "v0" && (change.gone || change.link.alias === "seen");
        if (change.kind === "address") return change.address.protocol === 110;
        if (change.kind === "route") return change.route.protocol === 110;
        if (change.kind === "neighbour") return change.neighbour.ip === ipv4("192.0.2.9");
        return true;
      });
      const sequence = told.map((change) => `${change.kind}${change.kind !== "resync" && change.gone ? "-" : "+"}`);
      const once = sequence.filter((each, at) => each !== sequence[at - 1]);
      // Before a link goes, it goes down.
      const order = "link+ address+ route+ rule+ neighbour+ neighbour- rule- route- address- link+ link-";
      expect(once.join(" ")).toBe(order);
    });

    test("more changes than the socket holds: a resync is asked for, and watching goes on", () => {
      using loop = inside(one, () => openLoop({ engine, log: SILENT }));
      const kinds: string[] = [];
      const told: unknown[] = [];
      const changed = (change: Change): void => {
        kinds.push(change.kind);
        if (change.kind === "route") told.push(change.route.destination.ip);
      };
      using _watching = inside(one, () => watch(loop, ["routes"], { changed }));
      const index = route.indexOf("v0");
      const target = { destination: prefix("198.51.100.0/24"), table: 1000, protocol: 110, oif: index };
      for (let each = 0; each < 6000; each++) {
        route.addRoute(target);
        route.deleteRoute(target);
      }
      while (!kinds.includes("resync")) loop.turn(true);
      // What is left in the socket, and then a change of its own.
      route.addRoute({ ...target, destination: prefix("203.0.113.0/24") });
      while (!told.includes(prefix("203.0.113.0/24").ip)) loop.turn(true);
      expect(kinds.filter((kind) => kind === "resync").length).toBe(1);
    });
  });
});
