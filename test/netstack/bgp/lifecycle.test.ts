/** Peers that come and go: from prefixes, by discovery, by shut-down and drain. */
import { describe, expect, test } from "vitest";
import { instant } from "../../../base/unit.ts";
import type { BgpPeerSpec } from "../../../netstack/bgp/plan.ts";
import { pair, up } from "./topologies.ts";
import { ACCEPT, network, peerOf, planOf, REJECT, World } from "./world.ts";

describe("dynamic peers", () => {
  const dynamic = (most: number) => {
    const {
      name: _name,
      address: _address,
      ifname: _ifname,
      port: _port,
      mode: _mode,
      adminDown: _down,
      ...session
    } = peerOf("", "", "external");
    return { ...session, name: "rack", prefix: "10.0.0.0/24", most };
  };
  test("who calls from the prefix is a peer, up to a number; who leaves is forgotten", () => {
    const world = new World(25);
    const hub = world.node("hub", "10.0.0.1");
    hub.plan(planOf(65001, "10.0.0.1", { dynamic: [dynamic(2)] }));
    const leaves = [2, 3, 4].map((index) => {
      const leaf = world.node(`leaf${index}`, `10.0.0.${index}`);
      leaf.plan(
        planOf(65000 + index, `10.0.0.${index}`, {
          peers: [peerOf("hub", "10.0.0.1", 65001)],
          networks: [network(`192.0.2.${index}/32`)],
        }),
      );
      world.run(5000);
      return leaf;
    });
    expect(hub.speaker.peers()).toEqual(["rack/10.0.0.2", "rack/10.0.0.3"]);
    expect([...hub.best().keys()]).toEqual(["192.0.2.2/32", "192.0.2.3/32"]);
    expect(hub.events("bgp.too-many-dynamic-peers").length).toBeGreaterThan(0);
    leaves[0]?.crash();
    world.run(30_000);
    expect(hub.speaker.peers()).toEqual(["rack/10.0.0.3", "rack/10.0.0.4"]);
    hub.plan(planOf(65001, "10.0.0.1"));
    world.run(100);
    expect(hub.speaker.peers()).toEqual([]);
    expect(hub.best().size).toBe(0);
    expect(leaves[1]?.speaker.report("hub", 0)?.lastError).toBe("cease/peer-deconfigured received");
  });
});

describe("dynamic peers that fail", () => {
  const GR = { restartTime: 10_000, stalePathTime: 10_000, longLived: undefined, notification: false };
  test("are kept while their routes are, and damped like any other", () => {
    const world = new World(26);
    const hub = world.node("hub", "10.0.0.1");
    const {
      name: _name,
      address: _address,
      ifname: _ifname,
      port: _port,
      mode: _mode,
      adminDown: _down,
      ...session
    } = peerOf("", "", "external", { gracefulRestart: GR });
    hub.plan(planOf(65001, "10.0.0.1", { dynamic: [{ ...session, name: "rack", prefix: "10.0.0.0/24", most: 2 }] }));
    const leaf = world.node("leaf", "10.0.0.2");
    leaf.plan(
      planOf(65002, "10.0.0.2", {
        peers: [peerOf("hub", "10.0.0.1", 65001, { gracefulRestart: GR })],
        networks: [network("192.0.2.2/32")],
      }),
    );
    world.run(5000);
    leaf.crash();
    world.run(5000);
    expect(hub.best().get("192.0.2.2/32")).toMatchObject({ stale: true });
    world.run(6000);
    expect(hub.best().size).toBe(0);
    expect(hub.speaker.peers()).toEqual([]);
    expect(hub.actions.filter(({ kind }) => kind === "gone")).toEqual([{ kind: "gone", peer: "rack/10.0.0.2" }]);
  });
});

describe("unnumbered peers", () => {
  test("wait for the router on their interface", () => {
    const world = new World(27);
    const [a, b] = [world.node("a", "fe80::1"), world.node("b", "fe80::2")];
    const peer = (name: string, asn: number): BgpPeerSpec =>
      peerOf(name, "", asn, { address: undefined, ifname: "eth0", extendedNextHop: true });
    a.plan(planOf(65001, "10.0.0.1", { peers: [peer("b", 65002)], networks: [network("192.0.2.1/32")] }));
    b.plan(planOf(65002, "10.0.0.2", { peers: [peer("a", 65001)] }));
    world.run(10_000);
    expect(a.actions.find(({ kind }) => kind === "discover")).toEqual({ kind: "discover", ifnames: ["eth0"] });
    expect(a.state("b")).toBe("connect");
    a.feed({ kind: "discovered", ifname: "eth0", address: b.addresses[0] });
    b.feed({ kind: "discovered", ifname: "eth0", address: a.addresses[0] });
    world.run(10_000);
    expect(a.state("b")).toBe("established");
    // RFC 8950: an IPv4 route through an IPv6 next hop.
    expect(b.best().get("192.0.2.1/32")?.nextHop).toBe("fe80::1");
  });
});

describe("ends", () => {
  test("stop: Cease with the reason, and nobody calls again", () => {
    const it = pair(29);
    up(it);
    it.a.feed({ kind: "stop", keep: false, why: "upgrade" });
    it.world.run(60_000);
    expect(it.b.events("bgp.notified")[0]?.fields).toMatchObject({
      reason: "cease/administrative-shutdown",
      text: "upgrade",
    });
    expect(it.a.wires.size).toBe(0);
    expect(it.b.best().has("192.0.2.1/32")).toBe(false);
  });
  test("RFC 8326 drain: GRACEFUL_SHUTDOWN at once, then withdrawal, and word of it", () => {
    const it = pair(31);
    up(it);
    it.a.feed({ kind: "withdraw", until: instant(it.world.now + 5000) });
    it.world.run(1000);
    expect(it.b.best().get("192.0.2.1/32")).toMatchObject({ communities: ["graceful-shutdown"], localPref: 0 });
    expect(it.a.actions.some(({ kind }) => kind === "withdrawn")).toBe(false);
    it.world.run(5000);
    expect(it.b.best().has("192.0.2.1/32")).toBe(false);
    expect(it.a.actions.filter(({ kind }) => kind === "withdrawn")).toHaveLength(1);
    expect(it.a.state("b")).toBe("established");
  });
  test("a carrier that is lost ends the session of a direct peer without waiting", () => {
    const it = pair(33);
    up(it);
    it.a.feed({ kind: "link", ifname: "eth0", up: false });
    expect(it.a.state("b")).toBe("idle");
    expect(it.a.best().has("198.51.100.1/32")).toBe(false);
  });
});

test("RFC 8212: without policy nothing goes in or out, when the plan says so", () => {
  const it = pair(35, { a: { import: REJECT, export: REJECT }, b: { import: ACCEPT, export: ACCEPT } });
  up(it);
  expect(it.a.best().has("198.51.100.1/32")).toBe(false);
  expect(it.b.routes("a")).toEqual([]);
});
