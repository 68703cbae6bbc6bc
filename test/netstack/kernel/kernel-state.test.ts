/** nftables, kernel settings, namespaces and the audit, in namespaces of their own. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ipv4, ipv6, type Prefix, parsePrefix } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { ms } from "../../../base/unit.ts";
import { audit, type Ours, removeAll } from "../../../netstack/kernel/audit.ts";
import { Fence } from "../../../netstack/kernel/fence.ts";
import * as marks from "../../../netstack/kernel/marks.ts";
import {
  createNamespace,
  deleteNamespace,
  inside,
  listNamespaces,
  spawnInside,
} from "../../../netstack/kernel/namespace.ts";
import { placing, removal, renewal } from "../../../netstack/kernel/netlink/nftables-elements.ts";
import { RouteSocket } from "../../../netstack/kernel/netlink/route-socket.ts";
import { SetSocket } from "../../../netstack/kernel/netlink/set-socket.ts";
import { Nftables } from "../../../netstack/kernel/nftables.ts";
import { readSysctl, SysctlGuard, writeSysctl } from "../../../netstack/kernel/sysctl.ts";
import { sweep, UNABLE } from "./segment.ts";

const run = promisify(execFile);
const name = `nv${process.pid}x9k`;

beforeAll(sweep);

describe.skipIf(UNABLE !== undefined)("kernel state", () => {
  beforeEach(() => createNamespace(name));
  afterEach(() => void deleteNamespace(name));

  describe("nftables", () => {
    test("a transaction is applied whole or not at all, and says why not", () => {
      using nft = inside(name, () => new Nftables());
      const half = `table ip ${marks.TABLE_PREFIX}_t { }\nadd rule ip ${marks.TABLE_PREFIX}_t nowhere accept\n`;
      expect(() => nft.transaction(half)).toThrow(/NFTABLES: .*No such file or directory/);
      expect(nft.listTables()).toEqual([]);
      nft.transaction(`table ip ${marks.TABLE_PREFIX}_t { set s { type ipv4_addr; elements = { 192.0.2.1 }; }; }`);
      expect(nft.listTables()).toEqual([{ family: "ip", name: `${marks.TABLE_PREFIX}_t` }]);
      expect(nft.dumpTable("ip", `${marks.TABLE_PREFIX}_t`)).toMatch(/elements = \{ 192\.0\.2\.1 \}/);
      expect(nft.dumpTable("ip6", `${marks.TABLE_PREFIX}_t`)).toBeUndefined();
    });

    test("JSON in and out", () => {
      using nft = inside(name, () => new Nftables());
      nft.apply([{ add: { table: { family: "inet", name: "novaedge_j" } } }]);
      nft.apply([{ add: { chain: { family: "inet", table: "novaedge_j", name: "c" } } }]);
      const [chain] = nft
        .list("list chains inet")
        .flatMap((each) => (each["chain"] === undefined ? [] : [each["chain"]]));
      expect(chain).toMatchObject({ family: "inet", table: "novaedge_j", name: "c" });
      expect(() => nft.apply([{ add: { chain: { family: "inet", table: "nowhere", name: "c" } } }])).toThrow(Fault);
    });

    test("elements: placing works from any state, renewal only on what lives, removal from any state", async () => {
      using nft = inside(name, () => new Nftables());
      using sets = inside(name, () => new SetSocket());
      nft.transaction("table ip novaedge_t { set s { type ipv4_addr; flags timeout; }; }");
      const set = { family: "ip", table: "novaedge_t", name: "s" } as const;
      const element = { key: Uint8Array.of(192, 0, 2, 1), timeout: ms(60_000) };
      const left = (): readonly number[] => sets.elements(set).map((each) => each.expires ?? 0);
      expect(() => sets.apply(renewal(set, [element]))).toThrow(/error=ENOENT/);
      sets.apply(placing(set, [{ ...element, timeout: ms(30) }]));
      // Expired, and nobody has collected it: neither there to renew nor in the way of a new one.
      while (left().length > 0) await new Promise((resolve) => setImmediate(resolve));
      expect(() => sets.apply(renewal(set, [element]))).toThrow(/error=ENOENT/);
      sets.apply(placing(set, [element]));
      sets.apply(placing(set, [{ ...element, timeout: ms(30_000) }]));
      expect(left()[0]).toBeLessThanOrEqual(30_000);
      sets.apply(renewal(set, [element]));
      expect(left()[0]).toBeGreaterThan(30_000);
      sets.apply(removal(set, [element]));
      sets.apply(removal(set, [element]));
      expect(left()).toEqual([]);
    });

    test("a batch with one refusal changes nothing", () => {
      using nft = inside(name, () => new Nftables());
      using sets = inside(name, () => new SetSocket());
      nft.transaction("table ip novaedge_t { set s { type ipv4_addr; flags timeout; }; }");
      const set = { family: "ip", table: "novaedge_t", name: "s" } as const;
      const good = { kind: "add", set, elements: [{ key: Uint8Array.of(192, 0, 2, 1) }] } as const;
      const bad = { kind: "add", set, elements: [{ key: Uint8Array.of(1, 2) }] } as const;
      expect(() => sets.apply([good, bad])).toThrow(/NFTABLES: .*error=EINVAL/);
      expect(() => sets.apply([{ ...bad, set: { ...set, name: "nowhere" } }, good])).toThrow(/error=ENOENT/);
      expect(sets.elements(set)).toEqual([]);
    });
  });

  describe("kernel settings", () => {
    const forwarding = "net/ipv4/ip_forward";
    const announce = "net/ipv4/conf/lo/arp_announce";
    let folder: string;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), "nv-sysctl-"));
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    test("read, written and verified, in the namespace of the thread", () => {
      const outside = readSysctl(forwarding);
      inside(name, () => {
        expect(readSysctl(forwarding)).toBe("0");
        writeSysctl(forwarding, "1");
        expect(readSysctl(forwarding)).toBe("1");
        expect(() => writeSysctl(announce, "much")).toThrow(Fault);
        expect(readSysctl("net/ipv4/conf/nope/arp_announce")).toBeUndefined();
        writeSysctl("net/ipv4/ip_local_port_range", "20000 30000");
        expect(() => readSysctl("net/../../../etc/passwd")).toThrow(TypeError);
      });
      expect(readSysctl(forwarding)).toBe(outside);
    });

    test("a guard puts back what it changed, and leaves alone what others changed since", () => {
      inside(name, () => {
        const guard = new SysctlGuard();
        expect(guard.set(forwarding, "1")).toBe(true);
        expect(guard.set(announce, "2")).toBe(true);
        expect(guard.set(announce, "1")).toBe(true);
        expect(guard.set("net/ipv4/conf/nope/arp_announce", "2")).toBe(false);
        expect([...guard.changed()]).toEqual([
          [forwarding, "0"],
          [announce, "0"],
        ]);
        writeSysctl(forwarding, "0");
        writeSysctl(announce, "2");
        expect(guard.restore()).toEqual([announce]);
        expect([readSysctl(forwarding), readSysctl(announce)]).toEqual(["0", "2"]);
        expect(guard.restore()).toEqual([]);
      });
    });

    test("the note outlives the process: a guard over the same file still knows the first values", () => {
      const file = join(folder, "sysctl.json");
      inside(name, () => {
        new SysctlGuard(file).set(announce, "2");
        expect(existsSync(file)).toBe(true);
        // Killed here; the next process sets it again, finds it as wanted, and must not take our value for the original.
        const next = new SysctlGuard(file);
        next.set(announce, "2");
        expect(next.restore()).toEqual([]);
        expect(readSysctl(announce)).toBe("0");
        expect(existsSync(file)).toBe(false);
      });
    });

    test("a note that cannot be read is a fault, not a fresh start", () => {
      const file = join(folder, "sysctl.json");
      writeFileSync(file, "{");
      expect(() => new SysctlGuard(file)).toThrow(Fault);
      writeFileSync(file, JSON.stringify({ "../x": { before: "0", ours: "1" } }));
      expect(() => new SysctlGuard(file)).toThrow(Fault);
      expect(readFileSync(file, "utf8")).toContain("../x");
    });
  });

  describe("namespaces", () => {
    test("ip netns sees them, and they see what it made", async () => {
      expect(listNamespaces()).toContain(name);
      const { stdout } = await run("ip", ["netns", "exec", name, "ip", "-o", "link", "show", "up"]);
      expect(stdout).toMatch(/^1: lo: .*UP/);
      await run("ip", ["netns", "add", `${name}b`]);
      try {
        expect(inside(`${name}b`, () => readFileSync("/proc/thread-self/net/dev", "utf8"))).toContain("lo:");
      } finally {
        expect(deleteNamespace(`${name}b`)).toBe(true);
      }
      expect(deleteNamespace(`${name}b`)).toBe(false);
      expect((await run("ip", ["netns", "list"])).stdout).not.toContain(`${name}b`);
    });

    test("the thread is back home afterwards, also when the function throws", () => {
      const home = readFileSync("/proc/thread-self/net/route", "utf8");
      expect(() =>
        inside(name, () => {
          throw new RangeError("inside");
        }),
      ).toThrow(RangeError);
      expect(readFileSync("/proc/thread-self/net/route", "utf8")).toBe(home);
      expect(() => inside(name, () => Promise.resolve())).toThrow(TypeError);
      expect(() => inside(`${name}-none`, () => 1)).toThrow(/FILE: /);
      expect(() => createNamespace("../x")).toThrow(TypeError);
      expect(() => createNamespace(name)).toThrow(/EEXIST/);
      expect(listNamespaces()).toContain(name);
    });

    test("a process inside is the command itself", async () => {
      const child = spawnInside(name, process.execPath, ["-e", "console.log(process.pid)"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const [printed] = (await once(child.stdout ?? child, "data")) as [Buffer];
      expect(Number(printed.toString())).toBe(child.pid);
    });
  });

  describe("the audit", () => {
    const prefix = (text: string): Prefix => {
      const parsed = parsePrefix(text);
      if (!parsed.ok) throw new TypeError(text);
      return parsed.value;
    };
    const counts = (ours: Ours): readonly number[] =>
      Object.values(ours).map((each: readonly unknown[]) => each.length);

    test("lists everything that is marked, removes it, and touches nothing else", () => {
      using route = inside(name, () => new RouteSocket());
      using nft = inside(name, () => new Nftables());
      using fence = inside(name, () => new Fence());
      expect(counts(inside(name, audit))).toEqual([0, 0, 0, 0, 0]);
      // A stranger's of each kind, as like ours as can be.
      route.addVeth("nvlike", { name: "e0" });
      for (const each of ["nvlike", "e0"]) route.changeLink(each, { up: true });
      const index = route.indexOf("e0");
      route.addAddress({ ip: ipv4("192.0.2.2"), prefixLength: 24, index });
      route.addRoute({ destination: prefix("203.0.113.0/24"), table: 254, protocol: 4, oif: index });
      route.addRule({ family: "ip", preference: 11_000, table: 254, protocol: 4 });
      nft.transaction("table inet nova { chain c { type filter hook input priority 0; }; }");
      const picture = (): unknown => [
        route.links().map((link) => [link.name, link.alias]),
        route.addresses().filter((each) => each.ip !== ipv6("::1") && !String(each.ip).startsWith("fe80")),
        route.routes({ table: 254 }).filter((each) => typeof each.destination.ip === "number"),
        route.rules(),
        nft.transaction("list ruleset"),
      ];
      const before = picture();

      fence.install([{ ifname: "e0", address: ipv4("192.0.2.100") }]);
      route.addAddress({ ip: ipv4("192.0.2.100"), prefixLength: 32, index, protocol: marks.ADDRESS_PROTOCOL });
      route.addAddress({
        ip: ipv6("2001:db8::1"),
        prefixLength: 128,
        index,
        protocol: marks.ADDRESS_PROTOCOL,
        noDad: true,
      });
      const own = { table: 1000, protocol: marks.ROUTE_PROTOCOL };
      route.addRoute({ ...own, destination: prefix("198.51.100.0/24"), gateway: ipv4("192.0.2.7"), metric: 7 });
      route.addRoute({ ...own, destination: prefix("2001:db8:9::/48"), type: "unreachable" });
      route.addRule({ family: "ip", preference: 11_999, ...own, mark: 1 << 24, mask: marks.MARK_MASK });
      route.addRule({ family: "ip6", preference: 11_000, ...own, from: prefix("2001:db8::/32"), iif: "e0" });
      route.addVeth("nv0", { name: "nv1" });
      for (const each of ["nv0", "nv1"]) route.changeLink(each, { alias: marks.INTERFACE_ALIAS });

      const found = inside(name, audit);
      expect(
        Object.fromEntries(Object.entries(found).map(([kind, list]) => [kind, (list as unknown[]).length])),
      ).toEqual({
        addresses: 2,
        routes: 2,
        rules: 2,
        links: 2,
        tables: 4,
      });
      expect(found.addresses.map((each) => each.ifname)).toEqual(["e0", "e0"]);
      expect(counts(inside(name, removeAll))).toEqual(counts(found));
      expect(counts(inside(name, audit))).toEqual([0, 0, 0, 0, 0]);
      expect(picture()).toEqual(before);
      expect(counts(inside(name, removeAll))).toEqual([0, 0, 0, 0, 0]);
    });
  });
});

describe("marks", () => {
  test("the name for /etc/iproute2/rt_protos.d has the number of the code", () => {
    const file = readFileSync(new URL("../../../systemd/rt_protos.d/novaedge.conf", import.meta.url), "utf8");
    expect(/^([0-9]+)\s+novaedge$/m.exec(file)?.[1]).toBe(String(marks.ROUTE_PROTOCOL));
  });
});
