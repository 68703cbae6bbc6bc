/** BGP with BIRD, both directions and both families. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Lab } from "../../lab/build.ts";
import { type Bird, startBird } from "../../lab/peers/bird.ts";
import { missing } from "../../lab/peers/installed.ts";
import type { BgpSpec, NeighborSpec } from "../../lab/peers/router.ts";
import { until } from "../../lab/peers/until.ts";
import type { BgpPeerSpec, BgpPlan } from "../../netstack/bgp/plan.ts";
import { bgpLab, bgpOf, networkOf, peerOf, planOf, RoutingUnderTest, routed, VIP4, VIP6 } from "./bgp-router.ts";

const MISSING = missing("bird");
const NEIGHBOR: NeighborSpec = {
  name: "ours",
  address: "10.0.0.1",
  local: "10.0.0.2",
  asn: 65001,
  families: ["ipv4", "ipv6"],
};
const THEIRS = ["198.51.100.0/24", "2001:db8:77::/48"] as const;

describe.skipIf(MISSING !== undefined)("BGP with BIRD", () => {
  let lab: Lab;
  let bird: Bird | undefined;
  let ours: RoutingUnderTest | undefined;
  beforeAll(async () => {
    lab = await bgpLab();
  });
  afterAll(async () => await lab?.[Symbol.asyncDispose]());
  afterEach(async () => {
    await ours?.[Symbol.asyncDispose]();
    await bird?.[Symbol.asyncDispose]();
    ours = undefined;
    bird = undefined;
  });

  async function both(
    theirs: Partial<NeighborSpec> = {},
    own: Partial<BgpPeerSpec> = {},
    plan: Partial<BgpPlan> = {},
    bgp: Partial<BgpSpec> = {},
  ): Promise<{ readonly router: Bird; readonly us: RoutingUnderTest }> {
    const neighbors = [{ ...NEIGHBOR, ...theirs }];
    const router = await startBird(lab.host("r"), {
      routerId: "2.2.2.2",
      bgp: { asn: 65002, neighbors, networks: THEIRS, ...bgp },
    });
    bird = router;
    const us = new RoutingUnderTest(lab.host("a"), planOf(bgpOf([peerOf(own)], plan)));
    ours = us;
    return { router, us };
  }
  const explain = (): string => `${ours?.explain() ?? ""}\n${bird?.log().slice(-3000) ?? ""}`;

  test.each([
    ["IPv4", "10.0.0.1", "10.0.0.2"],
    ["IPv6", "fd00::1", "fd00::2"],
  ])(
    "RFC 4760: both families over %s: VIPs in its kernel by way of us, its routes in ours by way of it",
    async (_, a, r) => {
      const { router, us } = await both({ address: a, local: r }, { address: r });
      const report = await us.established();
      expect(report).toMatchObject({ asn: 65002, routerId: "2.2.2.2", holdTime: 9000 });
      await routed(lab.host("r"), VIP4, ["10.0.0.1"], explain);
      await routed(lab.host("r"), VIP6, ["fd00::1"], explain);
      const four = await routed(lab.host("a"), THEIRS[0], ["10.0.0.2"], explain);
      expect(four).toMatchObject({ protocol: "111", metric: 20 });
      await routed(lab.host("a"), THEIRS[1], true, explain);
      const shown = await router.ask(`show route for ${VIP4} all`);
      expect(shown).toMatch(/BGP\.origin: IGP/);
      expect(shown).toMatch(/BGP\.as_path: 65001\n/);
      expect(us.vips.get("v")).toMatchObject({ state: "announced" });
      await us.stop(false);
      await routed(lab.host("r"), VIP4, false, explain);
      await routed(lab.host("a"), THEIRS[0], false, explain);
    },
  );
});
