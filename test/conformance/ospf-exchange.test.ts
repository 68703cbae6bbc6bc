/** How databases are made equal: RFC 2328 §10.6-10.9, §10.3; the same in OSPFv3 (RFC 5340 §4.2.2). */
import { describe, expect, test } from "vitest";
import { OPTION_E } from "../../netstack/ospf/packet/lsa.ts";
import { LOW, Probe } from "../netstack/ospf/probe.ts";

describe.each([2, 3] as const)("OSPFv%s", (version) => {
  const prefix = version === 2 ? "192.0.2.0/24" : "2001:db8:5::/64";

  test("RFC 2328 §10.8: in ExStart empty descriptions with I, M and MS are repeated each RxmtInterval", () => {
    const probe = new Probe(version);
    probe.hello();
    probe.hello();
    probe.wait(5000);
    probe.hello();
    probe.wait(5000);
    const sent = probe.sent("database-description").map((each) => each.packet);
    expect(sent.length).toBe(3);
    expect(new Set(sent.map((each) => each.sequence)).size).toBe(1);
    expect(sent[0]).toMatchObject({ init: true, more: true, master: true, headers: [] });
  });
  test("RFC 2328 §10.6 ExStart: the higher router ID is the master, and its number counts", () => {
    const probe = new Probe(version);
    probe.toExchange();
    expect(probe.state()).toBe("exchange");
    const [answer] = probe.sent("database-description");
    expect(answer?.packet).toMatchObject({ init: false, master: false, sequence: 777 });
    expect(answer?.packet.headers.length).toBeGreaterThan(0);
  });
  test("RFC 2328 §10.6 ExStart: with the lower router ID the peer is our slave, and answers with our number", () => {
    const probe = new Probe(version, {}, {}, { peer: LOW });
    probe.hello();
    const first = probe.sent("database-description")[0]?.packet.sequence ?? 0;
    probe.clear();
    probe.dd({ init: true, more: true, master: true });
    expect(probe.state()).toBe("ex-start"); // it has not understood yet who the master is
    probe.dd({ master: false, sequence: first, more: false });
    expect(probe.sent("database-description")[0]?.packet).toMatchObject({
      master: true,
      sequence: first + 1,
      init: false,
    });
  });
  test("RFC 2328 §10.6: a description with a larger MTU than ours is refused, a smaller one is not", () => {
    const probe = new Probe(version);
    probe.toExStart();
    probe.dd({ init: true, more: true, mtu: 1501 });
    expect([probe.state(), probe.refused("mtu-mismatch")]).toEqual(["ex-start", 1]);
    probe.dd({ init: true, more: true, mtu: 1400 });
    expect(probe.state()).toBe("exchange");
  });
  test("RFC 2328 §10.6 Init: a description is a sign that we are heard", () => {
    const probe = new Probe(version);
    probe.hello({ neighbors: [] });
    probe.dd({ init: true, more: true });
    expect(probe.state()).toBe("exchange");
  });
  test("RFC 2328 §10.6 2-Way and below: descriptions are ignored", () => {
    const probe = new Probe(version, { type: "broadcast", priority: 0 });
    probe.hello({ priority: 0 });
    expect(probe.state()).toBe("2-way");
    probe.dd({ init: true, more: true });
    expect([probe.state(), probe.refused("neighbor-state")]).toEqual(["2-way", 1]);
  });
  test("RFC 2328 §10.6 Exchange: the slave repeats its last description for a duplicate", () => {
    const probe = new Probe(version);
    probe.toExchange();
    const first = probe.sent("database-description").at(-1);
    probe.clear();
    probe.dd({ init: true, more: true });
    expect(probe.sent("database-description")).toEqual([first]);
    expect([probe.state(), probe.refused("dd-duplicate")]).toEqual(["exchange", 1]);
  });
  test.each([
    ["the MS bit is wrong", { master: false }, "dd-sequence"],
    ["the I bit is set again", { init: true, more: true }, "dd-sequence"],
    ["the options change", { options: OPTION_E | 0x20 }, "dd-options"],
    ["the number is not the next", { sequence: 790 }, "dd-sequence"],
  ] as const)("RFC 2328 §10.6 Exchange: %s, SeqNumberMismatch", (_, fields, why) => {
    const probe = new Probe(version);
    probe.toExchange();
    probe.clear();
    probe.dd({ sequence: 778, ...fields });
    expect([probe.state(), probe.refused(why)]).toEqual(["ex-start", 1]);
    expect(probe.sent("database-description")[0]?.packet).toMatchObject({ init: true, more: true, master: true });
  });
  test("RFC 2328 §10.6: an LS type that we do not know of, SeqNumberMismatch", () => {
    const probe = new Probe(version);
    probe.toExchange();
    const header = { ...probe.external(prefix).header, type: version === 2 ? 12 : 0x6001 };
    probe.dd({ sequence: 778, headers: [header] });
    expect([probe.state(), probe.refused("lsa-type")]).toEqual(["ex-start", 1]);
  });
  test("RFC 2328 §10.6: an AS-external-LSA in a stub area, SeqNumberMismatch", () => {
    const probe = new Probe(version, {}, {}, { kind: "stub" });
    const options = version === 2 ? 0x40 : 0x11;
    probe.hello({ options });
    probe.dd({ init: true, more: true, options });
    probe.dd({ sequence: 778, options, headers: [probe.external(prefix).header] });
    expect([probe.state(), probe.refused("lsa-type")]).toEqual(["ex-start", 1]);
  });
  test("RFC 2328 §10.6 Full: a new description is a SeqNumberMismatch, a duplicate is answered while it is kept", () => {
    const probe = new Probe(version);
    probe.toFull();
    probe.dd({});
    expect(probe.sent("database-description").length).toBe(1);
    expect(probe.state()).toBe("full");
    probe.hello();
    probe.wait(30_000);
    probe.hello();
    probe.wait(11_000); // RouterDeadInterval after the exchange: it is freed
    probe.dd({});
    expect(probe.state()).toBe("ex-start");
  });
  test("RFC 2328 §10.8: the descriptions of a large database fit the MTU, and M says that there is more", () => {
    const networks = Array.from({ length: 300 }, (_, index) => ({
      prefix: version === 2 ? `192.0.${2 + (index >> 8)}.${index & 255}/32` : `2001:db8:9::${index.toString(16)}/128`,
      as: "external-2" as const,
      metric: 1,
      tag: 0,
      area: undefined,
    }));
    const probe = new Probe(version, {}, { networks });
    probe.toExchange();
    const seen = new Set<string>();
    for (let round = 0; probe.state() === "exchange" && round < 20; round++) {
      const { packet } = probe.sent("database-description").at(-1) ?? {};
      expect(32 + (packet?.headers.length ?? 0) * 20).toBeLessThanOrEqual(1480);
      for (const each of packet?.headers ?? []) seen.add(`${each.type} ${each.id}`);
      probe.sequence++;
      probe.dd({});
    }
    for (const each of probe.sent("database-description").at(-1)?.packet.headers ?? [])
      seen.add(`${each.type} ${each.id}`);
    expect(probe.state()).toBe("full");
    expect(seen.size).toBeGreaterThan(300);
  });
  test("RFC 2328 §10.9: what is newer there is asked for, again each RxmtInterval, until it comes; then Full", () => {
    const probe = new Probe(version);
    probe.toExchange();
    const lsa = probe.external(prefix);
    probe.clear();
    probe.dd({ sequence: 778, headers: [lsa.header] });
    expect(probe.state()).toBe("loading");
    const { type, id, advertisingRouter } = lsa.header;
    expect(probe.sent("request").map((each) => each.packet.wanted)).toEqual([[{ type, id, advertisingRouter }]]);
    probe.wait(5000);
    expect(probe.sent("request").length).toBe(2);
    probe.update(lsa);
    expect([probe.state(), probe.has(lsa)]).toEqual(["full", true]);
    probe.clear();
    probe.wait(6000);
    expect(probe.sent("request")).toEqual([]);
  });
  test("RFC 2328 §10.9: what we have as new as theirs is not asked for", () => {
    const probe = new Probe(version);
    probe.toFull();
    const lsa = probe.external(prefix);
    probe.update(lsa);
    probe.hello({ neighbors: [] });
    probe.sequence = 900;
    probe.toExchange();
    probe.clear();
    probe.dd({ sequence: 901, headers: [lsa.header] });
    expect(probe.sent("request")).toEqual([]);
    expect(probe.state()).toBe("full");
  });
  test("RFC 2328 §10.7: requests are answered by updates to the asker, and are not put on its retransmission list", () => {
    const probe = new Probe(version);
    probe.toFull();
    const [own] = probe.router.database(probe.now).filter((each) => each.type === "router");
    expect(own).toBeDefined();
    probe.wait(2000);
    probe.clear();
    const key = { type: version === 2 ? 1 : 0x2001, id: version === 2 ? 0x01010105 : 0, advertisingRouter: 0x01010105 };
    probe.say({ kind: "request", wanted: [key] });
    const [answer] = probe.sent("update");
    expect(answer?.packet.lsas.map((each) => each.header.type)).toEqual([key.type]);
  });
  test("RFC 2328 §10.7: a request for what we do not have is a BadLSReq", () => {
    const probe = new Probe(version);
    probe.toFull();
    probe.say({ kind: "request", wanted: [{ type: version === 2 ? 5 : 0x4005, id: 1, advertisingRouter: 1 }] });
    expect([probe.state(), probe.refused("request-unknown")]).toEqual(["ex-start", 1]);
  });
  test("RFC 2328 §10.7: requests, updates and acknowledgements before Exchange are ignored", () => {
    const probe = new Probe(version);
    probe.toExStart();
    probe.say({ kind: "request", wanted: [] });
    probe.update(probe.external(prefix));
    probe.say({ kind: "acknowledgement", headers: [] });
    expect([probe.state(), probe.refused("neighbor-state")]).toEqual(["ex-start", 3]);
  });
});
