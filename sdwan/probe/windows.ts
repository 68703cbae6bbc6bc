/**
 * What is known of a path from the answers that came: delay, variation, loss, all over the probes that a History keeps and
 * the counters that they carried.  Sans-IO, and without an opinion: whether the path lives is the sender's to say.
 */
import { type Instant, type Ms, ms, since } from "../../base/unit.ts";
import type { LossEstimate, PathFigures, Spread } from "../figures.ts";
import type { Pace } from "../steer-plan.ts";
import { History, type Probe } from "./history.ts";
import { Jitter } from "./jitter.ts";
import { bothWays, worse } from "./loss.ts";
import { mosOf } from "./mos.ts";
import { Rate } from "./rate.ts";
import { recentOf, spreadOf } from "./spread.ts";
import { type Sample, Traffic } from "./traffic.ts";

export interface Answer {
  readonly number: number;
  readonly arrivedAt: Instant;
  /** undefined: it answers, but how fast is not comparable. */
  readonly rtt: number | undefined;
  /** Received less sent, of each way; undefined where only round trips are seen, and while a clock is set. */
  readonly out?: number | undefined;
  readonly back?: number | undefined;
  /** The reflector's count. */
  readonly reflector?: number | undefined;
}

export class Windows {
  readonly history = new History();
  readonly #jitter = { out: new Jitter(), back: new Jitter(), round: new Jitter() };
  readonly #traffic = { out: new Traffic(), back: new Traffic() };
  readonly #rate = new Rate();
  #smoothed: number | undefined;
  #sorted: Spread | undefined;
  /** Since it was sorted. */
  #newRtts = 0;
  #newestAnswer = -1;
  #transit: Transit | undefined;
  #reflector: { number: number; count: number; epoch: number } | undefined;
  /** Probes whose fate was told. */
  readonly #told = { of: 0, lost: 0 };

  answered(probe: Probe, answer: Answer, { alpha, interval }: Pick<Pace, "alpha" | "interval">): void {
    if (probe.told && !probe.abandoned) this.#told.lost--;
    else this.#told.of++;
    probe.abandoned = false;
    probe.answered = true;
    probe.rtt = answer.rtt;
    probe.disordered = answer.number < this.#newestAnswer;
    this.#newestAnswer = Math.max(this.#newestAnswer, answer.number);
    this.#count(probe, answer);
    this.#vary(answer, probe.sentAt, ms(Math.min(interval, SPACING) * SLACK));
    if (answer.rtt === undefined) return;
    this.#newRtts++;
    this.#smoothed = this.#smoothed === undefined ? answer.rtt : this.#smoothed + alpha * (answer.rtt - this.#smoothed);
  }

  lost(probe: Probe): void {
    probe.told = true;
    this.#told.of++;
    this.#told.lost++;
  }

  counted(out: Sample, back: Sample): void {
    this.#traffic.out.add(out);
    this.#traffic.back.add(back);
  }

  /** Bits per second, of the busier direction. */
  carried(out: number, back: number, now: Instant): number {
    this.#rate.add(now, out, back);
    return Math.max(this.#rate.now.out, this.#rate.now.back);
  }

  /** The counters are another device's, or begin anew. */
  recount(): void {
    this.#traffic.out.restart();
    this.#traffic.back.restart();
    this.#rate.restart();
  }

  /** What was under way is not waited for, and what comes next is not compared with what was. */
  interrupt(): void {
    this.history.abandon();
    if (this.#reflector !== undefined) this.#reflector.epoch++;
    this.recount();
  }

  /** Somebody else answers now. */
  forgetDelays(): void {
    this.history.forgetDelays();
    this.#jitter.round.restart();
    this.#smoothed = undefined;
    this.#sorted = undefined;
  }

  /** Of the newest half second or so, the worse direction; undefined: too little traffic. */
  recentTraffic(now: Instant): LossEstimate | undefined {
    const within = (window: Ms): LossEstimate | undefined =>
      worse(this.#traffic.out.loss(now, window, ENOUGH), this.#traffic.back.loss(now, window, ENOUGH));
    return within(RECENT) ?? within(NOT_SO_RECENT);
  }

  /** `at` of the wall clock; undefined: nothing is known yet. */
  figures(now: Instant, at: number): PathFigures | undefined {
    const loss = this.history.loss(now);
    if (loss === undefined) return undefined;
    const span = ms(Math.max(LONG, since(this.history.probes[0]?.sentAt ?? now, now)));
    const probes = this.history.directions();
    const out = surer(this.#traffic.out.loss(now, span, ENOUGH), probes.out);
    const back = surer(this.#traffic.back.loss(now, span, ENOUGH), probes.back);
    const both = out === undefined || back === undefined ? undefined : bothWays(out, back);
    const rtt = this.#smoothed === undefined ? undefined : this.#spread(this.#smoothed);
    const [jitterOut, jitterBack, round] = [this.#jitter.out.value, this.#jitter.back.value, this.#jitter.round.value];
    const jitter = jitterOut === undefined ? (round ?? 0) / 2 : Math.max(jitterOut, jitterBack ?? 0);
    const lost = worse(out, back)?.percent ?? loss.percent;
    return {
      at,
      rtt,
      jitterOut,
      jitterBack,
      jitterRound: round,
      loss: both !== undefined && both.of > loss.of ? both : loss,
      lossOut: out,
      lossBack: back,
      lossRecent: this.recentTraffic(now) ?? this.history.loss(now, RECENT_PROBES),
      counted: { out: this.#traffic.out.total, back: this.#traffic.back.total, round: { ...this.#told } },
      varied: { out: this.#jitter.out.total, back: this.#jitter.back.total, round: this.#jitter.round.total },
      ...this.history.disorder(),
      mos: rtt === undefined ? undefined : mosOf(rtt.smoothed / 2, jitter, lost),
      bitsOut: this.#rate.now.out,
      bitsBack: this.#rate.now.back,
    };
  }

  /** What is rare in a window (quantiles) is sorted out anew when a sixteenth of it is; the newest are always. */
  #spread(smoothed: number): Spread | undefined {
    const { probes } = this.history;
    if (this.#sorted === undefined || this.#newRtts > probes.length / 16) {
      this.#sorted = spreadOf(this.history.rtts(), smoothed);
      this.#newRtts = 0;
      return this.#sorted;
    }
    return { ...this.#sorted, smoothed, recent: recentOf(this.history.newestRtts()) ?? this.#sorted.recent };
  }

  #vary({ rtt, out, back }: Answer, sentAt: Instant, spacing: Ms): void {
    if (rtt !== undefined) this.#jitter.round.add(rtt, sentAt, spacing);
    const was = this.#transit;
    this.#transit = out === undefined || back === undefined ? undefined : { out, back };
    const isComparable = was !== undefined && this.#transit !== undefined && !isClock(was, this.#transit);
    if (!isComparable) {
      this.#jitter.out.restart();
      this.#jitter.back.restart();
    }
    if (this.#transit === undefined) return;
    this.#jitter.out.add(this.#transit.out, sentAt, spacing);
    this.#jitter.back.add(this.#transit.back, sentAt, spacing);
  }

  /** A reflector that has forgotten us begins to count anew. */
  #count(probe: Probe, { number, reflector }: Answer): void {
    if (reflector === undefined) return;
    const last = this.#reflector;
    const ahead = last === undefined ? 0 : (reflector - last.count) | 0;
    const restarted =
      last !== undefined && number > last.number && (ahead < -DISORDER || ahead > number - last.number + DISORDER);
    const epoch = (last?.epoch ?? 0) + (restarted ? 1 : 0);
    probe.reflector = reflector;
    probe.epoch = epoch;
    if (restarted) this.recount();
    if (last === undefined || number > last.number) this.#reflector = { number, count: reflector, epoch };
  }
}

interface Transit {
  readonly out: number;
  readonly back: number;
}

/** One way longer by what the other is shorter, and the round trip as it was: nothing but the setting of a clock does that. */
function isClock(was: Transit, is: Transit): boolean {
  const moved = is.out - was.out;
  return Math.abs(moved) > CLOCK_STEP && Math.abs(moved + is.back - was.back) < Math.abs(moved) / 10;
}

/** The one that is made of more packets. */
function surer(a: LossEstimate | undefined, b: LossEstimate | undefined): LossEstimate | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a.of > b.of ? a : b;
}

const LONG = 10_000;
const RECENT = ms(600);
const NOT_SO_RECENT = ms(2000);
const RECENT_PROBES = 20;
/** Packets that make a share of them worth telling. */
const ENOUGH = 100;
const CLOCK_STEP = 20;
/** Of packets that are compared for jitter: no more than what is usual between two while all is well. */
const SPACING = 50;
const SLACK = 0.8;
/** Packets that overtake each other on the way. */
const DISORDER = 8;
