/**
 * Measures what a link carries, with another of our sites through a tunnel: several trains (train.ts) each way, of which
 * the median counts.  Answers such trains of others.  Nothing is sent unless somebody asks.
 */
import { createHmac } from "node:crypto";
import { type Ip, parseIp } from "../../../base/address.ts";
import { Fault } from "../../../base/fault.ts";
import { sameSecret } from "../../../base/octets.ts";
import { after, type Ms, ms, seconds } from "../../../base/unit.ts";
import { ifNameToIndex } from "../../../netstack/kernel/libc.ts";
import type { DatagramMeta, Datagrams, Loop } from "../../../netstack/kernel/loop.ts";
import { randomOctets } from "../../../netstack/kernel/random.ts";
import { decodeInet, encodeInet } from "../../../netstack/kernel/sockaddr.ts";
import { openUdp } from "../../../netstack/kernel/sockets.ts";
import { type Arrival, decodeTrain, encodeTrain, median, rateOf, type TrainPacket } from "../train.ts";

export interface BandwidthDevice {
  readonly ifname: string;
  readonly link: string;
  readonly mtu: number;
  /** Octets that the tunnel adds to each packet. */
  readonly overhead: number;
  /** Sites whose tunnel is up and direct. */
  readonly sites: readonly string[];
}

export interface BandwidthPlan {
  /** Our overlay address. */
  readonly local: string;
  readonly port: number;
  /** Site → its overlay address and the key shared with it (hex, 32 octets). */
  readonly sites: Readonly<Record<string, { readonly address: string; readonly key: string }>>;
}

export interface BandwidthEvents {
  measured(link: string, bits: { readonly up: number; readonly down: number | undefined }): void;
  event(name: string, fields: Readonly<Record<string, unknown>>): void;
}

export class Bandwidth implements Disposable {
  readonly #loop: Loop;
  readonly #on: BandwidthEvents;
  readonly #sockets = new Map<string, Open>();
  /** Trains under way, that come to us, by their number. */
  readonly #coming = new Map<bigint, Coming>();
  /** By link; one at a time. */
  readonly #runs = new Map<string, Run>();
  readonly #waiting = new Set<string>();
  #next: Disposable | undefined;
  /** Site → the newest request of its, which none may repeat. */
  readonly #asked = new Map<string, bigint>();
  #plan: BandwidthPlan | undefined;
  #planned = "";

  constructor(loop: Loop, on: BandwidthEvents) {
    this.#loop = loop;
    this.#on = on;
  }

  plan(plan: BandwidthPlan | undefined, devices: readonly BandwidthDevice[]): void {
    const text = JSON.stringify(plan);
    if (text !== this.#planned) this.#close(() => true);
    this.#planned = text;
    this.#plan = plan;
    // A device that was made anew under its name is another one; sockets stay with the old one.
    const isThere = ({ device: { ifname }, index }: Open): boolean =>
      devices.some((each) => each.ifname === ifname) && ifNameToIndex(ifname) === index;
    this.#close((open) => !isThere(open));
    if (plan === undefined) return;
    for (const device of devices) {
      const open = this.#sockets.get(device.ifname);
      if (open === undefined) this.#open(plan, device);
      else open.device = device;
    }
  }

  /** Returns why not, if so; else `measured` or an event with the reason follows. */
  measure(link: string): string | undefined {
    if (this.#runs.has(link) || this.#waiting.has(link)) return "a measurement is under way";
    const found = [...this.#sockets.values()].find(({ device }) => device.link === link && device.sites.length > 0);
    const site = found?.device.sites[0];
    if (found === undefined || site === undefined) return "no tunnel of this link is up";
    // Two at once would measure each other, where they have a host or a line in common.
    if (this.#runs.size > 0) {
      this.#waiting.add(link);
      return undefined;
    }
    const run: Run = {
      link,
      ifname: found.device.ifname,
      site,
      up: [],
      down: [],
      turns: 0,
      train: 0n,
      timer: undefined,
    };
    this.#runs.set(link, run);
    this.#on.event("wan.bandwidth-test", { link, site, ifname: run.ifname, level: "info" });
    this.#turn(run);
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#waiting.clear();
    this.#close(() => true);
    this.#next?.[Symbol.dispose]();
    for (const { timer } of this.#coming.values()) timer[Symbol.dispose]();
    this.#coming.clear();
  }

  /** Up and down take turns. */
  #turn(run: Run): void {
    run.timer?.[Symbol.dispose]();
    const open = this.#sockets.get(run.ifname);
    if (run.turns >= 2 * TRAINS || open === undefined) return this.#finish(run);
    const up = run.turns % 2 === 0;
    run.turns++;
    run.train = number();
    if (up) this.#send(open, run.site, run.train, COUNT, sizeOf(open.device));
    else {
      const stamp = BigInt(Math.round(Date.now() * 1000));
      const ask = { kind: "ask", train: run.train, count: COUNT, size: sizeOf(open.device), stamp } as const;
      this.#expect(open, run.site, run.train, COUNT);
      this.#say(open, run.site, ask);
    }
    run.timer = this.#after(TRAIN_TIMEOUT, () => this.#turn(run));
  }

  #finish(run: Run): void {
    this.#over(run);
    const [up, down] = [median(run.up), median(run.down)];
    const { link, site } = run;
    if (up === undefined) {
      return this.#on.event("wan.bandwidth-failed", { link, site, why: "no train came through", level: "warn" });
    }
    this.#on.event("wan.bandwidth-measured", {
      link,
      site,
      up,
      down,
      trains: run.up.length + run.down.length,
      level: "info",
    });
    this.#on.measured(link, { up, down });
  }

  /** All at once: what the socket's buffer has no room for is lost, as on any full line. */
  #send(open: Open, site: string, train: bigint, count: number, size: number): void {
    for (let index = 0; index < count; index++) this.#say(open, site, { kind: "wagon", train, index, count }, size);
  }

  #say(open: Open, site: string, packet: TrainPacket, size?: number): void {
    const peer = open.peers.get(site);
    if (peer === undefined || this.#plan === undefined) return;
    const to = encodeInet({ ip: peer.ip, port: this.#plan.port });
    open.socket.send(
      encodeTrain(packet, (octets) => peer.sign(octets), size),
      to,
    );
  }

  #received(open: Open, bytes: Uint8Array, meta: DatagramMeta): void {
    const from = decodeInet(meta.from)?.ip;
    const [site, peer] = [...open.peers].find(([, { ip }]) => ip === from) ?? [];
    if (site === undefined || peer === undefined) return;
    const packet = decodeTrain(bytes, (octets, tag) => sameSecret(peer.sign(octets).subarray(0, tag.length), tag));
    if (!packet.ok) return;
    const { value } = packet;
    if (value.kind === "wagon") return this.#wagon(open, site, value, meta.stamp, bytes.length);
    if (value.kind === "result") return this.#result(site, value);
    // Each request once, in their order: a repeated one would make us send for a stranger.
    if (value.stamp <= (this.#asked.get(site) ?? 0n)) return;
    this.#asked.set(site, value.stamp);
    const size = Math.min(Math.max(value.size, LEAST_SIZE), sizeOf(open.device));
    this.#send(open, site, value.train, Math.min(value.count, COUNT), size);
  }

  #wagon(
    open: Open,
    site: string,
    { train, index, count }: Extract<TrainPacket, { readonly kind: "wagon" }>,
    stamp: bigint | undefined,
    length: number,
  ): void {
    if (stamp === undefined || count > COUNT || index >= count) return;
    const coming = this.#coming.get(train) ?? this.#expect(open, site, train, count);
    if (coming === undefined || coming.site !== site) return;
    // UDP and IP, then what the tunnel wraps around.
    const header = open.device.overhead + (typeof open.peers.get(site)?.ip === "number" ? 28 : 48);
    coming.octets = length + header;
    coming.arrivals.push({ index, stamp });
    if (coming.arrivals.length >= count) return this.#complete(coming);
    coming.timer[Symbol.dispose]();
    coming.timer = this.#after(WAGON_TIMEOUT, () => this.#complete(coming));
  }

  #expect(open: Open, site: string, train: bigint, count: number): Coming | undefined {
    if (this.#coming.size >= MOST_COMING) return undefined;
    const timer = this.#after(TRAIN_TIMEOUT, () => this.#coming.delete(train));
    const coming: Coming = { open, site, train, count, arrivals: [], octets: 0, timer };
    this.#coming.set(train, coming);
    return coming;
  }

  /** Ours is a turn of a measurement; of another's the result goes back. */
  #complete(coming: Coming): void {
    const { open, site, train, count, arrivals, octets } = coming;
    coming.timer[Symbol.dispose]();
    this.#coming.delete(train);
    const bits = rateOf(arrivals, count, octets) ?? 0;
    const run = [...this.#runs.values()].find((each) => each.train === train && each.site === site);
    if (run === undefined) this.#say(open, site, { kind: "result", train, received: arrivals.length, count, bits });
    else this.#noted(run, run.down, bits);
  }

  #result(site: string, { train, bits }: Extract<TrainPacket, { readonly kind: "result" }>): void {
    const run = [...this.#runs.values()].find((each) => each.train === train && each.site === site);
    if (run !== undefined) this.#noted(run, run.up, bits);
  }

  #noted(run: Run, values: number[], bits: number): void {
    if (bits > 0) values.push(bits);
    run.train = 0n;
    run.timer?.[Symbol.dispose]();
    run.timer = this.#after(PAUSE, () => this.#turn(run));
  }

  #after(span: Ms, wake: () => void): Disposable {
    return this.#loop.wakeAt(after(this.#loop.now(), span), wake);
  }

  #open(plan: BandwidthPlan, device: BandwidthDevice): void {
    try {
      const bind = { ip: ipOf(plan.local), port: plan.port };
      const fd = openUdp({
        bind,
        device: device.ifname,
        freebind: true,
        meta: { stamp: true },
        receiveBuffer: BUFFER,
        sendBuffer: BUFFER,
      });
      const peers = new Map(
        Object.entries(plan.sites).map(([site, { address, key }]) => {
          const secret = createHmac("sha256", Buffer.from(key, "hex")).update("novaedge bandwidth").digest();
          const sign = (octets: Uint8Array): Uint8Array => createHmac("sha256", secret).update(octets).digest();
          return [site, { ip: ipOf(address), sign }];
        }),
      );
      const open: Open = {
        device,
        index: ifNameToIndex(device.ifname),
        peers,
        socket: this.#loop.datagrams(fd, { received: (_, bytes, meta) => this.#received(open, bytes, meta) }),
      };
      this.#sockets.set(device.ifname, open);
    } catch (cause) {
      // The device is being made: the next plan tries again.
      if (!(cause instanceof Fault)) throw cause;
      const { ifname } = device;
      this.#on.event("wan.bandwidth-socket-failed", { ifname, why: cause.message, level: "debug" });
    }
  }

  #close(which: (open: Open) => boolean): void {
    for (const [ifname, open] of this.#sockets) {
      if (!which(open)) continue;
      open.socket[Symbol.dispose]();
      this.#sockets.delete(ifname);
      for (const run of this.#runs.values()) if (run.ifname === ifname) this.#abandon(run);
      for (const coming of this.#coming.values()) if (coming.open === open) this.#forget(coming);
    }
  }
  #abandon(run: Run): void {
    this.#over(run);
    this.#on.event("wan.bandwidth-failed", {
      link: run.link,
      site: run.site,
      why: "the tunnel changed",
      level: "warn",
    });
  }
  #over(run: Run): void {
    run.timer?.[Symbol.dispose]();
    this.#runs.delete(run.link);
    this.#next ??= this.#after(ms(0), () => {
      this.#next = undefined;
      const [link] = this.#waiting;
      if (link === undefined) return;
      this.#waiting.delete(link);
      const why = this.measure(link);
      if (why !== undefined) this.#on.event("wan.bandwidth-failed", { link, why, level: "warn" });
    });
  }
  #forget(coming: Coming): void {
    coming.timer[Symbol.dispose]();
    this.#coming.delete(coming.train);
  }
}

interface Open {
  device: BandwidthDevice;
  /** Of the interface. */
  readonly index: number;
  readonly socket: Datagrams;
  readonly peers: ReadonlyMap<string, { readonly ip: Ip; readonly sign: (octets: Uint8Array) => Uint8Array }>;
}

interface Coming {
  readonly open: Open;
  readonly site: string;
  readonly train: bigint;
  readonly count: number;
  readonly arrivals: Arrival[];
  /** Of each packet, on the link. */
  octets: number;
  timer: Disposable;
}

interface Run {
  readonly link: string;
  readonly ifname: string;
  readonly site: string;
  readonly up: number[];
  readonly down: number[];
  turns: number;
  /** That is awaited; 0 = none. */
  train: bigint;
  timer: Disposable | undefined;
}

function number(): bigint {
  const octets = randomOctets(8);
  return new DataView(octets.buffer).getBigUint64(0) | 1n;
}
function ipOf(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new TypeError(`the plan says ${text} where an address belongs`);
  return parsed.value;
}
/** Of UDP's payload. */
function sizeOf({ mtu }: BandwidthDevice): number {
  return Math.max(LEAST_SIZE, Math.min(LARGEST, mtu) - 48);
}

const TRAINS = 5;
const COUNT = 60;
const LARGEST = 1400;
const LEAST_SIZE = 44;
const TRAIN_TIMEOUT = seconds(3);
/** 100 kbit/s take 112 ms for one. */
const WAGON_TIMEOUT = ms(500);
const PAUSE = ms(200);
const MOST_COMING = 64;
const BUFFER = 1 << 20;
