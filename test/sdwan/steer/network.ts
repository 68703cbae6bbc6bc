/**
 * A site's router `e` between a client `c`, two providers that lead to one server `i`, and a remote site `b` behind two
 * tunnels (veth pairs stand for them).  Everything is driven from this thread; what arrives where is overheard on the wire.
 */
import { closeSync, writeFileSync } from "node:fs";
import { type Prefix, parsePrefix } from "../../../base/address.ts";
import { SILENT } from "../../../base/log.ts";
import { after, ms } from "../../../base/unit.ts";
import { declare } from "../../../netstack/kernel/libc.ts";
import type { Loop } from "../../../netstack/kernel/loop.ts";
import { ROUTE_PROTOCOL } from "../../../netstack/kernel/marks.ts";
import { createNamespace, deleteNamespace, inside, openNamespace } from "../../../netstack/kernel/namespace.ts";
import type { Connection } from "../../../netstack/kernel/netlink/conntrack.ts";
import { ConntrackSocket } from "../../../netstack/kernel/netlink/conntrack-socket.ts";
import { RouteSocket } from "../../../netstack/kernel/netlink/route-socket.ts";
import { Nftables } from "../../../netstack/kernel/nftables.ts";
import { openLoop } from "../../../netstack/kernel/open-loop.ts";
import { encodeInet } from "../../../netstack/kernel/sockaddr.ts";
import { openPacket, openRaw, openUdp } from "../../../netstack/kernel/sockets.ts";
import { nameOf } from "../../../netstack/kernel/stream-socket.ts";
import { Steering } from "../../../sdwan/steer/driver/steering.ts";
import type { LinkFacts, SteeringPlan } from "../../../sdwan/steer/part.ts";
import { dnsMessage } from "./dns-messages.ts";
import { ipOf, lane, linkSpec, planOf, TABLES, tunnelSpec } from "./plans.ts";
import { type PacketSeen, seenOf } from "./wire.ts";

export const CLIENT = { v4: "10.1.0.2", v6: "fd01::2" };
export const SERVER = { v4: "198.51.100.10", v6: "2001:db8:100::10" };
/** A host of the remote site, and its overlay address. */
export const REMOTE = { v4: "10.2.0.2", v6: "fd02::2", overlay: "10.255.2.1" };
/** Of the router on its links. */
export const OWN = { isp1: { v4: "192.0.2.2", v6: "2001:db8:1::2" }, isp2: { v4: "203.0.113.2", v6: "2001:db8:2::2" } };
export const OVERLAY = "10.255.1.1";
export type At = "wan1" | "wan2" | "nv1" | "nv2" | "lan";

export interface Seen extends PacketSeen {
  readonly at: At;
}

export type HostName = "e" | "c" | "i" | "b";

let count = 0;

export class Network implements Disposable {
  readonly loop: Loop = openLoop({ engine: "epoll", log: SILENT });
  /** What came off each wire at its far end, or at the client. */
  readonly seen: Seen[] = [];
  readonly #prefix = `nv${process.pid}x${count++}`;
  #user: number | undefined;
  #questions = 1;
  readonly #made: string[] = [];
  readonly #opened: Disposable[] = [];
  readonly #route = new Map<HostName, RouteSocket>();

  constructor() {
    try {
      for (const host of ["e", "c", "i", "b"] as const) this.#host(host);
      this.#wire("lan", "e", ["10.1.0.1/24", "fd01::1/64"], "c", "lan", ["10.1.0.2/24", "fd01::2/64"]);
      this.#wire("wan1", "e", ["192.0.2.2/24", "2001:db8:1::2/64"], "i", "wan1", ["192.0.2.1/24", "2001:db8:1::1/64"]);
      this.#wire("wan2", "e", ["203.0.113.2/24", "2001:db8:2::2/64"], "i", "wan2", [
        "203.0.113.1/24",
        "2001:db8:2::1/64",
      ]);
      const far = ["10.255.2.1/32", "10.2.0.2/32", "fd02::2/128"];
      this.#wire("nv1", "e", ["10.255.1.1/32", "fd01:255::1/128"], "b", "nv1", far);
      this.#wire("nv2", "e", ["10.255.1.1/32", "fd01:255::1/128"], "b", "nv2", far);
      for (const text of ["198.51.100.10/32", "2001:db8:100::10/128"]) this.#address("i", "lo", text);
      for (const host of ["c", "e"] as const) {
        this.addRoute(host, "0.0.0.0/0", host === "c" ? "lan" : "wan1", host === "c" ? "10.1.0.1" : "192.0.2.1", 254);
        this.addRoute(host, "::/0", host === "c" ? "lan" : "wan1", host === "c" ? "fd01::1" : "2001:db8:1::1", 254);
      }
      this.addRoute("b", "10.255.1.1/32", "nv1", undefined, 254);
      for (const to of ["10.1.0.0/24", "fd01::/64"]) this.home(to, "nv1");
      for (const at of ["wan1", "wan2"] as const) this.#listen("i", at);
      for (const at of ["nv1", "nv2"] as const) this.#listen("b", at);
      this.#listen("c", "lan");
    } catch (cause) {
      this[Symbol.dispose]();
      throw cause;
    }
  }

  in<T>(host: HostName, run: () => T): T {
    const user = this.#user;
    if (user === undefined) return inside(this.namespace(host), run);
    return inside(this.namespace(host), () => {
      setfsuid(user);
      try {
        return run();
      } finally {
        setfsuid(0);
      }
    });
  }
  namespace(host: HostName): string {
    return `${this.#prefix}${host}`;
  }
  route(host: HostName): RouteSocket {
    const route = this.#route.get(host);
    if (route === undefined) throw new TypeError(host);
    return route;
  }
  use<T extends Disposable>(each: T): T {
    this.#opened.push(each);
    return each;
  }

  addRoute(host: HostName, to: string, ifname: string, gateway: string | undefined, table: number): void {
    this.route(host).replaceRoute({
      destination: prefixOf(to),
      table,
      protocol: table === 254 ? 4 : ROUTE_PROTOCOL,
      oif: this.route(host).indexOf(ifname),
      ...(gateway === undefined ? {} : { gateway: ipOf(gateway), onLink: true }),
    });
  }

  /** The remote site's way to this one. */
  home(to: string, by: "nv1" | "nv2"): void {
    this.addRoute("b", to, by, to.includes(":") ? "fd01:255::1" : OVERLAY, 254);
  }

  /** The table of a value leads by one way: a link's, for the internet, or a tunnel's, for the remote site. */
  lead(value: number, by: At): void {
    const table = TABLES + value;
    if (by === "wan1" || by === "wan2") {
      const isp = by === "wan1" ? "1" : "2";
      this.addRoute("e", "0.0.0.0/0", by, by === "wan1" ? "192.0.2.1" : "203.0.113.1", table);
      this.addRoute("e", "::/0", by, `2001:db8:${isp}::1`, table);
    } else for (const to of SITE) this.addRoute("e", to, by, undefined, table);
  }

  steering(events: (name: string, fields: Readonly<Record<string, unknown>>) => void = () => undefined): Steering {
    return this.use(this.in("e", () => new Steering({ loop: this.loop, state: undefined, event: events })));
  }
  apply(steering: Steering, plan: SteeringPlan, facts: readonly LinkFacts[] = FACTS): void {
    this.in("e", () => steering.plan(plan, facts));
  }

  /** Sends one datagram of `host`; returns its port. */
  udp(
    host: HostName,
    from: string,
    to: string,
    port: number,
    more: { dscp?: number; mark?: number; device?: string; sourcePort?: number; payload?: Uint8Array } = {},
  ): number {
    const fd = this.in(host, () =>
      openUdp({
        bind: { ip: ipOf(from), port: more.sourcePort ?? 0 },
        reuseAddress: true,
        ...(more.dscp === undefined ? {} : { trafficClass: more.dscp << 2 }),
        ...(more.mark === undefined ? {} : { mark: more.mark }),
        ...(more.device === undefined ? {} : { device: more.device }),
      }),
    );
    const socket = this.loop.datagrams(fd, { received: () => undefined });
    this.use(socket);
    const refused = socket.send(more.payload ?? Uint8Array.of(1), encodeInet({ ip: ipOf(to), port }));
    if (refused !== 0) throw new Error(`not sent: errno ${refused}`);
    return nameOf(fd)?.port ?? 0;
  }

  /** Sockets that are opened in it are of that user. */
  as<T>(user: number, run: () => T): T {
    this.#user = user;
    try {
      return run();
    } finally {
      this.#user = undefined;
    }
  }

  /** Sends every datagram back to where it came from. */
  echo(host: HostName, at: string, port: number): Disposable {
    const fd = this.in(host, () => openUdp({ bind: { ip: ipOf(at), port } }));
    return this.loop.datagrams(fd, {
      received: (socket, bytes, { from }) => void socket.send(bytes, from),
    });
  }

  /** Sends a whole IP packet as it is. */
  raw(host: HostName, packet: Uint8Array, to: string): void {
    const family = to.includes(":") ? 6 : 4;
    using socket = this.loop.datagrams(
      this.in(host, () => openRaw({ family, protocol: 255 })),
      { received: () => undefined },
    );
    const refused = socket.send(packet, encodeInet({ ip: ipOf(to), port: 0 }));
    if (refused !== 0) throw new Error(`not sent: errno ${refused}`);
  }

  /** Turns the loop until something holds. */
  until<T>(what: string, look: () => T | undefined | false): T {
    const deadline = after(this.loop.now(), ms(3000));
    let passed = false;
    using _alarm = this.loop.wakeAt(deadline, () => {
      passed = true;
    });
    for (;;) {
      const found = look();
      if (found !== undefined && found !== false) return found;
      if (passed) throw new Error(`${what}: not within 3 s; seen ${JSON.stringify(this.seen.slice(-8))}`);
      this.loop.turn(true);
    }
  }

  /** Where the packet to this port went, once: the first wire that it was seen on. */
  where(port: number): Seen {
    return this.until(`a packet to port ${port}`, () => this.seen.find((each) => each.destinationPort === port));
  }
  forget(): void {
    this.seen.length = 0;
  }

  /** While something runs, these tables have no way to the remote site; what it puts there stays. */
  withoutSite(tables: readonly number[], run: () => void): void {
    const route = this.route("e");
    const sites = SITE.map((text) => prefixOf(text));
    const gone = tables.flatMap((table) =>
      route.routes({ table }).filter(({ destination }) => sites.some(({ ip }) => ip === destination.ip)),
    );
    for (const { destination, table, metric, protocol } of gone)
      route.deleteRoute({ destination, table, metric, protocol });
    try {
      run();
    } finally {
      for (const { destination, table, hops } of gone) {
        const oif = hops[0]?.oif;
        if (oif !== undefined) route.replaceRoute({ destination, table, protocol: ROUTE_PROTOCOL, oif });
      }
    }
  }

  /** A host does not answer on a TCP port, not even with a reset. */
  silence(host: HostName, port: number): Disposable {
    const nft = this.in(host, () => new Nftables());
    const rule = `tcp dport ${port} drop`;
    nft.transaction(`table inet silence {\n chain input {\n type filter hook input priority 0\n ${rule}\n }\n}\n`);
    return {
      [Symbol.dispose]: () => {
        nft.transaction("delete table inet silence");
        nft[Symbol.dispose]();
      },
    };
  }

  /** The router looks for somebody on a wire: it has a packet for him. */
  neighbourAsked(at: At, text: string): boolean {
    const index = this.route("e").indexOf(at);
    return this.route("e")
      .neighbours(index)
      .some(({ ip }) => ip === ipOf(text));
  }

  forgetConnection(connection: Connection): void {
    using socket = this.in("e", () => new ConntrackSocket());
    socket.delete(connection);
  }

  /** The router overhears a question of the client and its answer; returns when both have passed. */
  answer(name: string, address: string): void {
    const type = address.includes(":") ? 28 : 1;
    const id = this.#questions++ & 0xffff;
    const about = { id, name, type };
    this.forget();
    this.udp("c", CLIENT.v4, SERVER.v4, 53, { payload: dnsMessage({ ...about, response: false, answers: [] }) });
    const asked = this.where(53);
    const payload = dnsMessage({ ...about, response: true, answers: [{ name, type, ttl: 60, data: address }] });
    this.udp("i", SERVER.v4, asked.source, asked.sourcePort, { sourcePort: 53, payload });
    this.until("an answer", () => this.seen.find((each) => each.at === "lan" && each.sourcePort === 53));
  }

  connections(): readonly Connection[] {
    using socket = this.in("e", () => new ConntrackSocket());
    return socket.list();
  }

  [Symbol.dispose](): void {
    for (const each of this.#opened.splice(0).toReversed()) each[Symbol.dispose]();
    this.loop[Symbol.dispose]();
    for (const route of this.#route.values()) route[Symbol.dispose]();
    this.#route.clear();
    for (const name of this.#made.splice(0)) deleteNamespace(name);
  }

  #host(host: HostName): void {
    const name = this.namespace(host);
    createNamespace(name);
    this.#made.push(name);
    inside(name, () => {
      for (const where of ["all", "default"]) {
        writeFileSync(`/proc/sys/net/ipv6/conf/${where}/accept_dad`, "0");
        writeFileSync(`/proc/sys/net/ipv4/conf/${where}/rp_filter`, "0");
        writeFileSync(`/proc/sys/net/ipv6/conf/${where}/forwarding`, "1");
      }
      writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
    });
    this.#route.set(
      host,
      inside(name, () => new RouteSocket()),
    );
  }

  #wire(
    ifname: string,
    a: HostName,
    addresses: readonly string[],
    b: HostName,
    far: string,
    others: readonly string[],
  ): void {
    const there = openNamespace(this.namespace(b));
    try {
      this.route(a).addVeth(ifname, { name: far, namespaceFd: there });
    } finally {
      closeSync(there);
    }
    this.route(a).changeLink(ifname, { up: true });
    this.route(b).changeLink(far, { up: true });
    for (const text of addresses) this.#address(a, ifname, text);
    for (const text of others) this.#address(b, far, text);
  }

  #address(host: HostName, ifname: string, text: string): void {
    const [ip = "", length] = text.split("/");
    const index = this.route(host).indexOf(ifname);
    this.route(host).addAddress({ ip: ipOf(ip), prefixLength: Number(length), index, noDad: true });
  }

  #listen(host: HostName, at: At): void {
    const index = this.route(host).indexOf(at);
    const fd = this.in(host, () => openPacket({ ifindex: index, ethertype: 3, cooked: true }));
    this.use(
      this.loop.datagrams(fd, {
        received: (_socket, bytes, { from }) => {
          const packet = from[10] === PACKET_OUTGOING ? undefined : seenOf(bytes);
          if (packet !== undefined) this.seen.push({ at, ...packet });
        },
      }),
    );
  }
}

/** Two links with a tunnel over each, and values for all that the tests steer. */
export const VALUES = {
  isp1: 1,
  isp2: 2,
  nv1: 3,
  nv2: 4,
  voice: 5,
  bulk: 6,
  voice1: 7,
  voice2: 8,
  bulk1: 9,
  bulk2: 10,
  default: 11,
} as const;
export const SITE: readonly string[] = ["10.2.0.0/24", "10.255.2.1/32", "fd02::/64"];

export function sitePlan(part: Partial<SteeringPlan>): SteeringPlan {
  const V = VALUES;
  return planOf({
    links: [linkSpec("isp1", "wan1", V.isp1), linkSpec("isp2", "wan2", V.isp2)],
    tunnels: [tunnelSpec("nv1", "isp1", V.isp1, SITE), tunnelSpec("nv2", "isp2", V.isp2, SITE)],
    lanes: [
      lane(V.isp1, { kind: "link", link: "isp1" }),
      lane(V.isp2, { kind: "link", link: "isp2" }),
      lane(V.nv1, { kind: "back", ifname: "nv1" }),
      lane(V.nv2, { kind: "back", ifname: "nv2" }),
      lane(V.voice, { kind: "class", name: "voice" }),
      lane(V.bulk, { kind: "class", name: "bulk" }),
      lane(V.voice1, { kind: "pinned", name: "voice", link: "isp1" }),
      lane(V.voice2, { kind: "pinned", name: "voice", link: "isp2" }),
      lane(V.bulk1, { kind: "pinned", name: "bulk", link: "isp1" }),
      lane(V.bulk2, { kind: "pinned", name: "bulk", link: "isp2" }),
      lane(V.default, { kind: "class", name: "default" }),
    ],
    overlay: [`${OVERLAY}/32`],
    prefixes: ["10.1.0.0/24", "fd01::/64"],
    ...part,
  });
}

export const FACTS: readonly LinkFacts[] = [
  { name: "isp1", ifname: "wan1", state: "up", gateway4: "192.0.2.1", gateway6: "2001:db8:1::1" },
  { name: "isp2", ifname: "wan2", state: "up", gateway4: "203.0.113.1", gateway6: "2001:db8:2::1" },
];

export function prefixOf(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new TypeError(text);
  return parsed.value;
}

const PACKET_OUTGOING = 4;
/** Of the calling thread alone. */
const setfsuid = declare<(user: number) => number>("int setfsuid(uint32)");
