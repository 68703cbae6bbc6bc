/** docs/protocols/vip.md §1, §6: what a reload does to a virtual IP whose addresses change, or that goes. */
import { describe, expect, test } from "vitest";
import { type Ip, ipv6, type Mac } from "../../../base/address.ts";
import { ms } from "../../../base/unit.ts";
import type { VipConfig } from "../../../netstack/vip/event.ts";
import { expectNeverTwo, IP, other, pair, settled } from "./pair.ts";
import { DEFAULT, vip, World } from "./sim.ts";

const IP6 = ipv6("2001:db8::64");
const V4 = vip("v0", IP);
const V6 = vip("v0", IP, { addresses: [IP6] });
const BOTH = vip("v0", IP, { addresses: [IP, IP6] });

function start(config: VipConfig, seed: number): { world: World; owner: string } {
  const world = new World({ timing: DEFAULT, seed, nodes: ["a", "b"].map((name) => ({ name, vips: [config] })) });
  for (const node of world.nodes.values()) node.start();
  world.pass(2000);
  const [owner] = world.owners(config.addresses[0] as Ip);
  if (owner === undefined) throw new TypeError("nobody owns");
  return { world, owner };
}

describe.each([
  ["IPv6 is added", V4, BOTH],
  ["IPv4 is added", V6, BOTH],
  ["IPv6 goes", BOTH, V4],
  ["IPv4 goes", BOTH, V6],
])("%s", (_, before, after) => {
  const stays = before.addresses.filter((ip) => after.addresses.includes(ip));
  const comes = after.addresses.filter((ip) => !before.addresses.includes(ip));
  const goes = before.addresses.filter((ip) => !after.addresses.includes(ip));

  test.each(["owner first", "standby first"])("%s: the owner keeps what stays, and nobody claims it again", (order) => {
    for (let seed = 1; seed < 10; seed++) {
      const { world, owner } = start(before, seed);
      const standby = other(world, owner);
      const names = order === "owner first" ? [owner, standby] : [standby, owner];
      const spans = world.spans.filter((span) => stays.includes(span.ip)).length;
      for (const name of names) {
        world.node(name).reconfigure([after]);
        world.pass(1500);
        expect(world.node(owner).state("v0")?.state).toBe("owner");
      }
      for (const ip of after.addresses) expect(world.owners(ip)).toEqual([owner]);
      for (const ip of goes) expect(world.owners(ip)).toEqual([]);
      expect(world.spans.filter((span) => stays.includes(span.ip))).toHaveLength(spans); // no gap either
      expect(world.claims).toHaveLength(1);
      expectNeverTwo(world);
      world.node(owner).withdraw(ms(1000));
      world.pass(5);
      for (const ip of after.addresses) expect(world.owners(ip)).toEqual([standby]);
      expectNeverTwo(world);
    }
  });

  test.runIf(comes.length > 0)("what comes is probed: a stranger keeps it, and what stays is not touched", () => {
    const { world, owner } = start(before, 3);
    for (const ip of comes) world.strangers.set(ip, 0x0a00_0000_0077 as Mac);
    for (const node of world.nodes.values()) node.reconfigure([after]);
    world.pass(5000);
    for (const ip of comes) expect(world.owners(ip)).toEqual([]);
    for (const ip of stays) expect(world.owners(ip)).toEqual([owner]);
    const told = world.node(owner).events.filter((each) => each.name === "vip.address-conflict");
    expect(told).toHaveLength(1);
    world.strangers.clear();
    world.pass(12_000);
    for (const ip of comes) expect(world.owners(ip)).toEqual([owner]);
    expectNeverTwo(world);
  });
});

test("two virtual IPs made of one: what is split off is claimed anew, the rest stays", () => {
  const { world, owner } = start(BOTH, 4);
  const split = [V4, vip("v1", IP, { addresses: [IP6] })];
  for (const node of world.nodes.values()) node.reconfigure(split);
  world.pass(2000);
  expect(world.owners(IP)).toEqual([owner]);
  expect(world.owners(IP6)).toHaveLength(1);
  world.pass(60_000); // the end of the drain takes nothing from the new owner
  expect(world.owners(IP6)).toHaveLength(1);
  expectNeverTwo(world);
});

test("one made of two", () => {
  const world = new World({
    timing: DEFAULT,
    seed: 4,
    nodes: ["a", "b"].map((name) => ({ name, vips: [V4, vip("v1", IP, { addresses: [IP6] })] })),
  });
  for (const node of world.nodes.values()) node.start();
  world.pass(2000);
  for (const node of world.nodes.values()) {
    node.reconfigure([BOTH]);
    world.pass(300);
  }
  world.pass(45_000);
  expect(world.owners(IP)).toHaveLength(1);
  expect(world.owners(IP6)).toEqual(world.owners(IP));
  expectNeverTwo(world);
});

test("§6: a virtual IP that is configured no more is released with hand-over", () => {
  const world = pair();
  const owner = settled(world);
  world.node(owner).reconfigure([]);
  world.pass(5);
  expect(world.owners(IP)).toEqual([other(world, owner)]);
  const released = world.node(owner).events.find((each) => each.name === "vip.released");
  expect(released?.fields).toMatchObject({ why: "not-configured", handover: 30_000 });
  expectNeverTwo(world);
});
