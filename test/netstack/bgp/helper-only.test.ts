/** RFC 4724 §3: who helps, and does not ask to be helped, names no family. */
import { expect, test } from "vitest";
import { ipv4 } from "../../../base/address.ts";
import { ms } from "../../../base/unit.ts";
import { negotiate, openOf } from "../../../netstack/bgp/negotiate.ts";
import type { BgpSession } from "../../../netstack/bgp/plan.ts";
import { ACCEPT, family, peerOf } from "../../interop/bgp-router.ts";

const times = { restartTime: 120_000, stalePathTime: 360_000, longLived: 60_000, notification: true };
const session = (helperOnly: boolean): BgpSession =>
  peerOf({ asn: "external", families: [family("ipv4")], import: ACCEPT, gracefulRestart: { ...times, helperOnly } });
const who = (asn: number) => ({
  asn,
  routerId: ipv4(asn === 65_001 ? "1.1.1.1" : "2.2.2.2"),
  restarting: true,
  forwarding: true,
});

test("its OPEN says that it knows the procedures, and no more", () => {
  const offers = openOf(session(true), who(65_001)).capabilities.filter(({ kind }) => kind.includes("graceful"));
  expect(offers).toMatchObject([{ kind: "graceful-restart", restarting: false, families: [] }]);
  const full = openOf(session(false), who(65_001)).capabilities.filter(({ kind }) => kind.includes("graceful"));
  expect(full).toMatchObject([
    { kind: "graceful-restart", restarting: true, families: [{ family: "ipv4", forwarding: true }] },
    { kind: "long-lived-graceful-restart", families: [{ family: "ipv4" }] },
  ]);
});

test("it keeps the routes of a peer that asks for it; the peer keeps none of its routes", () => {
  const helper = openOf(session(true), who(65_001));
  const restarter = openOf(session(false), who(65_002));
  const here = negotiate(session(true), helper, restarter);
  const there = negotiate(session(false), restarter, helper);
  expect(here.ok && here.value.graceful?.families.get("ipv4")).toBe(true);
  expect(here.ok && here.value.longLived.get("ipv4")?.staleTime).toBe(ms(60_000));
  expect(there.ok && there.value.graceful?.families.size).toBe(0);
});
