/** What OSPF must take and must refuse before and with hellos: RFC 2328 §8.2, §9.5, §10.5, D.3; RFC 5340 §4.2. */
import { describe, expect, test } from "vitest";
import { formatIp, ipv4, ipv6 } from "../../base/address.ts";
import { OPTION_N } from "../../netstack/ospf/packet/lsa.ts";
import { OURS, PEER, Probe } from "../netstack/ospf/probe.ts";

const LAN = { type: "broadcast" } as const;

describe.each([2, 3] as const)("OSPFv%s, receiving", (version) => {
  const rfc = version === 2 ? "RFC 2328" : "RFC 5340";
  const section = version === 2 ? "§8.2" : "§4.2.2";

  test(`${rfc} ${section}: a packet of another area is ignored`, () => {
    const probe = new Probe(version);
    probe.hello({ areaId: 7 });
    expect(probe.state()).toBeUndefined();
    expect(probe.refused("area-mismatch")).toBe(1);
  });
  test(`${rfc} ${section}: a packet with our own router ID is ignored and told of`, () => {
    const probe = new Probe(version);
    probe.hello({ routerId: OURS });
    expect(probe.refused("router-id-ours")).toBe(1);
    expect(probe.actions.filter((each) => each.kind === "event").map((each) => each.name)).toContain(
      "ospf.router-id-taken",
    );
    expect(probe.state()).toBeUndefined();
  });
  test(`${rfc} ${section}: a packet of our own that comes back is ignored`, () => {
    const probe = new Probe(version);
    probe.hello({}, { source: probe.ours });
    expect(probe.refused("own-packet")).toBe(1);
  });
  test(`${rfc} ${section}: AllDRouters is only heard by the designated router and its backup`, () => {
    const probe = new Probe(version, { ...LAN, priority: 0 });
    probe.hello({}, { destination: version === 2 ? ipv4("224.0.0.6") : ipv6("ff02::6") });
    expect(probe.refused("not-designated")).toBe(1);
  });
  test(`${rfc} ${section}: a packet for somebody else is ignored`, () => {
    const probe = new Probe(version);
    probe.hello({}, { destination: version === 2 ? ipv4("10.0.0.77") : ipv6("fe80::77") });
    expect(probe.refused("not-for-us")).toBe(1);
  });
  test(`${rfc} ${section}: anything but a hello needs a neighbor`, () => {
    const probe = new Probe(version);
    probe.dd({ init: true, more: true });
    expect(probe.refused("neighbor-unknown")).toBe(1);
  });
  test(`${rfc} §9.1: a passive interface neither speaks nor hears`, () => {
    const probe = new Probe(version, { passive: true });
    probe.hello();
    probe.wait(60_000);
    expect(probe.refused("passive")).toBe(1);
    expect(probe.actions.filter((each) => each.kind === "send")).toEqual([]);
  });
  test.each([
    ["HelloInterval", { helloInterval: 9 }, "hello-interval-mismatch"],
    ["RouterDeadInterval", { deadInterval: 41 }, "dead-interval-mismatch"],
    ["ExternalRoutingCapability", { options: 0 }, "options-mismatch"],
    ["NSSA bit", { options: OPTION_N }, "options-mismatch"],
  ] as const)("RFC 2328 §10.5: another %s, no neighbor", (_, fields, why) => {
    const probe = new Probe(version);
    probe.hello(fields);
    expect(probe.refused(why)).toBe(1);
    expect(probe.state()).toBeUndefined();
  });
  test("RFC 2328 §9.5: a hello each HelloInterval, with what both sides must agree upon, and whom we heard", () => {
    const probe = new Probe(version, LAN);
    probe.hello({ neighbors: [] });
    probe.clear();
    probe.wait(30_500);
    const hellos = probe.sent("hello");
    expect(hellos.length).toBe(3);
    for (const { destination, packet } of hellos) {
      expect(destination).toBe(version === 2 ? "224.0.0.5" : "ff02::5");
      expect(packet).toMatchObject({ helloInterval: 10, deadInterval: 40, priority: 1, neighbors: [PEER] });
    }
  });
  test("RFC 2328 §10.5: a hello that does not name us is one-way, and takes an adjacency down to Init", () => {
    const probe = new Probe(version);
    probe.hello({ neighbors: [] });
    expect(probe.state()).toBe("init");
    probe.toFull();
    probe.hello({ neighbors: [] });
    expect(probe.state()).toBe("init");
  });
  test("RFC 2328 §10.2: a neighbor silent for RouterDeadInterval is gone, and not a moment earlier", () => {
    const probe = new Probe(version);
    probe.toFull();
    probe.hello();
    probe.wait(39_999);
    expect(probe.state()).toBe("full");
    probe.wait(2);
    expect(probe.state()).toBeUndefined();
  });
  test("RFC 2328 §9.4: nobody is elected while Waiting; RouterDeadInterval later we are", () => {
    const probe = new Probe(version, LAN);
    probe.hello({ neighbors: [OURS] });
    probe.wait(39_000);
    expect(probe.router.interfaces(probe.now)[0]?.state).toBe("waiting");
    probe.hello();
    probe.wait(1500);
    expect(probe.router.interfaces(probe.now)[0]?.state).not.toBe("waiting");
  });
  test("RFC 2328 §9.2 BackupSeen: a designated router with its backup ends the wait", () => {
    const probe = new Probe(version, LAN);
    const identity = version === 2 ? ipv4("10.0.0.9") : PEER;
    probe.hello({ dr: identity, bdr: 0 });
    expect(probe.router.interfaces(probe.now)[0]?.state).toBe("backup");
  });
  test(
    version === 2
      ? "RFC 2328 D.3: a sequence number must not decrease"
      : "RFC 7166 §4.1: a sequence number must grow, by type",
    () => {
      const probe = new Probe(version);
      const at = (sequence: bigint) => ({ proven: { kind: "cryptographic", keyId: 1, sequence } }) as const;
      probe.hello({}, at(5n));
      probe.hello({}, at(4n));
      expect(probe.refused("replayed")).toBe(1);
      probe.hello({}, at(5n));
      expect(probe.refused("replayed")).toBe(version === 2 ? 1 : 2);
      probe.hello({}, at(6n));
      expect(probe.refused("replayed")).toBe(version === 2 ? 1 : 2);
      // A neighbor that went down may count anew.
      probe.wait(41_000);
      probe.hello({}, at(1n));
      expect(probe.state()).toBeDefined();
    },
  );
  test("many strangers: neighbors are bounded, and so is what is remembered of them", () => {
    const probe = new Probe(version, LAN);
    for (let host = 20; host < 250; host++) {
      const source = version === 2 ? ipv4(`10.0.0.${host}`) : ipv6(`fe80::${host}`);
      probe.hello({ routerId: ipv4(`2.2.2.${host}`), neighbors: [] }, { source });
    }
    expect(probe.router.interfaces(probe.now)[0]?.neighbors.length).toBe(128);
    expect(probe.refused("too-many-neighbors")).toBe(102);
  });
});

describe("OSPFv2, receiving", () => {
  test("RFC 2328 §8.2: on a network the source must be of that network", () => {
    const probe = new Probe(2, LAN);
    probe.hello({}, { source: ipv4("10.9.9.9") });
    expect(probe.refused("source-not-on-link")).toBe(1);
    const wire = new Probe(2);
    wire.hello({}, { source: ipv4("10.9.9.9") });
    expect(wire.state()).toBe("ex-start");
  });
  test("RFC 2328 §8.2: a packet of the backbone elsewhere would be of a virtual link; there are none", () => {
    const probe = new Probe(2);
    probe.feed({
      kind: "configured",
      plan: { ...probe.plan, areas: probe.plan.areas.map((each) => ({ ...each, id: "0.0.0.3" })) },
    });
    probe.hello({ areaId: 0 });
    expect(probe.refused("virtual-link")).toBe(1);
  });
  test("RFC 2328 §10.5: another mask, no neighbor; on a point-to-point link it is not looked at", () => {
    const probe = new Probe(2, LAN);
    probe.hello({ maskLength: 25 });
    expect(probe.refused("mask-mismatch")).toBe(1);
    const wire = new Probe(2);
    wire.hello({ maskLength: 30 });
    expect(wire.refused("mask-mismatch")).toBe(0);
  });
  test("RFC 2328 §10.5: on a network the source names the neighbor; another router ID there is another router", () => {
    const probe = new Probe(2, LAN);
    probe.hello({ neighbors: [] });
    probe.hello({ neighbors: [], routerId: ipv4("3.3.3.3") });
    const neighbors = probe.router.interfaces(probe.now)[0]?.neighbors ?? [];
    expect(neighbors.map((each) => each.routerId)).toEqual(["3.3.3.3"]);
    expect(probe.refused("router-id-changed")).toBe(1);
  });
});

describe("OSPFv3, receiving", () => {
  test("RFC 5340 §4.2.2: the instance ID must be ours", () => {
    const probe = new Probe(3, { instanceId: 4 });
    probe.hello({ instanceId: 3 });
    expect(probe.refused("instance-mismatch")).toBe(1);
    probe.hello({ instanceId: 4 });
    expect(probe.state()).toBe("ex-start");
  });
  test("RFC 5340 §4.2.1: sources are link-local", () => {
    const probe = new Probe(3);
    probe.hello({}, { source: ipv6("2001:db8::9") });
    expect(probe.refused("source-not-on-link")).toBe(1);
    const sources = probe.actions.flatMap((each) => (each.kind === "send" ? [formatIp(each.source)] : []));
    expect(new Set(sources)).toEqual(new Set(["fe80::5"]));
  });
  test("RFC 5340 §4.2.2.1: neighbors are known by router ID, wherever they speak from", () => {
    const probe = new Probe(3, LAN);
    probe.hello();
    probe.hello({}, { source: ipv6("fe80::99") });
    const neighbors = probe.router.interfaces(probe.now)[0]?.neighbors ?? [];
    expect(neighbors.map((each) => each.address)).toEqual(["fe80::99"]);
  });
  test("RFC 5340 §4.2.1.1: hellos carry the interface ID, and designated routers by router ID", () => {
    const probe = new Probe(3, LAN);
    probe.wait(41_000);
    expect(probe.sent("hello").at(-1)?.packet).toMatchObject({ interfaceId: 5, dr: OURS, maskLength: undefined });
  });
});
