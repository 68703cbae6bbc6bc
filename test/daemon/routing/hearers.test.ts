/** An address counts as announced when somebody of its own family hears of it. */
import { describe, expect, it } from "vitest";
import { Hearers } from "../../../daemon/routing/hearers.ts";
import type { RoutingPlan } from "../../../daemon/routing/words.ts";
import type { BgpPeerReport } from "../../../netstack/bgp/plan.ts";
import type { OspfInterfaceReport } from "../../../netstack/ospf/plan.ts";
import { bgpOf, networkOf, planOf, VIP4, VIP6 } from "../../interop/bgp-router.ts";
import { interfaceOf, planOf as ospfOf, vip } from "../../interop/ospf-router.ts";
import { INTERFACES, PEERS } from "../routing-answers.ts";

const peer = (name: string, announced: Readonly<Record<"ipv4" | "ipv6", number>>, state = "established") =>
  ({
    ...PEERS[0],
    name,
    state,
    families: (["ipv4", "ipv6"] as const).map((family) => ({
      family,
      received: 0,
      accepted: 0,
      announced: announced[family],
      stale: 0,
    })),
  }) as BgpPeerReport;
const face = (version: 2 | 3, state: "full" | "init") =>
  ({
    ...INTERFACES[0],
    version,
    neighbors: INTERFACES[0]?.neighbors.slice(0, 1).map((each) => ({ ...each, state })),
  }) as OspfInterfaceReport;

describe("who hears of an address", () => {
  const both = (hearers: Hearers, plan: RoutingPlan): readonly string[] =>
    [VIP4, VIP6].map((each) => hearers.of(each, plan));
  it("BGP: a peer that was told something of that family, among those that shall hear of it", () => {
    let moves = 0;
    const hearers = new Hearers(() => moves++);
    const plan = planOf(bgpOf([]));
    expect(both(hearers, plan)).toEqual(["unheard", "unheard"]);
    hearers.peer(peer("r", { ipv4: 0, ipv6: 0 }));
    expect([both(hearers, plan), moves]).toEqual([["unheard", "unheard"], 0]);
    hearers.peer(peer("r", { ipv4: 1, ipv6: 0 }));
    expect([both(hearers, plan), moves]).toEqual([["heard", "unheard"], 1]);
    hearers.peer(peer("s", { ipv4: 0, ipv6: 3 }));
    expect([both(hearers, plan), moves]).toEqual([["heard", "heard"], 2]);
    const chosen = planOf(bgpOf([], { networks: [networkOf(VIP4), networkOf(VIP6, { peers: ["r"] })] }));
    expect(both(hearers, chosen)).toEqual(["heard", "unheard"]);
    hearers.peer(peer("s", { ipv4: 0, ipv6: 3 }, "active"));
    hearers.peerGone("r");
    expect([both(hearers, plan), moves]).toEqual([["unheard", "unheard"], 4]);
  });
  it("OSPF: a full neighbor of the version that carries it", () => {
    let moves = 0;
    const hearers = new Hearers(() => moves++);
    const iface = interfaceOf();
    const ospf = ([2, 3] as const).map((version) => ospfOf(version, iface, { networks: [vip(version)] }));
    const plan: RoutingPlan = { bgp: undefined, ospf, vips: [] };
    hearers.interface(face(2, "full"));
    expect([both(hearers, plan), moves]).toEqual([["heard", "unheard"], 1]);
    hearers.interface(face(3, "full"));
    hearers.interface(face(2, "init"));
    expect([both(hearers, plan), moves]).toEqual([["unheard", "heard"], 3]);
    hearers.interfaceGone(3, face(3, "full").ifname);
    expect([both(hearers, plan), moves]).toEqual([["unheard", "unheard"], 4]);
  });
  it("what no protocol carries is told to nobody", () => {
    expect(new Hearers(() => undefined).of("192.0.2.99/32", planOf(bgpOf([])))).toBe("not told");
  });
});
