/**
 * Asks one path again and again, and makes figures of the answers: sans-IO, the same for every kind of probe.  `wake` and
 * `answered` return what is to be done; `nextWake` is the only timer.
 *
 * A probe is missed at its deadline and counts then for the path's death; it is lost a while later and counts then in the
 * figures, unless an answer comes, at any time: that repairs both.
 */
import { after, earliest, type Instant, ms, since } from "../../base/unit.ts";
import type { PathFigures, PathLife } from "../figures.ts";
import type { Pace } from "../steer-plan.ts";
import { Delay } from "./delay.ts";
import type { Probe } from "./history.ts";
import { Life } from "./life.ts";
import { isUrgent, Pacer, type Urgency } from "./pace.ts";
import type { Sample } from "./traffic.ts";
import { type Answer, Windows } from "./windows.ts";

export interface SenderConfig {
  readonly pace: Pace;
  /** Octets of a probe and its answer, with all headers. */
  readonly cost: number;
  readonly metered: boolean;
  /** How many could answer; a broad question costs so many times as much. */
  readonly targets: number;
}

export type SenderAction =
  /**
   * `broad`: of several that could answer, ask all.  `counts`: the packet counters of both ends are worth their cost with this one.
   */
  | { readonly kind: "ask"; readonly number: number; readonly broad: boolean; readonly counts: boolean }
  | { readonly kind: "life"; readonly life: PathLife }
  | { readonly kind: "measured" };

export class Sender {
  #config: SenderConfig;
  readonly #pacer: Pacer;
  readonly #windows = new Windows();
  readonly #life = new Life();
  readonly #delay = new Delay();
  #number: number;
  #lastSent: Instant;
  #doubtUntil: Instant;
  /** A while after the newest answer: what has to prove that it lives again is asked fast. */
  #heardUntil: Instant;
  #alarmUntil: Instant;
  /** When the newest that counts as missed was sent. */
  #missedAt: Instant | undefined;
  #busyAt: Instant;
  #countedAt: Instant;
  /** Neither answered nor lost for good, in the order of asking. */
  #open: Probe[] = [];
  /** Something has come since it was last measured anew: what was asked before was asked of nothing. */
  #isUp = false;
  /** Asked since the path is unknown: a path that never answers is not asked fast for ever. */
  #tries = 0;
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
    this.#alarmUntil = now;
    this.#busyAt = now;
    this.#countedAt = now;
  }

  get life(): PathLife {
    return this.#life.state;
  }

  change(config: SenderConfig, now: Instant): void {
    this.#config = config;
    this.#pacer.change(config.pace, config.cost, now);
  }

  /** A verdict is near, and each probe counts towards it. */
  alarm(now: Instant): void {
    this.#alarmUntil = after(now, ALARM);
    this.doubt(now);
  }

  /** Between two probes, and what they cost, as it is now. */
  pace(now: Instant): { readonly interval: number; readonly octetsPerHour: number } {
    const urgency = this.#urgency(now);
    return { interval: this.#pacer.interval(urgency), octetsPerHour: this.#pacer.octetsPerHour(urgency) };
  }

  nextWake(now: Instant): Instant {
    let next: Instant = this.#pacer.next(this.#lastSent, this.#urgency(now), now);
    for (const probe of this.#open) {
      if (probe.answered || probe.told) continue;
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
    const probe = this.#windows.history.find(answer.number);
    if (probe === undefined) return "unasked";
    if (probe.answered) {
      probe.copies++;
      return "duplicate";
    }
    const before = this.life;
    const late = answer.arrivedAt > probe.deadlineAt;
    this.#heardUntil = after(now, DOUBT);
    this.#isUp = true;
    this.answers++;
    this.#windows.answered(probe, answer, this.#config.pace);
    this.#life.answer(answer.number, late);
    if (late || (answer.rtt !== undefined && this.#delay.isOdd(answer.rtt))) this.doubt(now);
    if (answer.rtt !== undefined) this.#delay.add(answer.rtt);
    const actions: SenderAction[] = [{ kind: "measured" }];
    if (this.life !== before) actions.push({ kind: "life", life: this.life });
    return actions;
  }

  /** undefined: too long ago. */
  sentAt(number: number): Instant | undefined {
    return this.#windows.history.find(number)?.sentAt;
  }

  /** Counters at a probe's way out and its answer's way back; they tell nothing where others use the device, too. */
  counted(out: Sample, back: Sample, now: Instant): void {
    this.#windows.counted(out, back);
    const recent = this.#windows.recentTraffic(now);
    if (recent !== undefined && recent.low > LOSS_IN_DOUBT) this.doubt(now);
  }

  /** Octets that the device has carried so far. */
  carried(out: number, back: number, now: Instant): void {
    const bits = this.#windows.carried(out, back, now);
    // The other end asks as often, and is answered.
    const own = (this.#config.cost * 8000) / this.#pacer.interval(this.#urgency(now));
    if (bits > own + IDLE_BITS) this.#busyAt = now;
  }

  /** The counters are another device's. */
  recount(): void {
    this.#windows.recount();
  }

  doubt(now: Instant): void {
    this.#doubtUntil = after(now, DOUBT);
  }

  /** What was under way is not waited for, and the path has to prove itself anew. */
  interrupt(why: string): readonly SenderAction[] {
    this.#windows.interrupt();
    this.#isUp = false;
    this.#life.forget(why);
    this.#tries = 0;
    return [{ kind: "life", life: this.life }];
  }

  /** Somebody else answers now. */
  forgetDelays(): void {
    this.#delay.forget();
    this.#windows.forgetDelays();
  }

  /** `at` of the wall clock; undefined: nothing is known yet. */
  figures(now: Instant, at: number): PathFigures | undefined {
    const figures = this.#windows.figures(now, at);
    if (figures === undefined) return undefined;
    let overdue = 0;
    for (const { answered, told, abandoned, deadlineAt } of this.#open)
      if (!answered && !told && !abandoned && deadlineAt <= now) overdue++;
    return { ...figures, overdue };
  }

  #conclude(now: Instant, actions: SenderAction[]): void {
    const before = this.life;
    let told = false;
    this.#open = this.#open.filter((each) => !each.answered && !each.told);
    for (const probe of this.#open) {
      if (!probe.suspected && now >= probe.suspectAt) {
        probe.suspected = true;
        this.doubt(now);
      }
      if (!probe.missed && now >= probe.deadlineAt) {
        probe.missed = true;
        this.#miss(probe, now);
      }
      if (probe.missed && now >= probe.lostAt) {
        if (probe.abandoned) probe.told = true;
        else this.#windows.lost(probe);
        told = true;
      }
    }
    if (told) actions.push({ kind: "measured" });
    if (this.life === before) return;
    if (this.life.kind === "dead") this.#windows.history.died();
    // What the counters missed meanwhile the outage has told already.
    this.recount();
    actions.push({ kind: "life", life: this.life });
  }

  /** Misses that count for death are as far apart as in doubt: in an alarm a burst of losses would be one. */
  #miss({ number, sentAt }: Probe, now: Instant): void {
    if (this.life.kind === "alive") this.alarm(now);
    const { inDoubt } = this.#config.pace;
    if (this.#missedAt !== undefined && since(this.#missedAt, sentAt) < inDoubt * APART) return;
    this.#missedAt = sentAt;
    this.#life.miss(number, this.#deadAfter());
  }

  /** On a path that loses some all the time, so many in a row are no sign of death yet: by chance once in a hundred million. */
  #deadAfter(): number {
    const { deadAfter } = this.#config.pace;
    const usual = Math.min(this.#windows.history.usualLoss(), MOST_USUAL);
    if (usual === 0) return deadAfter;
    return Math.max(deadAfter, Math.min(deadAfter + MOST_MORE, Math.ceil(Math.log(CHANCE) / Math.log(usual))));
  }

  #ask(now: Instant, actions: SenderAction[]): void {
    const deadline = this.#delay.deadline(this.#config.pace.interval);
    const deadlineAt = after(now, deadline);
    const grace = ms(Math.max(GRACE, this.#delay.smoothed ?? 0));
    const number = this.#number++;
    const probe: Probe = {
      number,
      sentAt: now,
      suspectAt: after(now, this.#delay.suspicion(this.#config.pace.interval)),
      deadlineAt,
      lostAt: after(deadlineAt, grace),
      suspected: false,
      missed: false,
      told: false,
      answered: false,
      abandoned: !this.#isUp,
      outage: this.life.kind === "dead",
      rtt: undefined,
      reflector: undefined,
      epoch: 0,
      disordered: false,
      copies: 0,
    };
    this.#windows.history.add(probe);
    this.#open.push(probe);
    const broad = isUrgent(this.#urgency(now)) || this.life.kind !== "alive";
    this.#pacer.spend(broad ? this.#config.targets : 1, now);
    this.#lastSent = now;
    this.#tries++;
    this.sent++;
    const counts = since(this.#busyAt, now) <= BUSY || since(this.#countedAt, now) >= COUNTED_EVERY;
    if (counts) this.#countedAt = now;
    actions.push({ kind: "ask", number, broad, counts });
  }

  #urgency(now: Instant): Urgency {
    const { kind } = this.life;
    const isHeard = now < this.#heardUntil;
    if (kind === "dead") return isHeard ? "doubt" : "calm";
    if (kind === "unknown") return isHeard || this.#tries < TRIES ? "doubt" : "calm";
    if (now < this.#alarmUntil) return "alarm";
    if (now < this.#doubtUntil) return "doubt";
    return since(this.#busyAt, now) > (this.#config.metered ? IDLE_METERED : IDLE) ? "idle" : "calm";
  }
}

const DOUBT = ms(1000);
const ALARM = ms(1000);
const APART = 0.9;
const TRIES = 20;
/** From a probe's deadline until it is lost. */
const GRACE = 200;
/** Percent, surely lost. */
const LOSS_IN_DOUBT = 0.2;
const IDLE = ms(300_000);
const IDLE_METERED = ms(10_000);
/** Beyond the probes: a BFD session at its fastest stays below. */
const IDLE_BITS = 16_000;
/** Since the device carried something. */
const BUSY = ms(1000);
/** Of a device that carries nothing: soon enough to see that it does. */
const COUNTED_EVERY = ms(190);
const CHANCE = 1e-8;
const MOST_USUAL = 0.5;
const MOST_MORE = 5;
