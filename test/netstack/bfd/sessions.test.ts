import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Ip, ipv4, ipv6, parsePrefix } from "../../../base/address.ts";
import { instant, ms } from "../../../base/unit.ts";
import type { SessionConfig, UnsolicitedConfig } from "../../../netstack/bfd/event.ts";
import type { Arrival } from "../../../netstack/bfd/sessions.ts";
import { B, config, Engine, engineIn, packet, sent, TIMING } from "./fixture.ts";

function session(engine: Engine, id: string) {
  const found = [...engine.sessions.all()].find((each) => each.config.ids.includes(id));
  if (found === undefined) throw new Error(`no ${id}`);
  return found;
}

describe("RFC 5880 §6.3: which session a packet belongs to", () => {
  const C: Ip = ipv4("10.0.0.3");
  const far: Partial<SessionConfig> = { hops: "multi", minTtl: 200, ifname: undefined };

  test("by Your Discriminator, whatever address it comes from", () => {
    const engine = new Engine();
    engine.configure([config(), config({ ids: ["c"], peer: C })]);
    engine.hear(packet({ yourDiscriminator: session(engine, "c").localDiscriminator }), { from: B });
    expect([session(engine, "s").state, session(engine, "c").state]).toEqual(["down", "init"]);
  });
  test("without one by the peer's address and the interface", () => {
    const engine = new Engine();
    engine.configure([config({ ids: ["0"] }), config({ ids: ["1"], ifname: "eth1" })]);
    engine.hear(packet(), { ifname: "eth1" });
    expect([session(engine, "0").state, session(engine, "1").state]).toEqual(["down", "init"]);
  });
  test("RFC 5883 §4: several multihop sessions with one peer by our address", () => {
    const engine = new Engine();
    const locals = ["10.0.0.1", "10.0.0.9"].map(ipv4);
    engine.configure(locals.map((local, index) => config({ ...far, ids: [String(index)], local })));
    engine.hear(packet(), { hops: "multi", ttl: 250, to: ipv4("10.0.0.9") });
    expect([session(engine, "0").state, session(engine, "1").state]).toEqual(["down", "init"]);
  });
  test("a peer over one hop and over many are two sessions", () => {
    const engine = new Engine();
    engine.configure([config({ ids: ["near"] }), config({ ...far, ids: ["far"] })]);
    engine.hear(packet(), { hops: "multi", ttl: 250 });
    expect([session(engine, "near").state, session(engine, "far").state]).toEqual(["down", "init"]);
  });
  test("discriminators are unique and never 0", () => {
    const engine = new Engine();
    engine.configure(Array.from({ length: 300 }, (_, n) => config({ ids: [String(n)], peer: (n + 1) as Ip })));
    const all = [...engine.sessions.all()].map((each) => each.localDiscriminator);
    expect(new Set(all).size).toBe(300);
    expect(all.every((each) => each > 0 && each < 2 ** 32)).toBe(true);
  });
});

describe("one vector for each refusal", () => {
  const up = () => engineIn("up");
  const REFUSED: readonly (readonly [string, (engine: Engine) => Parameters<Engine["hear"]>, "session" | "strays"])[] =
    [
      ["ttl", () => [packet(), { ttl: 254 }], "session"],
      ["ttl", () => [packet(), { ttl: undefined }], "session"],
      ["ttl", (e) => [packet({ yourDiscriminator: e.only().localDiscriminator }), { ttl: 1 }], "session"],
      [
        "wrong-interface",
        (e) => [packet({ yourDiscriminator: e.only().localDiscriminator }), { ifname: "eth1" }],
        "session",
      ],
      ["wrong-port", (e) => [packet({ yourDiscriminator: e.only().localDiscriminator }), { hops: "multi" }], "session"],
      ["unknown-discriminator", () => [packet({ yourDiscriminator: 4711 }), {}], "strays"],
      ["no-session", () => [packet(), { from: ipv4("10.0.0.9") }], "strays"],
      ["no-session", () => [packet(), { from: ipv4("10.0.0.9"), hops: "multi" }], "strays"],
      [
        "auth-unexpected",
        () => [packet({ auth: { kind: "simple", keyId: 1, password: Uint8Array.of(1) } }), {}],
        "session",
      ],
    ];
  test.each(REFUSED)("%s", (name, make, where) => {
    const engine = up();
    engine.hear(...make(engine));
    expect(engine.only().state).toBe("up");
    expect(where === "session" ? engine.only().refused : engine.sessions.strays).toEqual({ [name]: 1 });
    if (where === "session") expect(engine.only().lastRefusal).toContain(name);
  });
  test("what cannot be decoded is counted for the session that it names, else as a stray", () => {
    const engine = up();
    engine.receive(Uint8Array.of(1, 2, 3));
    engine.receive(Uint8Array.of(1, 2, 3), { from: ipv4("10.0.0.9") });
    expect([engine.only().refused, engine.sessions.strays]).toEqual([{ short: 1 }, { short: 1 }]);
  });
  test("RFC 5883 §5: fewer hops left than allowed", () => {
    const engine = new Engine();
    engine.configure([config({ hops: "multi", minTtl: 250, ifname: undefined })]);
    engine.hear(packet(), { hops: "multi", ttl: 249 });
    expect(engine.only()).toMatchObject({ state: "down", refused: { ttl: 1 } });
    engine.hear(packet(), { hops: "multi", ttl: 250 });
    expect(engine.only().state).toBe("init");
  });
  test("RFC 5880 §6.8.4: refused packets do not keep a session up", () => {
    const engine = up();
    const your = engine.only().localDiscriminator;
    for (let step = 0; step < 20; step++) {
      engine.hear(packet({ state: "up", yourDiscriminator: your }), { ttl: 64 });
      engine.pass(10);
    }
    expect(engine.only()).toMatchObject({ state: "down", diagnostic: "control-detection-expired" });
  });
});

describe("RFC 9468: strangers", () => {
  const network = parsePrefix("10.0.0.0/24");
  const welcome: UnsolicitedConfig = {
    ifname: "eth0",
    from: network.ok ? [network.value] : [],
    timing: TIMING,
    most: 2,
  };
  const open = (): Engine => {
    const engine = new Engine();
    engine.configure([], [welcome]);
    return engine;
  };

  test("§2: a packet opens a passive session, which answers", () => {
    const engine = open();
    expect(sent(engine.hear(packet()))).toMatchObject([{ state: "init", yourDiscriminator: 77 }]);
    expect(engine.only().config).toMatchObject({
      role: "passive",
      unsolicited: true,
      ids: ["unsolicited/eth0/10.0.0.2"],
    });
  });
  const BAD: readonly (readonly [string, Partial<Arrival>, Parameters<typeof packet>[0]])[] = [
    ["unsolicited-network", { from: ipv4("10.0.1.2") }, {}],
    ["unsolicited-network", { from: ipv6("fe80::1") }, {}],
    ["unsolicited-state", {}, { state: "admin-down" }],
    ["ttl", { ttl: 254 }, {}],
    ["no-session", { ifname: "eth1" }, {}],
    ["no-session", { hops: "multi" }, {}],
    ["auth-unexpected", {}, { auth: { kind: "simple", keyId: 1, password: Uint8Array.of(1) } }],
  ];
  test.each(BAD)("refused: %s %o %o", (name, where, changes) => {
    const engine = open();
    engine.hear(packet(changes), where);
    expect([...engine.sessions.all()]).toEqual([]);
    expect(engine.sessions.strays).toEqual({ [name]: 1 });
  });
  test("no more than allowed", () => {
    const engine = open();
    for (const last of [2, 3, 4]) engine.hear(packet(), { from: ipv4(`10.0.0.${last}`) });
    expect([...engine.sessions.all()]).toHaveLength(2);
    expect(engine.sessions.strays).toEqual({ "unsolicited-limit": 1 });
  });
  test("one that is silent is forgotten after a while; one that comes back in time is the same", () => {
    const engine = open();
    engine.hear(packet());
    const { localDiscriminator } = engine.only();
    engine.pass(8000);
    expect(engine.only()).toMatchObject({ state: "down" });
    engine.hear(packet());
    expect(engine.only()).toMatchObject({ state: "init", localDiscriminator });
    engine.pass(30_000);
    expect([...engine.sessions.all()]).toEqual([]);
  });
  test("one that control asks for later goes on, under its new name", () => {
    const engine = open();
    engine.hear(packet());
    const { localDiscriminator } = engine.only();
    const actions = engine.configure([config()], [welcome]);
    expect(actions).toContainEqual(expect.objectContaining({ kind: "gone", ids: ["unsolicited/eth0/10.0.0.2"] }));
    expect(engine.only()).toMatchObject({ localDiscriminator, state: "init" });
  });
  test("when the interface is closed to strangers they are told", () => {
    const engine = open();
    engine.hear(packet());
    expect(sent(engine.configure([], []))).toMatchObject([{ state: "admin-down" }]);
  });
});

describe("waking", () => {
  test("silence is not concluded while packets may wait to be read", () => {
    const engine = engineIn("up");
    engine.now = instant(engine.now + 1000);
    engine.sessions.wake(engine.now, false);
    expect(engine.only().state).toBe("up");
    engine.sessions.wake(engine.now, true);
    expect(engine.only().state).toBe("down");
  });
  test("sessions that are nearly due go along with one that is", () => {
    const engine = new Engine();
    const count = 64;
    engine.configure(Array.from({ length: count }, (_, n) => config({ ids: [String(n)], peer: (n + 1) as Ip })));
    let wakes = 0;
    let packets = 0;
    const end = engine.now + 20_000;
    for (let at = engine.sessions.nextWake(); at !== undefined && at <= end; at = engine.sessions.nextWake()) {
      if (at > engine.now) engine.now = at;
      wakes++;
      packets += engine.sessions.wake(engine.now, true).filter(({ kind }) => kind === "send").length;
    }
    expect(packets / wakes).toBeGreaterThan(3);
  });
  test("the schedule's order survives anything", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 3000 }))), (steps) => {
        const engine = new Engine();
        engine.configure(Array.from({ length: 20 }, (_, n) => config({ ids: [String(n)], peer: (n + 1) as Ip })));
        for (const [from, span] of steps) {
          engine.hear(packet({ desiredMinTx: ms(10 + from) }), { from: from as Ip });
          engine.pass(span);
          const due = [...engine.sessions.all()].map((each) => each.dueAt);
          expect(engine.sessions.nextWake()).toBe(Math.min(...due));
        }
      }),
      { numRuns: 30 },
    );
  });
});

test("any octets from anywhere: nothing thrown, no session disturbed", () => {
  const engine = engineIn("up");
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, multi) => {
      engine.receive(bytes, { hops: multi ? "multi" : "single", from: ipv4("10.0.0.99") });
      expect(engine.only().state).toBe("up");
    }),
  );
});
