/** Adjacencies with FRR and BIRD in every role and on every kind of interface; routes in kernels both ways. */
import { describe, expect, test } from "vitest";
import { buildLab } from "../../lab/build.ts";
import type { Host } from "../../lab/host.ts";
import { startBird } from "../../lab/peers/bird.ts";
import { startFrr } from "../../lab/peers/frr.ts";
import { missing } from "../../lab/peers/installed.ts";
import type { OspfInterface, RouterSpec } from "../../lab/peers/router.ts";
import type { OspfInterfaceSpec } from "../../netstack/ospf/plan.ts";
import { cable, PEER } from "./ospf-cable.ts";
import { interfaceOf, OspfUnderTest, planOf, routed, THEIRS, VIPS, vip } from "./ospf-router.ts";

type Make = "frr" | "bird";
type Version = 2 | 3;
const why = missing("frr", "bird");

async function startPeer(
  make: Make,
  host: Host,
  version: Version,
  iface: Partial<OspfInterface>,
): Promise<AsyncDisposable> {
  const spec: RouterSpec = {
    routerId: PEER,
    ospf: [
      { version, areas: [{ id: "0.0.0.0", interfaces: [{ ifname: "eth0", ...iface }] }], networks: [THEIRS[version]] },
    ],
  };
  return make === "frr" ? await startFrr(host, spec) : await startBird(host, spec);
}

interface Case {
  readonly ours: Partial<OspfInterfaceSpec>;
  readonly theirs: Partial<OspfInterface>;
  readonly state: string;
}
const CASES: Readonly<Record<string, Case>> = {
  "as DR": { ours: { priority: 10 }, theirs: { priority: 1 }, state: "dr" },
  "as BDR": { ours: { priority: 1 }, theirs: { priority: 10 }, state: "backup" },
  "as DROther": { ours: { priority: 0 }, theirs: { priority: 1 }, state: "dr-other" },
  "point-to-point": { ours: { type: "point-to-point" }, theirs: { type: "point-to-point" }, state: "point-to-point" },
};

describe.skipIf(why !== undefined)(`OSPF with real peers (${why ?? "both here"})`, { concurrent: true }, () => {
  const all = (["frr", "bird"] as const).flatMap((make) =>
    ([2, 3] as const).flatMap((version) => Object.keys(CASES).map((name) => [make, version, name] as const)),
  );
  test.each(all)(
    "%s, v%i, %s: Full; routes in both kernels, and gone when withdrawn",
    { timeout: 60_000 },
    async (make, version, name) => {
      const { ours, theirs, state } = CASES[name] ?? { ours: {}, theirs: {}, state: "" };
      await using lab = await buildLab(cable);
      await using _ = await startPeer(make, lab.host("peer"), version, theirs);
      const plan = planOf(version, interfaceOf(ours), { networks: [vip(version)] });
      await using router = new OspfUnderTest(lab.host("us"), plan);
      const explain = () => router.explain();
      await router.full(PEER);
      expect(router.report()?.state).toBe(state);
      await routed(lab.host("us"), THEIRS[version], true, explain);
      const via = await routed(lab.host("peer"), VIPS[version], true, explain);
      expect(via).toHaveLength(1);
      if (name === "point-to-point") {
        // A host route of the router LSA, or of an intra-area-prefix LSA, takes the external's place.
        router.plan({ ...plan, networks: [vip(version, { as: "host" })] });
        await routed(lab.host("peer"), VIPS[version], true, explain);
      }
      router.plan({ ...plan, networks: [] });
      await routed(lab.host("peer"), VIPS[version], false, explain);
      expect(router.neighbor(PEER)?.state).toBe("full");
      await router.stop(false);
      await routed(lab.host("us"), THEIRS[version], false, explain);
    },
  );

  const nbma = [
    ["frr", 2, "10.0.0.1", "10.0.0.2"],
    ["bird", 2, "10.0.0.1", "10.0.0.2"],
  ] as const;
  test.each(nbma)(
    "%s, v%i, NBMA: unicast only, Full; routes in both kernels",
    { timeout: 60_000 },
    async (make, version, us, them) => {
      await using lab = await buildLab(cable);
      await using _ = await startPeer(make, lab.host("peer"), version, { type: "nbma", neighbors: [us] });
      const iface = interfaceOf({ type: "nbma", neighbors: [{ address: them, priority: 1 }] });
      await using router = new OspfUnderTest(lab.host("us"), planOf(version, iface, { networks: [vip(version)] }));
      await router.full(PEER);
      await routed(lab.host("us"), THEIRS[version], true, () => router.explain());
      await routed(lab.host("peer"), VIPS[version], true, () => router.explain());
      expect(router.traced(/to 224\./)).toEqual([]);
    },
  );

  test("bird, v3, NBMA: unicast only, to link-local addresses; routes in both kernels", {
    timeout: 60_000,
  }, async () => {
    await using lab = await buildLab(cable);
    const linkLocal = async (host: string): Promise<string> => {
      const { stdout } = await lab.host(host).exec("ip", ["-6", "-o", "addr", "show", "dev", "eth0", "scope", "link"]);
      return /inet6 (\S+)\//.exec(stdout)?.[1] ?? "";
    };
    const [us, them] = await Promise.all([linkLocal("us"), linkLocal("peer")]);
    await using _ = await startPeer("bird", lab.host("peer"), 3, { type: "nbma", neighbors: [us] });
    const iface = interfaceOf({ type: "nbma", neighbors: [{ address: them, priority: 1 }] });
    await using router = new OspfUnderTest(lab.host("us"), planOf(3, iface, { networks: [vip(3)] }));
    await router.full(PEER);
    await routed(lab.host("us"), THEIRS[3], true, () => router.explain());
    await routed(lab.host("peer"), VIPS[3], true, () => router.explain());
    expect(router.traced(/to ff02/)).toEqual([]);
  });
});
