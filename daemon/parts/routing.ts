/**
 * The routing process (BGP, OSPF) as control sees it: started while there is something to route, told what, asked, and
 * ended.  After a crash of it, or of control, it restarts gracefully: peers keep our routes and the kernel our addresses.
 */

import type { Clock } from "../../base/clock.ts";
import { unreachable } from "../../base/result.ts";
import type { TraceLine } from "../../base/trace.ts";
import { after, type Ms, seconds } from "../../base/unit.ts";
import type { BfdReport, BfdSpec } from "../../netstack/bfd/plan.ts";
import type { BgpPeerReport } from "../../netstack/bgp/plan.ts";
import type { OspfInterfaceReport } from "../../netstack/ospf/plan.ts";
import type { ProcessStatus } from "../admin/api.ts";
import { sameContent } from "../config/canonical.ts";
import type { Events } from "../events.ts";
import type {
  FromRouting,
  RoutedVipReport,
  RoutingAnswer,
  RoutingPlan,
  RoutingQuestion,
  ToRouting,
} from "../routing/words.ts";
import { nearLimits } from "../status/routing-conditions.ts";
import type { Supervised } from "../supervisor/child.ts";
import type { Phase } from "../supervisor/machine.ts";
import { Questions } from "./questions.ts";
import type { RoutingMemory } from "./routing-memory.ts";
import { levelOf } from "./vips.ts";
import { Withdrawal } from "./withdrawal.ts";

export type RoutingChild = Supervised<ToRouting, FromRouting>;

export interface RoutingParts {
  readonly supervise: (received: (message: FromRouting) => void, moved: (to: Phase) => void) => RoutingChild;
  readonly memory: RoutingMemory;
  /** undefined: the process has ended. */
  readonly bfd: (sessions: readonly BfdSpec[] | undefined) => void;
  readonly traced: (message: { readonly n: number; readonly line: TraceLine }) => void;
  /** The process has begun and knows nothing. */
  readonly greeted: () => void;
  readonly clock: Clock;
  readonly wall: () => number;
  readonly events: Events;
  readonly changed: () => void;
}

export interface RoutedReported {
  readonly report: RoutedVipReport;
  readonly since: number;
}

export class Routing {
  readonly #parts: RoutingParts;
  readonly #child: RoutingChild;
  readonly #questions: Questions<RoutingQuestion, RoutingAnswer>;
  readonly #withdrawal: Withdrawal;
  readonly #vips = new Map<string, RoutedReported>();
  readonly #peers = new Map<string, BgpPeerReport>();
  readonly #interfaces = new Map<string, OspfInterfaceReport>();
  #plan: RoutingPlan | undefined;
  #sent: RoutingPlan | undefined;
  /** The process that ran last was not ended: what it announced is still in the kernel and at the peers. */
  #left: boolean;
  #restarting = false;
  #routerId: string | undefined;
  /** Withdrawn is withdrawn: a new plan could bring the routes back. */
  #leaving = false;

  constructor(parts: RoutingParts) {
    this.#parts = parts;
    this.#left = parts.memory.wasRunning;
    this.#withdrawal = new Withdrawal(parts.clock);
    this.#questions = new Questions(parts.clock, (n, question) => this.tell({ kind: "ask", n, question }));
    this.#child = parts.supervise(
      (message) => this.#received(message),
      (to) => this.#moved(to),
    );
  }

  /** What runs already is taken over before there is a plan. */
  adopt(): void {
    if (this.#child.adopt()) this.#left = true;
  }
  /** It was taken over, and has not told everything yet. */
  get telling(): boolean {
    return this.#child.telling;
  }

  /** `routerId` as it was derived, to be remembered. */
  want(plan: RoutingPlan | undefined, routerId: string | undefined): void {
    this.#plan = plan;
    this.#routerId = routerId;
    if (plan === undefined) {
      if (this.#child.phase !== "stopped" && this.#child.phase !== "stopping") void this.#end(false, END_WITHIN);
      return;
    }
    this.#prune(plan);
    if (this.#child.phase === "stopped" && !this.#leaving) this.#child.start();
    this.#push();
  }

  get plan(): RoutingPlan | undefined {
    return this.#plan;
  }
  get phase(): Phase {
    return this.#child.phase;
  }
  get vips(): ReadonlyMap<string, RoutedReported> {
    return this.#vips;
  }
  get peers(): ReadonlyMap<string, BgpPeerReport> {
    return this.#peers;
  }
  get interfaces(): readonly OspfInterfaceReport[] {
    return [...this.#interfaces.values()];
  }
  get rememberedRouterId(): string | undefined {
    return this.#parts.memory.routerId;
  }
  /** Something of its is or may be in the kernel, or at peers. */
  get left(): boolean {
    return this.#left;
  }
  /** What an earlier life left has been removed: the next start of the process begins anew. */
  forget(): void {
    this.#left = false;
    this.#parts.memory.keep(false, this.#parts.memory.routerId);
  }
  /** There is nothing to route, or the process runs and has said something about each virtual IP of the plan. */
  applied(): boolean {
    if (this.#plan === undefined) return true;
    return this.#child.phase === "up" && this.#plan.vips.every(({ name }) => this.#vips.has(name));
  }
  alive(): boolean {
    return this.#child.phase !== "silent";
  }
  /** undefined: it is not wanted. */
  status(memory: (pid: number) => number | undefined): ProcessStatus | undefined {
    return this.#child.phase === "stopped" ? undefined : this.#child.status(memory);
  }

  tell(message: ToRouting): boolean {
    if (this.#child.phase !== "up" && this.#child.phase !== "silent") return false;
    this.#child.send(message);
    return true;
  }
  heard(report: BfdReport): void {
    this.tell({ kind: "bfd", report });
  }
  /** undefined: the process does not run, or does not answer. */
  ask(question: RoutingQuestion): Promise<RoutingAnswer | undefined> {
    return this.#questions.ask(question);
  }

  /** Resolves when nothing is announced any more, or after `within` above the grace. */
  withdraw(grace: Ms, within: Ms): Promise<void> {
    this.#leaving = true;
    if (this.#child.phase !== "up") return Promise.resolve();
    const { clock, events } = this.#parts;
    const over = this.#withdrawal.wait(after(after(clock.now(), grace), within), () =>
      events.emit("routing.withdrawal-unconfirmed", { within }, "warn"),
    );
    this.#child.send({ kind: "withdraw", grace });
    return over;
  }

  /** Nothing is planned any more: what is announced stays as it is until `stop`. */
  hold(): void {
    this.#leaving = true;
  }
  /** For good.  `keep`: as a graceful restart; the next process takes over what this one leaves. */
  stop(keep: boolean, within: Ms): Promise<void> {
    this.hold();
    return this.#end(keep, within);
  }

  async #end(keep: boolean, within: Ms): Promise<void> {
    if (!keep) {
      this.#left = false;
      this.#parts.memory.keep(false, this.#routerId);
    }
    await this.#child.stop({ kind: "stop", keep }, within);
    if (!keep) this.#parts.bfd(undefined);
  }

  #push(): void {
    if (this.#plan === undefined || this.#leaving || this.#child.phase !== "up") return;
    const restarting = this.#restarting;
    const { bgp, ospf, vips } = this.#plan;
    const plan: RoutingPlan = {
      bgp: bgp === undefined ? undefined : { ...bgp, restarting },
      ospf: ospf.map((each) => ({ ...each, restarting })),
      vips,
    };
    if (this.#sent !== undefined && sameContent(this.#sent, plan)) return;
    this.#sent = plan;
    this.#child.send({ kind: "plan", plan });
  }

  /** Reports on what the plan does not have any more are nobody's. */
  #prune({ vips, bgp }: RoutingPlan): void {
    const names = new Set(vips.map(({ name }) => name));
    for (const name of this.#vips.keys()) if (!names.has(name)) this.#vips.delete(name);
    if (bgp === undefined) this.#peers.clear();
  }

  #moved(to: Phase): void {
    if (to === "starting" && !this.#child.adopted) {
      this.#restarting = this.#left;
      this.#left = true;
      this.#parts.memory.keep(true, this.#routerId);
    }
    if (to === "backoff" || to === "stopped") {
      this.#sent = undefined;
      this.#vips.clear();
      this.#peers.clear();
      this.#interfaces.clear();
      this.#questions.ended();
      this.#withdrawal.over();
    }
    // Wanted again while it was ending.
    if (to === "stopped" && this.#plan !== undefined && !this.#leaving) queueMicrotask(() => this.#again());
    this.#parts.changed();
  }
  #again(): void {
    if (this.#plan !== undefined && !this.#leaving && this.#child.phase === "stopped") this.#child.start();
  }

  #received(message: FromRouting): void {
    const { events, changed, wall, bfd, traced, greeted } = this.#parts;
    switch (message.kind) {
      case "hello":
        this.#push();
        greeted();
        return changed();
      case "bfd":
        return bfd(message.sessions);
      case "bgp-peer":
        this.#peerMoved(message.peer);
        return;
      case "bgp-peer-gone":
        this.#peers.delete(message.name);
        return changed();
      case "ospf-interface":
        this.#interfaceMoved(message.interface);
        return;
      case "ospf-interface-gone":
        this.#interfaces.delete(`${message.version}/${message.ifname}`);
        return changed();
      case "vip":
        this.#vipMoved(message.vip, wall());
        return changed();
      case "answer":
        return this.#questions.answered(message.n, message.answer);
      case "trace":
        return traced(message);
      case "withdrawn":
        events.emit("routing.withdrawn");
        return this.#withdrawal.over();
      case "event":
        return events.emit(message.name, message.fields, levelOf(message.fields));
      case "pong":
        return;
      default:
        unreachable(message);
    }
  }

  /** Counters change all the time; control looks again when a state does.  What moved, the process has told itself. */
  #peerMoved(peer: BgpPeerReport): void {
    const before = this.#peers.get(peer.name);
    this.#peers.set(peer.name, peer);
    const spec = this.#plan?.bgp?.peers.find(({ name }) => name === peer.name);
    const near = (report: BgpPeerReport | undefined): boolean =>
      spec !== undefined && report !== undefined && nearLimits(spec, report) !== undefined;
    const same = before?.state === peer.state && before.lastError === peer.lastError;
    if (same && near(before) === near(peer)) return;
    this.#parts.changed();
  }

  #interfaceMoved(report: OspfInterfaceReport): void {
    const key = `${report.version}/${report.ifname}`;
    const before = this.#interfaces.get(key);
    this.#interfaces.set(key, report);
    const states = ({ neighbors }: OspfInterfaceReport): Map<string, string> =>
      new Map(neighbors.map(({ routerId, state }) => [routerId, state]));
    const [was, is] = [before === undefined ? new Map<string, string>() : states(before), states(report)];
    for (const neighbor of new Set([...was.keys(), ...is.keys()])) {
      const [from, to] = [was.get(neighbor), is.get(neighbor)];
      if (from === to || (from !== "full" && to !== "full")) continue;
      const { version, ifname } = report;
      this.#parts.events.emit("ospf.moved", { version, ifname, neighbor, from, to }, to === "full" ? "info" : "warn");
    }
    const guards = (one: OspfInterfaceReport | undefined) => one?.neighbors.map(({ bfd }) => bfd);
    const same = sameContent([...was], [...is]) && sameContent(guards(before), guards(report));
    if (before?.state !== report.state || !same) this.#parts.changed();
  }

  #vipMoved(report: RoutedVipReport, at: number): void {
    const before = this.#vips.get(report.name);
    const same = before?.report.state === report.state;
    this.#vips.set(report.name, { report, since: same ? before.since : at });
    if (same) return;
    const { name, state, why } = report;
    const level = state === "failed" ? "error" : "info";
    this.#parts.events.emit("vip.moved", { vip: name, from: before?.report.state, to: state, why }, level);
  }
}

const END_WITHIN = seconds(5);
