/** Control and the routing process: when it runs, what it is told, what of it stays when it ends. */
import { describe, expect, it } from "vitest";
import { ms } from "../../../base/unit.ts";
import { routingActions } from "../../../daemon/admin/routing-actions.ts";
import { controlWorld, Forgetful } from "../control-world.ts";
import { PEERS } from "../routing-answers.ts";
import {
  codes,
  GATEWAY,
  hello,
  type Made,
  NOTHING,
  plans,
  running,
  settingsOf,
  started,
  VIP,
  vipSays,
} from "../routing-world.ts";

describe("the routing process runs while there is something to route", () => {
  it("not for a configuration without routing", async () => {
    const made = controlWorld(NOTHING);
    await made.settle();
    expect(started(made)).toBe(false);
    expect(made.control.notReady()).toBeUndefined();
  });
  it("from the first virtual IP on; the node is ready when it has reported about it", async () => {
    const made = controlWorld(NOTHING);
    await made.settle();
    made.reconfigure(VIP);
    await made.clock.pass(1);
    expect(started(made)).toBe(true);
    expect(made.control.notReady()).toMatch(/routing process/);
    await hello(made);
    expect(plans(made)).toHaveLength(1);
    expect(plans(made)[0]?.vips).toEqual([
      { name: "web", addresses: ["192.0.2.10/32"], eligible: true, why: "OK", ports: [] },
    ]);
    vipSays(made, "announced");
    expect(made.control.notReady()).toBeUndefined();
  });
  it("what an earlier life left was removed: the first start is no restart", async () => {
    const memory = new Forgetful(true);
    const made = controlWorld(NOTHING, {}, memory);
    made.routing.forget();
    expect(memory.kept).toEqual(["ended -"]);
    await made.settle();
    made.reconfigure(VIP);
    await made.clock.pass(1);
    await hello(made);
    expect(plans(made).at(-1)?.bgp?.restarting).toBe(false);
  });
  it("a pass without a change sends nothing", async () => {
    const made = await running();
    made.control.changed();
    await made.clock.pass(1);
    expect(plans(made)).toHaveLength(1);
  });
  it("the last virtual IP is withdrawn first, then the process is asked to stop, then nothing is remembered", async () => {
    const memory = new Forgetful();
    const made = await running(memory);
    made.reconfigure(NOTHING);
    await made.clock.pass(1);
    expect(plans(made).at(-1)?.vips).toEqual([
      { name: "web", addresses: ["192.0.2.10/32"], eligible: false, why: "REMOVED", ports: [] },
    ]);
    // Its peers stay until they have heard of it.
    expect(
      plans(made)
        .at(-1)
        ?.bgp?.peers.map(({ name }) => name),
    ).toEqual(["10.0.0.1"]);
    expect(made.router.sent.at(-1)?.kind).toBe("plan");
    vipSays(made, "withdrawn");
    await made.clock.pass(600);
    expect(made.router.sent.at(-1)).toEqual({ kind: "stop", keep: false });
    made.router.on?.ended("exit 0");
    await made.clock.pass(1);
    expect(made.routing.phase).toBe("stopped");
    expect(memory.kept.at(-1)).toMatch(/^ended/);
    expect(made.control.notReady()).toBeUndefined();
  });
  it("… also when it never says that it is withdrawn", async () => {
    const made = await running();
    made.reconfigure(NOTHING);
    await made.clock.pass(3_600);
    expect(made.router.sent.at(-1)).toEqual({ kind: "stop", keep: false });
  });
  it("wanted again while it ends: it is started again", async () => {
    const made = await running();
    made.reconfigure(NOTHING);
    vipSays(made, "withdrawn");
    await made.clock.pass(1_000);
    made.reconfigure(VIP);
    await made.clock.pass(1);
    const before = made.router.on;
    before?.ended("exit 0");
    await made.clock.pass(1);
    expect(made.router.on).not.toBe(before);
    await hello(made);
    expect(plans(made).at(-1)?.bgp?.restarting).toBe(false); // it was ended, not broken
  });
  it("the health gate decides: without a listener the address is not eligible", async () => {
    const made = controlWorld(`${VIP.replace("  healthPolicy: {requireGateway: false}\n", "")}${GATEWAY}`);
    await made.settle();
    await hello(made);
    expect(plans(made).at(-1)?.vips[0]).toMatchObject({ eligible: true });
    for (const plane of made.planes) plane.on?.ended("exit 1");
    await made.clock.pass(1);
    expect(plans(made).at(-1)?.vips[0]).toMatchObject({ eligible: false, why: "NOT_LISTENING" });
  });
});

describe("restarts (RFC 4724 §4.1, RFC 3623 §2)", () => {
  it("the first start is a cold one, and is remembered", async () => {
    const memory = new Forgetful();
    const made = await running(memory);
    expect(plans(made)[0]?.bgp?.restarting).toBe(false);
    expect(memory.kept).toEqual(["running 10.0.0.7"]);
  });
  it("after a crash of it, peers are told of a restart", async () => {
    const made = await running();
    made.router.on?.ended("signal SIGKILL");
    await made.clock.pass(1_000);
    await hello(made);
    expect(plans(made).at(-1)?.bgp?.restarting).toBe(true);
  });
  it("after a crash of control, too", async () => {
    const made = await running(new Forgetful(true));
    expect(plans(made)[0]?.bgp?.restarting).toBe(true);
  });
  it("while it is down, that is a condition, and readiness waits for what it reports anew", async () => {
    const made = await running();
    made.router.on?.ended("signal SIGKILL");
    await made.clock.pass(1);
    expect(codes(made)).toContain("error ROUTING_DOWN routing");
    expect(made.control.notReady()).toMatch(/routing process/);
  });
  it("the router id is the lowest address, and one that an earlier life derived stays while the host has it", async () => {
    const made = await running(new Forgetful(false, "10.0.0.7"));
    expect(plans(made)[0]?.bgp?.routerId).toBe("10.0.0.7");
    const cloned = await running(new Forgetful(false, "10.0.0.3"));
    expect(plans(cloned)[0]?.bgp?.routerId).toBe("10.0.0.7");
  });
});

describe("the end of the daemon", () => {
  const TIMES = { handover: ms(1_000), withdrawal: ms(300), linger: ms(200), grace: ms(1_000) };
  it("withdraw first, at last resort after the drain time; then data planes; then the process", async () => {
    const made = await running(undefined, settingsOf("routing: {drain: 2s}"));
    const stopped = made.control.stop(TIMES);
    await made.clock.pass(900); // data planes that do not answer are not waited for
    expect(made.router.sent.at(-1)).toEqual({ kind: "withdraw", grace: 2000 });
    expect(made.planes[0]?.sent.at(-1)?.kind).not.toBe("drain");
    made.pulse.say({ kind: "withdrawn" });
    made.router.say({ kind: "withdrawn" });
    await made.clock.pass(201);
    expect(made.planes[0]?.sent.at(-1)?.kind).toBe("drain");
    for (const plane of made.planes) plane.on?.ended("exit 0");
    await made.clock.pass(1);
    expect(made.router.sent.at(-1)).toEqual({ kind: "stop", keep: false });
    // Else BFD would end before the sessions that it guards.
    expect(made.pulse.sent.at(-1)?.kind).not.toBe("stop");
    made.router.on?.ended("exit 0");
    await made.clock.pass(1);
    expect(made.pulse.sent.at(-1)?.kind).toBe("stop");
    made.pulse.on?.ended("exit 0");
    await stopped;
  });
  it("before routers send elsewhere, callers are overlooked and connections end; then nothing is left to wait for", async () => {
    const made = await running(undefined, settingsOf("routing: {drain: 2s}"));
    const before = plans(made).length;
    void made.control.stop(TIMES);
    await made.clock.pass(1);
    expect(made.overlooked).toEqual(
      plans(made)
        .at(-1)
        ?.vips.flatMap(({ addresses }) => addresses),
    );
    for (const plane of made.planes) expect(plane.sent.at(-1)).toEqual({ kind: "hush" });
    made.control.changed();
    await made.clock.pass(1);
    expect(plans(made)).toHaveLength(before); // it is announced as before
    const [first, ...others] = made.planes;
    first?.say({ kind: "hushed" });
    await made.clock.pass(1);
    expect(made.router.sent.map(({ kind }) => kind)).not.toContain("withdraw");
    for (const plane of others) plane.say({ kind: "hushed" });
    await made.clock.pass(1);
    expect(made.router.sent.at(-1)).toEqual({ kind: "withdraw", grace: 0 });
  });
  it("nothing is planned after the withdrawal", async () => {
    const made = await running();
    void made.control.stop(TIMES);
    await made.clock.pass(1);
    const count = plans(made).length;
    made.control.changed();
    await made.clock.pass(1);
    expect(plans(made)).toHaveLength(count);
  });
  it("no patience: it is asked to stop at once, and not started again", async () => {
    const made = await running();
    made.control.hurry();
    await made.clock.pass(1);
    expect(made.router.sent.at(-1)).toEqual({ kind: "stop", keep: false });
    made.router.on?.ended("exit 0");
    await made.clock.pass(1_000);
    expect(made.routing.phase).toBe("stopped");
  });
  it("onStop: keep ends as a graceful restart", async () => {
    const memory = new Forgetful();
    const made = await running(memory, settingsOf("routing: {onStop: keep}"));
    void made.control.stop(TIMES);
    made.pulse.say({ kind: "withdrawn" });
    await made.clock.pass(1);
    for (const plane of made.planes) plane.on?.ended("exit 0");
    await made.clock.pass(1);
    expect(made.router.sent.map(({ kind }) => kind)).not.toContain("withdraw");
    expect(made.router.sent.at(-1)).toEqual({ kind: "stop", keep: true });
    expect(plans(made)).toHaveLength(1); // nothing that would take the address away
    expect(memory.kept.at(-1)).toMatch(/^running/);
    made.router.on?.ended("exit 0");
    await made.clock.pass(1_000);
    expect(made.routing.phase).toBe("stopped");
    expect(made.control.keepsRoutes).toBe(true);
  });
});

describe("conditions of routing", () => {
  const [UP] = PEERS;
  if (UP === undefined) throw new TypeError("no peer");
  const peer = { ...UP, name: "10.0.0.1", address: "10.0.0.1" };
  const about = (made: Made): readonly string[] => codes(made).filter((each) => each.includes("bgp/"));

  it("a peer that does not come up is told after ten seconds, one that was up at once", async () => {
    const made = await running();
    await made.clock.pass(9_000);
    expect(about(made)).toEqual([]);
    await made.clock.pass(1_100);
    expect(about(made)).toEqual(["error BGP_PEER_DOWN bgp/10.0.0.1"]);
    made.router.say({ kind: "bgp-peer", peer });
    await made.clock.pass(1);
    expect(about(made)).toEqual([]);
    made.router.say({ kind: "bgp-peer", peer: { ...peer, state: "idle" } });
    await made.clock.pass(1);
    expect(about(made)).toEqual(["error BGP_PEER_DOWN bgp/10.0.0.1"]);
    expect(made.control.conditions.list.find(({ code }) => code === "BGP_PEER_DOWN")?.message).toMatch(
      /10\.0\.0\.1 is down; last error: hold-timer-expired received/,
    );
  });
  it("while another peer is up, a lost one is a warning", async () => {
    const two = settingsOf(
      "bgp: {peers: [{name: a, address: 10.0.0.1, asn: 65000}, {name: b, address: 10.0.0.2, asn: 65000}]}",
    );
    const made = await running(undefined, two);
    made.router.say({ kind: "bgp-peer", peer: { ...peer, name: "a" } });
    await made.clock.pass(11_000);
    expect(about(made)).toEqual(["warning BGP_PEER_DOWN bgp/b"]);
  });
  it("near its limit of prefixes", async () => {
    const limited = settingsOf(
      "bgp: {peers: [{name: a, address: 10.0.0.1, asn: 65000, maxPrefixes: {ipv4: {limit: 25, warnAt: 80}}}]}",
    );
    const made = await running(undefined, limited);
    made.router.say({ kind: "bgp-peer", peer: { ...peer, name: "a" } });
    await made.clock.pass(1);
    expect(about(made)).toEqual(["warning BGP_MAX_PREFIX bgp/a"]);
    const few = peer.families.map((each) => ({ ...each, received: 3 }));
    made.router.say({ kind: "bgp-peer", peer: { ...peer, name: "a", families: few } });
    await made.clock.pass(1);
    expect(about(made)).toEqual([]);
    const lastError = "cease/maximum-number-of-prefixes-reached sent";
    made.router.say({ kind: "bgp-peer", peer: { ...peer, name: "a", state: "idle", lastError } });
    await made.clock.pass(1);
    expect(made.control.conditions.list.find(({ code }) => code === "BGP_MAX_PREFIX")?.message).toBe(
      `shut down: ${lastError}; allowed: 25 ipv4; \`novactl bgp clear a\` tries again`,
    );
  });
  it("another AS than configured, on either side, in words", async () => {
    const made = await running();
    const said = async (lastError: string): Promise<string | undefined> => {
      made.router.say({ kind: "bgp-peer", peer: { ...peer, state: "idle", lastError } });
      await made.clock.pass(1);
      return made.control.conditions.list.find(({ code }) => code === "BGP_PEER_DOWN")?.message;
    };
    expect(await said("open-message/bad-peer-as sent")).toMatch(
      /the peer is not in AS 65000, which is configured here/,
    );
    expect(await said("open-message/bad-peer-as received")).toMatch(/the peer expects another AS of this host/);
  });
  it("an address that could not be bound", async () => {
    const made = await running();
    vipSays(made, "failed", "permission denied");
    await made.clock.pass(1);
    expect(codes(made)).toContain("error VIP_NOT_ANNOUNCED ProxyVIP/web");
  });
});

describe("one of two families", () => {
  it("an address that nobody hears of is told after a minute, though the other one is announced", async () => {
    const made = await running();
    const says = (why: string): void => made.router.say({ kind: "vip", vip: { name: "web", state: "bound", why } });
    const told = (): readonly string[] => codes(made).filter((each) => each.includes("VIP_NOT"));
    says("NO_PEER 2001:db8::10/128");
    await made.clock.pass(59_000);
    expect(told()).toEqual([]);
    await made.clock.pass(1_100);
    expect(told()).toEqual(["warning VIP_NOT_ANNOUNCED ProxyVIP/web"]);
    says("NO_PEER"); // that its peer is down is said of the peer
    await made.clock.pass(61_000);
    expect(told()).toEqual([]);
  });
});

describe("questions and traces", () => {
  it("an event of the process has its weight once", async () => {
    const made = await running();
    made.router.say({ kind: "event", name: "bgp.route-refused", fields: { prefix: "10.0.0.0/8", level: "warn" } });
    const [told] = made.events.since(0).filter(({ name }) => name === "bgp.route-refused");
    expect(told).toMatchObject({ level: "warn", fields: { prefix: "10.0.0.0/8" } });
    expect(told?.fields).not.toHaveProperty("level");
  });
  it("what will never come is not traced: a BGP peer of no name or prefix, an interface that speaks no OSPF", async () => {
    const dynamic = "dynamic: [{name: any, prefix: 10.9.0.0/24, asn: 65000}]";
    const areas = "v2: {areas: [{id: 0, interfaces: [{name: eth0}]}]}";
    const { bgp, ospf } = settingsOf(`bgp: {asn: 65001, ${dynamic}}\nospf: {${areas}}`);
    const made = await running(undefined, { bgp, ospf });
    const actions = routingActions(made);
    const untraceable = (of: "bgp" | "ospf" | "bfd", peer: string | undefined) => actions.untraceable(of, peer);
    expect(untraceable("bgp", "10.0.0.11")).toMatchObject({
      code: "NOT_FOUND",
      message: "there is no BGP peer 10.0.0.11; did you mean 10.0.0.1?",
    });
    for (const peer of [undefined, "10.0.0.1", "10.9.0.7", "any/10.9.0.7"])
      expect([peer, untraceable("bgp", peer)]).toEqual([peer, undefined]);
    for (const peer of ["10.9.1.7", "any/10.8.0.7", "any", "fe80::1"])
      expect([peer, untraceable("bgp", peer)?.code]).toEqual([peer, "NOT_FOUND"]);
    for (const word of ["eth0", "192.0.2.9", "fe80::1"])
      expect([word, untraceable("ospf", word)]).toEqual([word, undefined]);
    expect(untraceable("ospf", "eth1")?.message).toMatch(/did you mean eth0/);
    expect(untraceable("bfd", "whatever")).toBeUndefined();
  });
  it("an answer finds its question; without a process, or when it goes, there is none", async () => {
    const made = await running();
    const asked = made.routing.ask({ of: "ospf-lsdb" });
    const last = made.router.sent.at(-1);
    if (last?.kind !== "ask") throw new TypeError("nothing was asked");
    made.router.say({ kind: "answer", n: last.n, answer: { of: "ospf-lsdb", lsas: [] } });
    expect(await asked).toEqual({ of: "ospf-lsdb", lsas: [] });
    const lost = made.routing.ask({ of: "ospf-routes" });
    made.router.on?.ended("signal SIGKILL");
    expect(await lost).toBeUndefined();
    expect(await made.routing.ask({ of: "ospf-routes" })).toBeUndefined();
  });
  it("who traces gets lines until he ends it, also of a process that was started anew", async () => {
    const made = await running();
    const lines: string[] = [];
    const trace = made.traces.follow("bgp", "10.0.0.1", ({ text }) => lines.push(text));
    const n = 1;
    const line = { at: 0, protocol: "bgp", peer: "10.0.0.1", direction: "in", text: "OPEN" } as const;
    expect(made.router.sent.at(-1)).toEqual({ kind: "trace", n, protocol: "bgp", peer: "10.0.0.1" });
    made.router.say({ kind: "trace", n, line });
    made.router.on?.ended("signal SIGKILL");
    await made.clock.pass(1_000);
    await hello(made);
    expect(made.router.sent.findLast(({ kind }) => kind === "trace")).toMatchObject({ n });
    made.router.say({ kind: "trace", n, line });
    trace[Symbol.dispose]();
    expect(made.router.sent.at(-1)).toEqual({ kind: "untrace", n });
    made.router.say({ kind: "trace", n, line });
    expect(lines).toEqual(["OPEN", "OPEN"]);
  });
});
