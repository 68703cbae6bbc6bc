/**
 * BFD: what the standards say with MUST, one test each, named by RFC and section.  Refusals of §6.8.6 have a vector each in
 * test/netstack/bfd/{packet,sessions,auth}.test.ts; here they are shown to change nothing.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { type Ip, ipv4, octetsOfIp } from "../../base/address.ts";
import { SILENT } from "../../base/log.ts";
import { instant, ms } from "../../base/unit.ts";
import { encode } from "../../netstack/bfd/packet.ts";
import { type BfdReport, type BfdState, pathFailed } from "../../netstack/bfd/plan.ts";
import { openLoop } from "../../netstack/kernel/open-loop.ts";
import { openPacket } from "../../netstack/kernel/sockets.ts";
import { PulseHost } from "../daemon/pulse/pulse-host.ts";
import { spec } from "../interop/bfd-rig.ts";
import { config, Engine, engineIn, packet, sent, TIMING } from "../netstack/bfd/fixture.ts";
import { Segment, sweep, UNABLE } from "../netstack/kernel/segment.ts";

const STATES: readonly BfdState[] = ["admin-down", "down", "init", "up"];
const B4 = ipv4("10.0.0.2");

function say(engine: Engine, changes: Parameters<typeof packet>[0] = {}) {
  const yourDiscriminator = engine.only().localDiscriminator;
  return engine.hear(packet({ state: "up", yourDiscriminator, desiredMinTx: ms(50), ...changes }));
}

describe("RFC 5880 §6.1, §6.3", () => {
  test("§6.1: an active system sends whether or not it has heard anything", () => {
    const engine = new Engine();
    engine.configure([config()]);
    expect(sent(engine.pass(3500)).length).toBeGreaterThanOrEqual(3);
  });
  test("§6.1: a passive system does not send before it has heard a packet of the session", () => {
    const engine = new Engine();
    engine.configure([config({ role: "passive" })]);
    expect(sent(engine.pass(10_000))).toEqual([]);
  });
  test("§6.3: Your Discriminator alone decides when it is not zero", () => {
    const engine = engineIn("up");
    say(engine, { state: "down" });
    expect(engine.only().state).toBe("down");
    const other = engineIn("up");
    other.hear(packet({ state: "down", yourDiscriminator: 1 }));
    expect(other.only().state).toBe("up");
  });
  test("§6.3: the peer may change its discriminator without harm, and gets the new one back", () => {
    const engine = engineIn("up");
    say(engine, { myDiscriminator: 4242 });
    expect(engine.only().state).toBe("up");
    expect(sent(engine.pass(50))[0]).toMatchObject({ yourDiscriminator: 4242 });
  });
});

describe("RFC 5880 §6.5: Poll Sequences", () => {
  const polling = (): Engine => {
    const engine = engineIn("up");
    engine.configure([config({ timing: { ...TIMING, desiredMinTx: ms(60) } })]);
    return engine;
  };
  test("a packet never has P and F", () => {
    const engine = polling();
    const all = [...sent(engine.pass(50)), ...sent(say(engine, { poll: true })), ...sent(engine.pass(50))];
    expect(all.some(({ poll }) => poll)).toBe(true);
    expect(all.some(({ final }) => final)).toBe(true);
    expect(all.every(({ poll, final }) => !(poll && final))).toBe(true);
  });
  test("P goes on the scheduled packets; no additional ones are sent", () => {
    const engine = polling();
    const packets = sent(engine.pass(149));
    expect(packets.every(({ poll }) => poll)).toBe(true);
    expect(packets.length).toBeLessThanOrEqual(4);
  });
  test("F ends it", () => {
    const engine = polling();
    engine.pass(50);
    say(engine, { final: true });
    expect(sent(engine.pass(100)).every(({ poll }) => !poll)).toBe(true);
  });
});

describe("RFC 5880 §6.8.1: state variables", () => {
  test("they begin as they must", () => {
    const engine = new Engine();
    engine.configure([config()]);
    const session = engine.only();
    expect(session).toMatchObject({ state: "down", remoteState: "down", remoteDiscriminator: 0, diagnostic: "none" });
    expect(session.localDiscriminator).not.toBe(0);
    const [first] = sent(engine.pass(0));
    expect(first).toMatchObject({ yourDiscriminator: 0, state: "down", demand: false, diagnostic: "none" });
    expect(session.txInterval).toBe(1000); // bfd.RemoteMinRxInterval is 1 µs
  });
  test.each(STATES)("bfd.RemoteDiscr is zero when nothing valid came for a detection time (%s)", (state) => {
    const engine = engineIn(state);
    engine.hear(packet({ state: "down" }));
    expect(engine.only().remoteDiscriminator).toBe(77);
    engine.pass(3001);
    expect(engine.only().remoteDiscriminator).toBe(0);
  });
  test("bfd.DesiredMinTxInterval is at least one second while not up (§6.8.3)", () => {
    for (const state of STATES.filter((each) => each !== "up")) {
      const engine = engineIn(state);
      const packets = sent(engine.pass(3000));
      expect(packets.every(({ desiredMinTx, state: said }) => said === "up" || desiredMinTx >= 1000)).toBe(true);
    }
  });
});

describe("RFC 5880 §6.8.3: timers", () => {
  test.each([
    ["Desired Min TX", { desiredMinTx: ms(70) }],
    ["Required Min RX", { requiredMinRx: ms(70) }],
  ])("a change of %s begins a Poll Sequence", (_name, changes) => {
    const engine = engineIn("up");
    engine.configure([config({ timing: { ...TIMING, ...changes } })]);
    expect(sent(engine.pass(50))[0]).toMatchObject({ poll: true });
  });
  test("a longer transmit interval is not used before the Poll Sequence ends", () => {
    const engine = engineIn("up");
    engine.configure([config({ timing: { ...TIMING, desiredMinTx: ms(500) } })]);
    expect(engine.only().txInterval).toBe(50);
    engine.pass(50);
    say(engine, { final: true });
    expect(engine.only().txInterval).toBe(500);
  });
  test("a shorter receive interval does not shorten the detection time before the Poll Sequence ends", () => {
    const engine = engineIn("up");
    say(engine, { desiredMinTx: ms(5) });
    engine.configure([config({ timing: { ...TIMING, requiredMinRx: ms(5) } })]);
    expect(engine.only().detectionTime).toBe(150);
    engine.pass(20);
    say(engine, { desiredMinTx: ms(5), final: true });
    expect(engine.only().detectionTime).toBe(15);
  });
  test("while echo works, Required Min RX is at least one second", () => {
    const engine = engineIn("up", { timing: { ...TIMING, echoTx: ms(20) } });
    const { localDiscriminator } = engine.only();
    say(engine, { requiredMinEchoRx: ms(20) });
    const echo = engine.pass(1).find((action) => action.kind === "echo");
    if (echo?.kind === "echo") engine.sessions.echoed(echo.octets, B4, engine.now);
    expect(localDiscriminator).toBe(engine.only().localDiscriminator);
    expect(sent(engine.pass(50)).at(-1)).toMatchObject({ requiredMinRx: 1000, poll: true });
  });
});

describe("RFC 5880 §6.8.4: detection", () => {
  test("the peer's multiplier x the longer of our Required Min RX and its Desired Min TX", () => {
    const engine = engineIn("up");
    say(engine, { multiplier: 7, desiredMinTx: ms(20) });
    expect(engine.only().detectionTime).toBe(350);
    say(engine, { multiplier: 2, desiredMinTx: ms(300) });
    expect(engine.only().detectionTime).toBe(600);
  });
  test.each(["init", "up"] as const)("%s: its end means Down and diagnostic 1", (state) => {
    const engine = engineIn(state);
    engine.pass(3001);
    expect(engine.only()).toMatchObject({ state: "down", diagnostic: "control-detection-expired" });
  });
  test("in demand mode: our multiplier x our transmit interval after the first P without F", () => {
    const engine = engineIn("up", { timing: { ...TIMING, demand: true } });
    expect(engine.only().detectionTime).toBe(150);
    const begun = engine.now; // F has come: the next poll is a second away
    engine.pass(1400);
    expect(engine.only().state).toBe("down");
    expect(engine.only().changedAt - begun).toBeGreaterThanOrEqual(1150);
    expect(engine.only().changedAt - begun).toBeLessThanOrEqual(1200);
  });
});

describe("RFC 5880 §6.8.6: reception", () => {
  const GOOD = (engine: Engine): Uint8Array =>
    encode(packet({ state: "down", yourDiscriminator: engine.only().localDiscriminator }));
  const put =
    (...pairs: readonly number[]) =>
    (bytes: Uint8Array): Uint8Array => {
      const out = Uint8Array.from(bytes);
      for (let index = 0; index < pairs.length; index += 2) out[pairs[index] ?? 0] = pairs[index + 1] ?? 0;
      return out;
    };
  test.each<readonly [string, (bytes: Uint8Array) => Uint8Array]>([
    ["the version is not 1", put(0, 0x40)],
    ["Length is below 24", put(3, 23)],
    ["Length is below 26 with the A bit", put(1, 0x44, 3, 25)],
    ["Length exceeds the payload", put(3, 60)],
    ["Detect Mult is zero", put(2, 0)],
    ["the M bit is set", put(1, 0x41)],
    ["My Discriminator is zero", put(4, 0, 5, 0, 6, 0, 7, 0)],
    ["Your Discriminator is unknown", put(11, 1, 10, 1, 9, 1, 8, 1)],
    ["Your Discriminator is zero and the state is Up", put(1, 0xc0, 8, 0, 9, 0, 10, 0, 11, 0)],
    ["Your Discriminator is zero and the state is Init", put(1, 0x80, 8, 0, 9, 0, 10, 0, 11, 0)],
    [
      "the A bit is set and no authentication is in use",
      (bytes) => Uint8Array.from([...put(1, 0x44, 3, 28)(bytes), 1, 4, 1, 97]),
    ],
  ])("discarded: %s", (_why, change) => {
    const engine = engineIn("up");
    const { received, remoteState } = engine.only();
    expect(engine.receive(change(GOOD(engine)))).toEqual([]);
    expect(engine.only()).toMatchObject({ state: "up", received, remoteState });
  });
  test("discarded: no A bit while authentication is in use", () => {
    const engine = new Engine();
    engine.configure([config({ auth: { type: "sha1", keyId: 1, key: Uint8Array.of(1) } })]);
    engine.hear(packet());
    expect(engine.only()).toMatchObject({ state: "down", received: 0, refused: { "auth-missing": 1 } });
  });
  test("the remote variables are taken from the packet", () => {
    const engine = engineIn("down");
    engine.hear(
      packet({
        state: "init",
        yourDiscriminator: engine.only().localDiscriminator,
        myDiscriminator: 9,
        requiredMinRx: ms(2000),
      }),
    );
    expect(engine.only()).toMatchObject({ remoteDiscriminator: 9, remoteState: "init", txInterval: 2000 });
  });
  test("echoes cease when Required Min Echo RX is zero", () => {
    const engine = engineIn("up", { timing: { ...TIMING, echoTx: ms(20) } });
    say(engine, { requiredMinEchoRx: ms(20) });
    expect(engine.pass(40).some(({ kind }) => kind === "echo")).toBe(true);
    say(engine, { requiredMinEchoRx: ms(0) });
    expect(engine.pass(100).some(({ kind }) => kind === "echo")).toBe(false);
  });
  test("a session that is AdminDown discards everything", () => {
    const engine = engineIn("admin-down");
    for (const state of STATES) say(engine, { state, poll: true });
    expect(engine.only().state).toBe("admin-down");
    expect(sent(engine.pass(10)).every(({ final }) => !final)).toBe(true);
  });
  test("P is answered with F at once", () => {
    for (const state of ["down", "init", "up"] as const) {
      const engine = engineIn(state);
      expect(sent(say(engine, { state: "admin-down", poll: true })).some(({ final }) => final)).toBe(true);
    }
  });
});

describe("RFC 5880 §6.8.7: transmission", () => {
  test("nothing periodic while the peer requires none", () => {
    const engine = engineIn("up");
    say(engine, { requiredMinRx: ms(0) });
    expect(sent(engine.pass(149))).toEqual([]);
  });
  test("nothing periodic while the peer is in demand mode and no poll is under way", () => {
    const engine = engineIn("up");
    say(engine, { demand: true, desiredMinTx: ms(1000) });
    expect(sent(engine.pass(1000))).toEqual([]);
  });
  test("a demand bit while not both are up stops nothing", () => {
    const engine = engineIn("init");
    engine.hear(packet({ state: "down", demand: true }));
    expect(sent(engine.pass(1000)).length).toBeGreaterThan(0);
  });
  test("every field as the section lists them", () => {
    const engine = engineIn("up", { timing: { ...TIMING, requiredMinEchoRx: ms(30), multiplier: 4 } });
    expect(sent(engine.pass(50))[0]).toEqual(
      packet({
        state: "up",
        multiplier: 4,
        myDiscriminator: engine.only().localDiscriminator,
        yourDiscriminator: 77,
        desiredMinTx: ms(50),
        requiredMinRx: ms(50),
        requiredMinEchoRx: ms(30),
      }),
    );
  });
  test("the diagnostic tells why the session went down last", () => {
    const engine = engineIn("up");
    engine.pass(200);
    expect(sent(engine.pass(1000))[0]).toMatchObject({ diagnostic: "control-detection-expired", yourDiscriminator: 0 });
  });
});

describe("RFC 5880 §6.8.8, §6.8.9: echo", () => {
  const echoing = (): Engine => engineIn("up", { timing: { ...TIMING, echoTx: ms(20) } });
  const echoes = (engine: Engine, span: number): number =>
    engine.pass(span).filter(({ kind }) => kind === "echo").length;
  test("§6.8.9: none unless the session is up and the peer returns them", () => {
    expect(echoes(echoing(), 100)).toBe(0);
    const engine = engineIn("init", { timing: { ...TIMING, echoTx: ms(20) } });
    engine.hear(packet({ state: "down", requiredMinEchoRx: ms(20) }));
    expect(echoes(engine, 100)).toBe(0);
  });
  test("§6.8.9: not more often than the peer's Required Min Echo RX, less 25 %", () => {
    const engine = echoing();
    say(engine, { requiredMinEchoRx: ms(40), desiredMinTx: ms(5000) });
    expect(echoes(engine, 3000)).toBeLessThanOrEqual(3000 / 30 + 1);
  });
});

describe("RFC 5880 §6.8.16, RFC 5882", () => {
  test("RFC 5880 §6.8.16: AdminDown ends echoes and is told for at least a detection time", () => {
    const engine = engineIn("up");
    const first = engine.configure([config({ adminDown: true })]);
    expect(sent(first)[0]).toMatchObject({ state: "admin-down", diagnostic: "admin-down" });
    expect(sent(engine.pass(3000)).length).toBeGreaterThanOrEqual(2);
  });
  test("RFC 5880 §6.8.16: when it is lifted the session begins from Down", () => {
    const engine = engineIn("admin-down");
    engine.configure([config()]);
    expect(engine.only().state).toBe("down");
  });
  const report = (state: BfdState, remoteState: BfdState = "up"): BfdReport =>
    ({ state, remoteState }) as unknown as BfdReport;
  test.each([
    ["RFC 5882 §4.2: one that never was up is no failure", undefined, report("down"), false],
    ["RFC 5882 §4.2: one that comes up slowly is none", report("down"), report("init"), false],
    ["RFC 5882 §3.2: up, and now down: the path has failed", report("up"), report("down"), true],
    ["RFC 5882 §3.2: up, down and hearing again: still", report("up"), report("init", "down"), true],
    ["RFC 5882 §3.2: the peer's operator took it down: no failure", report("up"), report("down", "admin-down"), false],
    ["RFC 5882 §3.2: ours did: no failure", report("up"), report("admin-down"), false],
  ] as const)("%s", (_name, before, after, failed) => {
    expect(pathFailed(before, after)).toBe(failed);
  });
});

describe.skipIf(UNABLE !== undefined)("on the wire", () => {
  beforeAll(sweep);

  test("RFC 5881 §4, §5, RFC 5883 §5: ports, TTL 255, a source port from 49152 on that is the session's own", async () => {
    using segment = new Segment({ a: [ipv4("10.0.0.1")], b: [B4, ipv4("10.0.0.3")] });
    const there = segment.host("b");
    using loop = openLoop({ engine: "epoll", chunks: 16, log: SILENT });
    interface Seen {
      readonly to: number;
      readonly port: number;
      readonly from: number;
      readonly ttl: number;
    }
    const seen: Seen[] = [];
    const fd = there.do(() => openPacket({ ifindex: there.index, ethertype: 0x0800, cooked: true }));
    loop.datagrams(fd, {
      received(_socket, bytes) {
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
        if (bytes[9] !== 17 || view.getUint32(12) !== ipv4("10.0.0.1")) return;
        seen.push({ to: view.getUint32(16), port: view.getUint16(22), from: view.getUint16(20), ttl: bytes[8] ?? 0 });
      },
    });
    await using pulse = new PulseHost(segment.host("a").namespace);
    const far = { hops: "multi", minTtl: 1, ifname: undefined } as const;
    const sessions = [
      spec("s", "10.0.0.2", { ifname: "e0" }),
      spec("t", "10.0.0.3", { ifname: "e0" }),
      spec("m", "10.0.0.2", far),
    ];
    pulse.send({ kind: "bfd", plan: { sessions, unsolicited: [] } });
    const kinds = (): ReadonlySet<string> => new Set(seen.map(({ to, port, from }) => `${to} ${port} ${from}`));
    await pulse.until("started", () => pulse.messages.some((each) => each.kind === "bfd"));
    for (const end = performance.now() + 20_000; (seen.length < 9 || kinds().size < 3) && performance.now() < end; ) {
      loop.turn(false);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(seen.every(({ ttl }) => ttl === 255)).toBe(true);
    expect(new Set(seen.map(({ port }) => port))).toEqual(new Set([3784, 4784]));
    expect(seen.every(({ from }) => from >= 49152)).toBe(true);
    expect(kinds().size).toBe(3);
    expect(new Set(seen.map(({ from }) => from)).size).toBe(3);
  });
});

test("RFC 5881 §3: one session for an address of the peer and an interface, whoever asks for it", () => {
  const engine = new Engine();
  engine.configure([config({ ids: ["bgp", "ospf"] })]);
  engine.now = instant(2000);
  engine.hear(packet());
  expect([...engine.sessions.all()]).toHaveLength(1);
  expect(octetsOfIp(engine.only().config.peer as Ip)).toHaveLength(4);
});
