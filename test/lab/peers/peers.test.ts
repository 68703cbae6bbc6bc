/** The peers of interop tests, against each other: what does not work here is not our daemon's fault. */
import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { buildLab } from "../../../lab/build.ts";
import { describe as network } from "../../../lab/description.ts";
import { startBird } from "../../../lab/peers/bird.ts";
import { startExabgp } from "../../../lab/peers/exabgp.ts";
import { startFrr } from "../../../lab/peers/frr.ts";
import { startGobgp } from "../../../lab/peers/gobgp.ts";
import { missing } from "../../../lab/peers/installed.ts";
import { kernelRoutes } from "../../../lab/peers/kernel.ts";
import type { NeighborSpec, OspfInterface, OspfSpec } from "../../../lab/peers/router.ts";
import { until } from "../../../lab/peers/until.ts";

const pair = network({
  hosts: {
    f: { interfaces: { eth0: ["10.0.0.1/24", "fd00::1/64"] }, forwards: true },
    b: { interfaces: { eth0: ["10.0.0.2/24", "fd00::2/64"] }, forwards: true },
  },
  switches: [],
  links: [{ from: "f:eth0", to: "b:eth0" }],
});
const bfd = { interval: 50, multiplier: 3 };
const why = missing("frr", "bird");

describe.skipIf(why !== undefined)(`FRR and BIRD (${why ?? "both here"})`, () => {
  test("BGP over both families with MD5, GTSM and BFD: routes in both kernels", { timeout: 60_000 }, async () => {
    await using lab = await buildLab(pair);
    const session = { password: "secret", gracefulRestart: { restartTime: 60 } };
    const toBird: readonly NeighborSpec[] = [
      { ...session, name: "v4", address: "10.0.0.2", asn: 65002, gtsm: 1 },
      { ...session, name: "v6", address: "fd00::2", asn: 65002, bfd },
    ];
    const toFrr: readonly NeighborSpec[] = [
      { ...session, name: "v4", address: "10.0.0.1", local: "10.0.0.2", asn: 65001, gtsm: 1, maxPrefixes: 10 },
      { ...session, name: "v6", address: "fd00::1", local: "fd00::2", asn: 65001, bfd },
    ];
    const networks = (n: number) => [`192.0.2.${n}/32`, `2001:db8::${n}/128`];
    const [frr, bird] = await Promise.all([
      startFrr(lab.host("f"), {
        routerId: "1.1.1.1",
        bgp: { asn: 65001, neighbors: toBird, networks: networks(1) },
      }),
      startBird(lab.host("b"), {
        routerId: "2.2.2.2",
        bgp: { asn: 65002, neighbors: toFrr, networks: networks(2), multipath: 4 },
      }),
    ]);
    await using _ = frr;
    await using __ = bird;
    const explain = async () => `${frr.log()} ${bird.log()} ${await bird.ask("show protocols all")}`;
    for (const [host, prefix, via, protocol] of [
      ["f", "192.0.2.2/32", "10.0.0.2", "bgp"],
      ["f", "2001:db8::2/128", "fe80", "bgp"],
      ["b", "192.0.2.1/32", "10.0.0.1", "bird"],
      ["b", "2001:db8::1/128", "f", "bird"],
    ] as const) {
      const [route] = await until(
        `${prefix} on ${host}`,
        async () => {
          const found = await kernelRoutes(lab.host(host), prefix);
          return found.length > 0 && found;
        },
        { explain, within: 30_000 },
      );
      expect(route).toMatchObject({ protocol, via: [expect.stringContaining(via)] });
    }
    await until("BFD", async () => / Up /.test(await bird.ask("show bfd sessions")), {
      within: 8000,
      explain: async () => `${await bird.ask("show bfd sessions")} ${await frr.ask("bfdd", "show bfd peers")}`,
    });
    await until("BFD in FRR", async () => {
      const peers = await frr.json<readonly { readonly status: string }[]>("bfdd", "show bfd peers json");
      return peers.length === 1 && peers.every((peer) => peer.status === "up");
    });
    await frr.end("bgpd", "SIGKILL");
    const helping = async () => (await bird.ask("show protocols all v4")).includes("graceful restart active");
    await until("the helper of a graceful restart", helping, { explain });
    expect(await kernelRoutes(lab.host("b"), "192.0.2.1/32")).toHaveLength(1);
    await frr.restart("bgpd");
    await until("the end of the graceful restart", async () => !(await helping()), { explain });
    expect(await kernelRoutes(lab.host("b"), "192.0.2.1/32")).toHaveLength(1);
    await expect(bird.ask("show nonsense")).rejects.toThrow(/syntax/);
    await expect(frr.ask("bgpd", "show nonsense")).rejects.toThrow(/Unknown/);
    const path = `/var/run/frr/${frr.pathspace}`;
    expect(existsSync(path)).toBe(true);
    await frr[Symbol.asyncDispose]();
    expect(existsSync(path)).toBe(false);
  });

  // Not with authentication on OSPFv3: FRR 8.4.4 and BIRD 2.0.12 refuse each other's RFC 7166 trailers.
  test("OSPFv2 with MD5, OSPFv3, BFD: external routes in both kernels", {
    timeout: 60_000,
  }, async () => {
    await using lab = await buildLab(pair);
    const md5 = { kind: "cryptographic", id: 7, algorithm: "md5", secret: "secret" } as const;
    const one: OspfInterface = { ifname: "eth0", hello: 1, dead: 4, bfd };
    const ospf = (n: number): readonly OspfSpec[] => [
      { version: 2, areas: [{ id: "0.0.0.0", interfaces: [{ ...one, auth: md5 }] }], networks: [`192.0.2.${n}/32`] },
      {
        version: 3,
        areas: [{ id: "0.0.0.0", interfaces: [one] }],
        networks: [`2001:db8::${n}/128`],
      },
    ];
    const [frr, bird] = await Promise.all([
      startFrr(lab.host("f"), { routerId: "1.1.1.1", ospf: ospf(1) }),
      startBird(lab.host("b"), { routerId: "2.2.2.2", ospf: ospf(2) }),
    ]);
    await using _ = frr;
    await using __ = bird;
    const explain = async () => `${frr.log()} ${bird.log()} ${await bird.ask("show ospf neighbors ospf2")}`;
    for (const [host, prefix] of [
      ["f", "192.0.2.2/32"],
      ["f", "2001:db8::2/128"],
      ["b", "192.0.2.1/32"],
      ["b", "2001:db8::1/128"],
    ] as const)
      await until(
        `${prefix} on ${host}`,
        async () => (await kernelRoutes(lab.host(host), prefix)).some((route) => route.protocol !== "static"),
        { explain, within: 40_000 },
      );
  });
});

const noOthers = missing("bird", "gobgp", "exabgp");
describe.skipIf(noOthers !== undefined)(`GoBGP and ExaBGP (${noOthers ?? "both here"})`, () => {
  test("both announce to BIRD, which uses both paths", { timeout: 60_000 }, async () => {
    const host = (n: number) => ({ interfaces: { eth0: [`10.0.0.${n}/24`] } });
    await using lab = await buildLab(
      network({
        hosts: { g: host(1), e: host(2), b: host(3) },
        switches: ["sw"],
        links: [
          { from: "g:eth0", to: "sw" },
          { from: "e:eth0", to: "sw" },
          { from: "b:eth0", to: "sw" },
        ],
      }),
    );
    const neighbor = { name: "b", address: "10.0.0.3", asn: 65000, password: "secret" };
    await using bird = await startBird(lab.host("b"), {
      routerId: "10.0.0.3",
      bgp: {
        asn: 65000,
        multipath: 4,
        neighbors: [
          { name: "g", address: "10.0.0.1", local: "10.0.0.3", asn: 65001, password: "secret" },
          { name: "e", address: "10.0.0.2", local: "10.0.0.3", asn: 65002, password: "secret" },
        ],
      },
    });
    const networks = ["192.0.2.1/32"];
    await using gobgp = await startGobgp(lab.host("g"), {
      routerId: "10.0.0.1",
      bgp: { asn: 65001, neighbors: [neighbor], networks },
    });
    await using exabgp = startExabgp(lab.host("e"), {
      routerId: "10.0.0.2",
      bgp: { asn: 65002, neighbors: [{ ...neighbor, local: "10.0.0.2" }], networks },
    });
    await until(
      "both paths in the kernel",
      async () => (await kernelRoutes(lab.host("b"), "192.0.2.1/32"))[0]?.via.join(" ") === "10.0.0.1 10.0.0.2",
      {
        explain: async () => `${gobgp.running.output()} ${exabgp.running.output()} ${await bird.ask("show route all")}`,
      },
    );
    const peers = await gobgp.json<readonly { readonly state: { readonly session_state: unknown } }[]>("neighbor");
    expect(peers).toHaveLength(1);
  });
});
