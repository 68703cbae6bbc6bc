import { describe, expect, test } from "vitest";
import type { Ipv4, Mac } from "../../../base/address.ts";
import { ms } from "../../../base/unit.ts";
import { expectNeverTwo, IP, other, outage, pair, settled, WITNESS_IP } from "./pair.ts";
import { DEFAULT, vip, WITNESS, World } from "./sim.ts";

describe("§5 claim", () => {
  test("a lone node listens for one detection time, probes three times, then claims", () => {
    const world = pair({ names: ["a"] });
    world.node("a").start();
    world.pass(299);
    expect(world.owners(IP)).toEqual([]);
    expect(world.node("a").sent.probes).toBe(3);
    world.pass(5);
    expect(world.owners(IP)).toEqual(["a"]);
    expect(world.node("a").state("v0")).toMatchObject({ state: "owner", owner: "a", term: 1 });
  });

  test("of two nodes that start together exactly one claims", () => {
    for (let seed = 1; seed < 30; seed++) {
      const world = pair({ seed });
      settled(world);
      expectNeverTwo(world);
      expect(world.claims.length).toBe(1);
    }
  });

  test("RFC 5227 §2.1.1: an address that a stranger answers for is not claimed, and the stranger is named", () => {
    const world = pair({ names: ["a"] });
    world.strangers.set(IP, 0x0a00_0000_0077 as Mac);
    world.node("a").start();
    world.pass(5000);
    expect(world.owners(IP)).toEqual([]);
    expect(world.node("a").state("v0")).toMatchObject({ state: "conflict", conflictWith: "0a:00:00:00:00:77" });
    world.strangers.clear();
    world.pass(11_000);
    expect(world.owners(IP)).toEqual(["a"]);
  });
});

describe("§4 take-over", () => {
  test("kill: within one detection time, never two", () => {
    const world = pair();
    const owner = settled(world);
    world.node(owner).kill();
    const since = world.now;
    world.pass(1000);
    expect(world.owners(IP)).toEqual([other(world, owner)]);
    expect(outage(world, since + 250)).toBeLessThan(60); // the lease answers up to 250 ms
    expectNeverTwo(world);
  });

  test("freeze for 5 s: the successor claims, the sleeper says and answers nothing when it wakes", () => {
    const world = pair();
    const owner = settled(world);
    world.node(owner).freeze();
    world.pass(5000);
    const sent = world.node(owner).sent.announcements;
    world.node(owner).thaw();
    world.pass(2000);
    expect(world.owners(IP)).toEqual([other(world, owner)]);
    expect(world.node(owner).sent.announcements).toBe(sent);
    expect(world.node(owner).state("v0")).toMatchObject({ state: "standby", owner: other(world, owner) });
    expectNeverTwo(world);
  });

  test("freeze between any two actions of a batch", () => {
    for (let actions = 0; actions < 40; actions++) {
      const world = pair({ seed: actions + 1, witness: true });
      for (const node of world.nodes.values()) node.start();
      world.pass(200);
      world.node("a").freezeAfter(actions);
      world.node("b").freezeAfter(actions + 7);
      world.pass(3000);
      world.node("a").thaw();
      world.pass(900);
      world.node("b").thaw();
      world.pass(2000);
      expect(world.owners(IP).length).toBe(1);
      expectNeverTwo(world);
    }
  });

  test("carrier lost: claimed by the other, returned node stands by (sticky)", () => {
    const world = pair();
    const owner = settled(world);
    world.node(owner).cut();
    world.pass(1000);
    expect(world.node(owner).state("v0")?.state).toBe("no-link");
    expect(world.owners(IP)).toEqual([other(world, owner)]);
    world.node(owner).plug();
    world.pass(5000);
    expect(world.owners(IP)).toEqual([other(world, owner)]);
    expectNeverTwo(world);
  });

  test.each(["to-owner", "from-owner", "both"])(
    "heartbeats filtered (%s): the owner's kernel answers, nothing moves",
    (way) => {
      const world = pair();
      const owner = settled(world);
      const standby = other(world, owner);
      if (way !== "from-owner") world.block(standby, owner, "heartbeat");
      if (way !== "to-owner") world.block(owner, standby, "heartbeat");
      world.pass(10_000);
      expect(world.owners(IP)).toEqual([owner]);
      expectNeverTwo(world);
    },
  );

  test("an owner that dies while its heartbeats are filtered is found dead within two detection times", () => {
    const world = pair();
    const owner = settled(world);
    world.block(owner, other(world, owner), "heartbeat");
    world.pass(2000);
    world.node(owner).kill();
    const since = world.now;
    world.pass(2000);
    expect(world.owners(IP)).toEqual([other(world, owner)]);
    expect(outage(world, since + 250)).toBeLessThan(350);
    expectNeverTwo(world);
  });
});

describe("§6 release", () => {
  test("withdraw: the named successor claims as soon as it hears of it", () => {
    const world = pair({ names: ["a", "b", "c"] });
    const owner = settled(world);
    const since = world.now;
    world.node(owner).withdraw(ms(5000));
    world.pass(5);
    expect(world.owners(IP).length).toBe(1);
    expect(world.owners(IP)).not.toEqual([owner]);
    expect(outage(world, since + 0.001)).toBeLessThan(1);
    expect(world.node(owner).withdrawn).toBe(true);
    world.pass(5000);
    expect(world.claims.length).toBe(2);
    expectNeverTwo(world);
  });

  test("ineligible: releases; eligible again: stands by", () => {
    const world = pair();
    const owner = settled(world);
    world.node(owner).reconfigure([vip("v0", IP, { eligible: false, why: "DATAPLANE_DOWN" })]);
    world.pass(5);
    expect(world.owners(IP)).toEqual([other(world, owner)]);
    expect(world.node(owner).state("v0")).toMatchObject({ state: "ineligible", why: "DATAPLANE_DOWN" });
    world.node(owner).reconfigure([vip("v0", IP)]);
    world.pass(5000);
    expect(world.owners(IP)).toEqual([other(world, owner)]);
    expectNeverTwo(world);
  });

  test("nobody eligible: nobody owns; the first that becomes eligible claims", () => {
    const world = pair();
    settled(world);
    for (const node of world.nodes.values()) node.reconfigure([vip("v0", IP, { eligible: false, why: "x" })]);
    world.pass(1000);
    expect(world.owners(IP)).toEqual([]);
    world.node("b").reconfigure([vip("v0", IP)]);
    world.pass(200);
    expect(world.owners(IP)).toEqual(["b"]);
    expectNeverTwo(world);
  });
});

describe("§8 isolation", () => {
  test("with a witness: the owner that is cut off steps down before the other claims; nobody moves back", () => {
    for (let seed = 1; seed < 20; seed++) {
      const world = pair({ witness: true, seed });
      const owner = settled(world);
      world.pass(world.random() * 100);
      world.isolate(owner);
      world.pass(1000);
      expect(world.owners(IP)).toEqual([other(world, owner)]);
      expect(world.node(owner).state("v0")?.why).toBe("isolated");
      world.heal();
      world.pass(3000);
      expect(world.owners(IP)).toEqual([other(world, owner)]);
      expectNeverTwo(world);
    }
  });

  test("with a witness: the standby that is cut off claims nothing", () => {
    const world = pair({ witness: true });
    const owner = settled(world);
    world.isolate(other(world, owner));
    world.pass(5000);
    expect(world.owners(IP)).toEqual([owner]);
    expect(world.node(other(world, owner)).state("v0")?.why).toBe("isolated");
  });

  test("a witness that never answers does not take the address from nodes that hear each other", () => {
    const world = pair({ witness: true });
    const owner = settled(world);
    world.block("a", WITNESS);
    world.block("b", WITNESS);
    world.pass(5000);
    expect(world.owners(IP)).toEqual([owner]);
  });

  test("a witness that fell silent just before the owner died: another peer shows that the probes had a path", () => {
    for (let seed = 1; seed < 20; seed++) {
      const world = pair({ witness: true, names: ["a", "b", "c"], seed });
      const owner = settled(world);
      world.witnesses.clear();
      world.pass(world.random() * 100);
      world.node(owner).kill();
      const since = world.now;
      world.pass(1000);
      expect(world.owners(IP)).toHaveLength(1);
      expect(outage(world, since + 250)).toBeLessThan(150); // an interval more: the peer has to say so
      expectNeverTwo(world);
    }
  });

  test("a peer that does not hear us shows nothing: it claims itself", () => {
    const world = pair({ witness: true, names: ["a", "b", "c"], seed: 2 });
    const owner = settled(world);
    const [b = "", c = ""] = ["a", "b", "c"].filter((each) => each !== owner);
    world.witnesses.clear();
    world.block(b, c);
    world.pass(1000);
    world.node(owner).kill();
    world.pass(3000);
    expect(world.owners(IP)).not.toContain(b);
  });

  test("two nodes and a silent witness: the survivor does not claim, and says so", () => {
    const world = pair({ witness: true });
    const owner = settled(world);
    world.witnesses.clear();
    world.node(owner).kill();
    world.pass(8000);
    expect(world.owners(IP)).toEqual([]);
    const { events } = world.node(other(world, owner));
    expect(events.find((each) => each.name === "vip.witness-silent")?.fields).toMatchObject({ level: "warn" });
    expect(world.node(other(world, owner)).state("v0")?.why).toBe("isolated");
    world.witnesses.add(WITNESS_IP);
    world.pass(1500);
    expect(world.owners(IP)).toEqual([other(world, owner)]);
  });

  test("without a witness both sides of a partition own; healed, the later claim keeps within an interval", () => {
    const world = pair();
    const owner = settled(world);
    world.isolate(owner);
    world.pass(2000);
    expect(world.owners(IP)).toHaveLength(2);
    world.heal();
    world.pass(105);
    expect(world.owners(IP)).toEqual([other(world, owner)]);
    const { announcements } = world.node(other(world, owner)).sent;
    world.pass(3000);
    expect(world.node(other(world, owner)).sent.announcements).toBeGreaterThan(announcements - 5);
    expect(world.violations).toEqual([]);
  });
});

describe("§9 preemption", () => {
  const better = vip("v0", IP, { priority: 200, preemptDelay: ms(2000) });
  test("a better candidate gets the address after its delay, without a gap", () => {
    const world = new World({
      timing: DEFAULT,
      seed: 3,
      nodes: [
        { name: "a", vips: [vip("v0", IP)] },
        { name: "b", vips: [better] },
      ],
    });
    world.node("a").start();
    world.pass(1000);
    world.node("b").start();
    world.pass(1900);
    expect(world.owners(IP)).toEqual(["a"]);
    world.pass(700);
    expect(world.owners(IP)).toEqual(["b"]);
    const [first, second] = world.spans;
    expect((second?.from ?? 0) - (first?.to ?? 0)).toBeLessThan(1);
    expectNeverTwo(world);
  });

  test("equal priorities with a delay: many addresses even out, one at a time", () => {
    const vips = Array.from({ length: 8 }, (_, index) => vip(`v${index}`, IP + index, { preemptDelay: ms(1000) }));
    const world = new World({ timing: DEFAULT, seed: 3, nodes: ["a", "b"].map((name) => ({ name, vips })) });
    world.node("a").start();
    world.pass(2000);
    world.node("b").start();
    world.pass(20_000);
    const count = vips.filter((each) => world.owners(each.addresses[0] as Ipv4)[0] === "a").length;
    expect(count).toBe(4);
    expectNeverTwo(world);
  });
});

describe("spread", () => {
  test.each([0, 10, 40, 70])(
    "started %d ms apart they share; a dead node's addresses go to all survivors alike",
    (apart) => {
      const world = pair({ names: ["a", "b", "c"], vips: 12 });
      for (const node of world.nodes.values()) {
        node.start();
        world.pass(apart);
      }
      world.pass(2000);
      const counts = (): Record<string, number> => {
        const found: Record<string, number> = { a: 0, b: 0, c: 0 };
        for (let index = 0; index < 12; index++) {
          const [owner = "none"] = world.owners((IP + index) as Ipv4);
          found[owner] = (found[owner] ?? 0) + 1;
        }
        return found;
      };
      expect(counts()).toEqual({ a: 4, b: 4, c: 4 });
      world.node("b").kill();
      world.pass(1000);
      expect(counts()).toEqual({ a: 6, b: 0, c: 6 });
      expectNeverTwo(world);
    },
  );
});

describe("RFC 5227 §2.4: conflict while owning", () => {
  const stranger = 0x0a00_0000_0077 as Mac;
  test("(b) defends once, gives way to the second conflict within DEFEND_INTERVAL", () => {
    const world = pair({ names: ["a"] });
    settled(world);
    const { announcements } = world.node("a").sent;
    world.node("a").feed({ kind: "asserted", ip: IP, mac: stranger });
    expect(world.node("a").sent.announcements).toBe(announcements + 1);
    expect(world.owners(IP)).toEqual(["a"]);
    world.pass(10_500);
    world.node("a").feed({ kind: "asserted", ip: IP, mac: stranger });
    expect(world.owners(IP)).toEqual(["a"]);
    world.pass(100);
    world.node("a").feed({ kind: "asserted", ip: IP, mac: stranger });
    expect(world.owners(IP)).toEqual([]);
    expect(world.node("a").state("v0")).toMatchObject({ state: "conflict", conflictWith: "0a:00:00:00:00:77" });
  });

  test("(a) yields at once when told so", () => {
    const world = new World({
      timing: DEFAULT,
      seed: 1,
      nodes: [{ name: "a", vips: [vip("v0", IP, { onConflict: "yield" })] }],
    });
    settled(world);
    world.node("a").feed({ kind: "asserted", ip: IP, mac: stranger });
    expect(world.owners(IP)).toEqual([]);
  });
});
