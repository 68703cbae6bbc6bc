/**
 * The hands of an OSPF router of one version: sockets, clock, netlink, kernel routes, trace.  It fits the shape that the
 * routing process asks of an engine (daemon/routing/engine.ts).
 */
import type { Ip } from "../../../base/address.ts";
import { unreachable } from "../../../base/result.ts";
import type { TraceLine } from "../../../base/trace.ts";
import { after, type Ms, ms } from "../../../base/unit.ts";
import type { BfdReport, BfdSpec } from "../../bfd/plan.ts";
import type { Loop } from "../../kernel/loop.ts";
import { RouteSocket } from "../../kernel/netlink/route-socket.ts";
import type { Action, Event, Link } from "../event.ts";
import { type Auth, authOf } from "../packet/auth.ts";
import { open, seal } from "../packet/seal.ts";
import type { OspfInterfaceReport, OspfInterfaceSpec, OspfLsaReport, OspfPlan, OspfRouteReport } from "../plan.ts";
import { Router } from "../router.ts";
import { DIGESTS, Sequences, utf8 } from "./digests.ts";
import { InterfaceSocket } from "./interface-socket.ts";
import { LearntRoutes } from "./learnt-routes.ts";
import { Links } from "./links.ts";
import { Tracing } from "./tracing.ts";

export interface OspfNotes {
  /** All sessions that this router wants now. */
  bfd(sessions: readonly BfdSpec[]): void;
  event(name: string, fields: Readonly<Record<string, unknown>>): void;
  report(report: OspfInterfaceReport): void;
  reportGone(version: 2 | 3, ifname: string): void;
}

export class OspfDriver implements Disposable {
  readonly #loop: Loop;
  readonly #notes: OspfNotes;
  readonly #route = new RouteSocket();
  readonly #router: Router;
  readonly #links: Links;
  readonly #learnt: LearntRoutes;
  readonly #tracing: Tracing;
  readonly #sequences: Sequences;
  readonly #ports = new Map<string, Port>();
  readonly #there = new Map<string, Link>();
  /** Memberships outlive a socket: one that is opened anew joins again. */
  readonly #groups = new Map<string, Action & { readonly kind: "groups" }>();
  readonly #queue: Event[] = [];
  readonly #realtime: () => number;
  readonly #since = new Map<string, { readonly instant: number; readonly date: number }>();
  #plan: OspfPlan;
  /** Until the first turn. */
  #beginning: Disposable | undefined;
  #alarm: Disposable | undefined;
  #busy = false;
  #repairing: Disposable | undefined;
  #withdrawal: { readonly networks: boolean; readonly timer: Disposable } | undefined;
  #stopped: (() => void) | undefined;
  #keep = false;
  #closed = false;

  /** `realtime`: milliseconds since the epoch. */
  constructor(loop: Loop, plan: OspfPlan, notes: OspfNotes, realtime: () => number) {
    this.#loop = loop;
    this.#notes = notes;
    this.#plan = plan;
    this.#realtime = realtime;
    this.#sequences = new Sequences(realtime);
    this.#tracing = new Tracing(realtime);
    this.#learnt = new LearntRoutes(this.#route, plan.version, plan.install, (name, fields) =>
      this.#event(name, fields),
    );
    this.#router = new Router(plan, loop.now());
    this.#links = new Links(loop, this.#route, {
      link: (link) => this.#linkSeen(link),
      gone: (ifname) => this.#linkGone(ifname),
      shaken: () => this.#repairSoon(),
    });
    // Notes are not called from within a constructor: the first look comes with the first turn, and events wait for it.
    this.#beginning = loop.wakeAt(loop.now(), () => this.#begin());
  }

  get version(): 2 | 3 {
    return this.#router.version;
  }

  plan(plan: OspfPlan): void {
    if (plan.version !== this.version) throw new TypeError(`a plan of version ${plan.version}`);
    this.#plan = plan;
    this.#learnt.configure(plan.install);
    for (const ifname of new Set([...this.#ports.keys(), ...this.#there.keys()])) this.#equip(ifname);
    this.#feed({ kind: "configured", plan: this.#effective() });
  }

  bfd(report: BfdReport): void {
    this.#feed({ kind: "bfd", report });
  }

  /** max-metric at once (RFC 6987), what is ours withdrawn after `grace`. */
  withdraw(grace: Ms, done: () => void): void {
    this.#withdrawal?.timer[Symbol.dispose]();
    const later = (span: number, then: () => void): Disposable =>
      this.#loop.wakeAt(after(this.#loop.now(), ms(span)), then);
    const finish = (): void => {
      // A router LSA that just said max-metric is not said anew before MinLSInterval (RFC 2328 §12.4).
      const wait = this.#plan.networks.some((each) => each.as === "host") ? Math.max(0, MIN_LS_INTERVAL - grace) : 0;
      this.#withdrawal = { networks: false, timer: later(wait + FLOODED, done) };
      this.#feed({ kind: "configured", plan: this.#effective() });
    };
    if (grace <= 0) return finish();
    this.#withdrawal = { networks: true, timer: later(grace, finish) };
    this.#feed({ kind: "configured", plan: this.#effective() });
  }

  stop(keep: boolean, done: () => void): void {
    this.#keep = keep;
    this.#stopped = done;
    this.#feed({ kind: "stop", keep });
  }

  database(): readonly OspfLsaReport[] {
    return this.#router.database(this.#loop.now());
  }
  routes(): readonly OspfRouteReport[] {
    return this.#router.routes();
  }
  ask(question: Question): Answer | undefined {
    if (question.of === "ospf-lsdb") return { of: "ospf-lsdb", lsas: this.database() };
    if (question.of === "ospf-routes") return { of: "ospf-routes", routes: this.routes() };
    return undefined;
  }
  trace(peer: string | undefined, line: (line: TraceLine) => void): Disposable {
    return this.#tracing.ask(peer, line);
  }
  /** Adjacencies are not reset by hand: an interface is, by its configuration. */
  clear(_peer: string, _how: "hard" | "refresh-in" | "refresh-out"): boolean {
    return false;
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#beginning?.[Symbol.dispose]();
    this.#alarm?.[Symbol.dispose]();
    this.#repairing?.[Symbol.dispose]();
    this.#withdrawal?.timer[Symbol.dispose]();
    this.#links[Symbol.dispose]();
    for (const port of this.#ports.values()) port.socket[Symbol.dispose]();
    this.#ports.clear();
    if (!this.#keep) this.#learnt.clear();
    this.#route[Symbol.dispose]();
  }

  #begin(): void {
    this.#beginning = undefined;
    this.#learnt.begin();
    this.#feed({ kind: "configured", plan: this.#effective() });
    this.#links.all();
  }

  #effective(): OspfPlan {
    const withdrawal = this.#withdrawal;
    if (withdrawal === undefined) return this.#plan;
    return { ...this.#plan, maxMetric: true, networks: withdrawal.networks ? this.#plan.networks : [] };
  }

  /** One event, all its actions, then the next: what an action causes waits in the queue. */
  #feed(event: Event): void {
    this.#queue.push(event);
    if (this.#busy || this.#closed || this.#beginning !== undefined) return;
    this.#busy = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        for (const action of this.#router.step(next, this.#loop.now())) {
          this.#perform(action);
          if (this.#closed) return; // whoever was told that all is said
        }
      }
    } finally {
      this.#busy = false;
    }
    this.#arm();
  }

  #arm(): void {
    this.#alarm?.[Symbol.dispose]();
    const at = this.#router.nextWake();
    this.#alarm =
      at === undefined || !Number.isFinite(at) ? undefined : this.#loop.wakeAt(at, () => this.#feed({ kind: "wake" }));
  }

  #perform(action: Action): void {
    switch (action.kind) {
      case "send":
        return this.#send(action);
      case "groups":
        this.#groups.set(action.ifname, action);
        return this.#ports.get(action.ifname)?.socket.groups(action.allSpf, action.allDr);
      case "routes":
        return this.#learnt.change(action.set, action.gone, action.complete);
      case "bfd":
        return this.#notes.bfd(action.sessions);
      case "report":
        return this.#notes.report(this.#dated(action.report));
      case "report-gone":
        return this.#notes.reportGone(this.version, action.ifname);
      case "moved":
        return this.#tracing.moved(action.ifname, action.peer, action.text);
      case "event":
        return this.#event(action.name, action.fields);
      case "stopped": {
        const done = this.#stopped;
        this.#stopped = undefined;
        return done?.();
      }
      default:
        return unreachable(action);
    }
  }

  /** Changes of state on the calendar: the machines know only the loop's clock. */
  #dated(report: OspfInterfaceReport): OspfInterfaceReport {
    const dated = report.neighbors.map((neighbor) => {
      const key = `${report.ifname} ${neighbor.routerId} ${neighbor.address}`;
      const known = this.#since.get(key);
      if (known?.instant === neighbor.since) return { ...neighbor, since: known.date };
      const date = Math.round(this.#realtime() - (this.#loop.now() - neighbor.since));
      this.#since.set(key, { instant: neighbor.since, date });
      return { ...neighbor, since: date };
    });
    const prefix = `${report.ifname} `;
    const here = new Set(dated.map(({ routerId, address }) => `${prefix}${routerId} ${address}`));
    for (const key of this.#since.keys()) if (key.startsWith(prefix) && !here.has(key)) this.#since.delete(key);
    return { ...report, neighbors: dated };
  }

  #send({ ifname, source, destination, packet }: Action & { readonly kind: "send" }): void {
    const port = this.#ports.get(ifname);
    if (port === undefined) return;
    this.#tracing.packet("out", ifname, destination, packet);
    const { auth } = port;
    const sequence = this.#sequences.next(auth.kind === "cryptographic" && auth.extended);
    port.socket.send(seal(packet, auth, { source, destination }, sequence, DIGESTS), source, destination);
  }

  #heard(ifname: string, bytes: Uint8Array, source: Ip, destination: Ip): void {
    const port = this.#ports.get(ifname);
    if (port === undefined) return;
    port.failing = undefined;
    const opened = open(this.version, bytes, port.auth, { source, destination }, DIGESTS);
    if (!opened.ok) {
      this.#tracing.refused(ifname, source, worded(opened.error));
      return this.#feed({ kind: "refused", ifname, why: opened.error.kind });
    }
    const { packet, proven } = opened.value;
    this.#tracing.packet("in", ifname, source, packet);
    this.#feed({ kind: "packet", ifname, source, destination, packet, proven });
  }

  #linkSeen(link: Link): void {
    const before = this.#there.get(link.ifname);
    if (before !== undefined && before.ifindex !== link.ifindex) this.#linkGone(link.ifname); // another by the same name
    this.#there.set(link.ifname, link);
    this.#equip(link.ifname);
    this.#feed({ kind: "link", link });
  }

  #linkGone(ifname: string): void {
    this.#there.delete(ifname);
    this.#equip(ifname);
    this.#feed({ kind: "link-gone", ifname });
  }

  /** Opens, keeps or closes the sockets of an interface, as plan and kernel are now. */
  #equip(ifname: string): void {
    const link = this.#there.get(ifname);
    const spec = this.#specOf(ifname);
    const auth = spec === undefined || spec.passive ? undefined : this.#authOf(spec);
    const port = this.#ports.get(ifname);
    if (link === undefined || auth === undefined || (port !== undefined && port.ifindex !== link.ifindex)) {
      port?.socket[Symbol.dispose]();
      this.#ports.delete(ifname);
    }
    if (link === undefined || auth === undefined) return;
    const running = this.#ports.get(ifname);
    if (running !== undefined) {
      running.auth = auth;
      return running.socket.keep(link.addresses.map(({ ip }) => ip));
    }
    const { ifindex } = link;
    const socket = new InterfaceSocket(
      this.#loop,
      this.version,
      { ifname, ifindex },
      {
        heard: (bytes, source, destination) => this.#heard(ifname, bytes, source, destination),
        failed: (what, why) => this.#failed(ifname, what, why),
      },
    );
    const groups = this.#groups.get(ifname);
    if (groups !== undefined) socket.groups(groups.allSpf, groups.allDr);
    this.#ports.set(ifname, { ifindex, socket, auth, failing: undefined });
  }

  #authOf(spec: OspfInterfaceSpec): Auth | undefined {
    const auth = authOf(this.version, spec.auth, utf8);
    if (auth.ok) return auth.value;
    // Never without what was asked for: the interface stays silent until the plan is right.
    this.#event("ospf.auth-refused", { level: "warn", ifname: spec.ifname, why: auth.error.kind });
    return undefined;
  }

  #specOf(ifname: string): OspfInterfaceSpec | undefined {
    for (const { interfaces } of this.#plan.areas) {
      const found = interfaces.find((each) => each.ifname === ifname);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #failed(ifname: string, what: string, why: string): void {
    const port = this.#ports.get(ifname);
    const text = `${what} ${why}`;
    if (port === undefined || port.failing === text) return;
    port.failing = text; // once, until something is heard again
    this.#event("ospf.socket-failed", { level: "warn", ifname, what, why });
  }

  #repairSoon(): void {
    this.#repairing ??= this.#loop.wakeAt(this.#loop.now(), () => {
      this.#repairing = undefined;
      this.#learnt.repair();
    });
  }

  #event(name: string, fields: Readonly<Record<string, unknown>>): void {
    this.#notes.event(name, { version: this.version, ...fields });
  }
}

/** "auth-type (got 0, want 2)" */
function worded({ kind, ...more }: { readonly kind: string }): string {
  const said = Object.entries(more).map(([key, value]) => `${key} ${String(value)}`);
  return said.length === 0 ? kind : `${kind} (${said.join(", ")})`;
}

interface Port {
  readonly ifindex: number;
  readonly socket: InterfaceSocket;
  auth: Auth;
  /** What failed last, so that it is said once. */
  failing: string | undefined;
}

type Question = { readonly of: "ospf-lsdb" | "ospf-routes" } | { readonly of: "bgp-routes"; readonly most: number };
type Answer =
  | { readonly of: "ospf-lsdb"; readonly lsas: readonly OspfLsaReport[] }
  | { readonly of: "ospf-routes"; readonly routes: readonly OspfRouteReport[] };

/** RFC 2328 B. */
const MIN_LS_INTERVAL = 5000;
/** For the last update to leave. */
const FLOODED = 200;
