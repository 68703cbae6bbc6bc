/** Links, policies and sites → tunnels, lanes, paths and choices. */
import { describe, expect, it } from "vitest";
import type { WanPlan } from "../../../daemon/desired/wan.ts";
import type { CandidateSpec, ChoiceSpec } from "../../../sdwan/steer-plan.ts";
import {
  DOCUMENTS,
  link,
  linkReport,
  PUBLIC_KEYS,
  policy,
  remote,
  tunnelReports,
  type WantedFrom,
  wanted,
} from "./wan-world.ts";

const planOf = (from?: WantedFrom): WanPlan => {
  const { plan } = wanted(from).wish;
  if (plan === undefined) throw new Error("nothing is planned");
  return plan;
};
const choiceOf = (plan: WanPlan, id: string): ChoiceSpec => {
  const found = plan.steer.choices.find((each) => each.id === id);
  if (found === undefined)
    throw new Error(`no choice ${id} among ${plan.steer.choices.map((each) => each.id).join(", ")}`);
  return found;
};
const tiers = ({ candidates }: ChoiceSpec): readonly string[] => candidates.map(({ path, tier }) => `${path} ${tier}`);
const withIsp2 = (spec: object): WantedFrom => ({ documents: DOCUMENTS.with(1, link("berlin", "isp2", spec)) });

describe("tunnels", () => {
  it("one device per local link, number of the far link and code point; its peers are that link of every site", () => {
    const { tunnels } = planOf().underlay;
    expect(
      tunnels.map(({ ifname, link: own, dscp, peers }) => [
        ifname,
        own,
        dscp,
        peers.map((peer) => `${peer.site}/${peer.link}`).join(" "),
      ]),
    ).toEqual([
      ["nv-isp1-0", "isp1", 0, "madrid/isp1 oslo/isp1"],
      ["nv-isp1-0-46", "isp1", 46, "madrid/isp1 oslo/isp1"],
      ["nv-isp1-1", "isp1", 0, "madrid/isp2 oslo/isp2"],
      ["nv-isp1-1-46", "isp1", 46, "madrid/isp2 oslo/isp2"],
      ["nv-isp2-0", "isp2", 0, "madrid/isp1 oslo/isp1"],
      ["nv-isp2-0-46", "isp2", 46, "madrid/isp1 oslo/isp1"],
      ["nv-isp2-1", "isp2", 0, "madrid/isp2 oslo/isp2"],
      ["nv-isp2-1-46", "isp2", 46, "madrid/isp2 oslo/isp2"],
    ]);
  });

  it("where a peer is called is where the other site listens, for every pair of links and both directions", () => {
    const endpoints = (site: "berlin" | "madrid"): ReadonlySet<string> => {
      const remotes =
        site === "berlin"
          ? [remote("madrid")]
          : [
              {
                ...remote("madrid"),
                metadata: { name: "b" },
                spec: {
                  ...remote("madrid").spec,
                  clusterName: "berlin",
                  overlayCIDR: "10.255.1.0/24",
                  connection: { tunnel: { wireGuard: { publicKey: "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08=" } } },
                },
              },
            ];
      const overlayCIDR = site === "berlin" ? "10.255.1.0/24" : "10.255.2.0/24";
      const plan = planOf({
        documents: [
          ...DOCUMENTS.filter(({ kind }) => kind !== "NovaEdgeRemoteCluster"),
          link("berlin", "isp3"),
          ...remotes,
        ].filter(({ spec }) => !("site" in spec) || spec.site !== "oslo"),
        settings: { sdwan: { site, overlayCIDR } },
      });
      const own = new Map(
        plan.layout.sites.links.map(({ metadata }, index) => [
          metadata.name,
          `203.0.113.${(site === "berlin" ? 10 : 20) + index + 1}`,
        ]),
      );
      const listens = plan.underlay.tunnels.map(
        ({ link: name, listenPort }) => `listens ${own.get(name)}:${listenPort}`,
      );
      const calls = plan.underlay.tunnels.flatMap(({ peers }) => peers.map(({ endpoint }) => `calls ${endpoint}`));
      return new Set([...listens, ...calls]);
    };
    const [here, there] = [endpoints("berlin"), endpoints("madrid")];
    const told = (all: ReadonlySet<string>, word: string): readonly string[] =>
      [...all]
        .filter((each) => each.startsWith(word))
        .map((each) => each.slice(word.length))
        .sort();
    expect(told(here, "calls")).toEqual(told(there, "listens"));
    expect(told(there, "calls")).toEqual(told(here, "listens"));
  });

  it("a site that is reached through another has no tunnels; the other carries its networks", () => {
    const { underlay, steer } = planOf({ documents: DOCUMENTS.with(7, remote("oslo", { via: "madrid" })) });
    expect(new Set(underlay.tunnels.flatMap(({ peers }) => peers.map(({ site }) => site)))).toEqual(
      new Set(["madrid"]),
    );
    expect(underlay.tunnels[0]?.peers[0]?.allowedIps).toEqual([
      "10.255.2.0/24",
      "10.2.0.0/16",
      "10.255.3.0/24",
      "10.3.0.0/16",
    ]);
    const choice = steer.choices.find(({ id }) => id === "default→oslo");
    expect(choice?.destinations).toEqual(["10.255.3.0/24", "10.3.0.0/16"]);
    expect(choice?.candidates[0]?.path).toBe("isp1>madrid/isp1");
  });

  it("hub and spoke: a spoke has tunnels to hubs alone, a hub to all", () => {
    const sitesOf = (hub: string): ReadonlySet<string> => {
      const topology = { kind: "hub-and-spoke", hubs: [hub] };
      const plan = planOf({ settings: { sdwan: { site: "berlin", overlayCIDR: "10.255.1.0/24", topology } } });
      return new Set(plan.underlay.tunnels.flatMap(({ peers }) => peers.map(({ site }) => site)));
    };
    expect(sitesOf("madrid")).toEqual(new Set(["madrid"]));
    expect(sitesOf("berlin")).toEqual(new Set(["madrid", "oslo"]));
  });

  it("relay: the site named, or the first hub, when it has a peer on the same device", () => {
    const relays = ({ underlay }: WanPlan): readonly (string | undefined)[] =>
      underlay.tunnels[0]?.peers.map(({ relay }) => relay) ?? [];
    expect(relays(planOf())).toEqual([undefined, undefined]);
    expect(relays(planOf({ documents: DOCUMENTS.with(7, remote("oslo", { relay: "madrid" })) }))).toEqual([
      undefined,
      "madrid",
    ]);
    expect(relays(planOf({ documents: DOCUMENTS.with(7, remote("oslo", { relayEndpoint: "203.0.113.21" })) }))).toEqual(
      [undefined, "madrid"],
    );
    const hubs = { sdwan: { site: "berlin", overlayCIDR: "10.255.1.0/24", topology: { hubs: ["madrid"] } } };
    expect(relays(planOf({ settings: hubs }))).toEqual([undefined, "madrid"]);
  });

  it("a paused site has none; a link without a gateway of the far end's family has none to it", () => {
    const paused = planOf({ documents: DOCUMENTS.with(7, remote("oslo", {}, { paused: true })) });
    expect(paused.layout.sites.remotes.map(({ name }) => name)).toEqual(["madrid"]);
    const v6only = planOf(withIsp2({ gateway: "none" }));
    expect(v6only.underlay.tunnels.map(({ link: own }) => own)).not.toContain("isp2");
  });

  it("without the private key no tunnel is made, and nothing is called unwanted that is there", () => {
    expect(wanted({ facts: { keys: undefined } }).wish).toMatchObject({ plan: undefined, held: true });
    const lone = { documents: [link("berlin", "isp1")], facts: { keys: undefined } };
    expect(planOf(lone).underlay).toMatchObject({ links: [{ name: "isp1" }], tunnels: [], privateKey: "" });
  });
});

describe("paths", () => {
  it("every pair of links, and each link to the internet", () => {
    const ids = planOf().steer.paths.map(({ id }) => id);
    expect(ids.filter((id) => id.includes("madrid"))).toEqual([
      "isp1>madrid/isp1",
      "isp1>madrid/isp2",
      "isp2>madrid/isp1",
      "isp2>madrid/isp2",
    ]);
    expect(ids.slice(-2)).toEqual(["isp1>internet", "isp2>internet"]);
    expect(ids).toHaveLength(10);
  });

  it("probes inside the tunnel with the key of the two sites; BFD on its device; both spare metered links", () => {
    const from = {
      ...withIsp2({ quota: { size: "1G" } }),
      facts: { tunnels: tunnelReports({}, { ifname: "nv-isp2-0" }) },
    };
    const { steer } = planOf(from);
    const [plain, spared] = ["isp1>madrid/isp1", "isp2>madrid/isp1"].map((id) =>
      steer.paths.find((path) => path.id === id),
    );
    expect(plain).toMatchObject({
      bfd: "wan/isp1>madrid/isp1",
      probe: { kind: "stamp", local: "10.255.1.1", peer: "10.255.2.1", key: "6d".repeat(32), pace: { interval: 100 } },
    });
    expect(spared).toMatchObject({
      metered: true,
      probe: { pace: { interval: 1000, inDoubt: 50, octetsPerHour: 4 * 1024 ** 2 } },
    });
    const { bfd } = wanted(from).wish;
    const timing = (id: string): number | undefined => bfd.find((each) => each.id === id)?.timing.desiredMinTx;
    expect([timing("wan/isp1>madrid/isp1"), timing("wan/isp2>madrid/isp1")]).toEqual([50, 1000]);
    expect(wanted().wish.bfd).toEqual([]); // no device is there yet
  });

  it("RFC 5881 §5: what a relay carries has no single-hop BFD, and is measured without the counters", () => {
    const tunnels = tunnelReports({ via: "oslo" }, { ifname: "nv-isp1-1" });
    const { steer } = planOf({ facts: { tunnels } });
    expect(steer.paths[0]).toMatchObject({ via: "oslo", bfd: undefined, probe: { counters: false } });
    expect(steer.paths.find(({ id }) => id === "isp1>madrid/isp2")?.bfd).toBe("wan/isp1>madrid/isp2");
  });

  it("unusable: the link is down, or the tunnel could not be made; not while nothing is known", () => {
    const links = new Map([["isp2", linkReport("isp2", { state: "down", why: "no carrier" })]]);
    const tunnels = tunnelReports({ state: "down", why: "no device" });
    const usable = planOf({ facts: { links, tunnels } }).steer.paths.map(({ id, usable: yes, why }) => [id, yes, why]);
    expect(usable).toContainEqual(["isp1>madrid/isp1", false, "tunnel: no device"]);
    expect(usable).toContainEqual(["isp1>madrid/isp2", true, ""]);
    expect(usable).toContainEqual(["isp2>internet", false, "link isp2: no carrier"]);
  });

  it("carries no more than the near end sends and the far end receives; measured beats written where it is asked for", () => {
    const documents = DOCUMENTS.with(
      0,
      link("berlin", "isp1", { bandwidth: { up: "50Mbps", down: "1Gbps" }, bandwidthTest: {} }),
    ).with(2, link("madrid", "isp1", { bandwidth: { up: "1Gbps", down: "20Mbps" } }));
    const rates = (from: WantedFrom): readonly number[] =>
      planOf(from)
        .steer.paths.filter(({ id }) => /^isp1>(madrid|internet)/.test(id))
        .map(({ bandwidth }) => bandwidth / 1e6);
    expect(rates({ documents })).toEqual([20, 50, 50]);
    const measured = linkReport("isp1", { bandwidth: { up: 30e6, down: undefined, at: 0 } });
    expect(rates({ documents, facts: { links: new Map([["isp1", measured]]) } })).toEqual([20, 30, 30]);
  });

  it("the internet is probed by the link's gateway when no target is written, by no name ever", () => {
    const probe = (from?: WantedFrom): unknown => planOf(from).steer.paths.at(-1)?.probe;
    expect(probe()).toMatchObject({ kind: "icmp", targets: ["192.0.2.21"] });
    expect(probe({ facts: { links: new Map() } })).toEqual({ kind: "none" });
    expect(probe(withIsp2({ probe: { kind: "http", targets: ["http://192.0.2.99:81/up?x"] } }))).toMatchObject({
      kind: "http",
      targets: [{ address: "192.0.2.99", port: 81, host: "192.0.2.99:81", path: "/up?x" }],
    });
  });
});

describe("choices", () => {
  it("of a class: each site and the internet, in one table; flows to the internet have a table for each link", () => {
    const { steer, underlay } = planOf();
    const of = steer.choices.filter(({ policy: name }) => name === "voice");
    expect(of.map(({ id }) => id)).toEqual([
      "voice→madrid",
      "voice→oslo",
      "voice→internet",
      "voice@isp1→internet",
      "voice@isp2→internet",
    ]);
    const voice = underlay.classes.find(({ name }) => name === "voice");
    expect(new Set(of.slice(0, 3).map(({ table }) => table))).toEqual(new Set([11_000 + (voice?.mark ?? 0)]));
    expect(choiceOf(planOf(), "voice@isp1→internet")).toMatchObject({
      failover: false,
      killSwitch: true,
      candidates: [{ path: "isp1>internet", v4: { usable: true, gateway: "192.0.2.11" }, v6: { usable: false } }],
    });
  });

  it("roles: backup links after others, metered ones after those; the far end counts, too", () => {
    const documents = DOCUMENTS.with(1, link("berlin", "isp2", { role: "backup" })).with(
      3,
      link("madrid", "isp2", { metered: true }),
    );
    expect(tiers(choiceOf(planOf({ documents }), "default→madrid"))).toEqual([
      "isp1>madrid/isp1 0",
      "isp1>madrid/isp2 3",
      "isp2>madrid/isp1 1",
      "isp2>madrid/isp2 4",
    ]);
  });

  it("a link is spent last but by those that it is reserved for; when its quota is spent only they use it", () => {
    const metered = withIsp2({ role: "backup", quota: { size: "1G" }, reservedFor: ["voice"] });
    expect(tiers(choiceOf(planOf(metered), "voice→internet"))).toEqual(["isp1>internet 0", "isp2>internet 1"]);
    expect(tiers(choiceOf(planOf(metered), "default→madrid"))).toContain("isp2>madrid/isp1 4");
    const links = new Map(
      [linkReport("isp1"), linkReport("isp2", { quotaSpent: true })].map((each) => [each.name, each]),
    );
    const spent = planOf({ ...metered, facts: { links } });
    expect(tiers(choiceOf(spent, "voice→internet"))).toHaveLength(2);
    expect(tiers(choiceOf(spent, "default→madrid"))).toEqual(["isp1>madrid/isp1 0", "isp1>madrid/isp2 0"]);
    // Where no other link is left, it is refused: the last routes would go on spending.
    const only = {
      documents: DOCUMENTS.filter((each) => each !== DOCUMENTS[0]).with(
        0,
        link("berlin", "isp2", { quota: { size: "1G" } }),
      ),
      facts: { links },
    };
    expect(choiceOf(planOf(only), "default→madrid")).toMatchObject({ candidates: [], killSwitch: true });
    expect(choiceOf(planOf(only), "voice→internet")).toMatchObject({ candidates: [], killSwitch: true });
    expect(choiceOf(spent, "default→madrid").killSwitch).toBe(false);
    const reserved = planOf(withIsp2({ reservedFor: ["voice"] }));
    expect(tiers(choiceOf(reserved, "default→madrid"))).toEqual(["isp1>madrid/isp1 0", "isp1>madrid/isp2 0"]);
  });

  it("loadbalance: flows are spread by weight, and each link's flows go elsewhere only when they must", () => {
    const documents = [
      link("berlin", "isp1", { role: "loadbalance", weight: 300 }),
      link("berlin", "isp2", { role: "loadbalance" }),
      ...DOCUMENTS.slice(2),
    ];
    const plan = planOf({ documents });
    expect(plan.underlay.classes[0]?.balance).toEqual({ isp1: 300, isp2: 100 });
    expect(tiers(choiceOf(plan, "voice@isp2→madrid"))).toEqual([
      "isp1>madrid/isp1 20",
      "isp1>madrid/isp2 20",
      "isp2>madrid/isp1 0",
      "isp2>madrid/isp2 0",
    ]);
    expect(planOf().underlay.classes[0]?.balance).toBeUndefined();
    const weighted = [...DOCUMENTS.slice(0, -1), policy("bulk", { strategy: "weighted" })];
    expect(planOf({ documents: weighted }).underlay.classes[0]?.balance).toEqual({ isp1: 100, isp2: 100 });
  });

  it("breakout: not at all, or through another site, which then takes packets for everywhere", () => {
    const of = (breakout: string): WanPlan =>
      planOf({ documents: [...DOCUMENTS.slice(0, -1), policy("web", { breakout })] });
    expect(choiceOf(of("none"), "web→internet")).toMatchObject({ candidates: [], killSwitch: true });
    const through = of("madrid");
    expect(choiceOf(through, "web→internet").candidates[0]?.path).toBe("isp1>madrid/isp1");
    expect(through.underlay.tunnels[0]?.peers.map(({ allowedIps }) => allowedIps.includes("0.0.0.0/0"))).toEqual([
      true,
      false,
    ]);
    expect(choiceOf(of("berlin"), "web→internet").candidates[0]?.path).toBe("isp1>internet");
  });

  it("what a kill switch refuses is known where packets are classified, of each table that pulse refuses it in", () => {
    const { steer, underlay } = planOf({
      documents: [...DOCUMENTS.slice(0, -1), policy("web", { killSwitch: true, breakout: "madrid" }), policy("plain")],
    });
    const refused = steer.choices
      .filter(({ killSwitch }) => killSwitch)
      .flatMap(({ table, destinations }) => destinations.map((to) => `${table} ${to}`));
    const told = underlay.lanes.flatMap(({ table, refuses = [] }) => refuses.map((to) => `${table} ${to}`));
    expect(told.toSorted()).toEqual(refused.toSorted());
    const web = underlay.lanes.find(({ what }) => what.kind === "class" && what.name === "web");
    expect(web?.refuses).toContain("0.0.0.0/0");
    expect(web?.refuses).toContain("10.2.0.0/16");
    expect(underlay.lanes.find(({ what }) => what.kind === "class" && what.name === "plain")?.refuses).toBe(undefined);
  });

  it("answers leave by the tunnel that the flow came in by, and by another one when that is dead", () => {
    expect(tiers(choiceOf(planOf(), "nv-isp1-1→madrid"))).toEqual([
      "isp1>madrid/isp2 0",
      "isp1>madrid/isp1 20",
      "isp2>madrid/isp1 20",
      "isp2>madrid/isp2 20",
    ]);
  });

  it("a class with a code point goes by the twin whose outer packets carry it, once that is up", () => {
    const ifnames = (tunnels: ReturnType<typeof tunnelReports>): readonly string[] =>
      choiceOf(planOf({ facts: { tunnels } }), "voice→madrid").candidates.map((each: CandidateSpec) => each.ifname);
    expect(ifnames(tunnelReports())[0]).toBe("nv-isp1-0");
    expect(ifnames(tunnelReports({ ifname: "nv-isp1-0-46" }))[0]).toBe("nv-isp1-0-46");
    expect(ifnames(tunnelReports({ ifname: "nv-isp1-0-46", state: "connecting" }))[0]).toBe("nv-isp1-0");
  });

  it("the SLA is the policy's, its class where nothing is written, and the stricter limits of both links", () => {
    const documents = [
      link("berlin", "isp1", { sla: { maxLatency: "50ms" } }),
      ...DOCUMENTS.slice(1, 2),
      link("madrid", "isp1", { sla: { maxPacketLoss: "0.5%" } }),
      ...DOCUMENTS.slice(3),
    ];
    const { sla, candidates } = choiceOf(planOf({ documents }), "voice→madrid");
    expect(sla).toEqual({ maxLatency: 300, maxJitter: 30, maxPacketLoss: 1, minMos: 3.6 });
    expect(candidates.map((each) => [each.sla?.maxLatency, each.sla?.maxPacketLoss])).toEqual([
      [50, 0.5],
      [50, 1],
      [300, 0.5],
      [300, 1],
    ]);
  });
});

describe("users", () => {
  it("names become numbers; a policy for users that are not here matches nobody rather than everybody", () => {
    const of = (users: readonly (string | number)[]) =>
      wanted({ documents: [...DOCUMENTS.slice(0, -1), policy("own", {}, { match: { users } })] }).wish;
    expect(of(["backup", 7]).plan?.underlay.classes[0]?.match.users).toEqual([34, 7]);
    const unknown = of(["nobody-here"]);
    expect(unknown.plan?.underlay.classes[0]?.match.users).toEqual([4_294_967_294]);
    expect(unknown.conditions.map(({ code }) => code)).toEqual(["WAN_INCOMPLETE"]);
  });
});

describe("keys", () => {
  it("a site that is given our own public key is named: WireGuard would drop it without a word", () => {
    const keys = { privateKey: "own", publicKey: PUBLIC_KEYS.madrid };
    expect(wanted({ facts: { keys } }).wish.conditions).toEqual([
      {
        code: "WAN_KEY",
        severity: "error",
        subject: "site/madrid",
        message: "its publicKey is this site's own: write what novactl wan keys shows in madrid",
      },
    ]);
  });
});
