/**
 * A segment under a virtual clock: nodes that run the real machine on a model of the kernel, and a wire with loss, delay,
 * filters and partitions.  The model kernel answers probes exactly while a lease holds, whatever happens to the process;
 * a frozen process keeps its clock, its queue and the actions that it had not performed yet.
 */
import type { Ip, Ipv4, Mac } from "../../../base/address.ts";
import { ms } from "../../../base/unit.ts";
import type { VipConfig } from "../../../netstack/vip/event.ts";
import type { Timing } from "../../../netstack/vip/timing.ts";
import { type NodeSpec, SimNode, type Span, type Traffic, WITNESS, type Wire } from "./sim-node.ts";

export { WITNESS } from "./sim-node.ts";

export interface WorldOptions {
  readonly timing: Timing;
  readonly seed: number;
  readonly nodes: readonly NodeSpec[];
  /** [0, 1) of all datagrams and frames. */
  readonly loss?: number;
  readonly delay?: { readonly least: number; readonly most: number };
}

export class World implements Wire {
  now = 0;
  readonly nodes = new Map<string, SimNode>();
  readonly timing: Timing;
  readonly claims: { readonly at: number; readonly node: string; readonly ip: Ip; readonly term: number }[] = [];
  readonly violations: string[] = [];
  loss: number;
  /** Blocks from → to. */
  readonly filters = new Set<string>();
  /** Stations that are none of ours, by address. */
  readonly strangers = new Map<Ip, Mac>();
  readonly witnesses = new Set<Ip>();
  readonly spans: Span[] = [];
  readonly #queue: { readonly at: number; readonly order: number; readonly run: () => void }[] = [];
  readonly #delay: { readonly least: number; readonly most: number };
  #order = 0;
  #random: number;

  constructor(options: WorldOptions) {
    this.timing = options.timing;
    this.#random = options.seed | 1;
    this.loss = options.loss ?? 0;
    this.#delay = options.delay ?? { least: 0.05, most: 0.4 };
    options.nodes.forEach((spec, index) => this.nodes.set(spec.name, new SimNode(this, spec, index + 1)));
  }

  node(name: string): SimNode {
    const node = this.nodes.get(name);
    if (node === undefined) throw new TypeError(`no node ${name}`);
    return node;
  }

  /** Runs until `until`, and everything that is due then. */
  run(until: number): void {
    for (let next = this.#queue[0]; next !== undefined && next.at <= until; next = this.#queue[0]) {
      this.#pop();
      this.now = next.at;
      next.run();
    }
    this.now = until;
  }
  pass(span: number): void {
    this.run(this.now + span);
  }

  at(at: number, run: () => void): void {
    const entry = { at, order: this.#order++, run };
    const heap = this.#queue;
    let place = heap.push(entry) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !before(entry, above)) break;
      heap[place] = above;
      place = parent;
    }
    heap[place] = entry;
  }

  random(): number {
    this.#random = (this.#random + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#random ^ (this.#random >>> 15), 1 | this.#random);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Carries one datagram or frame from a station to another; unlike a switch it may reorder. */
  carry(from: string, to: string, traffic: Traffic, arrive: () => void): void {
    if (!this.passes(from, to, traffic) || (this.loss > 0 && this.random() < this.loss)) return;
    const { least, most } = this.#delay;
    this.at(this.now + least + this.random() * (most - least), arrive);
  }
  passes(from: string, to: string, traffic: Traffic): boolean {
    return !this.filters.has(`${from}>${to}`) && !this.filters.has(`${from}>${to} ${traffic}`);
  }
  block(from: string, to: string, traffic?: Traffic): void {
    this.filters.add(traffic === undefined ? `${from}>${to}` : `${from}>${to} ${traffic}`);
  }
  /** Can a client's frame reach the node, and the answer the client? */
  reachable(name: string): boolean {
    return this.node(name).carrier && this.passes(name, CLIENT, "arp") && this.passes(CLIENT, name, "arp");
  }
  /** Cuts a node off from everybody without its noticing: the carrier stays. */
  isolate(name: string): void {
    for (const other of [...this.nodes.keys(), WITNESS, CLIENT]) {
      if (other === name) continue;
      this.block(name, other);
      this.block(other, name);
    }
  }
  heal(): void {
    this.filters.clear();
  }

  owners(ip: Ip): readonly string[] {
    return [...this.nodes.values()].filter((node) => node.answers(ip)).map((node) => node.name);
  }
  /** Overlaps of spans of different nodes for one address, as milliseconds with their place. */
  overlaps(): readonly { readonly a: Span; readonly b: Span; readonly from: number; readonly to: number }[] {
    const found = [];
    for (const [index, a] of this.spans.entries()) {
      for (const b of this.spans.slice(index + 1)) {
        if (a.ip !== b.ip || a.node === b.node) continue;
        const [from, to] = [Math.max(a.from, b.from), Math.min(a.to, b.to, this.now)];
        if (to > from) found.push({ a, b, from, to });
      }
    }
    return found;
  }

  #pop(): void {
    const heap = this.#queue;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let place = 0;
    for (;;) {
      let child = place * 2 + 1;
      let least = heap[child];
      const right = heap[child + 1];
      if (least === undefined) break;
      if (right !== undefined && before(right, least)) {
        child++;
        least = right;
      }
      if (!before(least, last)) break;
      heap[place] = least;
      place = child;
    }
    heap[place] = last;
  }
}

export function vip(name: string, ip: number, changes: Partial<VipConfig> = {}): VipConfig {
  return {
    name,
    addresses: [ip as Ipv4],
    priority: 100,
    preemptDelay: undefined,
    onConflict: "defend",
    eligible: true,
    why: "",
    ...changes,
  };
}

function before(
  a: { readonly at: number; readonly order: number },
  b: { readonly at: number; readonly order: number },
): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

export const CLIENT = "client";
export const DEFAULT: Timing = { interval: ms(100), multiplier: 3 };
