/** BFD in control's hands: wishes of routing and of the operator to pulse, reports back to who asked. */
import { describe, expect, it } from "vitest";
import { ospfStatus } from "../../daemon/status/routing-status.ts";
import type { BfdReport, BfdSpec } from "../../netstack/bfd/plan.ts";
import { controlWorld } from "./control-world.ts";
import { INTERFACES, PEERS, SESSIONS } from "./routing-answers.ts";
import { codes, hello, type Made, NOTHING, running, settingsOf, VIP, vipSays } from "./routing-world.ts";

describe("BFD between routing and pulse", () => {
  const timing = {
    desiredMinTx: 50,
    requiredMinRx: 50,
    multiplier: 3,
    echoTx: undefined,
    requiredMinEchoRx: 0,
    demand: false,
  };
  const wish: BfdSpec = {
    id: "bgp/10.0.0.1",
    peer: "10.0.0.1",
    local: undefined,
    ifname: "eth0",
    hops: "single",
    minTtl: 1,
    role: "active",
    timing,
    auth: undefined,
    adminDown: false,
  };
  const report = (more: Partial<BfdReport>): BfdReport => {
    const [session] = SESSIONS;
    if (session === undefined) throw new TypeError("no session");
    const { clients: _, ...rest } = session;
    return { ...rest, id: "10.0.0.1", peer: "10.0.0.1", ...more };
  };
  const asked = ({ pulse }: Made): readonly (readonly string[])[] =>
    pulse.sent.flatMap((each) => (each.kind === "bfd" ? [each.plan.sessions.map(({ id }) => id)] : []));
  const own = settingsOf("bfd: {sessions: [{name: tor, peer: 10.0.0.1}]}");

  it("wishes go to pulse, reports come back under the id of the wish", async () => {
    const made = await running();
    made.router.say({ kind: "bfd", sessions: [wish] });
    expect(asked(made)).toEqual([["10.0.0.1"]]);
    made.pulse.say({ kind: "bfd", report: report({ state: "up", wasUp: true }) });
    expect(made.router.sent.at(-1)).toMatchObject({ kind: "bfd", report: { id: "bgp/10.0.0.1", state: "up" } });
  });
  it("the operator's session to the same peer is the same session; who asks later is told at once", async () => {
    const made = controlWorld(VIP, own);
    await made.settle();
    expect(asked(made)).toEqual([["10.0.0.1"]]);
    made.pulse.say({ kind: "bfd", report: report({ state: "up", wasUp: true }) });
    await hello(made);
    made.router.say({ kind: "bfd", sessions: [wish] });
    expect(made.router.sent.at(-1)).toMatchObject({ kind: "bfd", report: { id: "bgp/10.0.0.1" } });
    expect(made.bfd.status.sessions.map(({ clients }) => clients)).toEqual([["static/tor", "bgp/10.0.0.1"]]);
  });
  it("sessions outlive a crash of routing, not its end", async () => {
    const made = await running();
    made.router.say({ kind: "bfd", sessions: [wish] });
    made.router.on?.ended("signal SIGKILL");
    await made.clock.pass(10);
    expect(asked(made).at(-1)).toEqual(["10.0.0.1"]);
    await made.clock.pass(1_000);
    await hello(made);
    vipSays(made, "announced");
    made.reconfigure(NOTHING);
    vipSays(made, "withdrawn");
    await made.clock.pass(1_000);
    made.router.on?.ended("exit 0");
    await made.clock.pass(1);
    expect(asked(made).at(-1)).toEqual([]);
    made.pulse.say({ kind: "bfd", report: report({ state: "admin-down" }) }); // it says goodbye for a while
    expect(made.bfd.status.sessions).toEqual([]);
  });
  it("a routing process that starts again hears one neighbour after another: sessions of the others live on", async () => {
    const made = await running();
    const other = { ...wish, id: "ospfv2:eth1:10.1.0.1", peer: "10.1.0.1", ifname: "eth1" };
    made.router.say({ kind: "bfd", sessions: [wish, other] });
    made.router.on?.ended("signal SIGKILL");
    await made.clock.pass(1_000);
    await hello(made);
    made.router.say({ kind: "bfd", sessions: [wish] });
    expect(asked(made)).toEqual([["10.0.0.1", "10.1.0.1"]]);
    await made.clock.pass(40_000);
    expect(asked(made).at(-1)).toEqual(["10.0.0.1"]);
  });
  it("OSPF knows the state of its neighbours' sessions itself", async () => {
    const made = await running();
    const [first] = INTERFACES;
    if (first === undefined) throw new TypeError("no interface");
    made.router.say({ kind: "ospf-interface", interface: first });
    expect(ospfStatus(made.routing).interfaces[0]?.neighbors[0]?.bfd).toBe("up");
  });
  it("a new pulse is told everything", async () => {
    const made = await running();
    made.router.say({ kind: "bfd", sessions: [wish] });
    made.pulse.on?.ended("signal SIGKILL");
    await made.clock.pass(1_000);
    made.pulse.say({ kind: "hello", pid: 3, scheduling: "" });
    await made.clock.pass(1);
    expect(asked(made)).toHaveLength(2);
  });
  it("one that was up and is not is a condition; one that never came up only when the operator asked for it", async () => {
    const made = controlWorld(VIP, own);
    await made.settle();
    const says = async (more: Partial<BfdReport>): Promise<readonly string[]> => {
      made.pulse.say({ kind: "bfd", report: report(more) });
      await made.clock.pass(1);
      return codes(made).filter((each) => each.includes("BFD"));
    };
    expect(await says({ state: "down", wasUp: false })).toEqual(["warning BFD_DOWN 10.0.0.1"]);
    expect(await says({ state: "up", wasUp: true })).toEqual([]);
    expect(await says({ state: "down", wasUp: true })).toEqual(["warning BFD_DOWN 10.0.0.1"]);
    const without = await running();
    without.router.say({ kind: "bfd", sessions: [wish] });
    without.pulse.say({ kind: "bfd", report: report({ state: "down", wasUp: false }) });
    await without.clock.pass(1);
    expect(codes(without).filter((each) => each.includes("BFD"))).toEqual([]);
  });
  it("a full neighbor whose BFD session does not come up is told after half a minute", async () => {
    const made = await running(
      undefined,
      settingsOf(
        "bfd: {profiles: [{name: p}]}\nospf: {v2: {areas: [{id: 0, interfaces: [{name: eth0, bfd: {profile: p}}]}]}}",
      ),
    );
    const [first] = INTERFACES;
    if (first === undefined) throw new TypeError("no interface");
    const says = async (bfd: string | undefined): Promise<void> => {
      const neighbors = first.neighbors.map((each) => ({ ...each, state: "full" as const, bfd }));
      made.router.say({ kind: "ospf-interface", interface: { ...first, version: 2, ifname: "eth0", neighbors } });
      await made.clock.pass(1);
    };
    const told = (): readonly string[] => codes(made).filter((each) => each.includes("BFD"));
    await says(undefined);
    await made.clock.pass(20_000);
    await says("down");
    await made.clock.pass(9_000);
    expect(told()).toEqual([]);
    await made.clock.pass(1_100);
    expect(told()).toEqual(["warning BFD_DOWN ospf/eth0/v2"]);
    await says("up");
    expect(told()).toEqual([]);
  });
  it("an established BGP session whose BFD session never came up is told after half a minute", async () => {
    const made = await running();
    const [peer] = PEERS;
    if (peer === undefined) throw new TypeError("no peer");
    made.router.say({ kind: "bfd", sessions: [wish] });
    made.pulse.say({ kind: "bfd", report: report({ state: "down", wasUp: false }) });
    made.router.say({ kind: "bgp-peer", peer: { ...peer, name: "10.0.0.1", address: "10.0.0.1", bfd: wish.id } });
    const told = (): readonly string[] => codes(made).filter((each) => each.includes("BFD"));
    await made.clock.pass(29_000);
    expect(told()).toEqual([]);
    await made.clock.pass(1_100);
    expect(told()).toEqual(["warning BFD_DOWN bgp/10.0.0.1"]);
    made.pulse.say({ kind: "bfd", report: report({ state: "up", wasUp: true }) });
    await made.clock.pass(1);
    expect(told()).toEqual([]);
  });
});
