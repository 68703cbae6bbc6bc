/** Unnumbered BGP with FRR: the peer is the router that an interface's advertisements tell; RFC 8950 next hops. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Lab } from "../../lab/build.ts";
import { missing } from "../../lab/peers/installed.ts";
import { type Pair, pairOf, THEIRS4, THEIRS6 } from "./bgp-peers.ts";
import { bgpLab, routed, VIP4, VIP6 } from "./bgp-router.ts";

const MISSING = missing("frr");

describe.skipIf(MISSING !== undefined)("unnumbered BGP with FRR", () => {
  let lab: Lab;
  let pair: Pair | undefined;
  beforeAll(async () => {
    lab = await bgpLab();
    // Nothing but link-local addresses.
    for (const name of ["a", "r"]) await lab.host(name).exec("ip", ["-4", "address", "flush", "dev", "eth0"]);
    for (const name of ["a", "r"])
      await lab.host(name).exec("ip", ["-6", "address", "flush", "dev", "eth0", "scope", "global"]);
  });
  afterAll(async () => await lab?.[Symbol.asyncDispose]());
  afterEach(async () => {
    await pair?.[Symbol.asyncDispose]();
    pair = undefined;
  });

  test.each(["both", "active", "passive"] as const)(
    "RFC 4861, RFC 8950: found by router advertisements both ways (%s); IPv4 by IPv6 next hops in both kernels",
    async (mode) => {
      const both = await unnumberedPair({ mode });
      const report = await both.us.established();
      expect(report.address).toMatch(/^fe80::/);
      expect(report.ifname).toBe("eth0");
      for (const prefix of [VIP4, VIP6]) {
        expect((await routed(lab.host("r"), prefix, true, both.explain))?.via[0]).toMatch(/^fe80::/);
      }
      for (const prefix of [THEIRS4, THEIRS6]) {
        expect((await routed(lab.host("a"), prefix, true, both.explain))?.via).toEqual([report.address]);
      }
    },
  );

  test("the interface loses its carrier: the session ends at once; it is found again", async () => {
    const both = await unnumberedPair({});
    const { established } = await both.us.established();
    await lab.host("a").exec("ip", ["link", "set", "dev", "eth0", "down"]);
    await both.us.until("down", () => both.us.peer()?.state !== "established", 3000);
    await routed(lab.host("a"), THEIRS4, false, both.explain);
    await lab.host("a").exec("ip", ["link", "set", "dev", "eth0", "up"]);
    await both.us.until("again", () => (both.us.peer()?.established ?? 0) > established, 60_000);
    await routed(lab.host("a"), THEIRS4, true, both.explain);
  });

  async function unnumberedPair(own: { readonly mode?: "active" | "passive" | "both" }): Promise<Pair> {
    pair = await pairOf(lab, {
      make: "frr",
      unnumbered: "eth0",
      theirs: { extendedNextHop: true },
      own: { address: undefined, ifname: "eth0", extendedNextHop: true, ...own },
    });
    return pair;
  }
});
