/** What is announced and taken, with BIRD and FRR: attributes, policy under a running session, limits, drains, BFD. */
import { describe, expect, test } from "vitest";
import { startBird } from "../../lab/peers/bird.ts";
import { missing } from "../../lab/peers/installed.ts";
import type { BfdReport } from "../../netstack/bfd/plan.ts";
import type { BgpPeerSpec, BgpPlan } from "../../netstack/bgp/plan.ts";
import { MAKES, Pair, type PairSpec, pairOf, THEIRS4, THEIRS6 } from "./bgp-peers.ts";
import { bgpLab, bgpOf, family, networkOf, peerOf, planOf, routed, VIP4, VIP6 } from "./bgp-router.ts";

const MISSING = missing("bird", "frr");
const REJECT = { rules: [], otherwise: "reject" } as const;

describe.skipIf(MISSING !== undefined).each(MAKES)("BGP policy with %s", { concurrent: true }, (make) => {
  async function start(spec: Omit<PairSpec, "make"> = {}): Promise<Pair> {
    const pair = await PairWithLab.start({ make, ...spec });
    try {
      await pair.us.established();
      return pair;
    } catch (error) {
      await pair[Symbol.asyncDispose]();
      throw error;
    }
  }
  const bird = make === "bird";
  /** The router shows `prefix` in words that match, or does not show it any more. */
  async function shown(both: Pair, prefix: string, pattern: RegExp | undefined): Promise<void> {
    const gone = /not found|not in table/i;
    for (const deadline = Date.now() + 15_000; ; ) {
      const text = await both.shows(prefix).catch((error: unknown) => String(error));
      if (pattern === undefined ? gone.test(text) : pattern.test(text)) return;
      if (Date.now() > deadline) throw new Error(`${String(pattern)} never in ${text}\n${both.explain()}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  const withPeer = (own: Partial<BgpPeerSpec>, plan: Partial<BgpPlan> = {}) => planOf(bgpOf([peerOf(own)], plan));

  test("RFC 1997, 4360, 8092, MED, prepending: as the plan says; changed under the session", async () => {
    const rich = networkOf(VIP4, {
      med: 77,
      prepend: 2,
      communities: ["65001:7"],
      extendedCommunities: ["rt:65001:8"],
      largeCommunities: ["65001:1:9"],
    });
    await using both = await start({ plan: { networks: [rich, networkOf(VIP6)] } });
    await shown(both, VIP4, bird ? /BGP\.as_path: 65001 65001 65001\n/ : /\n {2}65001 65001 65001\n/);
    await shown(both, VIP4, bird ? /BGP\.med: 77\n/ : /metric 77/);
    await shown(both, VIP4, bird ? /BGP\.community: \(65001,7\)/ : /Community: 65001:7/);
    await shown(both, VIP4, bird ? /BGP\.ext_community: \(rt, 65001, 8\)/ : /Extended Community: RT:65001:8/);
    await shown(both, VIP4, bird ? /BGP\.large_community: \(65001, 1, 9\)/ : /Large Community: 65001:1:9/);
    both.us.plan(withPeer({}, { networks: [{ ...rich, med: 78 }, networkOf(VIP6)] }));
    await shown(both, VIP4, bird ? /BGP\.med: 78\n/ : /metric 78/);
    expect(both.us.peer()?.established).toBe(1);
  });

  test("RFC 8212 and policy: nothing in or out by default; opened by rules without a new session", async () => {
    await using both = await start({ own: { import: REJECT, export: REJECT } });
    await both.us.until("heard", () => both.us.peer()?.families.every(({ received }) => received > 0));
    expect(both.us.peer()?.families.map(({ accepted, announced }) => accepted + announced)).toEqual([0, 0]);
    const rules = (prefix: string, action: "accept" | "reject") => [
      { name: "one", match: { prefixes: [{ prefix }] }, action, set: { localPref: 150 } },
    ];
    both.us.plan(
      withPeer({
        import: { rules: rules(THEIRS4, "accept"), otherwise: "reject" },
        export: { rules: rules(VIP6, "reject"), otherwise: "accept" },
      }),
    );
    await routed(both.lab.host("a"), THEIRS4, true, both.explain);
    await routed(both.lab.host("r"), VIP4, true, both.explain);
    expect((await both.us.routes("r", THEIRS4))[0]).toMatchObject({ best: true, localPref: 150 });
    await routed(both.lab.host("r"), VIP6, false, both.explain);
    await routed(both.lab.host("a"), THEIRS6, false, both.explain);
    both.us.plan(withPeer({ import: REJECT, export: REJECT }));
    await routed(both.lab.host("a"), THEIRS4, false, both.explain);
    await routed(both.lab.host("r"), VIP4, false, both.explain);
    expect(both.us.peer()?.established).toBe(1);
  });

  test("RFC 2918, 7313: routes are asked for again and told again, by hand and by the router", async () => {
    await using both = await start();
    await both.us.until("heard", () => both.us.peer()?.families.every(({ accepted }) => accepted === 1));
    const updates = both.us.peer()?.messages["update"]?.in ?? 0;
    both.us.tell({ kind: "clear", peer: "r", how: "refresh-in" });
    await both.us.until("told again", () => (both.us.peer()?.messages["update"]?.in ?? 0) > updates);
    const told = both.us.peer()?.messages["update"]?.out ?? 0;
    if (both.router.make === "bird") await both.router.ask("reload in ours");
    else await both.router.ask("bgpd", "clear bgp * in");
    if (both.router.make === "bird")
      await both.us.until("told again", () => (both.us.peer()?.messages["update"]?.out ?? 0) > told);
    both.us.tell({ kind: "clear", peer: "r", how: "refresh-out" });
    await both.us.until("told once more", () => (both.us.peer()?.messages["update"]?.out ?? 0) > told);
    expect(both.us.peer()?.established).toBe(1);
    await routed(both.lab.host("a"), THEIRS4, true, both.explain);
  });

  test("more prefixes than allowed: Cease 6/1, gone from the kernel, up again when it is cleared", async () => {
    // FRR tells us our own as well, and what is refused counts (RFC 4486 §4: received).
    const limit = { limit: bird ? 1 : 2, warnAt: 100, restartAfter: undefined };
    await using both = await start({ own: { families: [family("ipv4", { maxPrefixes: limit })] } });
    await routed(both.lab.host("a"), THEIRS4, true, both.explain);
    const more = "198.51.101.0/24";
    if (both.router.make === "bird") await reconfigured(both, [THEIRS4, more]);
    else await both.router.configure("bgpd", ["router bgp 65002", "address-family ipv4 unicast", `network ${more}`]);
    await both.us.until("over", () => /maximum-number-of-prefixes/.test(both.us.peer()?.lastError ?? ""));
    await routed(both.lab.host("a"), THEIRS4, false, both.explain);
    both.us.plan(withPeer({ families: [family("ipv4", { maxPrefixes: { ...limit, limit: 9 } })] }));
    both.us.tell({ kind: "clear", peer: "r", how: "hard" });
    await routed(both.lab.host("a"), more, true, both.explain);
  });

  async function reconfigured(both: Pair, networks: readonly string[]): Promise<void> {
    await both.bird.configure({
      routerId: "2.2.2.2",
      bgp: {
        asn: 65002,
        networks,
        neighbors: [{ name: "ours", address: "10.0.0.1", local: "10.0.0.2", asn: 65001, families: ["ipv4", "ipv6"] }],
      },
    });
  }

  test("RFC 8326: a drain is told by the community first, withdrawn later; the address stays bound", async () => {
    await using both = await start();
    await routed(both.lab.host("r"), VIP4, true, both.explain);
    both.us.tell({ kind: "withdraw", grace: 3000 });
    await shown(both, VIP4, bird ? /BGP\.community: \(65535,0\)/ : /Community: (65535:0|graceful-shutdown)/i);
    await both.us.said("withdrawn");
    await routed(both.lab.host("r"), VIP4, false, both.explain);
    await routed(both.lab.host("r"), VIP6, false, both.explain);
    expect(both.us.vips.get("v")).toMatchObject({ state: "withdrawn" });
    const { stdout } = await both.lab.host("a").exec("ip", ["-br", "address", "show", "dev", "lo"]);
    expect(stdout).toMatch(/192\.0\.2\.10\/32.*2001:db8::10\/128/);
    expect(both.us.peer()?.state).toBe("established");
  });

  test("not healthy: withdrawn at once, unbound after a while; healthy: bound and announced again", async () => {
    await using both = await start();
    await routed(both.lab.host("r"), VIP4, true, both.explain);
    const plan = withPeer({});
    both.us.plan({ ...plan, vips: plan.vips.map((vip) => ({ ...vip, eligible: false, why: "BACKENDS_DOWN" })) });
    await routed(both.lab.host("r"), VIP4, false, both.explain);
    expect(both.us.vips.get("v")).toEqual({ name: "v", state: "withdrawn", why: "BACKENDS_DOWN" });
    const bound = async (): Promise<string> =>
      (await both.lab.host("a").exec("ip", ["-br", "address", "show", "dev", "lo"])).stdout;
    expect(await bound()).toMatch(/192\.0\.2\.10/);
    for (const deadline = Date.now() + 10_000; /192\.0\.2\.10/.test(await bound()) && Date.now() < deadline; )
      await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await bound()).not.toMatch(/192\.0\.2\.10/);
    both.us.plan(plan);
    await routed(both.lab.host("r"), VIP4, true, both.explain);
    expect(await bound()).toMatch(/192\.0\.2\.10/);
  });

  test("control dies: our VIPs are withdrawn, the process ends and leaves no address", async () => {
    await using both = await start();
    await routed(both.lab.host("r"), VIP4, true, both.explain);
    both.us.tell({ kind: "hang-up" });
    await routed(both.lab.host("r"), VIP4, false, both.explain);
    expect(await both.us.finished()).toBe(0);
    const { stdout } = await both.lab.host("a").exec("ip", ["-br", "address", "show", "dev", "lo"]);
    expect(stdout).not.toMatch(/192\.0\.2\.10/);
  });

  test("RFC 5882 §4: BFD that was never up changes nothing; one that was up and fails ends the session at once", async () => {
    const timing = {
      desiredMinTx: 50,
      requiredMinRx: 50,
      multiplier: 3,
      echoTx: undefined,
      requiredMinEchoRx: 0,
      demand: false,
    };
    await using both = await start({ own: { bfd: timing } });
    const [session] = await both.us.until("a wish", () => both.us.sessions.length === 1 && both.us.sessions);
    if (session === undefined) throw new Error("no session");
    expect(session.timing).toMatchObject({ desiredMinTx: 50, multiplier: 3 });
    expect(session).toMatchObject({ peer: "10.0.0.2", hops: "single", role: "active" });
    both.us.bfd(bfdReport(session.id, "down", false));
    await routed(both.lab.host("a"), THEIRS4, true, both.explain);
    expect(both.us.peer()?.state).toBe("established");
    // The session comes back by itself: what is gone for a moment only is seen by who watches all the time.
    await using watched = both.lab.host("a").spawn("ip", ["monitor", "route"]);
    await both.us.until("it watches", async () => {
      await both.lab.host("a").exec("ip", ["route", "replace", "192.0.2.250/32", "dev", "lo"]);
      return watched.output().includes("192.0.2.250");
    });
    both.us.bfd(bfdReport(session.id, "up", true));
    both.us.bfd(bfdReport(session.id, "down", true));
    await both.us.until("down", () => /bfd-down/.test(both.us.peer()?.lastError ?? ""));
    await watched.says(new RegExp(`Deleted ${THEIRS4.replace("/32", "")}`));
  });
});

/** In a lab of its own, which goes with it. */
class PairWithLab extends Pair {
  static async start(spec: PairSpec): Promise<PairWithLab> {
    const lab = await bgpLab();
    try {
      const { us, router } = await pairOf(lab, spec);
      return new PairWithLab(lab, us, router);
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }
  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    await this.lab[Symbol.asyncDispose]();
  }
}

describe.skipIf(MISSING !== undefined)("RFC 7911: several paths from BIRD", () => {
  test("all are here, the best is in the kernel; when it goes, the other takes its place", async () => {
    await using lab = await bgpLab();
    const far = { name: "far", asn: 65003, families: ["ipv4"] } as const;
    await using both = await pairOf(lab, {
      make: "bird",
      theirs: { addPath: "send" },
      bgp: {
        neighbors: [
          { name: "ours", address: "10.0.0.1", local: "10.0.0.2", asn: 65001, families: ["ipv4"], addPath: "send" },
          { ...far, address: "10.0.0.3", local: "10.0.0.2" },
        ],
      },
      own: { families: [family("ipv4", { addPathReceive: true })] },
    });
    await using other = await startBird(lab.host("s"), {
      routerId: "3.3.3.3",
      bgp: {
        asn: 65003,
        networks: [THEIRS4],
        neighbors: [{ name: "near", address: "10.0.0.2", local: "10.0.0.3", asn: 65002 }],
      },
    });
    await both.us.established();
    await both.us.until("both paths", () => both.us.peer()?.families[0]?.accepted === 2);
    const paths = await both.us.routes("r", THEIRS4);
    expect(paths.map(({ asPath, best }) => `${asPath} ${best}`).sort()).toEqual(["65002 65003 false", "65002 true"]);
    expect(other.make).toBe("bird");
    await routed(lab.host("a"), THEIRS4, ["10.0.0.2"], both.explain);
    // Its own is gone: BIRD withdraws that path alone.
    await both.bird.ask("disable own_ipv4");
    await both.us.until("one path", () => both.us.peer()?.families[0]?.accepted === 1);
    expect((await both.us.routes("r", THEIRS4)).map(({ asPath, best }) => `${asPath} ${best}`)).toEqual([
      "65002 65003 true",
    ]);
    // The next hop is that of the third router, which is on the link as well.
    await routed(lab.host("a"), THEIRS4, ["10.0.0.3"], both.explain);
  });
});

function bfdReport(id: string, state: "up" | "down", wasUp: boolean): BfdReport {
  return {
    id,
    peer: "10.0.0.2",
    local: "10.0.0.1",
    ifname: "eth0",
    hops: "single",
    unsolicited: false,
    state,
    wasUp,
    remoteState: state,
    diagnostic: state === "up" ? "none" : "control-detection-expired",
    remoteDiagnostic: "none",
    localDiscriminator: 1,
    remoteDiscriminator: 2,
    txInterval: 50,
    detectionTime: 150,
    echoInterval: undefined,
    heard: undefined,
    lastRefusal: undefined,
    since: 0,
    flaps: 0,
    received: 0,
    sent: 0,
    refused: {},
  };
}
