/**
 * A network of Routers under a virtual clock: packets travel as octets through the codec over links that lose,
 * duplicate, delay and reorder by a seed, and that can be cut.
 */
import { formatIp, type Ip, ipv4, ipv6, isIpv4 } from "../../../base/address.ts";
import { type Instant, instant } from "../../../base/unit.ts";
import type { Action, Link, LinkAddress, Proven, Route } from "../../../netstack/ospf/event.ts";
import { Heap } from "../../../netstack/ospf/heap.ts";
import { decode } from "../../../netstack/ospf/packet/decode.ts";
import { describe as textOf } from "../../../netstack/ospf/packet/describe.ts";
import { encode } from "../../../netstack/ospf/packet/encode.ts";
import type { Packet } from "../../../netstack/ospf/packet/packet.ts";
import type { OspfArea, OspfInterfaceSpec, OspfNetwork, OspfPlan } from "../../../netstack/ospf/plan.ts";
import { Router } from "../../../netstack/ospf/router.ts";

export interface Weather {
  readonly loss: number;
  readonly duplication: number;
  /** Milliseconds, at random up to. */
  readonly delay: number;
}
export const CALM: Weather = { loss: 0, duplication: 0, delay: 0 };

export function random(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function iface(ifname: string, fields: Partial<OspfInterfaceSpec> = {}): OspfInterfaceSpec {
  return {
    ifname,
    type: "broadcast",
    passive: false,
    cost: 10,
    priority: 1,
    hello: 10_000,
    dead: 40_000,
    retransmit: 5000,
    transmitDelay: 1000,
    mtuIgnore: false,
    instanceId: 0,
    auth: undefined,
    neighbors: [],
    poll: 120_000,
    bfd: undefined,
    ...fields,
  };
}
export function plan(
  version: 2 | 3,
  routerId: string,
  areas: readonly (Pick<OspfArea, "interfaces"> & Partial<OspfArea>)[],
  fields: Partial<OspfPlan> = {},
): OspfPlan {
  return {
    version,
    routerId,
    areas: areas.map((area) => ({ id: "0.0.0.0", kind: "normal", ...area })),
    networks: [],
    install: { table: 254, metric: 20 },
    maxMetric: false,
    gracefulRestart: undefined,
    restarting: false,
    ...fields,
  };
}
export function network(prefix: string, fields: Partial<OspfNetwork> = {}): OspfNetwork {
  return { prefix, as: "external-2", metric: 20, tag: 0, area: undefined, ...fields };
}
export function address(text: string): LinkAddress {
  const [ip = "", length = ""] = text.split("/");
  return { ip: ip.includes(":") ? ipv6(ip) : ipv4(ip), length: Number(length) };
}

export interface Node {
  readonly name: string;
  router: Router;
  plan: OspfPlan;
  readonly links: Map<string, Link>;
  readonly ports: Map<string, Segment>;
  /** As the kernel would have them. */
  readonly kernel: Map<string, Route>;
  readonly actions: Action[];
  readonly groups: Map<string, { readonly allSpf: boolean; readonly allDr: boolean }>;
  /** Counts packets: authentication sequence. */
  proven: (() => Proven) | undefined;
  wakeAt: number | undefined;
  alive: boolean;
}
export interface Segment {
  readonly name: string;
  readonly ports: { readonly node: Node; readonly ifname: string }[];
  weather: Weather;
  /** Pairs "a b" of nodes between which nothing passes; "*": nothing at all. */
  readonly cut: Set<string>;
}

export class Network {
  now: Instant = instant(1000);
  readonly nodes = new Map<string, Node>();
  readonly segments = new Map<string, Segment>();
  readonly log: string[] = [];
  packets = 0;
  /** Sees, and may change or swallow, every packet. */
  tap: ((from: Node, to: Node, packet: Packet) => Packet | undefined) | undefined;
  readonly #queue = new Heap<() => void>();
  readonly #random: () => number;

  constructor(seed = 1) {
    this.#random = random(seed);
  }

  segment(name: string, weather: Weather = CALM): Segment {
    const made: Segment = { name, ports: [], weather, cut: new Set() };
    this.segments.set(name, made);
    return made;
  }

  /** `links`: name → segment and addresses. */
  node(
    wanted: OspfPlan,
    links: Readonly<
      Record<string, { segment?: Segment; addresses: readonly string[]; mtu?: number; loopback?: boolean }>
    >,
    name = wanted.routerId,
  ): Node {
    const node: Node = {
      name,
      router: new Router(wanted, this.now),
      plan: wanted,
      links: new Map(),
      ports: new Map(),
      kernel: new Map(),
      actions: [],
      groups: new Map(),
      proven: undefined,
      wakeAt: undefined,
      alive: true,
    };
    this.nodes.set(name, node);
    let ifindex = 1 + this.nodes.size * 10;
    for (const [ifname, { segment, addresses, mtu = 1500, loopback = false }] of Object.entries(links)) {
      const link: Link = { ifname, ifindex: ifindex++, up: true, loopback, mtu, addresses: addresses.map(address) };
      node.links.set(ifname, link);
      if (segment !== undefined) {
        segment.ports.push({ node, ifname });
        node.ports.set(ifname, segment);
      }
    }
    for (const link of node.links.values()) this.feed(node, { kind: "link", link });
    return node;
  }

  feed(node: Node, event: Parameters<Router["step"]>[0]): void {
    if (!node.alive) return;
    const actions = node.router.step(event, this.now);
    node.actions.push(...actions);
    for (const action of actions) this.#perform(node, action);
    this.#arm(node);
  }
  configure(node: Node, wanted: OspfPlan): void {
    node.plan = wanted;
    this.feed(node, { kind: "configured", plan: wanted });
  }
  link(node: Node, ifname: string, fields: Partial<Link>): void {
    const link = node.links.get(ifname);
    if (link === undefined) throw new TypeError(`no link ${ifname}`);
    const next = { ...link, ...fields };
    node.links.set(ifname, next);
    this.feed(node, { kind: "link", link: next });
  }
  /** The process is gone, without a word. */
  kill(node: Node): void {
    node.alive = false;
  }
  start(node: Node, wanted: OspfPlan): void {
    node.alive = true;
    node.plan = wanted;
    node.router = new Router(wanted, this.now);
    for (const link of node.links.values()) this.feed(node, { kind: "link", link });
  }

  run(span: number, until?: () => boolean): boolean {
    const end = instant(this.now + span);
    for (let steps = 0; ; steps++) {
      if (until?.() === true) return true;
      if (steps > 300_000) throw new TypeError("the network does not come to rest");
      const first = this.#queue.first;
      if (first === undefined || first > end) break;
      this.now = instant(Math.max(this.now, first));
      this.#queue.pop()?.item();
    }
    this.now = end;
    return until?.() ?? true;
  }

  /** Where databases differ, as far as their scopes reach; none: all are equal. */
  differences(): readonly string[] {
    const found: string[] = [];
    const seen = new Map<string, string>();
    for (const node of this.nodes.values()) {
      if (!node.alive) continue;
      const here = new Map<string, string[]>();
      for (const lsa of node.router.database(this.now)) {
        if (lsa.type === "link" || lsa.type === "grace" || lsa.type === "opaque-link") continue;
        const where = lsa.area ?? "as";
        const lines = here.get(where) ?? [];
        lines.push(`${lsa.type} ${lsa.id} ${lsa.advertisingRouter} ${lsa.sequence} ${lsa.checksum} ${lsa.length}`);
        here.set(where, lines);
      }
      for (const [where, lines] of here) {
        const text = lines.toSorted((a, b) => (a < b ? -1 : 1)).join("\n");
        const other = seen.get(where);
        if (other !== undefined && other !== text) found.push(`${node.name}, ${where}:\n${text}\nnot\n${other}`);
        seen.set(where, text);
      }
    }
    return found;
  }

  #perform(node: Node, action: Action): void {
    switch (action.kind) {
      case "send":
        return this.#transmit(node, action);
      case "groups":
        node.groups.set(action.ifname, { allSpf: action.allSpf, allDr: action.allDr });
        return;
      case "routes":
        if (action.complete) node.kernel.clear();
        for (const prefix of action.gone) node.kernel.delete(`${formatIp(prefix.ip)}/${prefix.length}`);
        for (const route of action.set) node.kernel.set(`${formatIp(route.prefix.ip)}/${route.prefix.length}`, route);
        return;
      case "moved":
        this.log.push(`${(this.now / 1000).toFixed(1)} ${node.name} ${action.ifname} ${action.peer}: ${action.text}`);
        return;
      case "event":
        this.log.push(`${(this.now / 1000).toFixed(1)} ${node.name} ${action.name} ${JSON.stringify(action.fields)}`);
        return;
      case "bfd":
      case "report":
      case "report-gone":
      case "stopped":
        return;
    }
  }

  #transmit(node: Node, action: Action & { readonly kind: "send" }): void {
    const segment = node.ports.get(action.ifname);
    if (segment === undefined) return;
    const bytes = encode(action.packet);
    this.packets++;
    for (const port of segment.ports) {
      if (port.node === node && port.ifname === action.ifname) continue;
      if (segment.cut.has("*") || segment.cut.has(`${node.name} ${port.node.name}`)) continue;
      if (!this.#hears(port, action.destination)) continue;
      for (let copies = this.#random() < segment.weather.duplication ? 2 : 1; copies > 0; copies--) {
        if (this.#random() < segment.weather.loss) continue;
        // The last part keeps in order what leaves at one moment: a calm cable does not reorder.
        const at = this.now + 0.1 + this.#random() * segment.weather.delay + this.packets * 1e-6;
        this.#queue.push(at, () => this.#deliver(node, port, action.source, action.destination, bytes));
      }
    }
  }

  #hears(port: Segment["ports"][number], destination: Ip): boolean {
    const groups = port.node.groups.get(port.ifname);
    const text = formatIp(destination);
    if (text === "224.0.0.5" || text === "ff02::5") return groups?.allSpf === true;
    if (text === "224.0.0.6" || text === "ff02::6") return groups?.allDr === true;
    return port.node.links.get(port.ifname)?.addresses.some((each) => each.ip === destination) === true;
  }

  #deliver(from: Node, port: Segment["ports"][number], source: Ip, destination: Ip, bytes: Uint8Array): void {
    if (!port.node.alive) return;
    const decoded = decode(isIpv4(source) ? 2 : 3, bytes);
    if (!decoded.ok) throw new TypeError(`our own packet does not decode: ${JSON.stringify(decoded.error)}`);
    const packet = this.tap === undefined ? decoded.value : this.tap(from, port.node, decoded.value);
    if (packet === undefined) return;
    if (TRACE) console.log(`${this.now} ${from.name} → ${port.node.name}: ${textOf(packet)}`);
    const proven = from.proven?.() ?? { kind: "none" };
    this.feed(port.node, { kind: "packet", ifname: port.ifname, source, destination, packet, proven });
  }

  #arm(node: Node): void {
    const next = node.router.nextWake();
    if (next === undefined) return;
    // Everything that is due has been done: a driver that wakes when it is told to never spins.
    if (next <= this.now) throw new TypeError(`${node.name} wants to wake at ${next}, and it is ${this.now}`);
    const at = Math.max(next, this.now);
    if (node.wakeAt !== undefined && node.wakeAt <= at && node.wakeAt > this.now) return;
    node.wakeAt = at;
    this.#queue.push(at, () => {
      if (node.wakeAt !== at) return;
      node.wakeAt = undefined;
      if (!node.alive) return;
      this.feed(node, { kind: "wake" });
    });
  }
}

export function states(node: Node, now: Instant): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const report of node.router.interfaces(now)) {
    found[report.ifname] = report.state;
    for (const each of report.neighbors) found[`${report.ifname} ${each.routerId}`] = each.state;
  }
  return found;
}

const TRACE = process.env["OSPF_TRACE"] !== undefined;
