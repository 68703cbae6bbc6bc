/**
 * All WAN links of this host: follows their interfaces, judges them (link.ts), counts what they carry, finds their path
 * MTU and measures their bandwidth.  Changes nothing in the kernel.  Part of the wan process.
 */
import { formatIp, type Ip, isIpv4 } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { after, type Instant, seconds } from "../../../base/unit.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import type { LinkReport, LinkSpec } from "../../underlay-plan.ts";
import * as machine from "../link.ts";
import type { Seen } from "../seen.ts";
import { Interfaces } from "./interfaces.ts";
import { Memory } from "./memory.ts";
import { type MtuTask, PathMtus } from "./path-mtus.ts";

/** All that is known of a link, but for its NAT. */
export type LinkFacts = Omit<LinkReport, "nat">;

export interface LinkEvents {
  /** Something of it is different, at once. */
  changed(link: LinkFacts): void;
  gone(name: string): void;
  /** Its sources or next hops are others: what is bound to the old ones must look again. */
  roamed(name: string): void;
  /** What packets to a target by this link may measure, octets of IP. */
  pathMtu(name: string, target: Ip): void;
  /** For the log; `fields.level` is "info", "warn" or "error". */
  event(name: string, fields: Readonly<Record<string, unknown>>): void;
}

export interface LinksParts {
  readonly loop: Loop;
  /** Milliseconds since the epoch. */
  readonly wall: () => number;
  /** What outlives us; undefined = nothing. */
  readonly memoryFile: string | undefined;
  readonly on: LinkEvents;
}

export class Links implements Disposable {
  readonly #parts: LinksParts;
  readonly #links = new Map<string, Followed>();
  readonly #memory: Memory;
  readonly #mtus: PathMtus;
  /** Link → who may answer probes of its path MTU. */
  #targets: ReadonlyMap<string, readonly Ip[]> = new Map();
  #interfaces: Interfaces | undefined;
  #counting: Disposable | undefined;
  #savedAt = 0;
  #again: Disposable | undefined;
  #lastFault = "";

  constructor(parts: LinksParts) {
    this.#parts = parts;
    const { loop, on } = parts;
    this.#memory = new Memory(parts.memoryFile, (name, fields) => on.event(name, fields));
    this.#mtus = new PathMtus(loop, {
      found: (link, target) => this.#found(link, target),
      remembered: (link, target) => this.#memory.mtuOf(link, formatIp(target)),
      event: (name, fields) => on.event(name, fields),
    });
  }

  /** The whole truth: links that are not named are forgotten, equal ones are not touched. */
  plan(specs: readonly LinkSpec[]): void {
    for (const [name, followed] of this.#links) {
      const spec = specs.find((each) => each.name === name);
      if (spec === undefined) this.#forget(followed);
      // Another interface is another link.
      else if (spec.ifname !== followed.link.spec.ifname) this.#drop(followed);
    }
    if (specs.length > 0) this.#open();
    for (const spec of specs) {
      const followed = this.#links.get(spec.name);
      if (followed === undefined) this.#follow(spec);
      else if (JSON.stringify(followed.link.spec) !== JSON.stringify(spec)) {
        this.#feed(followed, { kind: "spec", spec });
      }
    }
    this.#memory.keep(specs.map(({ name }) => name));
    this.#count();
    this.#measure();
  }

  /** Hosts beyond the links that are worth asking for the path MTU: by link, those that its packets go to. */
  targets(targets: ReadonlyMap<string, readonly Ip[]>): void {
    this.#targets = targets;
    this.#measure();
  }
  pathMtu(name: string, target: Ip): number | undefined {
    return this.#mtus.of(name, target) ?? this.#memory.mtuOf(name, formatIp(target));
  }

  /** undefined: nobody asks third parties by this link. */
  internet(name: string, alive: boolean | undefined): void {
    const followed = this.#links.get(name);
    if (followed !== undefined) this.#feed(followed, { kind: "internet", alive });
  }

  measured(name: string, bits: { readonly up: number; readonly down: number | undefined }): void {
    const followed = this.#links.get(name);
    if (followed === undefined) return;
    this.#memory.measured(name, { ...bits, at: this.#parts.wall() });
    this.#tell(followed);
  }

  facts(): readonly LinkFacts[] {
    return [...this.#links.values()].map((followed) => this.#factsOf(followed));
  }
  specOf(name: string): LinkSpec | undefined {
    return this.#links.get(name)?.link.spec;
  }

  [Symbol.dispose](): void {
    for (const followed of this.#links.values()) followed.alarm?.[Symbol.dispose]();
    this.#again?.[Symbol.dispose]();
    this.#counting?.[Symbol.dispose]();
    this.#counting = undefined;
    this.#memory.save();
    this.#mtus[Symbol.dispose]();
    this.#links.clear();
    this.#interfaces?.[Symbol.dispose]();
    this.#interfaces = undefined;
  }

  #open(): void {
    this.#interfaces ??= new Interfaces(this.#parts.loop, {
      changed: (ifnames) => this.#look(ifnames),
      failed: (errno) => {
        throw new Fault("NETLINK", { request: "watch links", errno });
      },
    });
  }

  #follow(spec: LinkSpec): void {
    const { loop, wall, on } = this.#parts;
    const link = machine.linkOf(spec, this.#see(spec.ifname)?.seen, loop.now());
    const earlier = this.#memory.sinceOf(spec.name, link.state);
    const followed: Followed = {
      link,
      since: earlier ?? wall(),
      spent: false,
      told: undefined,
      alarm: undefined,
      alarmAt: undefined,
    };
    this.#links.set(spec.name, followed);
    this.#arm(followed);
    // What an earlier life has told is no news.
    if (earlier === undefined) this.#tellState(followed, undefined);
    followed.told = this.#factsOf(followed);
    on.changed(followed.told);
  }

  #look(ifnames: ReadonlySet<string> | "all"): void {
    for (const followed of this.#links.values()) {
      const { ifname } = followed.link.spec;
      if (ifnames !== "all" && !ifnames.has(ifname)) continue;
      const looked = this.#see(ifname);
      if (looked !== undefined) this.#feed(followed, { kind: "seen", seen: looked.seen });
    }
    this.#measure();
    if (this.#again === undefined) this.#lastFault = "";
  }

  /** undefined: the kernel did not say; what was seen last stands until it does. */
  #see(ifname: string): { readonly seen: Seen | undefined } | undefined {
    return this.#attempt(() => ({ seen: this.#interfaces?.see(ifname) }));
  }

  #attempt<T>(ask: () => T): T | undefined {
    try {
      return ask();
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      const { code, message: why } = cause;
      const { loop, on } = this.#parts;
      if (why !== this.#lastFault) on.event("wan.links-unread", { code, why, level: "warn" });
      this.#lastFault = why;
      this.#again ??= loop.wakeAt(after(loop.now(), RETRY), () => {
        this.#again = undefined;
        this.#look("all");
      });
      return undefined;
    }
  }

  #feed(followed: Followed, event: machine.LinkEvent): void {
    const { loop, wall } = this.#parts;
    const before = followed.link;
    followed.link = machine.step(before, event, loop.now());
    if (followed.link.state !== before.state) {
      followed.since = wall();
      this.#tellState(followed, before.state);
    }
    this.#arm(followed);
    this.#tell(followed);
  }

  /** Whatever is different since the last time. */
  #tell(followed: Followed): void {
    const { on } = this.#parts;
    const before = followed.told;
    const facts = this.#factsOf(followed);
    if (JSON.stringify(facts) === JSON.stringify(before)) return;
    followed.told = facts;
    on.changed(facts);
    if (before === undefined || wayOf(facts) === wayOf(before)) return;
    const { name, addresses, gateway4, gateway6 } = facts;
    on.event("wan.link-roamed", { link: name, addresses, gateway4, gateway6, level: "info" });
    on.roamed(name);
  }

  #tellState({ link, since }: Followed, before: machine.LinkState | undefined): void {
    const { state, why, spec } = link;
    this.#memory.stands(spec.name, state, since);
    const level = state === "up" ? "info" : "warn";
    this.#parts.on.event(`wan.link-${state}`, { link: spec.name, ifname: spec.ifname, why, before, level });
  }

  #arm(followed: Followed): void {
    const at = machine.nextWake(followed.link);
    if (at === followed.alarmAt) return;
    followed.alarm?.[Symbol.dispose]();
    followed.alarmAt = at;
    followed.alarm =
      at === undefined
        ? undefined
        : this.#parts.loop.wakeAt(at, () => {
            followed.alarmAt = undefined;
            this.#feed(followed, { kind: "wake" });
          });
  }

  /** Both families of a link that can send, to hosts of those. */
  #measure(): void {
    const tasks = [...this.#links.values()].flatMap((followed): readonly MtuTask[] => {
      const { spec, seen, state } = followed.link;
      if (state === "down" || seen === undefined) return [];
      const { gateway4, gateway6 } = machine.gateways(followed.link);
      const reachable = (target: Ip): boolean => (isIpv4(target) ? gateway4 : gateway6) !== undefined;
      const targets = (this.#targets.get(spec.name) ?? []).filter(reachable);
      const most = Math.min(spec.mtu ?? seen.mtu, seen.mtu);
      const sparing = spec.quota !== undefined;
      const { name: link, ifname, mark } = spec;
      return [{ link, ifname, ifindex: seen.index, mark, most, sparing, targets }];
    });
    this.#mtus.want(tasks);
  }

  #found(name: string, target: Ip): void {
    const { on } = this.#parts;
    this.#memory.mtus(name, this.#mtus.best(name), this.#mtus.all(name));
    on.pathMtu(name, target);
    const followed = this.#links.get(name);
    if (followed === undefined) return;
    const before = followed.told?.mtu;
    this.#tell(followed);
    const now = followed.told?.mtu;
    if (now !== before)
      on.event("wan.link-mtu", { link: name, mtu: now, before, target: formatIp(target), level: "info" });
  }

  #count(): void {
    const { loop, wall, on } = this.#parts;
    this.#counting?.[Symbol.dispose]();
    this.#counting = undefined;
    if (this.#links.size === 0) return this.#memory.save();
    for (const followed of this.#links.values()) {
      const { spec, seen } = followed.link;
      const octets = seen === undefined ? undefined : this.#attempt(() => this.#interfaces?.octets(seen.index));
      if (seen !== undefined && octets !== undefined)
        this.#memory.count(spec.name, seen.index, octets, spec.quota?.resetDay ?? 1, wall());
      const spent = spec.quota !== undefined && this.#memory.usedBy(spec.name) >= spec.quota.octets;
      if (spent !== followed.spent) {
        const fields = { link: spec.name, used: this.#memory.usedBy(spec.name), quota: spec.quota?.octets };
        on.event(spent ? "wan.quota-spent" : "wan.quota-restored", { ...fields, level: spent ? "warn" : "info" });
        followed.spent = spent;
      }
      this.#tell(followed);
    }
    if (wall() - this.#savedAt >= SAVE_EVERY) {
      this.#savedAt = wall();
      this.#memory.save();
    }
    this.#counting = loop.wakeAt(after(loop.now(), COUNT_EVERY), () => this.#count());
  }

  #factsOf({ link, since, spent }: Followed): LinkFacts {
    const { spec, seen, state, why } = link;
    const { gateway4, gateway6 } = machine.gateways(link);
    return {
      name: spec.name,
      ifname: spec.ifname,
      state,
      why,
      since,
      carrier: seen?.carrier ?? false,
      addresses: machine.addresses(link),
      gateway4,
      gateway6,
      mtu: spec.mtu ?? this.#mtuOf(spec.name, seen?.mtu),
      bandwidth: this.#memory.bandwidthOf(spec.name),
      used: this.#memory.usedBy(spec.name),
      quotaSpent: spent,
    };
  }

  /** What was found beyond it, now or in an earlier life; a smaller interface is never exceeded. */
  #mtuOf(name: string, interfaces: number | undefined): number | undefined {
    const found = this.#mtus.best(name) ?? this.#memory.mtuOf(name);
    return found === undefined || interfaces === undefined ? interfaces : Math.min(found, interfaces);
  }

  #forget(followed: Followed): void {
    this.#drop(followed);
    this.#parts.on.gone(followed.link.spec.name);
  }
  #drop(followed: Followed): void {
    followed.alarm?.[Symbol.dispose]();
    this.#links.delete(followed.link.spec.name);
  }
}

interface Followed {
  link: machine.Link;
  /** Of the state, milliseconds since the epoch. */
  since: number;
  /** The quota. */
  spent: boolean;
  told: LinkFacts | undefined;
  alarm: Disposable | undefined;
  alarmAt: Instant | undefined;
}

/** Where packets come from and go to. */
function wayOf({ addresses, gateway4, gateway6 }: LinkFacts): string {
  return JSON.stringify([addresses, gateway4, gateway6]);
}

const RETRY = seconds(1);
const COUNT_EVERY = seconds(10);
/** The kernel goes on counting without us: only a crash of the host loses what was not saved. */
const SAVE_EVERY = seconds(60);
