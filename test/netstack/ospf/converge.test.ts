import { describe, expect, test } from "vitest";
import { iface, Network, network, plan, states } from "./network.ts";

describe.each([2, 3] as const)("OSPFv%s on a broadcast network", (version) => {
  const ip = (host: number): string[] =>
    version === 2 ? [`10.0.0.${host}/24`] : [`fe80::${host}/64`, `2001:db8::${host}/64`];
  const vip = version === 2 ? "192.0.2.1/32" : "2001:db8:1::1/128";

  test("three routers: a DR, a BDR, a DROther, equal databases, and the route of what one announces", () => {
    const net = new Network();
    const lan = net.segment("lan");
    const nodes = [1, 2, 3].map((host) =>
      net.node(
        plan(version, `1.1.1.${host}`, [{ interfaces: [iface("eth0")] }], {
          networks: host === 3 ? [network(vip)] : [],
        }),
        { eth0: { segment: lan, addresses: ip(host) } },
      ),
    );
    net.run(60_000);
    const roles = new Set(nodes.map((node) => states(node, net.now)["eth0"]));
    expect(roles).toEqual(new Set(["backup", "dr", "dr-other"]));
    for (const node of nodes) {
      const all = Object.entries(states(node, net.now)).filter(([name]) => name.includes(" "));
      expect(all.map(([, state]) => state)).toEqual(["full", "full"]);
    }
    expect(net.differences()).toEqual([]);
    const route = nodes[0]?.kernel.get(vip);
    expect(route).toMatchObject({ kind: "external-2", cost: 20 });
    expect(route?.nextHops.map((each) => String(each.address))).toEqual([
      version === 2 ? String(10 * 2 ** 24 + 3) : "fe80::3",
    ]);
    expect(nodes[2]?.kernel.size).toBe(0);
  });

  test("point-to-point: Full at once, and a day passes cheaply with its refreshes", () => {
    const net = new Network();
    const wire = net.segment("wire");
    const spec = iface("eth0", { type: "point-to-point" });
    const nodes = [1, 2].map((host) =>
      net.node(
        plan(version, `1.1.1.${host}`, [{ interfaces: [spec] }], { networks: host === 2 ? [network(vip)] : [] }),
        { eth0: { segment: wire, addresses: ip(host) } },
      ),
    );
    expect(
      net.run(3000, () => nodes.every((node) => node.kernel.size > 0 || node.router.database(net.now).length > 2)),
    ).toBe(true);
    net.run(3000);
    expect(nodes.map((node) => Object.values(states(node, net.now)))).toEqual([
      ["point-to-point", "full"],
      ["point-to-point", "full"],
    ]);
    net.run(24 * 3600_000);
    expect(net.differences()).toEqual([]);
    for (const lsa of nodes[0]?.router.database(net.now) ?? []) {
      expect(lsa.age).toBeLessThanOrEqual(1801);
      expect(lsa.sequence + 0x7fffffff).toBeGreaterThanOrEqual(47);
    }
    expect(nodes[0]?.kernel.get(vip)).toBeDefined();
  });
});
