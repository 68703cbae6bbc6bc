/** Tunnels between sites, with wireguard-go, in namespaces of their own. */
import { existsSync } from "node:fs";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { sweep, UNABLE } from "../../netstack/kernel/segment.ts";
import { overlay, World } from "./world.ts";

const WITHOUT = UNABLE ?? (existsSync("/usr/bin/wireguard-go") ? undefined : "wireguard-go is not installed");

beforeAll(sweep);

describe.skipIf(WITHOUT !== undefined)("tunnels of two sites", () => {
  let world: World;
  afterEach(() => world[Symbol.dispose]());

  test("come up whoever is first, with addresses, settings and the mark", async () => {
    world = new World(["a", "b"]);
    world.apply("a", world.plan("a"));
    await world.until("a is made", () => world.events("a", "wan.tunnel-made").length === 1);
    world.apply("b", world.plan("b"));
    await world.until("up", () => world.isUp("a", "b") && world.isUp("b", "a"));
    console.log(world.site("a").news, world.site("b").news);
    expect(overlay(0)).toBe("10.255.1.1");
  });
});
