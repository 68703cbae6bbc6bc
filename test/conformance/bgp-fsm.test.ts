/** What RFC 4271 §6 and §8 and their successors say a speaker MUST do on a connection, said to a speaker on one. */
import { describe, expect, test } from "vitest";
import { ipv4 } from "../../base/address.ts";
import { ms } from "../../base/unit.ts";
import type { Capability } from "../../netstack/bgp/packet/capability.ts";
import type { BgpPeerSpec } from "../../netstack/bgp/plan.ts";
import { type Call, Desk, endsText } from "../netstack/bgp/tester.ts";
import { network, peerOf, planOf } from "../netstack/bgp/world.ts";

function desk(some: Partial<BgpPeerSpec> = {}): Desk {
  const one = new Desk();
  one.plan(
    planOf(65001, "10.0.0.1", {
      peers: [
        peerOf("p", "10.0.0.2", 65002, { mode: "passive", ...some }),
        peerOf("q", "10.0.0.3", 65003, { mode: "passive" }),
      ],
      networks: [network("192.0.2.1/32")],
    }),
  );
  return one;
}
function called(some: Partial<BgpPeerSpec> = {}): { one: Desk; call: Call } {
  const one = desk(some);
  return { one, call: one.call("10.0.0.2") };
}
const header = (length: number, type: number): Uint8Array =>
  Uint8Array.of(...Array.from({ length: 16 }, () => 0xff), length >>> 8, length & 255, type);
const NOTIFY = (reason: string): readonly string[] => ["open", `notification ${reason}`];

describe("RFC 4271 §8.2.2: the way up", () => {
  test("OPEN at once, KEEPALIVE for the peer's OPEN, updates only after its KEEPALIVE", () => {
    const { one, call } = called();
    expect(call.said).toEqual(["open"]);
    expect(call.messages[0]).toMatchObject({ asn: 65001, holdTime: 90_000, routerId: ipv4("10.0.0.1") });
    call.open();
    expect(call.said).toEqual(["open", "keepalive"]);
    call.say({ kind: "keepalive" });
    expect(call.said).toEqual(["open", "keepalive", "update"]);
    expect(one.speaker.report("p", 0)).toMatchObject({ state: "established", asn: 65002, routerId: "10.0.0.2" });
  });
  test("§8.2.2 OpenSent: no OPEN within the large hold time: Hold Timer Expired", () => {
    const { one, call } = called();
    one.wait(239_000);
    expect(call.closed).toBe(false);
    one.wait(2000);
    expect(call.said).toEqual(NOTIFY("hold-timer-expired"));
    expect(call.closed).toBe(true);
  });
  test("§8.2.2 OpenConfirm: no KEEPALIVE within the hold time", () => {
    const { one, call } = called();
    call.open();
    one.wait(91_000);
    expect(call.said.at(-1)).toBe("notification hold-timer-expired");
  });
  test("§4.4: KEEPALIVEs follow at a third of the hold time at most, and keep us both alive", () => {
    const { one, call } = called();
    call.up({ holdTime: ms(9000) });
    for (let second = 0; second < 60; second += 2) {
      one.wait(2000);
      call.say({ kind: "keepalive" });
    }
    const count = call.said.filter((kind) => kind === "keepalive").length;
    expect(count).toBeGreaterThanOrEqual(20);
    expect(count).toBeLessThan(30);
    expect(one.speaker.report("p", 0)?.state).toBe("established");
  });
  test("§6.5: when it was us who slept, the peer gets a moment before it is called silent", () => {
    const { one, call } = called();
    call.up();
    one.now += 600_000;
    one.feed({ kind: "wake" });
    expect(call.closed).toBe(false);
    call.say({ kind: "keepalive" }); // it had been waiting in the socket
    one.wait(80_000);
    expect(one.speaker.report("p", 0)?.state).toBe("established");
    one.now += 600_000;
    one.feed({ kind: "wake" });
    one.wait(1000);
    expect(call.said.at(-1)).toBe("notification hold-timer-expired");
  });
  test("§4.2: with a hold time of 0 no KEEPALIVE is sent and silence is no fault", () => {
    const { one, call } = called();
    call.up({ holdTime: ms(0) });
    const before = call.messages.length;
    one.wait(10_000_000);
    expect(call.messages).toHaveLength(before);
    expect(one.speaker.report("p", 0)?.state).toBe("established");
  });
  test("RFC 5492 §3: a speaker without capabilities speaks IPv4 unicast with two-octet numbers", () => {
    const { one, call } = called();
    call.say({ kind: "open", asn: 65002, holdTime: ms(90_000), routerId: ipv4("10.0.0.2"), capabilities: [] });
    call.say({ kind: "keepalive" });
    expect(call.said.slice(0, 3)).toEqual(["open", "keepalive", "update"]);
    expect(one.speaker.report("p", 0)).toMatchObject({ state: "established", capabilities: [] });
  });
});

describe("RFC 4271 §6.1: message header", () => {
  test("a wrong marker: Connection Not Synchronized", () => {
    const { call } = called();
    call.raw(new Uint8Array(19));
    expect(call.said).toEqual(NOTIFY("message-header/connection-not-synchronized"));
    expect(call.closed).toBe(true);
  });
  test("a wrong length, and its octets in the data", () => {
    for (const [length, type] of [
      [18, 4],
      [20, 4],
      [28, 1],
      [22, 2],
      [20, 3],
      [5000, 2],
    ] as const) {
      const { call } = called();
      call.raw(header(length, type));
      expect(call.last).toMatchObject({
        kind: "notification",
        reason: "message-header/bad-message-length",
        data: Uint8Array.of(length >>> 8, length & 255),
      });
    }
  });
  test("a wrong type, in the data", () => {
    const { call } = called();
    call.raw(header(19, 9));
    expect(call.last).toMatchObject({ reason: "message-header/bad-message-type", data: Uint8Array.of(9) });
  });
  test("in Established, too", () => {
    const { one, call } = called();
    call.up();
    call.raw(header(19, 7));
    expect(endsText(one, "p")).toBe("idle: message-header/bad-message-type sent");
  });
});

describe("RFC 4271 §6.2: OPEN", () => {
  const refused = (some: Parameters<Call["open"]>[0], spec: Partial<BgpPeerSpec> = {}): readonly string[] => {
    const { call } = called(spec);
    call.open(some);
    expect(call.closed).toBe(true);
    return call.said;
  };
  test("an AS that is not the peer's", () =>
    expect(refused({ asn: 65009 })).toEqual(NOTIFY("open-message/bad-peer-as")));
  test("our own AS from an external peer", () =>
    expect(refused({ asn: 65001 }, { asn: "external" })).toEqual(NOTIFY("open-message/bad-peer-as")));
  test("RFC 6286 §2.2: our identifier from an internal peer", () =>
    expect(refused({ asn: 65001, routerId: ipv4("10.0.0.1") }, { asn: "internal" })).toEqual(
      NOTIFY("open-message/bad-bgp-identifier"),
    ));
  test("an identifier of 0", () =>
    expect(refused({ routerId: ipv4("0.0.0.0") })).toEqual(NOTIFY("open-message/bad-bgp-identifier")));
  test("hold times of one and two seconds", () => {
    for (const seconds of [1, 2])
      expect(refused({ holdTime: ms(seconds * 1000) })).toEqual(NOTIFY("open-message/unacceptable-hold-time"));
  });
  test("another version: the one that we speak, in the data", () => {
    const { call } = called();
    const bytes = Uint8Array.of(...header(29, 1), 3, 0xfd, 0xea, 0, 90, 10, 0, 0, 2, 0);
    call.raw(bytes);
    expect(call.last).toMatchObject({ reason: "open-message/unsupported-version-number", data: Uint8Array.of(0, 4) });
  });
});

describe("RFC 4271 §6.6, RFC 6608: what has no place in a state", () => {
  const stray: readonly (readonly [string, (call: Call) => void])[] = [
    ["UPDATE", (call) => call.raw(Uint8Array.of(...header(23, 2), 0, 0, 0, 0))],
    ["ROUTE-REFRESH", (call) => call.raw(Uint8Array.of(...header(23, 5), 0, 1, 0, 1))],
  ];
  test("KEEPALIVE in OpenSent", () => {
    const { call } = called();
    call.say({ kind: "keepalive" });
    expect(call.said).toEqual(NOTIFY("fsm/unexpected-message-in-open-sent"));
  });
  for (const [name, send] of stray) {
    test(`${name} in OpenSent`, () => {
      const { call } = called();
      send(call);
      expect(call.said).toEqual(NOTIFY("fsm/unexpected-message-in-open-sent"));
    });
    test(`${name} in OpenConfirm`, () => {
      const { call } = called();
      call.open();
      send(call);
      expect(call.said.at(-1)).toBe("notification fsm/unexpected-message-in-open-confirm");
    });
  }
  test("a second OPEN in OpenConfirm and in Established", () => {
    const { call } = called();
    call.open();
    call.open();
    expect(call.said.at(-1)).toBe("notification fsm/unexpected-message-in-open-confirm");
    const other = called();
    other.call.up();
    other.call.open();
    expect(other.call.said.at(-1)).toBe("notification fsm/unexpected-message-in-established");
  });
});

describe("RFC 4271 §6.4, §6.7: NOTIFICATION and Cease", () => {
  test("a NOTIFICATION is not answered by one, and the connection closes", () => {
    for (const send of [(call: Call) => call.open(), (call: Call) => call.up(), () => {}]) {
      const { call } = called();
      send(call);
      const before = call.messages.length;
      call.say({ kind: "notification", reason: "cease/administrative-reset", data: new Uint8Array(0) });
      expect(call.messages.slice(before)).toEqual([]);
      expect(call.closed).toBe(true);
    }
  });
  test("what nobody knows is kept by its numbers", () => {
    const { one, call } = called();
    call.say({ kind: "notification", reason: "77/5", data: new Uint8Array(0) });
    expect(endsText(one, "p")).toBe("idle: 77/5 received");
  });
});

describe("RFC 4271 §6.8: collision, step by step", () => {
  const collide = (id: string): { one: Desk; ours: Call; theirs: Call } => {
    const one = desk({ mode: "both" });
    const ours = one.answer();
    const theirs = one.call("10.0.0.2");
    ours.open({ routerId: ipv4(id) });
    expect(ours.said).toEqual(["open", "keepalive"]);
    theirs.open({ routerId: ipv4(id) });
    return { one, ours, theirs };
  };
  test("the peer's identifier is higher: ours, in OpenConfirm, is closed and theirs lives", () => {
    const { ours, theirs } = collide("10.0.0.9");
    expect(ours.said.at(-1)).toBe("notification cease/connection-collision-resolution");
    expect(ours.closed).toBe(true);
    expect(theirs.said).toEqual(["open", "keepalive"]);
  });
  test("ours is higher: theirs, newly opened, is closed and ours lives", () => {
    const { one, ours, theirs } = collide("10.0.0.0");
    expect(theirs.said).toEqual(NOTIFY("cease/connection-collision-resolution"));
    expect(theirs.closed).toBe(true);
    ours.say({ kind: "keepalive" });
    expect(one.speaker.report("p", 0)?.state).toBe("established");
  });
  test("RFC 6286 §2.3: equal identifiers: the higher AS counts, which is the peer's here", () => {
    const { ours, theirs } = collide("10.0.0.1");
    expect(ours.closed).toBe(true);
    expect(theirs.closed).toBe(false);
  });
  test("one in OpenSent is no collision yet", () => {
    const one = desk({ mode: "both" });
    const ours = one.answer();
    const theirs = one.call("10.0.0.2");
    theirs.open();
    expect([ours.closed, theirs.closed]).toEqual([false, false]);
    theirs.say({ kind: "keepalive" });
    // Established: the other one has lost.
    expect(ours.closed).toBe(true);
    expect(one.speaker.report("p", 0)?.state).toBe("established");
  });
  test("an established one: the new one is closed", () => {
    const { one, call } = called();
    call.up();
    const second = one.call("10.0.0.2");
    second.open();
    expect(second.said).toEqual(NOTIFY("cease/connection-collision-resolution"));
    expect(one.speaker.report("p", 0)).toMatchObject({ state: "established", established: 1 });
  });
  const restart = { restartTime: 30_000, stalePathTime: 30_000, longLived: undefined, notification: false };
  const graceful = (restarting: boolean): Capability => ({
    kind: "graceful-restart",
    restarting,
    notification: false,
    restartTime: ms(30_000),
    families: [{ family: "ipv4", forwarding: true }],
  });
  test("RFC 4724 §5: unless the peer restarts gracefully: then the old one is the dead one", () => {
    const { one, call } = called({ gracefulRestart: restart });
    call.up({}, [graceful(false)]);
    call.announce(["198.51.100.0/24"]);
    const second = one.call("10.0.0.2");
    second.up({}, [graceful(true)]);
    expect(call.said.some((each) => each.startsWith("notification"))).toBe(false);
    expect(call.closed).toBe(true);
    expect(one.speaker.report("p", 0)).toMatchObject({ state: "established", established: 2 });
    expect(one.speaker.report("p", 0)?.families[0]).toMatchObject({ received: 1, stale: 1 });
    second.update([], [], "ipv4");
    expect(one.speaker.report("p", 0)?.families[0]).toMatchObject({ received: 0, stale: 0 });
  });
  test.each([
    [0, 1],
    [3000, 2],
  ])("RFC 4724 §5: a call like the first, %i ms after it was Established: %i sessions", (span, sessions) => {
    const { one, call } = called({ gracefulRestart: restart });
    call.up({}, [graceful(true)]);
    call.announce(["198.51.100.0/24"]);
    one.wait(span);
    const second = one.call("10.0.0.2");
    second.open({}, [graceful(true)]);
    if (sessions === 1) expect(second.said).toEqual(NOTIFY("cease/connection-collision-resolution"));
    else second.say({ kind: "keepalive" });
    expect(one.speaker.report("p", 0)).toMatchObject({ state: "established", established: sessions });
  });
  test("a third connection, and a stranger's, are refused without a word", () => {
    const { one } = called();
    one.call("10.0.0.2");
    const third = one.call("10.0.0.2");
    expect([third.closed, third.said]).toEqual([true, []]);
    const stranger = one.call("10.9.9.9");
    expect([stranger.closed, stranger.said]).toEqual([true, []]);
  });
});

describe("routes on the connection", () => {
  test("RFC 7911 §3, §5: several paths of a prefix by their identifiers, each withdrawn by its own", () => {
    const { one, call } = called({
      families: [{ family: "ipv4", addPathReceive: true, maxPrefixes: undefined }],
    });
    call.up({}, [{ kind: "add-path", families: [{ family: "ipv4", can: "send" }] }]);
    expect(call.messages[0]).toMatchObject({
      capabilities: expect.arrayContaining([{ kind: "add-path", families: [{ family: "ipv4", can: "receive" }] }]),
    });
    call.announce(["10.1.0.0/16", "10.1.0.0/16"], {}, [1, 2]);
    call.announce(["10.1.0.0/16"], { med: 5 }, [1]);
    const meds = () =>
      one.speaker.routes({ prefix: undefined, peer: "p", most: 9 }).routes.map(({ med, best }) => [med, best]);
    expect(meds()).toHaveLength(2);
    expect(meds()).toEqual(
      expect.arrayContaining([
        [undefined, true],
        [5, false],
      ]),
    );
    call.withdraw(["10.1.0.0/16"], [2]);
    expect(meds()).toEqual([[5, true]]);
  });
  test("RFC 7313 §4.2: what is not said again between BoRR and EoRR is removed", () => {
    const { one, call } = called();
    call.up({}, [{ kind: "route-refresh" }, { kind: "enhanced-route-refresh" }]);
    call.announce(["10.1.0.0/16", "10.2.0.0/16"]);
    const held = () => one.speaker.report("p", 0)?.families[0]?.received;
    call.say({ kind: "route-refresh", family: "ipv4", what: "begin" });
    call.announce(["10.1.0.0/16"]);
    expect(held()).toBe(2);
    call.say({ kind: "route-refresh", family: "ipv4", what: "end" });
    expect(held()).toBe(1);
    call.say({ kind: "route-refresh", family: "ipv4", what: "begin" });
    for (let minute = 0; minute < 6; minute++) {
      one.wait(60_000);
      call.say({ kind: "keepalive" });
    }
    expect(held()).toBe(0);
    expect(one.speaker.report("p", 0)?.state).toBe("established");
  });
  test("RFC 2918 §4: a refresh of a family that was not agreed on is ignored", () => {
    const { one, call } = called();
    call.up({}, [{ kind: "route-refresh" }]);
    call.say({ kind: "route-refresh", family: "1/128", what: "request" });
    expect(one.speaker.report("p", 0)).toMatchObject({ state: "established", refused: { "refresh/1/128": 1 } });
  });
  test("RFC 7606 §2: treat-as-withdraw takes the route and leaves the session", () => {
    const { one, call } = called();
    call.up();
    call.announce(["10.1.0.0/16"]);
    // The same route with an ORIGIN of 9.
    const attributes = [0x40, 1, 1, 9, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xea, 0x40, 3, 4, 10, 0, 0, 2];
    const body = [0, 0, 0, attributes.length, ...attributes, 16, 10, 1];
    call.raw(Uint8Array.of(...header(19 + body.length, 2), ...body));
    expect(one.speaker.report("p", 0)).toMatchObject({
      state: "established",
      refused: { "treat-as-withdraw/ORIGIN/value": 1 },
    });
    expect(one.speaker.report("p", 0)?.families[0]?.received).toBe(0);
  });
  test("RFC 4486 §4: the family and the limit are in the data of the Cease", () => {
    const { call } = called({
      families: [
        { family: "ipv4", addPathReceive: false, maxPrefixes: { limit: 2, warnAt: 50, restartAfter: undefined } },
      ],
    });
    call.up();
    call.announce(["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"]);
    expect(call.last).toMatchObject({
      reason: "cease/maximum-number-of-prefixes-reached",
      data: Uint8Array.of(0, 1, 1, 0, 0, 0, 2),
    });
  });
  test("RFC 4724 §2: End-of-RIB for each family after the first updates, to who has the capability", () => {
    const restart = { restartTime: 30_000, stalePathTime: 30_000, longLived: undefined, notification: false };
    const { call } = called({ gracefulRestart: restart });
    call.up({}, [
      { kind: "graceful-restart", restarting: false, notification: false, restartTime: ms(9000), families: [] },
    ]);
    const ends = call.messages.flatMap((each) =>
      each.kind === "update" && each.endOfRib !== undefined ? [each.endOfRib] : [],
    );
    expect(ends).toEqual(["ipv4", "ipv6"]);
    const without = called({ gracefulRestart: restart });
    without.call.up();
    expect(without.call.messages.some((each) => each.kind === "update" && each.endOfRib !== undefined)).toBe(false);
  });
});
