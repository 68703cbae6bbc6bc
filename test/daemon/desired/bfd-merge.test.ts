/** Wishes for BFD sessions → sessions: one for each path to a peer (RFC 5880 §6.3). */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mergeBfd } from "../../../daemon/desired/bfd-merge.ts";
import type { BfdSpec, BfdTiming } from "../../../netstack/bfd/plan.ts";

const TIMING: BfdTiming = {
  desiredMinTx: 300,
  requiredMinRx: 300,
  multiplier: 3,
  echoTx: undefined,
  requiredMinEchoRx: 50,
  demand: false,
};
const spec = (id: string, more: Partial<BfdSpec> = {}): BfdSpec => ({
  id,
  peer: "10.0.0.1",
  local: undefined,
  ifname: undefined,
  hops: "single",
  minTtl: 1,
  role: "active",
  timing: TIMING,
  auth: undefined,
  adminDown: false,
  ...more,
});
const merged = (operator: readonly BfdSpec[], wished: readonly BfdSpec[]): ReturnType<typeof mergeBfd> =>
  mergeBfd({ sessions: operator, unsolicited: [] }, wished);
const ids = (...specs: readonly BfdSpec[]): readonly string[] => merged([], specs).plan.sessions.map(({ id }) => id);

describe("one session for each path", () => {
  it("a peer that BGP and OSPF watch is watched once, on the interface that one of them knows", () => {
    const { plan, clients } = merged([], [spec("bgp:a"), spec("ospf:a", { ifname: "eth0" })]);
    expect(plan.sessions).toMatchObject([{ id: "10.0.0.1", ifname: "eth0" }]);
    expect([...clients]).toEqual([["10.0.0.1", ["bgp:a", "ospf:a"]]]);
  });
  it("single hop and multihop are two, as are two interfaces and two sources", () => {
    expect(ids(spec("a"), spec("b", { hops: "multi" }))).toEqual(["10.0.0.1", "10.0.0.1 multihop"]);
    expect(ids(spec("a", { ifname: "eth0" }), spec("b", { ifname: "eth1" }))).toEqual([
      "10.0.0.1%eth0",
      "10.0.0.1%eth1",
    ]);
    expect(ids(spec("a", { local: "10.0.0.7" }), spec("b", { local: "10.0.0.8" }))).toEqual([
      "10.0.0.1 from 10.0.0.7",
      "10.0.0.1 from 10.0.0.8",
    ]);
  });
  it("a link-local peer is named with its link from the beginning", () => {
    expect(ids(spec("a", { peer: "fe80::1", ifname: "eth0" }))).toEqual(["fe80::1%eth0"]);
  });
  it("the quickest wish decides the timing, an echo is sent when anybody wants one, demand when all do", () => {
    const fast = { ...TIMING, desiredMinTx: 50, requiredMinRx: 50, demand: true };
    const echo = { ...TIMING, echoTx: 40 };
    const { plan } = merged([spec("static/a", { timing: echo })], [spec("bgp:a", { timing: fast })]);
    expect(plan.sessions[0]?.timing).toEqual({ ...fast, echoTx: 40, demand: false });
  });
  it("the operator's word counts for all: keys, and held down", () => {
    const auth = { type: "sha1", keyId: 1, key: "00" } as const;
    const { plan } = merged([spec("static/a", { auth, adminDown: true, role: "passive" })], [spec("bgp:a")]);
    expect(plan.sessions[0]).toMatchObject({ auth, adminDown: true, role: "active" });
  });
  it("the name stays while clients come and go", () => {
    const [own, other] = [spec("static/a"), spec("bgp:a", { ifname: "eth0" })];
    const names = [merged([own], []), merged([own], [other]), merged([], [other])].map(
      ({ plan }) => plan.sessions[0]?.id,
    );
    expect(new Set(names)).toEqual(new Set(["10.0.0.1"]));
  });
});

describe("any wishes", () => {
  const wish = fc.record({
    peer: fc.constantFrom("10.0.0.1", "10.0.0.2", "fe80::1"),
    ifname: fc.constantFrom(undefined, "eth0", "eth1"),
    local: fc.constantFrom(undefined, "10.0.0.7", "10.0.0.8"),
    hops: fc.constantFrom("single" as const, "multi" as const),
    multiplier: fc.integer({ min: 1, max: 255 }),
    desiredMinTx: fc.integer({ min: 1, max: 60_000 }),
  });
  it("each is served once, by a session to its peer, and names are unique", () => {
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 8 }), (wishes) => {
        const specs = wishes.map(({ multiplier, desiredMinTx, ...rest }, index) =>
          spec(String(index), { ...rest, timing: { ...TIMING, multiplier, desiredMinTx } }),
        );
        const { plan, clients } = merged([], specs);
        expect(new Set(plan.sessions.map(({ id }) => id)).size).toBe(plan.sessions.length);
        expect([...clients.values()].flat().toSorted()).toEqual(specs.map(({ id }) => id).toSorted());
        for (const session of plan.sessions) {
          for (const id of clients.get(session.id) ?? []) {
            const asked = specs.find((each) => each.id === id);
            expect(session).toMatchObject({ peer: asked?.peer, hops: asked?.hops });
            expect(session.timing.desiredMinTx).toBeLessThanOrEqual(asked?.timing.desiredMinTx ?? 0);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
