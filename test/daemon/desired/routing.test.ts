/** Settings and virtual IPs → the plans of BGP, OSPF and BFD. */
import { describe, expect, it } from "vitest";
import { ipv4 } from "../../../base/address.ts";
import type { Desired } from "../../../daemon/desired/desired.ts";
import type { Facts } from "../../../daemon/desired/facts.ts";
import { parseCommunity } from "../../../netstack/bgp/packet/community.ts";
import type { BgpPeerSpec, BgpPlan } from "../../../netstack/bgp/plan.ts";
import {
  community,
  extendedCommunity,
  largeCommunity,
  WELL_KNOWN_COMMUNITIES,
} from "../../../resources/routing-values.ts";
import { DOCUMENTS, type Document, FACTS, rightWorld } from "../world.ts";
import { ROUTERS } from "../world-routing.ts";

const vip = (name: string, spec: object): Document => ({
  kind: "ProxyVIP",
  metadata: { name },
  spec: { ports: [80], healthPolicy: { requireGateway: false }, ...spec },
});
const PEERS = [{ address: "192.0.2.1", as: 65000 }];
const anycast = (bgpConfig: object = {}, more: object = {}): Document =>
  vip("any", {
    mode: "BGP",
    address: "203.0.113.10",
    bgpConfig: { localAS: 65001, peers: PEERS, ...bgpConfig },
    ...more,
  });
const ospf = (ospfConfig: object = {}, more: object = {}): Document =>
  vip("lsa", { mode: "OSPF", address: "203.0.113.20", ospfConfig, ...more });

const made = (documents: readonly object[], settings: object = {}, facts: Partial<Facts> = {}): Desired =>
  rightWorld(documents, settings, { ...FACTS, ...facts }).desired;
const bgpOf = (desired: Desired): BgpPlan => {
  const plan = desired.routing?.bgp;
  if (plan === undefined) throw new TypeError("no BGP");
  return plan;
};
const codes = ({ conditions }: Desired): readonly string[] =>
  conditions.map(({ code, subject }) => `${code} ${subject}`);

describe("whether there is something to route", () => {
  it("not without a router or a virtual IP for one", () => {
    expect(made([]).routing).toBeUndefined();
    expect(made([], { bgp: { asn: 65001 } }).routing).toBeUndefined(); // it would speak with nobody
    expect(made([vip("l2", { mode: "L2ARP", address: "192.0.2.10" })]).routing).toBeUndefined();
  });
  it("a peer of the node is enough, as is an area", () => {
    expect(
      made([], { bgp: { asn: 65001, peers: [{ name: "a", address: "192.0.2.1", asn: 1 }] } }).routing?.vips,
    ).toEqual([]);
    const area = { v2: { areas: [{ id: 0, interfaces: [{ name: "eth0" }] }] } };
    expect(made([], { ospf: area }).routing?.ospf).toHaveLength(1);
  });
  it("a virtual IP for another node is nothing", () => {
    const other = anycast({}, { nodeSelector: { matchLabels: { rack: "z" } } });
    expect(made([other]).routing).toBeUndefined();
  });
  it("pulse hears nothing of it", () => {
    expect(made([anycast()]).vips.segments).toEqual([]);
  });
});

describe("who this router is", () => {
  it.each<[string, object, object, Partial<Facts>, string]>([
    ["the settings", { routerID: "1.1.1.1" }, { bgp: { routerId: "9.9.9.9" } }, {}, "9.9.9.9"],
    ["the virtual IP", { routerID: "1.1.1.1" }, {}, {}, "1.1.1.1"],
    ["what was derived before", {}, {}, { routerId: "10.0.0.9" }, "10.0.0.9"],
    ["the lowest address", {}, {}, {}, "192.0.2.7"],
  ])("router id: %s", (_what, config, settings, facts, expected) => {
    expect(bgpOf(made([anycast(config)], settings, facts)).routerId).toBe(expected);
  });
  it("no loopback, no link-local address is one; without any it says what to write", () => {
    const interfaces = [{ name: "e", addresses: [ipv4("169.254.1.1"), ipv4("127.0.0.2")], networks: [], gateways: [] }];
    const desired = made([anycast()], {}, { interfaces });
    expect(desired.routing).toBeUndefined();
    expect(codes(desired)).toEqual(["ROUTING_INCOMPLETE bgp"]);
  });
  it("localASBase: plus the last octet of the router id", () => {
    expect(bgpOf(made([anycast({ localAS: undefined, localASBase: 64512 })])).asn).toBe(64_519);
  });
});

describe("what is announced, and to whom", () => {
  const node = {
    bgp: {
      asn: 65001,
      peers: [
        { name: "tor", address: "192.0.2.1", asn: 65000 },
        { name: "b", address: "192.0.2.2", asn: 65000 },
      ],
    },
  };
  it("the peers of the virtual IP, by the names that the node gives them; without any: all", () => {
    expect(
      bgpOf(made([anycast({ localAS: undefined })], node)).networks.map(({ prefix, peers }) => [prefix, peers]),
    ).toEqual([["203.0.113.10/32", ["tor"]]]);
    expect(bgpOf(made([anycast({ peers: [] })], node)).networks[0]?.peers).toBeUndefined();
  });
  it("a peer that two virtual IPs name is one peer", () => {
    const second = vip("b", { mode: "BGP", address: "203.0.113.11", bgpConfig: { peers: PEERS } });
    expect(bgpOf(made([anycast(), second])).peers.map(({ name, asn }) => [name, asn])).toEqual([["192.0.2.1", 65_000]]);
  });
  it("both families, each in its own length", () => {
    const dual = anycast({}, { ipv6Address: "2001:db8::10" });
    expect(made([dual]).routing?.vips[0]?.addresses).toEqual(["203.0.113.10/32", "2001:db8::10/128"]);
  });
  it("addresses of a pool", () => {
    const pooled = vip("p", { mode: "BGP", poolRef: { name: "p" }, bgpConfig: { localAS: 65001, peers: PEERS } });
    const pool = { kind: "ProxyIPPool", metadata: { name: "p" }, spec: { cidrs: ["198.51.100.8/29"] } };
    expect(bgpOf(made([pool, pooled])).networks.map(({ prefix }) => prefix)).toEqual(["198.51.100.9/32"]);
  });
  it("policies: nothing is learnt and what is ours is announced, unless the settings say otherwise (RFC 8212)", () => {
    const [peer] = bgpOf(made([anycast({ prepend: 2 })])).peers;
    expect(peer?.import).toEqual({ rules: [], otherwise: "reject" });
    const own = new RegExp(peer?.export.rules[0]?.match.asPath ?? "never");
    expect(["", "65001", "65001 65001"].map((path) => own.test(path))).toEqual([true, true, true]);
    expect(["65000", "65001 65000", "650010"].map((path) => own.test(path))).toEqual([false, false, false]);
    expect(peer?.export.otherwise).toBe("reject");
  });
  it("policies of the settings, with their prefix lists", () => {
    const peer = bgpOf(made([], ROUTERS)).peers.find(({ name }) => name === "tor1");
    expect(peer?.import.rules[0]?.match).toEqual({
      prefixes: [
        { prefix: "203.0.113.0/24", ge: 28, le: 32 },
        { prefix: "198.51.100.0/24", ge: 25, le: 30 },
      ],
      communities: ["65000:1"],
      largeCommunities: ["65000:1:1"],
      asPath: "^65000",
      nextHops: ["192.0.2.1"],
    });
  });
  it("what resources take for a community, BGP takes too", () => {
    const texts = [
      ...WELL_KNOWN_COMMUNITIES.map((text) => community.parse(text)),
      community.parse("65000:1"),
      largeCommunity.parse("4200000000:1:2"),
      ...["rt:65000:70000", "rt:4200000000:1", "ro:192.0.2.1:7"].map((text) => extendedCommunity.parse(text)),
    ];
    expect(texts.filter((text) => !parseCommunity(text).ok)).toEqual([]);
  });
});

describe("sessions", () => {
  const only = (peer: object): BgpPeerSpec => {
    const settings = { bgp: { asn: 65001, peers: [{ name: "a", address: "192.0.2.1", asn: 65000, ...peer }] } };
    const [spec] = bgpOf(made([], settings)).peers;
    if (spec === undefined) throw new TypeError("no peer");
    return spec;
  };
  it("keepalive is a third of the hold time; none of it where there is none (RFC 4271 §4.4)", () => {
    expect([only({}).holdTime, only({}).keepalive]).toEqual([90_000, 30_000]);
    expect([only({ holdTime: "0s" }).holdTime, only({ holdTime: "0s" }).keepalive]).toEqual([0, 0]);
  });
  it("secrets inline and from files", () => {
    expect(only({ password: "x" }).auth).toEqual({ kind: "md5", password: "x" });
    expect(only({ passwordFile: "/s/one" }).auth).toEqual({ kind: "md5", password: "first" });
    expect(only({ ao: { keyId: 3, keyFile: "/s/two" } }).auth).toEqual({
      kind: "ao",
      keyId: 3,
      algorithm: "hmac-sha1-96",
      key: "second",
    });
  });
  it("by interface alone: IPv4 over IPv6 next hops (RFC 8950)", () => {
    expect(only({ address: undefined, interface: "eth0" })).toMatchObject({
      address: undefined,
      ifname: "eth0",
      extendedNextHop: true,
    });
    expect(only({}).extendedNextHop).toBe(false);
  });
  it("graceful restart: the peer's word, else the router's", () => {
    expect(only({}).gracefulRestart).toMatchObject({ restartTime: 120_000, helperOnly: true });
    expect(only({ gracefulRestart: { enabled: true } }).gracefulRestart).toMatchObject({ helperOnly: false });
    const peers = [{ name: "a", address: "192.0.2.1", asn: 65_000 }];
    const keeping = bgpOf(made([], { bgp: { asn: 65_001, peers }, routing: { onStop: "keep" } }));
    expect(keeping.peers[0]?.gracefulRestart).toMatchObject({ helperOnly: false });
  });
  it("BFD of a virtual IP guards its peers", () => {
    const guarded = anycast(
      {},
      { bfd: { desiredMinTxInterval: "50ms", requiredMinRxInterval: "60ms", echoMode: true } },
    );
    expect(bgpOf(made([guarded])).peers[0]?.bfd).toEqual({
      desiredMinTx: 50,
      requiredMinRx: 60,
      multiplier: 3,
      echoTx: 50,
      requiredMinEchoRx: 50,
      demand: false,
    });
    expect(bgpOf(made([anycast({}, { bfd: { enabled: false } })])).peers[0]?.bfd).toBeUndefined();
  });
});

describe("OSPF", () => {
  it("without settings: interfaces with a default route, the virtual IP's area and timers", () => {
    const [plan] =
      made([ospf({ areaID: 5, helloInterval: 1, authType: "hmac-sha256", authKey: "k" })]).routing?.ospf ?? [];
    expect(plan?.areas).toMatchObject([
      {
        id: "0.0.0.5",
        interfaces: [{ ifname: "eth0", hello: 1000, dead: 4000, auth: { keys: [{ id: 1, secret: "k" }] } }],
      },
    ]);
    expect(plan?.networks).toEqual([
      { prefix: "203.0.113.20/32", as: "external-2", metric: 10, tag: 0, area: "0.0.0.5" },
    ]);
  });
  it("a version for each family that there is an address of", () => {
    const dual = ospf({}, { ipv6Address: "2001:db8::20" });
    expect(
      made([dual]).routing?.ospf.map(({ version, networks }) => [version, networks.map(({ prefix }) => prefix)]),
    ).toEqual([
      [2, ["203.0.113.20/32"]],
      [3, ["2001:db8::20/128"]],
    ]);
    expect(made([dual], {}, { ipv6: false }).routing?.ospf.map(({ version }) => version)).toEqual([2]);
  });
  it("nowhere to speak: says what to write", () => {
    const interfaces = FACTS.interfaces.map((each) => ({ ...each, gateways: [] }));
    const desired = made([ospf()], {}, { interfaces });
    expect([desired.routing, codes(desired)]).toEqual([undefined, ["ROUTING_INCOMPLETE ospf"]]);
  });
  it("graceful restart: only where it is asked for", () => {
    expect(made([ospf()]).routing?.ospf[0]?.gracefulRestart).toBeUndefined();
    expect(made([ospf({ gracefulRestart: true })]).routing?.ospf[0]?.gracefulRestart).toEqual({
      period: 120_000,
      helper: true,
    });
  });
  it("settings describe both versions in full", () => {
    expect(made([], ROUTERS).routing?.ospf.map(({ version, areas }) => [version, areas[0]?.interfaces.length])).toEqual(
      [
        [2, 3],
        [3, 2],
      ],
    );
  });
});

describe("BFD of the operator", () => {
  it("sessions and interfaces for strangers, secrets in hexadecimal digits", () => {
    const { sessions, unsolicited } = made([], ROUTERS).bfd;
    expect(sessions.map(({ id, hops, minTtl, role, auth }) => [id, hops, minTtl, role, auth?.key])).toEqual([
      ["static/far", "multi", 250, "passive", "736563726574"],
      ["static/near", "single", 1, "active", "6669727374"],
    ]);
    expect(unsolicited).toMatchObject([{ ifname: "eth1", from: ["198.51.100.0/24"], most: 4 }]);
  });
});

describe("the health gate and what is remarkable", () => {
  const gateway = {
    kind: "ProxyGateway",
    metadata: { name: "web", namespace: "shop" },
    spec: { vipRef: "any", listeners: [{ name: "http", port: 80, protocol: "HTTP" }] },
  };
  const behind = [...["route", "api"].map((name) => DOCUMENTS[name] ?? {}), gateway];
  const listening = new Set(["shop/web/http@203.0.113.10:80"]);
  it("minHealthyNodes: not announced while fewer endpoints are healthy", () => {
    const needs = anycast({}, { healthPolicy: { minHealthyNodes: 2 } });
    expect(made([needs, ...behind], {}, { listening }).routing?.vips[0]).toMatchObject({ eligible: true });
    const health = new Map([...FACTS.health, ["shop/api|10.0.0.1:8080", false]] as const);
    const desired = made([needs, ...behind], {}, { listening, health });
    expect(desired.routing?.vips[0]).toMatchObject({ eligible: false, why: "TOO_FEW_HEALTHY" });
    expect(codes(desired)).toContain("VIP_INELIGIBLE ProxyVIP/any");
  });
  it("it stays planned while it is not eligible, with its peers: the session is not the address", () => {
    const desired = made([anycast({}, { healthPolicy: {} })]);
    expect(desired.routing?.vips[0]).toMatchObject({ eligible: false, why: "NO_GATEWAY" });
    expect(bgpOf(desired).peers).toHaveLength(1);
  });
  it("a balance that other hosts would do otherwise is told; one endpoint, or an owner of its own, is none", () => {
    expect(codes(made([anycast(), ...behind], {}, { listening }))).toContain("LB_NOT_CONSISTENT ProxyVIP/any");
    const single = { ...DOCUMENTS["api"], spec: { endpoints: [{ address: "10.0.0.1", port: 8080 }] } };
    const alone = [anycast(), DOCUMENTS["route"] ?? {}, single, gateway];
    expect(codes(made(alone, {}, { listening }))).not.toContain("LB_NOT_CONSISTENT ProxyVIP/any");
    const owned = vip("any", { mode: "L2ARP", address: "192.0.2.50" });
    expect(codes(made([owned, ...behind])).join()).not.toContain("LB_NOT_CONSISTENT");
  });
  it("draining", () => {
    expect(made([anycast()], {}, { draining: true }).routing?.vips[0]).toMatchObject({
      eligible: false,
      why: "DRAINING",
    });
  });
});
