/**
 * Path MTU by link and target: sockets, time and randomness of path-mtu.ts.  Probes leave by their link, whatever the
 * main table says: the socket is bound to the interface and carries the link's mark.
 */
import { formatIp, type Ip, isIpv4 } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { sameSecret } from "../../../base/octets.ts";
import type { DatagramMeta, Datagrams, Loop } from "../../../netstack/kernel/loop.ts";
import { packetMark } from "../../../netstack/kernel/marks.ts";
import { randomOctets } from "../../../netstack/kernel/random.ts";
import { decodeInet, encodeInet } from "../../../netstack/kernel/sockaddr.ts";
import * as so from "../../../netstack/kernel/socket-options.ts";
import { openRaw } from "../../../netstack/kernel/sockets.ts";
import { decodeEcho, type Echo, encodeEcho } from "../echo.ts";
import { type PathMtu, type PathMtuEvent, searchOf, step } from "../path-mtu.ts";

export interface MtuTask {
  readonly link: string;
  readonly ifname: string;
  readonly ifindex: number;
  readonly mark: number;
  /** Of the interface, or what the plan says. */
  readonly most: number;
  /** Its octets are counted. */
  readonly sparing: boolean;
  readonly targets: readonly Ip[];
}

export interface PathMtusEvents {
  found(link: string, target: Ip): void;
  /** What was found in an earlier life. */
  remembered(link: string, target: Ip): number | undefined;
  event(name: string, fields: Readonly<Record<string, unknown>>): void;
}

export class PathMtus implements Disposable {
  readonly #loop: Loop;
  readonly #on: PathMtusEvents;
  readonly #links = new Map<string, Link>();

  constructor(loop: Loop, on: PathMtusEvents) {
    this.#loop = loop;
    this.#on = on;
  }

  /** The whole truth; what is equal to before goes on. */
  want(tasks: readonly MtuTask[]): void {
    for (const [name, link] of this.#links) {
      const task = tasks.find((each) => each.link === name);
      const same = task !== undefined && SAME.every((key) => task[key] === link.task[key]);
      if (!same) this.#close(name, link);
    }
    for (const task of tasks) {
      const link = this.#links.get(task.link) ?? { task, searches: new Map(), sockets: new Map() };
      link.task = task;
      this.#links.set(task.link, link);
      for (const [target, search] of link.searches) {
        if (task.targets.includes(target)) continue;
        search.alarm?.[Symbol.dispose]();
        link.searches.delete(target);
      }
      for (const target of task.targets) if (!link.searches.has(target)) this.#begin(link, target);
    }
  }

  of(link: string, target: Ip): number | undefined {
    return this.#links.get(link)?.searches.get(target)?.search.result;
  }
  all(link: string): Readonly<Record<string, number>> {
    const searches = [...(this.#links.get(link)?.searches ?? [])];
    return Object.fromEntries(
      searches.flatMap(([target, { search }]) =>
        search.result === undefined ? [] : [[formatIp(target), search.result]],
      ),
    );
  }
  /** What the link itself can carry, by the target to which most of it comes through. */
  best(link: string): number | undefined {
    const results = [...(this.#links.get(link)?.searches.values() ?? [])].flatMap(({ search }) => search.result ?? []);
    return results.length === 0 ? undefined : Math.max(...results);
  }

  [Symbol.dispose](): void {
    for (const [name, link] of this.#links) this.#close(name, link);
  }

  #begin(link: Link, target: Ip): void {
    const [high = 0, low = 0, ...token] = randomOctets(2 + TOKEN);
    const earlier = this.#on.remembered(link.task.link, target);
    const search = searchOf(isIpv4(target) ? 4 : 6, link.task, this.#loop.now(), earlier);
    const running: Search = {
      search,
      target,
      id: high * 256 + low,
      token: Uint8Array.from(token),
      sequence: 0,
      sizes: new Map(),
      alarm: undefined,
    };
    link.searches.set(target, running);
    this.#arm(link, running);
  }

  #feed(link: Link, running: Search, event: PathMtuEvent): void {
    const before = running.search.result;
    const [next, probe] = step(running.search, event, this.#loop.now());
    running.search = next;
    if (probe !== undefined) this.#send(link, running, probe.size);
    this.#arm(link, running);
    if (next.result !== before) this.#on.found(link.task.link, running.target);
  }

  #arm(link: Link, running: Search): void {
    running.alarm?.[Symbol.dispose]();
    running.alarm = this.#loop.wakeAt(running.search.wakeAt, () => this.#feed(link, running, { kind: "wake" }));
  }

  #send(link: Link, running: Search, size: number): void {
    const family = isIpv4(running.target) ? 4 : 6;
    const socket = this.#socket(link, family);
    if (socket === undefined) return;
    running.sequence = (running.sequence + 1) & 0xffff;
    running.sizes.set(running.sequence, size);
    for (const sequence of running.sizes.keys()) {
      if (running.sizes.size <= REMEMBERED) break;
      running.sizes.delete(sequence);
    }
    const { id, sequence, token } = running;
    // Not sent is not answered: the search goes on by itself.
    socket.send(encodeEcho(family, { id, sequence, token }, size), encodeInet({ ip: running.target, port: 0 }));
  }

  #received(link: Link, family: 4 | 6, bytes: Uint8Array, { from }: DatagramMeta): void {
    const heard = decodeEcho(family, bytes);
    if (heard.kind === "other") return;
    if (heard.kind === "answer") {
      const source = decodeInet(from)?.ip;
      const running = source === undefined ? undefined : link.searches.get(source);
      // The answer's own length: a host that cuts what it sends back has shown nothing.
      if (running === undefined || !belongs(running, heard.echo)) return;
      if (running.sizes.get(heard.echo.sequence) !== heard.size) return;
      return this.#feed(link, running, { kind: "answered", size: heard.size });
    }
    for (const running of link.searches.values()) {
      if (running.id !== heard.id || !running.sizes.has(heard.sequence)) continue;
      this.#feed(link, running, { kind: "too-big", mtu: heard.mtu });
    }
  }

  #socket(link: Link, family: 4 | 6): Datagrams | undefined {
    const there = link.sockets.get(family);
    if (there !== undefined) return there;
    const { ifname: device, mark } = link.task;
    try {
      const fd = openRaw({ family, protocol: family === 4 ? ICMP : ICMPV6, device, mark: packetMark(mark) });
      whole(fd, family);
      const socket = this.#loop.datagrams(fd, {
        received: (_, bytes, meta) => this.#received(link, family, bytes, meta),
      });
      link.sockets.set(family, socket);
      return socket;
    } catch (cause) {
      // The interface may have gone a moment ago; the next probe tries again.
      if (!(cause instanceof Fault)) throw cause;
      this.#on.event("wan.mtu-socket-failed", { link: link.task.link, family, why: cause.message, level: "debug" });
      return undefined;
    }
  }

  #close(name: string, link: Link): void {
    for (const { alarm } of link.searches.values()) alarm?.[Symbol.dispose]();
    for (const socket of link.sockets.values()) socket[Symbol.dispose]();
    this.#links.delete(name);
  }
}

/** Never cut into pieces on the way, and as large as we say whatever was learnt before; only what concerns us comes in. */
function whole(fd: number, family: 4 | 6): void {
  if (family === 4) {
    so.setInt(fd, so.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE, "IP_MTU_DISCOVER");
    so.setInt(fd, SOL_RAW, ICMP_FILTER, ~((1 << 0) | (1 << 3)), "ICMP_FILTER");
    return;
  }
  so.setInt(fd, so.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE, "IPV6_MTU_DISCOVER");
  so.setInt(fd, so.IPPROTO_IPV6, IPV6_DONTFRAG, 1, "IPV6_DONTFRAG");
  const blocked = new Uint8Array(32).fill(0xff);
  const words = new DataView(blocked.buffer);
  for (const type of [2, 129])
    words.setUint32((type >> 5) * 4, words.getUint32((type >> 5) * 4, true) & ~(1 << (type & 31)), true);
  so.set(fd, ICMPV6, ICMP6_FILTER, blocked, "ICMP6_FILTER");
}

function belongs(running: Search, { id, token }: Echo): boolean {
  return running.id === id && sameSecret(token, running.token);
}

interface Link {
  task: MtuTask;
  readonly searches: Map<Ip, Search>;
  readonly sockets: Map<4 | 6, Datagrams>;
}

interface Search {
  search: PathMtu;
  readonly target: Ip;
  readonly id: number;
  readonly token: Uint8Array;
  sequence: number;
  /** Sequence number → size, of the last few probes. */
  readonly sizes: Map<number, number>;
  alarm: Disposable | undefined;
}

const SAME = ["ifname", "ifindex", "mark", "most", "sparing"] as const;
const TOKEN = 8;
const REMEMBERED = 8;
const ICMP = 1;
const ICMPV6 = 58;
const IP_MTU_DISCOVER = 10;
const IPV6_MTU_DISCOVER = 23;
const IPV6_DONTFRAG = 62;
/** DF, and the kernel's own idea of the path is not asked. */
const PMTUDISC_PROBE = 3;
const SOL_RAW = 255;
const ICMP_FILTER = 1;
const ICMP6_FILTER = 1;
