/**
 * Asks one path again and again, and makes figures of the answers: sans-IO, the same for every kind of probe.  `wake` and
 * `answered` return what is to be done; `nextWake` is the only timer.
 *
 * A probe is missed at its deadline and counts then for the path's death; it is lost a while later and counts then in the
 * figures, unless an answer comes, at any time: that repairs both.
 */
import { after, earliest, type Instant, type Ms, ms, since } from "../../base/unit.ts";
import type { LossEstimate, PathFigures, PathLife } from "../figures.ts";
import type { Pace } from "../steer-plan.ts";
import { Delay } from "./delay.ts";
import { History, type Probe } from "./history.ts";
import { Jitter } from "./jitter.ts";
import { Life } from "./life.ts";
import { bothWays, worse } from "./loss.ts";
import { mosOf } from "./mos.ts";
import { Pacer, type Urgency } from "./pace.ts";
import { Rate } from "./rate.ts";
import { spreadOf } from "./spread.ts";
import { type Sample, Traffic } from "./traffic.ts";

export interface SenderConfig {
  readonly pace: Pace;
  /** Octets of a probe and its answer, with all headers. */
  readonly cost: number;
  readonly metered: boolean;
  /** How many could answer; a broad question costs so many times as much. */
  readonly targets: number;
}

export type SenderAction =
  /** `broad`: of several that could answer, ask all. */
  | { readonly kind: "ask"; readonly number: number; readonly broad: boolean }
  | { readonly kind: "life"; readonly life: PathLife }
  | { readonly kind: "measured" };

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

export class Sender {
  #config: SenderConfig;
  readonly #pacer: Pacer;
  readonly #history = new History();
  readonly #life = new Life();
  readonly #delay = new Delay();
  readonly #jitter = { out: new Jitter(), back: new Jitter(), round: new Jitter() };
  readonly #traffic = { out: new Traffic(), back: new Traffic() };
  readonly #rate = new Rate();
  #smoothed: number | undefined;
  #number: number;
  #lastSent: Instant;
  #newestAnswer = -1;
  #transit: Transit | undefined;
  #reflector: { number: number; count: number; epoch: number } | undefined;
  #doubtUntil: Instant;
  /** A while after the newest answer: what has to prove that it lives again is asked fast. */
  #heardUntil: Instant;
  #busyAt: Instant;
  /** Asked since the path is unknown: a path that never answers is not asked fast for ever. */
  #tries = 0;
  /** Probes whose fate was told. */
  readonly #told = { of: 0, lost: 0 };
  sent = 0;
  answers = 0;

  /** `first` is the number of the first probe, which is due at once. */
  constructor(config: SenderConfig, now: Instant, first = 0) {
    this.#config = config;
    this.#pacer = new Pacer(config.pace, config.cost, now);
    this.#number = first;
    this.#lastSent = after(now, ms(-config.pace.interval));
    this.#doubtUntil = now;
    this.#heardUntil = now;
    this.#busyAt = now;
  }

  get life(): PathLife {
    return this.#life.state;
  }

  change(config: SenderConfig, now: Instant): void {
    this.#config = config;
    this.#pacer.change(config.pace, config.cost, now);
  }

  /** Between two probes, and what they cost, as it is now. */
  pace(now: Instant): { readonly interval: number; readonly octetsPerHour: number } {
    const urgency = this.#urgency(now);
    return { interval: this.#pacer.interval(urgency), octetsPerHour: this.#pacer.octetsPerHour(urgency) };
  }

  nextWake(now: Instant): Instant {
    let next: Instant = this.#pacer.next(this.#lastSent, this.#urgency(now), now);
    for (const probe of this.#open()) {
      const due = probe.missed ? probe.lostAt : probe.suspected ? probe.deadlineAt : probe.suspectAt;
      next = earliest(next, due) ?? next;
    }
    return next;
  }

  /** `conclusive`: everything that came before `now` was shown to `answered`. */
  wake(now: Instant, conclusive = true): readonly SenderAction[] {
    const actions: SenderAction[] = [];
    if (conclusive) this.#conclude(now, actions);
    const due = this.#pacer.next(this.#lastSent, this.#urgency(now), now);
    if (now >= due) this.#ask(now, actions);
    return actions;
  }

  /** Actions, or what is wrong with it. */
  answered(answer: Answer, now: Instant): readonly SenderAction[] | "unasked" | "duplicate" {
    const probe = this.#history.find(answer.number);
    if (probe === undefined) return "unasked";
    if (probe.answered) {
      probe.copies++;
      return "duplicate";
    }
    const before = this.life;
    const late = answer.arrivedAt > probe.deadlineAt;
    if (probe.told && !probe.abandoned) this.#told.lost--;
    else this.#told.of++;
    probe.abandoned = false;
    this.#heardUntil = after(now, DOUBT);
    probe.answered = true;
    probe.rtt = answer.rtt;
    probe.disordered = answer.number < this.#newestAnswer;
    this.#newestAnswer = Math.max(this.#newestAnswer, answer.number);
    this.answers++;
    this.#count(probe, answer);
    this.#life.answer(answer.number, late);
    if (answer.rtt !== undefined) this.#time(answer.rtt, late, now);
    this.#vary(answer);
    const actions: SenderAction[] = [{ kind: "measured" }];
    if (this.life !== before) actions.push({ kind: "life", life: this.life });
    return actions;
  }

  /** undefined: too long ago. */
  sentAt(number: number): Instant | undefined {
    return this.#history.find(number)?.sentAt;
  }

  /** Counters at a probe's way out and its answer's way back; they tell nothing where others use the device, too. */
  counted(out: Sample, back: Sample, now: Instant): void {
    this.#traffic.out.add(out);
    this.#traffic.back.add(back);
    const recent = this.#recentTraffic(now);
    if (recent !== undefined && recent.low > LOSS_IN_DOUBT) this.doubt(now);
  }

  /** Octets that the device has carried so far. */
  carried(out: number, back: number, now: Instant): void {
    this.#rate.add(now, out, back);
    const { out: up, back: down } = this.#rate.now;
    const own = (this.#config.cost * 4000) / this.#pacer.interval(this.#urgency(now));
    if (Math.max(up, down) > own + IDLE_BITS) this.#busyAt = now;
  }

  /** The counters are another device's. */
  recount(): void {
    this.#traffic.out.restart();
    this.#traffic.back.restart();
    this.#rate.restart();
  }

  doubt(now: Instant): void {
    this.#doubtUntil = after(now, DOUBT);
  }

  /** What was under way is not waited for, and the path has to prove itself anew. */
  interrupt(why: string): readonly SenderAction[] {
    this.#history.abandon();
    if (this.#reflector !== undefined) this.#reflector.epoch++;
    this.#life.forget(why);
    this.#tries = 0;
    this.recount();
    return [{ kind: "life", life: this.life }];
  }

  /** Somebody else answers now. */
  forgetDelays(): void {
    this.#delay.forget();
    this.#history.forgetDelays();
    this.#jitter.round.restart();
    this.#smoothed = undefined;
  }

  /** `at` of the wall clock; undefined: nothing is known yet. */
  figures(now: Instant, at: number): PathFigures | undefined {
    const loss = this.#history.loss(now);
    if (loss === undefined) return undefined;
    const span = ms(Math.max(LONG, since(this.#history.probes[0]?.sentAt ?? now, now)));
    const probes = this.#history.directions();
    const out = surer(this.#traffic.out.loss(now, span, ENOUGH), probes.out);
    const back = surer(this.#traffic.back.loss(now, span, ENOUGH), probes.back);
    const both = out === undefined || back === undefined ? undefined : bothWays(out, back);
    const rtt = this.#smoothed === undefined ? undefined : spreadOf(this.#history.rtts(), this.#smoothed);
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
      lossRecent: this.#recentTraffic(now) ?? this.#history.loss(now, RECENT_PROBES),
      counted: { out: this.#traffic.out.total, back: this.#traffic.back.total, round: { ...this.#told } },
      ...this.#history.disorder(),
      mos: rtt === undefined ? undefined : mosOf(rtt.smoothed / 2, jitter, lost),
      bitsOut: this.#rate.now.out,
      bitsBack: this.#rate.now.back,
    };
  }

  #conclude(now: Instant, actions: SenderAction[]): void {
    const before = this.life;
    let told = false;
    for (const probe of this.#open()) {
      if (!probe.suspected && now >= probe.suspectAt) {
        probe.suspected = true;
        this.doubt(now);
      }
      if (!probe.missed && now >= probe.deadlineAt) {
        probe.missed = true;
        this.#life.miss(probe.number, this.#deadAfter());
      }
      if (probe.missed && now >= probe.lostAt) {
        probe.told = true;
        told = true;
        this.#told.of++;
        this.#told.lost++;
      }
    }
    if (told) actions.push({ kind: "measured" });
    if (this.life === before) return;
    if (this.life.kind === "dead") this.#history.died();
    // What the counters missed meanwhile the outage has told already.
    this.recount();
    actions.push({ kind: "life", life: this.life });
  }

  /** On a path that loses some all the time, so many in a row are no sign of death yet: by chance once in a hundred million. */
  #deadAfter(): number {
    const { deadAfter } = this.#config.pace;
    const usual = Math.min(this.#history.usualLoss(), MOST_USUAL);
    if (usual === 0) return deadAfter;
    return Math.max(deadAfter, Math.min(deadAfter + MOST_MORE, Math.ceil(Math.log(CHANCE) / Math.log(usual))));
  }

  #ask(now: Instant, actions: SenderAction[]): void {
    const deadline = this.#delay.deadline(this.#config.pace.interval);
    const deadlineAt = after(now, deadline);
    const grace = ms(Math.max(GRACE, this.#delay.smoothed ?? 0));
    const number = this.#number++;
    this.#history.add({
      number,
      sentAt: now,
      suspectAt: after(now, this.#delay.suspicion(this.#config.pace.interval)),
      deadlineAt,
      lostAt: after(deadlineAt, grace),
      suspected: false,
      missed: false,
      told: false,
      answered: false,
      abandoned: false,
      outage: this.life.kind === "dead",
      rtt: undefined,
      reflector: undefined,
      epoch: 0,
      disordered: false,
      copies: 0,
    });
    const broad = this.#urgency(now) === "doubt" || this.life.kind !== "alive";
    this.#pacer.spend(broad ? this.#config.targets : 1, now);
    this.#lastSent = now;
    this.#tries++;
    this.sent++;
    actions.push({ kind: "ask", number, broad });
  }

  /** Not answered, and not lost for good; the newest of the window. */
  #open(): readonly Probe[] {
    const { probes } = this.#history;
    let from = probes.length;
    // Deadlines may fall with the round trip, but what is told is told in order of a few.
    for (let passed = 0; from > 0 && passed < SETTLED; from--) {
      const probe = probes[from - 1];
      passed = probe === undefined || probe.answered || probe.told ? passed + 1 : 0;
    }
    return probes.slice(from).filter(({ answered, told }) => !answered && !told);
  }

  #urgency(now: Instant): Urgency {
    const { kind } = this.life;
    const isHeard = now < this.#heardUntil;
    if (kind === "dead") return isHeard ? "doubt" : "calm";
    if (kind === "unknown") return isHeard || this.#tries < TRIES ? "doubt" : "calm";
    if (now < this.#doubtUntil) return "doubt";
    return since(this.#busyAt, now) > (this.#config.metered ? IDLE_METERED : IDLE) ? "idle" : "calm";
  }

  #time(rtt: number, late: boolean, now: Instant): void {
    if (late || this.#delay.isOdd(rtt)) this.doubt(now);
    this.#delay.add(rtt);
    const { alpha } = this.#config.pace;
    this.#smoothed = this.#smoothed === undefined ? rtt : this.#smoothed + alpha * (rtt - this.#smoothed);
  }

  #vary({ rtt, out, back }: Answer): void {
    if (rtt !== undefined) this.#jitter.round.add(rtt);
    const was = this.#transit;
    this.#transit = out === undefined || back === undefined ? undefined : { out, back };
    const isComparable = was !== undefined && this.#transit !== undefined && !isClock(was, this.#transit);
    if (!isComparable) {
      this.#jitter.out.restart();
      this.#jitter.back.restart();
    }
    if (this.#transit === undefined) return;
    this.#jitter.out.add(this.#transit.out);
    this.#jitter.back.add(this.#transit.back);
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

  #recentTraffic(now: Instant): LossEstimate | undefined {
    const within = (window: Ms): LossEstimate | undefined =>
      worse(this.#traffic.out.loss(now, window, ENOUGH), this.#traffic.back.loss(now, window, ENOUGH));
    return within(RECENT) ?? within(NOT_SO_RECENT);
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

const DOUBT = ms(1000);
const TRIES = 20;
/** From a probe's deadline until it is lost. */
const GRACE = 200;
const SETTLED = 64;
const LONG = 10_000;
const RECENT = ms(600);
const NOT_SO_RECENT = ms(2000);
const RECENT_PROBES = 20;
/** Packets that make a share of them worth telling. */
const ENOUGH = 100;
/** Percent, surely lost. */
const LOSS_IN_DOUBT = 0.2;
const IDLE = ms(300_000);
const IDLE_METERED = ms(10_000);
/** Beyond the probes: a BFD session at its fastest stays below. */
const IDLE_BITS = 16_000;
const CLOCK_STEP = 20;
const CHANCE = 1e-8;
const MOST_USUAL = 0.5;
const MOST_MORE = 5;
/** Packets that overtake each other on the way. */
const DISORDER = 8;
