/** Databases that do not fit into one packet, and networks with several routers. */
import { describe, expect, test } from "vitest";
import { buildLab } from "../../lab/build.ts";
import { describe as network } from "../../lab/description.ts";
import type { Host } from "../../lab/host.ts";
import { startBird } from "../../lab/peers/bird.ts";
import { startFrr } from "../../lab/peers/frr.ts";
import { missing } from "../../lab/peers/installed.ts";
import type { OspfInterface, RouterSpec } from "../../lab/peers/router.ts";
import { until } from "../../lab/peers/until.ts";
import { cable, PEER } from "./ospf-cable.ts";
import { interfaceOf, OspfUnderTest, planOf, routed, VIPS, vip } from "./ospf-router.ts";

const why = missing("frr", "bird");
const MANY = 3000;
const many = (version: 2 | 3): readonly string[] =>
  Array.from({ length: MANY }, (_, n) =>
    version === 2 ? `100.${n >> 8}.${n & 255}.0/24` : `2001:db8:${(n + 1).toString(16)}::/48`,
  );

async function ospfRoutes(host: Host, version: 2 | 3): Promise<number> {
  const { stdout } = await host.exec("ip", [version === 2 ? "-4" : "-6", "route", "show", "proto", "112"]);
  return stdout.split("\n").filter((line) => line !== "").length;
}

const lan = network({
  hosts: {
    us: { interfaces: { eth0: ["10.0.0.1/24", "fd00::1/64"] }, forwards: true },
    f: { interfaces: { eth0: ["10.0.0.2/24", "fd00::2/64"] }, forwards: true },
    b: { interfaces: { eth0: ["10.0.0.3/24", "fd00::3/64"] }, forwards: true },
    us2: { interfaces: { eth0: ["10.0.0.4/24", "fd00::4/64"] }, forwards: true },
  },
  switches: ["lan"],
  links: ["us", "f", "b", "us2"].map((host) => ({ from: `${host}:eth0` as const, to: "lan" })),
});

describe.skipIf(why !== undefined)(`OSPF at size (${why ?? "FRR and BIRD"})`, () => {
  test.each([[2], [3]] as const)(
    "RFC 2328 §10.8, §13.3, v%i: 3,000 externals of BIRD into our kernel, signed packets and all",
    { timeout: 90_000 },
    async (version) => {
      await using lab = await buildLab(cable);
      const key = { id: 1, algorithm: "hmac-sha256", secret: "s" } as const;
      const iface = { ifname: "eth0", type: "point-to-point", auth: { kind: "cryptographic", ...key } } as const;
      const spec: RouterSpec = {
        routerId: PEER,
        ospf: [{ version, areas: [{ id: "0.0.0.0", interfaces: [iface] }], networks: many(version) }],
      };
      await using bird = await startBird(lab.host("peer"), spec);
      const ours = interfaceOf({ type: "point-to-point", auth: { kind: "cryptographic", keys: [key] } });
      await using router = new OspfUnderTest(lab.host("us"), planOf(version, ours, { networks: [vip(version)] }));
      await router.full(PEER);
      const all = async (): Promise<boolean> => (await ospfRoutes(lab.host("us"), version)) === MANY;
      await until("all routes", all, { explain: () => router.explain(), every: 200, within: 30_000 });
      await routed(lab.host("peer"), VIPS[version], true, () => router.explain());
      await bird.configure({ ...spec, ospf: [{ version, areas: [{ id: "0.0.0.0", interfaces: [iface] }] }] });
      const none = async (): Promise<boolean> => (await ospfRoutes(lab.host("us"), version)) === 0;
      await until("no routes", none, { explain: () => router.explain(), every: 200, within: 30_000 });
      expect(router.neighbor(PEER)?.state).toBe("full");
    },
  );

  test.each([[2], [3]] as const)(
    "RFC 2328 §9.4, §10.4, v%i: four routers on a LAN: DROthers stop at 2-Way with each other, all hear of the VIP, two next hops share",
    { timeout: 90_000 },
    async (version) => {
      await using lab = await buildLab(lan);
      const spec = (routerId: string, iface: Partial<OspfInterface>): RouterSpec => ({
        routerId,
        ospf: [{ version, areas: [{ id: "0.0.0.0", interfaces: [{ ifname: "eth0", ...iface }] }] }],
      });
      await using _ = await startFrr(lab.host("f"), spec("2.2.2.2", { priority: 10 }));
      await using __ = await startBird(lab.host("b"), spec("3.3.3.3", { priority: 5 }));
      const plan = planOf(version, interfaceOf({ priority: 1 }), { networks: [vip(version)] });
      await using router = new OspfUnderTest(lab.host("us"), plan);
      await using second = new OspfUnderTest(lab.host("us2"), { ...plan, routerId: "4.4.4.4" });
      const explain = async (): Promise<string> => `${await router.explain()}\n${await second.explain()}`;
      await Promise.all([
        router.full("2.2.2.2"),
        router.full("3.3.3.3"),
        second.full("2.2.2.2"),
        second.full("3.3.3.3"),
      ]);
      await until(
        "2-way",
        () => router.neighbor("4.4.4.4")?.state === "2-way" && second.neighbor("1.1.1.1")?.state === "2-way",
        { explain },
      );
      expect([router.report()?.state, second.report()?.state]).toEqual(["dr-other", "dr-other"]);
      const ways = async (host: string): Promise<number> =>
        (await routed(lab.host(host), VIPS[version], true, explain)).length;
      for (const host of ["f", "b"])
        await until(`two ways to the VIP on ${host}`, async () => (await ways(host)) === 2, { explain });
      const leaving = router.neighbor("4.4.4.4")?.address ?? "";
      await second.stop(false);
      for (const host of ["f", "b"]) {
        const look = async (): Promise<boolean> => {
          const via = await routed(lab.host(host), VIPS[version], true, explain);
          return via.length === 1 && !via.includes(leaving);
        };
        await until(`the other way to the VIP on ${host}`, look, { explain });
      }
    },
  );

  test("RFC 6987: a drain says max-metric first; the VIP leaves after the grace, and only then `withdrawn`", {
    timeout: 60_000,
  }, async () => {
    await using lab = await buildLab(cable);
    const spec: RouterSpec = {
      routerId: PEER,
      ospf: [{ version: 2, areas: [{ id: "0.0.0.0", interfaces: [{ ifname: "eth0", type: "point-to-point" }] }] }],
    };
    await using frr = await startFrr(lab.host("peer"), spec);
    await using router = new OspfUnderTest(
      lab.host("us"),
      planOf(2, interfaceOf({ type: "point-to-point" }), { networks: [vip(2)] }),
    );
    await router.full(PEER);
    await routed(lab.host("peer"), VIPS[2], true, () => router.explain());
    router.tell({ kind: "withdraw", grace: 8000 });
    const stub = async (): Promise<boolean> =>
      (await frr.ask("ospfd", "show ip ospf database router adv-router 1.1.1.1")).includes("65535");
    await until("max-metric", stub, { explain: () => router.explain() });
    await routed(lab.host("peer"), VIPS[2], true, () => router.explain());
    await router.said("withdrawn");
    await routed(lab.host("peer"), VIPS[2], false, () => router.explain());
    expect(router.neighbor(PEER)?.state).toBe("full");
  });

  test("a router that is killed and comes back takes its routes over, and removes what is no more", {
    timeout: 60_000,
  }, async () => {
    await using lab = await buildLab(cable);
    const spec = (networks: readonly string[]): RouterSpec => ({
      routerId: PEER,
      ospf: [
        { version: 2, areas: [{ id: "0.0.0.0", interfaces: [{ ifname: "eth0", type: "point-to-point" }] }], networks },
      ],
    });
    const [stays, goes] = ["198.51.100.0/24", "203.0.113.0/24"] as const;
    await using bird = await startBird(lab.host("peer"), spec([stays, goes]));
    const plan = planOf(2, interfaceOf({ type: "point-to-point" }));
    {
      await using first = new OspfUnderTest(lab.host("us"), plan);
      await routed(lab.host("us"), goes, true, () => first.explain());
      first.running.signalTree("SIGKILL");
    }
    await routed(lab.host("us"), stays, true, () => "");
    await lab
      .host("us")
      .exec("ip", ["route", "add", "192.0.2.99/32", "via", "10.0.0.2", "proto", "static", "metric", "110"]);
    await bird.configure(spec([stays, "192.0.2.99/32"]));
    await using second = new OspfUnderTest(lab.host("us"), plan);
    await second.full(PEER);
    await routed(lab.host("us"), goes, false, () => second.explain());
    await routed(lab.host("us"), stays, true, () => second.explain());
    // A stranger's route in the same place stays his, and we say so.
    await until("the refusal", () => second.events.find(({ name }) => name === "ospf.route-refused"), {
      explain: () => second.explain(),
    });
    const { stdout } = await lab.host("us").exec("ip", ["route", "show", "192.0.2.99"]);
    expect(stdout).toContain("proto static");
  });
});
