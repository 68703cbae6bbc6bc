/**
 * Steering of packets in the kernel: classification, rules, tables of links, the addresses of host names, and the end of
 * flows whose link died.  Everything that it puts there stays and goes on working when this process ends; the next one
 * changes nothing that is right.
 */
import { type Ip, isIpv4, octetsOfIp } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { hex } from "../../../base/octets.ts";
import { after, ms } from "../../../base/unit.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import { markValue } from "../../../netstack/kernel/marks.ts";
import { RouteSocket } from "../../../netstack/kernel/netlink/route-socket.ts";
import { hostSets } from "../class-chains.ts";
import { deadPins } from "../dead.ts";
import { remoteNetworks, reusedValues } from "../lanes.ts";
import type { LinkFacts, SteeringPlan } from "../part.ts";
import type { ShieldOrder } from "../shield-copies.ts";
import { isBare } from "../source-nat.ts";
import { isWithin } from "../spans.ts";
import { watchDrift } from "./drift.ts";
import { type Explained, explain, type PacketAsked } from "./explain.ts";
import { FlowEnds } from "./flow-ends.ts";
import { type FlowSeen, flowSeen } from "./flows.ts";
import { HostNames } from "./host-names.ts";
import { LooseFilter } from "./loose-filter.ts";
import { RouteKeeper } from "./route-keeper.ts";
import { RulesetKeeper } from "./ruleset-keeper.ts";
import { Shield } from "./shield.ts";
import type { ShieldCount } from "./shield-keeper.ts";

export interface SteeringParts {
  readonly loop: Loop;
  /** Directory for what must outlive a reboot; undefined = nothing does. */
  readonly state: string | undefined;
  readonly event: (name: string, fields: Readonly<Record<string, unknown>>) => void;
  /** The rules in the kernel know these classes by a token of the proxy: class → token. */
  readonly proxied?: (classes: Readonly<Record<string, number>>) => void;
  /** What the loss shield has counted is more than it was. */
  readonly shieldCounts?: (counts: readonly ShieldCount[]) => void;
}

/** Of the network namespace that the calling thread is in, when it is made and whenever it is called. */
export class Steering implements Disposable {
  readonly #parts: SteeringParts;
  readonly #route = new RouteSocket();
  readonly #routes = new RouteKeeper();
  readonly #rules = new RulesetKeeper();
  readonly #flows: FlowEnds;
  readonly #names: HostNames;
  readonly #filter: LooseFilter;
  readonly #shield: Shield;
  readonly #drift: Disposable;
  #plan: SteeringPlan | undefined;
  #facts: readonly LinkFacts[] = [];
  /** Links whose way to the internet is known to be dead. */
  readonly #noInternet = new Set<string>();
  /** Values whose flows were ended, of links that did not come back since. */
  #ended: ReadonlySet<number> = new Set();
  #again: Disposable | undefined;
  #lastRefusal = "";
  #saidProxied = "";

  constructor(parts: SteeringParts) {
    this.#parts = parts;
    const { loop, state } = parts;
    this.#flows = new FlowEnds(loop, (why) => this.#refused(why));
    this.#filter = new LooseFilter(state);
    this.#names = new HostNames(loop, (set, elements) => void this.#attempt(() => this.#rules.place(set, elements)));
    this.#shield = new Shield({
      loop,
      devices: () => this.#route.links(),
      counted: parts.shieldCounts ?? (() => undefined),
      refused: (why) => this.#refused(why),
    });
    this.#drift = watchDrift(loop, this.#routes.port, {
      drifted: () => this.#keep("repaired"),
      failed: (errno) => parts.event("wan.steering-blind", { level: "error", errno }),
      isDevice: (ifname) => this.#devices().includes(ifname),
      // What cannot be told apart counts.
      isIndex: (index) => this.#attempt(() => this.#devices().includes(this.#route.link(index)?.name ?? "")) ?? true,
      isTable: (table) => this.#plan?.links.some((link) => link.table === table) === true,
    });
  }

  /** What is wanted, and what is known of links: to be called whenever either changes. */
  plan(plan: SteeringPlan, facts: readonly LinkFacts[]): void {
    const reused = this.#plan === undefined ? [] : reusedValues(this.#plan.lanes, plan.lanes);
    this.#plan = plan;
    this.#facts = facts;
    this.#keep("changed");
    // Only now: the rules before would have written them again.
    if (reused.length > 0) this.#attempt(() => this.#flows.release(reused));
  }

  /** The way to the internet by a link died, or lives again. */
  internet(link: string, alive: boolean): void {
    if (alive) this.#noInternet.delete(link);
    else this.#noInternet.add(link);
    const plan = this.#plan;
    if (plan !== undefined) this.#attempt(() => this.#endFlows(plan));
  }

  /** All that is sent twice from now on. */
  shields(orders: readonly ShieldOrder[]): void {
    this.#shield.orders(orders);
  }

  flows(most: number): { readonly flows: readonly FlowSeen[]; readonly more: number } {
    const lanes = new Map((this.#plan?.lanes ?? []).map((lane) => [lane.mark, lane]));
    const all = this.#flows.list([...lanes.keys()]).flatMap((connection) => {
      const lane = lanes.get(markValue(connection.mark));
      return lane === undefined ? [] : [{ connection, lane }];
    });
    return {
      flows: all.slice(0, most).map(({ connection, lane }) => flowSeen(connection, lane)),
      more: Math.max(0, all.length - most),
    };
  }

  /** What would become of a packet. */
  classify(packet: PacketAsked): Explained {
    if (this.#plan === undefined) return { class: undefined, mark: 0, why: "there is no plan yet" };
    return explain(
      this.#plan,
      this.#route,
      packet,
      (ip, hosts) => this.#names.hostOf(ip, hosts) ?? this.#kept(ip, hosts),
    );
  }

  /** Takes away all of it. */
  remove(): void {
    this.#plan = undefined;
    this.#shield.remove();
    this.#names.plan([]);
    this.#rules.remove();
    this.#routes.remove();
    this.#filter.remove();
  }

  [Symbol.dispose](): void {
    this.#again?.[Symbol.dispose]();
    this.#drift[Symbol.dispose]();
    this.#names[Symbol.dispose]();
    this.#shield[Symbol.dispose]();
    this.#flows[Symbol.dispose]();
    this.#routes[Symbol.dispose]();
    this.#rules[Symbol.dispose]();
    this.#route[Symbol.dispose]();
  }

  #keep(why: "changed" | "repaired"): void {
    const plan = this.#plan;
    if (plan === undefined) return;
    this.#again?.[Symbol.dispose]();
    this.#again = undefined;
    // Routes that cannot be made must not keep the rules away, nor the other way round.
    const prepared = this.#attempt(() => this.#routes.prepare(plan));
    const kept = this.#attempt(() => this.#rules.keep(plan, this.#routes.near(plan)));
    const rules = kept === true;
    if (kept !== undefined) this.#tellProxied(plan);
    this.#attempt(() => this.#endFlows(plan));
    this.#shield.keep(plan);
    const routes = this.#attempt(() => this.#routes.keep(plan, this.#facts));
    const loosened = this.#attempt(() => this.#filter.keep(plan)) ?? [];
    this.#attempt(() => this.#names.plan(plan.classes));
    const changed = [...(prepared?.changed ?? []), ...(routes?.changed ?? [])];
    const refused = [...(prepared?.refused ?? []), ...(routes?.refused ?? [])];
    if (refused.length > 0) this.#refused(refused.join("; "));
    if (this.#again === undefined) this.#lastRefusal = "";
    if (rules || changed.length + loosened.length > 0) {
      this.#parts.event(`wan.steering-${why}`, { rules, routes: changed, settings: loosened });
    }
  }

  /** The rule for dead links first, so that it meets what the flows' ends say when they are ended. */
  #endFlows(plan: SteeringPlan): void {
    const down = this.#facts.filter(({ state }) => state === "down").map(({ name }) => name);
    const pins = deadPins(plan, new Set([...down, ...this.#noInternet]));
    this.#rules.setDead(pins.map(({ value }) => value));
    const dead = new Set(pins.map(({ value }) => value));
    const fresh = pins.filter(({ value }) => !this.#ended.has(value));
    // Those that could not be ended are fresh the next time, too.
    this.#ended = new Set([...this.#ended].filter((value) => dead.has(value)));
    if (fresh.length === 0) return;
    const own = new Set(this.#route.addresses().map(({ ip }) => ip));
    const remote = remoteNetworks(plan);
    for (const spec of plan.links) {
      const { name } = spec;
      const values = fresh.filter(({ link }) => link === name).map(({ value }) => value);
      const ended = this.#flows.end({
        values,
        own,
        inTunnels: (ip) => isWithin(remote, ip),
        masquerade: !isBare(spec),
      });
      if (ended.sockets + ended.nudged + ended.forgotten > 0) {
        this.#parts.event("wan.flows-ended", { link: name, ...ended });
      }
    }
    this.#ended = dead;
  }

  /** The kernel's sets know what a process before us has learnt, though not by which of the names. */
  #kept(ip: Ip, hosts: readonly string[]): string | undefined {
    const { v4, v6 } = hostSets(hosts);
    const key = hex(octetsOfIp(ip));
    return this.#rules.elements(isIpv4(ip) ? v4 : v6).some((each) => hex(each.key) === key)
      ? `one of ${hosts.join(", ")}`
      : undefined;
  }

  #tellProxied({ classes }: SteeringPlan): void {
    const tokens = classes.flatMap(({ name, match: { proxied } }) =>
      proxied.length === 1 ? proxied.map((token) => [name, token] as const) : [],
    );
    const said = JSON.stringify(tokens);
    if (said === this.#saidProxied) return;
    this.#saidProxied = said;
    this.#parts.proxied?.(Object.fromEntries(tokens));
  }

  #devices(): readonly string[] {
    return [...(this.#plan?.links ?? []), ...(this.#plan?.tunnels ?? [])].map(({ ifname }) => ifname);
  }

  #attempt<T>(run: () => T): T | undefined {
    try {
      return run();
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      this.#refused(cause.message, cause.code);
      return undefined;
    }
  }

  #refused(why: string, code?: string): void {
    // It is tried again and again; the same answer is worth one line.
    if (why !== this.#lastRefusal) this.#parts.event("wan.steering-refused", { level: "warn", code, why });
    this.#lastRefusal = why;
    const { loop } = this.#parts;
    this.#again ??= loop.wakeAt(after(loop.now(), RETRY), () => this.#keep("changed"));
  }
}

const RETRY = ms(2000);
