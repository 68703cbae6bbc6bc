/**
 * The hands of the BGP speaker: one event in, its actions out, in order; sockets, time and the kernel behind them.
 * daemon/routing makes one of it for the host.
 */
import { type Ip, prefixOf } from "../../../base/address.ts";
import { unreachable } from "../../../base/result.ts";
import type { TraceLine } from "../../../base/trace.ts";
import { after, type Instant, type Ms, ms } from "../../../base/unit.ts";
import { type BfdReport, type BfdSpec, pathFailed } from "../../bfd/plan.ts";
import type { Loop } from "../../kernel/loop.ts";
import { RouteSocket } from "../../kernel/netlink/route-socket.ts";
import { type Change, watch } from "../../kernel/netlink/watch.ts";
import type { Action, BgpSpeaker, Event } from "../event.ts";
import type { BgpPeerReport, BgpPlan, BgpRouteReport } from "../plan.ts";
import { Connections } from "./connections.ts";
import { Gateways } from "./gateways.ts";
import { Interfaces } from "./interfaces.ts";
import { KernelRoutes } from "./kernel-routes.ts";
import { Listeners } from "./listeners.ts";
import { RouterDiscovery } from "./router-discovery.ts";
import { Shares } from "./shares.ts";

export interface BgpNotes {
  bfd(sessions: readonly BfdSpec[]): void;
  event(name: string, fields: Readonly<Record<string, unknown>>): void;
  peer(report: BgpPeerReport): void;
  peerGone(name: string): void;
}

export interface BgpParts {
  readonly loop: Loop;
  readonly notes: BgpNotes;
  readonly speaker: BgpSpeaker;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
}

export interface BgpQuestion {
  readonly of: "bgp-routes";
  readonly prefix: string | undefined;
  readonly peer: string | undefined;
  readonly most: number;
}
export interface BgpAnswer {
  readonly of: "bgp-routes";
  readonly routes: readonly BgpRouteReport[];
  readonly more: number;
}

export class BgpDriver implements Disposable {
  readonly #parts: BgpParts;
  readonly #route = new RouteSocket();
  readonly #shares: Shares;
  readonly #interfaces: Interfaces;
  readonly #gateways: Gateways;
  readonly #kernel: KernelRoutes;
  readonly #connections: Connections;
  readonly #listeners: Listeners;
  readonly #discovery: RouterDiscovery;
  readonly #watch: Disposable;
  /** Routers found on interfaces. */
  readonly #discovered = new Map<string, Ip>();
  readonly #bfd = new Map<string, BfdReport>();
  readonly #changed = new Set<string>();
  readonly #tracers = new Set<Tracer>();
  readonly #events: Event[] = [];
  #plan: BgpPlan | undefined;
  #feeding = false;
  #wake: { readonly at: Instant; readonly timer: Disposable } | undefined;
  #reporting: Disposable | undefined;
  #withdrawn: (() => void) | undefined;
  #epoch = 0;

  constructor(parts: BgpParts) {
    this.#parts = parts;
    const { loop, speaker, random } = parts;
    const warn = (name: string, fields: Readonly<Record<string, unknown>>): void => this.#event("warn", name, fields);
    this.#shares = new Shares(loop, () => this.#feed({ kind: "wake" }));
    // Before anything is listed, so that no change falls between; its own routes are no news to it.
    const topics = ["links", "addresses", "routes"] as const;
    this.#watch = watch(loop, topics, { changed: (change) => this.#kernelChanged(change) }, this.#route.port);
    this.#interfaces = new Interfaces(this.#route, { moved: (ifname, up) => this.#moved(ifname, up) });
    this.#gateways = new Gateways(loop, this.#route, this.#interfaces, {
      reached: (ip, metric) => this.#feed({ kind: "next-hop", ip, metric }),
      rerouted: (ip, ifname) => this.#kernel.rerouted(ip, ifname),
    });
    this.#kernel = new KernelRoutes({
      loop,
      route: this.#route,
      shares: this.#shares,
      next: (most) => speaker.nextRoutes(most),
      gateway: (ip, ifname) => this.#gateways.of(ip, ifname),
      warn,
    });
    this.#connections = new Connections({
      loop,
      shares: this.#shares,
      speaker,
      interfaces: this.#interfaces,
      plan: () => this.#plan,
      feed: (event) => this.#feed(event),
      guarded: (remote, { session }) => this.#listeners.guards(remote.ip, session.auth),
      warn,
    });
    this.#listeners = new Listeners(loop, this.#connections, { warn });
    this.#discovery = new RouterDiscovery({
      loop,
      interfaces: this.#interfaces,
      random,
      discovered: (ifname, address) => this.#found(ifname, address),
      warn,
    });
  }

  plan(plan: BgpPlan): void {
    const first = this.#plan === undefined;
    this.#plan = plan;
    this.#kernel.plan(plan.install);
    if (first && plan.restarting && plan.peers.some(calls)) this.#listeners.hold(LISTEN_AFTER);
    // Keys first: the speaker may call, and be called, at once.
    this.#listeners.plan(plan, this.#discovered);
    this.#feed({ kind: "plan", plan });
  }

  bfd(report: BfdReport): void {
    const before = this.#bfd.get(report.id);
    this.#bfd.set(report.id, report);
    const { id } = report;
    this.#feed({ kind: "bfd", id, up: report.state === "up", wasUp: pathFailed(before, report) });
  }

  withdraw(grace: Ms, done: () => void): void {
    this.#withdrawn = done;
    this.#feed({ kind: "withdraw", until: after(this.#parts.loop.now(), grace) });
  }

  stop(keep: boolean, done: () => void): void {
    if (keep) this.#kernel.keep();
    this.#listeners.plan(undefined, this.#discovered);
    this.#feed({ kind: "stop", keep, why: keep ? "restarting" : "stopped" });
    this.#report();
    this.#connections.whenGone(STOP_WITHIN, done);
  }

  ask(question: BgpQuestion | { readonly of: string }): BgpAnswer | undefined {
    if (!isRoutes(question)) return undefined;
    const { prefix, peer, most } = question;
    const found = this.#parts.speaker.routes({
      prefix: prefix === undefined ? undefined : prefixOf(prefix),
      peer,
      most,
    });
    return { of: "bgp-routes", ...found };
  }

  trace(peer: string | undefined, line: (line: TraceLine) => void): Disposable {
    const tracer = { peer, line };
    const first = ![...this.#tracers].some((each) => each.peer === peer);
    this.#tracers.add(tracer);
    if (first) this.#feed({ kind: "trace", peer, on: true });
    return {
      [Symbol.dispose]: () => {
        if (!this.#tracers.delete(tracer)) return;
        if (![...this.#tracers].some((each) => each.peer === peer)) this.#feed({ kind: "trace", peer, on: false });
      },
    };
  }

  clear(peer: string, how: "hard" | "refresh-in" | "refresh-out"): boolean {
    if (!this.#parts.speaker.peers().includes(peer)) return false;
    this.#feed({ kind: "clear", peer, how });
    return true;
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.#discovery[Symbol.dispose]();
    this.#listeners[Symbol.dispose]();
    this.#connections[Symbol.dispose]();
    this.#gateways[Symbol.dispose]();
    this.#kernel[Symbol.dispose]();
    this.#shares[Symbol.dispose]();
    this.#wake?.timer[Symbol.dispose]();
    this.#reporting?.[Symbol.dispose]();
    this.#route[Symbol.dispose]();
  }

  /** One mutation, then all its actions, then the next. */
  #feed(event: Event): void {
    this.#events.push(event);
    if (this.#feeding) return;
    this.#feeding = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        for (const action of this.#parts.speaker.handle(next, this.#parts.loop.now())) this.#perform(action);
      }
    } finally {
      this.#feeding = false;
    }
    this.#arm();
  }

  #arm(): void {
    const { loop, speaker } = this.#parts;
    const at = speaker.nextWake();
    if (at === this.#wake?.at) return;
    this.#wake?.timer[Symbol.dispose]();
    this.#wake = undefined;
    if (at === undefined) return;
    const wake = (): void => {
      this.#wake = undefined;
      this.#feed({ kind: "wake" });
    };
    this.#wake = { at, timer: loop.wakeAt(at, wake) };
  }

  #perform(action: Action): void {
    switch (action.kind) {
      case "connect":
        return this.#connections.connect(action.connection, action.call);
      case "send":
        return this.#connections.send(action.connection, action.bytes);
      case "close":
        return this.#connections.close(action.connection, action.reset);
      case "updates":
        return this.#connections.updates(action.connection);
      case "routes":
        return this.#kernel.changed();
      case "converged":
        return this.#kernel.converged();
      case "bfd":
        return this.#wantBfd(action.sessions);
      case "discover":
        return this.#discovery.plan(action.ifnames);
      case "track":
        return this.#gateways.track(action.ip, action.ifname, action.wanted);
      case "changed":
        return this.#reportSoon(action.peer);
      case "gone":
        this.#changed.delete(action.peer);
        return this.#parts.notes.peerGone(action.peer);
      case "withdrawn": {
        const done = this.#withdrawn;
        this.#withdrawn = undefined;
        return done?.();
      }
      case "trace":
        return this.#traced(action.peer, action.direction, action.text);
      case "event":
        return this.#event(action.level, action.name, action.fields);
      default:
        return unreachable(action);
    }
  }

  #wantBfd(sessions: readonly BfdSpec[]): void {
    const ids = new Set(sessions.map(({ id }) => id));
    for (const id of this.#bfd.keys()) if (!ids.has(id)) this.#bfd.delete(id);
    this.#parts.notes.bfd(sessions);
  }

  #kernelChanged(change: Change): void {
    this.#interfaces.changed(change);
    switch (change.kind) {
      case "route":
      case "address":
        if (change.gone) this.#kernel.check();
        else if (change.kind === "route") this.#kernel.touched(change.route);
        return this.#gateways.changed();
      case "link":
      case "resync":
        this.#kernel.check();
        return this.#gateways.changed();
      case "rule":
      case "neighbour":
        return; // not watched
      default:
        unreachable(change);
    }
  }

  #moved(ifname: string, up: boolean): void {
    this.#feed({ kind: "link", ifname, up });
    this.#discovery.moved(ifname, up);
  }

  #found(ifname: string, address: Ip | undefined): void {
    if (address === undefined) {
      if (!this.#discovered.delete(ifname)) return;
    } else this.#discovered.set(ifname, address);
    if (this.#plan !== undefined) this.#listeners.plan(this.#plan, this.#discovered);
    this.#feed({ kind: "discovered", ifname, address });
  }

  #reportSoon(peer: string): void {
    const { loop } = this.#parts;
    this.#changed.add(peer);
    this.#reporting ??= loop.wakeAt(after(loop.now(), REPORT_AFTER), () => this.#report());
  }
  #report(): void {
    this.#reporting?.[Symbol.dispose]();
    this.#reporting = undefined;
    const { notes, speaker } = this.#parts;
    const epoch = this.#epochNow();
    for (const peer of this.#changed) {
      const report = speaker.report(peer, epoch);
      if (report !== undefined) notes.peer(report);
    }
    this.#changed.clear();
  }

  /** Taken anew when somebody has set the clock, not for its last digits: a moment that is told twice is the same one. */
  #epochNow(): number {
    const epoch = Date.now() - this.#parts.loop.now();
    if (Math.abs(epoch - this.#epoch) > CLOCK_SET) this.#epoch = epoch;
    return this.#epoch;
  }

  #traced(peer: string, direction: TraceLine["direction"], text: string): void {
    const line: TraceLine = { at: Date.now(), protocol: "bgp", peer, direction, text };
    for (const tracer of this.#tracers) {
      if (tracer.peer === undefined || tracer.peer === peer || tracer.peer === this.#addressOf(peer)) tracer.line(line);
    }
  }
  #addressOf(peer: string): string | undefined {
    return this.#parts.speaker.report(peer, 0)?.address;
  }

  #event(level: "info" | "warn", name: string, fields: Readonly<Record<string, unknown>>): void {
    this.#parts.notes.event(name, { ...fields, level });
  }
}

/** The port is closed meanwhile: whoever calls is refused at once, and tries again. */
function calls({ mode, adminDown }: BgpPlan["peers"][number]): boolean {
  return mode !== "passive" && !adminDown;
}

interface Tracer {
  readonly peer: string | undefined;
  readonly line: (line: TraceLine) => void;
}

function isRoutes(question: { readonly of: string }): question is BgpQuestion {
  return question.of === "bgp-routes";
}

/** Changes of a busy peer's counters come by the turn; nobody reads as fast. */
const REPORT_AFTER = ms(50);
const LISTEN_AFTER = ms(1000);
/** Milliseconds; slewing takes hours for it. */
const CLOCK_SET = 1000;
/** Milliseconds for the peers to take our last words. */
const STOP_WITHIN = 1500;
