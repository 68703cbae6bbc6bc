/** The hands of the speaker, with a speaker that follows a script: real sockets between the hosts of a network of our own. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ipv4, ipv6 } from "../../../../base/address.ts";
import type { Call, Event } from "../../../../netstack/bgp/event.ts";
import type { Loop, Stream } from "../../../../netstack/kernel/loop.ts";
import { ADDRESS_PROTOCOL } from "../../../../netstack/kernel/marks.ts";
import { listenTcp, openTcp } from "../../../../netstack/kernel/sockets.ts";
import { setUserTimeout } from "../../../../netstack/kernel/tcp-options.ts";
import { ENGINES, open, Probe, until } from "../../kernel/loop-probe.ts";
import { type Host, Segment, UNABLE } from "../../kernel/segment.ts";
import { Driven, PLAN, type Script, SESSION } from "./script.ts";

const A4 = ipv4("192.0.2.1");
const B4 = ipv4("192.0.2.2");
const C4 = ipv4("192.0.2.3");
const A6 = ipv6("2001:db8::1");

describe.skipIf(UNABLE !== undefined).each(ENGINES)("the BGP driver on %s", (engine) => {
  let segment: Segment;
  let a: Host;
  let b: Host;
  let loop: Loop;
  let driven: Driven;
  let script: Script;
  beforeEach(() => {
    segment = new Segment({ a: [A4, A6], b: [B4], c: [C4] });
    a = segment.host("a");
    b = segment.host("b");
    loop = open(engine, { chunkSize: 32_768, chunks: 128 });
    driven = new Driven(a, loop);
    script = driven.script;
    a.do(() => driven.driver.plan(PLAN));
  });
  afterEach(() => {
    driven[Symbol.dispose]();
    loop[Symbol.dispose]();
    segment[Symbol.dispose]();
  });

  const expected = { peer: "b", session: SESSION };
  /** A connection from a host to ours. */
  function dial(host: Host, probe = new Probe(loop)): { readonly stream: Stream; readonly probe: Probe } {
    const socket = host.do(() => openTcp({ family: 4 }));
    const stream = loop.connect({ ip: A4, port: 179 }, probe, { socket });
    until(loop, "connected", () => probe.opens === 1);
    return { stream, probe };
  }
  const incoming = (): readonly (Event & { readonly kind: "incoming" })[] => script.of("incoming");

  test("a stranger is refused before anything of his is read, and counted", () => {
    const { stream, probe } = dial(b);
    stream.write(Buffer.from("hello"));
    until(loop, "closed", () => probe.why !== undefined || probe.ends === 1);
    expect(script.events.map(({ kind }) => kind)).toEqual(["plan"]);
    expect(driven.told).toEqual([
      ["bgp.caller-refused", { from: "192.0.2.2", why: "unknown", refused: { unknown: 1 }, level: "warn" }],
    ]);
  });

  test("a moment is the same in every report, though the two clocks never agree on the last digit", () => {
    script.answer = ({ kind }) => (kind === "clear" ? [{ kind: "changed", peer: "b" }] : []);
    script.names = ["b"];
    for (let reports = 1; reports <= 4; reports++) {
      driven.driver.clear("b", "hard");
      until(loop, "a report", () => script.epochs.length === reports);
    }
    expect(new Set(script.epochs).size).toBe(1);
    expect(Math.abs((script.epochs[0] ?? 0) + loop.now() - Date.now())).toBeLessThan(1000);
  });

  test("RFC 4724 §5: after a restart whoever calls is refused for a moment, since we call ourselves", () => {
    const c = segment.host("c");
    using late = new Driven(c, loop);
    const peers = [
      { ...SESSION, name: "b", address: "192.0.2.2", ifname: undefined, port: 179, mode: "both", adminDown: false },
    ] as const;
    c.do(() => late.driver.plan({ ...PLAN, restarting: true, peers }));
    const dialled = (): Probe => {
      const probe = new Probe(loop);
      loop.connect({ ip: C4, port: 179 }, probe, { socket: b.do(() => openTcp({ family: 4 })) });
      until(loop, "an answer", () => probe.opens === 1 || probe.why !== undefined);
      return probe;
    };
    expect(dialled().opens).toBe(0);
    c.do(() => until(loop, "listening", () => dialled().opens === 1));
    // Where peers are only waited for nothing can cross.
    using passive = new Driven(b, loop);
    b.do(() =>
      passive.driver.plan({
        ...PLAN,
        restarting: true,
        peers: peers.map((each) => ({ ...each, mode: "passive" as const })),
      }),
    );
    const probe = new Probe(loop);
    loop.connect({ ip: B4, port: 179 }, probe, { socket: a.do(() => openTcp({ family: 4 })) });
    until(loop, "an answer", () => probe.opens === 1 || probe.why !== undefined);
    expect(probe.opens).toBe(1);
  });

  test("an expected caller is told of with both ends, our addresses there, and no virtual ones among them", () => {
    a.route.addAddress({ ip: ipv4("192.0.2.99"), prefixLength: 24, index: a.index, protocol: ADDRESS_PROTOCOL });
    script.known = (remote) => (remote === B4 ? expected : undefined);
    const { stream } = dial(b);
    stream.write(Buffer.from("hello"));
    until(loop, "hello", () => script.of("received").length > 0);
    const [called] = incoming();
    expect(called?.ends).toMatchObject({ local: A4, remote: B4, ifname: "e0" });
    expect(called?.ends.addresses).toContain(A6);
    expect(called?.ends.addresses).not.toContain(ipv4("192.0.2.99"));
    expect(script.heard(called?.connection ?? 0).toString()).toBe("hello");
    const kinds = script.events.map(({ kind }) => kind);
    expect(kinds.indexOf("incoming")).toBeLessThan(kinds.indexOf("received"));
    stream.end();
    until(loop, "the end", () => script.of("closed").length === 1);
    expect(script.of("closed")[0]?.why).toBe("the peer closed the connection");
  });

  test("half-open sessions: of one address no more than a few at a time", () => {
    script.known = () => expected;
    const all = Array.from({ length: 7 }, () => dial(b));
    const refused = (): number => all.filter(({ probe }) => probe.why !== undefined || probe.ends > 0).length;
    until(loop, "refusals", () => refused() === 3 && incoming().length === 4);
    expect(driven.told[0]?.[1]).toMatchObject({ why: "too-many" });
    // Another address has room.
    const other = dial(segment.host("c"));
    until(loop, "the other", () => incoming().length === 5);
    expect(other.probe.why).toBeUndefined();
    // Those that end make room.
    for (const { stream } of all) stream.abort();
    until(loop, "closed", () => script.of("closed").length === 4);
    dial(b);
    until(loop, "again", () => incoming().length === 6);
  });

  test("RFC 5082 §3: who is too far away is not even answered; others on the same listener are not asked", () => {
    script.known = () => expected;
    const near = { ...SESSION, ttlSecurity: 1 };
    const rest = { ifname: undefined, port: 179, mode: "both", adminDown: false } as const;
    const peers = [{ ...near, ...rest, name: "b", address: "192.0.2.2" }];
    a.do(() => driven.driver.plan({ ...PLAN, peers }));
    const knock = (host: Host, ttl: number): Probe => {
      const socket = host.do(() => openTcp({ family: 4, hops: { ttl, minTtl: 0 } }));
      setUserTimeout(socket, 100);
      const probe = new Probe(loop);
      loop.connect({ ip: A4, port: 179 }, probe, { socket });
      return probe;
    };
    const far = knock(b, 254);
    const other = knock(segment.host("c"), 64);
    const adjacent = knock(b, 255);
    until(loop, "outcomes", () => far.why !== undefined && other.opens + adjacent.opens === 2);
    expect(far.why).toEqual({ kind: "failed", errno: 110 });
    until(loop, "both", () => incoming().length === 2);
    // A prefix of callers, then nobody at all.
    const {
      name: _name,
      address: _address,
      ifname: _ifname,
      port: _port,
      mode: _mode,
      adminDown: _down,
      ...session
    } = {
      ...near,
      ...rest,
      name: "",
      address: "",
    };
    a.do(() =>
      driven.driver.plan({ ...PLAN, dynamic: [{ ...session, name: "any", prefix: "192.0.2.0/29", most: 9 }] }),
    );
    const farther = knock(segment.host("c"), 64);
    until(loop, "giving up", () => farther.why !== undefined);
    expect(farther.why).toEqual({ kind: "failed", errno: 110 });
    a.do(() => driven.driver.plan(PLAN));
    const late = knock(b, 64);
    until(loop, "opened", () => late.opens === 1);
  });

  const call = (port: number, session = SESSION): Call => ({ peer: "b", ip: B4, port, ifname: undefined, session });

  test("a call: opened, or closed with the reason in words", () => {
    const listener = b.do(() => listenTcp({ ip: B4, port: 1179 }));
    const far = new Probe(loop);
    using _accepting = loop.accept(listener, { accepted: () => far });
    const source = { ...SESSION, source: "192.0.2.99" };
    script.answer = (event) =>
      event.kind !== "plan"
        ? []
        : [
            { kind: "connect", connection: 101, call: call(1179) },
            { kind: "connect", connection: 102, call: call(1180) },
            { kind: "connect", connection: 103, call: call(1179, source) },
            { kind: "connect", connection: 104, call: { ...call(1179), ifname: "nv-none" } },
          ];
    a.do(() => driven.driver.plan(PLAN));
    until(loop, "outcomes", () => script.of("closed").length === 3 && script.of("opened").length === 1);
    expect(script.of("opened")[0]).toMatchObject({ connection: 101, ends: { local: A4, remote: B4, ifname: "e0" } });
    const whys = new Map(script.of("closed").map(({ connection, why }) => [connection, why]));
    expect(whys.get(102)).toBe("connection refused");
    expect(whys.get(103)).toBe("bind 192.0.2.99 port 0 EADDRNOTAVAIL");
    expect(whys.get(104)).toBe("SO_BINDTODEVICE ENODEV");
  });

  test("our last word reaches a peer that is still talking: FIN after it, no reset", () => {
    script.known = () => expected;
    const { stream, probe } = dial(b);
    stream.write(Buffer.alloc(200_000));
    script.answer = (event) =>
      event.kind === "received"
        ? [
            { kind: "send", connection: event.connection, bytes: Buffer.from("NOTIFICATION") },
            { kind: "close", connection: event.connection, reset: false },
          ]
        : [];
    until(loop, "the last word", () => probe.ends === 1);
    expect(probe.text).toBe("NOTIFICATION");
    expect(probe.why).toBeUndefined();
    stream.end();
    until(loop, "closed", () => probe.why !== undefined);
    expect(probe.why).toEqual({ kind: "finished" });
    expect(script.of("closed")).toEqual([]);
  });

  test("one that floods: others are heard between, and what is received ahead of the work is bounded", () => {
    script.known = () => expected;
    const flood = dial(b);
    const quiet = dial(segment.host("c"));
    until(loop, "both", () => incoming().length === 2);
    const [first] = incoming();
    const floods = first?.connection ?? 0;
    let before = 0;
    let heard = false;
    // Work that takes time, as routes do.
    script.answer = (event) => {
      if (event.kind !== "received") return [];
      if (event.connection === floods && !heard) before += event.bytes.length;
      if (event.connection !== floods) heard = true;
      for (const end = performance.now() + 1; performance.now() < end; );
      return [];
    };
    flood.stream.write(Buffer.alloc(16 << 20));
    until(loop, "the flood", () => before > 100_000);
    const begun = before;
    quiet.stream.write(Buffer.from("KEEPALIVE"));
    until(loop, "the quiet one", () => heard);
    // A few turns' worth, not the flood.
    expect(before - begun).toBeLessThan(1 << 20);
    expect(loop.stats().chunksLent).toBe(0);
    const taken = script.heard(floods).length;
    expect((16 << 20) - flood.stream.unacknowledged).toBeLessThan(taken + (12 << 20));
    flood.stream.abort();
    until(loop, "closed", () => script.of("closed").length === 1);
  });

  test("RFC 9687: a peer that does not read costs a bounded queue, which is told; when it reads, it gets all", () => {
    script.known = () => expected;
    const { stream, probe } = dial(b);
    until(loop, "incoming", () => incoming().length === 1);
    const connection = incoming()[0]?.connection ?? 0;
    stream.pause();
    const total = 40 << 20;
    let pulled = 0;
    script.pull = (_, room) => {
      if (pulled >= total) return [];
      const length = Math.min(room, total - pulled);
      pulled += length;
      return [Buffer.alloc(length, "x")];
    };
    script.answer = (event) => (event.kind === "plan" ? [{ kind: "updates", connection }] : []);
    a.do(() => driven.driver.plan(PLAN));
    until(loop, "a queue that stands", () => script.of("queued").some(({ octets }) => octets > 0));
    const stood = pulled;
    expect(stood).toBeLessThan(total / 2);
    for (let turn = 0; turn < 50; turn++) loop.turn(false);
    expect(pulled).toBe(stood);
    stream.resume();
    let got = 0;
    probe.onReceived = (_stream, chunk, start, end) => {
      got += end - start;
      probe.text = "";
      loop.release(chunk);
    };
    got = probe.text.length;
    until(loop, "all of it", () => got >= total);
    until(loop, "an empty queue", () => script.of("queued").at(-1)?.octets === 0);
  });

  test("stop: done when what was to be said has left, or soon", () => {
    script.known = () => expected;
    const { stream, probe } = dial(b);
    until(loop, "incoming", () => incoming().length === 1);
    const connection = incoming()[0]?.connection ?? 0;
    script.answer = (event) =>
      event.kind === "stop"
        ? [
            { kind: "send", connection, bytes: Buffer.from("Cease") },
            { kind: "close", connection, reset: false },
          ]
        : [];
    let done = false;
    driven.driver.stop(false, () => {
      done = true;
    });
    until(loop, "Cease", () => probe.text === "Cease" && probe.ends === 1);
    expect(done).toBe(false);
    stream.end();
    until(loop, "done", () => done);
    // Nobody listens any more.
    const again = new Probe(loop);
    loop.connect({ ip: A4, port: 179 }, again, { socket: b.do(() => openTcp({ family: 4 })) });
    until(loop, "refused", () => again.why !== undefined);
    expect(again.why).toEqual({ kind: "failed", errno: 111 });
  });

  test("trace lines go to whoever asked, and the speaker is asked once for each name", () => {
    const lines: string[] = [];
    const all = driven.driver.trace(undefined, ({ text }) => lines.push(`all ${text}`));
    const one = driven.driver.trace("b", ({ text }) => lines.push(`b ${text}`));
    const other = driven.driver.trace("c", ({ text }) => lines.push(`c ${text}`));
    const again = driven.driver.trace("b", ({ text }) => lines.push(`b2 ${text}`));
    expect(script.of("trace").map(({ peer, on }) => [peer, on])).toEqual([
      [undefined, true],
      ["b", true],
      ["c", true],
    ]);
    script.answer = (event) =>
      event.kind === "clear" ? [] : [{ kind: "trace", peer: "b", direction: "in", text: "x" }];
    one[Symbol.dispose]();
    expect(lines).toEqual([]);
    a.do(() => driven.driver.plan(PLAN));
    expect(lines).toEqual(["all x", "b2 x"]);
    script.answer = () => [];
    for (const each of [all, other, again, again]) each[Symbol.dispose]();
    expect(
      script
        .of("trace")
        .slice(3)
        .map(({ peer, on }) => [peer, on]),
    ).toEqual([
      [undefined, false],
      ["c", false],
      ["b", false],
    ]);
  });
});
