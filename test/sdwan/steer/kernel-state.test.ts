/** What steering puts into the kernel: all of it ours, once, repaired, adopted, taken away; nothing of others touched. */
import { readFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { Fault } from "../../../base/fault.ts";
import { removeAll } from "../../../netstack/kernel/audit.ts";
import { MARK_MASK, ROUTE_PROTOCOL } from "../../../netstack/kernel/marks.ts";
import { RouteSocket } from "../../../netstack/kernel/netlink/route-socket.ts";
import { Nftables } from "../../../netstack/kernel/nftables.ts";
import { hostSets } from "../../../sdwan/steer/class-chains.ts";
import { WAN_TABLE } from "../../../sdwan/steer/driver/ruleset-keeper.ts";
import { Steering } from "../../../sdwan/steer/driver/steering.ts";
import { sweep, UNABLE } from "../../netstack/kernel/segment.ts";
import { dnsMessage } from "./dns-messages.ts";
import { CLIENT, FACTS, Network, SERVER, sitePlan, VALUES } from "./network.ts";
import { classSpec, ipOf, linkSpec } from "./plans.ts";

let net: Network;
let nft: Nftables;
const events: [string, Readonly<Record<string, unknown>>][] = [];
const told = (name: string): boolean => events.some((each) => each[0] === name);
const note = (name: string, fields: Readonly<Record<string, unknown>>): void => void events.push([name, fields]);
const CLASSES = [classSpec("voice", VALUES.voice, { hosts: ["*.example.com"] }), classSpec("bulk", VALUES.bulk, {})];
const PLAN = sitePlan({ classes: CLASSES });

/** Everything in tables, rules, routes and settings. */
function picture(): unknown {
  return net.in("e", () => ({
    tables: nft.transaction("list ruleset").replaceAll(/(expires|packets|bytes) \S+/g, ""),
    rules: net.route("e").rules(),
    // Link-local addresses, with their routes, come when the kernel finds the time.
    routes: net
      .route("e")
      .routes()
      .filter(({ table, destination }) => table !== LOCAL && !/^(fe80|ff00):/.test(String(destination.ip))),
    filter: ["nv1", "nv2", "wan1", "wan2", "lan"].map((ifname) =>
      readFileSync(`/proc/sys/net/ipv4/conf/${ifname}/rp_filter`, "utf8").trim(),
    ),
  }));
}

const LOCAL = 255;

beforeAll(sweep);

describe.skipIf(UNABLE !== undefined)("steering in the kernel", () => {
  beforeEach(() => {
    net = new Network();
    nft = net.use(net.in("e", () => new Nftables()));
    events.length = 0;
  });
  afterEach(() => net[Symbol.dispose]());

  test("a second apply, and one of another process, change nothing", () => {
    const steering = net.steering(note);
    net.apply(steering, PLAN);
    expect(told("wan.steering-changed")).toBe(true);
    events.length = 0;
    const before = picture();
    net.apply(steering, PLAN);
    net.apply(net.steering(note), PLAN);
    expect(events).toEqual([]);
    expect(picture()).toEqual(before);
  });

  test("what others have is not touched, and all of it is gone after removal", () => {
    net.in("e", () => {
      nft.transaction(
        "table inet theirs {\n chain c {\n type filter hook prerouting priority mangle\n meta mark set 0x1\n }\n}\n",
      );
      const route = net.route("e");
      route.addRule({ family: "ip", preference: 11_005, table: 77, protocol: 4, mark: 5 });
      route.addRule({ family: "ip", preference: 900, table: 78, protocol: ROUTE_PROTOCOL, mark: 6 });
      writeFileSync("/proc/sys/net/ipv4/conf/nv1/rp_filter", "1");
      writeFileSync("/proc/sys/net/ipv4/conf/wan2/rp_filter", "1");
      writeFileSync("/proc/sys/net/ipv4/conf/lan/rp_filter", "1");
    });
    net.addRoute("e", "192.168.7.0/24", "wan1", undefined, 11_777);
    const before = picture();
    const steering = net.steering(note);
    net.apply(steering, PLAN);
    expect(picture()).toMatchObject({ filter: ["2", "0", "0", "2", "1"] });
    net.in("e", () => steering.remove());
    expect(picture()).toEqual(before);
  });

  test("a clean-up without a daemon finds and removes all of it", () => {
    const before = picture();
    const steering = net.steering(note);
    net.apply(steering, PLAN);
    steering[Symbol.dispose]();
    const found = net.in("e", () => removeAll());
    expect(found.tables).toMatchObject([{ family: "inet", name: WAN_TABLE }]);
    expect(found.rules.length).toBe(2 * (PLAN.lanes.length + 3) + 4);
    expect(picture()).toEqual(before);
  });

  test("what keeps nudges out of connection tracking is there while a link is dead, and at no other time", () => {
    const steering = net.steering(note);
    const plan = (state: "up" | "down"): void =>
      net.apply(
        steering,
        PLAN,
        FACTS.map((each) => (each.name === "isp1" ? { ...each, state } : each)),
      );
    const tables = (): readonly string[] => net.in("e", () => nft.listTables().map(({ name }) => name));
    plan("up");
    expect(tables()).not.toContain("novaedge_nudge");
    for (const _ of ["once", "and again"]) {
      plan("down");
      expect(net.in("e", () => nft.dumpTable("inet", "novaedge_nudge"))).toContain("meta priority 6e76:1 notrack");
      plan("up");
      expect(tables()).not.toContain("novaedge_nudge");
    }
    plan("down");
    net.in("e", () => steering.remove());
    expect(tables()).toEqual([]);
  });

  test("a stranger's rule, route or flush is repaired", () => {
    const steering = net.steering(note);
    net.apply(steering, PLAN);
    const whole = picture();
    const route = net.route("e");
    const repaired = (): void => {
      net.in("e", () => net.until("a repair", () => told("wan.steering-repaired")));
      expect(picture()).toEqual(whole);
      events.length = 0;
    };
    net.in("e", () => nft.transaction("flush ruleset"));
    repaired();
    net.in("e", () => nft.transaction(`flush chain inet ${WAN_TABLE} classify`));
    repaired();
    route.deleteRule({
      family: "ip6",
      preference: 11_005,
      table: 11_005,
      protocol: ROUTE_PROTOCOL,
      mark: 0x500_0000,
      mask: MARK_MASK,
    });
    repaired();
    route.deleteRoute({
      destination: { ip: ipOf("0.0.0.0"), length: 0 },
      table: 11_002,
      protocol: ROUTE_PROTOCOL,
      metric: 0,
    });
    repaired();
  });

  test("a link that goes away and comes back has its table again", () => {
    const steering = net.steering(note);
    net.apply(steering, PLAN);
    const whole = net.route("e").routes({ table: 11_002 });
    expect(whole.filter(({ type }) => type === "unicast")).toHaveLength(4);
    net.route("e").changeLink("wan2", { up: false });
    net.in("e", () =>
      net.until("routes that are gone", () =>
        net
          .route("e")
          .routes({ table: 11_002 })
          .every(({ type }) => type === "unreachable"),
      ),
    );
    net.route("e").changeLink("wan2", { up: true });
    // IPv6 addresses do not survive it by themselves.
    net
      .route("e")
      .addAddress({ ip: ipOf("2001:db8:2::2"), prefixLength: 64, index: net.route("e").indexOf("wan2"), noDad: true });
    net.in("e", () => net.until("routes", () => net.route("e").routes({ table: 11_002 }).length === whole.length));
  });

  test("a link without gateway refuses, rather than going elsewhere; one that is gone leaves nothing", () => {
    const steering = net.steering(note);
    net.apply(
      steering,
      PLAN,
      FACTS.map((each) => ({ ...each, gateway6: undefined })),
    );
    const of = (table: number): readonly string[] =>
      net
        .route("e")
        .routes({ table })
        .map(({ destination, type }) => `${type} ${destination.ip}/${destination.length}`);
    expect(of(11_001)).toEqual([
      "unicast 0/0",
      "unreachable 0/0",
      "unicast 3221225984/24",
      "unicast 2001:db8:1::/64",
      "unreachable ::/0",
    ]);
    const links = [linkSpec("isp2", "wan2", VALUES.isp2)];
    net.apply(steering, sitePlan({ classes: CLASSES, links }));
    expect(of(11_001)).toEqual([]);
    expect(of(11_002)).toHaveLength(6);
  });

  test("what the kernel refuses is said once, and done when it can be", () => {
    const steering = net.steering(note);
    const gateway = FACTS.map((each) => ({ ...each, gateway4: each.name === "isp2" ? "192.0.2.2" : each.gateway4 }));
    net.apply(steering, PLAN, gateway);
    net.apply(steering, PLAN, gateway);
    expect(events.filter(([name]) => name === "wan.steering-refused")).toHaveLength(1);
    expect(net.route("e").routes({ table: 11_001 }).length).toBeGreaterThan(4);
    net.apply(steering, PLAN);
    net.apply(steering, PLAN, gateway);
    expect(events.filter(([name]) => name === "wan.steering-refused")).toHaveLength(2);
  });

  test("an interface that the kernel will not name counts as one that matters, and nothing ends by it", () => {
    const steering = net.steering(note);
    net.apply(steering, PLAN);
    const route = net.route("e");
    const index = route.indexOf("wan1");
    events.length = 0;
    const link = vi.spyOn(RouteSocket.prototype, "link").mockImplementationOnce(() => {
      throw new Fault("NETLINK", { request: "find a link", error: "ENOBUFS" });
    });
    try {
      route.addAddress({ ip: ipOf("192.0.2.77"), prefixLength: 24, index, noDad: true });
      net.until("it is told", () => told("wan.steering-refused"));
    } finally {
      link.mockRestore();
    }
    expect(events.find(([name]) => name === "wan.steering-refused")?.[1]).toMatchObject({ code: "NETLINK" });
    const ruled = (): boolean => route.rules().some(({ from }) => from?.ip === ipOf("192.0.2.77"));
    net.in("e", () => net.until("its rule", ruled));
  });

  test("routes of classes are left to whoever chooses", () => {
    net.lead(VALUES.voice, "wan2");
    const steering = net.steering(note);
    net.apply(steering, PLAN);
    net.apply(steering, sitePlan({ classes: [] }));
    expect(net.route("e").routes({ table: 11_000 + VALUES.voice })).toHaveLength(2);
  });

  test("addresses of host names are learnt from answers to questions that were seen, and outlive a change of rules", () => {
    const steering = net.steering(note);
    net.apply(steering, PLAN);
    net.lead(VALUES.voice, "wan2");
    net.lead(VALUES.bulk, "wan1");
    const set = (family: "v4" | "v6"): readonly unknown[] => {
      const name = hostSets(["*.example.com"])[family];
      return net
        .in("e", () => nft.list(`list set inet ${WAN_TABLE} ${name}`))
        .flatMap((each) => (each["set"] as { elem?: unknown[] } | undefined)?.elem ?? []);
    };
    const resolve = (name: string, addresses: readonly string[], unasked = false): void => {
      const query = dnsMessage({ id: 77, name, type: 1, response: false, answers: [] });
      const asker = unasked ? 3333 : net.udp("c", CLIENT.v4, SERVER.v4, 53, { payload: query });
      const at = net.until("the question", () =>
        unasked
          ? { source: "192.0.2.2", sourcePort: 3333 }
          : net.seen.find((each) => each.destinationPort === 53 && each.at === "wan1"),
      );
      const answers = [
        { name, type: 5, ttl: 60, data: "cdn.other.net" },
        ...addresses.map((data) => ({ name: "cdn.other.net", type: data.includes(":") ? 28 : 1, ttl: 60, data })),
      ];
      net.udp("i", SERVER.v4, at.source, at.sourcePort, {
        sourcePort: 53,
        payload: dnsMessage({ id: 77, name, type: 1, response: true, answers }),
      });
      expect(asker).toBeGreaterThan(0);
    };
    resolve("a.example.com", ["198.51.100.66"], true);
    resolve("www.example.com", [SERVER.v4]);
    net.until("an address", () => set("v4").length > 0);
    expect(JSON.stringify(set("v4"))).toContain(SERVER.v4);
    expect(JSON.stringify(set("v4"))).not.toContain("198.51.100.66");
    net.udp("c", CLIENT.v4, SERVER.v4, 5001);
    expect(net.where(5001).at).toBe("wan2");
    const asked = { source: CLIENT.v4, destination: SERVER.v4, protocol: "udp", port: 9, dscp: 0, ifname: "lan" };
    expect(net.in("e", () => steering.classify(asked))).toMatchObject({
      class: "voice",
      mark: VALUES.voice,
      why: expect.stringContaining("www.example.com"),
    });
    // Other rules, the same names.
    net.apply(steering, sitePlan({ classes: [classSpec("bulk", VALUES.bulk, { ports: [[1, 2]] }), ...CLASSES] }));
    expect(JSON.stringify(set("v4"))).toContain(SERVER.v4);
    // Another process knows what the kernel knows.
    const next = net.use(net.in("e", () => new Steering({ loop: net.loop, state: undefined, event: note })));
    net.apply(next, PLAN);
    expect(JSON.stringify(set("v4"))).toContain(SERVER.v4);
    expect(net.in("e", () => next.classify(asked))).toMatchObject({
      class: "voice",
      why: expect.stringContaining("one of *.example.com"),
    });
  });
});
