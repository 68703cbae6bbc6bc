/** RFC 2328 §12.4, §14 over hours: refreshes under loss, a router that dies, one that comes back. */
import { describe, expect, test } from "vitest";
import { iface, Network, network, plan, states } from "./network.ts";

describe.each([2, 3] as const)("OSPFv%s, hours", (version) => {
  const ip = (host: number): string[] =>
    version === 2 ? [`10.0.0.${host}/24`] : [`fe80::${host}/64`, `2001:db8::${host}/64`];
  const vip = (host: number): string => (version === 2 ? `192.0.2.${host}/32` : `2001:db8:1::${host}/128`);

  test.each([1, 2, 3])("four routers on a LAN that loses some packets, seed %i", (seed) => {
    const net = new Network(seed);
    const lan = net.segment("lan", { loss: 0.02, duplication: 0.01, delay: 30 });
    const nodes = [1, 2, 3, 4].map((host) =>
      net.node(
        plan(version, `1.1.1.${host}`, [{ interfaces: [iface("eth0")] }], {
          networks: [network(vip(host)), network(vip(host + 10), { as: "host", metric: 2 })],
        }),
        { eth0: { segment: lan, addresses: ip(host) } },
      ),
    );
    const [one, , , four] = nodes;
    if (one === undefined || four === undefined) throw new TypeError("no nodes");
    net.run(2 * 3600_000 + 600_000);
    expect(net.differences()).toEqual([]);
    for (const lsa of one.router.database(net.now)) expect(lsa.age).toBeLessThanOrEqual(1860);
    for (const host of [2, 3, 4]) expect(one.kernel.get(vip(host))).toBeDefined();
    // Its LSAs outlive it, unreachable, until they are as old as they can be.
    net.kill(four);
    net.run(60_000);
    expect(one.kernel.has(vip(4))).toBe(false);
    expect(one.router.database(net.now).some((lsa) => lsa.advertisingRouter === "1.1.1.4")).toBe(true);
    net.run(3700_000);
    expect(one.router.database(net.now).filter((lsa) => lsa.advertisingRouter === "1.1.1.4")).toEqual([]);
    // A new life of it begins with the first sequence number, and finds nobody who contradicts.
    net.start(four, four.plan);
    net.run(120_000);
    expect(one.kernel.has(vip(4))).toBe(true);
    expect(net.differences()).toEqual([]);
    expect(Object.values(states(four, net.now))).not.toContain("ex-start");
  });
});
