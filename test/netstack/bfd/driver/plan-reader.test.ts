import { describe, expect, test } from "vitest";
import { ipv4 } from "../../../../base/address.ts";
import { sessionsOf, unsolicitedOf } from "../../../../netstack/bfd/driver/plan-reader.ts";
import type { BfdSpec } from "../../../../netstack/bfd/plan.ts";
import { spec, TIMING } from "../../../interop/bfd-rig.ts";

const read = (...sessions: readonly BfdSpec[]) => sessionsOf({ sessions, unsolicited: [] });

describe("RFC 5882 §2: who asks for the same path shares a session", () => {
  test("under all their names, with the timing of whoever wants to know soonest", () => {
    const slow = { ...TIMING, desiredMinTx: 300, requiredMinRx: 300 };
    const fast = { ...TIMING, desiredMinTx: 20, requiredMinRx: 20, multiplier: 5 };
    const found = read(spec("bgp", "10.0.0.2", { timing: slow }), spec("ospf", "10.0.0.2", { timing: fast }));
    expect(found).toMatchObject([{ ids: ["bgp", "ospf"], timing: { desiredMinTx: 20, multiplier: 5 } }]);
  });
  test("held down only when all of them hold it down, active when one of them is", () => {
    const [one] = read(
      spec("a", "10.0.0.2", { adminDown: true, role: "passive" }),
      spec("b", "10.0.0.2", { adminDown: false, role: "active" }),
    );
    expect(one).toMatchObject({ adminDown: false, role: "active" });
  });
  test("another interface, kind of hop, local address or peer is another path", () => {
    const found = read(
      spec("1", "10.0.0.2"),
      spec("2", "10.0.0.2", { ifname: "eth1" }),
      spec("3", "10.0.0.2", { hops: "multi", ifname: undefined }),
      spec("4", "10.0.0.2", { hops: "multi", ifname: undefined, local: "10.0.0.1" }),
      spec("5", "10.0.0.3"),
    );
    expect(found.map(({ ids }) => ids)).toEqual([["1"], ["2"], ["3"], ["4"], ["5"]]);
  });
});

test("keys are hex, addresses are addresses; what control should have refused is a bug", () => {
  const [one] = read(spec("s", "10.0.0.2", { auth: { type: "sha1", keyId: 3, key: "00ff10" } }));
  expect(one).toMatchObject({ peer: ipv4("10.0.0.2"), auth: { keyId: 3, key: Uint8Array.of(0, 255, 16) } });
  expect(() => read(spec("s", "peer.example"))).toThrow(TypeError);
});

test("RFC 9468: without networks of its own an interface takes strangers from those that are on it", () => {
  const own = [{ ip: ipv4("192.0.2.0"), length: 24 }];
  const from = (list: readonly string[]) =>
    unsolicitedOf({ ifname: "eth0", from: list, timing: TIMING, most: 1 }, () => own).from;
  expect(from([])).toEqual(own);
  expect(from(["10.0.0.0/8"])).toEqual([{ ip: ipv4("10.0.0.0"), length: 8 }]);
});
