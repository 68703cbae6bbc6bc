/** Who depends on nftables rules hears when somebody changes them. */
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ipv4 } from "../../../../base/address.ts";
import { SILENT } from "../../../../base/log.ts";
import { ms } from "../../../../base/unit.ts";
import { Fence, type Guard } from "../../../../netstack/kernel/fence.ts";
import { createNamespace, deleteNamespace, inside } from "../../../../netstack/kernel/namespace.ts";
import { watchRuleset } from "../../../../netstack/kernel/netlink/watch-ruleset.ts";
import { Nftables } from "../../../../netstack/kernel/nftables.ts";
import { openLoop } from "../../../../netstack/kernel/open-loop.ts";
import { sweep, UNABLE } from "../segment.ts";

const name = `nv${process.pid}x7w`;
const GUARDS: readonly Guard[] = [{ ifname: "lo", address: ipv4("192.0.2.1") }];

beforeAll(sweep);

describe.skipIf(UNABLE !== undefined).each(["epoll", "io_uring"] as const)("watching the ruleset, on %s", (engine) => {
  beforeEach(() => createNamespace(name));
  afterEach(() => void deleteNamespace(name));

  test("tables, chains, rules and sets are told of; leases and other elements wake nobody", () => {
    using loop = inside(name, () => openLoop({ engine, log: SILENT }));
    using nft = inside(name, () => new Nftables());
    using fence = inside(name, () => new Fence());
    fence.install(GUARDS);
    let told = 0;
    using _watching = inside(name, () => watchRuleset(loop, { changed: () => told++ }, ms(0)));
    const heard = (): number => {
      const before = told;
      for (let turns = 0; turns < 8; turns++) loop.turn(false);
      return told - before;
    };
    const addresses = GUARDS.map(({ address }) => address);
    fence.claim(addresses, ms(60_000), ms(60_000), () => true);
    for (let each = 0; each < 100; each++) fence.renew(addresses, ms(60_000));
    fence.drain(addresses, ms(60_000));
    fence.forget(addresses);
    expect(heard()).toBe(0);
    for (const change of [
      "table ip stranger { chain c { }\n set s { type ipv4_addr; }\n }",
      "add rule ip stranger c accept",
      "flush chain ip stranger c",
      "delete table ip stranger",
      "flush ruleset",
    ]) {
      nft.transaction(change);
      expect([change, heard() > 0]).toEqual([change, true]);
    }
    expect(fence.install(GUARDS).changed).toBe(true);
    expect(heard()).toBeGreaterThan(0);
    expect(fence.install(GUARDS).changed).toBe(false);
    expect(heard()).toBe(0);
  });

  test("who changes rules all the time is told of at once, and then at most once in the pause", () => {
    using loop = inside(name, () => openLoop({ engine, log: SILENT }));
    using nft = inside(name, () => new Nftables());
    const told: number[] = [];
    const pause = ms(200);
    using _watching = inside(name, () => watchRuleset(loop, { changed: () => told.push(loop.now()) }, pause));
    nft.transaction("table ip stranger { chain c { }\n }");
    while (told.length === 0) loop.turn(true);
    for (let each = 0; each < 10; each++) {
      nft.transaction("add rule ip stranger c accept");
      loop.turn(false);
    }
    expect(told.length).toBe(1);
    while (told.length === 1) loop.turn(true);
    const [first = 0, second = 0] = told;
    expect(second - first).toBeGreaterThanOrEqual(pause);
  });
});
