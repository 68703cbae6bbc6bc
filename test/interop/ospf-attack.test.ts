/** A station on the link that floods routers with packets of every kind, right and wrong. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { buildLab } from "../../lab/build.ts";
import { describe as network } from "../../lab/description.ts";
import { startFrr } from "../../lab/peers/frr.ts";
import { missing } from "../../lab/peers/installed.ts";
import { kernelRoutes } from "../../lab/peers/kernel.ts";
import { interfaceOf, OspfUnderTest, planOf, routed, THEIRS, VIPS, vip } from "./ospf-router.ts";

const lan = network({
  hosts: {
    us: { interfaces: { eth0: ["10.0.0.1/24"] }, forwards: true },
    peer: { interfaces: { eth0: ["10.0.0.2/24"] }, forwards: true },
    foe: { interfaces: { eth0: ["10.0.0.66/24"] } },
  },
  switches: ["lan"],
  links: ["us", "peer", "foe"].map((host) => ({ from: `${host}:eth0` as const, to: "lan" })),
});
const why = missing("frr");
const PEER = "2.2.2.2";

function memory(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
}

describe.skipIf(why !== undefined)(`OSPF under attack (${why ?? "FRR"})`, () => {
  test.each([
    ["signed: whoever is named as the sender", "secret", ["10.0.0.2", "10.0.0.1"]],
    ["open: strangers", undefined, []],
  ] as const)(
    "%s: the neighbor never notices, memory is bounded, the reasons are counted",
    { timeout: 90_000 },
    async (_name, secret, sources) => {
      await using lab = await buildLab(lan);
      const key = secret === undefined ? undefined : ({ id: 1, algorithm: "md5", secret } as const);
      const iface = {
        ifname: "eth0",
        priority: 1,
        ...(key === undefined ? {} : { auth: { kind: "cryptographic", ...key } as const }),
      };
      await using _ = await startFrr(lab.host("peer"), {
        routerId: PEER,
        ospf: [{ version: 2, areas: [{ id: "0.0.0.0", interfaces: [iface] }], networks: [THEIRS[2]] }],
      });
      const auth = key === undefined ? undefined : ({ kind: "cryptographic", keys: [key] } as const);
      const plan = planOf(2, interfaceOf({ priority: 10, auth }), { networks: [vip(2)] });
      await using router = new OspfUnderTest(lab.host("us"), plan, "silent");
      const { since } = await router.full(PEER);
      await routed(lab.host("us"), THEIRS[2], true, () => router.explain());
      await routed(lab.host("peer"), VIPS[2], true, () => router.explain());
      const before = memory(router.running.pid);
      const foe = { ifname: "eth0", rounds: 40, each: 500, sources, victim: "1.1.1.1" };
      await using attack = lab.host("foe").node("test/interop/ospf-attacker.ts", [JSON.stringify(foe)]);
      await attack.says(/done/, 40_000);
      const told = router.reportsTold;
      router.tell({ kind: "ask" });
      await router.said("answer");
      expect(router.neighbor(PEER)).toMatchObject({ state: "full", since });
      expect(await kernelRoutes(lab.host("us"), THEIRS[2])).toHaveLength(1);
      expect(await kernelRoutes(lab.host("peer"), VIPS[2])).toHaveLength(1);
      const after = memory(router.running.pid);
      process.stdout.write(`${JSON.stringify({ before, after, told, refused: router.report()?.refused })}\n`);
      expect(after - before).toBeLessThan(60);
      if (secret !== undefined) expect(router.report()?.neighbors).toHaveLength(1);
      const { refused = {} } = router.report() ?? {};
      expect(Object.values(refused).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(1000);
    },
  );
});
