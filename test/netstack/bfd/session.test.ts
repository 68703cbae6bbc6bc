import { describe, expect, test } from "vitest";
import { instant, ms } from "../../../base/unit.ts";
import type { BfdState } from "../../../netstack/bfd/plan.ts";
import { config, Engine, engineIn, packet, sent, TIMING } from "./fixture.ts";

const STATES: readonly BfdState[] = ["admin-down", "down", "init", "up"];

describe("RFC 5880 §6.2, §6.8.6: local state x state heard", () => {
  const CELLS: Readonly<Record<BfdState, Readonly<Record<BfdState, BfdState>>>> = {
    "admin-down": { "admin-down": "admin-down", down: "admin-down", init: "admin-down", up: "admin-down" },
    down: { "admin-down": "down", down: "init", init: "up", up: "down" },
    init: { "admin-down": "down", down: "init", init: "up", up: "up" },
    up: { "admin-down": "down", down: "down", init: "up", up: "up" },
  };
  test.each(STATES.flatMap((local) => STATES.map((heard) => [local, heard, CELLS[local][heard]] as const)))(
    "%s hears %s: %s",
    (local, heard, next) => {
      const engine = engineIn(local);
      const session = engine.only();
      const before = session.state;
      const actions = engine.hear(packet({ state: heard, yourDiscriminator: session.localDiscriminator }));
      expect(session.state).toBe(next);
      expect(actions.filter(({ kind }) => kind === "moved")).toHaveLength(before === next ? 0 : 1);
      // §6.8.6: a peer that says Down or AdminDown is why, whenever that took the session down.
      if (next === "down" && before !== "down") expect(session.diagnostic).toBe("neighbor-down");
    },
  );
  test.each(STATES.map((local) => [local, local === "init" || local === "up" ? "down" : local] as const))(
    "%s, the detection time passes: %s",
    (local, next) => {
      const engine = engineIn(local);
      engine.hear(packet({ state: "down", yourDiscriminator: 0 }));
      if (local === "up") return expect(engine.only().state).toBe("down");
      engine.pass(10_000);
      expect(engine.only().state).toBe(next);
      expect(engine.only().remoteDiscriminator).toBe(0);
    },
  );
  test("up, the detection time passes: down, diagnostic 1", () => {
    const engine = engineIn("up");
    engine.pass(149);
    expect(engine.only().state).toBe("up");
    engine.pass(2);
    expect(engine.only()).toMatchObject({ state: "down", diagnostic: "control-detection-expired", flaps: 1 });
  });
  test.each(STATES)("%s, the operator holds it down: admin-down, and down when he lets go", (local) => {
    const engine = engineIn(local);
    engine.configure([config({ adminDown: true })]);
    expect(engine.only()).toMatchObject({ state: "admin-down", diagnostic: "admin-down" });
    engine.configure([config()]);
    expect(engine.only()).toMatchObject({ state: "down", diagnostic: "none" });
  });
});

describe("RFC 5880 §6.8.7: sending", () => {
  test("a session that is not up sends at most each 750 ms, and one to each second", () => {
    const engine = new Engine();
    engine.configure([config()]);
    const times = sendTimes(engine, 20_000);
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(750);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(1000);
  });
  test.each([
    [3, 0.75, 1],
    [1, 0.75, 0.9],
  ])("multiplier %i: intervals are %d to %d of the negotiated one", (multiplier, least, most) => {
    const engine = engineIn("up", { timing: { ...TIMING, multiplier, demand: false } });
    const session = engine.only();
    const times: number[] = [];
    for (let step = 0; step < 400; step++) {
      engine.hear(packet({ state: "up", yourDiscriminator: session.localDiscriminator, desiredMinTx: ms(50) }));
      times.push(...sendTimes(engine, 20));
    }
    const gaps = times.slice(2).map((at, index) => (at - (times[index + 1] ?? 0)) / 50);
    expect(gaps.length).toBeGreaterThan(100);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(least - 1e-9);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(most + 1e-9);
    expect(new Set(gaps.map((gap) => gap.toFixed(3))).size).toBeGreaterThan(50);
  });
  test("the longer of what we desire and what the peer requires", () => {
    const engine = engineIn("up");
    const session = engine.only();
    engine.hear(packet({ state: "up", yourDiscriminator: session.localDiscriminator, requiredMinRx: ms(200) }));
    expect(session.txInterval).toBe(200);
    engine.hear(packet({ state: "up", yourDiscriminator: session.localDiscriminator, requiredMinRx: ms(10) }));
    expect(session.txInterval).toBe(50);
  });
  test("Required Min RX 0 ends it, F is sent all the same", () => {
    const engine = engineIn("up");
    const session = engine.only();
    const hear = { state: "up" as const, yourDiscriminator: session.localDiscriminator, requiredMinRx: ms(0) };
    engine.hear(packet(hear));
    expect(sent(engine.pass(100))).toEqual([]);
    expect(sent(engine.hear(packet({ ...hear, poll: true })))).toMatchObject([{ final: true, poll: false }]);
  });
  test("passive: nothing before the peer was heard, and nothing after it is gone", () => {
    const engine = new Engine();
    engine.configure([config({ role: "passive" })]);
    expect(sent(engine.pass(5000))).toEqual([]);
    expect(sent(engine.hear(packet({ state: "down" })))).toMatchObject([{ state: "init", yourDiscriminator: 77 }]);
    engine.pass(3000);
    expect(engine.only()).toMatchObject({ state: "down", remoteDiscriminator: 0 });
    expect(sent(engine.pass(5000))).toEqual([]);
  });
  test("P is answered by F at once in every state but AdminDown, with P clear", () => {
    for (const state of STATES) {
      const engine = engineIn(state);
      const your = engine.only().localDiscriminator;
      const actions = engine.hear(packet({ state: "admin-down", yourDiscriminator: your, poll: true }));
      const finals = sent(actions).filter(({ final }) => final);
      expect(finals).toHaveLength(state === "admin-down" ? 0 : 1);
      expect(finals.every(({ poll }) => !poll)).toBe(true);
    }
  });
  test("a change of state is told at once", () => {
    const engine = engineIn("init");
    const actions = engine.hear(packet({ state: "init", yourDiscriminator: engine.only().localDiscriminator }));
    expect(sent(actions)).toMatchObject([{ state: "up" }]);
  });
});

describe("RFC 5880 §6.8.3: changing intervals", () => {
  const change = (engine: Engine, changes: Partial<typeof TIMING>) =>
    engine.configure([config({ timing: { ...TIMING, ...changes } })]);
  const answer = (engine: Engine, changes = {}) =>
    engine.hear(
      packet({
        state: "up",
        yourDiscriminator: engine.only().localDiscriminator,
        desiredMinTx: ms(50),
        ...changes,
      }),
    );

  test("sending less often waits for F", () => {
    const engine = engineIn("up");
    change(engine, { desiredMinTx: ms(100) });
    expect(engine.only().txInterval).toBe(50);
    expect(sent(engine.pass(60))).toMatchObject([{ poll: true, desiredMinTx: 100 }]);
    answer(engine, { final: true });
    expect(engine.only().txInterval).toBe(100);
    expect(sent(engine.pass(101)).every(({ poll }) => !poll)).toBe(true);
  });
  test("sending more often does not wait", () => {
    const engine = engineIn("up");
    change(engine, { desiredMinTx: ms(20) });
    answer(engine, { requiredMinRx: ms(10) });
    expect(engine.only().txInterval).toBe(20);
  });
  test("waiting less long waits for F", () => {
    const engine = engineIn("up");
    answer(engine, { desiredMinTx: ms(10) });
    change(engine, { requiredMinRx: ms(20) });
    expect(engine.only().detectionTime).toBe(150);
    engine.pass(50);
    answer(engine, { desiredMinTx: ms(10), final: true });
    expect(engine.only().detectionTime).toBe(60);
  });
  test("waiting longer does not wait", () => {
    const engine = engineIn("up");
    change(engine, { requiredMinRx: ms(80) });
    expect(engine.only().detectionTime).toBe(240);
  });
  test("§6.5: another change during a poll begins another poll after F", () => {
    const engine = engineIn("up");
    change(engine, { desiredMinTx: ms(100) });
    engine.pass(50);
    change(engine, { desiredMinTx: ms(200) });
    answer(engine, { final: true });
    expect(engine.only().txInterval).toBe(50);
    expect(sent(engine.pass(60))).toMatchObject([{ poll: true, desiredMinTx: 200 }]);
    answer(engine, { final: true });
    expect(engine.only().txInterval).toBe(200);
  });
  test("§6.8.12: another multiplier is just said", () => {
    const engine = engineIn("up");
    change(engine, { multiplier: 5 });
    expect(sent(engine.pass(50))).toMatchObject([{ poll: false, multiplier: 5 }]);
  });
  test("an F that nobody asked for changes nothing", () => {
    const engine = engineIn("up");
    answer(engine, { final: true });
    expect(engine.only()).toMatchObject({ state: "up", txInterval: 50 });
  });
  test("no change of parameters takes the session down; an equal plan does nothing at all", () => {
    const engine = engineIn("up");
    expect(change(engine, {})).toEqual([]);
    for (const changes of [{ desiredMinTx: ms(500) }, { requiredMinRx: ms(500) }, { multiplier: 9 }, { demand: true }])
      change(engine, changes);
    expect(engine.only()).toMatchObject({ state: "up", flaps: 0 });
  });
});

describe("RFC 5880 §6.6: demand mode", () => {
  const demanding = () => engineIn("up", { timing: { ...TIMING, demand: true } });
  const answer = (engine: Engine, changes = {}) =>
    engine.hear(packet({ state: "up", yourDiscriminator: engine.only().localDiscriminator, ...changes }));

  test("D is set only while both are up", () => {
    const engine = engineIn("init", { timing: { ...TIMING, demand: true } });
    expect(sent(engine.pass(1000)).every(({ demand }) => !demand)).toBe(true);
    answer(engine);
    expect(sent(engine.pass(60)).at(-1)).toMatchObject({ demand: true, state: "up" });
  });
  test("silence is no failure, an unanswered poll is", () => {
    const engine = demanding();
    engine.pass(60);
    answer(engine, { final: true });
    engine.pass(800);
    expect(engine.only().state).toBe("up");
    engine.pass(1000);
    expect(engine.only()).toMatchObject({ state: "down", diagnostic: "control-detection-expired" });
  });
  test("each second the peer is asked, and its answer keeps the session up", () => {
    const engine = demanding();
    let polls = 0;
    for (let step = 0; step < 1000; step++) {
      const asked = sent(engine.pass(10)).filter(({ poll }) => poll);
      polls += asked.length;
      if (asked.length > 0) answer(engine, { final: true });
    }
    expect(engine.only().state).toBe("up");
    expect(polls).toBeGreaterThan(5);
    expect(polls).toBeLessThan(20);
  });
  test("when the peer demands it, nothing is sent but polls and answers", () => {
    const engine = engineIn("up");
    answer(engine, { demand: true, desiredMinTx: ms(5000) });
    expect(sent(engine.pass(1000))).toEqual([]);
    expect(sent(answer(engine, { demand: true, poll: true }))).toMatchObject([{ final: true }]);
    engine.configure([config({ timing: { ...TIMING, desiredMinTx: ms(70) } })]);
    expect(sent(engine.pass(10))).toMatchObject([{ poll: true }]);
    answer(engine, { demand: true, final: true });
    expect(sent(engine.pass(1000))).toEqual([]);
  });
});

describe("RFC 5880 §6.8.16: AdminDown", () => {
  test("a session that leaves says so for a detection time of the peer's, and then is gone", () => {
    const engine = engineIn("up");
    const first = engine.configure([]);
    expect(sent(first)).toMatchObject([{ state: "admin-down", diagnostic: "admin-down" }]);
    const rest = engine.pass(3100);
    expect(sent(rest).length).toBeGreaterThanOrEqual(2);
    expect(rest.at(-1)).toMatchObject({ kind: "gone", ids: ["s"], last: true });
    expect([...engine.sessions.all()]).toEqual([]);
  });
  test("one that nobody answered is gone at once", () => {
    const engine = engineIn("down");
    engine.configure([]);
    engine.pass(1);
    expect([...engine.sessions.all()]).toEqual([]);
  });
  test("one that comes back while it leaves is the same session, from Down", () => {
    const engine = engineIn("up");
    const { localDiscriminator } = engine.only();
    engine.configure([]);
    engine.configure([config()]);
    expect(engine.only()).toMatchObject({ localDiscriminator, state: "down" });
  });
});

function sendTimes(engine: Engine, span: number): readonly number[] {
  const end = engine.now + span;
  const times: number[] = [];
  for (let at = engine.sessions.nextWake(); at !== undefined && at <= end; at = engine.sessions.nextWake()) {
    if (at > engine.now) engine.now = at;
    for (const action of engine.sessions.wake(engine.now, true)) if (action.kind === "send") times.push(engine.now);
  }
  engine.now = instant(end);
  return times;
}
