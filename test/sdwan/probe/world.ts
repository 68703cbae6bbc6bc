/** Two ends of a path under a virtual clock: a sender, a reflector, and a wire with whatever faults a test imposes. */
import { createHmac } from "node:crypto";
import { after, type Instant, instant, ms } from "../../../base/unit.ts";
import type { PathFigures } from "../../../sdwan/figures.ts";
import type { Seal } from "../../../sdwan/probe/packet.ts";
import { Reflector, reply } from "../../../sdwan/probe/reflector.ts";
import { Sender, type SenderAction, type SenderConfig } from "../../../sdwan/probe/sender.ts";
import { StampSession } from "../../../sdwan/probe/stamp.ts";

export const KEY = "ab".repeat(32);
export const seal: Seal = (bytes) => createHmac("sha256", Buffer.from(KEY, "hex")).update(bytes).digest();
export const PEER = "10.255.1.1";
export const PACE = { interval: 50, inDoubt: 20, deadAfter: 3, alpha: 0.3, octetsPerHour: 1e9 };
export const CONFIG: SenderConfig = { pace: PACE, cost: 352, metered: false, targets: 1 };

/** Of one direction. */
export interface Wire {
  /** Milliseconds; called for each packet. */
  delay: () => number;
  /** 0–1 */
  loss: number;
}

/** Mulberry32: the same fate each time. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class World {
  now: Instant = instant(1000);
  readonly random: () => number;
  readonly out: Wire;
  readonly back: Wire;
  sender: Sender;
  session: StampSession;
  reflector = new Reflector();
  /** Added to what the ends' clocks say: they need not agree. */
  readonly clock = { sender: 1.79e12, reflector: 1.79e12 + 12_345.678 };
  /** Milliseconds that the reflector's process lets a probe wait, and the sender's an answer. */
  held = 0;
  kept = 0;
  /** Packets per second of traffic each way, beside the probes. */
  traffic = { out: 0, back: 0 };
  readonly lives: { readonly at: Instant; readonly kind: string }[] = [];
  readonly refused: Record<string, number> = {};
  measured = 0;
  /** Probes that asked for counters. */
  counting = 0;
  readonly #counters = { outTx: 0, outRx: 0, backTx: 0, backRx: 0 };
  #queue: { readonly at: Instant; readonly order: number; readonly run: () => void }[] = [];
  #order = 0;
  #trafficAt: { out: number; back: number };

  constructor(seed = 1, config: SenderConfig = CONFIG, first = 0) {
    this.random = randomOf(seed);
    this.out = { delay: () => 10, loss: 0 };
    this.back = { delay: () => 10, loss: 0 };
    this.sender = new Sender(config, this.now, first);
    this.session = new StampSession(seal, 7);
    this.reflector.configure(new Map([[PEER, [{ id: KEY, seal }]]]));
    this.#trafficAt = { out: this.now, back: this.now };
  }

  run(span: number): void {
    const until = after(this.now, ms(span));
    for (;;) {
      const next = this.#queue[0]?.at ?? Number.POSITIVE_INFINITY;
      const wake = Math.max(this.sender.nextWake(this.now), this.now);
      const at = Math.min(next, wake, this.#nextTraffic());
      if (at > until) break;
      this.now = instant(at);
      if (at === this.#nextTraffic()) this.#traffic();
      else if (at === next) this.#queue.shift()?.run();
      else this.#perform(this.sender.wake(this.now));
    }
    this.now = until;
  }

  figures(): PathFigures {
    const figures = this.sender.figures(this.now, 0);
    if (figures === undefined) throw new Error("no figures");
    return figures;
  }

  /** The reflector's process is another one now. */
  restartReflector(): void {
    this.reflector = new Reflector();
    this.reflector.configure(new Map([[PEER, [{ id: KEY, seal }]]]));
  }
  resetCounters(): void {
    Object.assign(this.#counters, { outTx: 0, outRx: 0, backTx: 0, backRx: 0 });
  }
  /** As if so many had been counted before. */
  skipCounters(by: number): void {
    for (const name of ["outTx", "outRx", "backTx", "backRx"] as const) this.#counters[name] += by;
  }

  at(delay: number, run: () => void): void {
    this.#queue.push({ at: after(this.now, ms(delay)), order: this.#order++, run });
    this.#queue.sort((a, b) => a.at - b.at || a.order - b.order);
  }

  perform(actions: readonly SenderAction[] | string): void {
    if (typeof actions === "string") this.refused[actions] = (this.refused[actions] ?? 0) + 1;
    else this.#perform(actions);
  }

  #perform(actions: readonly SenderAction[]): void {
    for (const action of actions) {
      if (action.kind === "ask") this.#ask(action.number, action.counts);
      if (action.kind === "life") this.lives.push({ at: this.now, kind: action.life.kind });
      if (action.kind === "measured") this.measured++;
    }
  }

  #ask(number: number, counts: boolean): void {
    const sent = this.#counters.outTx++;
    if (counts) this.counting++;
    const packet = this.session.packet(number, this.#reading(this.now), counts ? sent : undefined);
    this.#carry(this.out, () => {
      this.#counters.outRx++;
      const receivedAt = this.clock.reflector + this.now;
      this.at(this.held, () => this.#reflect(packet, receivedAt));
    });
  }

  #reflect(packet: Uint8Array, receivedAt: number): void {
    const arrival = { address: PEER, port: 50_000, ttl: 255, receivedAt };
    const accepted = this.reflector.receive(packet, arrival, this.now);
    if (!accepted.ok) return this.perform(accepted.error.kind);
    const counters = { received: this.#counters.outRx, sent: this.#counters.backTx++ };
    const answer = reply(accepted.value, this.clock.reflector + this.now, counters);
    this.#carry(this.back, () => {
      this.#counters.backRx++;
      const arrivedAt = this.now;
      this.at(this.kept, () => this.#answered(answer, arrivedAt));
    });
  }

  #answered(answer: Uint8Array, arrivedAt: Instant): void {
    const { wall } = this.#reading(arrivedAt);
    const measured = this.session.read(answer, { wall, boot: this.now });
    if (!measured.ok) return this.perform(measured.error.kind);
    const { number, rtt, out, back, reflector, held, counters } = measured.value;
    const actions = this.sender.answered({ number, arrivedAt, rtt, out, back, reflector }, this.now);
    this.perform(actions);
    this.sender.carried(this.#counters.outTx * OCTETS, this.#counters.backRx * OCTETS, this.now);
    const at = this.sender.sentAt(number);
    if (counters === undefined || at === undefined) return;
    this.sender.counted(
      { at, sent: counters.senderTx, received: counters.reflectorRx, held: ms(held) },
      { at, sent: counters.reflectorTx, received: this.#counters.backRx, held: ms(this.now - arrivedAt) },
      this.now,
    );
  }

  #carry(wire: Wire, arrive: () => void): void {
    if (this.random() < wire.loss) return;
    this.at(wire.delay(), arrive);
  }

  #nextTraffic(): number {
    const { out, back } = this.traffic;
    const next = (at: number, rate: number): number => (rate === 0 ? Number.POSITIVE_INFINITY : Math.max(at, this.now));
    return Math.min(next(this.#trafficAt.out, out), next(this.#trafficAt.back, back));
  }
  #traffic(): void {
    if (this.traffic.out > 0 && this.#trafficAt.out <= this.now) {
      this.#trafficAt.out = this.now + 1000 / this.traffic.out;
      this.#counters.outTx++;
      this.#carry(this.out, () => this.#counters.outRx++);
    }
    if (this.traffic.back > 0 && this.#trafficAt.back <= this.now) {
      this.#trafficAt.back = this.now + 1000 / this.traffic.back;
      this.#counters.backTx++;
      this.#carry(this.back, () => this.#counters.backRx++);
    }
  }

  #reading(at: Instant): { readonly wall: number; readonly boot: number } {
    return { wall: this.clock.sender + at, boot: at };
  }
}

/** Of each packet, traffic and probes alike. */
const OCTETS = 176;
