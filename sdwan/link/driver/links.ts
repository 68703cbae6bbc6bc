/**
 * All WAN links of this host: follows their interfaces, judges them (link.ts), counts what they carry, finds their path
 * MTU and measures their bandwidth.  Changes nothing in the kernel.  Part of the wan process.
 */
import { Fault } from "../../../base/fault.ts";
import type { Instant } from "../../../base/unit.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import type { LinkReport, LinkSpec } from "../../underlay-plan.ts";
import * as machine from "../link.ts";
import { Interfaces } from "./interfaces.ts";

/** All that is known of a link, but for its NAT. */
export type LinkFacts = Omit<LinkReport, "nat">;

export interface LinkEvents {
  /** Something of it is different, at once. */
  changed(link: LinkFacts): void;
  gone(name: string): void;
  /** Its sources or next hops are others: what is bound to the old ones must look again. */
  roamed(name: string): void;
  /** For the log; `fields.level` is "info", "warn" or "error". */
  event(name: string, fields: Readonly<Record<string, unknown>>): void;
}

export interface LinksParts {
  readonly loop: Loop;
  /** Milliseconds since the epoch. */
  readonly wall: () => number;
  readonly on: LinkEvents;
}

export class Links implements Disposable {
  readonly #parts: LinksParts;
  readonly #links = new Map<string, Followed>();
  #interfaces: Interfaces | undefined;

  constructor(parts: LinksParts) {
    this.#parts = parts;
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
        this.#parts.on.changed(factsOf(followed));
      }
    }
  }

  /** undefined: nobody asks third parties by this link. */
  internet(name: string, alive: boolean | undefined): void {
    const followed = this.#links.get(name);
    if (followed !== undefined) this.#feed(followed, { kind: "internet", alive });
  }

  facts(): readonly LinkFacts[] {
    return [...this.#links.values()].map(factsOf);
  }
  specOf(name: string): LinkSpec | undefined {
    return this.#links.get(name)?.link.spec;
  }

  [Symbol.dispose](): void {
    for (const followed of this.#links.values()) followed.alarm?.[Symbol.dispose]();
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
    const link = machine.linkOf(spec, this.#interfaces?.see(spec.ifname), loop.now());
    const followed: Followed = { link, since: wall(), alarm: undefined, alarmAt: undefined };
    this.#links.set(spec.name, followed);
    this.#arm(followed);
    this.#tellState(followed, undefined);
    on.changed(factsOf(followed));
  }

  #look(ifnames: ReadonlySet<string> | "all"): void {
    for (const followed of this.#links.values()) {
      const { ifname } = followed.link.spec;
      if (ifnames !== "all" && !ifnames.has(ifname)) continue;
      this.#feed(followed, { kind: "seen", seen: this.#interfaces?.see(ifname) });
    }
  }

  #feed(followed: Followed, event: machine.LinkEvent): void {
    const { loop, wall, on } = this.#parts;
    const before = followed.link;
    const now = factsOf(followed);
    followed.link = machine.step(before, event, loop.now());
    if (followed.link.state !== before.state) {
      followed.since = wall();
      this.#tellState(followed, before.state);
    }
    this.#arm(followed);
    const facts = factsOf(followed);
    if (JSON.stringify(facts) === JSON.stringify(now)) return;
    on.changed(facts);
    if (wayOf(facts) === wayOf(now)) return;
    const { name, addresses, gateway4, gateway6 } = facts;
    on.event("wan.link-roamed", { link: name, addresses, gateway4, gateway6, level: "info" });
    on.roamed(name);
  }

  #tellState({ link }: Followed, before: machine.LinkState | undefined): void {
    const { state, why, spec } = link;
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
  alarm: Disposable | undefined;
  alarmAt: Instant | undefined;
}

function factsOf({ link, since }: Followed): LinkFacts {
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
    mtu: spec.mtu ?? seen?.mtu,
    bandwidth: undefined,
    used: 0,
    quotaSpent: false,
  };
}

/** Where packets come from and go to. */
function wayOf({ addresses, gateway4, gateway6 }: LinkFacts): string {
  return JSON.stringify([addresses, gateway4, gateway6]);
}
