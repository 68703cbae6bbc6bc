/** A peer that does its worst: the others never notice, memory stays bounded, and the reason is in the counters. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ipv4 } from "../../../base/address.ts";
import type { BgpPeerSpec } from "../../../netstack/bgp/plan.ts";
import { attributesFor, type Call, Desk, endsText } from "./tester.ts";
import { network, peerOf, planOf } from "./world.ts";

/** One good peer, and one that is not. */
function two(some: Partial<BgpPeerSpec> = {}): { desk: Desk; good: Call; bad: Call; check: () => void } {
  const desk = new Desk();
  desk.plan(
    planOf(65001, "10.0.0.1", {
      peers: [
        peerOf("good", "10.0.0.2", 65002, { mode: "passive" }),
        peerOf("bad", "10.0.0.3", 65003, { mode: "passive", ...some }),
      ],
      networks: [network("192.0.2.1/32")],
    }),
  );
  const good = desk.call("10.0.0.2").up({ routerId: ipv4("10.0.0.2") });
  good.announce(["198.51.100.0/24"]);
  const bad = desk.call("10.0.0.3").up({ asn: 65003, routerId: ipv4("10.0.0.3") });
  const check = (): void => {
    expect(desk.speaker.report("good", 0)).toMatchObject({ state: "established", established: 1 });
    expect(desk.speaker.routes({ prefix: undefined, peer: "good", most: 9 }).routes).toHaveLength(1);
  };
  check();
  return { desk, good, bad, check };
}
const FROM_BAD = {
  asPath: [{ kind: "sequence" as const, asns: [65003] }],
  nextHop: { global: ipv4("10.0.0.3"), linkLocal: undefined },
};
/** Octets of an UPDATE with so many /32s. */
function octetsOf(from: number, count: number): Uint8Array {
  const octets = new Uint8Array(count * 5);
  for (let index = 0; index < count; index++) {
    const value = (11 << 24) + from + index;
    octets.set([32, value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255], index * 5);
  }
  return octets;
}
function block(from: number, count: number, call: Call): void {
  const nlri = { family: "ipv4", octets: octetsOf(from, count), count, paths: false } as const;
  call.update([], [{ nlri, attributes: attributesFor(FROM_BAD) }]);
}

describe("a peer that sends routes without end", () => {
  test("is stopped at the default limit; nothing of it stays, nor of the numbers that it took", () => {
    const { desk, bad, check } = two();
    let sent = 0;
    while (!bad.closed && sent < 1_000_000) {
      block(sent, 700, bad);
      sent += 700;
    }
    expect(sent).toBeLessThan(502_000);
    expect(endsText(desk, "bad")).toBe("idle: cease/maximum-number-of-prefixes-reached sent");
    expect(desk.speaker.report("bad", 0)?.families[0]).toMatchObject({ received: 0, accepted: 0 });
    check();
    expect(desk.speaker.stats().paths).toBe(2);
    desk.wait(80_000);
    check();
    expect(desk.speaker.stats()).toMatchObject({ paths: 2, prefixes: 2 });
  });
  test("and comes back to the same, more and more slowly", () => {
    const limit = { limit: 100, warnAt: 80, restartAfter: 1000 };
    const { desk, bad, check } = two({ families: [{ family: "ipv4", addPathReceive: false, maxPrefixes: limit }] });
    block(0, 200, bad);
    expect(bad.closed).toBe(true);
    const early = desk.call("10.0.0.3");
    expect(early.closed).toBe(true);
    expect(desk.speaker.report("bad", 0)?.refused).toMatchObject({ "call-while-idle": 1 });
    desk.wait(1001);
    const again = desk.call("10.0.0.3").up({ asn: 65003, routerId: ipv4("10.0.0.3") });
    block(0, 200, again);
    expect(again.closed).toBe(true);
    check();
  });
});

describe("a peer that changes its mind without end", () => {
  test("attribute sets that nobody uses any more are forgotten", () => {
    const { bad, check, desk } = two();
    for (let round = 0; round < 9000; round++) {
      bad.announce(["11.0.0.0/8"], { ...FROM_BAD, med: round });
      expect(desk.speaker.stats().attributeSets).toBeLessThan(8300);
    }
    expect(desk.speaker.routes({ prefix: undefined, peer: "bad", most: 9 }).routes).toMatchObject([{ med: 8999 }]);
    check();
  });
  test("prefixes that nobody has any more are forgotten", () => {
    const { good, bad, check, desk } = two();
    for (let round = 0; round < 40; round++) {
      block(round * 700, 700, bad);
      bad.update([{ family: "ipv4", octets: octetsOf(round * 700, 700), count: 700, paths: false }], []);
      desk.wait(31_000);
      for (const call of [good, bad]) call.say({ kind: "keepalive" });
      expect(desk.speaker.stats().prefixes).toBeLessThan(6000);
    }
    expect(desk.speaker.report("bad", 0)?.families[0]?.received).toBe(0);
    expect(good.messages.filter(({ kind }) => kind === "update").length).toBeGreaterThan(0);
    check();
  });
});
describe("malformed octets", () => {
  test("any octets after any beginning: nothing thrown, the other peer unmoved", () => {
    const { desk, check } = two();
    fc.assert(
      fc.property(
        fc.constantFrom("tcp", "open", "up"),
        fc.constantFrom(undefined, 1, 2, 3, 4, 5, 6),
        fc.uint8Array({ minLength: 0, maxLength: 120 }),
        (stage, type, octets) => {
          // Every fall is damped: time passes, and it may call again.
          desk.feed({ kind: "clear", peer: "bad", how: "hard" });
          desk.feed({ kind: "wake" });
          const call = desk.call("10.0.0.3");
          if (stage !== "tcp") call.open({ asn: 65003, routerId: ipv4("10.0.0.3") });
          if (stage === "up") call.say({ kind: "keepalive" });
          const length = 19 + octets.length;
          const header =
            type === undefined ? [] : [...Array.from({ length: 16 }, () => 255), length >>> 8, length & 255, type];
          call.raw(Uint8Array.of(...header, ...octets));
          check();
        },
      ),
      { numRuns: 1500 },
    );
  });
  test("an UPDATE with any one octet changed", () => {
    const { desk, check } = two();
    let call: Call | undefined;
    fc.assert(
      fc.property(fc.nat(200), fc.nat(255), (at, value) => {
        if (call === undefined || call.closed) {
          desk.feed({ kind: "clear", peer: "bad", how: "hard" });
          desk.feed({ kind: "wake" });
          call = desk.call("10.0.0.3").up({ asn: 65003, routerId: ipv4("10.0.0.3") });
        }
        const messages: Uint8Array[] = [];
        const raw = call.raw.bind(call);
        call.raw = (bytes) => void messages.push(bytes);
        call.announce(["11.1.0.0/16", "11.2.3.0/24"], { ...FROM_BAD, med: 7, communities: [1, 2], localPref: 5 });
        call.raw = raw;
        for (const bytes of messages) {
          bytes[at % bytes.length] = value;
          raw(bytes);
        }
        check();
      }),
      { numRuns: 1500 },
    );
    check();
  });
});

describe("half-open and silent connections", () => {
  test("one that never speaks is closed after the large hold time; calls meanwhile are bounded to one more", () => {
    const desk = new Desk();
    desk.plan(planOf(65001, "10.0.0.1", { peers: [peerOf("p", "10.0.0.3", 65003, { mode: "passive" })] }));
    const calls = Array.from({ length: 100 }, () => desk.call("10.0.0.3"));
    expect(calls.filter(({ closed }) => !closed)).toHaveLength(2);
    expect(desk.speaker.report("p", 0)?.refused).toEqual({ "third-connection": 98 });
    desk.wait(241_000);
    expect(calls.every(({ closed }) => closed)).toBe(true);
  });
  test("one octet at a time is as good as all at once", () => {
    const { desk } = two();
    desk.feed({ kind: "clear", peer: "bad", how: "hard" });
    desk.feed({ kind: "wake" });
    const call = desk.call("10.0.0.3");
    const raw = call.raw.bind(call);
    call.raw = (bytes) => {
      for (let at = 0; at < bytes.length; at++) raw(bytes.subarray(at, at + 1));
    };
    call.up({ asn: 65003, routerId: ipv4("10.0.0.3") });
    call.announce(["11.0.0.0/8"], FROM_BAD);
    expect(desk.speaker.report("bad", 0)).toMatchObject({ state: "established", refused: {} });
    expect(desk.speaker.report("bad", 0)?.families[0]?.received).toBe(1);
  });
});
