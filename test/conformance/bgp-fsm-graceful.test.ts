/** RFC 4724, RFC 8538, RFC 9494: restarts of either side, and who notices. */
import { describe, expect, test } from "vitest";
import { ms } from "../../base/unit.ts";
import type { GracefulRestart } from "../../netstack/bgp/packet/capability.ts";
import type { BgpPeerSpec, BgpPlan } from "../../netstack/bgp/plan.ts";
import { Desk } from "../netstack/bgp/tester.ts";
import { type Node, network, peerOf, planOf, World } from "../netstack/bgp/world.ts";

type Restart = NonNullable<BgpPeerSpec["gracefulRestart"]>;
const GR: Restart = { restartTime: 30_000, stalePathTime: 60_000, longLived: undefined, notification: false };
const VIP = "192.0.2.1/32";
const SECOND = "192.0.2.2/32";

interface Pair {
  readonly world: World;
  /** Has the VIPs, and restarts. */
  readonly a: Node;
  /** Keeps them. */
  readonly b: Node;
  readonly plan: BgpPlan;
}
function pair(seed: number, a: Restart | undefined, b: Restart | undefined, some: Partial<BgpPlan> = {}): Pair {
  const world = new World(seed);
  const [left, right] = [world.node("a", "10.0.0.1"), world.node("b", "10.0.0.2")];
  const plan = planOf(65001, "10.0.0.1", {
    peers: [peerOf("b", "10.0.0.2", 65002, { gracefulRestart: a })],
    networks: [network(VIP), network(SECOND)],
    ...some,
  });
  left.plan(plan);
  right.plan(
    planOf(65002, "10.0.0.2", {
      peers: [peerOf("a", "10.0.0.1", 65001, { gracefulRestart: b })],
      networks: [network("198.51.100.0/24")],
    }),
  );
  world.run(20_000);
  expect(right.best().has(VIP)).toBe(true);
  return { world, a: left, b: right, plan };
}
function rise({ world, a, plan }: Pair, some: Partial<BgpPlan> = {}): void {
  a.alive = true;
  a.plan({ ...plan, restarting: true, ...some });
  world.run(10);
}

describe("RFC 4724 §4.2: the helper", () => {
  test("keeps the routes of a peer that vanished, marked stale, and its kernel never notices", () => {
    const it = pair(1, GR, GR);
    const installed = it.b.actions.length;
    it.a.crash();
    it.world.run(2000);
    expect(it.b.state("a")).not.toBe("established");
    expect(it.b.best().get(VIP)).toMatchObject({ stale: true });
    expect(it.b.speaker.report("a", 0)?.families[0]).toMatchObject({ received: 2, stale: 2 });
    rise(it);
    it.world.run(20_000);
    expect(it.b.best().get(VIP)).toMatchObject({ stale: false });
    expect(it.b.actions.slice(installed).some(({ kind }) => kind === "routes")).toBe(false);
  });
  test("drops at End-of-RIB what was not said again", () => {
    const it = pair(2, GR, GR);
    it.a.crash();
    it.world.run(1000);
    rise(it, { networks: [network(VIP)] });
    it.world.run(20_000);
    expect([...it.b.best().keys()]).toContain(VIP);
    expect(it.b.best().has(SECOND)).toBe(false);
    expect(it.b.fib.has(SECOND)).toBe(false);
  });
  test("drops everything when the restart time is over", () => {
    const it = pair(3, GR, GR);
    it.a.crash();
    it.world.run(29_000);
    expect(it.b.best().has(VIP)).toBe(true);
    it.world.run(2000);
    expect(it.b.best().has(VIP)).toBe(false);
    expect(it.b.fib.has(VIP)).toBe(false);
  });
  test("drops everything when the peer comes back without its forwarding state (F bit clear)", () => {
    const it = pair(4, GR, GR);
    it.a.crash();
    it.world.run(1000);
    rise(it, { restarting: false, networks: [] });
    it.world.run(20_000);
    expect(it.b.state("a")).toBe("established");
    expect(it.b.best().has(VIP)).toBe(false);
  });
  test("without the capability on either side nothing is kept", () => {
    for (const [a, b] of [
      [GR, undefined],
      [undefined, GR],
    ] as const) {
      const it = pair(5, a, b);
      it.a.crash();
      it.world.run(100);
      expect(it.b.best().has(VIP)).toBe(false);
    }
  });
  test("a session that breaks and comes back on its own loses nothing, though nobody restarted", () => {
    const it = pair(6, GR, GR);
    it.a.cutAll();
    it.world.run(100);
    expect(it.b.fib.has(VIP)).toBe(true);
    it.world.run(30_000);
    expect([it.a.state("b"), it.b.state("a")]).toEqual(["established", "established"]);
    expect(it.b.best().get(VIP)).toMatchObject({ stale: false });
  });
  test("§5: a new connection of a peer that restarted replaces the old one, which had not noticed", () => {
    const it = pair(7, GR, GR);
    // b's kernel still believes in the old connection.
    it.a.wires.clear();
    it.b.wires.clear();
    it.a.crash();
    rise(it);
    it.world.run(30_000);
    expect([it.a.state("b"), it.b.state("a")]).toEqual(["established", "established"]);
    expect(it.b.best().get(VIP)).toMatchObject({ stale: false });
  });
  test("a NOTIFICATION ends it without RFC 8538", () => {
    const it = pair(8, GR, GR);
    it.a.feed({ kind: "stop", keep: false, why: "bye" });
    it.world.run(20);
    expect(it.b.best().has(VIP)).toBe(false);
  });
});

describe("RFC 4724 §4.2: the helper, message by message", () => {
  const capability = (some: Partial<GracefulRestart> = {}): GracefulRestart => ({
    kind: "graceful-restart",
    restarting: true,
    notification: false,
    restartTime: ms(30_000),
    families: [
      { family: "ipv4", forwarding: true },
      { family: "ipv6", forwarding: true },
    ],
    ...some,
  });
  const held = (desk: Desk) =>
    desk.speaker
      .routes({ prefix: undefined, peer: "p", most: 9 })
      .routes.map(({ prefix, stale }) => `${prefix}${stale ? " stale" : ""}`);
  /** A peer that told two routes and vanished. */
  const vanished = (): Desk => {
    const desk = new Desk();
    desk.plan(
      planOf(65001, "10.0.0.1", { peers: [peerOf("p", "10.0.0.2", 65002, { mode: "passive", gracefulRestart: GR })] }),
    );
    const call = desk.call("10.0.0.2").up({}, [capability({ restarting: false })]);
    call.announce(["10.1.0.0/16", "10.2.0.0/16"]);
    desk.feed({ kind: "closed", connection: call.connection, why: "RST" });
    expect(held(desk)).toEqual(["10.1.0.0/16 stale", "10.2.0.0/16 stale"]);
    desk.wait(1000);
    return desk;
  };
  test("what was stale already is dropped when the peer vanishes again", () => {
    const desk = vanished();
    const again = desk.call("10.0.0.2").up({}, [capability()]);
    again.announce(["10.1.0.0/16"]);
    expect(held(desk)).toEqual(["10.1.0.0/16", "10.2.0.0/16 stale"]);
    desk.feed({ kind: "closed", connection: again.connection, why: "RST" });
    expect(held(desk)).toEqual(["10.1.0.0/16 stale"]);
  });
  test("the capability is gone, or the family from it, or its F bit: dropped at once", () => {
    for (const capabilities of [
      [],
      [capability({ families: [{ family: "ipv6", forwarding: true }] })],
      [capability({ families: [{ family: "ipv4", forwarding: false }] })],
    ]) {
      const desk = vanished();
      desk.call("10.0.0.2").up({}, capabilities);
      expect(held(desk)).toEqual([]);
    }
  });
  test("End-of-RIB of another family sweeps nothing; one that never comes, sweeps after the stale path time", () => {
    const desk = vanished();
    const again = desk.call("10.0.0.2").up({ holdTime: ms(0) }, [capability()]);
    again.announce(["10.1.0.0/16"]);
    again.update([], [], "ipv6");
    expect(held(desk)).toEqual(["10.1.0.0/16", "10.2.0.0/16 stale"]);
    desk.wait(59_000);
    expect(held(desk)).toHaveLength(2);
    desk.wait(2000);
    expect(held(desk)).toEqual(["10.1.0.0/16"]);
  });
  test("a stale route may be withdrawn, too", () => {
    const desk = vanished();
    desk.call("10.0.0.2").up({}, [capability()]).withdraw(["10.2.0.0/16"]);
    expect(held(desk)).toEqual(["10.1.0.0/16 stale"]);
  });
  test("a NOTIFICATION ends the restart of a peer without the N bit; RFC 8538 §4: not of one that has it", () => {
    for (const [notification, left] of [
      [false, []],
      [true, ["10.1.0.0/16 stale"]],
    ] as const) {
      const desk = new Desk();
      const gracefulRestart = { ...GR, notification: true };
      desk.plan(
        planOf(65001, "10.0.0.1", { peers: [peerOf("p", "10.0.0.2", 65002, { mode: "passive", gracefulRestart })] }),
      );
      const call = desk.call("10.0.0.2").up({}, [capability({ notification })]);
      call.announce(["10.1.0.0/16"]);
      call.say({ kind: "notification", reason: "cease/out-of-resources", data: new Uint8Array(0) });
      expect(held(desk)).toEqual(left);
    }
  });
  test("RFC 8538 §3.1: a hard reset ends it even so", () => {
    const desk = new Desk();
    const gracefulRestart = { ...GR, notification: true };
    desk.plan(
      planOf(65001, "10.0.0.1", { peers: [peerOf("p", "10.0.0.2", 65002, { mode: "passive", gracefulRestart })] }),
    );
    const call = desk.call("10.0.0.2").up({}, [capability({ notification: true })]);
    call.announce(["10.1.0.0/16"]);
    call.say({ kind: "notification", reason: "cease/hard-reset", data: Uint8Array.of(6, 4) });
    expect(held(desk)).toEqual([]);
    expect(desk.speaker.report("p", 0)?.lastError).toBe("cease/hard-reset (cease/administrative-reset) received");
  });
  test("RFC 9494 §3: the long-lived capability without RFC 4724's is ignored", () => {
    const desk = new Desk();
    const gracefulRestart = { ...GR, longLived: 3_600_000 };
    desk.plan(
      planOf(65001, "10.0.0.1", { peers: [peerOf("p", "10.0.0.2", 65002, { mode: "passive", gracefulRestart })] }),
    );
    const call = desk.call("10.0.0.2").up({}, [
      {
        kind: "long-lived-graceful-restart",
        families: [{ family: "ipv4", forwarding: true, staleTime: ms(3_600_000) }],
      },
    ]);
    call.announce(["10.1.0.0/16"]);
    desk.feed({ kind: "closed", connection: call.connection, why: "RST" });
    expect(held(desk)).toEqual([]);
  });
});

describe("RFC 8538: NOTIFICATION", () => {
  const N: Restart = { ...GR, notification: true };
  test("§4: routes survive an expired hold timer", () => {
    const it = pair(9, N, N);
    it.a.alive = false;
    it.world.run(92_000);
    expect(it.b.speaker.report("a", 0)?.lastError).toBe("hold-timer-expired sent");
    expect(it.b.best().get(VIP)).toMatchObject({ stale: true });
    it.world.run(31_000);
    expect(it.b.best().has(VIP)).toBe(false);
  });
  test("§3.1: what must not survive is said by a hard reset", () => {
    const it = pair(10, N, N);
    it.a.feed({ kind: "stop", keep: false, why: "bye" });
    it.world.run(20);
    expect(it.b.best().has(VIP)).toBe(false);
    expect(it.b.events("bgp.notified")[0]?.fields).toMatchObject({
      reason: "cease/hard-reset",
      inner: "cease/administrative-shutdown",
      text: "bye",
    });
  });
});

describe("RFC 9494: long-lived graceful restart", () => {
  const LONG: Restart = { ...GR, longLived: 3_600_000 };
  test("§4.2: after the restart time routes stay as the last resort, marked; then they go", () => {
    const it = pair(11, LONG, LONG, {
      networks: [network(VIP), network(SECOND, { communities: ["no-llgr"] })],
    });
    it.a.crash();
    it.world.run(32_000);
    expect(it.b.best().get(VIP)).toMatchObject({ stale: true, communities: ["llgr-stale"] });
    expect(it.b.fib.has(VIP)).toBe(true);
    expect(it.b.best().has(SECOND)).toBe(false); // §4.3: NO_LLGR
    it.world.run(3_600_000);
    expect(it.b.best().has(VIP)).toBe(false);
  });
  test("§4.3: anything else is better, and only peers with the capability hear of it", () => {
    const world = new World(12);
    const a = world.node("a", "10.0.0.1");
    const b = world.node("b", "10.0.0.2");
    const c = world.node("c", "10.0.0.3");
    const d = world.node("d", "10.0.0.4");
    a.plan(
      planOf(65001, "10.0.0.1", {
        peers: [peerOf("b", "10.0.0.2", 65002, { gracefulRestart: LONG })],
        networks: [network(VIP)],
      }),
    );
    b.plan(
      planOf(65002, "10.0.0.2", {
        peers: [
          peerOf("a", "10.0.0.1", 65001, { gracefulRestart: LONG }),
          peerOf("c", "10.0.0.3", 65003, { gracefulRestart: LONG }),
          peerOf("d", "10.0.0.4", 65004),
        ],
      }),
    );
    const leaf = (id: number, restart: Restart | undefined, networks: BgpPlan["networks"] = []) =>
      planOf(65000 + id, `10.0.0.${id}`, {
        peers: [peerOf("b", "10.0.0.2", 65002, { gracefulRestart: restart })],
        networks,
      });
    c.plan(leaf(3, LONG));
    d.plan(leaf(4, undefined));
    world.run(20_000);
    expect(c.best().has(VIP) && d.best().has(VIP)).toBe(true);
    a.crash();
    world.run(40_000);
    expect(c.best().get(VIP)?.communities).toEqual(["llgr-stale"]);
    expect(d.best().has(VIP)).toBe(false);
    // A longer path that is alive.
    d.plan(leaf(4, undefined, [network(VIP, { prepend: 5 })]));
    world.run(1000);
    expect(b.best().get(VIP)).toMatchObject({ peer: "d", why: "long-lived-stale" });
  });
});

describe("RFC 4724 §4.1: restarting", () => {
  test("R and F are set; End-of-RIB is sent; peers without the capability do not wait", () => {
    const world = new World(13);
    const a = world.node("a", "10.0.0.1");
    const b = world.node("b", "10.0.0.2");
    const c = world.node("c", "10.0.0.3");
    b.alive = false; // would be waited for
    c.plan(planOf(65003, "10.0.0.3", { peers: [peerOf("a", "10.0.0.1", 65001)], networks: [network("10.9.0.0/16")] }));
    c.feed({ kind: "trace", peer: undefined, on: true });
    a.plan(
      planOf(65001, "10.0.0.1", {
        peers: [peerOf("b", "10.0.0.2", 65002, { gracefulRestart: GR }), peerOf("c", "10.0.0.3", 65003)],
        networks: [network(VIP)],
        restarting: true,
      }),
    );
    world.run(3000);
    expect(c.best().has(VIP)).toBe(true);
    // The kernel keeps what it had until everybody was heard, or for ten seconds at most.
    expect(a.fib.size).toBe(0);
    expect(a.actions.some(({ kind }) => kind === "converged")).toBe(false);
    world.run(8000);
    expect(a.fib.size).toBe(1);
    // What an earlier life left waits for as long as peers wait for us.
    expect(a.actions.some(({ kind }) => kind === "converged")).toBe(false);
    world.run(20_000);
    expect(a.actions.filter(({ kind }) => kind === "converged")).toHaveLength(1);
    expect(a.events("bgp.restart-incomplete")[0]?.fields).toEqual({ missing: ["b"] });
  });
  test("a peer that restarts as well is not waited for with what we say, but with what an earlier life left", () => {
    const desk = new Desk();
    desk.plan(
      planOf(65001, "10.0.0.1", {
        peers: [peerOf("p", "10.0.0.2", 65002, { mode: "passive", gracefulRestart: GR })],
        networks: [network(VIP)],
        restarting: true,
      }),
    );
    const call = desk
      .call("10.0.0.2")
      .up({}, [
        { kind: "graceful-restart", restarting: true, notification: false, restartTime: ms(30_000), families: [] },
      ]);
    expect(call.said).toContain("update");
    const converged = () => desk.actions.some(({ kind }) => kind === "converged");
    desk.wait(100);
    expect(converged()).toBe(false);
    call.announce(["10.1.0.0/16"]);
    call.update([], [], "ipv4");
    desk.wait(100);
    expect(converged()).toBe(false);
    call.update([], [], "ipv6");
    desk.wait(100);
    expect(converged()).toBe(true);
  });
  test("peers that kept our routes hear of them when all have sent theirs", () => {
    const it = pair(14, GR, GR);
    it.b.feed({ kind: "trace", peer: undefined, on: true });
    it.a.crash();
    rise(it);
    it.world.run(5000);
    expect(it.a.actions.some(({ kind }) => kind === "converged")).toBe(true);
    expect(it.a.fib.has("198.51.100.0/24")).toBe(true);
    const lines = it.b.actions.flatMap((each) => (each.kind === "trace" && each.direction === "in" ? [each.text] : []));
    expect(lines).toContain("UPDATE end-of-rib ipv4");
    expect(lines).toContain("UPDATE end-of-rib ipv6");
  });
  test("stop with keep: peers and kernel keep everything, and the next process takes over", () => {
    const it = pair(15, GR, GR);
    const removed = () => it.b.fib.has(VIP) === false || it.a.fib.has("198.51.100.0/24") === false;
    it.a.feed({ kind: "stop", keep: true, why: "upgrade" });
    it.world.run(1000);
    expect(it.b.state("a")).not.toBe("established");
    expect(removed()).toBe(false);
    it.a.crash();
    rise(it);
    it.world.run(20_000);
    expect(it.b.best().get(VIP)).toMatchObject({ stale: false });
    expect(removed()).toBe(false);
  });
});
