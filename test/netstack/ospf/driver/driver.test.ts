/** Two routers of ours on a cable: what leaves the sockets, what happens to the kernel, how links change under them. */
import { describe, expect, test } from "vitest";
import { buildLab } from "../../../../lab/build.ts";
import { capture } from "../../../../lab/capture.ts";
import { kernelRoutes } from "../../../../lab/peers/kernel.ts";
import { until } from "../../../../lab/peers/until.ts";
import { cable } from "../../../interop/ospf-cable.ts";
import { interfaceOf, OspfUnderTest, planOf, routed, VIPS, vip } from "../../../interop/ospf-router.ts";

const PEER = "2.2.2.2";
const ptp = interfaceOf({ type: "point-to-point" });
const broadcast = interfaceOf({ priority: 10 });

describe.skipIf(process.getuid?.() !== 0)(
  "an OSPF router of ours and another (needs root)",
  {
    concurrent: true,
  },
  () => {
    test.each([[2], [3]] as const)(
      "RFC 2328 A.1, RFC 5340 A.1, v%i: protocol 89, precedence Internetwork Control, TTL 1, to the groups",
      { timeout: 60_000 },
      async (version) => {
        await using lab = await buildLab(cable);
        await using seen = await capture(lab, { everything: true });
        await using router = new OspfUnderTest(lab.host("us"), planOf(version, broadcast));
        await using peer = new OspfUnderTest(lab.host("peer"), planOf(version, interfaceOf(), { routerId: PEER }));
        await Promise.all([router.full(PEER), peer.full("1.1.1.1")]);
        const { frames } = await seen.stop();
        const packets = frames.map(({ octets }) => octets).filter((octets) => protocolOf(octets) === `${version} 89`);
        expect(packets.length).toBeGreaterThan(5);
        const places = packets.map((octets) =>
          version === 2
            ? { class: octets[15], hops: octets[22] }
            : { class: (((octets[14] ?? 0) & 15) << 4) | ((octets[15] ?? 0) >> 4), hops: octets[21] },
        );
        for (const place of places) expect(place).toEqual({ class: 0xc0, hops: 1 });
        if (version === 3) return;
        const destinations = new Set(packets.map((octets) => octets.subarray(30, 34).join(".")));
        expect([...destinations]).toEqual(expect.arrayContaining(["224.0.0.5", "10.0.0.1", "10.0.0.2"]));
      },
    );

    test("what an earlier life left in the kernel goes with the first complete picture, other tables and strangers stay", {
      timeout: 60_000,
    }, async () => {
      await using lab = await buildLab(cable);
      const add = (prefix: string, ...more: readonly string[]) =>
        lab.host("us").exec("ip", ["route", "add", prefix, "via", "10.0.0.2", ...more]);
      await add("203.0.113.0/24", "proto", "112", "metric", "110");
      await add("203.0.114.0/24", "proto", "112", "metric", "7"); // of another configuration
      await add("203.0.115.0/24", "proto", "111", "metric", "110"); // BGP's
      await add("203.0.116.0/24", "proto", "static");
      await using router = new OspfUnderTest(lab.host("us"), planOf(2, ptp));
      await using peer = new OspfUnderTest(lab.host("peer"), planOf(2, ptp, { routerId: PEER, networks: [vip(2)] }));
      await routed(lab.host("us"), VIPS[2], true, () => router.explain());
      for (const [prefix, count] of [
        ["203.0.113.0/24", 0],
        ["203.0.114.0/24", 0],
        ["203.0.115.0/24", 1],
        ["203.0.116.0/24", 1],
      ] as const)
        expect([prefix, (await kernelRoutes(lab.host("us"), prefix)).length]).toEqual([prefix, count]);
      // Another table: first there, then gone from here.
      router.plan(planOf(2, ptp, { install: { table: 100, metric: 5 } }));
      await routed(lab.host("us"), VIPS[2], false, () => router.explain());
      const { stdout } = await lab.host("us").exec("ip", ["route", "show", "table", "100"]);
      expect(stdout).toContain("proto 112 metric 5");
      router.plan(planOf(2, ptp, { install: undefined }));
      const empty = async (): Promise<boolean> =>
        (await lab.host("us").exec("ip", ["route", "show", "table", "100"])).stdout === "";
      await until("nothing installed", empty, { explain: () => router.explain() });
      await peer.stop(false);
    });

    test("a link that goes down and comes back, an address that changes, an interface that is made anew", {
      timeout: 60_000,
    }, async () => {
      await using lab = await buildLab(cable);
      const us = lab.host("us");
      await using router = new OspfUnderTest(us, planOf(2, ptp));
      await using peer = new OspfUnderTest(lab.host("peer"), planOf(2, ptp, { routerId: PEER, networks: [vip(2)] }));
      await routed(us, VIPS[2], true, () => router.explain());
      await us.exec("ip", ["link", "set", "eth0", "down"]);
      await until("down", () => router.report()?.state === "down", { explain: () => router.explain() });
      await us.exec("ip", ["link", "set", "eth0", "up"]);
      await routed(us, VIPS[2], true, () => router.explain());
      await us.exec("ip", ["addr", "flush", "dev", "eth0"]);
      await until("without an address", () => router.neighbor(PEER) === undefined, { explain: () => router.explain() });
      await us.exec("ip", ["addr", "add", "10.0.0.9/24", "dev", "eth0"]);
      await routed(us, VIPS[2], true, () => router.explain());
      await until("the new address", () => peer.neighbor("1.1.1.1")?.address === "10.0.0.9", {
        explain: () => peer.explain(),
      });
      await us.exec("ip", ["link", "set", "eth0", "down"]);
      await us.exec("ip", ["link", "set", "eth0", "name", "other0"]);
      await until("gone by that name", () => router.report()?.state === "down" || router.report() === undefined, {
        explain: () => router.explain(),
      });
      await us.exec("ip", ["link", "set", "other0", "name", "eth0"]);
      await us.exec("ip", ["link", "set", "eth0", "up"]);
      await us.exec("ip", ["addr", "replace", "10.0.0.9/24", "dev", "eth0"]);
      await routed(us, VIPS[2], true, () => router.explain());
    });

    test("RFC 7474: with 64-bit sequence numbers, Full; a neighbor that loses its key is refused, and dies", {
      timeout: 60_000,
    }, async () => {
      await using lab = await buildLab(cable);
      const keys = [{ id: 70_000, algorithm: "hmac-sha256", secret: "s" }] as const;
      const auth = { kind: "cryptographic", extended: true, keys } as const;
      const iface = interfaceOf({ type: "point-to-point", auth });
      await using router = new OspfUnderTest(lab.host("us"), planOf(2, iface));
      await using peer = new OspfUnderTest(lab.host("peer"), planOf(2, iface, { routerId: PEER, networks: [vip(2)] }));
      await Promise.all([router.full(PEER), peer.full("1.1.1.1")]);
      await routed(lab.host("us"), VIPS[2], true, () => router.explain());
      // One without a key is refused, and a neighbor that has lost its key is gone.
      peer.plan(planOf(2, ptp, { routerId: PEER }));
      await until("the refusal", () => router.report()?.refused["auth-type"], { explain: () => router.explain() });
      await until("dead", () => router.neighbor(PEER) === undefined, { explain: () => router.explain() });
    });

    test("a second plan before the first turn of the loop is the one that counts", { timeout: 60_000 }, async () => {
      await using lab = await buildLab(cable);
      await using router = new OspfUnderTest(lab.host("us"), planOf(2, broadcast));
      router.plan(planOf(2, ptp, { networks: [vip(2)] })); // both lie in the program's input when it begins to read
      await using peer = new OspfUnderTest(lab.host("peer"), planOf(2, ptp, { routerId: PEER }));
      await Promise.all([router.full(PEER), peer.full("1.1.1.1")]);
      expect(router.report()?.state).toBe("point-to-point");
      await routed(lab.host("peer"), VIPS[2], true, () => peer.explain());
    });

    test("a key that the version cannot have silences the interface instead of opening it", {
      timeout: 60_000,
    }, async () => {
      await using lab = await buildLab(cable);
      await using router = new OspfUnderTest(
        lab.host("us"),
        planOf(3, interfaceOf({ type: "point-to-point", auth: { kind: "simple", password: "plain" } })),
      );
      await using peer = new OspfUnderTest(lab.host("peer"), planOf(3, ptp, { routerId: PEER }));
      await until("the refusal", () => router.events.find(({ name }) => name === "ospf.auth-refused"), {
        explain: () => router.explain(),
      });
      await until("three hellos of the peer", () => peer.traced(/out|hello/).length > 3, {
        explain: () => peer.explain(),
      });
      expect(router.traced(/hello from 2/)).toEqual([]);
      expect(peer.neighbor("1.1.1.1")).toBeUndefined();
    });
  },
);

function protocolOf(frame: Uint8Array): string {
  const type = ((frame[12] ?? 0) << 8) | (frame[13] ?? 0);
  if (type === 0x0800) return `2 ${frame[23]}`;
  return type === 0x86dd ? `3 ${frame[20]}` : "";
}
