/**
 * The whole daemon and a router that is not on its link: a hop between them, MD5, and a multihop BFD session (RFC 5883)
 * that notices a cable that falls silent behind the hop.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { BfdStatus, BgpStatus } from "../../daemon/admin/routing-api.ts";
import { buildLab, type Lab } from "../../lab/build.ts";
import { describe as described } from "../../lab/description.ts";
import { startBird } from "../../lab/peers/bird.ts";
import { startFrr } from "../../lab/peers/frr.ts";
import { missing } from "../../lab/peers/installed.ts";
import { kernelRoutes } from "../../lab/peers/kernel.ts";
import type { NeighborSpec, RouterSpec } from "../../lab/peers/router.ts";
import { until } from "../../lab/peers/until.ts";
import { ask, type DaemonFiles, layOut, ready, startDaemon } from "./daemon.ts";

const why = missing("frr", "bird");
const VIP4 = "192.0.2.10/32";
const VIP6 = "2001:db8::10/128";
const THEIRS4 = "198.51.100.0/24";
const THEIRS6 = "2001:db8:77::/48";
const BFD = { interval: 100, multiplier: 3 };
const VIP = `apiVersion: novaedge.io/v1alpha1
kind: ProxyVIP
metadata: { name: far }
spec:
  mode: BGP
  address: 192.0.2.10
  ipv6Address: "2001:db8::10"
  ports: [80]
  healthPolicy: { requireGateway: false }
`;

/** How both sides say how far they are from each other. */
interface Distance {
  readonly what: string;
  readonly make: "frr" | "bird";
  readonly theirs: Partial<NeighborSpec>;
  readonly ours: string;
}
const DISTANCES: readonly Distance[] = [
  { what: "multihop", make: "frr", theirs: { multihop: 2 }, ours: "multihop: 2, bfd: { profile: fast }" },
  { what: "multihop", make: "bird", theirs: { multihop: 2 }, ours: "multihop: 2, bfd: { profile: fast }" },
  // With ttl-security FRR asks for multihop BFD.  BIRD sends it with TTL 64, which nobody with GTSM can take.
  {
    what: "GTSM",
    make: "frr",
    theirs: { gtsm: 2, extra: ["disable-connected-check"] }, // else its next hops have to be on the link
    ours: "ttlSecurity: 2, bfd: { profile: fast, multihop: true }",
  },
];

describe.skipIf(why !== undefined)(`BGP over a hop (${why ?? "FRR and BIRD are here"})`, () => {
  const folder = mkdtempSync(join(tmpdir(), "novaedge-multihop-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each(DISTANCES)(
    "$make, $what: both families with MD5, routes through the hop, BFD over it ends the sessions",
    { timeout: 120_000 },
    async ({ make, what, theirs, ours }) => {
      await using lab = await overHop();
      const session = { asn: 65_001, password: "far-away", bfd: BFD, hold: 90, ...theirs };
      const spec: RouterSpec = {
        routerId: "10.0.2.1",
        bgp: {
          asn: 65_002,
          networks: [THEIRS4, THEIRS6],
          neighbors: [
            { ...session, name: "a4", address: "10.0.1.1", local: "10.0.2.1" },
            { ...session, name: "a6", address: "fd01::1", local: "fd02::1" },
          ],
        },
        ...(make === "bird" ? { extra: WAY_BACK } : {}),
      };
      await using router = await (make === "frr" ? startFrr(lab.host("r"), spec) : startBird(lab.host("r"), spec));
      const peer = (name: string, address: string, source: string, family: string): string =>
        `    - { name: ${name}, address: "${address}", source: "${source}", asn: 65002, families: [${family}], import: theirs, password: far-away, connectRetry: 1s, ${ours} }\n`;
      const files = layOut(
        join(folder, `${make}-${what}`),
        "a",
        VIP,
        `bfd: { profiles: [{ name: fast, interval: 100ms, multiplier: 3 }] }
bgp:
  asn: 65001
  install: {}
  policies:
    - name: theirs
      rules:
        - { name: theirs, action: accept, match: { prefixes: [{ prefix: ${THEIRS4} }, { prefix: "${THEIRS6}" }] } }
  peers:
${peer("r4", "10.0.2.1", "10.0.1.1", "ipv4")}${peer("r6", "fd02::1", "fd01::1", "ipv6")}`,
      );
      await using daemon = startDaemon(lab.host("a"), files);
      const explain = (): string => `${daemon.output().slice(-4000)}\n${router.log().slice(-3000)}`;
      await ready(files);
      const via = async (host: string, prefix: string): Promise<string> =>
        (await kernelRoutes(lab.host(host), prefix)).flatMap((each) => each.via).join();
      const routed = async (there: boolean): Promise<void> => {
        const wanted = there ? ["10.0.2.254", "fd02::fe", "10.0.1.254", "fd01::fe"] : ["", "", "", ""];
        let seen: readonly string[] = [];
        const look = async (): Promise<boolean> => {
          seen = await Promise.all([via("r", VIP4), via("r", VIP6), via("a", THEIRS4), via("a", THEIRS6)]);
          return seen.join() === wanted.join();
        };
        await until(`routes ${String(there)}`, look, { explain: () => `${seen.join(" | ")}\n${explain()}`, every: 50 });
      };
      await routed(true);
      await guarded(files, explain);
      // Nothing of ours has lost its carrier; only BFD can tell before the hold time of 90 seconds.
      lab.cut("r:eth0", "silent");
      await routed(false);
      const { peers } = await ask<BgpStatus>(files, "/v1/bgp");
      expect(peers.map(({ lastError }) => lastError ?? "")).toEqual([
        expect.stringMatching(/bfd/i),
        expect.stringMatching(/bfd/i),
      ]);
      lab.restore("r:eth0");
      await routed(true);
      daemon.signal("SIGTERM");
      expect((await daemon.finished).code).toBe(0);
      await until("withdrawn", async () => (await via("r", VIP4)) + (await via("r", VIP6)) === "", { explain });
    },
  );
});

/** What BIRD resolves next hops by: it does not read the kernel's routes here. */
const WAY_BACK = `protocol direct { ipv4; ipv6; }
protocol static { ipv4; route 10.0.1.0/24 via 10.0.2.254; }
protocol static { ipv6; route fd01::/64 via fd02::fe; }`;

function overHop(): Promise<Lab> {
  const end = (near: number, far: number) => ({
    interfaces: { eth0: [`10.0.${near}.1/24`, `fd0${near}::1/64`] },
    routes: [
      { to: `10.0.${far}.0/24`, via: `10.0.${near}.254` },
      { to: `fd0${far}::/64`, via: `fd0${near}::fe` },
    ],
  });
  const hop = {
    forwards: true,
    interfaces: { eth0: ["10.0.1.254/24", "fd01::fe/64"], eth1: ["10.0.2.254/24", "fd02::fe/64"] },
  };
  return buildLab(
    described({
      hosts: { a: end(1, 2), r: end(2, 1), hop },
      switches: ["far"],
      links: [
        { from: "a:eth0", to: "hop:eth0" },
        { from: "hop:eth1", to: "far" },
        { from: "r:eth0", to: "far" },
      ],
    }),
  );
}

async function guarded(files: DaemonFiles, explain: () => string): Promise<void> {
  let last: BfdStatus | undefined;
  const look = async (): Promise<boolean> => {
    last = await ask<BfdStatus>(files, "/v1/bfd");
    return last.sessions.length === 2 && last.sessions.every(({ state, hops }) => state === "up" && hops === "multi");
  };
  await until("two multihop sessions up", look, {
    explain: () => `${JSON.stringify(last)}\n${explain()}`,
    within: 60_000,
  });
}
