/** BFD as control sees it: the operator's sessions and those that routing wishes, in pulse's hands, and its reports. */
import type { Clock } from "../../base/clock.ts";
import { after, ms, seconds } from "../../base/unit.ts";
import type { BfdPlan, BfdReport, BfdSpec } from "../../netstack/bfd/plan.ts";
import type { BfdStatus } from "../admin/routing-api.ts";
import { sameContent } from "../config/canonical.ts";
import { type Merged, mergeBfd } from "../desired/bfd-merge.ts";
import type { DesiredCondition } from "../desired/desired.ts";
import { BFD_CLIENT } from "../desired/wan-paths.ts";
import type { FromPulse, ToPulse } from "../pulse/words.ts";

export interface BfdParts {
  /** false: pulse does not run; all is said again when it does. */
  readonly tell: (message: ToPulse) => boolean;
  readonly toRouting: (report: BfdReport) => void;
  readonly clock: Clock;
  readonly changed: () => void;
}

export type FromPulseOnBfd = Extract<FromPulse, { readonly kind: "bfd" | "bfd-gone" | "bfd-strays" }>;

export class Bfd {
  readonly #parts: BfdParts;
  readonly #reports = new Map<string, BfdReport>();
  /** undefined: control does not know yet; sessions that pulse has stay as they are. */
  #operator: BfdPlan | undefined;
  #wished: readonly BfdSpec[] = [];
  /** Of a routing process that crashed: the next one hears its neighbours before it wishes for them again. */
  #inherited: readonly BfdSpec[] = [];
  #inheriting: Disposable | undefined;
  #merged: Merged = { plan: NOTHING, clients: new Map() };
  /** undefined: pulse may have anything. */
  #sent: BfdPlan | undefined = NOTHING;
  #refreshing: (() => void)[] = [];
  #strays: Readonly<Record<string, number>> = {};

  constructor(parts: BfdParts) {
    this.#parts = parts;
  }

  /** What the settings say. */
  want(plan: BfdPlan): void {
    if (this.#operator !== undefined && sameContent(plan, this.#operator)) return;
    this.#operator = plan;
    this.#merge();
  }
  /**
   * What routing wants now; undefined: it has ended.  While it restarts, its sessions live on, or the peers would take
   * them for lost.
   */
  wish(sessions: readonly BfdSpec[] | undefined): void {
    this.#wished = sessions ?? [];
    if (sessions === undefined) this.#inherited = [];
    this.#merge();
    // A new client of a session that is there already wants to know about it, too.
    for (const report of this.#reports.values()) this.#pass(report);
  }

  /** A routing process has begun, and tells its wishes one by one. */
  inherit(): void {
    const { clock, changed } = this.#parts;
    this.#inherited = this.#wished;
    this.#inheriting?.[Symbol.dispose]();
    this.#inheriting = clock.wakeAt(after(clock.now(), INHERITANCE), () => {
      this.#inherited = [];
      this.#merge();
      changed();
    });
  }

  /** Pulse has just begun and knows nothing, or it has what an earlier control wanted. */
  greet(adopted: boolean): void {
    this.#sent = adopted ? undefined : NOTHING;
    this.#reports.clear();
    this.#push();
  }
  received(message: FromPulseOnBfd): void {
    switch (message.kind) {
      case "bfd-strays":
        this.#strays = message.refused;
        for (const refreshed of this.#refreshing.splice(0)) refreshed();
        return;
      case "bfd-gone":
        this.#reports.delete(message.id);
        break;
      case "bfd": {
        const { report } = message;
        // What nobody asks for any more says goodbye for a while.
        const known = this.#operator === undefined || this.#merged.clients.has(report.id);
        if (!report.unsolicited && !known) return;
        const before = this.#reports.get(report.id);
        this.#reports.set(report.id, report);
        this.#pass(report);
        // Pulse has told what moved; here it matters to conditions.
        if (before?.state === report.state) return;
        break;
      }
    }
    this.#parts.changed();
  }

  get status(): BfdStatus {
    const sessions = [...this.#reports.values()].map((report) => ({
      ...report,
      clients: this.#merged.clients.get(report.id) ?? [],
    }));
    return { sessions: sessions.toSorted((a, b) => (a.id < b.id ? -1 : 1)), strays: this.#strays };
  }
  /** Id of the session that was made of a client's wish. */
  sessionOf(client: string): string | undefined {
    return [...this.#merged.clients].find(([, clients]) => clients.includes(client))?.[0];
  }
  /** The state of the session that a client asked for; undefined: nothing is known of it. */
  stateFor(client: string | undefined): string | undefined {
    if (client === undefined) return undefined;
    for (const [id, clients] of this.#merged.clients) if (clients.includes(client)) return this.#reports.get(id)?.state;
    return undefined;
  }
  /** The session that a client asked for has never been up; undefined is not known yet. */
  isUnguarded(client: string): boolean {
    const held = [...this.#merged.clients].find(([, clients]) => clients.includes(client))?.[0];
    const report = held === undefined ? undefined : this.#reports.get(held);
    return report !== undefined && report.state !== "up" && !report.wasUp;
  }
  /** Resolves when the counters are as they are now, or pulse takes too long to say. */
  refreshed(): Promise<void> {
    if (!this.#parts.tell({ kind: "bfd-report" })) return Promise.resolve();
    return new Promise((resolve) => {
      const { clock } = this.#parts;
      const alarm = clock.wakeAt(after(clock.now(), REFRESH), resolve);
      this.#refreshing.push(() => {
        alarm[Symbol.dispose]();
        resolve();
      });
    });
  }

  conditions(): readonly DesiredCondition[] {
    const asked = new Map(this.#merged.plan.sessions.map((each) => [each.id, each]));
    return [...this.#reports.values()].flatMap((report): readonly DesiredCondition[] => {
      const { id, state, wasUp, diagnostic } = report;
      // One that has never come up is told by the client that waits for it; the operator's own has none.
      const clients = this.#merged.clients.get(id) ?? [];
      const own = clients.some((client) => client.startsWith("static/"));
      // A path that is dead has a condition of its own.
      if (clients.length > 0 && clients.every((client) => client.startsWith(BFD_CLIENT))) return [];
      if (state === "up" || asked.get(id)?.adminDown !== false || (!wasUp && !own)) return [];
      const message = wasUp
        ? `${state}: ${diagnostic}`
        : "has not come up; does the peer run BFD, and with these addresses?";
      return [{ code: "BFD_DOWN", severity: "warning", subject: id, message }];
    });
  }

  #merge(): void {
    if (this.#operator === undefined) return;
    const wished = new Set(this.#wished.map(({ id }) => id));
    const inherited = this.#inherited.filter(({ id }) => !wished.has(id));
    this.#merged = mergeBfd(this.#operator, [...this.#wished, ...inherited]);
    for (const [id, { unsolicited }] of this.#reports) {
      if (!unsolicited && !this.#merged.clients.has(id)) this.#reports.delete(id);
    }
    this.#push();
  }
  #push(): void {
    const { plan } = this.#merged;
    if (this.#operator === undefined || (this.#sent !== undefined && sameContent(this.#sent, plan))) return;
    if (this.#parts.tell({ kind: "bfd", plan })) this.#sent = plan;
  }

  #pass(report: BfdReport): void {
    const wished = new Set(this.#wished.map(({ id }) => id));
    for (const id of this.#merged.clients.get(report.id) ?? []) {
      if (wished.has(id)) this.#parts.toRouting({ ...report, id });
    }
  }
}

const NOTHING: BfdPlan = { sessions: [], unsolicited: [] };
/** Pulse answers between two packets; without it yesterday's counters are shown. */
const REFRESH = ms(500);
/** A dead interval of OSPF: who has not been heard by then is gone. */
const INHERITANCE = seconds(40);
