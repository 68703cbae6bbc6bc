/** What goes wrong between routers: MTU, silence, BFD, areas; and restarts of either side. */
import { describe, expect, test } from "vitest";
import { buildLab } from "../../lab/build.ts";
import { startBird } from "../../lab/peers/bird.ts";
import { startFrr } from "../../lab/peers/frr.ts";
import { missing } from "../../lab/peers/installed.ts";
import { kernelRoutes } from "../../lab/peers/kernel.ts";
import type { OspfAreaSpec, RouterSpec } from "../../lab/peers/router.ts";
import { until } from "../../lab/peers/until.ts";
import type { BfdReport } from "../../netstack/bfd/plan.ts";
import { cable, PEER } from "./ospf-cable.ts";
import { interfaceOf, OspfUnderTest, planOf, routed, THEIRS, VIPS, vip } from "./ospf-router.ts";

const why = missing("frr", "bird");
const ptp = interfaceOf({ type: "point-to-point" });
/** The peer has our router LSA with the link to it, which waited for MinLSInterval. */
const SETTLED = /acknowledgement from 2\.2\.2\.2.*router \S+ by 1\.1\.1\.1 \(age \d+, sequence 0x80000002/;
const TIMING = {
  desiredMinTx: 50,
  requiredMinRx: 50,
  multiplier: 3,
  echoTx: undefined,
  requiredMinEchoRx: 0,
  demand: false,
} as const;

/** `opaque`: grace LSAs of version 2 are opaque LSAs, which FRR learns to speak only so. */
function peer(version: 2 | 3, more: Partial<OspfAreaSpec> = {}, restartTime?: number, opaque = false): RouterSpec {
  const area = { id: "0.0.0.0", interfaces: [{ ifname: "eth0", type: "point-to-point" as const }], ...more };
  const restarts = restartTime === undefined ? {} : { gracefulRestart: { restartTime } };
  return {
    routerId: PEER,
    ospf: [{ version, areas: [area], networks: [THEIRS[version]], ...restarts }],
    ...(opaque ? { extra: "router ospf\n capability opaque\nexit" } : {}),
  };
}

describe.skipIf(why !== undefined)(`OSPF in trouble (${why ?? "FRR and BIRD"})`, { concurrent: true }, () => {
  test.each([[2], [3]] as const)(
    "RFC 2328 §10.6, v%i, FRR: a larger MTU than ours is refused and reported; with mtuIgnore, Full",
    { timeout: 60_000 },
    async (version) => {
      await using lab = await buildLab(cable);
      await lab.host("us").exec("ip", ["link", "set", "eth0", "mtu", "1400"]);
      // FRR's OSPFv3 refuses a smaller one too, unless it is told not to.
      const lenient = { ifname: "eth0", type: "point-to-point", mtuIgnore: true } as const;
      await using _ = await startFrr(lab.host("peer"), peer(version, { interfaces: [lenient] }));
      await using router = new OspfUnderTest(lab.host("us"), planOf(version, ptp));
      await until("the mismatch", () => router.neighbor(PEER)?.lastError?.startsWith("mtu-mismatch"), {
        explain: () => router.explain(),
      });
      expect(["ex-start", "exchange"]).toContain(router.neighbor(PEER)?.state);
      router.plan(planOf(version, { ...ptp, mtuIgnore: true }));
      await router.full(PEER);
    },
  );

  test.each([[2], [3]] as const)(
    "RFC 2328 §10.3, v%i, FRR: a neighbor that falls silent is gone after the dead interval, with its routes",
    { timeout: 60_000 },
    async (version) => {
      await using lab = await buildLab(cable);
      const daemon = version === 2 ? "ospfd" : "ospf6d";
      await using frr = await startFrr(lab.host("peer"), peer(version));
      await using router = new OspfUnderTest(lab.host("us"), planOf(version, ptp));
      await router.full(PEER);
      await routed(lab.host("us"), THEIRS[version], true, () => router.explain());
      await frr.end(daemon, "SIGKILL");
      await routed(lab.host("us"), THEIRS[version], false, () => router.explain());
      expect(router.neighbor(PEER)).toBeUndefined();
    },
  );

  test("RFC 5882 §4.2, §10.2, BIRD: BFD that was never Up changes nothing; one that fails takes the neighbor down at once", {
    timeout: 60_000,
  }, async () => {
    await using lab = await buildLab(cable);
    await using _ = await startBird(lab.host("peer"), peer(2));
    const iface = interfaceOf({ type: "point-to-point", dead: 40_000, bfd: TIMING });
    // The peer must agree about the dead interval.
    await using router = new OspfUnderTest(lab.host("us"), planOf(2, { ...iface, dead: 4000 }));
    await router.full(PEER);
    await routed(lab.host("us"), THEIRS[2], true, () => router.explain());
    const session = await until("the wish", () => router.sessions.find((each) => each.peer === "10.0.0.2"), {
      explain: () => router.explain(),
    });
    expect(session).toMatchObject({ ifname: "eth0", hops: "single", timing: { desiredMinTx: 50, multiplier: 3 } });
    const report = (state: "up" | "down", wasUp: boolean): BfdReport => ({
      id: session.id,
      peer: session.peer,
      local: session.local,
      ifname: session.ifname,
      state,
      wasUp,
      remoteState: state,
      diagnostic: state === "down" && wasUp ? "control-detection-expired" : "none",
      remoteDiagnostic: "none",
      localDiscriminator: 1,
      remoteDiscriminator: 2,
      txInterval: 50,
      detectionTime: 150,
      since: 0,
      flaps: 0,
      received: 0,
      sent: 0,
      refused: {},
      hops: "single",
      unsolicited: false,
      echoInterval: undefined,
      heard: undefined,
      lastRefusal: undefined,
    });
    router.bfd(report("down", false));
    router.bfd(report("up", true));
    router.tell({ kind: "ask" });
    await router.said("answer");
    expect(router.neighbor(PEER)?.state).toBe("full");
    router.bfd(report("down", true));
    await until("the transition", () => router.traced(/bfd/).some(({ direction }) => direction === "state"), {
      explain: () => router.explain(),
    });
  });

  test.each([
    ["frr", 2],
    ["bird", 2],
    ["bird", 3],
  ] as const)(
    "RFC 3101, %s, v%i: a VIP as type 7 in an NSSA, in the peer's kernel",
    { timeout: 60_000 },
    async (make, version) => {
      await using lab = await buildLab(cable);
      const area = { id: "0.0.0.1", kind: "nssa" } as const;
      const spec = peer(version, area);
      await using _ = make === "frr" ? await startFrr(lab.host("peer"), spec) : await startBird(lab.host("peer"), spec);
      const plan = planOf(version, ptp, { networks: [vip(version)], area });
      await using router = new OspfUnderTest(lab.host("us"), plan);
      await router.full(PEER);
      await routed(lab.host("us"), THEIRS[version], true, () => router.explain());
      await routed(lab.host("peer"), VIPS[version], true, () => router.explain());
      router.tell({ kind: "ask" });
      await router.said("answer");
      const types = router.answer?.lsas.filter((each) => each.advertisingRouter === "1.1.1.1").map((each) => each.type);
      expect(types).toContain("nssa");
      router.plan({ ...plan, networks: [] });
      await routed(lab.host("peer"), VIPS[version], false, () => router.explain());
    },
  );

  test.each([[2], [3]] as const)(
    "RFC 3623 §3, RFC 5187, v%i: FRR restarts and we help: its route never leaves our kernel",
    { timeout: 60_000 },
    async (version) => {
      await using lab = await buildLab(cable);
      const daemon = version === 2 ? "ospfd" : "ospf6d";
      await using frr = await startFrr(lab.host("peer"), peer(version, {}, 60, version === 2));
      await using router = new OspfUnderTest(lab.host("us"), planOf(version, ptp));
      await router.full(PEER);
      await routed(lab.host("us"), THEIRS[version], true, () => router.explain());
      // With a changed LSA of ours under way to it, a helper would have to refuse (§3.1 (2)).
      await until("our last LSA acknowledged", () => router.traced(SETTLED).length > 0, {
        explain: () => router.explain(),
      });
      await using watched = lab.host("us").spawn("ip", ["monitor", "route"]);
      await frr.ask(daemon, `graceful-restart prepare ${version === 2 ? "ip" : "ipv6"} ospf`);
      await frr.end(daemon, "SIGTERM");
      await until("helping", () => router.events.some(({ name }) => name === "ospf.helping"), {
        explain: () => router.explain(),
      });
      const moves = router.traced(/./).length;
      await frr.restart(daemon);
      const again = (): boolean =>
        router
          .traced(/ → full/)
          .some((line) => line.direction === "state" && router.traced(/./).indexOf(line) >= moves);
      await until("Full again", again, { explain: () => router.explain() });
      await until("the end of helping", () => router.events.some(({ name }) => name === "ospf.helped"), {
        explain: () => router.explain(),
      });
      expect(await kernelRoutes(lab.host("us"), THEIRS[version])).toHaveLength(1);
      expect(watched.output()).not.toContain(`Deleted ${THEIRS[version]}`);
    },
  );

  test.each([
    ["frr", 2],
    ["bird", 2],
    ["bird", 3],
  ] as const)(
    "RFC 3623 §2, %s, v%i: we restart and the peer helps: the VIP never leaves its kernel",
    { timeout: 60_000 },
    async (make, version) => {
      await using lab = await buildLab(cable);
      const spec = peer(version, {}, 60, make === "frr");
      await using _ = make === "frr" ? await startFrr(lab.host("peer"), spec) : await startBird(lab.host("peer"), spec);
      const plan = planOf(version, ptp, { networks: [vip(version)] });
      const there = async (): Promise<void> => {
        expect(await kernelRoutes(lab.host("peer"), VIPS[version])).toHaveLength(1);
        expect(await kernelRoutes(lab.host("us"), THEIRS[version])).toHaveLength(1);
      };
      await using theirs = lab.host("peer").spawn("ip", ["monitor", "route"]);
      await using ours = lab.host("us").spawn("ip", ["monitor", "route"]);
      const never = (): void => {
        expect(theirs.output()).not.toContain(`Deleted ${VIPS[version].split("/")[0]}`);
        expect(ours.output()).not.toContain(`Deleted ${THEIRS[version]}`);
      };
      {
        await using first = new OspfUnderTest(lab.host("us"), plan);
        await first.full(PEER);
        await routed(lab.host("us"), THEIRS[version], true, () => first.explain());
        await routed(lab.host("peer"), VIPS[version], true, () => first.explain());
        await first.stop(true);
      }
      await there();
      await using second = new OspfUnderTest(lab.host("us"), { ...plan, restarting: true });
      await second.full(PEER);
      await there();
      await until("the end of the restart", () => second.events.some(({ name }) => name.includes("restart")), {
        explain: () => second.explain(),
      });
      await there();
      never();
    },
  );
});
