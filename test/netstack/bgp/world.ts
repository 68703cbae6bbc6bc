/**
 * Speakers wired to each other by a simulated TCP on a virtual clock: seeded delays, octets cut anywhere, connections
 * that break, receivers that stall.  Nothing here knows BGP: what crosses is what `Speaker` asked to send.
 */
import { formatIp, formatPrefix, type Ip, ipv4, ipv6, isIpv4 } from "../../../base/address.ts";
import { type Instant, instant } from "../../../base/unit.ts";
import type { Action, Connection, Event } from "../../../netstack/bgp/event.ts";
import type { BgpNetwork, BgpPeerSpec, BgpPlan, BgpPolicy, BgpRouteReport } from "../../../netstack/bgp/plan.ts";
import { Speaker } from "../../../netstack/bgp/speaker.ts";

/** Reproducible: mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface End {
  readonly node: Node;
  readonly connection: Connection;
  /** Nothing arrives before what was sent earlier. */
  arriveAt: number;
}

export class World {
  now = 1_000_000;
  readonly nodes: Node[] = [];
  readonly random: () => number;
  readonly #queue: { at: number; order: number; run: () => void }[] = [];
  #order = 0;
  delay = { least: 0.1, most: 5 };

  constructor(seed = 1) {
    this.random = seeded(seed);
  }

  node(name: string, ...addresses: readonly string[]): Node {
    const node = new Node(
      this,
      name,
      addresses.map((text) => (text.includes(":") ? ipv6(text) : ipv4(text))),
    );
    this.nodes.push(node);
    return node;
  }
  at(time: number, run: () => void): void {
    this.#queue.push({ at: time, order: this.#order++, run });
  }
  latency(): number {
    return this.delay.least + this.random() * (this.delay.most - this.delay.least);
  }

  /** Runs everything that happens within `span`. */
  run(span: number): void {
    const until = this.now + span;
    for (;;) {
      let next: (() => void) | undefined;
      let when = until;
      let index = -1;
      this.#queue.forEach((each, position) => {
        const best = this.#queue[index];
        if (
          each.at <= when &&
          (best === undefined || each.at < best.at || (each.at === best.at && each.order < best.order))
        ) {
          index = position;
          when = each.at;
        }
      });
      if (index >= 0) next = this.#queue[index]?.run;
      for (const node of this.nodes) {
        const wake = node.alive ? node.speaker.nextWake() : undefined;
        if (wake === undefined || wake > when || (next !== undefined && wake === when && index >= 0 && wake >= when))
          continue;
        when = Math.max(wake, this.now);
        next = () => node.feed({ kind: "wake" });
        index = -1;
      }
      if (next === undefined) break;
      if (index >= 0) this.#queue.splice(index, 1);
      this.now = Math.max(this.now, when);
      next();
    }
    this.now = until;
  }
}

export class Node {
  readonly world: World;
  readonly name: string;
  readonly addresses: readonly Ip[];
  speaker: Speaker;
  alive = true;
  readonly actions: Action[] = [];
  /** What the kernel would have. */
  readonly fib = new Map<string, readonly string[]>();
  /** The peers of our connections. */
  readonly wires = new Map<Connection, End>();
  /** Connections that take nothing: what the kernel would hold, and no more. */
  readonly stalled = new Set<Connection>();
  /** Peers that cannot be called. */
  readonly unreachable = new Set<Node>();
  received = 0;
  /** Left in the kernel by the process before this one. */
  readonly #left = new Set<string>();

  constructor(world: World, name: string, addresses: readonly Ip[]) {
    this.world = world;
    this.name = name;
    this.addresses = addresses;
    this.speaker = new Speaker(world.random);
  }
  get now(): Instant {
    return instant(this.world.now);
  }

  feed(event: Event): readonly Action[] {
    const actions = this.speaker.handle(event, this.now);
    for (const action of actions) this.#perform(action);
    return actions;
  }
  plan(plan: BgpPlan): void {
    this.feed({ kind: "plan", plan });
  }
  /** kill -9, and a new process with the same kernel behind it. */
  crash(): void {
    for (const connection of this.wires.keys()) this.cut(connection);
    this.alive = false;
    for (const prefix of this.fib.keys()) this.#left.add(prefix);
    this.speaker = new Speaker(this.world.random);
  }
  /** The connection breaks: both ends learn of it. */
  cut(connection: Connection): void {
    const end = this.wires.get(connection);
    if (end === undefined) return;
    this.wires.delete(connection);
    const { node } = end;
    node.wires.delete(end.connection);
    if (this.alive) this.feed({ kind: "closed", connection, why: "cut" });
    this.world.at(this.world.now + this.world.latency(), () => {
      if (node.alive) node.feed({ kind: "closed", connection: end.connection, why: "cut" });
    });
  }
  cutAll(): void {
    for (const connection of this.wires.keys()) this.cut(connection);
  }
  pull(connection: Connection): void {
    while (!this.stalled.has(connection)) {
      const messages = this.speaker.nextUpdates(connection, 2000, this.now);
      if (messages.length === 0) return;
      for (const bytes of messages) this.#transmit(connection, bytes);
    }
  }

  state(peer: string): string | undefined {
    return this.speaker.report(peer, 0)?.state;
  }
  routes(peer?: string): readonly BgpRouteReport[] {
    return this.speaker.routes({ prefix: undefined, peer, most: 1_000_000 }).routes;
  }
  best(): ReadonlyMap<string, BgpRouteReport> {
    return new Map(
      this.routes()
        .filter((each) => each.best)
        .map((each) => [each.prefix, each]),
    );
  }
  events(name: string): readonly Extract<Action, { kind: "event" }>[] {
    return this.actions.filter(
      (each): each is Extract<Action, { kind: "event" }> => each.kind === "event" && each.name === name,
    );
  }

  #perform(action: Action): void {
    this.actions.push(action);
    if (action.kind === "connect") this.#connect(action.connection, action.call.ip);
    else if (action.kind === "send") this.#transmit(action.connection, action.bytes);
    else if (action.kind === "close") this.#close(action.connection);
    else if (action.kind === "updates") this.pull(action.connection);
    else if (action.kind === "routes") this.#install();
    else if (action.kind === "converged") {
      for (const prefix of this.#left) this.fib.delete(prefix);
      this.#left.clear();
    }
  }
  #install(): void {
    for (;;) {
      const changes = this.speaker.nextRoutes(100);
      if (changes.length === 0) return;
      for (const { prefix, nextHops } of changes) {
        this.#left.delete(formatPrefix(prefix));
        if (nextHops.length === 0) this.fib.delete(formatPrefix(prefix));
        else
          this.fib.set(
            formatPrefix(prefix),
            nextHops.map(({ ip }) => formatIp(ip)),
          );
      }
    }
  }
  #close(connection: Connection): void {
    const end = this.wires.get(connection);
    this.wires.delete(connection);
    if (end === undefined) return;
    this.world.at(Math.max(end.arriveAt, this.world.now), () => {
      if (end.node.wires.delete(end.connection) && end.node.alive)
        end.node.feed({ kind: "closed", connection: end.connection, why: "FIN" });
    });
  }
  #connect(connection: Connection, to: Ip): void {
    const { world } = this;
    const peer = world.nodes.find((each) => each.addresses.includes(to));
    const local = this.addresses.find((ip) => isIpv4(ip) === isIpv4(to));
    world.at(world.now + world.latency(), () => {
      if (
        peer === undefined ||
        !peer.alive ||
        !this.alive ||
        local === undefined ||
        this.unreachable.has(peer) ||
        peer.unreachable.has(this)
      ) {
        if (this.alive) this.feed({ kind: "closed", connection, why: "ECONNREFUSED" });
        return;
      }
      const other = peer.speaker.allot();
      this.wires.set(connection, { node: peer, connection: other, arriveAt: 0 });
      peer.wires.set(other, { node: this, connection, arriveAt: 0 });
      peer.feed({
        kind: "incoming",
        connection: other,
        ends: { local: to, remote: local, ifname: "eth0", addresses: peer.addresses },
      });
      world.at(world.now + world.latency(), () => {
        if (this.wires.has(connection) && this.alive)
          this.feed({
            kind: "opened",
            connection,
            ends: { local, remote: to, ifname: "eth0", addresses: this.addresses },
          });
      });
    });
  }
  #transmit(connection: Connection, bytes: Uint8Array): void {
    const { world } = this;
    const end = this.wires.get(connection);
    if (end === undefined) return;
    // Cut anywhere: a stream has no messages.
    const cut = Math.floor(world.random() * bytes.length);
    for (const part of [bytes.slice(0, cut), bytes.slice(cut)]) {
      if (part.length === 0) continue;
      end.arriveAt = Math.max(end.arriveAt, world.now + world.latency());
      world.at(end.arriveAt, () => {
        if (!end.node.alive || !end.node.wires.has(end.connection)) return;
        end.node.received += part.length;
        end.node.feed({ kind: "received", connection: end.connection, bytes: part });
      });
    }
  }
}

export const ACCEPT: BgpPolicy = { rules: [], otherwise: "accept" };
export const REJECT: BgpPolicy = { rules: [], otherwise: "reject" };

export function planOf(asn: number, routerId: string, some: Partial<BgpPlan> = {}): BgpPlan {
  return {
    asn,
    routerId,
    listen: { port: 179, addresses: [] },
    peers: [],
    dynamic: [],
    networks: [],
    install: { table: 254, metric: 20, multipath: 8 },
    gracefulShutdown: false,
    restarting: false,
    ...some,
  };
}
export function peerOf(
  name: string,
  address: string,
  asn: BgpPeerSpec["asn"],
  some: Partial<BgpPeerSpec> = {},
): BgpPeerSpec {
  return {
    name,
    address,
    ifname: undefined,
    port: 179,
    mode: "both",
    adminDown: false,
    asn,
    localAsn: undefined,
    source: undefined,
    holdTime: 90_000,
    keepalive: 30_000,
    connectRetry: 5000,
    auth: undefined,
    ttlSecurity: undefined,
    multihop: undefined,
    families: [
      { family: "ipv4", addPathReceive: false, maxPrefixes: undefined },
      { family: "ipv6", addPathReceive: false, maxPrefixes: undefined },
    ],
    extendedNextHop: false,
    gracefulRestart: undefined,
    import: ACCEPT,
    export: ACCEPT,
    bfd: undefined,
    ...some,
  };
}
export function network(prefix: string, some: Partial<BgpNetwork> = {}): BgpNetwork {
  return {
    prefix,
    med: undefined,
    localPref: undefined,
    prepend: 0,
    communities: [],
    extendedCommunities: [],
    largeCommunities: [],
    peers: undefined,
    ...some,
  };
}
