/** docs/protocols/vip.md §3: what a station without the key can bring about. */
import { describe, expect, test } from "vitest";
import { ms } from "../../../base/unit.ts";
import type { Event } from "../../../netstack/vip/event.ts";
import type { Role } from "../../../netstack/vip/packet.ts";
import { expectNeverTwo, IP, other, outage, pair, settled, WITNESS_IP } from "./pair.ts";
import type { World } from "./sim.ts";

describe("§3 what others can provoke", () => {
  test("a flood of announcements with a peer's MAC moves no more heartbeats than the pace allows", () => {
    const world = pair();
    const owner = settled(world);
    const { mac } = world.node(other(world, owner));
    const before = world.node(owner).sent.heartbeats;
    for (let count = 0; count < 1000; count++) {
      world.node(owner).feed({ kind: "asserted", ip: IP, mac });
      world.pass(1);
    }
    // In ten intervals: ten regular ones, four for each interval, and the burst.
    expect(world.node(owner).sent.heartbeats - before).toBeLessThanOrEqual(10 + 40 + 4);
    expect(world.owners(IP)).toEqual([owner]);
  });
  test("nor more announcements, while that peer is dead", () => {
    const world = pair();
    world.node("a").start();
    world.node("b").start();
    world.pass(2000);
    const { mac } = world.node("b");
    world.node("b").kill();
    world.pass(5000);
    expect(world.owners(IP)).toEqual(["a"]);
    const before = world.node("a").sent.announcements;
    for (let count = 0; count < 1000; count++) world.node("a").feed({ kind: "asserted", ip: IP, mac });
    expect(world.node("a").sent.announcements - before).toBe(4);
  });
  test("a release does not wait for the pace", () => {
    const world = pair();
    const owner = settled(world);
    const { mac } = world.node(other(world, owner));
    for (let count = 0; count < 100; count++) world.node(owner).feed({ kind: "asserted", ip: IP, mac });
    const since = world.now;
    world.node(owner).withdraw(ms(1000));
    world.pass(5);
    expect(world.owners(IP)).toEqual([other(world, owner)]);
    expect(outage(world, since + 0.001)).toBeLessThan(1);
  });
});

type Heard = Event & { readonly kind: "heartbeat" };
/** What `name` said to others in its lifetime, as `role`. */
function recorded(name: string, role: Role, count: number): readonly Heard[] {
  const world = pair({ names: ["a", "b", "c"], seed: 5 });
  const tape: Heard[] = [];
  for (const node of world.nodes.values()) {
    const feed = node.feed.bind(node);
    node.feed = (event) => {
      if (event.kind === "heartbeat" && event.packet.node === name) tape.push(event);
      feed(event);
    };
  }
  world.node(name).start();
  world.pass(1000);
  for (const node of world.nodes.values()) node.start();
  world.pass(count * 100);
  return tape
    .map((each, index) => ({
      ...each,
      // The tape is of a life in which it said so all the time, and with another term.
      packet: {
        ...each.packet,
        sequence: each.packet.sequence + index,
        entries: each.packet.entries.map((entry) => ({ ...entry, role, term: 999 })),
      },
    }))
    .sort((one, two) => one.packet.sequence - two.packet.sequence);
}
/** Feeds the tape to a node, one recording each 20 ms. */
function replay(world: World, to: string, tape: readonly Heard[]): void {
  for (const each of tape) {
    world.node(to).feed(each);
    world.pass(20);
  }
}

describe("§3 recorded heartbeats of a node that is dead, under the right key", () => {
  test.each(["owner", "claiming", "released", "candidate"] as const)("as %s: no owner gives up", (role) => {
    const tape = recorded("b", role, 60);
    const world = pair({ names: ["a"] });
    world.pass(5); // another incarnation than the one that was on the tape
    settled(world);
    replay(world, "a", tape);
    expect(tape.length).toBeGreaterThan(100);
    expect(world.owners(IP)).toEqual(["a"]);
    expect(world.claims.length).toBe(1);
    expect(world.node("a").state("v0")?.term).toBe(1);
  });
  test.each(["owner", "claiming", "listening"] as const)(
    "as %s: a node that starts claims one detection time later than without them",
    (role) => {
      const tape = recorded("b", role, 60);
      const world = pair({ names: ["a"] });
      world.pass(5);
      world.node("a").start();
      replay(world, "a", tape.slice(0, 40));
      expect(world.owners(IP)).toEqual(["a"]);
      expect(world.claims[0]?.at).toBeLessThan(5 + 2 * 300 + 100);
    },
  );
  test("as released, naming us: nobody claims because of it", () => {
    const tape = recorded("b", "released", 60);
    const world = pair();
    world.pass(5);
    const owner = settled(world);
    replay(world, other(world, owner), tape);
    expect(world.owners(IP)).toEqual([owner]);
    expect(world.claims.length).toBe(1);
  });
  test("they do not keep an owner that is cut off", () => {
    const tape = recorded("c", "candidate", 60);
    const world = pair({ witness: true });
    world.pass(5);
    world.node("a").start();
    world.pass(1000);
    world.node("b").start();
    world.pass(1000);
    world.isolate("a");
    replay(world, "a", tape.slice(0, 50));
    expect(world.owners(IP)).toEqual(["b"]);
    expect(world.node("a").state("v0")?.why).toBe("isolated");
    expectNeverTwo(world);
  });
  test("nor stand in for a witness", () => {
    const tape = recorded("c", "candidate", 60);
    const world = pair({ witness: true, names: ["a"] });
    world.witnesses.delete(WITNESS_IP);
    world.pass(5);
    world.node("a").start();
    replay(world, "a", tape);
    expect(world.owners(IP)).toEqual([]);
  });
  test("the node itself is heard at once when it returns", () => {
    const tape = recorded("b", "owner", 30);
    const world = pair();
    world.pass(5);
    world.node("a").start();
    replay(world, "a", tape);
    world.node("b").start();
    world.pass(2);
    world.node("b").feed({ kind: "wake" });
    world.pass(2000);
    world.node("a").withdraw(ms(1000));
    world.pass(5);
    expect(world.owners(IP)).toEqual(["b"]);
  });
});

describe("§3 start", () => {
  test("two nodes have proved themselves to each other within a few milliseconds", () => {
    const world = pair({ witness: true });
    world.node("a").start();
    world.pass(1000);
    world.node("b").start();
    world.pass(5);
    world.node("a").withdraw(ms(1000));
    const [first] = world.node("a").events.filter((each) => each.name === "vip.released");
    expect(first).toBeDefined();
    expect(world.node("b").state("v0")).toMatchObject({ owner: "a", why: "owner-alive" });
  });
});
