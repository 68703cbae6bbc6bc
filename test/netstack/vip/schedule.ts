/** Random schedules of faults, what they did to a simulated segment, and what must hold whatever they were. */
import fc from "fast-check";
import type { Ip, Ipv4, Mac } from "../../../base/address.ts";
import { unreachable } from "../../../base/result.ts";
import { ms } from "../../../base/unit.ts";
import type { Timing } from "../../../netstack/vip/timing.ts";
import { detection } from "../../../netstack/vip/timing.ts";
import { vip, World } from "./sim.ts";

export type Fault =
  | { readonly kind: "kill" | "start" | "freeze" | "thaw" | "cut" | "plug" | "isolate"; readonly node: number }
  | { readonly kind: "freeze-after"; readonly node: number; readonly actions: number }
  | { readonly kind: "filter-heartbeats" | "filter-all"; readonly node: number; readonly towards: number }
  | { readonly kind: "starve"; readonly node: number; readonly lateness: number }
  | { readonly kind: "withdraw" | "ineligible" | "eligible"; readonly node: number }
  | { readonly kind: "loss"; readonly share: number }
  | { readonly kind: "stranger"; readonly present: boolean }
  | { readonly kind: "heal" };
export interface Step {
  readonly wait: number;
  readonly fault: Fault;
}
export interface Scenario {
  readonly seed: number;
  readonly nodes: number;
  readonly vips: number;
  readonly witness: boolean;
  readonly steps: readonly Step[];
}

export function scenarios(kinds: readonly Fault["kind"][], witness: fc.Arbitrary<boolean>): fc.Arbitrary<Scenario> {
  const node = fc.nat(2);
  const faults: Record<Fault["kind"], fc.Arbitrary<Fault>> = {
    kill: fc.record({ kind: fc.constant("kill" as const), node }),
    start: fc.record({ kind: fc.constant("start" as const), node }),
    freeze: fc.record({ kind: fc.constant("freeze" as const), node }),
    thaw: fc.record({ kind: fc.constant("thaw" as const), node }),
    cut: fc.record({ kind: fc.constant("cut" as const), node }),
    plug: fc.record({ kind: fc.constant("plug" as const), node }),
    isolate: fc.record({ kind: fc.constant("isolate" as const), node }),
    "freeze-after": fc.record({ kind: fc.constant("freeze-after" as const), node, actions: fc.nat(12) }),
    "filter-heartbeats": fc.record({ kind: fc.constant("filter-heartbeats" as const), node, towards: node }),
    "filter-all": fc.record({ kind: fc.constant("filter-all" as const), node, towards: node }),
    starve: fc.record({ kind: fc.constant("starve" as const), node, lateness: fc.constantFrom(0, 20, 80, 160) }),
    withdraw: fc.record({ kind: fc.constant("withdraw" as const), node }),
    ineligible: fc.record({ kind: fc.constant("ineligible" as const), node }),
    eligible: fc.record({ kind: fc.constant("eligible" as const), node }),
    loss: fc.record({ kind: fc.constant("loss" as const), share: fc.constantFrom(0, 0.02, 0.1, 0.3) }),
    stranger: fc.record({ kind: fc.constant("stranger" as const), present: fc.boolean() }),
    heal: fc.record({ kind: fc.constant("heal" as const) }),
  };
  const fault = fc.oneof(...kinds.map((kind) => faults[kind]));
  const wait = fc.oneof(fc.nat(120), fc.nat(600));
  return fc.record({
    seed: fc.nat(2 ** 30),
    nodes: fc.integer({ min: 2, max: 3 }),
    vips: fc.integer({ min: 1, max: 3 }),
    witness,
    steps: fc.array(fc.record({ wait, fault }), { minLength: 1, maxLength: 14 }),
  });
}

/** A stretch of time in which nothing changed but by the protocol itself. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  /** Nodes that a client can reach. */
  readonly reachable: ReadonlySet<string>;
  /** "a b": both hear each other, and run. */
  readonly hearing: ReadonlySet<string>;
}

export class Run {
  readonly world: World;
  readonly timing: Timing;
  readonly addresses: readonly Ipv4[];
  readonly stretches: Stretch[] = [];
  readonly #scenario: Scenario;
  readonly #isolated = new Set<string>();
  /** A node was struck by something else before or while it was cut off: its lease may outlive the cut (docs/protocols/vip.md §10). */
  #struck = false;
  #ineligible = new Set<string>();

  constructor(scenario: Scenario, timing: Timing) {
    this.#scenario = scenario;
    this.timing = timing;
    this.addresses = Array.from({ length: scenario.vips }, (_, index) => (FIRST + index) as Ipv4);
    const rates = [1, 1.0002, 0.9998];
    this.world = new World({
      timing,
      seed: scenario.seed,
      delay: { least: 0.02, most: timing.interval / 20 },
      nodes: NAMES.slice(0, scenario.nodes).map((name, index) => ({
        name,
        vips: this.#vips(name),
        rate: rates[index] ?? 1,
        ...(scenario.witness ? { witnesses: [WITNESS_IP] } : {}),
      })),
    });
    this.world.witnesses.add(WITNESS_IP);
  }

  /** Starts the nodes a little apart, lets them settle, and then does to them what the schedule says. */
  play(): this {
    for (const node of this.world.nodes.values()) {
      node.start();
      this.#pass(this.world.random() * this.timing.interval);
    }
    this.#pass(4 * detection(this.timing));
    for (const { wait, fault } of this.#scenario.steps) {
      this.#pass((wait * this.timing.interval) / 100);
      this.#inflict(fault);
    }
    this.#pass(2 * detection(this.timing));
    return this;
  }

  /** Ends every fault. */
  recover(): this {
    const { world } = this;
    this.#inflict({ kind: "heal" });
    world.loss = 0;
    world.strangers.clear();
    this.#ineligible.clear();
    for (const node of world.nodes.values()) {
      node.lateness = 0;
      node.thaw();
      node.plug();
      if (node.withdrawn || node.withdrawing) node.kill();
      node.start();
      node.reconfigure(this.#vips(node.name));
    }
    return this;
  }

  pass(span: number): this {
    this.#pass(span);
    return this;
  }

  /** Time that two nodes answered for one address to a client that could reach both. */
  doubleAnswers(): readonly string[] {
    return this.world.overlaps().flatMap(({ a, b, from, to }) =>
      this.stretches
        .filter((each) => each.reachable.has(a.node) && each.reachable.has(b.node))
        .map((each) => [Math.max(each.from, from), Math.min(each.to, to)] as const)
        .filter(([start, end]) => end - start > 1e-9)
        .map(([start, end]) => `${a.node} and ${b.node} answer for ${a.ip} from ${start} to ${end}`),
    );
  }

  /** The longest time that two nodes answered for one address while they heard each other. */
  longestHeardDouble(): number {
    let longest = 0;
    for (const { a, b, from, to } of this.world.overlaps()) {
      let run = 0;
      let last = from;
      for (const each of this.stretches) {
        const [start, end] = [Math.max(each.from, from), Math.min(each.to, to)];
        if (end <= start) continue;
        const heard = each.hearing.has(`${a.node} ${b.node}`) || each.hearing.has(`${b.node} ${a.node}`);
        run = heard ? (start - last < 1e-9 ? run : 0) + (end - start) : 0;
        last = end;
        longest = Math.max(longest, run);
      }
    }
    return longest;
  }

  #pass(span: number): void {
    const { world } = this;
    const from = world.now;
    const nodes = [...world.nodes.values()];
    const hears = (a: string, b: string): boolean => world.passes(a, b, "heartbeat") && world.passes(b, a, "heartbeat");
    const hearing = nodes.flatMap((a) =>
      nodes
        .filter((b) => a !== b && a.running && b.running && a.carrier && b.carrier && world.loss === 0)
        .filter((b) => hears(a.name, b.name))
        .map((b) => `${a.name} ${b.name}`),
    );
    const reachable = nodes.filter((node) => world.reachable(node.name)).map((node) => node.name);
    world.pass(span);
    this.stretches.push({ from, to: world.now, reachable: new Set(reachable), hearing: new Set(hearing) });
  }

  #inflict(fault: Fault): void {
    const { world } = this;
    const name = (index: number): string => NAMES[index % this.#scenario.nodes] ?? "a";
    if ("node" in fault && STRIKES.has(fault.kind) && this.#isolated.has(name(fault.node))) this.#struck = true;
    switch (fault.kind) {
      case "kill":
        return world.node(name(fault.node)).kill();
      case "start":
        return world.node(name(fault.node)).start();
      case "freeze":
        return world.node(name(fault.node)).freeze();
      case "thaw":
        return world.node(name(fault.node)).thaw();
      case "freeze-after":
        return world.node(name(fault.node)).freezeAfter(fault.actions);
      case "cut":
        return world.node(name(fault.node)).cut();
      case "plug":
        return world.node(name(fault.node)).plug();
      case "isolate":
        this.#isolated.add(name(fault.node));
        this.#struck ||= world.node(name(fault.node)).disturbed;
        return world.isolate(name(fault.node));
      case "filter-heartbeats":
        return world.block(name(fault.node), name(fault.towards), "heartbeat");
      case "filter-all":
        return world.block(name(fault.node), name(fault.towards));
      case "starve":
        world.node(name(fault.node)).lateness = (fault.lateness * this.timing.interval) / 100;
        return;
      case "withdraw":
        return world.node(name(fault.node)).withdraw(ms(1000));
      case "ineligible":
      case "eligible": {
        const node = name(fault.node);
        if (fault.kind === "eligible") this.#ineligible.delete(node);
        else this.#ineligible.add(node);
        return world.node(node).reconfigure(this.#vips(node));
      }
      case "loss":
        world.loss = fault.share;
        return;
      case "stranger":
        if (fault.present) world.strangers.set(FIRST as Ip, STRANGER);
        else world.strangers.clear();
        return;
      case "heal":
        // Two faults on one node and the end of the first, all within its lease: not among the guarantees.
        if (this.#struck) this.#pass(2 * detection(this.timing));
        this.#struck = false;
        this.#isolated.clear();
        return world.heal();
      default:
        unreachable(fault);
    }
  }

  #vips(node: string): readonly ReturnType<typeof vip>[] {
    const eligible = !this.#ineligible.has(node);
    return this.addresses.map((ip, index) => vip(`v${index}`, ip, { eligible, why: eligible ? "" : "TEST" }));
  }
}

const STRIKES: ReadonlySet<Fault["kind"]> = new Set(["kill", "freeze", "freeze-after", "starve"]);
const NAMES = ["a", "b", "c"] as const;
const FIRST = 0x0a00_0064 as Ipv4;
const WITNESS_IP = 0x0a00_00fe as Ipv4;
const STRANGER = 0x0a00_0000_0077 as Mac;
