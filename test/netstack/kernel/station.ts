/** A packet socket on one interface of a namespace, for tests that ask and look at frames.  Synchronous. */
import { type Ip, type Ipv4, type Ipv6, ipv4, ipv6, type Mac } from "../../../base/address.ts";
import * as libc from "../../../netstack/kernel/libc.ts";
import { inside } from "../../../netstack/kernel/namespace.ts";
import { RouteSocket } from "../../../netstack/kernel/netlink/route-socket.ts";
import { openPacket } from "../../../netstack/kernel/sockets.ts";
import { arpRequest, decodeArp } from "../../../netstack/wire/arp.ts";
import { ETHER_ARP, ETHER_IPV6, ETHERNET_HEADER } from "../../../netstack/wire/ethernet.ts";
import { decodeNeighbour, solicit } from "../../../netstack/wire/ndp.ts";

export class Station implements Disposable {
  readonly mac: Mac;
  readonly index: number;
  readonly #fd: number;
  readonly #buffer = new Uint8Array(65536);

  constructor(namespace: string, ifname: string, ethertype = 3) {
    using route = inside(namespace, () => new RouteSocket());
    const link = route.link(ifname);
    if (link?.mac === undefined) throw new Error(`no ${ifname} in ${namespace}`);
    this.mac = link.mac;
    this.index = link.index;
    this.#fd = inside(namespace, () => openPacket({ ifindex: link.index, ethertype }));
  }

  send(frame: Uint8Array): void {
    libc.must(libc.sendto(this.#fd, frame, frame.length, 0, null, 0), "sendto");
  }

  /** Returns the errno with which the kernel refused the frame, 0 when it left. */
  trySend(frame: Uint8Array): number {
    return libc.sendto(this.#fd, frame, frame.length, 0, null, 0) < 0 ? libc.errno() : 0;
  }

  /** The next frame that `wanted` recognises, within `patience` ms; what came before it is dropped. */
  next<T>(wanted: (frame: Uint8Array) => T | undefined, patience = 2000): T | undefined {
    const end = performance.now() + patience;
    for (let left = patience; left > 0; left = end - performance.now()) {
      // Nothing yet, or a signal came (a child ended).
      if (poll(new Int32Array([this.#fd, 1]), 1, Math.ceil(left)) <= 0) continue;
      const length = libc.must(libc.recv(this.#fd, this.#buffer, this.#buffer.length, 0), "recv");
      const found = wanted(this.#buffer.slice(0, length));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Forgets what has come so far. */
  drain(): void {
    while (libc.recv(this.#fd, this.#buffer, this.#buffer.length, 0) >= 0);
  }

  /**
   * Who answers an ARP request or a neighbour solicitation for `target`?  No time decides: after the question comes a
   * second one, for `control`, which must be answered; what was not answered before that is not answered at all.
   */
  whoHas(target: Ip, control: Ip, own: { readonly ip4: Ipv4; readonly ip6: Ipv6 }): Mac | undefined {
    this.drain();
    const question = (ip: Ip): Uint8Array =>
      typeof ip === "number" ? arpRequest(this.mac, own.ip4, ip) : solicit(this.mac, own.ip6, ip);
    onOneCpu(() => {
      this.send(question(target));
      this.send(question(control));
    });
    let owner: Mac | undefined;
    const answered = this.next((frame) => {
      const answer = answerIn(frame);
      if (answer?.ip === target) owner = answer.mac;
      return answer?.ip === control ? true : undefined;
    });
    if (answered === undefined) throw new Error("the control question was not answered");
    return owner;
  }

  [Symbol.dispose](): void {
    libc.close(this.#fd);
  }
}

/** What a frame teaches its receiver: this address is at this MAC. */
export function answerIn(frame: Uint8Array): { readonly ip: Ip; readonly mac: Mac | undefined } | undefined {
  const type = (frame[12] ?? 0) * 256 + (frame[13] ?? 0);
  const payload = frame.subarray(ETHERNET_HEADER);
  if (type === ETHER_ARP) {
    const arp = decodeArp(payload);
    return arp.ok ? { ip: arp.value.senderIp, mac: arp.value.senderMac } : undefined;
  }
  if (type !== ETHER_IPV6) return undefined;
  const neighbour = decodeNeighbour(payload);
  if (!neighbour.ok || neighbour.value.kind !== "advertisement") return undefined;
  return { ip: neighbour.value.target, mac: neighbour.value.mac };
}

export const NET = {
  a4: ipv4("10.66.0.1"),
  b4: ipv4("10.66.0.2"),
  c4: ipv4("10.66.0.9"),
  vip4: ipv4("10.66.0.100"),
  a6: ipv6("fd66::1"),
  b6: ipv6("fd66::2"),
  c6: ipv6("fd66::9"),
  vip6: ipv6("fd66::100"),
} as const;

/** Each processor has its own queue of frames to receive: moved in between, the second could overtake the first. */
function onOneCpu(run: () => void): void {
  const before = new Uint8Array(128);
  libc.must(schedGetaffinity(0, before.length, before), "sched_getaffinity");
  const cpu = libc.must(schedGetcpu(), "sched_getcpu");
  const here = new Uint8Array(128);
  here[cpu >>> 3] = 1 << (cpu & 7);
  libc.must(schedSetaffinity(0, here.length, here), "sched_setaffinity");
  try {
    run();
  } finally {
    libc.must(schedSetaffinity(0, before.length, before), "sched_setaffinity");
  }
}

type Affinity = (pid: number, length: number, mask: Uint8Array) => number;
const schedGetaffinity = libc.declare<Affinity>("int sched_getaffinity(int, ulong, void *)");
const schedSetaffinity = libc.declare<Affinity>("int sched_setaffinity(int, ulong, void *)");
const schedGetcpu = libc.declare<() => number>("int sched_getcpu()");
const poll = libc.declare<(fds: Int32Array, count: number, timeout: number) => number>("int poll(void *, ulong, int)");
