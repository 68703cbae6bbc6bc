/** Control with children in memory and a virtual clock. */
import { expect } from "vitest";
import { ipv4 } from "../../base/address.ts";
import type { Clock } from "../../base/clock.ts";
import { SILENT } from "../../base/log.ts";
import { after, type Instant, instant, ms } from "../../base/unit.ts";
import type { KeyedConfiguration, Live } from "../../daemon/config/live.ts";
import { Control } from "../../daemon/control.ts";
import { WanBasis } from "../../daemon/desired/wan-facts.ts";
import { connectEngines } from "../../daemon/engines.ts";
import { Events } from "../../daemon/events.ts";
import type { Allocations } from "../../daemon/parts/allocations.ts";
import { Dataplanes } from "../../daemon/parts/dataplanes.ts";
import type { RoutingMemory } from "../../daemon/parts/routing-memory.ts";
import type { FromPulse, ToPulse } from "../../daemon/pulse/words.ts";
import type { FromRouting, ToRouting } from "../../daemon/routing/words.ts";
import { type Message, type RunningHandler, Supervised } from "../../daemon/supervisor/child.ts";
import type { FromWan, ToWan } from "../../daemon/wan/words.ts";
import type { FromDataplane, ToDataplane } from "../../proxy/control.ts";
import { loadResources } from "../../resources/load.ts";
import { DEFAULT_SETTINGS, type Settings } from "../../resources/settings.ts";

/** What routing remembers, in memory. */
export class Forgetful implements RoutingMemory {
  readonly kept: string[] = [];
  readonly wasRunning: boolean;
  readonly routerId: string | undefined;
  constructor(wasRunning = false, routerId?: string) {
    this.wasRunning = wasRunning;
    this.routerId = routerId;
  }
  keep(running: boolean, routerId: string | undefined): void {
    this.kept.push(`${running ? "running" : "ended"} ${routerId ?? "-"}`);
  }
}

export const KEY = "ab".repeat(32);
const POLICY = {
  backoffLeast: ms(100),
  backoffMost: ms(10_000),
  stableAfter: ms(30_000),
  helloWithin: ms(5_000),
  pingEvery: ms(400),
  silentAfter: ms(1_000),
  killAfter: ms(3_000),
};

export class VirtualClock implements Clock {
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
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A child in memory: records what it is sent, answers pings, says what the test has it say. */
export class FakeChild<To extends Message, From extends Message> {
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

/** `state`: a directory, where the test has WAN links. */
export function controlWorld(
  text: string,
  own: Partial<Settings> = {},
  memory: RoutingMemory = new Forgetful(),
  state = "/nonexistent",
) {
  const clock = new VirtualClock();
  const wall = (): number => clock.now();
  const events = new Events(SILENT, wall);
  const pulse = new FakeChild<ToPulse, FromPulse>();
  const router = new FakeChild<ToRouting, FromRouting>();
  const recorded: string[] = [];
  const underlay = new FakeChild<ToWan, FromWan>();
  const planes = [new FakeChild<ToDataplane, FromDataplane>(), new FakeChild<ToDataplane, FromDataplane>()];
  const settings = { ...DEFAULT_SETTINGS, ...own, node: { ...DEFAULT_SETTINGS.node, name: "one" } };
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
  const engines = connectEngines({
    supervise: {
      pulse: (received, moved) => new Supervised({ ...common, name: "pulse", spawn: pulse.spawn, received, moved }),
      routing: (received, moved) =>
        new Supervised({ ...common, name: "routing", spawn: router.spawn, received, moved }),
      wan: (received, moved) => new Supervised({ ...common, name: "wan", spawn: underlay.spawn, received, moved }),
    },
    memory,
    records: { add: (report) => void recorded.push(report.id), forget: () => undefined, flush: async () => undefined },
    clock,
    wall,
    events,
    changed,
  });
  const { routing, bfd, wan, traces } = engines;
  const wanBasis = new WanBasis(state, events);
  const eth0 = { name: "eth0", addresses: [ipv4("10.0.0.7")], networks: [], gateways: [ipv4("10.0.0.1")] };
  const host = { hostname: "one", ipv6: () => true, interfaces: () => [eth0], changed: () => false };
  const overlooked: string[] = [];
  const allocations = { next: () => ({ allocations: [], problems: [] }) } as unknown as Allocations;
  const control = new Control({
    live: live as unknown as Live,
    allocations,
    dataplanes,
    ...engines,
    wanBasis,
    host,
    overlook: (addresses) => void overlooked.push(...addresses),
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
    overlooked,
    pulse,
    router,
    routing,
    bfd,
    wan,
    underlay,
    recorded,
    traces,
    events,
    settings,
    planes,
    confirm,
    plans: () => pulse.sent.filter((message) => message.kind === "plan"),
    eligible: () => {
      const last = pulse.sent.findLast((message) => message.kind === "plan");
      return last?.kind === "plan" ? last.plan.segments[0]?.vips.map(({ eligible, why }) => `${eligible} ${why}`) : [];
    },
    reconfigure: (source: string, more: Partial<Settings> = {}) => {
      live.current = { ...load(source), settings: { ...settings, ...more, node: settings.node } };
      live.generation++;
      control.reconfigured();
    },
    /** Everything up, the endpoint healthy. */
    settle: async () => {
      control.lookAround();
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
