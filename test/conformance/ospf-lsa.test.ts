/** What a router says of itself: RFC 2328 §12, §13.4, §14.1; RFC 5340 §4.4.3; RFC 3101; RFC 6987. */
import { describe, expect, test } from "vitest";
import { ipv4 } from "../../base/address.ts";
import { bodyIn } from "../../netstack/ospf/body.ts";
import {
  INITIAL_SEQUENCE,
  type Lsa,
  type LsaBody,
  MAX_AGE,
  MAX_SEQUENCE,
  OPTION_E,
  OPTION_N,
} from "../../netstack/ospf/packet/lsa.ts";
import { checksumHolds } from "../../netstack/ospf/packet/lsa-header.ts";
import type { OspfNetwork } from "../../netstack/ospf/plan.ts";
import { network } from "../netstack/ospf/network.ts";
import { OURS, PEER, Probe } from "../netstack/ospf/probe.ts";

function flooded(probe: Probe): readonly Lsa[] {
  const newest = new Map<string, Lsa>();
  for (const { packet } of probe.sent("update")) {
    for (const lsa of packet.lsas) newest.set(`${lsa.header.type} ${lsa.header.id}`, lsa);
  }
  return [...newest.values()];
}
function said<Kind extends LsaBody["kind"]>(probe: Probe, kind: Kind): (LsaBody & { readonly kind: Kind }) | undefined {
  for (const lsa of flooded(probe)) {
    const body = bodyIn(lsa);
    if (body?.kind === kind) return body as LsaBody & { readonly kind: Kind };
  }
  return undefined;
}
/** Full, with all that we say flooded and acknowledged. */
function full(version: 2 | 3, fields = {}, planned = {}): Probe {
  const probe = new Probe(version, fields, planned);
  probe.toFull();
  for (let step = 0; step < 3; step++) {
    probe.wait(4000);
    probe.hello();
    probe.say({ kind: "acknowledgement", headers: flooded(probe).map((lsa) => lsa.header) });
  }
  return probe;
}

describe.each([2, 3] as const)("OSPFv%s", (version) => {
  const vip = (host: number): string => (version === 2 ? `192.0.2.${host}/32` : `2001:db8:ff::${host}/128`);
  const types = version === 2 ? { router: 1, external: 5 } : { router: 0x2001, external: 0x4005 };

  test("RFC 2328 §12.1.7: every LSA of ours leaves with a right checksum", () => {
    const probe = full(version, {}, { networks: [network(vip(1))] });
    const networks = [network(vip(1)), network(vip(2)), network(vip(3), { as: "host" })];
    probe.feed({ kind: "configured", plan: { ...probe.plan, networks } });
    probe.wait(6000);
    expect(flooded(probe).length).toBeGreaterThan(1);
    for (const lsa of flooded(probe)) expect(checksumHolds(lsa.raw)).toBe(true);
  });
  test("RFC 2328 §12.1.6: the first instance has InitialSequenceNumber", () => {
    const probe = full(version, {}, { networks: [network(vip(1))] });
    const external = flooded(probe).find((each) => each.header.type === types.external);
    expect(
      external?.header.sequence ?? probe.router.database(probe.now).find((l) => l.type === "external")?.sequence,
    ).toBe(INITIAL_SEQUENCE);
  });
  test("RFC 2328 §12.4.1: a point-to-point link is described while the neighbor is Full, and no longer", () => {
    const probe = full(version);
    expect(said(probe, "router")?.links.filter((each) => each.type === "point-to-point")).toMatchObject([
      { id: PEER, metric: 10, data: version === 2 ? ipv4("10.0.0.5") : 5 },
    ]);
    probe.clear();
    probe.wait(42_000);
    const [own] = probe.router.database(probe.now).filter((each) => each.type === "router");
    expect(own?.length).toBe(version === 2 ? 24 + 12 : 24);
  });
  test("RFC 2328 §12.4: LSRefreshTime, and no earlier", () => {
    const probe = full(version, { passive: false }, { networks: [network(vip(1))] });
    const read = (): number => probe.router.database(probe.now).find((each) => each.type === "external")?.sequence ?? 0;
    const born =
      probe.now - 1000 * (probe.router.database(probe.now).find((each) => each.type === "external")?.age ?? 0);
    const before = read();
    while (probe.now < born + 1_799_000 - 10_000) {
      probe.hello();
      probe.wait(10_000);
    }
    expect(read()).toBe(before);
    probe.hello();
    probe.wait(20_000);
    expect(read()).toBe(before + 1);
  });
  test("RFC 2328 §12.1.6: at MaxSequenceNumber the LSA is flushed first, then starts with the initial one", () => {
    const probe = full(version, {}, { networks: [network(vip(1))] });
    const own =
      flooded(probe).find((each) => each.header.type === types.external) ?? probe.external(vip(1), { by: OURS });
    const body = bodyIn(own);
    if (body === undefined) throw new TypeError("no body");
    probe.clear();
    probe.update(probe.lsa(body, { id: own.header.id, by: OURS, sequence: MAX_SEQUENCE, options: own.header.options }));
    const dead = flooded(probe).find((each) => each.header.type === types.external);
    expect(dead?.header).toMatchObject({ age: MAX_AGE, sequence: MAX_SEQUENCE });
    if (dead === undefined) throw new TypeError("not flushed");
    probe.wait(6000);
    probe.clear();
    probe.say({ kind: "acknowledgement", headers: [dead.header] });
    probe.wait(6000);
    expect(flooded(probe).find((each) => each.header.type === types.external)?.header.sequence).toBe(INITIAL_SEQUENCE);
  });
  test("RFC 2328 §13.4: a newer instance of ours, from an earlier life, is outdone at once", () => {
    const probe = full(version, {}, { networks: [network(vip(1))] });
    const own = probe.external(vip(1), { by: OURS, sequence: INITIAL_SEQUENCE + 40, metric: 1 });
    const [mine] = probe.router.database(probe.now).filter((each) => each.type === "external");
    expect(mine).toBeDefined();
    probe.clear();
    probe.update(own);
    const answer = flooded(probe).find((each) => each.header.type === types.external);
    expect(answer?.header.sequence).toBe(INITIAL_SEQUENCE + 41);
    expect(answer === undefined ? undefined : bodyIn(answer)).toMatchObject({ metric: 20 });
  });
  test("RFC 2328 §13.4: a forger does not make us flood: the second time MinLSInterval holds", () => {
    const probe = full(version, {}, { networks: [network(vip(1))] });
    probe.update(probe.external(vip(1), { by: OURS, sequence: INITIAL_SEQUENCE + 40, metric: 1 }));
    probe.wait(1100);
    probe.clear();
    probe.update(probe.external(vip(1), { by: OURS, sequence: INITIAL_SEQUENCE + 60, metric: 1 }));
    expect(flooded(probe)).toEqual([]);
    probe.wait(5000);
    const answer = flooded(probe).find((each) => each.header.type === types.external);
    expect(answer?.header.sequence).toBe(INITIAL_SEQUENCE + 61);
  });
  test("RFC 2328 §13.4: what we advertised in an earlier life and want no more is flushed", () => {
    const probe = full(version);
    const old = probe.external(vip(7), { by: OURS, sequence: INITIAL_SEQUENCE + 3 });
    probe.clear();
    probe.update(old);
    const dead = flooded(probe).find((each) => each.header.type === types.external);
    expect(dead?.header).toMatchObject({ age: MAX_AGE, sequence: INITIAL_SEQUENCE + 3 });
  });
  test("RFC 2328 §12.4.4: externals carry type of metric, metric and tag; bit E says that we are a boundary router", () => {
    const networks: OspfNetwork[] = [network(vip(1), { as: "external-1", metric: 7, tag: 99 })];
    const probe = full(version, {}, { networks });
    probe.feed({ kind: "configured", plan: { ...probe.plan, networks: [] } });
    probe.wait(6000);
    probe.clear();
    probe.feed({ kind: "configured", plan: { ...probe.plan, networks } });
    probe.wait(6000);
    expect(said(probe, "external")).toMatchObject({ metricType: 1, metric: 7, tag: 99, forwarding: undefined });
    expect(said(probe, "router")).toMatchObject({ external: true, border: false, virtual: false });
  });
  test("RFC 6987 §2: max-metric on links, not on the stubs that are ours by address", () => {
    const probe = full(version, {}, { maxMetric: true, networks: [network(vip(2), { as: "host", metric: 3 })] });
    const links = said(probe, "router")?.links ?? [];
    expect(links.filter((each) => each.type === "point-to-point").map((each) => each.metric)).toEqual([0xffff]);
    if (version === 2) {
      const stubs = links.filter((each) => each.type === "stub");
      expect(stubs.map((each) => each.metric)).toEqual([10, 0xffff]);
    }
  });
  test("RFC 3101 §2.3-2.4: in an NSSA type 7 with P and a forwarding address of ours; no type 5", () => {
    const probe = new Probe(version, {}, { networks: [network(vip(1))] }, { kind: "nssa" });
    const found = probe.router.database(probe.now).map((each) => each.type);
    expect(found).toContain("nssa");
    expect(found).not.toContain("external");
    const options = version === 2 ? OPTION_N | 0x40 : OPTION_N | 0x11;
    probe.hello({ options });
    probe.dd({ init: true, more: true, options });
    const type = version === 2 ? 7 : 0x2007;
    const header = probe
      .sent("database-description")
      .flatMap((each) => each.packet.headers)
      .find((each) => each.type === type);
    if (header === undefined) throw new TypeError("no type 7");
    probe.clear();
    probe.say({ kind: "request", wanted: [header] });
    const [lsa] = flooded(probe);
    if (lsa === undefined) throw new TypeError("no answer");
    expect(bodyIn(lsa)).toMatchObject({ forwarding: version === 2 ? ipv4("10.0.0.5") : "2001:db8::5" });
    if (version === 2) expect(lsa.header.options & OPTION_N).toBe(OPTION_N);
    else expect(bodyIn(lsa)).toMatchObject({ prefixOptions: 8 });
  });
  test("RFC 3101 §2.2: the hellos of an NSSA set N and clear E; of a stub area neither", () => {
    const bits = (kind: "normal" | "stub" | "nssa"): number => {
      const probe = new Probe(version, {}, {}, { kind });
      probe.wait(10_000);
      return (probe.sent("hello")[0]?.packet.options ?? 0) & (OPTION_E | OPTION_N);
    };
    expect([bits("normal"), bits("stub"), bits("nssa")]).toEqual([OPTION_E, 0, OPTION_N]);
  });
});

describe("OSPFv2", () => {
  test("RFC 2328 §12.4.1.1: the network of a point-to-point link is a stub of it", () => {
    const probe = full(2);
    const stubs = said(probe, "router")?.links.filter((each) => each.type === "stub");
    expect(stubs).toMatchObject([{ id: ipv4("10.0.0.0"), data: ipv4("255.255.255.0"), metric: 10 }]);
  });
  test("RFC 2328 §12.4.1.3: a host route is a stub with the mask of one address", () => {
    const probe = full(2, {}, { networks: [network("192.0.2.7/32", { as: "host", metric: 4 })] });
    const stubs = said(probe, "router")?.links.filter((each) => each.metric === 4);
    expect(stubs).toMatchObject([{ type: "stub", id: ipv4("192.0.2.7"), data: ipv4("255.255.255.255") }]);
  });
  test("RFC 2328 E: networks of one address and several masks get link state IDs of their own", () => {
    const networks = ["10.1.0.0/16", "10.1.0.0/24", "10.1.0.0/32", "10.1.0.0/8"].map((prefix) => network(prefix));
    const probe = new Probe(2, {}, { networks });
    const ids = probe.router
      .database(probe.now)
      .filter((each) => each.type === "external")
      .map((each) => each.id);
    expect(new Set(ids).size).toBe(4);
    expect(ids).toContain("10.1.0.0");
    expect(ids).toContain("10.1.255.255");
  });
  test("RFC 2328 §13.4: a network LSA of an address of ours, from when we had another router ID, is flushed", () => {
    const probe = full(2);
    const lsa = probe.lsa(
      { kind: "network", prefix: { ip: ipv4("10.0.0.0"), length: 24 }, options: 0, routers: [1, 2] },
      { id: ipv4("10.0.0.5"), by: ipv4("8.8.8.8") },
    );
    probe.clear();
    probe.update(lsa);
    const dead = flooded(probe).find((each) => each.header.type === 2);
    expect(dead?.header).toMatchObject({ age: MAX_AGE, advertisingRouter: ipv4("8.8.8.8") });
  });
});

describe("OSPFv3", () => {
  test("RFC 5340 §4.4.3.2: router LSAs have no prefixes; §4.4.3.9: they are in intra-area-prefix LSAs", () => {
    const probe = full(3, {}, { networks: [network("2001:db8:77::1/128", { as: "host", metric: 4 })] });
    const router = said(probe, "router");
    expect(router?.links).toMatchObject([{ type: "point-to-point", id: PEER, data: 5, neighborInterfaceId: 9 }]);
    const prefixes = probe.router.database(probe.now).find((each) => each.type === "intra-area-prefix");
    expect(prefixes).toBeDefined();
  });
  test("RFC 5340 §4.4.3.9: a hundred host prefixes are told in LSAs that fit a packet", () => {
    const networks = Array.from({ length: 120 }, (_, index) =>
      network(`2001:db8:77::${index.toString(16)}/128`, { as: "host", metric: 4 }),
    );
    const probe = new Probe(3, {}, { networks });
    const told = probe.router.database(probe.now).filter((each) => each.type === "intra-area-prefix");
    expect(told.length).toBe(3);
    for (const each of told) expect(each.length).toBeLessThan(1400);
  });
  test("RFC 5340 §4.4.3.8: the link LSA tells our link-local address, prefixes and priority", () => {
    const probe = new Probe(3, { priority: 9 });
    probe.toExchange();
    const key = { type: 0x0008, id: 5, advertisingRouter: OURS };
    probe.clear();
    probe.say({ kind: "request", wanted: [key] });
    expect(said(probe, "link")).toMatchObject({
      address: "fe80::5",
      priority: 9,
      prefixes: [{ prefix: { ip: "2001:db8::", length: 64 } }],
    });
  });
});
