/** Several areas: RFC 2328 §3, §12.4.3, §16.2; stub areas §3.6; NSSA RFC 3101. */
import { describe, expect, test } from "vitest";
import type { OspfArea } from "../../../netstack/ospf/plan.ts";
import { iface, Network, type Node, network, plan } from "./network.ts";

const spec = (name: string) => iface(name, { type: "point-to-point", hello: 1000, dead: 4000, retransmit: 1000 });

describe.each([2, 3] as const)("OSPFv%s areas", (version) => {
  const ip = (net: number, host: number): string[] =>
    version === 2 ? [`10.0.${net}.${host}/24`] : [`fe80::${net}:${host}/64`, `2001:db8:${net}::${host}/64`];
  const prefix = (net: number): string => (version === 2 ? `10.0.${net}.0/24` : `2001:db8:${net}::/64`);
  const vip = (n: number): string => (version === 2 ? `192.0.2.${n}/32` : `2001:db8:ff::${n}/128`);
  const all = version === 2 ? "0.0.0.0/0" : "::/0";

  /** 1 —area 0— 2 (border) —area 1— 3 */
  function line(kind: OspfArea["kind"]): { net: Network; one: Node; border: Node; three: Node } {
    const net = new Network();
    const [a, b] = [net.segment("a"), net.segment("b")];
    const one = net.node(plan(version, "1.1.1.1", [{ interfaces: [spec("eth0")] }], { networks: [network(vip(1))] }), {
      eth0: { segment: a, addresses: ip(1, 1) },
    });
    const border = net.node(
      plan(version, "1.1.1.2", [{ interfaces: [spec("eth0")] }, { id: "0.0.0.1", kind, interfaces: [spec("eth1")] }]),
      { eth0: { segment: a, addresses: ip(1, 2) }, eth1: { segment: b, addresses: ip(2, 2) } },
    );
    const networks = [network(vip(3), { as: kind === "stub" ? "host" : "external-1", metric: 5 })];
    const three = net.node(
      plan(version, "1.1.1.3", [{ id: "0.0.0.1", kind, interfaces: [spec("eth0")] }], { networks }),
      {
        eth0: { segment: b, addresses: ip(2, 3) },
      },
    );
    net.run(30_000);
    return { net, one, border, three };
  }

  test("§12.4.3: prefixes of one area reach the other, and externals pass with type 4 summaries", () => {
    const { net, one, three } = line("normal");
    expect(one.kernel.get(prefix(2))).toMatchObject({ kind: "inter-area", cost: 20 });
    expect(three.kernel.get(prefix(1))).toMatchObject({ kind: "inter-area", cost: 20 });
    expect(three.kernel.get(vip(1))).toMatchObject({ kind: "external-2", cost: 20 });
    expect(one.kernel.get(vip(3))).toMatchObject({ kind: "external-1", cost: 25 });
    expect(net.differences()).toEqual([]);
  });

  test("§3.6: a stub area hears no externals but a default route", () => {
    const { net, one, three } = line("stub");
    expect(three.kernel.get(vip(1))).toBeUndefined();
    expect(three.kernel.get(all)).toMatchObject({ kind: "inter-area", cost: 11 });
    expect(three.router.database(net.now).filter((each) => each.type === "external")).toEqual([]);
    expect(one.kernel.get(vip(3))).toMatchObject({ kind: "inter-area", cost: 25 });
  });

  test("RFC 3101 §3: type 7 of an NSSA becomes type 5 at its border; other externals do not enter", () => {
    const { net, one, border, three } = line("nssa");
    const types = (node: Node) => new Set(node.router.database(net.now).map((each) => `${each.type} ${each.area}`));
    expect(types(three)).toContain("nssa 0.0.0.1");
    expect(types(three)).not.toContain("external undefined");
    expect(types(border)).toContain("external undefined");
    expect(one.kernel.get(vip(3))).toMatchObject({ kind: "external-1", cost: 25 });
    expect(border.kernel.get(vip(3))).toMatchObject({ kind: "external-1", cost: 15 });
    expect(three.kernel.get(vip(1))).toBeUndefined();
    expect(three.kernel.get(all)).toMatchObject({ kind: "external-2" });
  });

  test("§12.4.3: a prefix that goes away in one area goes away in the other", () => {
    const { net, one, three } = line("normal");
    net.configure(three, { ...three.plan, networks: [] });
    net.run(10_000);
    expect(one.kernel.get(vip(3))).toBeUndefined();
    net.kill(three);
    net.run(10_000);
    expect(one.kernel.get(prefix(2))).toBeDefined(); // the border still has that link
  });

  test("RFC 3509: without the backbone a router of two areas is no border", () => {
    const net = new Network();
    const [a, b] = [net.segment("a"), net.segment("b")];
    const one = net.node(plan(version, "1.1.1.1", [{ id: "0.0.0.1", interfaces: [spec("eth0")] }]), {
      eth0: { segment: a, addresses: ip(1, 1) },
    });
    net.node(
      plan(version, "1.1.1.2", [
        { id: "0.0.0.1", interfaces: [spec("eth0")] },
        { id: "0.0.0.2", interfaces: [spec("eth1")] },
      ]),
      { eth0: { segment: a, addresses: ip(1, 2) }, eth1: { segment: b, addresses: ip(2, 2) } },
    );
    net.run(20_000);
    expect(one.kernel.get(prefix(2))).toBeUndefined();
  });
});
