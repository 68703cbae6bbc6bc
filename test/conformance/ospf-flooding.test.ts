/** How LSAs travel, and what is said in return: RFC 2328 §13, §13.1-13.7, §14; RFC 5340 §4.5. */
import { describe, expect, test } from "vitest";
import { ipv4 } from "../../base/address.ts";
import { INITIAL_SEQUENCE, type Lsa, MAX_AGE, MAX_SEQUENCE } from "../../netstack/ospf/packet/lsa.ts";
import { V3 } from "../../netstack/ospf/v3.ts";
import { PEER, Probe } from "../netstack/ospf/probe.ts";

describe.each([2, 3] as const)("OSPFv%s", (version) => {
  const prefix = version === 2 ? "192.0.2.0/24" : "2001:db8:5::/64";
  const first = INITIAL_SEQUENCE;

  function full(fields = {}): Probe {
    const probe = new Probe(version, fields);
    probe.toFull();
    probe.wait(6000);
    probe.hello();
    probe.clear();
    return probe;
  }
  const acked = (probe: Probe): readonly string[] =>
    probe
      .sent("acknowledgement")
      .flatMap(({ packet }) => packet.headers.map((each) => `${each.type} ${each.sequence}`));

  test("RFC 2328 §13 (1): an LSA with a wrong checksum is neither kept nor acknowledged", () => {
    const probe = full();
    const lsa = probe.external(prefix);
    const raw = lsa.raw.slice();
    raw[raw.length - 1] = (raw.at(-1) ?? 0) ^ 1;
    probe.update({ ...lsa, raw });
    probe.wait(3000);
    expect([probe.refused("lsa-checksum"), acked(probe).length, probe.has(lsa)]).toEqual([1, 0, false]);
  });
  test("RFC 2328 §13 (2): an LSA of a type that cannot be is neither kept nor acknowledged", () => {
    const probe = full();
    const type = version === 2 ? 14 : 0x6001;
    const lsa = { ...probe.external(prefix) };
    const raw = lsa.raw.slice();
    probe.update({ ...lsa, raw, header: { ...lsa.header, type } });
    probe.wait(3000);
    expect([probe.refused("lsa-type"), acked(probe).length]).toEqual([1, 0]);
  });
  test("RFC 2328 §13 (3): AS-external-LSAs do not enter a stub area", () => {
    const probe = new Probe(version, {}, {}, { kind: "stub" });
    const options = version === 2 ? 0x40 : 0x11;
    probe.hello({ options });
    probe.dd({ init: true, more: true, options });
    probe.dd({ sequence: 778, options });
    expect(probe.state()).toBe("full");
    const lsa = probe.external(prefix);
    probe.update(lsa);
    expect([probe.refused("lsa-scope"), probe.has(lsa)]).toEqual([1, false]);
  });
  test("RFC 2328 §13 (4): MaxAge of what we do not have is acknowledged at once and forgotten", () => {
    const probe = full();
    const lsa = probe.external(prefix, { age: MAX_AGE });
    probe.update(lsa);
    expect(acked(probe).length).toBe(1);
    expect(probe.has(lsa)).toBe(false);
  });
  test("RFC 2328 §13 (5): a new LSA is kept, and acknowledged with delay but before RxmtInterval", () => {
    const probe = full();
    const lsa = probe.external(prefix);
    probe.update(lsa);
    expect([probe.has(lsa), acked(probe).length]).toEqual([true, 0]);
    probe.wait(2500);
    expect(acked(probe)).toEqual([`${lsa.header.type} ${first}`]);
  });
  test("RFC 2328 §13.5: several acknowledgements travel together", () => {
    const probe = full();
    for (let host = 1; host <= 5; host++) {
      probe.update(probe.external(version === 2 ? `192.0.2.${host}/32` : "2001:db8:5::/64", { id: host }));
    }
    probe.wait(2500);
    expect(probe.sent("acknowledgement").map((each) => each.packet.headers.length)).toEqual([5]);
  });
  test("RFC 2328 §13 (5)(a): a second instance within MinLSArrival is dropped, and not acknowledged", () => {
    const probe = full();
    probe.update(probe.external(prefix));
    probe.wait(999);
    probe.update(probe.external(prefix, { sequence: first + 1, metric: 99 }));
    expect(probe.refused("lsa-too-soon")).toBe(1);
    expect(probe.find(probe.external(prefix))?.sequence).toBe(first);
    probe.wait(2);
    probe.update(probe.external(prefix, { sequence: first + 1, metric: 99 }));
    expect(probe.find(probe.external(prefix))?.sequence).toBe(first + 1);
  });
  test("RFC 2328 §13 (7): a duplicate is acknowledged at once, to its sender", () => {
    const probe = full();
    probe.update(probe.external(prefix));
    probe.wait(2500);
    probe.clear();
    probe.update(probe.external(prefix));
    expect(acked(probe).length).toBe(1);
  });
  test("RFC 2328 §13 (7): the same instance while ours is on its retransmission list is its acknowledgement", () => {
    const probe = new Probe(version);
    probe.toFull();
    const own = probe.actions.length;
    const sent: Lsa[] = [];
    probe.wait(6000);
    for (const { packet } of probe.sent("update")) sent.push(...packet.lsas);
    expect(own).toBe(0);
    const [router] = sent;
    if (router === undefined) throw new TypeError("nothing was flooded");
    probe.update(router);
    probe.clear();
    probe.wait(6000);
    const again = probe
      .sent("update")
      .flatMap((each) => each.packet.lsas.map((lsa) => `${lsa.header.type} ${lsa.header.id}`));
    expect(again).not.toContain(`${router.header.type} ${router.header.id}`);
    expect(acked(probe)).toEqual([]);
  });
  test("RFC 2328 §13 (8): to an older instance our newer one is the answer, at most once each MinLSArrival", () => {
    const probe = full();
    probe.update(probe.external(prefix, { sequence: first + 5 }));
    probe.wait(2500);
    probe.clear();
    probe.update(probe.external(prefix));
    probe.update(probe.external(prefix));
    expect(probe.sent("update").flatMap((each) => each.packet.lsas.map((lsa) => lsa.header.sequence))).toEqual([
      first + 5,
    ]);
    expect([acked(probe).length, probe.refused("lsa-older")]).toEqual([0, 2]);
  });
  test("RFC 2328 §13 (8): but not while the number wraps", () => {
    const probe = full();
    // Somebody else is still in Exchange in a router with more neighbors; here the flush has not been acknowledged.
    probe.update(probe.external(prefix, { sequence: MAX_SEQUENCE }));
    probe.wait(2500);
    probe.clear();
    probe.update(probe.external(prefix, { sequence: MAX_SEQUENCE, age: MAX_AGE }));
    probe.update(probe.external(prefix));
    const lsas = probe.sent("update").flatMap((each) => each.packet.lsas);
    expect(lsas.filter((lsa) => lsa.header.age >= MAX_AGE)).toEqual([]);
  });
  test("RFC 2328 §13 (6): an older instance than was asked for is a BadLSReq", () => {
    const probe = new Probe(version);
    probe.toFull();
    probe.update(probe.external(prefix, { sequence: first + 1 }));
    probe.wait(1500);
    probe.hello({ neighbors: [] });
    probe.sequence = 900;
    probe.toExchange();
    probe.dd({ sequence: 901, headers: [probe.external(prefix, { sequence: first + 4 }).header] });
    expect(probe.state()).toBe("loading");
    probe.update(probe.external(prefix, { sequence: first + 1 }));
    expect(probe.state()).toBe("ex-start");
  });
  test.each([
    ["sequence number", { sequence: first + 1 }, {}],
    ["age, by more than MaxAgeDiff", { age: 1 }, { age: 1000 }],
    ["MaxAge", { age: MAX_AGE }, {}],
  ] as const)("RFC 2328 §13.1: of two instances the newer by %s wins", (_, newer, older) => {
    const probe = full();
    probe.update(probe.external(prefix, older));
    probe.wait(1500);
    probe.clear();
    probe.update(probe.external(prefix, newer));
    probe.wait(2500);
    expect(probe.refused("lsa-older")).toBe(0);
    expect(acked(probe).length).toBe(1);
  });
  test("RFC 2328 §13.6: what is not acknowledged comes again each RxmtInterval, by unicast or as the link wants it", () => {
    const probe = full();
    const networks = [{ prefix, as: "external-1", metric: 5, tag: 0, area: undefined }] as const;
    probe.feed({ kind: "configured", plan: { ...probe.plan, networks } });
    const type = version === 2 ? 5 : 0x4005;
    const count = (): number =>
      probe.sent("update").filter((each) => each.packet.lsas.some((lsa) => lsa.header.type === type)).length;
    expect(count()).toBe(1);
    probe.wait(5000);
    expect(count()).toBe(2);
    probe.hello();
    probe.wait(5000);
    expect(count()).toBe(3);
    const [lsa] = probe.sent("update").flatMap((each) => each.packet.lsas.filter((l) => l.header.type === type));
    if (lsa === undefined) throw new TypeError("no LSA");
    probe.say({
      kind: "acknowledgement",
      headers: probe.sent("update").flatMap((each) => each.packet.lsas.map((l) => l.header)),
    });
    probe.clear();
    probe.wait(12_000);
    expect(count()).toBe(0);
  });
  test("RFC 2328 §13.7: an acknowledgement of another instance acknowledges nothing", () => {
    const probe = full();
    const networks = [{ prefix, as: "external-1", metric: 5, tag: 0, area: undefined }] as const;
    probe.feed({ kind: "configured", plan: { ...probe.plan, networks } });
    const type = version === 2 ? 5 : 0x4005;
    const [lsa] = probe.sent("update").flatMap((each) => each.packet.lsas.filter((l) => l.header.type === type));
    if (lsa === undefined) throw new TypeError("no LSA");
    probe.say({ kind: "acknowledgement", headers: [{ ...lsa.header, sequence: lsa.header.sequence + 1 }] });
    probe.clear();
    probe.wait(5000);
    expect(probe.sent("update").length).toBeGreaterThan(0);
    expect(probe.refused("ack-unknown")).toBe(1);
  });
  test("RFC 2328 §13.3: LSAs leave older by InfTransDelay", () => {
    const probe = full({ transmitDelay: 7000 });
    const networks = [{ prefix, as: "external-1", metric: 5, tag: 0, area: undefined }] as const;
    probe.feed({ kind: "configured", plan: { ...probe.plan, networks } });
    expect(probe.sent("update").flatMap((each) => each.packet.lsas.map((lsa) => lsa.header.age))).toContain(7);
  });
  test("RFC 2328 §14: an LSA that is not refreshed dies at MaxAge and is flooded so", () => {
    const probe = full();
    probe.update(probe.external(prefix, { age: 3590 }));
    probe.clear();
    for (let step = 0; step < 3; step++) {
      probe.hello();
      probe.wait(4000);
    }
    const dead = probe
      .sent("update")
      .flatMap((each) => each.packet.lsas)
      .filter((lsa) => lsa.header.age === MAX_AGE);
    expect(dead.length).toBeGreaterThan(0);
    probe.say({ kind: "acknowledgement", headers: dead.map((lsa) => lsa.header) });
    expect(probe.has(probe.external(prefix))).toBe(false);
  });
  test("RFC 2328 §14: what dies stays until it is acknowledged", () => {
    const probe = full();
    const networks = [{ prefix, as: "external-1", metric: 5, tag: 0, area: undefined }] as const;
    probe.feed({ kind: "configured", plan: { ...probe.plan, networks } });
    probe.wait(100);
    probe.feed({ kind: "configured", plan: probe.plan });
    const own = (): number => probe.router.database(probe.now).filter((each) => each.type === "external").length;
    expect(own()).toBe(1);
    const sent = probe.sent("update").flatMap((each) => each.packet.lsas);
    const dead = sent.filter((lsa) => lsa.header.age === MAX_AGE);
    expect(dead.length).toBe(1);
    probe.say({ kind: "acknowledgement", headers: dead.map((lsa) => lsa.header) });
    expect(own()).toBe(0);
  });
  test("RFC 2328 §13.2: a refresh with the same content computes no route anew", () => {
    const probe = full();
    probe.update(probe.external(prefix));
    probe.wait(10_000);
    probe.hello();
    probe.clear();
    probe.update(probe.external(prefix, { sequence: first + 1 }));
    probe.wait(5000);
    expect(probe.actions.filter((each) => each.kind === "routes")).toEqual([]);
  });
  test("an LSA whose body is nonsense is kept, passed on and acknowledged as its checksum asks, counted, and says nothing", () => {
    const probe = full();
    const type = version === 2 ? 1 : 0x2001;
    const lsa = probe.lsa({ kind: "unknown", octets: new Uint8Array(2) }, { id: PEER, type });
    probe.update(lsa);
    probe.wait(2500);
    expect([probe.refused("lsa-malformed"), acked(probe).length, probe.has(lsa)]).toEqual([1, 1, true]);
  });
});

describe("RFC 2328 §13.3, §13.5 on a broadcast network", () => {
  const DR = ipv4("10.0.0.9");
  function lan(): Probe {
    const probe = new Probe(2, { type: "broadcast", priority: 0 });
    probe.hello({ dr: DR });
    probe.hello({ dr: DR });
    probe.dd({ init: true, more: true });
    probe.dd({ sequence: 778 });
    probe.wait(6000);
    probe.hello({ dr: DR });
    probe.clear();
    return probe;
  }
  test("§13.3 (5), §13.5: a DROther sends updates and delayed acknowledgements to AllDRouters", () => {
    const probe = lan();
    expect(probe.state()).toBe("full");
    probe.update(probe.external("192.0.2.0/24"));
    probe.wait(2500);
    expect(probe.sent("acknowledgement").map((each) => each.destination)).toEqual(["224.0.0.6"]);
    const networks = [{ prefix: "192.0.2.9/32", as: "external-1", metric: 5, tag: 0, area: undefined }] as const;
    probe.clear();
    probe.feed({ kind: "configured", plan: { ...probe.plan, networks } });
    expect(new Set(probe.sent("update").map((each) => each.destination))).toEqual(new Set(["224.0.0.6"]));
  });
  test("§13.6: retransmissions go to the neighbor alone", () => {
    const probe = lan();
    const networks = [{ prefix: "192.0.2.9/32", as: "external-1", metric: 5, tag: 0, area: undefined }] as const;
    probe.feed({ kind: "configured", plan: { ...probe.plan, networks } });
    probe.clear();
    probe.wait(5000);
    const again = probe.sent("update").filter((each) => each.packet.lsas.some((lsa) => lsa.header.type === 5));
    expect(again.map((each) => each.destination)).toEqual(["10.0.0.9"]);
  });
  test("§13.5: a direct acknowledgement goes to the neighbor alone", () => {
    const probe = lan();
    probe.update(probe.external("192.0.2.0/24"));
    probe.wait(2500);
    probe.clear();
    probe.update(probe.external("192.0.2.0/24"));
    expect(probe.sent("acknowledgement").map((each) => each.destination)).toEqual(["10.0.0.9"]);
  });
});

describe("RFC 5340 §4.5: scopes", () => {
  test.each([
    [0x0fff, "link"],
    [0x2fff, "link"],
    [0x4fff, "link"],
    [0x8fff, "link"],
    [0xafff, "area"],
    [0xcfff, "as"],
    [0xefff, "reserved"],
    [0x6fff, "reserved"],
    [0x2001, "area"],
    [0x4005, "as"],
    [0x0008, "link"],
  ] as const)(
    "§4.5.1, A.4.2.1: type %i goes as far as %s: without U bit what is unknown stays on its link",
    (type, scope) => {
      expect(V3.scopeOf(type)).toBe(scope);
    },
  );
  test("§4.5.1: an unknown LSA is kept, acknowledged and told to others, not refused", () => {
    const probe = new Probe(3);
    probe.toFull();
    const lsa = probe.lsa({ kind: "unknown", octets: new Uint8Array(8) }, { id: 7, type: 0xafff });
    probe.update(lsa);
    probe.wait(2500);
    expect(probe.has(lsa)).toBe(true);
    expect(probe.sent("acknowledgement").flatMap((each) => each.packet.headers.map((h) => h.type))).toContain(0xafff);
  });
  test("§4.5.2: of the reserved scope nothing is taken", () => {
    const probe = new Probe(3);
    probe.toFull();
    probe.update(probe.lsa({ kind: "unknown", octets: new Uint8Array(8) }, { id: 7, type: 0xefff }));
    expect(probe.refused("lsa-type")).toBe(1);
  });
});

describe("RFC 5250: opaque LSAs", () => {
  test("§3.1: who does not set the O bit is told of none", () => {
    const probe = new Probe(2);
    probe.toExStart();
    probe.dd({ init: true, more: true, options: 0x02 });
    probe.dd({ sequence: 778, options: 0x02 });
    expect(probe.state()).toBe("full");
    probe.clear();
    probe.feed({ kind: "stop", keep: true }); // would tell a grace LSA
    expect(probe.sent("update").flatMap((each) => each.packet.lsas.map((lsa) => lsa.header.type))).not.toContain(9);
  });
  test("§3: opaque LSAs are kept and carried, whatever they say", () => {
    const probe = new Probe(2);
    probe.toFull();
    for (const type of [9, 10, 11]) {
      const lsa = probe.lsa({ kind: "opaque", octets: new Uint8Array(12) }, { id: 0x01000000 + type, type });
      probe.update(lsa);
      expect(probe.has(lsa)).toBe(true);
    }
  });
});
