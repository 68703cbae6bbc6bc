/** Networks without multicast: RFC 2328 §9.5.1, §10.3 (Attempt), §8.1. */
import { describe, expect, test } from "vitest";
import { formatIp } from "../../../base/address.ts";
import { iface, Network, network, plan, states } from "./network.ts";

const FAST = { type: "nbma", hello: 1000, dead: 4000, retransmit: 1000, poll: 10_000 } as const;

describe.each([2, 3] as const)("OSPFv%s on NBMA", (version) => {
  const ip = (host: number): string[] =>
    version === 2 ? [`10.0.0.${host}/24`] : [`fe80::${host}/64`, `2001:db8::${host}/64`];
  const name = (host: number): string => (version === 2 ? `10.0.0.${host}` : `fe80::${host}`);
  const vip = version === 2 ? "192.0.2.1/32" : "2001:db8:1::1/128";

  function build(priorities: readonly number[], cut = false) {
    const net = new Network();
    const cloud = net.segment("cloud");
    if (cut) cloud.cut.add("*");
    const nodes = priorities.map((priority, at) => {
      const neighbors = priorities.flatMap((other, index) =>
        index === at ? [] : [{ address: name(index + 1), priority: other }],
      );
      return net.node(
        plan(version, `1.1.1.${at + 1}`, [{ interfaces: [iface("eth0", { ...FAST, priority, neighbors })] }], {
          networks: at === 0 ? [network(vip)] : [],
        }),
        { eth0: { segment: cloud, addresses: ip(at + 1) } },
      );
    });
    return { net, cloud, nodes };
  }

  test("all by unicast: DR, BDR, an ineligible DROther, Full, routes", () => {
    const { net, nodes } = build([0, 1, 2]);
    net.run(60_000);
    expect(nodes.map((node) => states(node, net.now)["eth0"])).toEqual(["dr-other", "backup", "dr"]);
    for (const node of nodes) {
      const sent = node.actions.flatMap((each) => (each.kind === "send" ? [formatIp(each.destination)] : []));
      expect(new Set(sent).size).toBeLessThanOrEqual(2);
      expect(sent.some((each) => /^(224|ff02)/.test(each))).toBe(false);
      expect(node.groups.size === 0 || !node.groups.get("eth0")?.allSpf).toBe(true);
    }
    expect(nodes[1]?.kernel.has(vip)).toBe(true);
    expect(net.differences()).toEqual([]);
  });

  test("§9.5.1: a silent neighbor is tried at PollInterval after Attempt, and found when it comes", () => {
    const { net, cloud, nodes } = build([1, 1], true);
    const [one] = nodes;
    if (one === undefined) throw new TypeError("no node");
    net.run(3000);
    expect(states(one, net.now)["eth0 0.0.0.0"]).toBe("attempt");
    net.run(10_000);
    expect(states(one, net.now)["eth0 0.0.0.0"]).toBe("down");
    const at = one.actions.length;
    net.run(30_000);
    const hellos = one.actions.slice(at).filter((each) => each.kind === "send");
    expect(hellos.length).toBe(3);
    cloud.cut.clear();
    net.run(25_000);
    expect(states(one, net.now)["eth0 1.1.1.2"]).toBe("full");
  });

  test("a stranger is refused by name", () => {
    const { net, nodes, cloud } = build([1, 1]);
    net.run(10_000);
    net.node(
      plan(version, "1.1.1.9", [
        { interfaces: [iface("eth0", { ...FAST, neighbors: [{ address: name(1), priority: 1 }] })] },
      ]),
      { eth0: { segment: cloud, addresses: ip(9) } },
    );
    net.run(10_000);
    const report = nodes[0]?.router.interfaces(net.now)[0];
    expect(report?.refused["neighbor-not-configured"]).toBeGreaterThan(0);
    expect(report?.neighbors.length).toBe(1);
  });
});
