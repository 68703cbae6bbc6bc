/** Graceful restart (RFC 3623, RFC 5187): traffic through who restarts is lost nowhere. */
import { describe, expect, test } from "vitest";
import type { OspfPlan } from "../../../netstack/ospf/plan.ts";
import { iface, Network, type Node, network, plan, type Segment, states } from "./network.ts";

const GRACE = { period: 60_000, helper: true };

describe.each([2, 3] as const)("OSPFv%s graceful restart", (version) => {
  const vip = version === 2 ? "192.0.2.1/32" : "2001:db8:1::1/128";
  const ip = (host: number): string[] =>
    version === 2 ? [`10.0.0.${host}/24`] : [`fe80::${host}/64`, `2001:db8::${host}/64`];

  function three(type: "broadcast" | "point-to-point", hosts: number) {
    const net = new Network();
    const lan: Segment = net.segment("lan");
    const plans: OspfPlan[] = [];
    const nodes: Node[] = [];
    for (let host = 1; host <= hosts; host++) {
      const spec = iface("eth0", { type, hello: 1000, dead: 4000, retransmit: 1000 });
      const wanted = plan(version, `1.1.1.${host}`, [{ interfaces: [spec] }], {
        gracefulRestart: GRACE,
        networks: host === hosts ? [network(vip)] : [],
      });
      plans.push(wanted);
      nodes.push(net.node(wanted, { eth0: { segment: lan, addresses: ip(host) } }));
    }
    net.run(20_000);
    return { net, lan, plans, nodes };
  }

  test.each([
    ["point-to-point", 2],
    ["broadcast", 3],
  ] as const)("RFC 3623 §2: a %s neighbor keeps the route over the restart", (type, hosts) => {
    const { net, nodes, plans } = three(type, hosts);
    const [watcher] = nodes;
    const restarter = nodes.at(-1);
    const old = plans.at(-1);
    if (watcher === undefined || restarter === undefined || old === undefined) throw new TypeError("no nodes");
    expect(watcher.kernel.has(vip)).toBe(true);
    const before = states(watcher, net.now)["eth0"];
    const told = watcher.actions.length;
    net.feed(restarter, { kind: "stop", keep: true });
    net.run(1000);
    expect(restarter.actions.some((each) => each.kind === "stopped")).toBe(true);
    net.kill(restarter);
    net.run(10_000); // longer than the dead interval
    net.start(restarter, { ...old, restarting: true });
    net.run(30_000);
    const lost = watcher.actions.slice(told).filter((each) => each.kind === "routes" && each.gone.length > 0);
    expect(lost).toEqual([]);
    expect(watcher.kernel.has(vip)).toBe(true);
    expect(states(watcher, net.now)["eth0 1.1.1." + hosts]).toBe("full");
    expect(states(watcher, net.now)["eth0"]).toBe(before);
    expect(restarter.actions.filter((each) => each.kind === "event").map((each) => each.fields)).toContainEqual({
      why: "all-adjacent",
    });
    expect(net.differences()).toEqual([]);
    // The grace LSA is flushed when it is over.
    for (const node of nodes) {
      const types = node.router.database(net.now).map((each) => each.type);
      expect(types).not.toContain(version === 2 ? "opaque-link" : "grace");
    }
  });

  test.each([
    ["point-to-point", 2],
    ["broadcast", 3],
  ] as const)("RFC 3623 §5: killed, and back before a %s neighbor has missed it: nothing is lost", (type, hosts) => {
    const { net, nodes, plans } = three(type, hosts);
    const [watcher] = nodes;
    const restarter = nodes.at(-1);
    const old = plans.at(-1);
    if (watcher === undefined || restarter === undefined || old === undefined) throw new TypeError("no nodes");
    const told = watcher.actions.length;
    net.kill(restarter);
    net.run(2500);
    const first = restarter.actions.length;
    net.start(restarter, { ...old, restarting: true });
    net.run(30_000);
    // The first packet of all says so: a hello before it would end the adjacency.
    const sent = restarter.actions.slice(first).find((each) => each.kind === "send");
    expect(sent).toMatchObject({ packet: { kind: "update" } });
    const helping = watcher.actions.slice(told).filter((each) => each.kind === "event" && each.name === "ospf.helping");
    expect(helping).toHaveLength(1);
    const lost = watcher.actions.slice(told).filter((each) => each.kind === "routes" && each.gone.length > 0);
    expect(lost).toEqual([]);
    expect(watcher.kernel.has(vip)).toBe(true);
    expect(states(watcher, net.now)["eth0 1.1.1." + hosts]).toBe("full");
    expect(net.differences()).toEqual([]);
    for (const node of nodes) {
      const types = node.router.database(net.now).map((each) => each.type);
      expect(types).not.toContain(version === 2 ? "opaque-link" : "grace");
    }
  });

  test("RFC 3623 §5: killed, and back when it has been missed: an ordinary start", () => {
    const { net, nodes, plans } = three("broadcast", 3);
    const [watcher] = nodes;
    const restarter = nodes.at(-1);
    const old = plans.at(-1);
    if (watcher === undefined || restarter === undefined || old === undefined) throw new TypeError("no nodes");
    net.kill(restarter);
    net.run(6000);
    expect(watcher.kernel.has(vip)).toBe(false);
    net.start(restarter, { ...old, restarting: true });
    net.run(30_000);
    expect(watcher.kernel.has(vip)).toBe(true);
    expect(net.differences()).toEqual([]);
  });

  test("RFC 3623 §2.1: the restarter tells no route before it is over, then all at once and complete", () => {
    const { net, nodes, plans } = three("broadcast", 3);
    const [restarter, , announcer] = nodes;
    const [old] = plans;
    if (restarter === undefined || old === undefined || announcer === undefined) throw new TypeError("no nodes");
    net.feed(restarter, { kind: "stop", keep: true });
    net.run(500);
    net.kill(restarter);
    net.run(5000);
    const at = restarter.actions.length;
    net.start(restarter, { ...old, restarting: true });
    net.run(30_000);
    const later = restarter.actions.slice(at);
    const first = later.findIndex((each) => each.kind === "routes");
    expect(later[first]).toMatchObject({ complete: true, set: [{ kind: "external-2" }] });
    const over = later.findIndex((each) => each.kind === "event" && each.name === "ospf.restarted");
    expect(over).toBeGreaterThan(0);
    expect(over).toBeLessThan(first);
    const originated = later
      .slice(0, over)
      .flatMap((each) => (each.kind === "send" && each.packet.kind === "update" ? each.packet.lsas : []));
    const router = version === 2 ? 1 : 0x2001;
    expect(originated.filter((lsa) => lsa.header.type === router && lsa.header.age < 2)).toEqual([]);
  });

  test("RFC 3623 §3.2 (1): the helper gives up when the grace period is over", () => {
    const { net, nodes } = three("point-to-point", 2);
    const [watcher, restarter] = nodes;
    if (watcher === undefined || restarter === undefined) throw new TypeError("no nodes");
    net.feed(restarter, { kind: "stop", keep: true });
    net.run(500);
    net.kill(restarter);
    net.run(50_000);
    expect(watcher.kernel.has(vip)).toBe(true);
    net.run(15_000);
    expect(watcher.kernel.has(vip)).toBe(false);
    expect(states(watcher, net.now)).toEqual({ eth0: "point-to-point" });
  });

  test("RFC 3623 §3.2 (3): the helper gives up when the network changes", () => {
    const { net, nodes, plans } = three("broadcast", 3);
    const [watcher, changer, restarter] = nodes;
    const [, other] = plans;
    if (watcher === undefined || restarter === undefined || changer === undefined || other === undefined)
      throw new TypeError("no nodes");
    net.feed(restarter, { kind: "stop", keep: true });
    net.run(500);
    net.kill(restarter);
    net.run(2000);
    const more = network(version === 2 ? "192.0.2.2/32" : "2001:db8:1::2/128");
    net.configure(changer, { ...other, networks: [more] });
    net.run(15_000);
    expect(watcher.kernel.has(vip)).toBe(false);
    expect(net.log.some((line) => line.includes("ospf.helped") && line.includes("topology-changed"))).toBe(true);
  });

  test("RFC 3623 §3.1: who shall not help does not", () => {
    const { net, nodes, plans } = three("point-to-point", 2);
    const [watcher, restarter] = nodes;
    const [old] = plans;
    if (watcher === undefined || restarter === undefined || old === undefined) throw new TypeError("no nodes");
    net.configure(watcher, { ...old, gracefulRestart: undefined });
    net.feed(restarter, { kind: "stop", keep: true });
    net.run(500);
    net.kill(restarter);
    net.run(6000);
    expect(watcher.kernel.has(vip)).toBe(false);
  });
});
