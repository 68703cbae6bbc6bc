/** Peers as a whole: collisions, starts and stops, limits, changes of the plan.  Two speakers, real octets. */
import { describe, expect, test } from "vitest";
import type { BgpPeerSpec } from "../../../netstack/bgp/plan.ts";
import { pair, up } from "./topologies.ts";
import { type Node, network, peerOf, planOf, REJECT, World } from "./world.ts";

describe("RFC 4271 §6.8: connection collision", () => {
  test("two that call each other at the same moment end up with one connection, whatever the delays", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const { world, a, b, planA, planB } = pair(seed);
      world.delay = { least: 0.1, most: seed % 3 === 0 ? 400 : 10 };
      a.plan(planA);
      b.plan(planB);
      world.run(60_000);
      expect([seed, a.state("b"), b.state("a")]).toEqual([seed, "established", "established"]);
      expect([a.wires.size, b.wires.size]).toEqual([1, 1]);
      // Each side may be a step ahead of the other on another connection, and then both lose theirs once (a race that
      // §6.8 leaves open); not twice.
      expect(a.events("bgp.moved").length).toBeLessThanOrEqual(3);
      expect(a.best().has("198.51.100.1/32") && b.best().has("192.0.2.1/32")).toBe(true);
    }
  });
  test("an established connection survives a new one without graceful restart", () => {
    const it = pair(3, { a: { mode: "active" }, b: { mode: "passive" } });
    up(it);
    const ends = { local: it.b.addresses[0]!, remote: it.a.addresses[0]!, ifname: undefined, addresses: [] };
    const connection = it.b.speaker.allot();
    const actions = it.b.feed({ kind: "incoming", connection, ends });
    expect(actions.some(({ kind }) => kind === "send")).toBe(true); // OPEN: it may be the one that lives
    expect(it.b.state("a")).toBe("established");
  });
});

describe("active, passive, both", () => {
  for (const [left, right] of [
    ["active", "passive"],
    ["passive", "active"],
    ["both", "passive"],
    ["active", "both"],
  ] as const)
    test(`${left} and ${right} meet`, () => up(pair(5, { a: { mode: left }, b: { mode: right } })));
  test("two passive ones wait for ever", () => {
    const { world, a, b, planA, planB } = pair(5, { a: { mode: "passive" }, b: { mode: "passive" } });
    a.plan(planA);
    b.plan(planB);
    world.run(600_000);
    expect([a.state("b"), b.state("a")]).toEqual(["active", "active"]);
  });
  test("two active ones refuse each other's calls, and say so", () => {
    const { world, a, b, planA, planB } = pair(5, { a: { mode: "active" }, b: { mode: "active" } });
    a.plan(planA);
    b.plan(planB);
    world.run(60_000);
    expect(a.state("b")).not.toBe("established");
    expect(a.speaker.report("b", 0)?.refused["call-to-active"]).toBeGreaterThan(0);
  });
  test("a peer that is not there yet is met soon after it comes", () => {
    const { world, a, b, planA, planB } = pair(5, { a: { mode: "active" }, b: { mode: "passive" } });
    b.alive = false;
    a.plan(planA);
    world.run(100_000);
    b.alive = true;
    b.plan(planB);
    world.run(6000);
    expect(a.state("b")).toBe("established");
  });
  test("strangers are turned away", () => {
    const { world, a, b, planA } = pair(5);
    a.plan(planOf(65001, "10.0.0.1"));
    b.plan(planOf(65002, "10.0.0.2", { peers: [peerOf("a", "10.0.0.1", 65001)] }));
    world.run(10_000);
    expect(a.wires.size).toBe(0);
    expect(a.events("bgp.stranger").length).toBeGreaterThan(0);
    a.plan(planA);
    world.run(10_000);
    expect(a.state("b")).toBe("established");
  });
});

describe("OPEN negotiation", () => {
  const wrong = (some: Parameters<typeof pair>[1], id = "10.0.0.2"): Node => {
    const { world, a, b, planA, planB } = pair(9, some);
    a.plan(planA);
    b.plan({ ...planB, routerId: id });
    world.run(30_000);
    expect(a.state("b")).not.toBe("established");
    return a;
  };
  test("RFC 4271 §6.2: bad peer AS", () => {
    expect(wrong({ a: { asn: 65009 } }).speaker.report("b", 0)?.lastError).toContain("open-message/bad-peer-as");
    expect(wrong({ a: { asn: "internal" } }).speaker.report("b", 0)?.lastError).toContain("open-message/bad-peer-as");
  });
  test('"external" takes any other AS, "internal" our own', () => {
    up(pair(9, { a: { asn: "external" } }));
    const it = pair(9, { a: { asn: "internal" }, b: { asn: "internal" } });
    up({ ...it, planB: { ...it.planB, asn: 65001 } });
  });
  test("RFC 6286 §2.2: an internal peer with our identifier", () => {
    const { world, a, b, planA, planB } = pair(9, { a: { asn: "internal" }, b: { asn: "internal" } });
    a.plan(planA);
    b.plan({ ...planB, asn: 65001, routerId: "10.0.0.1" });
    world.run(30_000);
    expect(a.state("b")).not.toBe("established");
    expect(a.speaker.report("b", 0)?.lastError).toContain("open-message/bad-bgp-identifier");
  });
  test("RFC 6286 §2.3: an external peer with our identifier is no error", () => {
    const it = pair(9);
    up({ ...it, planB: { ...it.planB, routerId: "10.0.0.1" } });
  });
  test("RFC 4271 §4.2: the smaller hold time counts, and keeps the session", () => {
    const it = pair(9, { b: { holdTime: 9000, keepalive: 3000 } });
    up(it);
    expect(it.a.speaker.report("b", 0)).toMatchObject({ holdTime: 9000, keepalive: 3000 });
    it.world.run(300_000);
    expect(it.a.state("b")).toBe("established");
  });
  test("RFC 5492 §3: no family in common", () => {
    const only = (family: "ipv4" | "ipv6") => ({
      families: [{ family, addPathReceive: false, maxPrefixes: undefined }],
    });
    const a = wrong({ a: only("ipv4"), b: only("ipv6") });
    expect(a.speaker.report("b", 0)?.lastError).toContain("open-message/unsupported-capability");
  });
  test("a local AS for one peer", () => {
    const it = pair(9, { a: { localAsn: 65111 }, b: { asn: 65111 } });
    up(it);
    expect(it.b.best().get("192.0.2.1/32")?.asPath).toBe("65111");
  });
});

describe("the hold timer and silence", () => {
  test("RFC 4271 §6.5: a peer that falls silent is given up after the hold time", () => {
    const it = pair(11);
    up(it);
    it.b.alive = false; // frozen: TCP holds, nobody speaks
    it.world.run(95_000);
    expect(it.a.state("b")).not.toBe("established");
    expect(it.a.speaker.report("b", 0)?.lastError).toBe("hold-timer-expired sent");
    expect(it.a.best().has("198.51.100.1/32")).toBe(false);
  });
});

describe("RFC 9384, RFC 5882 §4: BFD", () => {
  const timing = {
    desiredMinTx: 50,
    requiredMinRx: 50,
    multiplier: 3,
    echoTx: undefined,
    requiredMinEchoRx: 0,
    demand: false,
  };
  test("a loss ends this peer's session at once; a session that was never up means nothing", () => {
    const it = pair(13, { a: { bfd: timing } });
    up(it);
    const wish = it.a.actions.findLast((each) => each.kind === "bfd");
    expect(wish).toMatchObject({ sessions: [{ id: "bgp:b", peer: "10.0.0.2", hops: "single", timing }] });
    it.a.feed({ kind: "bfd", id: "bgp:b", up: false, wasUp: false });
    expect(it.a.state("b")).toBe("established");
    it.a.feed({ kind: "bfd", id: "bgp:b", up: true, wasUp: true });
    it.a.feed({ kind: "bfd", id: "bgp:b", up: false, wasUp: true });
    expect(it.a.state("b")).toBe("idle");
    expect(it.a.best().has("198.51.100.1/32")).toBe(false);
    expect(it.a.speaker.report("b", 0)?.lastError).toBe("cease/bfd-down sent");
    it.world.run(20);
    expect(it.b.speaker.report("a", 0)?.lastError).toBe("cease/bfd-down received");
    it.world.run(30_000);
    expect(it.a.state("b")).toBe("established");
  });
});

describe("RFC 4486: prefix limits", () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => network(`203.0.${index}.0/24`));
  const limited = (limit: number, restartAfter: number | undefined) => ({
    families: [
      { family: "ipv4" as const, addPathReceive: false, maxPrefixes: { limit, warnAt: 80, restartAfter } },
      { family: "ipv6" as const, addPathReceive: false, maxPrefixes: undefined },
    ],
  });
  test("a warning at a share of the limit, the end beyond it, until an operator clears it", () => {
    const it = pair(15, { a: limited(10, undefined) });
    const base = { ...it.planB };
    up({ ...it, planB: { ...base, networks: many(9) } });
    expect(it.a.events("bgp.many-prefixes")).toHaveLength(1);
    it.b.plan({ ...base, networks: many(11) });
    it.world.run(600_000);
    expect(it.a.state("b")).toBe("idle");
    expect(it.a.routes("b")).toEqual([]);
    expect(it.a.speaker.report("b", 0)?.lastError).toBe("cease/maximum-number-of-prefixes-reached sent");
    it.b.plan({ ...base, networks: many(3) });
    it.a.feed({ kind: "clear", peer: "b", how: "hard" });
    it.world.run(200_000);
    expect(it.a.state("b")).toBe("established");
    expect(it.a.routes("b")).toHaveLength(3);
  });
  test("or until the restart timer", () => {
    const it = pair(15, { a: limited(10, 60_000) });
    up({ ...it, planB: { ...it.planB, networks: many(3) } });
    it.b.plan({ ...it.planB, networks: many(30) });
    it.world.run(1000);
    expect(it.a.state("b")).toBe("idle");
    it.b.plan({ ...it.planB, networks: many(5) });
    it.world.run(200_000);
    expect(it.a.state("b")).toBe("established");
  });
});

describe("plans", () => {
  test("the same plan again does nothing at all", () => {
    const it = pair(17);
    up(it);
    expect(it.a.feed({ kind: "plan", plan: structuredClone(it.planA) })).toEqual([]);
  });
  test("a change of policy does not end the session: import and export are looked at again", () => {
    const it = pair(17);
    up(it);
    const withPolicy = (some: Partial<BgpPeerSpec>) =>
      it.a.plan({ ...it.planA, peers: [peerOf("b", "10.0.0.2", 65002, some)] });
    withPolicy({ import: REJECT, export: REJECT });
    it.world.run(1000);
    expect(it.a.best().has("198.51.100.1/32")).toBe(false);
    expect(it.a.routes("b")).toMatchObject([{ prefix: "198.51.100.1/32", best: false, why: "policy" }]);
    expect(it.b.routes("a")).toEqual([]);
    withPolicy({
      import: { rules: [{ name: "r", match: {}, action: "accept", set: { localPref: 7 } }], otherwise: "reject" },
    });
    it.world.run(1000);
    expect(it.a.best().get("198.51.100.1/32")?.localPref).toBe(7);
    expect(it.b.best().has("192.0.2.1/32")).toBe(true);
    expect(it.a.speaker.report("b", 0)?.established).toBe(1);
  });
  test("a change of one peer is not felt by another; a peer that is gone is told why", () => {
    const world = new World(19);
    const hub = world.node("hub", "10.0.0.1");
    const [b, c] = [world.node("b", "10.0.0.2"), world.node("c", "10.0.0.3")];
    const peers = [peerOf("b", "10.0.0.2", 65002), peerOf("c", "10.0.0.3", 65003)];
    hub.plan(planOf(65001, "10.0.0.1", { peers, networks: [network("192.0.2.1/32")] }));
    b.plan(planOf(65002, "10.0.0.2", { peers: [peerOf("hub", "10.0.0.1", 65001)] }));
    c.plan(
      planOf(65003, "10.0.0.3", { peers: [peerOf("hub", "10.0.0.1", 65001)], networks: [network("10.9.0.0/16")] }),
    );
    world.run(10_000);
    expect(b.best().has("10.9.0.0/16")).toBe(true);
    const slower = peerOf("b", "10.0.0.2", 65002, { holdTime: 30_000 });
    hub.plan(planOf(65001, "10.0.0.1", { peers: [slower, peers[1]!], networks: [network("192.0.2.1/32")] }));
    world.run(10_000);
    expect(hub.speaker.report("b", 0)).toMatchObject({ state: "established", holdTime: 30_000 });
    expect(hub.speaker.report("c", 0)).toMatchObject({ state: "established", established: 1 });
    hub.plan(planOf(65001, "10.0.0.1", { peers: [peers[0]!] }));
    world.run(100);
    expect(c.speaker.report("hub", 0)?.lastError).toBe("cease/peer-deconfigured received");
    expect(hub.speaker.peers()).toEqual(["b"]);
    expect(b.best().has("10.9.0.0/16")).toBe(false);
  });
  test("another AS of our own is another router to everybody", () => {
    const it = pair(18);
    up(it);
    it.b.plan({ ...it.planB, peers: [peerOf("a", "10.0.0.1", "external")] });
    it.a.plan({ ...it.planA, asn: 65077 });
    it.world.run(30_000);
    expect(it.a.state("b")).toBe("established");
    expect(it.b.best().get("192.0.2.1/32")?.asPath).toBe("65077");
  });
  test("RFC 9003: administratively down, with its text, and up again", () => {
    const it = pair(21);
    up(it);
    it.a.plan({ ...it.planA, peers: [peerOf("b", "10.0.0.2", 65002, { adminDown: true })] });
    it.world.run(60_000);
    expect(it.a.state("b")).toBe("idle");
    expect(it.b.speaker.report("a", 0)?.state).not.toBe("established");
    expect(it.b.events("bgp.notified")[0]?.fields).toMatchObject({
      reason: "cease/administrative-shutdown",
      text: "shut down by its configuration",
    });
    it.a.plan(it.planA);
    it.world.run(60_000);
    expect(it.a.state("b")).toBe("established");
  });
  test("clear: hard resets, soft ones do not", () => {
    const it = pair(23);
    up(it);
    it.a.feed({ kind: "clear", peer: "b", how: "refresh-in" });
    it.a.feed({ kind: "clear", peer: "b", how: "refresh-out" });
    it.world.run(1000);
    expect(it.a.speaker.report("b", 0)).toMatchObject({ established: 1 });
    expect(it.b.speaker.report("a", 0)?.messages["route-refresh"]).toMatchObject({ in: 6, out: 4 });
    it.a.feed({ kind: "clear", peer: "b", how: "hard" });
    it.world.run(10_000);
    expect(it.a.speaker.report("b", 0)).toMatchObject({ state: "established", established: 2 });
    expect(it.b.events("bgp.notified")[0]?.fields["reason"]).toBe("cease/administrative-reset");
  });
});
