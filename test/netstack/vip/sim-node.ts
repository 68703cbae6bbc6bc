/** One host of the simulated segment: the model of a kernel, and a process that runs the real machine on it. */
import type { Ip, Ipv4, Mac } from "../../../base/address.ts";
import { unreachable } from "../../../base/result.ts";
import { type Instant, instant, type Ms } from "../../../base/unit.ts";
import type { Action, Event, SegmentConfig, VipConfig } from "../../../netstack/vip/event.ts";
import { decode, encode } from "../../../netstack/vip/packet.ts";
import type { VipReport } from "../../../netstack/vip/plan.ts";
import { Segment } from "../../../netstack/vip/segment.ts";
import type { Timing } from "../../../netstack/vip/timing.ts";

export type Traffic = "heartbeat" | "arp";
export interface NodeSpec {
  readonly name: string;
  readonly vips: readonly VipConfig[];
  readonly witnesses?: readonly Ip[];
  readonly timing?: Timing;
  /** Seconds of its clock per second of the world. */
  readonly rate?: number;
}
/** While a node's kernel answered for an address to whoever could reach it. */
export interface Span {
  readonly node: string;
  readonly ip: Ip;
  readonly from: number;
  to: number;
}

/** What a node needs of the world. */
export interface Wire {
  readonly now: number;
  readonly timing: Timing;
  readonly nodes: ReadonlyMap<string, SimNode>;
  readonly claims: { readonly at: number; readonly node: string; readonly ip: Ip; readonly term: number }[];
  readonly violations: string[];
  readonly spans: Span[];
  readonly strangers: ReadonlyMap<Ip, Mac>;
  readonly witnesses: ReadonlySet<Ip>;
  at(at: number, run: () => void): void;
  random(): number;
  carry(from: string, to: string, traffic: Traffic, arrive: () => void): void;
}

export class SimNode {
  readonly name: string;
  readonly spec: NodeSpec;
  readonly mac: Mac;
  readonly address: Ipv4;
  readonly reports = new Map<string, VipReport>();
  readonly events: {
    readonly at: number;
    readonly name: string;
    readonly fields: Readonly<Record<string, unknown>>;
  }[] = [];
  withdrawn = false;
  withdrawing = false;
  carrier = true;
  /** Wakes come late by up to this. */
  lateness = 0;
  segment: Segment | undefined;
  refused = new Map<string, number>();
  sent = { heartbeats: 0, probes: 0, announcements: 0 };
  readonly #world: Wire;
  readonly #rate: number;
  readonly #leases = new Map<Ip, Span>();
  #vips: readonly VipConfig[];
  #frozen = false;
  #freezeAfter: number | undefined;
  #todo: (() => void)[] = [];
  #generation = 0;
  #wake = 0;
  #incarnation = 0;

  constructor(world: Wire, spec: NodeSpec, index: number) {
    this.#world = world;
    this.spec = spec;
    this.name = spec.name;
    this.mac = (0x0200_0000_0000 + index) as Mac;
    this.address = (0x0a00_0000 + index) as Ipv4;
    this.#rate = spec.rate ?? 1;
    this.#vips = spec.vips;
  }

  get running(): boolean {
    return this.segment !== undefined && !this.#frozen;
  }
  /** Its heartbeats are late, or will be. */
  get disturbed(): boolean {
    return this.#frozen || this.#freezeAfter !== undefined || this.lateness > 0;
  }
  get config(): SegmentConfig {
    return {
      node: this.name,
      ifname: "eth0",
      incarnation: this.#incarnation,
      timing: this.spec.timing ?? this.#world.timing,
      witnesses: this.spec.witnesses ?? [],
      vips: this.#vips,
    };
  }

  /** A start sweeps what a predecessor left in the kernel before it says anything. */
  start(): void {
    if (this.segment !== undefined) return;
    for (const ip of this.#leases.keys()) this.#release(ip);
    this.#incarnation = Math.floor(this.#world.now * 1000) + 1_000_000 + this.#incarnation;
    this.#generation++;
    this.#frozen = false;
    this.withdrawn = false;
    this.withdrawing = false;
    this.segment = new Segment(this.config, this.#clock());
    this.#feed({ kind: "link", up: this.carrier, mac: this.mac, addresses: [this.address] });
  }
  kill(): void {
    this.segment = undefined;
    this.#todo = [];
    this.#generation++;
    this.#frozen = false;
    this.#freezeAfter = undefined;
  }
  freeze(): void {
    if (this.segment !== undefined) this.#frozen = true;
  }
  /** Freezes between two actions of a batch: the nastiest moment there is. */
  freezeAfter(actions: number): void {
    if (this.segment !== undefined) this.#freezeAfter = actions;
  }
  thaw(): void {
    this.#freezeAfter = undefined;
    if (!this.#frozen) return;
    this.#frozen = false;
    this.#drain();
  }
  cut(): void {
    this.carrier = false;
    for (const span of this.#leases.values())
      if (span.to > this.#world.now) span.to = Math.min(span.to, this.#world.now);
    this.#leases.clear();
    this.feed({ kind: "link", up: false, mac: this.mac, addresses: [this.address] });
  }
  plug(): void {
    if (this.carrier) return;
    this.carrier = true;
    this.feed({ kind: "link", up: true, mac: this.mac, addresses: [this.address] });
  }
  reconfigure(vips: readonly VipConfig[]): void {
    this.#vips = vips;
    this.feed({ kind: "configured", config: this.config });
  }
  withdraw(handover: Ms): void {
    this.withdrawing = true;
    this.feed({ kind: "withdraw", handover });
  }

  /** Its kernel answers for the address now. */
  answers(ip: Ip): boolean {
    const span = this.#leases.get(ip);
    return this.carrier && span !== undefined && span.to > this.#world.now;
  }
  state(name: string): VipReport | undefined {
    return this.segment === undefined ? undefined : this.reports.get(name);
  }

  feed(event: Event): void {
    if (this.segment === undefined) return;
    this.#todo.push(() => this.#step(event));
    this.#drain();
  }

  #feed(event: Event): void {
    this.#step(event);
    this.#drain();
  }

  #drain(): void {
    while (!this.#frozen) {
      const next = this.#todo.shift();
      if (next === undefined) break;
      next();
    }
    if (!this.#frozen) this.#rearm();
  }

  #rearm(): void {
    const { segment } = this;
    if (segment === undefined) return;
    const [generation, wake] = [this.#generation, ++this.#wake];
    const late = this.lateness * this.#world.random();
    const at = Math.max(this.#world.now, segment.nextWake() / this.#rate + 1e-6) + late;
    this.#world.at(at, () => {
      if (this.#generation === generation && this.#wake === wake && !this.#frozen) this.feed({ kind: "wake" });
    });
  }

  #step(event: Event): void {
    const { segment } = this;
    if (segment === undefined) return;
    const actions = segment.step(event, this.#clock());
    // Before anything that waits already: the driver performs a batch to its end.
    this.#todo.unshift(...actions.map((action) => () => this.#perform(action)));
  }

  #perform(action: Action): void {
    if (this.#freezeAfter !== undefined && this.#freezeAfter-- <= 0) {
      this.#freezeAfter = undefined;
      this.#frozen = true;
      this.#todo.unshift(() => this.#perform(action));
      return;
    }
    const world = this.#world;
    if ("before" in action && action.kind !== "claim" && this.#clock() > action.before) return;
    switch (action.kind) {
      case "renew": {
        const [lost, kept] = [[] as Ip[], [] as Ip[]];
        for (const { vip, addresses } of action.holdings) {
          const alive = addresses.every((ip) => this.answers(ip));
          if (alive) kept.push(...addresses);
          else lost.push(vip);
        }
        this.#hold(kept, action.span);
        this.#todo.unshift(() => this.#step({ kind: "renewed", lost }));
        break;
      }
      case "claim": {
        const ok = this.#clock() <= action.before && this.carrier;
        const held = ok ? action.holdings : [];
        for (const { addresses } of held) this.#hold(addresses, action.span);
        this.#todo.unshift(() => this.#step({ kind: "claimed", begun: held.map((each) => each.vip) }));
        break;
      }
      case "drop":
      case "drain":
        for (const ip of action.holding.addresses) this.#release(ip);
        break;
      case "handover":
        break;
      case "heartbeat": {
        this.sent.heartbeats++;
        for (const entry of action.packet.entries) {
          if (entry.role === "owner" && !this.answers(entry.vip)) {
            world.violations.push(`${this.name} says at ${world.now} that it owns ${entry.vip} without a lease`);
          }
        }
        const bytes = encode(action.packet);
        for (const other of this.#others()) {
          world.carry(this.name, other.name, "heartbeat", () => {
            const packet = decode(bytes);
            if (!packet.ok) throw new TypeError(`a heartbeat of ours is ${packet.error.kind}`);
            if (other.carrier) other.feed({ kind: "heartbeat", packet: packet.value });
          });
        }
        break;
      }
      case "probe":
        this.sent.probes++;
        this.#ask(action.ip);
        break;
      case "witness":
        if (world.witnesses.has(action.ip)) {
          this.#exchange(WITNESS, () => this.feed({ kind: "asserted", ip: action.ip, mac: 0x0600_0000_0001 as Mac }));
        }
        break;
      case "announce":
        this.sent.announcements++;
        if (!this.answers(action.ip)) break; // the egress fence
        for (const other of this.#others()) {
          world.carry(this.name, other.name, "arp", () => {
            if (other.carrier) other.feed({ kind: "asserted", ip: action.ip, mac: this.mac });
          });
        }
        break;
      case "report":
        this.reports.set(action.report.name, action.report);
        break;
      case "event":
        this.events.push({ at: world.now, name: action.name, fields: action.fields });
        if (action.name === "vip.claimed") this.#noteClaim(action.fields);
        break;
      case "refused":
        this.refused.set(action.why, (this.refused.get(action.why) ?? 0) + 1);
        break;
      case "withdrawn":
        this.withdrawn = true;
        break;
      case "peer":
        break;
      default:
        unreachable(action);
    }
  }

  /** An ARP probe: broadcast, answered by the kernel of whoever holds a lease, seen by every process. */
  #ask(ip: Ip): void {
    const world = this.#world;
    const hear = (mac: Mac): void => {
      if (this.carrier) this.feed({ kind: "asserted", ip, mac });
    };
    for (const other of this.#others()) {
      world.carry(this.name, other.name, "arp", () => {
        if (!other.carrier) return;
        if (other.answers(ip)) world.carry(other.name, this.name, "arp", () => hear(other.mac));
        other.feed({ kind: "probed", ip, mac: this.mac });
      });
    }
    const stranger = world.strangers.get(ip);
    if (stranger !== undefined) this.#exchange("stranger", () => hear(stranger));
  }

  #exchange(station: string, answer: () => void): void {
    const world = this.#world;
    if (!this.carrier) return;
    world.carry(this.name, station, "arp", () =>
      world.carry(station, this.name, "arp", () => {
        if (this.carrier) answer();
      }),
    );
  }

  #others(): readonly SimNode[] {
    return this.carrier ? [...this.#world.nodes.values()].filter((each) => each !== this) : [];
  }

  #hold(addresses: readonly Ip[], span: Ms): void {
    const { now } = this.#world;
    const to = now + span / this.#rate;
    for (const ip of addresses) {
      const held = this.#leases.get(ip);
      if (held !== undefined && held.to > now) held.to = to;
      else {
        const fresh = { node: this.name, ip, from: now, to };
        this.#leases.set(ip, fresh);
        this.#world.spans.push(fresh);
      }
    }
  }
  #release(ip: Ip): void {
    const held = this.#leases.get(ip);
    if (held !== undefined) held.to = Math.min(held.to, this.#world.now);
    this.#leases.delete(ip);
  }
  #noteClaim(fields: Readonly<Record<string, unknown>>): void {
    const vip = this.#vips.find((each) => each.name === fields["vip"]);
    const [ip] = vip?.addresses ?? [];
    if (ip !== undefined)
      this.#world.claims.push({ at: this.#world.now, node: this.name, ip, term: Number(fields["term"]) });
  }
  #clock(): Instant {
    return instant(this.#world.now * this.#rate);
  }
}

export const WITNESS = "witness";
