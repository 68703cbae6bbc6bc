/** BGP sessions with BIRD and FRR: both families over both, keys, distance, callers from a prefix. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Lab } from "../../lab/build.ts";
import { missing } from "../../lab/peers/installed.ts";
import { MAKES, type Pair, type PairSpec, pairOf, THEIRS4, THEIRS6 } from "./bgp-peers.ts";
import { bgpLab, bgpOf, peerOf, planOf, routed, VIP4, VIP6 } from "./bgp-router.ts";

const MISSING = missing("bird", "frr");

describe.skipIf(MISSING !== undefined).each(MAKES)("BGP sessions with %s", (make) => {
  let lab: Lab;
  let pair: Pair | undefined;
  beforeAll(async () => {
    lab = await bgpLab();
  });
  afterAll(async () => await lab?.[Symbol.asyncDispose]());
  afterEach(async () => {
    await pair?.[Symbol.asyncDispose]();
    pair = undefined;
  });
  async function start(spec: Omit<PairSpec, "make"> = {}): Promise<Pair> {
    pair = await pairOf(lab, { make, ...spec });
    return pair;
  }

  test.each([
    ["IPv4", "10.0.0.1", "10.0.0.2"],
    ["IPv6", "fd00::1", "fd00::2"],
  ])(
    "RFC 4760: both families over %s: VIPs in its kernel by way of us, its routes in ours by way of it",
    async (_, a, r) => {
      const local = make === "bird" ? { local: r } : {};
      const both = await start({ theirs: { address: a, ...local }, own: { address: r } });
      const { us, explain } = both;
      expect(await us.established()).toMatchObject({ asn: 65002, routerId: "2.2.2.2", holdTime: 9000 });
      const found = await routed(lab.host("r"), VIP4, true, explain);
      expect(found?.via).toEqual(["10.0.0.1"]);
      // A router that is on our link may forward to the link-local address (RFC 2545 §3).
      expect((await routed(lab.host("r"), VIP6, true, explain))?.via[0]).toMatch(/^(fd00::1|fe80::.*)$/);
      const four = await routed(lab.host("a"), THEIRS4, ["10.0.0.2"], explain);
      expect(four).toMatchObject({ protocol: "111", metric: 20 });
      expect((await routed(lab.host("a"), THEIRS6, true, explain))?.via[0]).toMatch(/^(fd00::2|fe80::.*)$/);
      const shown = await both.shows(VIP4);
      expect(shown).toMatch(make === "bird" ? /BGP\.origin: IGP\n/ : /Origin IGP,/);
      expect(shown).toMatch(make === "bird" ? /BGP\.as_path: 65001\n/ : /\n {2}65001\n/);
      await us.until("announced", () => us.vips.get("v")?.state === "announced");
      await us.stop(false);
      await routed(lab.host("r"), VIP4, false, explain);
      await routed(lab.host("a"), THEIRS4, false, explain);
      expect(await routed(lab.host("a"), THEIRS6, false, explain)).toBeUndefined();
    },
  );

  test.each(["active", "passive"] as const)("RFC 4271 §8: %s, the other side being the other", async (mode) => {
    const { us } = await start({ theirs: { passive: mode === "active" }, own: { mode } });
    await us.established();
    await us.until("its routes", () => us.peer()?.families.every(({ accepted }) => accepted === 1));
    const best = (await us.routes("r")).filter((each) => each.best);
    expect(best.map(({ prefix }) => prefix).sort()).toEqual([THEIRS4, THEIRS6]);
  });

  test("RFC 2385: one password on both sides", async () => {
    const auth = { kind: "md5", password: "pass-word" } as const;
    const { us } = await start({ theirs: { password: auth.password }, own: { auth } });
    await us.established();
  });

  test.each([
    ["another", "other"],
    ["none", undefined],
  ])("RFC 2385: the peer has %s password: no session, and the reason is told", async (_, password) => {
    const { us } = await start({
      theirs: password === undefined ? {} : { password },
      own: { auth: { kind: "md5", password: "ours" }, connectRetry: 4000 },
    });
    const report = await us.until("a reason", () => {
      const peer = us.peer();
      return peer?.lastError?.match(/password|signature/) ? peer : undefined;
    });
    expect(report.state).not.toBe("established");
    expect(report.established).toBe(0);
  });

  test("RFC 5925: a kernel without TCP-AO: no session without it, and the reason is told", async () => {
    const auth = { kind: "ao", keyId: 1, algorithm: "hmac-sha1-96", key: "ours" } as const;
    const { us } = await start({ own: { auth } });
    const reason = await us.until("a reason", () => us.peer()?.lastError ?? us.peer()?.state === "established");
    if (reason === true) return; // this kernel has it, and so has the peer's daemon
    expect(reason).toMatch(/TCP-AO|signature|password/);
    expect(us.peer()?.established).toBe(0);
  });

  test("RFC 5082: both sides one hop away; a peer that does not take part is too far", async () => {
    const { us } = await start({ theirs: { gtsm: 1 }, own: { ttlSecurity: 1 } });
    await us.established();
    us.plan(planOf(bgpOf([])));
    await us.until("gone", () => us.gone("r"));
    await pair?.[Symbol.asyncDispose]();
    const far = await start({ theirs: {}, own: { ttlSecurity: 1, connectRetry: 4000 } });
    await far.us.until("a reason", () => far.us.peer()?.lastError !== undefined);
    expect(far.us.peer()?.established).toBe(0);
  });

  test("callers from a prefix: a peer of their own, up to the limit; strangers are refused by name", async () => {
    const {
      name: _name,
      address: _address,
      ifname: _ifname,
      port: _port,
      mode: _mode,
      adminDown: _down,
      ...session
    } = peerOf();
    const plan = { peers: [], dynamic: [{ ...session, name: "any", prefix: "10.0.0.0/29", most: 1 }] };
    const { us } = await start({ plan });
    const report = await us.until("a dynamic peer", () => {
      const found = us.all().find(({ state }) => state === "established");
      return found;
    });
    expect(report).toMatchObject({ address: "10.0.0.2", asn: 65002 });
    us.plan(planOf(bgpOf([], { dynamic: [{ ...session, name: "any", prefix: "10.9.0.0/24", most: 1 }] })));
    await us.until("gone", () => us.gone(report.name));
    await us.until("a refusal", () =>
      us.events.some(({ name, fields }) => name === "bgp.caller-refused" && fields["why"] === "unknown"),
    );
  });
});
