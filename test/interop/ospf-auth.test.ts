/** Authentication with real peers, and keys that change under a running adjacency. */
import { describe, expect, test } from "vitest";
import { buildLab } from "../../lab/build.ts";
import { startBird } from "../../lab/peers/bird.ts";
import { startFrr } from "../../lab/peers/frr.ts";
import { missing } from "../../lab/peers/installed.ts";
import type { OspfKey, RouterSpec } from "../../lab/peers/router.ts";
import { until } from "../../lab/peers/until.ts";
import type { OspfAuth } from "../../netstack/ospf/plan.ts";
import { cable, PEER } from "./ospf-cable.ts";
import { interfaceOf, OspfUnderTest, planOf, routed, THEIRS, VIPS, vip } from "./ospf-router.ts";

type Keys = (OspfAuth & { readonly kind: "cryptographic" })["keys"];
const why = missing("frr", "bird");

function peer(version: 2 | 3, auth: OspfKey | undefined): RouterSpec {
  const iface = { ifname: "eth0", type: "point-to-point" as const, ...(auth === undefined ? {} : { auth }) };
  return {
    routerId: PEER,
    ospf: [{ version, areas: [{ id: "0.0.0.0", interfaces: [iface] }], networks: [THEIRS[version]] }],
  };
}
const ours = (version: 2 | 3, auth: OspfAuth | undefined) =>
  planOf(version, interfaceOf({ type: "point-to-point", auth }), { networks: [vip(version)] });
const keyed = (...keys: Keys): OspfAuth => ({ kind: "cryptographic", keys });

describe.skipIf(why !== undefined)(`OSPF authentication (${why ?? "FRR and BIRD"})`, { concurrent: true }, () => {
  const all: readonly (readonly [string, "frr" | "bird", 2 | 3, OspfKey])[] = [
    ["FRR, v2 simple", "frr", 2, { kind: "simple", password: "plain" }],
    ["BIRD, v2 simple", "bird", 2, { kind: "simple", password: "plain" }],
    [
      "BIRD, v2 HMAC-SHA-256 (RFC 5709)",
      "bird",
      2,
      { kind: "cryptographic", id: 3, algorithm: "hmac-sha256", secret: "s" },
    ],
    [
      "BIRD, v2 HMAC-SHA-512 (RFC 5709)",
      "bird",
      2,
      { kind: "cryptographic", id: 3, algorithm: "hmac-sha512", secret: "s" },
    ],
    [
      "BIRD, v3 HMAC-SHA-256 (RFC 7166)",
      "bird",
      3,
      { kind: "cryptographic", id: 9, algorithm: "hmac-sha256", secret: "s" },
    ],
    [
      "BIRD, v3 HMAC-SHA-384 (RFC 7166)",
      "bird",
      3,
      { kind: "cryptographic", id: 9, algorithm: "hmac-sha384", secret: "s" },
    ],
  ];
  test.each(all)("%s: Full, routes both ways", { timeout: 60_000 }, async (_name, make, version, auth) => {
    await using lab = await buildLab(cable);
    const spec = peer(version, auth);
    await using _ = make === "frr" ? await startFrr(lab.host("peer"), spec) : await startBird(lab.host("peer"), spec);
    const own: OspfAuth = auth.kind === "simple" ? auth : keyed(auth);
    await using router = new OspfUnderTest(lab.host("us"), ours(version, own));
    await router.full(PEER);
    await routed(lab.host("us"), THEIRS[version], true, () => router.explain());
    await routed(lab.host("peer"), VIPS[version], true, () => router.explain());
    expect(Object.keys(router.report()?.refused ?? {}).filter((name) => name.startsWith("auth"))).toEqual([]);
  });

  test("RFC 2328 D.3, FRR, MD5: a key changes by overlap, and the adjacency never leaves Full", {
    timeout: 60_000,
  }, async () => {
    await using lab = await buildLab(cable);
    const [old, fresh] = [
      { id: 1, algorithm: "md5", secret: "old" },
      { id: 2, algorithm: "md5", secret: "new" },
    ] as const;
    await using frr = await startFrr(lab.host("peer"), peer(2, { kind: "cryptographic", ...old }));
    await using router = new OspfUnderTest(lab.host("us"), ours(2, keyed(old)));
    const { since } = await router.full(PEER);
    const iface = "interface eth0";
    const heard = async (pattern: RegExp): Promise<void> => {
      const before = router.traced(pattern).length;
      await until(`two more of ${pattern.source}`, () => router.traced(pattern).length > before + 1, {
        explain: () => router.explain(),
      });
    };
    const helloIn = /from 10\.0\.0\.2.* hello .*hears 1\.1\.1\.1/;
    router.plan(ours(2, keyed(old, fresh)));
    await heard(helloIn);
    await frr.configure("ospfd", [iface, "ip ospf message-digest-key 2 md5 new"]); // FRR signs with the newest
    await heard(helloIn);
    router.plan(ours(2, keyed(fresh, old)));
    await heard(helloIn);
    await frr.configure("ospfd", [iface, "no ip ospf message-digest-key 1"]);
    router.plan(ours(2, keyed(fresh)));
    await heard(helloIn);
    expect(router.neighbor(PEER)).toMatchObject({ state: "full", since });
    expect(router.traced(/refused/)).toEqual([]);
  });

  test("BIRD, HMAC-SHA-256: a key that the peer does not know is refused by name; with the right one, Full", {
    timeout: 60_000,
  }, async () => {
    await using lab = await buildLab(cable);
    const right = { id: 3, algorithm: "hmac-sha256", secret: "right" } as const;
    await using _ = await startBird(lab.host("peer"), peer(2, { kind: "cryptographic", ...right }));
    await using router = new OspfUnderTest(lab.host("us"), ours(2, keyed({ ...right, secret: "wrong" })));
    await until("the refusal", () => router.report()?.refused["auth-digest"], { explain: () => router.explain() });
    expect(router.neighbor(PEER)).toBeUndefined();
    router.plan(ours(2, keyed(right)));
    await router.full(PEER);
  });
});
