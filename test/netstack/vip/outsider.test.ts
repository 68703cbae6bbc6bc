/** docs/protocols/vip.md §3: what a station without the key can bring about. */
import { describe, expect, test } from "vitest";
import { ms } from "../../../base/unit.ts";
import { IP, other, outage, pair, settled } from "./pair.ts";

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
