/** Adjacencies that BFD guards, with the sessions that pulse runs: a silent cable is noticed long before the dead interval. */
import { describe, expect, test } from "vitest";
import { buildLab } from "../../lab/build.ts";
import { startBird } from "../../lab/peers/bird.ts";
import { startFrr } from "../../lab/peers/frr.ts";
import { missing } from "../../lab/peers/installed.ts";
import type { RouterSpec } from "../../lab/peers/router.ts";
import { until } from "../../lab/peers/until.ts";
import { cable, PEER } from "./ospf-cable.ts";
import { interfaceOf, OspfUnderTest, planOf, routed, THEIRS, VIPS, vip } from "./ospf-router.ts";

const why = missing("frr", "bird");
/** Seconds; nothing but BFD can notice anything before. */
const DEAD = 60;

describe.skipIf(why !== undefined)(`OSPF guarded by BFD (${why ?? "FRR and BIRD"})`, () => {
  test.each([
    ["frr", 2],
    ["frr", 3],
    ["bird", 2],
    ["bird", 3],
  ] as const)(
    "RFC 5882 §4, §10.2, %s, v%i: Full with a session Up; a silent cable takes routes out of both kernels, and back",
    { timeout: 90_000 },
    async (make, version) => {
      await using lab = await buildLab(cable);
      const bfd = { interval: 100, multiplier: 3 };
      const iface = { ifname: "eth0", type: "point-to-point", hello: 1, dead: DEAD, bfd } as const;
      const spec: RouterSpec = {
        routerId: PEER,
        ospf: [{ version, areas: [{ id: "0.0.0.0", interfaces: [iface] }], networks: [THEIRS[version]] }],
      };
      await using _ = make === "frr" ? await startFrr(lab.host("peer"), spec) : await startBird(lab.host("peer"), spec);
      const timing = {
        desiredMinTx: 100,
        requiredMinRx: 100,
        multiplier: 3,
        echoTx: undefined,
        requiredMinEchoRx: 0,
        demand: false,
      };
      const ours = interfaceOf({ type: "point-to-point", dead: DEAD * 1000, bfd: timing });
      await using router = new OspfUnderTest(
        lab.host("us"),
        planOf(version, ours, { networks: [vip(version)] }),
        "bfd",
      );
      const explain = () => router.explain();
      await router.full(PEER);
      await until("BFD Up", () => router.neighbor(PEER)?.bfd === "up", { explain });
      await routed(lab.host("us"), THEIRS[version], true, explain);
      await routed(lab.host("peer"), VIPS[version], true, explain);
      lab.cut("us:eth0", "silent");
      await routed(lab.host("us"), THEIRS[version], false, explain);
      await routed(lab.host("peer"), VIPS[version], false, explain);
      expect(router.traced(/bfd-down/).length).toBeGreaterThan(0);
      lab.restore("us:eth0");
      await router.full(PEER);
      await routed(lab.host("us"), THEIRS[version], true, explain);
      await routed(lab.host("peer"), VIPS[version], true, explain);
    },
  );
});
