import { describe, expect, it } from "vitest";
import type { Facts } from "../../../daemon/desired/facts.ts";
import type { VipSpec } from "../../../netstack/vip/plan.ts";
import { DOCUMENTS, FACTS, rightWorld, SETTINGS } from "../world.ts";

const ALL = Object.values(DOCUMENTS);
const made = (
  facts: Partial<Facts> = {},
  settings: object = SETTINGS,
  documents: readonly object[] = ALL,
): ReturnType<typeof rightWorld>["desired"] => rightWorld(documents, settings, { ...FACTS, ...facts }).desired;
const vipOf = (desired: ReturnType<typeof made>, name: string): (VipSpec & { readonly ifname: string }) | undefined =>
  desired.vips.segments
    .flatMap(({ ifname, vips }) => vips.map((vip) => ({ ...vip, ifname })))
    .find((vip) => vip.name === name);
const without = (map: Facts["listening"], key: string): Facts["listening"] =>
  new Set([...map].filter((each) => each !== key));
const PLAIN_VIP = {
  kind: "ProxyVIP",
  metadata: { name: "v" },
  spec: { mode: "L2ARP", address: "192.0.2.20", ports: [22], healthPolicy: { requireGateway: false } },
};

describe("the data plane's part", () => {
  const { proxy, sockets } = made();
  it("a gateway on a VIP listens on its addresses, one without on all", () => {
    expect(proxy.listeners.map((each) => each.key)).toEqual([
      "shop/other/http@0.0.0.0:8080",
      "shop/other/http@[::]:8080",
      "shop/web/http@192.0.2.10:80",
      "shop/web/http@[2001:db8::10]:80",
      "shop/web/alt@192.0.2.10:81",
      "shop/web/alt@[2001:db8::10]:81",
    ]);
    expect(sockets.map((each) => each.key)).toEqual(proxy.listeners.map((each) => each.key));
    expect(sockets[2]).toEqual({ key: "shop/web/http@192.0.2.10:80", ip: 0xc000020a, port: 80 });
  });
  it("a host without IPv6 opens no IPv6 socket", () => {
    expect(made({ ipv6: false }).sockets.map((each) => each.ip)).toEqual([0, 0xc000020a, 0xc000020a]);
  });
  it("a route with a sectionName is that listener's alone", () => {
    expect(proxy.listeners.map((each) => each.rules.length)).toEqual([0, 0, 3, 3, 0, 0]);
  });
  it("names are resolved and both ways of writing mean the same", () => {
    const rules = proxy.listeners[2]?.rules ?? [];
    expect(rules.map((rule) => rule.backends)).toEqual([
      [{ backend: "shop/api", weight: 3 }],
      [{ backend: "shop/api", weight: 2 }],
      [],
    ]);
    expect(rules.map((rule) => [rule.timeout, rule.maxRequestBodySize])).toEqual([
      [5000, 4096],
      [7000, 2048],
      [undefined, undefined],
    ]);
    expect(proxy.backends.map((each) => each.healthCheck?.httpPath)).toEqual(["/up", "/up"]);
  });
  it("a route stays in its gateway's namespace unless it names another", () => {
    const route = {
      kind: "ProxyRoute",
      metadata: { name: "r", namespace: "shop" },
      spec: { parentRefs: [{ name: "web" }], rules: [{ backendRef: { name: "api" } }] },
    };
    expect(made({}, SETTINGS, [...ALL, route]).proxy.listeners[4]?.rules.map((each) => each.route)).toEqual(["shop/r"]);
  });
  it("the version changes with the content and with nothing else", () => {
    expect(made({ health: new Map(), listening: new Set() }).proxy.version).toBe(proxy.version);
    expect(made({}, SETTINGS, ALL.toReversed()).proxy.version).toBe(proxy.version);
    expect(made({}, SETTINGS, [...ALL, PLAIN_VIP]).proxy.version).toBe(proxy.version);
    expect(
      made(
        {},
        SETTINGS,
        ALL.filter((each) => each !== DOCUMENTS["second"]),
      ).proxy.version,
    ).not.toBe(proxy.version);
  });
});

describe("pulse's part", () => {
  it("what is written is what pulse gets", () => {
    expect(vipOf(made(), "edge")).toEqual({
      ifname: "eth0",
      name: "edge",
      address4: "192.0.2.10/32",
      address6: "2001:db8::10/128",
      priority: 150,
      preemptDelay: 3000,
      onConflict: "defend",
      eligible: true,
      why: "OK",
    });
  });
  it("addresses of a pool", () => {
    expect([vipOf(made(), "auto")?.address4, vipOf(made(), "given")?.address4]).toEqual([
      "198.51.100.1/32",
      "198.51.100.2/32",
    ]);
  });
  it("segments are sorted by interface and carry the node's settings", () => {
    const { segments, node } = made().vips;
    expect([node, ...segments.map((each) => each.ifname)]).toEqual(["edge-1", "eth0", "eth1"]);
    expect(segments[0]).toMatchObject({
      interval: 50,
      multiplier: 4,
      port: 9477,
      peers: ["192.0.2.2"],
      witnesses: ["192.0.2.254"],
    });
  });
  it.each<[string, object, readonly string[] | undefined]>([
    ["auto: the interface's gateways", { l2: { witnesses: "auto" } }, ["192.0.2.1"]],
    ["none", { l2: { witnesses: "none" } }, []],
    ["by default: auto", {}, ["192.0.2.1"]],
  ])("witnesses %s", (_what, settings, expected) => {
    const documents = [PLAIN_VIP];
    expect(made({}, settings, documents).vips.segments[0]?.witnesses).toEqual(expected);
  });
  it("without a name of its own the node has the host's", () => {
    expect(made({}, {}, [PLAIN_VIP]).vips.node).toBe("host");
  });
  it.each<[string, object, object, string | undefined]>([
    ["the VIP's word", { interface: "eth2" }, { l2: { interface: "eth1" } }, "eth2"],
    ["the node's word", {}, { l2: { interface: "eth1" } }, "eth1"],
    ["the network around the address", {}, {}, "eth0"],
  ])("interface by %s", (_what, l2, settings, expected) => {
    const vip = { ...PLAIN_VIP, spec: { ...PLAIN_VIP.spec, l2 } };
    expect(vipOf(made({}, settings, [vip]), "v")?.ifname).toBe(expected);
  });
  it("no interface: the VIP is left out and a condition says why", () => {
    const vip = { ...PLAIN_VIP, spec: { ...PLAIN_VIP.spec, address: "203.0.113.1" } };
    const { vips, conditions } = made({}, {}, [vip]);
    expect(vips.segments).toEqual([]);
    expect(conditions.map((each) => `${each.code} ${each.subject}`)).toEqual(["VIP_NO_INTERFACE ProxyVIP/v"]);
  });
  it("… but not on a node that the VIP is not meant for", () => {
    const spec = { ...PLAIN_VIP.spec, address: "203.0.113.1", nodeSelector: { matchLabels: { rack: "z" } } };
    expect(made({}, {}, [{ ...PLAIN_VIP, spec }]).conditions).toEqual([]);
  });
  it.each<[string, object, number, number | undefined]>([
    ["the node's without any", {}, 120, undefined],
    ["preempt with the usual delay", { preempt: true }, 120, 5000],
    [
      "the first selector that matches",
      {
        priorities: [
          { nodeSelector: { matchLabels: { rack: "z" } }, priority: 1 },
          { nodeSelector: {}, priority: 2 },
          { nodeSelector: {}, priority: 3 },
        ],
      },
      2,
      undefined,
    ],
  ])("priority: %s", (_what, l2, priority, preemptDelay) => {
    const vip = { ...PLAIN_VIP, spec: { ...PLAIN_VIP.spec, l2 } };
    expect(vipOf(made({}, SETTINGS, [vip]), "v")).toMatchObject({ priority, preemptDelay });
  });
});

describe("eligibility from facts", () => {
  it.each<[string, Partial<Facts>, string]>([
    [
      "one socket does not listen",
      { listening: without(FACTS.listening, "shop/web/alt@[2001:db8::10]:81") },
      "NOT_LISTENING",
    ],
    ["no data plane", { listening: new Set() }, "NOT_LISTENING"],
    [
      "one of two endpoints is down and half are asked for",
      { health: new Map([...FACTS.health, ["shop/api|10.0.0.1:8080", false]]) },
      "OK",
    ],
    [
      "both endpoints are down",
      {
        health: new Map([
          ["shop/api|10.0.0.1:8080", false],
          ["shop/api|[2001:db8::1]:8081", false],
        ]),
      },
      "TOO_FEW_HEALTHY",
    ],
    ["no verdict yet", { health: new Map() }, "TOO_FEW_HEALTHY"],
    [
      "a backend that no route of this gateway reaches",
      { health: new Map([...FACTS.health, ["shop/api2|10.0.0.2:8080", false]]) },
      "OK",
    ],
    ["draining", { draining: true }, "DRAINING"],
  ])("%s", (_what, facts, why) => {
    expect(vipOf(made(facts), "edge")?.why).toBe(why);
  });
  it("an ineligible VIP stays in the plan, so that its owner is still known here", () => {
    expect(vipOf(made({ listening: new Set() }), "edge")).toMatchObject({ eligible: false, why: "NOT_LISTENING" });
  });
  it.each<[string, readonly (readonly [string, boolean])[], string]>([
    ["no verdict yet", [], ""],
    ["one verdict of two, down", [["shop/api|10.0.0.1:8080", false]], "warning 1 of 2 endpoints are down"],
    ["one verdict of two, up", [["shop/api|10.0.0.1:8080", true]], ""],
    [
      "both down",
      [
        ["shop/api|10.0.0.1:8080", false],
        ["shop/api|[2001:db8::1]:8081", false],
      ],
      "error 2 of 2 endpoints are down",
    ],
  ])("a backend's condition with %s", (_what, health, expected) => {
    const { conditions } = made({ health: new Map(health) });
    const found = conditions.filter((each) => each.subject === "ProxyBackend/shop/api");
    expect(found.map((each) => `${each.severity} ${each.message}`).join()).toBe(expected);
  });
  it("conditions name what is wrong", () => {
    const { conditions } = made({
      listening: new Set(),
      health: new Map([...FACTS.health, ["shop/api|10.0.0.1:8080", false]]),
    });
    expect(
      conditions
        .filter((each) => each.subject !== "ProxyVIP/auto" && each.subject !== "ProxyVIP/given")
        .map((each) => `${each.severity} ${each.code} ${each.subject}`),
    ).toEqual(["warning VIP_INELIGIBLE ProxyVIP/edge", "warning BACKEND_DOWN ProxyBackend/shop/api"]);
  });
});
