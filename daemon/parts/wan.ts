/**
 * The wan process, and the paths and choices of pulse, as control sees them: what both shall do, what they report, and the
 * decisions with their reasons.  What one finds out is told to the other here.
 */
import type { Clock } from "../../base/clock.ts";
import type { Level } from "../../base/log.ts";
import { unreachable } from "../../base/result.ts";
import { after, type Ms, seconds } from "../../base/unit.ts";
import type { ChoiceReport, Decision, PathReport, PathSpec, SteerPlan } from "../../sdwan/steer-plan.ts";
import type { LinkReport, TunnelReport, UnderlayPlan } from "../../sdwan/underlay-plan.ts";
import type { ProcessStatus } from "../admin/api.ts";
import { sameContent } from "../config/canonical.ts";
import { tunnelKey } from "../desired/facts.ts";
import type { WanPlan } from "../desired/wan.ts";
import type { Events } from "../events.ts";
import type { FromPulseOnPaths, ToPulse } from "../pulse/words.ts";
import type { Supervised } from "../supervisor/child.ts";
import type { Phase } from "../supervisor/machine.ts";
import type { FromWan, ToWan, WanAnswer, WanQuestion } from "../wan/words.ts";
import { Questions } from "./questions.ts";
import { levelOf } from "./vips.ts";
import { WanCounters } from "./wan-counters.ts";
import type { WanRecords } from "./wan-records.ts";
import { WanShields } from "./wan-shields.ts";

export interface WanParts {
  readonly supervise: (received: (message: FromWan) => void, moved: (to: Phase) => void) => Supervised<ToWan, FromWan>;
  /** false: pulse does not run; all is said again when it does. */
  readonly pulse: (message: ToPulse) => boolean;
  readonly clock: Clock;
  readonly events: Events;
  /** Milliseconds since the epoch. */
  readonly wall: () => number;
  readonly changed: () => void;
  /** Figures, to be kept for replays. */
  readonly records: Pick<WanRecords, "add" | "forget" | "flush">;
}

export class Wan {
  readonly #parts: WanParts;
  readonly #child: Supervised<ToWan, FromWan>;
  readonly #questions: Questions<WanQuestion, WanAnswer>;
  readonly counters = new WanCounters();
  readonly links = new Map<string, LinkReport>();
  /** By `tunnelKey`. */
  readonly tunnels = new Map<string, TunnelReport>();
  readonly paths = new Map<string, PathReport>();
  readonly choices = new Map<string, ChoiceReport>();
  /** Class → token: what the ruleset in the kernel knows of the data plane's connections. */
  proxied: ReadonlyMap<string, number> = new Map();
  readonly shields: WanShields;
  #plan: WanPlan | undefined;
  /** `plan` is what control wants; before that it may be anything. */
  #wanted = false;
  #steer: SteerPlan = NOTHING;
  #sentUnderlay: UnderlayPlan | undefined;
  /** undefined: pulse may have anything. */
  #sentSteer: SteerPlan | undefined = NOTHING;
  /** Everything that plans depend on has been reported once, or took too long. */
  #known = false;
  #waiting: Disposable | undefined;
  #leaving = false;

  constructor(parts: WanParts) {
    this.#parts = parts;
    this.shields = new WanShields(parts.events, (message) => this.tell(message), parts.wall);
    this.#questions = new Questions(parts.clock, (n, question) => this.tell({ kind: "ask", n, question }));
    this.#child = parts.supervise(
      (message) => this.#received(message),
      (to) => this.#moved(to),
    );
  }

  /** `session`: the BFD session that was made of a wish. */
  want(plan: WanPlan | undefined, session: (wish: string) => string | undefined): void {
    this.#wanted = true;
    this.#plan = plan;
    this.#steer = plan === undefined ? NOTHING : withSessions(plan.steer, session);
    if (plan === undefined) {
      this.#known = false;
      this.#forget();
      this.#steered();
      if (this.#child.phase !== "stopped" && this.#child.phase !== "stopping") void this.#end(false, END_WITHIN);
      return;
    }
    this.#prune(plan);
    if (this.#child.phase === "stopped" && !this.#leaving) this.#child.start();
    this.#push();
    this.#steered();
  }

  get plan(): WanPlan | undefined {
    return this.#plan;
  }
  /** There are no links, or the process runs and has said something about each. */
  applied(): boolean {
    if (this.#plan === undefined) return true;
    return this.#child.phase === "up" && this.#plan.underlay.links.every(({ name }) => this.links.has(name));
  }
  alive(): boolean {
    return this.#child.phase !== "silent";
  }
  get phase(): Phase {
    return this.#child.phase;
  }
  /** undefined: it is not wanted. */
  status(memory: (pid: number) => number | undefined): ProcessStatus | undefined {
    return this.#child.phase === "stopped" ? undefined : this.#child.status(memory);
  }

  tell(message: ToWan): boolean {
    if (this.#child.phase !== "up" && this.#child.phase !== "silent") return false;
    this.#child.send(message);
    return true;
  }
  /** undefined: the process does not run, or does not answer. */
  ask(question: WanQuestion): Promise<WanAnswer | undefined> {
    return this.#questions.ask(question);
  }

  /** What runs already is taken over before there is a plan: plans depend on what it reports. */
  adopt(): void {
    this.#child.adopt();
  }
  /** It was taken over, and has not told everything yet. */
  get telling(): boolean {
    return this.#child.telling;
  }

  /** Pulse has just begun and knows nothing, or it has what an earlier control wanted. */
  greet(adopted: boolean): void {
    this.#sentSteer = adopted ? undefined : NOTHING;
    this.shields.forget();
    this.#steered();
  }

  heard(message: FromPulseOnPaths): void {
    switch (message.kind) {
      case "path":
        return this.#pathMoved(message.report);
      case "path-gone":
        this.paths.delete(message.id);
        this.#parts.records.forget(message.id);
        return this.#parts.changed();
      case "choice":
        return this.#choiceMoved(message.report);
      case "choice-gone":
        this.choices.delete(message.id);
        return this.#parts.changed();
      case "decision":
        return this.#decided(message.decision);
      case "shields":
        return this.shields.heard(message.shields, message.changes);
      default:
        unreachable(message);
    }
  }

  /** For good.  `keep`: tunnels, routes and rules go on carrying traffic. */
  async stop(keep: boolean, within: Ms): Promise<void> {
    this.#leaving = true;
    await Promise.all([this.#end(keep, within), this.#parts.records.flush()]);
  }

  /** For this control, not for the process. */
  async leave(): Promise<void> {
    this.#leaving = true;
    await this.#parts.records.flush();
  }

  async #end(keep: boolean, within: Ms): Promise<void> {
    await this.#child.stop({ kind: "stop", keep }, within);
  }

  #push(): void {
    if (this.#plan === undefined || this.#leaving || this.#child.phase !== "up") return;
    const { underlay } = this.#plan;
    if (this.#sentUnderlay !== undefined && sameContent(this.#sentUnderlay, underlay)) return;
    this.#sentUnderlay = underlay;
    this.#child.send({ kind: "plan", plan: underlay });
  }

  /**
   * What tables say is what pulse takes over when it begins.  A plan that does not know gateways and tunnels yet would
   * make it undo that: so it waits for the first reports, but not for ever.
   */
  #steered(): void {
    if (this.#leaving || !this.#wanted) return;
    if (this.#plan !== undefined && !this.#known) {
      if (!this.#reported(this.#plan)) {
        const { clock } = this.#parts;
        this.#waiting ??= clock.wakeAt(after(clock.now(), LONGEST_WAIT), () => {
          this.#known = true;
          this.#steered();
        });
        return;
      }
      this.#known = true;
    }
    this.#waiting?.[Symbol.dispose]();
    this.#waiting = undefined;
    if (this.#sentSteer !== undefined && sameContent(this.#sentSteer, this.#steer)) return;
    if (this.#parts.pulse({ kind: "steer", plan: this.#steer })) this.#sentSteer = this.#steer;
  }

  #reported({ underlay }: WanPlan): boolean {
    const links = underlay.links.every(({ name }) => this.links.has(name));
    return (
      links &&
      underlay.tunnels.every(({ ifname, peers }) =>
        peers.every(({ site }) => this.tunnels.has(tunnelKey(ifname, site))),
      )
    );
  }

  /** Reports on what the plan does not have any more are nobody's. */
  #prune({ underlay, steer }: WanPlan): void {
    keep(this.links, new Set(underlay.links.map(({ name }) => name)));
    const tunnels = underlay.tunnels.flatMap(({ ifname, peers }) => peers.map(({ site }) => tunnelKey(ifname, site)));
    keep(this.tunnels, new Set(tunnels));
    keep(this.paths, new Set(steer.paths.map(({ id }) => id)));
    keep(this.choices, new Set(steer.choices.map(({ id }) => id)));
  }
  #forget(): void {
    this.proxied = new Map();
    this.shields.forget();
    for (const each of [this.links, this.tunnels, this.paths, this.choices]) each.clear();
  }

  #moved(to: Phase): void {
    if (to === "backoff" || to === "stopped") {
      // What was reported stays: links and tunnels are as they were, only nobody watches them.
      this.#sentUnderlay = undefined;
      this.#questions.ended();
    }
    // Wanted again while it was ending.
    if (to === "stopped" && this.#plan !== undefined && !this.#leaving) queueMicrotask(() => this.#again());
    this.#parts.changed();
  }
  #again(): void {
    if (this.#plan !== undefined && !this.#leaving && this.#child.phase === "stopped") this.#child.start();
  }

  #received(message: FromWan): void {
    const { events, changed } = this.#parts;
    switch (message.kind) {
      case "hello":
        this.#push();
        this.shields.order();
        this.#tellDead();
        return changed();
      case "link":
        return this.#linkMoved(message.link);
      case "link-gone":
        this.links.delete(message.name);
        return changed();
      case "tunnel":
        return this.#tunnelMoved(message.tunnel);
      case "tunnel-gone":
        this.tunnels.delete(tunnelKey(message.ifname, message.site));
        return changed();
      case "shield-counts":
        this.shields.counts = message.counts;
        return;
      case "proxied":
        this.proxied = new Map(Object.entries(message.classes));
        return changed();
      case "answer":
        return this.#questions.answered(message.n, message.answer);
      case "event":
        return events.emit(message.name, message.fields, levelOf(message.fields));
      case "stopped":
      case "pong":
        return;
      default:
        unreachable(message);
    }
  }

  #linkMoved(report: LinkReport): void {
    const before = this.links.get(report.name);
    this.links.set(report.name, report);
    // What moved, the process has told itself.  Octets are counted all the time; nothing is planned from them but what `quotaSpent` says.
    const counted = before === undefined ? undefined : { ...before, used: report.used };
    if (counted === undefined || !sameContent(counted, report)) this.#parts.changed();
  }

  #tunnelMoved(report: TunnelReport): void {
    const key = tunnelKey(report.ifname, report.site);
    const before = this.tunnels.get(key);
    this.tunnels.set(key, report);
    const { ifname, link, site, remoteLink, state, via, endpoint, found, why } = report;
    if (before?.state !== state || before.via !== via) {
      const worse = state === "down" || before?.state === "up" || via !== "direct";
      const level: Level = worse && !(state === "up" && via === "direct") ? "warn" : "info";
      const told = {
        tunnel: `${link}>${site}/${remoteLink}`,
        ifname,
        from: before?.state,
        to: state,
        via,
        endpoint,
        found,
        why,
      };
      this.#parts.events.emit("wan.tunnel-moved", told, level);
    }
    // Whose keys do not fit is known some seconds later, by what the other end calls with.
    const unshaken = report.unshaken === true && (before?.unshaken !== true || before.why !== why);
    if (unshaken) {
      const told = { code: "TUNNEL_NO_HANDSHAKE", tunnel: `${link}>${site}/${remoteLink}`, why };
      this.#parts.events.emit("wan.tunnel-unshaken", told, "warn");
    }
    const same = before?.state === state && before.via === via && before.endpoint === endpoint;
    if (!same || unshaken || before.unshaken !== report.unshaken) this.#parts.changed();
  }

  #pathMoved(report: PathReport): void {
    const { events, changed, records } = this.#parts;
    const before = this.paths.get(report.id);
    this.paths.set(report.id, report);
    records.add(report);
    const path = this.#plan?.steer.paths.find(({ id }) => id === report.id);
    if (before?.life.kind === report.life.kind) return;
    const { life, id } = report;
    const why = life.kind === "alive" ? "" : life.why;
    events.emit(
      "wan.path-moved",
      { path: id, from: before?.life.kind, to: life.kind, why },
      life.kind === "dead" ? "warn" : "info",
    );
    // Before anything is known nothing is to be reset.
    if (path !== undefined && life.kind !== "unknown") this.#tellLife(path, life.kind === "alive");
    changed();
  }

  /** Figures change all the time; conditions depend on verdicts. */
  #choiceMoved(report: ChoiceReport): void {
    const before = this.choices.get(report.id);
    this.choices.set(report.id, report);
    const words = ({ chosen, state, candidates }: ChoiceReport): string =>
      [chosen, state, ...candidates.map(({ path, verdict }) => `${path} ${verdict}`)].join(" ");
    if (before === undefined || words(before) !== words(report)) this.#parts.changed();
  }

  /** A wan process that has just begun thinks that every link leads to the internet, and every tunnel to its site. */
  #tellDead(): void {
    for (const path of this.#plan?.steer.paths ?? []) {
      if (this.paths.get(path.id)?.life.kind === "dead") this.#tellLife(path, false);
    }
  }

  #tellLife({ link, site, ifname }: PathSpec, alive: boolean): void {
    this.tell(site === undefined ? { kind: "internet", link, alive } : { kind: "probed", ifname, site, alive });
  }

  #isBack(table: number): boolean {
    return this.#plan?.underlay.lanes.some((lane) => lane.table === table && lane.what.kind === "back") === true;
  }

  #decided(decision: Decision): void {
    const { choice, from, to, reason, why, candidates } = decision;
    const spec = this.#plan?.steer.choices.find(({ id }) => id === choice);
    this.counters.decided(decision, spec);
    const fields = { choice, policy: spec?.policy, from, to, reason, why, candidates };
    const name = to === undefined ? "wan.lost" : from === to ? "wan.stays" : "wan.moved";
    // Answers follow what the other side does: seldom worth a line.
    const back = spec !== undefined && this.#isBack(spec.table);
    this.#parts.events.emit(name, fields, back ? "debug" : to === undefined ? "warn" : "info");
  }
}

function withSessions(plan: SteerPlan, session: (wish: string) => string | undefined): SteerPlan {
  return {
    ...plan,
    paths: plan.paths.map((path) => ({ ...path, bfd: path.bfd === undefined ? undefined : session(path.bfd) })),
  };
}

function keep(map: Map<string, unknown>, names: ReadonlySet<string>): void {
  for (const name of map.keys()) if (!names.has(name)) map.delete(name);
}

const NOTHING: SteerPlan = { paths: [], choices: [], reflectors: [] };
const END_WITHIN = seconds(5);
const LONGEST_WAIT = seconds(3);
