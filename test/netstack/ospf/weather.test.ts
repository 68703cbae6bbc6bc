/** RFC 2328 §13: whatever the network does to packets, the databases of all that are Full become equal. */
import { describe, expect, test } from "vitest";
import type { OspfInterfaceSpec } from "../../../netstack/ospf/plan.ts";
import { iface, Network, type Node, network, plan, random, type Segment, states } from "./network.ts";

const FAST: Partial<OspfInterfaceSpec> = { hello: 1000, dead: 4000, retransmit: 1000 };

describe.each([2, 3] as const)("OSPFv%s: networks by seed", (version) => {
  test.each(Array.from({ length: 7 }, (_, seed) => seed + 1))("seed %i", (seed) => {
    const { net, nodes, segments } = build(version, seed);
    for (const segment of segments) segment.weather = { loss: 0.15, duplication: 0.1, delay: 200 };
    net.run(60_000);
    const dice = random(seed * 7 + version);
    for (let round = 0; round < 3; round++) {
      const segment = segments[Math.floor(dice() * segments.length)];
      segment?.cut.add("*");
      net.run(15_000);
      segment?.cut.clear();
      net.run(20_000);
    }
    for (const segment of segments) segment.weather = { loss: 0, duplication: 0, delay: 5 };
    net.run(60_000);
    expectFull(net, nodes);
    expect(net.differences()).toEqual([]);
    expectReference(net, nodes);
  });
});

/** A random connected graph: a few LANs and wires. */
function build(version: 2 | 3, seed: number): { net: Network; nodes: Node[]; segments: Segment[] } {
  const net = new Network(seed);
  const dice = random(seed);
  const count = 3 + Math.floor(dice() * 4);
  const segments: Segment[] = [];
  const wanted = Array.from(
    { length: count },
    (): { spec: OspfInterfaceSpec; segment: Segment; addresses: string[] }[] => [],
  );
  const attach = (segment: Segment, index: number, at: number, type: OspfInterfaceSpec["type"]): void => {
    const spec = iface(`eth${wanted[at]?.length}`, {
      ...FAST,
      type,
      cost: 1 + Math.floor(dice() * 20),
      priority: Math.floor(dice() * 3),
    });
    const addresses =
      version === 2
        ? [`10.0.${index}.${at + 1}/24`]
        : [`fe80::${index}:${at + 1}/64`, `2001:db8:${index}::${at + 1}/64`];
    wanted[at]?.push({ spec, segment, addresses });
  };
  for (let index = 0; index < count + 1; index++) {
    const type = dice() < 0.5 ? "broadcast" : "point-to-point";
    const segment = net.segment(`s${index}`);
    segments.push(segment);
    const from = index % count;
    const members = new Set([from, index < count - 1 ? index + 1 : Math.floor(dice() * count)]);
    if (type === "broadcast" && dice() < 0.5) members.add(Math.floor(dice() * count));
    if (members.size < 2) members.add((from + 1) % count);
    for (const at of [...members].slice(0, type === "broadcast" ? 9 : 2)) attach(segment, index, at, type);
  }
  // Somebody must be eligible on each LAN.
  for (const links of wanted)
    for (const each of links)
      if (each.spec.type === "broadcast") Object.assign(each.spec, { priority: Math.max(1, each.spec.priority) });
  const nodes = wanted.map((links, at) =>
    net.node(
      plan(version, `1.1.1.${at + 1}`, [{ interfaces: links.map((each) => each.spec) }], {
        networks: [
          network(version === 2 ? `192.0.2.${at + 1}/32` : `2001:db8:ff::${at + 1}/128`, { as: "external-1" }),
          network(version === 2 ? `198.51.100.${at + 1}/32` : `2001:db8:fe::${at + 1}/128`, { as: "host", metric: 3 }),
        ],
      }),
      Object.fromEntries(links.map((each) => [each.spec.ifname, { segment: each.segment, addresses: each.addresses }])),
    ),
  );
  return { net, nodes, segments };
}

function expectFull(net: Network, nodes: readonly Node[]): void {
  for (const node of nodes) {
    const all = states(node, net.now);
    for (const [name, state] of Object.entries(all)) {
      const [ifname = "", peer] = name.split(" ");
      if (peer === undefined) expect(["dr", "backup", "dr-other", "point-to-point"]).toContain(state);
      else if (all[ifname] === "dr-other") expect(["2-way", "full"]).toContain(state);
      else expect(`${node.name} ${name} ${state}`).toBe(`${node.name} ${name} full`);
    }
  }
}

/** Costs between all nodes by Bellman-Ford over the segments, nothing of the code under test. */
function expectReference(net: Network, nodes: readonly Node[]): void {
  const cost = new Map<string, number>();
  const near = (a: Node, b: Node): number =>
    cost.get(`${a.name} ${b.name}`) ?? (a === b ? 0 : Number.POSITIVE_INFINITY);
  for (let round = 0; round < nodes.length; round++) {
    for (const segment of net.segments.values()) {
      for (const from of segment.ports) {
        const spec = planOf(from.node, from.ifname);
        for (const to of segment.ports) {
          if (from === to) continue;
          for (const target of nodes) {
            const over = spec + near(to.node, target);
            if (over < near(from.node, target)) cost.set(`${from.node.name} ${target.name}`, over);
          }
        }
      }
    }
  }
  for (const from of nodes) {
    nodes.forEach((target, at) => {
      if (from === target) return;
      const version = from.router.version;
      const external = from.kernel.get(version === 2 ? `192.0.2.${at + 1}/32` : `2001:db8:ff::${at + 1}/128`);
      expect(`${from.name} → ${target.name} ${external?.cost}`).toBe(
        `${from.name} → ${target.name} ${near(from, target) + 20}`,
      );
      const host = from.kernel.get(version === 2 ? `198.51.100.${at + 1}/32` : `2001:db8:fe::${at + 1}/128`);
      expect(host?.cost).toBe(near(from, target) + 3);
      // Each next hop is on a shortest path: the neighbor there is nearer by exactly the cost of the link.
      for (const hop of host?.nextHops ?? []) {
        const next = nodes.find((each) =>
          [...each.links.values()].some((link) => link.addresses.some((a) => a.ip === hop.address)),
        );
        expect(next).toBeDefined();
        if (next !== undefined) expect(planOf(from, hop.ifname) + near(next, target)).toBe(near(from, target));
      }
    });
  }
}

function planOf(node: Node, ifname: string): number {
  for (const area of node.plan.areas) for (const each of area.interfaces) if (each.ifname === ifname) return each.cost;
  throw new TypeError(`no cost for ${node.name} ${ifname}`);
}
