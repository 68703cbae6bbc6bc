/** The control loop with children in memory and a virtual clock: what is sent, in which order, and how often. */
import { describe, expect, it } from "vitest";
import type { Clock } from "../../base/clock.ts";
import { SILENT } from "../../base/log.ts";
import { after, type Instant, instant, ms } from "../../base/unit.ts";
import type { Allocations } from "../../daemon/allocations.ts";
import type { KeyedConfiguration, Live } from "../../daemon/config/live.ts";
import { Control } from "../../daemon/control.ts";
import { Dataplanes } from "../../daemon/dataplanes.ts";
import { Events } from "../../daemon/events.ts";
import { type Message, type RunningHandler, Supervised } from "../../daemon/supervisor/child.ts";
import { Vips } from "../../daemon/vips.ts";
import type { FromPulse, ToPulse } from "../../netstack/vip/plan.ts";
import type { FromDataplane, ToDataplane } from "../../proxy/control.ts";
import { loadResources } from "../../resources/load.ts";
import { DEFAULT_SETTINGS } from "../../resources/settings.ts";
import { backend, EDGE } from "./resources-fixture.ts";

const KEY = "ab".repeat(32);
const POLICY = {
  backoffLeast: ms(100),
  backoffMost: ms(10_000),
  stableAfter: ms(30_000),
  helloWithin: ms(5_000),
  pingEvery: ms(400),
  silentAfter: ms(1_000),
  killAfter: ms(3_000),
};

class VirtualClock implements Clock {
  #now: Instant = instant(0);
  #alarms: { readonly at: Instant; readonly wake: () => void }[] = [];
  now(): Instant {
    return this.#now;
  }
  wakeAt(at: Instant, wake: () => void): Disposable {
    const alarm = { at, wake };
    this.#alarms.push(alarm);
    return { [Symbol.dispose]: () => void (this.#alarms = this.#alarms.filter((each) => each !== alarm)) };
  }
  /** Passes time; queued passes of control run in between. */
  async pass(span: number): Promise<void> {
    const end = after(this.#now, ms(span));
    for (;;) {
      await turn();
      const next = this.#alarms.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#alarms = this.#alarms.filter((each) => each !== next);
      this.#now = next.at > this.#now ? next.at : this.#now;
      next.wake();
    }
    this.#now = end;
  }
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A child in memory: records what it is sent, answers pings, says what the test has it say. */
class FakeChild<To extends Message, From extends Message> {
  readonly sent: To[] = [];
  readonly sockets: string[] = [];
  on: RunningHandler<From> | undefined;
  spawn = (on: RunningHandler<From>) => {
    this.on = on;
    return {
      pid: 1,
      send: (message: To | { kind: "ping"; n: number }) => {
        if (message.kind === "ping") queueMicrotask(() => on.received({ kind: "pong" } as unknown as From));
        else this.sent.push(message as To);
      },
      hand: (key: string) => void this.sockets.push(key),
      kill: () => queueMicrotask(() => on.ended("signal SIGKILL")),
    };
  };
  say(message: From): void {
    this.on?.received(message);
  }
}

function world(text: string) {
  const clock = new VirtualClock();
  const wall = (): number => clock.now();
  const events = new Events(SILENT, wall);
  const pulse = new FakeChild<ToPulse, FromPulse>();
  const planes = [new FakeChild<ToDataplane, FromDataplane>(), new FakeChild<ToDataplane, FromDataplane>()];
  const settings = { ...DEFAULT_SETTINGS, node: { ...DEFAULT_SETTINGS.node, name: "one" } };
  const load = (source: string): KeyedConfiguration => {
    const { resources, diagnostics } = loadResources([{ file: "f.yaml", content: source }]);
    expect(diagnostics).toEqual([]);
    const key = resources.vips.length === 0 ? "" : KEY; // as `readKeyed` has it
    const secrets = new Map<string, string>();
    return { settings, resources, resourceDir: "", files: [], warnings: [], hash: "", key, secrets };
  };
  const live = { current: load(text), generation: 1, conditions: () => [] };
  const common = { policy: POLICY, clock, wall, random: () => 0.5, events };
  const changed = (): void => control.changed();
  const dataplanes = new Dataplanes({
    workers: planes.length,
    supervise: (worker, received, moved) =>
      new Supervised({ ...common, name: `dataplane/${worker}`, spawn: planes[worker]?.spawn ?? fail, received, moved }),
    open: () => 99,
    close: () => undefined,
    clock,
    wall,
    events,
    changed,
  });
  const vips = new Vips({
    supervise: (received, moved) => new Supervised({ ...common, name: "pulse", spawn: pulse.spawn, received, moved }),
    clock,
    wall,
    events,
    changed,
  });
  const host = { hostname: "one", ipv6: () => true, interfaces: () => [], changed: () => false };
  const allocations = { next: () => ({ allocations: [], problems: [] }) } as unknown as Allocations;
  const control = new Control({
    live: live as unknown as Live,
    allocations,
    dataplanes,
    vips,
    host,
    events,
    clock,
    wall,
    settled: () => undefined,
  });
  const confirm = (plane: FakeChild<ToDataplane, FromDataplane>): void => {
    const last = plane.sent.findLast((message) => message.kind === "config");
    if (last?.kind !== "config") throw new Error("no configuration was sent");
    const listening = last.config.listeners.map(({ key }) => key).filter((key) => plane.sockets.includes(key));
    plane.say({ kind: "applied", version: last.config.version, listening });
  };
  return {
    clock,
    control,
    pulse,
    planes,
    confirm,
    plans: () => pulse.sent.filter((message) => message.kind === "plan"),
    eligible: () => {
      const last = pulse.sent.findLast((message) => message.kind === "plan");
      return last?.kind === "plan" ? last.plan.segments[0]?.vips.map(({ eligible, why }) => `${eligible} ${why}`) : [];
    },
    reconfigure: (source: string) => {
      live.current = load(source);
      live.generation++;
      control.reconfigured();
    },
    /** Everything up, the endpoint healthy. */
    settle: async () => {
      control.start();
      pulse.say({ kind: "hello", pid: 1, scheduling: "" });
      for (const plane of planes) plane.say({ kind: "hello", pid: 1, engine: "fake", why: "" });
      await clock.pass(1);
      for (const plane of planes) confirm(plane);
      planes[0]?.say({ kind: "health", backend: "default/app", endpoint: "127.0.0.1:9000", healthy: true, why: "" });
      await clock.pass(1);
    },
  };
}
const fail = (): never => {
  throw new Error("no such worker");
};
const CONFIG = `${EDGE}---\n${backend("app", 9000)}`;
/** The VIP has a port more. */
const MORE = CONFIG.replace("[8081]", "[8081, 8082]").replace(
  "port: 8081, protocol: HTTP}",
  "port: 8081, protocol: HTTP}\n    - {name: more, port: 8082, protocol: HTTP}",
);

describe("control: facts and configuration → children", () => {
  it("sockets precede the configuration that needs them, one per worker, and are not sent twice", async () => {
    const { settle, planes, clock, control } = world(CONFIG);
    await settle();
    control.changed();
    await clock.pass(10_000);
    for (const plane of planes) {
      expect(plane.sockets).toEqual(["default/gw/http@192.0.2.10:8081"]);
      expect(plane.sent.filter(({ kind }) => kind === "config")).toHaveLength(1);
    }
  });
  it("many changes in one turn are one plan; no change is none", async () => {
    const { settle, plans, clock, control, planes } = world(CONFIG);
    await settle();
    const before = plans().length;
    for (let each = 0; each < 100; each++) control.changed();
    await clock.pass(5_000);
    expect(plans()).toHaveLength(before);
    const report = { kind: "health", backend: "default/app", endpoint: "127.0.0.1:9000", why: "" } as const;
    for (let each = 0; each < 101; each++) planes[0]?.say({ ...report, healthy: each % 2 === 1 });
    await clock.pass(1);
    expect(plans()).toHaveLength(before + 1);
  });
  it("a verdict of worker 0 reaches the others, and a worker that starts later", async () => {
    const { settle, planes, clock } = world(CONFIG);
    await settle();
    const health = { kind: "health", backend: "default/app", endpoint: "127.0.0.1:9000", healthy: true };
    expect(planes[1]?.sent).toContainEqual(health);
    planes[1]?.on?.ended("exit 1");
    await clock.pass(300);
    planes[1]?.sent.splice(0);
    planes[1]?.say({ kind: "hello", pid: 2, engine: "fake", why: "" });
    expect(planes[1]?.sent.map(({ kind }) => kind)).toEqual(["config", "health"]);
  });
  it("the VIP is eligible as long as one worker listens, and not a moment longer", async () => {
    const { settle, planes, eligible, clock } = world(CONFIG);
    await settle();
    expect(eligible()).toEqual(["true OK"]);
    planes[0]?.on?.ended("exit 1");
    await turn();
    expect(eligible()).toEqual(["true OK"]);
    planes[1]?.on?.ended("exit 1");
    await turn();
    expect(eligible()).toEqual(["false NOT_LISTENING"]);
    await clock.pass(0);
  });
  it("a VIP follows a new port only when the data planes listen on it", async () => {
    const { settle, reconfigure, planes, plans, confirm, eligible, clock } = world(CONFIG);
    await settle();
    const before = plans().length;
    reconfigure(MORE);
    await clock.pass(100);
    if (planes[0] !== undefined) confirm(planes[0]);
    await clock.pass(100);
    expect(plans()).toHaveLength(before);
    if (planes[1] !== undefined) confirm(planes[1]);
    await clock.pass(100);
    expect(eligible()).toEqual(["true OK"]);
  });
  it("… and no later than two seconds, whatever the data planes do", async () => {
    const { settle, reconfigure, eligible, clock } = world(CONFIG);
    await settle();
    reconfigure(MORE);
    await clock.pass(1_900);
    expect(eligible()).toEqual(["true OK"]);
    await clock.pass(200);
    expect(eligible()).toEqual(["false NOT_LISTENING"]);
  });
  it("a virtual IP that is still followed keeps its key when the files have none any more", async () => {
    const { settle, reconfigure, planes, plans, confirm, clock, control } = world(CONFIG);
    await settle();
    reconfigure(backend("app", 9000));
    await clock.pass(100);
    control.changed();
    await clock.pass(100);
    for (const plane of planes) confirm(plane);
    await clock.pass(60_000);
    for (const { plan } of plans()) if (plan.segments.length > 0) expect(plan.key).toBe(KEY);
    expect(plans().at(-1)?.plan.segments).toEqual([]);
  });
  it("a removed virtual IP is released before its listeners close, and forgotten after the hand-over", async () => {
    const { settle, reconfigure, planes, plans, confirm, eligible, clock, pulse } = world(CONFIG);
    await settle();
    const vip = { name: "web", term: 1, owner: "one", why: "", conflictWith: undefined } as const;
    pulse.say({ kind: "vip", vip: { ...vip, state: "owner" } });
    const listeners = (): readonly (number | undefined)[] =>
      planes.map(({ sent }) => {
        const last = sent.findLast(({ kind }) => kind === "config");
        return last?.kind === "config" ? last.config.listeners.length : undefined;
      });
    reconfigure(backend("app", 9000));
    await clock.pass(100);
    expect([eligible(), listeners()]).toEqual([["true OK"], [1, 1]]);
    for (const plane of planes) confirm(plane);
    await clock.pass(1_000);
    expect([eligible(), listeners()]).toEqual([["false REMOVED"], [1, 1]]);
    pulse.say({ kind: "vip", vip: { ...vip, state: "ineligible" } });
    await clock.pass(400);
    expect(listeners()).toEqual([1, 1]);
    await clock.pass(200);
    expect(listeners()).toEqual([0, 0]);
    expect(eligible()).toEqual(["false REMOVED"]);
    await clock.pass(30_000);
    expect(plans().at(-1)?.plan.segments).toEqual([]);
  });
  it("… also when pulse never says so; and it stays when it comes back meanwhile", async () => {
    const { settle, reconfigure, planes, confirm, eligible, clock, pulse } = world(CONFIG);
    await settle();
    const vip = { name: "web", state: "owner", term: 1, owner: "one", why: "", conflictWith: undefined } as const;
    pulse.say({ kind: "vip", vip });
    const follow = async (source: string): Promise<void> => {
      reconfigure(source);
      await clock.pass(1);
      for (const plane of planes) confirm(plane);
      await clock.pass(100);
    };
    await follow(backend("app", 9000));
    expect(eligible()).toEqual(["false REMOVED"]);
    await follow(CONFIG);
    await clock.pass(40_000);
    expect(eligible()).toEqual(["true OK"]);
    await follow(backend("app", 9000));
    await clock.pass(3_600);
    expect(planes[0]?.sent.findLast(({ kind }) => kind === "config")).toMatchObject({ config: { listeners: [] } });
  });
  it("stops in order: withdraw, then drain, then pulse; nothing is planned after the withdrawal", async () => {
    const { settle, control, pulse, planes, clock } = world(CONFIG);
    await settle();
    const vip = { name: "web", state: "owner", term: 1, owner: "one", why: "", conflictWith: undefined } as const;
    pulse.say({ kind: "vip", vip });
    const stopped = control.stop();
    await clock.pass(10);
    expect(pulse.sent.at(-1)).toMatchObject({ kind: "withdraw" });
    expect(planes[0]?.sent.at(-1)?.kind).not.toBe("drain");
    pulse.say({ kind: "withdrawn" });
    await clock.pass(499);
    expect(planes[0]?.sent.at(-1)?.kind).not.toBe("drain");
    await clock.pass(10);
    for (const plane of planes) expect(plane.sent.at(-1)).toEqual({ kind: "drain", grace: 10_000 });
    for (const plane of planes) plane.on?.ended("exit 0");
    await clock.pass(10);
    expect(pulse.sent.at(-1)).toEqual({ kind: "stop" });
    pulse.on?.ended("exit 0");
    await stopped;
    const order = pulse.sent.map(({ kind }) => kind);
    expect(order.slice(order.indexOf("withdraw"))).toEqual(["withdraw", "stop"]);
  });
  it("a pulse that never confirms and data planes that never drain do not keep the daemon", async () => {
    const { settle, control, clock } = world(CONFIG);
    await settle();
    const stopped = control.stop();
    await clock.pass(3_000 + 11_000 + 3_000 + 100);
    await stopped;
  });
});
