/**
 * The wan process on a loop: links, tunnels and classification, joined.  Each has its part of the plan; what one finds
 * out the others are told here.  A plan touches only what differs, so it is handed on whole, and again as often as need be.
 */
import { join } from "node:path";
import type { Ip } from "../../base/address.ts";
import { Fault } from "../../base/fault.ts";
import { unreachable } from "../../base/result.ts";
import { after, ms, seconds } from "../../base/unit.ts";
import type { Loop } from "../../netstack/kernel/loop.ts";
import { Bandwidth } from "../../sdwan/link/driver/bandwidth.ts";
import { type LinkFacts, Links } from "../../sdwan/link/driver/links.ts";
import { Timetable } from "../../sdwan/link/driver/timetable.ts";
import { Traversal } from "../../sdwan/nat/driver/traversal.ts";
import { Tunnels } from "../../sdwan/overlay/driver/tunnels.ts";
import type { TunnelNews } from "../../sdwan/overlay/driver/words.ts";
import type { ShieldCount } from "../../sdwan/steer/driver/shield-keeper.ts";
import { Steering } from "../../sdwan/steer/driver/steering.ts";
import type { NatReport, TunnelReport, UnderlayPlan } from "../../sdwan/underlay-plan.ts";
import { Outbox } from "./outbox.ts";
import { addressIn, bandwidthPlanOf, devicesOf, pathMtuOf, targetsOf, waysOf } from "./targets.ts";
import type { FromWan, ToWan, WanAnswer, WanQuestion } from "./words.ts";

export interface WanParts {
  readonly loop: Loop;
  /** Directory for what must outlive a reboot; undefined = nothing does. */
  readonly state: string | undefined;
  /** Directory for logs of programs that outlive us; undefined = none are written. */
  readonly run: string | undefined;
  /** Milliseconds since the epoch. */
  readonly wall: () => number;
  readonly tell: (message: FromWan) => void;
  /** The process shall end: everything is said and done. */
  readonly ended: () => void;
}

type Command = Exclude<ToWan, { readonly kind: "ping" }>;

export class Wan implements Disposable {
  readonly #parts: WanParts;
  readonly #outbox: Outbox;
  readonly #links: Links;
  readonly #steering: Steering;
  readonly #tunnels: Tunnels;
  readonly #traversal: Traversal;
  readonly #bandwidth: Bandwidth;
  readonly #timetable: Timetable;
  /** By link. */
  readonly #nats = new Map<string, NatReport>();
  /** By device and site. */
  readonly #reports = new Map<string, TunnelReport>();
  /** Device → what was said of its path last. */
  readonly #pathMtus = new Map<string, number | undefined>();
  #plan: UnderlayPlan | undefined;
  /** What steering and tunnels were last told about links. */
  #told = { steering: "", tunnels: "", traversal: "", targets: "" };
  #soon: Disposable | undefined;
  #stopping = false;

  constructor(parts: WanParts) {
    this.#parts = parts;
    const { loop, wall, state, run } = parts;
    const event = (name: string, fields: Readonly<Record<string, unknown>>): void => this.#event(name, fields);
    this.#outbox = new Outbox(loop, parts.tell);
    this.#links = new Links({
      loop,
      wall,
      memoryFile: state === undefined ? undefined : join(state, "wan-links.json"),
      on: {
        changed: (link) => this.#linkChanged(link),
        gone: (name) => {
          this.#nats.delete(name);
          this.#outbox.put({ kind: "link-gone", name });
        },
        roamed: (name) => this.#roamed(name),
        pathMtu: () => this.#later(),
        event,
      },
    });
    const counted = (counts: readonly ShieldCount[]): void => parts.tell({ kind: "shield-counts", counts });
    this.#steering = new Steering({
      loop,
      state,
      event,
      shieldCounts: counted,
      proxied: (classes) => parts.tell({ kind: "proxied", classes }),
    });
    this.#bandwidth = new Bandwidth(loop, { measured: (link, bits) => this.#links.measured(link, bits), event });
    this.#timetable = new Timetable(loop, wall, (link) => this.#measureSoon(link));
    this.#tunnels = new Tunnels({ loop, wall, runDirectory: run, tell: (news) => this.#tunnelNews(news) });
    this.#traversal = new Traversal({
      loop,
      wall,
      tunnels: this.#tunnels,
      nat: (link, report) => this.#natFound(link, report),
      event,
    });
  }

  command(command: Command): void {
    switch (command.kind) {
      case "plan":
        return this.#apply(command.plan);
      case "internet":
        this.#links.internet(command.link, command.alive);
        return this.#steering.internet(command.link, command.alive);
      case "probed":
        return this.#traversal.probed(command.ifname, command.site, command.alive);
      case "shields":
        return this.#steering.shields(command.orders);
      case "stop":
        return this.#stop(command.keep);
      case "ask":
        return this.#asked(command.n, command.question);
      case "measure-bandwidth":
        return this.#measure(command.link);
      case "rediscover":
        for (const { name } of this.#links.facts())
          if (command.link === undefined || command.link === name) this.#roamed(name);
        return;
      default:
        unreachable(command);
    }
  }

  /** Control is dead: what is in the kernel stays and goes on; another control soon begins anew. */
  orphaned(): void {
    this.#stop(true);
  }

  [Symbol.dispose](): void {
    this.#soon?.[Symbol.dispose]();
    this.#timetable[Symbol.dispose]();
    this.#bandwidth[Symbol.dispose]();
    this.#outbox[Symbol.dispose]();
    this.#traversal[Symbol.dispose]();
    this.#tunnels[Symbol.dispose]();
    this.#steering[Symbol.dispose]();
    this.#links[Symbol.dispose]();
  }

  /** Links first, for the others to know them; marks and rules before tunnels, so that nothing leaves by another way. */
  #apply(plan: UnderlayPlan): void {
    if (this.#stopping) return;
    // Each link is told of by itself: what only some are known of would look like a change.
    this.#plan = undefined;
    this.#links.plan(plan.links);
    this.#plan = plan;
    this.#tellLinks(true);
    this.#tunnels.plan(plan);
    this.#traversal.plan(plan);
    for (const [key, report] of this.#reports) if (!isPlanned(plan, report)) this.#reports.delete(key);
    this.#timetable.plan(plan.links);
    this.#aim();
  }

  #linkChanged(link: LinkFacts): void {
    this.#outbox.put({ kind: "link", link: { ...link, nat: this.#nats.get(link.name) } });
    this.#tellLinks(false);
  }

  #natFound(name: string, report: NatReport): void {
    this.#nats.set(name, report);
    for (const link of this.#links.facts()) if (link.name === name) this.#linkChanged(link);
  }

  #roamed(link: string): void {
    this.#tunnels.roamed(link);
    this.#traversal.rediscover(link);
  }

  /** Each is told when what it cares about is different. */
  #tellLinks(always: boolean): void {
    const plan = this.#plan;
    if (plan === undefined || this.#stopping) return;
    const all = this.#links.facts();
    const facts = all.map(({ name, ifname, state, gateway4, gateway6, addresses }) => {
      return { name, ifname, state, gateway4, gateway6, addresses };
    });
    if (this.#isNews("steering", facts) || always) this.#steering.plan(plan, facts);
    const links = all.map(({ name, state, why, mtu }) => ({ name, up: state !== "down", why, mtu }));
    if (this.#isNews("tunnels", links)) this.#tunnels.links(links);
    const seen = all.map(({ name, state, addresses }) => ({ name, up: state !== "down", addresses }));
    if (this.#isNews("traversal", seen)) this.#traversal.links(seen);
  }

  #isNews(who: "steering" | "tunnels" | "traversal" | "targets", what: unknown): boolean {
    const text = JSON.stringify(what);
    const news = this.#told[who] !== text;
    this.#told[who] = text;
    return news;
  }

  #tunnelNews(news: TunnelNews): void {
    switch (news.kind) {
      case "tunnel":
        this.#reports.set(keyOf(news.tunnel), news.tunnel);
        this.#outbox.put(news);
        return this.#later();
      case "tunnel-gone":
        this.#reports.delete(keyOf(news));
        this.#pathMtus.delete(news.ifname);
        this.#outbox.put(news);
        return this.#later();
      case "event":
        return this.#event(news.name, news.fields);
      default:
        unreachable(news);
    }
  }

  /** Many tunnels come up at once: their ways are looked at when they have. */
  #later(): void {
    const { loop } = this.#parts;
    this.#soon ??= loop.wakeAt(after(loop.now(), MOMENT), () => {
      this.#soon = undefined;
      this.#traversal.tunnelsChanged();
      this.#aim();
    });
  }

  /** Path MTU is asked of those that the tunnels' packets go to; what was found goes to the tunnels. */
  #aim(): void {
    const plan = this.#plan;
    if (plan === undefined || this.#stopping) return;
    const reports = [...this.#reports.values()];
    const ways = waysOf(plan, reports);
    const targets = targetsOf(plan, ways);
    if (this.#isNews("targets", [...targets])) this.#links.targets(targets);
    for (const { ifname, link } of plan.tunnels) {
      const ends = ways.filter((each) => each.ifname === ifname).flatMap(({ endpoint }) => addressIn(endpoint) ?? []);
      const mtu = pathMtuOf(ends, (target: Ip) => this.#links.pathMtu(link, target));
      if (this.#pathMtus.get(ifname) === mtu) continue;
      this.#pathMtus.set(ifname, mtu);
      this.#tunnels.pathMtu(ifname, mtu);
    }
    this.#bandwidth.plan(bandwidthPlanOf(plan), devicesOf(plan, reports));
  }

  /** Other sites may have the same schedule, and the same line at one end. */
  #measureSoon(link: string): void {
    const { loop } = this.#parts;
    loop.wakeAt(after(loop.now(), ms(Math.random() * SPREAD)), () => {
      if (!this.#stopping) this.#measure(link);
    });
  }

  #measure(link: string): void {
    // With tunnels as they are now, not as they were a moment ago.
    this.#aim();
    const why = this.#bandwidth.measure(link);
    if (why !== undefined) this.#event("wan.bandwidth-failed", { link, why, level: "warn" });
  }

  /** What the kernel does not tell is no reason to end: whoever asked hears nothing, and the log says why. */
  #asked(n: number, question: WanQuestion): void {
    try {
      this.#parts.tell({ kind: "answer", n, answer: this.#answer(question) });
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      this.#event("wan.question-failed", { of: question.of, why: cause.message, level: "warn" });
    }
  }

  #answer(question: WanQuestion): WanAnswer {
    switch (question.of) {
      case "flows":
        return { of: question.of, ...this.#steering.flows(question.most) };
      case "classify":
        return { of: question.of, ...this.#steering.classify(question.packet) };
      default:
        return unreachable(question);
    }
  }

  #stop(keep: boolean): void {
    if (this.#stopping) return;
    this.#stopping = true;
    // What an earlier life left is known only with a plan, be it an empty one.
    if (!keep && this.#plan === undefined) this.#tunnels.plan(NOTHING);
    this.#tunnels.stop(keep, () => {
      if (!keep) this.#removeSteering();
      this.#outbox.flush();
      this.#parts.tell({ kind: "stopped" });
      this[Symbol.dispose]();
      this.#parts.ended();
    });
  }

  /** What cannot be removed is told; `novactl cleanup` finds it. */
  #removeSteering(): void {
    try {
      this.#steering.remove();
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      this.#event("wan.not-removed", { why: cause.message, level: "error" });
    }
  }

  #event(name: string, fields: Readonly<Record<string, unknown>>): void {
    this.#parts.tell({ kind: "event", name, fields });
  }
}

function keyOf({ ifname, site }: { readonly ifname: string; readonly site: string }): string {
  return `${ifname} ${site}`;
}

function isPlanned(plan: UnderlayPlan, { ifname, site }: TunnelReport): boolean {
  return plan.tunnels.some((each) => each.ifname === ifname && each.peers.some((peer) => peer.site === site));
}

const NOTHING = { site: "", tunnels: [], overlay: [], privateKey: "", wireguard: "auto" } as const;
const MOMENT = ms(50);
const SPREAD = seconds(45);
