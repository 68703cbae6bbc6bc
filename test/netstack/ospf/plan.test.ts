/** A changed plan, a drain, BFD: only what is concerned is touched. */
import { describe, expect, test } from "vitest";
import type { BfdReport } from "../../../netstack/bfd/plan.ts";
import type { OspfInterfaceSpec, OspfPlan } from "../../../netstack/ospf/plan.ts";
import { iface, Network, type Node, network, plan, states } from "./network.ts";

const FAST = { hello: 1000, dead: 4000, retransmit: 1000 } as const;
const BFD = {
  desiredMinTx: 50,
  requiredMinRx: 50,
  multiplier: 3,
  echoTx: undefined,
  requiredMinEchoRx: 0,
  demand: false,
};

describe.each([2, 3] as const)("OSPFv%s", (version) => {
  const ip = (net: number, host: number): string[] =>
    version === 2 ? [`10.0.${net}.${host}/24`] : [`fe80::${net}:${host}/64`, `2001:db8:${net}::${host}/64`];
  const prefix = (net: number): string => (version === 2 ? `10.0.${net}.0/24` : `2001:db8:${net}::/64`);
  const vip = version === 2 ? "192.0.2.1/32" : "2001:db8:ff::1/128";

  /** 1 = eth0 = 2 = eth1 = 3, the announcer. */
  function line(fields: Partial<OspfInterfaceSpec> = {}): { net: Network; one: Node; two: Node; three: Node } {
    const net = new Network();
    const [a, b] = [net.segment("a"), net.segment("b")];
    const at = (name: string) => iface(name, { type: "point-to-point", ...FAST, ...fields });
    const one = net.node(plan(version, "1.1.1.1", [{ interfaces: [at("eth0")] }]), {
      eth0: { segment: a, addresses: ip(1, 1) },
    });
    const two = net.node(plan(version, "1.1.1.2", [{ interfaces: [at("eth0"), at("eth1")] }]), {
      eth0: { segment: a, addresses: ip(1, 2) },
      eth1: { segment: b, addresses: ip(2, 2) },
    });
    const three = net.node(
      plan(version, "1.1.1.3", [{ interfaces: [at("eth0")] }], { networks: [network(vip, { as: "external-1" })] }),
      { eth0: { segment: b, addresses: ip(2, 3) } },
    );
    net.run(10_000);
    return { net, one, two, three };
  }
  const changed = (was: OspfPlan, ifname: string, fields: Partial<OspfInterfaceSpec>): OspfPlan => ({
    ...was,
    areas: was.areas.map((area) => ({
      ...area,
      interfaces: area.interfaces.map((each) => (each.ifname === ifname ? { ...each, ...fields } : each)),
    })),
  });
  const moves = (node: Node, from: number) =>
    node.actions.slice(from).flatMap((each) => (each.kind === "moved" ? [each.text] : []));

  test("another cost is originated anew, no adjacency moves", () => {
    const { net, one, two } = line();
    expect(one.kernel.get(vip)?.cost).toBe(40);
    const [a, b] = [one.actions.length, two.actions.length];
    net.configure(two, changed(two.plan, "eth1", { cost: 3 }));
    net.run(10_000);
    expect(one.kernel.get(vip)?.cost).toBe(33);
    expect([...moves(one, a), ...moves(two, b)]).toEqual([]);
  });

  test("the same plan again does nothing at all", () => {
    const { net, two } = line();
    const at = two.actions.length;
    net.configure(two, structuredClone(two.plan));
    expect(two.actions.slice(at)).toEqual([]);
  });

  test("another type of one interface restarts that interface only", () => {
    const { net, two } = line();
    const at = two.actions.length;
    net.configure(two, changed(two.plan, "eth1", { type: "broadcast" }));
    net.run(1000);
    const touched = two.actions.slice(at).flatMap((each) => (each.kind === "moved" ? [each.ifname] : []));
    expect(new Set(touched)).toEqual(new Set(["eth1"]));
    expect(states(two, net.now)["eth0 1.1.1.1"]).toBe("full");
  });

  test("an interface that is taken away takes its routes along", () => {
    const { net, one, two } = line();
    const [area] = two.plan.areas;
    if (area === undefined) throw new TypeError("no area");
    net.configure(two, { ...two.plan, areas: [{ ...area, interfaces: area.interfaces.slice(0, 1) }] });
    net.run(10_000);
    expect(one.kernel.get(vip)).toBeUndefined();
    expect(one.kernel.get(prefix(2))).toBeUndefined();
    expect(two.actions.some((each) => each.kind === "report-gone" && each.ifname === "eth1")).toBe(true);
  });

  test("RFC 6987: with max-metric nobody goes through us, and what is ours comes last", () => {
    const { net, one, two, three } = line();
    net.configure(two, { ...two.plan, maxMetric: true });
    net.configure(three, { ...three.plan, maxMetric: true });
    net.run(10_000);
    expect(one.kernel.get(vip)?.cost).toBe(10 + 0xffff + 0xfffffe);
    expect(states(two, net.now)["eth0 1.1.1.1"]).toBe("full");
  });

  test("§14.1: a network that is withdrawn is flushed, and gone everywhere", () => {
    const { net, one, three } = line();
    net.configure(three, { ...three.plan, networks: [] });
    net.run(500);
    expect(one.kernel.get(vip)).toBeUndefined();
    net.run(5000);
    for (const node of net.nodes.values()) {
      expect(node.router.database(net.now).filter((each) => each.type === "external")).toEqual([]);
    }
  });

  test("§12.4: MinLSInterval between instances of one LSA, and the last one wins", () => {
    const { net, one, three } = line();
    for (let metric = 30; metric < 40; metric++) {
      net.configure(three, { ...three.plan, networks: [network(vip, { as: "external-1", metric })] });
      net.run(100);
    }
    net.run(10_000);
    expect(one.kernel.get(vip)?.cost).toBe(20 + 39);
    const external = one.router.database(net.now).find((each) => each.type === "external");
    expect((external?.sequence ?? 0) + 0x7fffffff).toBe(2); // first, one at once, one after the interval
  });

  test("another router ID takes back what the old one said", () => {
    const { net, one, three } = line();
    net.configure(three, { ...three.plan, routerId: "9.9.9.9" });
    net.run(30_000);
    expect(one.kernel.get(vip)).toBeDefined();
    const makers = new Set(one.router.database(net.now).map((each) => each.advertisingRouter));
    expect(makers).toEqual(new Set(["1.1.1.1", "1.1.1.2", "9.9.9.9"]));
  });

  test("stop: all that is ours is flushed, neighbors drop us at once, and `stopped` follows", () => {
    const { net, one, three } = line();
    net.feed(three, { kind: "stop", keep: false });
    net.run(500);
    expect(three.actions.some((each) => each.kind === "stopped")).toBe(true);
    expect(one.kernel.get(vip)).toBeUndefined();
    expect(three.router.nextWake()).toBeUndefined();
  });

  test("stop with a neighbor that answers no more: `stopped` follows all the same", () => {
    const { net, three } = line();
    net.segments.get("b")?.cut.add("*");
    net.feed(three, { kind: "stop", keep: false });
    net.run(1600); // control waits 3 s, then kills
    expect(three.actions.some((each) => each.kind === "stopped")).toBe(true);
  });

  test("RFC 5882 §4.2: BFD is asked for from 2-Way on; Down after Up kills that neighbor at once, Down before Up nothing", () => {
    const { net, two } = line({ bfd: BFD });
    const asked = two.actions.filter((each) => each.kind === "bfd").at(-1)?.sessions ?? [];
    expect(asked.map((each) => each.ifname)).toEqual(["eth0", "eth1"]);
    const [session] = asked;
    if (session === undefined) throw new TypeError("no session");
    expect(session).toMatchObject({ hops: "single", ifname: "eth0", timing: BFD });
    const report = (state: BfdReport["state"]): void =>
      net.feed(two, { kind: "bfd", report: { ...REPORT, id: session.id, state, wasUp: state === "up" } });
    report("down");
    expect(states(two, net.now)["eth0 1.1.1.1"]).toBe("full");
    report("up");
    report("admin-down");
    expect(states(two, net.now)["eth0 1.1.1.1"]).toBe("full");
    report("up");
    report("down");
    expect(states(two, net.now)).toMatchObject({ "eth1 1.1.1.3": "full" });
    expect(states(two, net.now)["eth0 1.1.1.1"]).toBeUndefined();
    net.run(5000);
    expect(states(two, net.now)["eth0 1.1.1.1"]).toBe("full");
    expect(two.router.interfaces(net.now)[0]?.neighbors[0]?.lastError).toBe("bfd-down");
  });

  test("BFD, on a network: who failed is no next hop at once, whatever the designated router may say before MinLSInterval", () => {
    const net = new Network();
    const lan = net.segment("lan");
    const nodes = [1, 2, 3].map((host) =>
      net.node(
        plan(
          version,
          `1.1.1.${host}`,
          [{ interfaces: [iface("eth0", { ...FAST, bfd: BFD, priority: host === 3 ? 0 : 9 })] }],
          {
            networks: host === 3 ? [network(vip)] : [],
          },
        ),
        { eth0: { segment: lan, addresses: ip(1, host) } },
      ),
    );
    net.run(12_300); // the network LSA has just been originated a second time
    for (const node of nodes.slice(0, 2)) {
      expect(node.kernel.has(vip)).toBe(true);
      const sessions = node.actions.findLast((each) => each.kind === "bfd")?.sessions ?? [];
      const session = sessions.find((each) => each.peer === (version === 2 ? "10.0.1.3" : "fe80::1:3"));
      if (session === undefined) throw new TypeError("no session");
      for (const state of ["up", "down"] as const) {
        net.feed(node, { kind: "bfd", report: { ...REPORT, id: session.id, state, wasUp: true } });
      }
      net.run(60);
      expect(node.kernel.has(vip)).toBe(false);
    }
  });

  test("another hello interval of one interface restarts nothing, here or there", () => {
    const { net, two } = line();
    const at = two.actions.length;
    net.configure(two, changed(two.plan, "eth1", { hello: 2000, dead: 4000 }));
    net.run(1500);
    expect(moves(two, at)).toEqual([]);
    net.run(10_000);
    const touched = two.actions.slice(at).flatMap((each) => (each.kind === "moved" ? [each.ifname] : []));
    expect(new Set(touched)).toEqual(new Set(["eth1"])); // the neighbor there was not told, and refuses us
  });

  test("a link that goes down takes its neighbor along at once, and comes back", () => {
    const { net, one, two } = line();
    net.link(two, "eth1", { up: false });
    net.run(100);
    expect(one.kernel.get(vip)).toBeUndefined();
    net.link(two, "eth1", { up: true });
    net.run(10_000);
    expect(one.kernel.get(vip)).toBeDefined();
  });

  test("§10.6: a larger MTU over there is refused by name, unless it is to be ignored", () => {
    const { net, two, three } = line();
    net.link(three, "eth0", { mtu: 9000 });
    net.link(three, "eth0", { up: false });
    net.link(three, "eth0", { up: true });
    net.run(10_000);
    expect(states(two, net.now)["eth1 1.1.1.3"]).toMatch(/ex-start|exchange/);
    const report = two.router.interfaces(net.now).find((each) => each.ifname === "eth1");
    expect(report?.refused["mtu-mismatch"]).toBeGreaterThan(0);
    expect(report?.neighbors[0]?.lastError).toBe("mtu-mismatch: 9000 there, 1500 here");
    net.configure(two, changed(two.plan, "eth1", { mtuIgnore: true }));
    net.run(15_000);
    expect(states(two, net.now)["eth1 1.1.1.3"]).toBe("full");
  });
});

const REPORT: Omit<BfdReport, "id" | "state" | "wasUp"> = {
  peer: "",
  local: undefined,
  ifname: "eth0",
  remoteState: "up",
  diagnostic: "none",
  remoteDiagnostic: "none",
  localDiscriminator: 1,
  remoteDiscriminator: 2,
  txInterval: 50,
  detectionTime: 150,
  since: 0,
  flaps: 0,
  received: 0,
  sent: 0,
  refused: {},
  hops: "single",
  unsolicited: false,
  echoInterval: 0,
  heard: undefined,
  lastRefusal: undefined,
};
