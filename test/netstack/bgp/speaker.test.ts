import { describe, expect, test } from "vitest";
import { network, peerOf, planOf, World } from "./world.ts";

describe("two speakers", () => {
  test("RFC 4271 §8: they come up, and tell each other what they have", () => {
    const world = new World(7);
    const a = world.node("a", "10.0.0.1", "2001:db8::1", "fe80::1");
    const b = world.node("b", "10.0.0.2", "2001:db8::2", "fe80::2");
    a.plan(
      planOf(65001, "10.0.0.1", {
        peers: [peerOf("b", "10.0.0.2", 65002)],
        networks: [network("192.0.2.1/32", { communities: ["65001:7"], med: 5 }), network("2001:db8:1::1/128")],
      }),
    );
    b.plan(planOf(65002, "10.0.0.2", { peers: [peerOf("a", "10.0.0.1", 65001)] }));
    world.run(10_000);
    expect(a.state("b")).toBe("established");
    expect(b.state("a")).toBe("established");
    expect([...b.best().values()]).toMatchObject([
      { prefix: "192.0.2.1/32", nextHop: "10.0.0.1", asPath: "65001", med: 5, communities: ["65001:7"], origin: "igp" },
      { prefix: "2001:db8:1::1/128", nextHop: "fe80::1", asPath: "65001" },
    ]);
    expect([...b.fib]).toEqual([
      ["192.0.2.1/32", ["10.0.0.1"]],
      ["2001:db8:1::1/128", ["fe80::1"]],
    ]);
    world.run(600_000);
    expect(a.state("b")).toBe("established");
    a.plan(planOf(65001, "10.0.0.1", { peers: [peerOf("b", "10.0.0.2", 65002)] }));
    world.run(1000);
    expect(b.best().size).toBe(0);
    expect(b.fib.size).toBe(0);
  });
});
