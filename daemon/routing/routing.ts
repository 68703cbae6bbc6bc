/**
 * The routing process on a loop: protocol engines, the addresses that they announce, and what control asks of both.
 * A network of the plan that is the address of a virtual IP is announced while that is eligible and bound, any other
 * always.
 */
import { formatPrefix, type Ip, prefixOf } from "../../base/address.ts";
import { unreachable } from "../../base/result.ts";
import { bounded } from "../../base/trace.ts";
import { after, type Ms, ms } from "../../base/unit.ts";
import type { BfdSpec } from "../../netstack/bfd/plan.ts";
import { BgpDriver } from "../../netstack/bgp/driver/bgp-driver.ts";
import { rehearse } from "../../netstack/bgp/driver/rehearsing.ts";
import type { BgpPlan } from "../../netstack/bgp/plan.ts";
import { Speaker } from "../../netstack/bgp/speaker.ts";
import type { Loop } from "../../netstack/kernel/loop.ts";
import { OspfDriver } from "../../netstack/ospf/driver/ospf-driver.ts";
import type { OspfInterfaceReport, OspfPlan } from "../../netstack/ospf/plan.ts";
import { Anycast } from "./anycast.ts";
import type { EngineNotes, RoutingEngine } from "./engine.ts";
import { Hearers } from "./hearers.ts";
import { Listeners } from "./listeners.ts";
import { Silence } from "./silence.ts";
import type {
  FromRouting,
  RoutedVip,
  RoutedVipReport,
  RoutingAnswer,
  RoutingPlan,
  RoutingQuestion,
  ToRouting,
} from "./words.ts";

export interface RoutingParts {
  readonly loop: Loop;
  readonly tell: (message: FromRouting) => void;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  /** The process shall end: everything is said and done. */
  readonly ended: () => void;
}

type Command = Exclude<ToRouting, { readonly kind: "ping" }>;

export class Routing implements Disposable {
  readonly #parts: RoutingParts;
  readonly #anycast: Anycast;
  #bgp: RoutingEngine<BgpPlan> | undefined;
  readonly #ospf = new Map<2 | 3, RoutingEngine<OspfPlan>>();
  /** BFD sessions by who wants them. */
  readonly #bfd = new Map<string, readonly BfdSpec[]>();
  readonly #traces = new Map<number, Traced>();
  readonly #hearers = new Hearers(() => {
    if (!this.#stopping) this.#reportVips();
  });
  readonly #reported = new Map<string, string>();
  readonly #listeners = new Listeners((why) => this.#event("routing.listeners-unknown", { why, level: "warn" }));
  readonly #silence: Silence;
  #rehearsal: Disposable | undefined;
  #plan: RoutingPlan | undefined;
  #withdrawing: "no" | "under way" | "done" = "no";
  #stopping = false;

  constructor(parts: RoutingParts) {
    this.#parts = parts;
    this.#anycast = new Anycast({
      loop: parts.loop,
      warn: (name, fields) => this.#event(name, { ...fields, level: "warn" }),
      moved: () => this.#apply(),
    });
    this.#silence = new Silence({
      clock: parts.loop,
      unserved: () => this.#listeners.missing(this.#plan?.vips ?? []),
      moved: (control) => {
        const vips = [...this.#silence.withdrawn];
        this.#event("routing.unserved", { vips, control, level: vips.length > 0 ? "warn" : "info" });
        this.#apply();
      },
    });
  }

  /** Another control, whose traces are its own. */
  adopted(): void {
    for (const { running } of this.#traces.values()) for (const one of running) one[Symbol.dispose]();
    this.#traces.clear();
    this.#silence.heard();
  }

  /** Control lives. */
  heard(): void {
    this.#silence.heard();
  }

  command(command: Command): void {
    switch (command.kind) {
      case "plan":
        this.#plan = command.plan;
        this.#silence.planned();
        return this.#apply();
      case "bfd":
        for (const engine of this.#engines()) engine.bfd(command.report);
        return;
      case "withdraw":
        return this.withdraw(ms(command.grace), () => this.#parts.tell({ kind: "withdrawn" }));
      case "stop":
        return this.stop(command.keep);
      case "ask":
        return this.#parts.tell({ kind: "answer", n: command.n, answer: this.#answer(command.question) });
      case "trace":
        return this.#trace(command.n, command.protocol, command.peer);
      case "untrace":
        for (const one of this.#traces.get(command.n)?.running ?? []) one[Symbol.dispose]();
        this.#traces.delete(command.n);
        return;
      case "clear":
        for (const engine of this.#engines()) engine.clear(command.peer, command.how);
        return;
      default:
        unreachable(command);
    }
  }

  /** Everything that we announce goes; addresses stay bound, for what is still under way. */
  withdraw(grace: Ms, done: () => void): void {
    this.#withdrawing = "under way";
    const finished = (): void => {
      this.#withdrawing = "done";
      this.#reportVips();
      done();
    };
    each(this.#engines(), (engine, next) => engine.withdraw(grace, next), finished);
  }

  /** What needs control is withdrawn, the rest as a restart: another control soon begins anew. */
  orphaned(): void {
    if (this.#stopping) return;
    const vips = (this.#plan?.vips ?? []).map((vip) => ({ ...vip, eligible: false, why: "CONTROL_GONE" }));
    if (this.#plan !== undefined) this.#plan = { ...this.#plan, vips };
    this.#apply();
    const { loop } = this.#parts;
    loop.wakeAt(loop.now(), () => this.#stop(true, false, LINGER));
  }

  stop(keep: boolean): void {
    // Control has seen to it that routers look elsewhere by now.
    this.#stop(keep, keep, ms(0));
  }

  [Symbol.dispose](): void {
    for (const engine of this.#engines()) engine[Symbol.dispose]();
    this.#bgp = undefined;
    this.#ospf.clear();
    this.#rehearsal?.[Symbol.dispose]();
    this.#anycast[Symbol.dispose]();
    this.#silence[Symbol.dispose]();
    this.#listeners[Symbol.dispose]();
  }

  #stop(keepRoutes: boolean, keepAddresses: boolean, linger: Ms): void {
    if (this.#stopping) return;
    this.#stopping = true;
    const { loop } = this.#parts;
    const end = (): void => {
      if (!keepAddresses) this.#anycast.clear();
      this[Symbol.dispose]();
      this.#parts.ended();
    };
    each(
      this.#engines(),
      (engine, next) => engine.stop(keepRoutes, next),
      () => (linger > 0 ? loop.wakeAt(after(loop.now(), linger), end) : end()),
    );
  }

  /** As control has it, but for what nobody serves while it is silent. */
  #effective(): RoutingPlan | undefined {
    const { withdrawn } = this.#silence;
    if (this.#plan === undefined || withdrawn.size === 0) return this.#plan;
    const vips = this.#plan.vips.map(
      (vip): RoutedVip => (withdrawn.has(vip.name) ? { ...vip, eligible: false, why: "CONTROL_SILENT" } : vip),
    );
    return { ...this.#plan, vips };
  }

  /** Addresses first, so that nothing is announced that is not here. */
  #apply(): void {
    const plan = this.#effective();
    if (plan === undefined || this.#stopping) return;
    this.#anycast.want(plan.vips.filter(({ eligible }) => eligible).flatMap(addressesOf));
    const silent = new Set(
      plan.vips.filter((vip) => !this.#isReady(vip)).flatMap((vip) => vip.addresses.map(canonical)),
    );
    const announced = <N extends { readonly prefix: string }>(networks: readonly N[]): readonly N[] =>
      silent.size === 0 ? networks : networks.filter(({ prefix }) => !silent.has(canonical(prefix)));
    this.#applyBgp(plan.bgp && { ...plan.bgp, networks: announced(plan.bgp.networks) });
    this.#applyOspf(plan.ospf.map((each) => ({ ...each, networks: announced(each.networks) })));
    this.#reportVips();
  }

  #applyBgp(plan: BgpPlan | undefined): void {
    if (plan === undefined) {
      this.#bgp?.[Symbol.dispose]();
      if (this.#bgp !== undefined) this.#wantBfd("bgp", []);
      this.#hearers.noPeers();
      this.#bgp = undefined;
      return;
    }
    if (this.#bgp === undefined) {
      this.#bgp = this.#openBgp();
      this.#traceNew(this.#bgp, "bgp");
    }
    // What is bound already was left by an earlier life: this host has gone on forwarding (RFC 4724 §4.1).
    this.#bgp.plan({ ...plan, restarting: plan.restarting || this.#anycast.found > 0 });
    // Peers have been called, and take their time to answer.
    this.#rehearsal ??= rehearse(this.#parts.loop);
  }

  #openBgp(): RoutingEngine<BgpPlan> {
    const { loop, tell, random } = this.#parts;
    return new BgpDriver({
      loop,
      random,
      speaker: new Speaker(random),
      notes: {
        ...this.#notes("bgp"),
        peer: (peer) => {
          tell({ kind: "bgp-peer", peer });
          this.#hearers.peer(peer);
        },
        peerGone: (name) => {
          tell({ kind: "bgp-peer-gone", name });
          this.#hearers.peerGone(name);
        },
      },
    });
  }

  #applyOspf(plans: readonly OspfPlan[]): void {
    for (const [version, engine] of this.#ospf) {
      if (plans.some((each) => each.version === version)) continue;
      engine[Symbol.dispose]();
      this.#ospf.delete(version);
      this.#wantBfd(`ospf${version}`, []);
    }
    for (const plan of plans) {
      const running = this.#ospf.get(plan.version);
      if (running !== undefined) {
        running.plan(plan);
        continue;
      }
      const engine = this.#openOspf(plan);
      this.#ospf.set(plan.version, engine);
      this.#traceNew(engine, "ospf");
    }
  }

  #openOspf(plan: OspfPlan): RoutingEngine<OspfPlan> {
    const { loop, tell } = this.#parts;
    const notes = {
      ...this.#notes(`ospf${plan.version}`),
      report: (report: OspfInterfaceReport): void => {
        tell({ kind: "ospf-interface", interface: report });
        this.#hearers.interface(report);
      },
      reportGone: (version: 2 | 3, ifname: string): void => {
        tell({ kind: "ospf-interface-gone", version, ifname });
        this.#hearers.interfaceGone(version, ifname);
      },
    };
    return new OspfDriver(loop, plan, notes, () => Date.now());
  }

  #notes(engine: string): EngineNotes {
    return {
      bfd: (sessions) => this.#wantBfd(engine, sessions),
      event: (name, fields) => this.#event(name, fields),
    };
  }

  #wantBfd(engine: string, sessions: readonly BfdSpec[]): void {
    this.#bfd.set(engine, sessions);
    this.#parts.tell({ kind: "bfd", sessions: [...this.#bfd.values()].flat() });
  }

  #isReady(vip: RoutedVip): boolean {
    return vip.eligible && addressesOf(vip).every((ip) => this.#anycast.hindrance(ip) === undefined);
  }

  #reportVips(): void {
    const vips = this.#effective()?.vips ?? [];
    for (const vip of vips) {
      const report = this.#vipReport(vip);
      const text = JSON.stringify(report);
      if (this.#reported.get(vip.name) === text) continue;
      this.#reported.set(vip.name, text);
      this.#parts.tell({ kind: "vip", vip: report });
    }
    for (const name of this.#reported.keys()) {
      if (!vips.some((each) => each.name === name)) this.#reported.delete(name);
    }
  }

  #vipReport(vip: RoutedVip): RoutedVipReport {
    const { name } = vip;
    if (this.#withdrawing === "done") return { name, state: "withdrawn", why: "DRAINED" };
    if (!vip.eligible) return { name, state: "withdrawn", why: vip.why };
    const hindered = addressesOf(vip).flatMap((ip) => this.#anycast.hindrance(ip) ?? []);
    if (hindered.length > 0) return { name, state: "failed", why: hindered.join("; ") };
    const plan = this.#plan;
    const prefixes = vip.addresses.map(canonical);
    const are = prefixes.map((prefix) => (plan === undefined ? "not told" : this.#hearers.of(prefix, plan)));
    if (are.every((each) => each === "not told")) return { name, state: "bound", why: "NO_NETWORK" };
    if (are.every((each) => each === "heard")) return { name, state: "announced", why: vip.why };
    if (!are.includes("heard")) return { name, state: "bound", why: "NO_PEER" };
    const silent = prefixes.filter((_, index) => are[index] !== "heard");
    return { name, state: "bound", why: `NO_PEER ${silent.join(", ")}` };
  }

  #answer(question: RoutingQuestion): RoutingAnswer {
    const answers = this.#engines().flatMap((engine) => engine.ask(question) ?? []);
    switch (question.of) {
      case "bgp-routes":
        return answers.find((each) => each.of === question.of) ?? { of: "bgp-routes", routes: [], more: 0 };
      case "ospf-lsdb":
        return { of: question.of, lsas: answers.flatMap((each) => (each.of === "ospf-lsdb" ? each.lsas : [])) };
      case "ospf-routes":
        return { of: question.of, routes: answers.flatMap((each) => (each.of === "ospf-routes" ? each.routes : [])) };
      default:
        return unreachable(question);
    }
  }

  #trace(n: number, protocol: "bgp" | "ospf", peer: string | undefined): void {
    const traced = { n, protocol, peer, running: [] };
    this.#traces.set(n, traced);
    const engines = protocol === "bgp" ? [this.#bgp].filter((one) => one !== undefined) : [...this.#ospf.values()];
    for (const engine of engines) this.#traceOn(engine, traced);
  }
  #traceOn(engine: RoutingEngine<never>, { n, peer, running }: Traced): void {
    running.push(
      engine.trace(
        peer,
        bounded((line) => this.#parts.tell({ kind: "trace", n, line })),
      ),
    );
  }
  /** Somebody asked before there was anything to ask. */
  #traceNew(engine: RoutingEngine<never>, protocol: "bgp" | "ospf"): void {
    for (const traced of this.#traces.values()) if (traced.protocol === protocol) this.#traceOn(engine, traced);
  }

  #engines(): readonly RoutingEngine<never>[] {
    return [...(this.#bgp === undefined ? [] : [this.#bgp]), ...this.#ospf.values()];
  }

  #event(name: string, fields: Readonly<Record<string, unknown>>): void {
    this.#parts.tell({ kind: "event", name, fields });
  }
}

interface Traced {
  readonly n: number;
  readonly protocol: "bgp" | "ospf";
  readonly peer: string | undefined;
  readonly running: Disposable[];
}

/** Starts all, and calls `finished` when the last has called its `next`. */
function each<T>(all: readonly T[], start: (one: T, next: () => void) => void, finished: () => void): void {
  let left = all.length;
  if (left === 0) return finished();
  for (const one of all) {
    start(one, () => {
      if (--left === 0) finished();
    });
  }
}

function addressesOf(vip: RoutedVip): readonly Ip[] {
  return vip.addresses.map((text) => prefixOf(text).ip);
}
function canonical(text: string): string {
  return formatPrefix(prefixOf(text));
}
/** Routers need a moment to send elsewhere; the next control waits for this process to end. */
const LINGER = ms(500);
