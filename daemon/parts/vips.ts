/** The pulse process as control sees it: the plan it shall follow, what it reports, and its withdrawal. */
import type { Clock } from "../../base/clock.ts";
import type { Level } from "../../base/log.ts";
import { unreachable } from "../../base/result.ts";
import { after, type Ms, seconds } from "../../base/unit.ts";
import type { PeerReport, VipPlan, VipReport } from "../../netstack/vip/plan.ts";
import type { ProcessStatus } from "../admin/api.ts";
import { sameContent } from "../config/canonical.ts";
import type { Events } from "../events.ts";
import type { FromPulse, FromPulseOnPaths, ToPulse } from "../pulse/words.ts";
import type { Supervised } from "../supervisor/child.ts";
import type { Phase } from "../supervisor/machine.ts";
import { Withdrawal } from "./withdrawal.ts";

export type Pulse = Supervised<ToPulse, FromPulse>;

export interface VipsParts {
  readonly supervise: (received: (message: FromPulse) => void, moved: (to: Phase) => void) => Pulse;
  readonly clock: Clock;
  readonly wall: () => number;
  readonly events: Events;
  readonly changed: () => void;
  /** What pulse says that is not about virtual IPs. */
  readonly other: (message: OtherFromPulse) => void;
  readonly paths?: (message: FromPulseOnPaths) => void;
  /** Pulse speaks; `adopted`: with what an earlier control told it, else it knows nothing. */
  readonly greeted: (adopted: boolean) => void;
}
export type OtherFromPulse = Extract<FromPulse, { readonly kind: "bfd" | "bfd-gone" | "bfd-strays" | "trace" }>;

export interface Reported {
  readonly report: VipReport;
  readonly since: number;
}

export class Vips {
  readonly #parts: VipsParts;
  readonly #child: Pulse;
  readonly #withdrawal: Withdrawal;
  readonly #reports = new Map<string, Reported>();
  readonly #peers = new Map<string, PeerReport>();
  /** Kept over restarts of pulse: it counts for metrics. */
  readonly #failovers = new Map<string, number>();
  readonly #owners = new Map<string, string>();
  #drift: { readonly what: string } | undefined;
  #driftOver: Disposable | undefined;
  #plan: VipPlan | undefined;
  #sent: VipPlan | undefined;
  #scheduling = "";
  /** Withdrawn is withdrawn: a new plan could bring the addresses back. */
  #leaving = false;

  constructor(parts: VipsParts) {
    this.#parts = parts;
    this.#withdrawal = new Withdrawal(parts.clock);
    this.#child = parts.supervise(
      (message) => this.#received(message),
      (to) => this.#moved(to),
    );
  }

  start(): void {
    this.#child.start();
  }

  want(plan: VipPlan): void {
    this.#plan = plan;
    const names = new Set(plan.segments.flatMap(({ vips }) => vips.map(({ name }) => name)));
    for (const each of [this.#reports, this.#owners, this.#failovers]) {
      for (const name of each.keys()) if (!names.has(name)) each.delete(name);
    }
    const segments = new Set(plan.segments.map(({ ifname }) => ifname));
    for (const [key, { ifname }] of this.#peers) if (!segments.has(ifname)) this.#peers.delete(key);
    this.#push();
  }

  get plan(): VipPlan | undefined {
    return this.#plan;
  }
  get reports(): ReadonlyMap<string, Reported> {
    return this.#reports;
  }
  get peers(): readonly PeerReport[] {
    return [...this.#peers.values()];
  }
  failovers(name: string): number {
    return this.#failovers.get(name) ?? 0;
  }
  /** What others changed of ours and pulse set right, lately. */
  get drift(): { readonly what: string } | undefined {
    return this.#drift;
  }
  get scheduling(): string {
    return this.#scheduling;
  }
  /** Pulse runs, and has said something about each virtual IP of the plan. */
  applied(): boolean {
    if (this.#child.phase !== "up" || this.#plan === undefined) return false;
    return this.#plan.segments.every(({ vips }) => vips.every(({ name }) => this.#reports.has(name)));
  }
  /** Pulse was taken over, and has not told everything yet. */
  get telling(): boolean {
    return this.#child.telling;
  }
  alive(): boolean {
    return this.#child.phase !== "silent";
  }
  status(memory: (pid: number) => number | undefined): ProcessStatus {
    return this.#child.status(memory);
  }

  /** Resolves when no address answers here any more, or after `within`: then pulse's leases end by themselves. */
  withdraw(handover: Ms, within: Ms): Promise<void> {
    this.#leaving = true;
    if (this.#child.phase !== "up") return Promise.resolve();
    const { clock, events } = this.#parts;
    const over = this.#withdrawal.wait(after(clock.now(), within), () =>
      events.emit("vip.withdrawal-unconfirmed", { within }, "warn"),
    );
    this.#child.send({ kind: "withdraw", handover });
    return over;
  }

  /** `lanes`: the routes of choices go, too. */
  async stop(within: Ms, lanes = false): Promise<void> {
    await this.#child.stop({ kind: "stop", lanes }, within);
  }

  /** Beside plans; false: pulse does not run. */
  tell(message: ToPulse): boolean {
    if (this.#child.phase !== "up" && this.#child.phase !== "silent") return false;
    this.#child.send(message);
    return true;
  }

  #push(): void {
    if (this.#plan === undefined || this.#leaving || this.#child.phase !== "up") return;
    if (this.#sent !== undefined && sameContent(this.#sent, this.#plan)) return;
    this.#sent = this.#plan;
    this.#child.send({ kind: "plan", plan: this.#plan });
  }

  #moved(to: Phase): void {
    if (to === "backoff" || to === "stopped") {
      this.#sent = undefined;
      this.#reports.clear();
      this.#peers.clear();
      this.#withdrawal.over();
    }
    this.#parts.changed();
  }

  #received(message: FromPulse): void {
    const { events, changed, wall, other, greeted } = this.#parts;
    switch (message.kind) {
      case "hello":
        this.#scheduling = message.scheduling;
        this.#push();
        greeted(this.#child.adopted);
        return changed();
      case "vip":
        this.#reported(message.vip, wall());
        return changed();
      case "peer": {
        const { peer } = message;
        const key = `${peer.ifname}/${peer.node}`;
        const before = this.#peers.get(key)?.state;
        this.#peers.set(key, peer);
        if (before !== peer.state)
          events.emit("peer.moved", { ...peer, from: before }, peer.state === "up" ? "info" : "warn");
        return;
      }
      case "event":
        if (DRIFT.has(message.name)) this.#drifted(message.name, message.fields);
        return events.emit(message.name, message.fields, levelOf(message.fields));
      case "withdrawn":
        events.emit("vip.withdrawn");
        return this.#withdrawal.over();
      case "bfd":
      case "bfd-gone":
      case "bfd-strays":
      case "trace":
        return other(message);
      case "path":
      case "path-gone":
      case "choice":
      case "choice-gone":
      case "decision":
      case "shields":
        return this.#parts.paths?.(message);
      case "pong":
        return;
      default:
        unreachable(message);
    }
  }

  #drifted(name: string, fields: Readonly<Record<string, unknown>>): void {
    const { clock, changed } = this.#parts;
    const { vip, address } = fields;
    this.#drift = { what: [name, vip, address].filter((each) => typeof each === "string").join(" ") };
    this.#driftOver?.[Symbol.dispose]();
    this.#driftOver = clock.wakeAt(after(clock.now(), DRIFT_SHOWN), () => {
      this.#drift = undefined;
      changed();
    });
    changed();
  }

  #reported(report: VipReport, at: number): void {
    const { name, state, owner, term, why } = report;
    const before = this.#reports.get(name);
    const last = this.#owners.get(name);
    if (owner !== undefined) {
      if (last !== undefined && last !== owner) this.#failovers.set(name, this.failovers(name) + 1);
      this.#owners.set(name, owner);
    }
    const same = before?.report.state === state;
    this.#reports.set(name, { report, since: same ? before.since : at });
    if (same && before.report.owner === owner) return;
    const level = state === "conflict" || state === "no-link" ? "warn" : "info";
    this.#parts.events.emit("vip.moved", { vip: name, from: before?.report.state, to: state, owner, term, why }, level);
  }
}

/** Events of pulse that tell of somebody else's hand. */
const DRIFT: ReadonlySet<string> = new Set(["vip.fence-repaired", "vip.address-restored"]);
/** It is repaired already; what matters is that somebody looks who did it. */
const DRIFT_SHOWN = seconds(300);

/** An event of a child may name its own weight. */
export function levelOf(fields: Readonly<Record<string, unknown>>): Level {
  const level = fields["level"];
  return level === "warn" || level === "error" || level === "debug" ? level : "info";
}
