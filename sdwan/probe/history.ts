/**
 * The probes of the longest window.  Loss is no verdict that is kept: what has no answer is lost when it is looked at
 * after its time, and an answer that comes late repairs that.
 */
import type { Instant } from "../../base/unit.ts";
import type { LossEstimate } from "../figures.ts";
import { lossOf } from "./loss.ts";
import { RECENT } from "./spread.ts";

export interface Probe {
  readonly number: number;
  readonly sentAt: Instant;
  /** Past the first the next one is sent at once, past the second it is missed, past the third lost. */
  readonly suspectAt: Instant;
  readonly deadlineAt: Instant;
  readonly lostAt: Instant;
  suspected: boolean;
  missed: boolean;
  /** Somebody was told that it is lost. */
  told: boolean;
  answered: boolean;
  /** Nobody waited for its answer. */
  abandoned: boolean;
  /** Unanswered in a path that was, or was about to be, dead. */
  outage: boolean;
  rtt: number | undefined;
  /** Of the reflector, and how often it had restarted before. */
  reflector: number | undefined;
  epoch: number;
  /** Answered after a later one. */
  disordered: boolean;
  copies: number;
}

export interface Directions {
  readonly out: LossEstimate | undefined;
  readonly back: LossEstimate | undefined;
}

export class History {
  readonly #probes: Probe[] = [];

  get newest(): Probe | undefined {
    return this.#probes.at(-1);
  }
  /** Oldest first. */
  get probes(): readonly Probe[] {
    return this.#probes;
  }

  add(probe: Probe): void {
    const probes = this.#probes;
    probes.push(probe);
    let drop = 0;
    const tooOld = (at: number): boolean => {
      const left = probes.length - at;
      const age = probe.sentAt - (probes[at]?.sentAt ?? probe.sentAt);
      return left > MOST || (left > LEAST && age > SPAN);
    };
    while (tooOld(drop)) drop++;
    // Not one at a time: that would move the whole window at each probe.
    if (drop >= CHUNK || probes.length > MOST + CHUNK) probes.splice(0, drop);
  }

  find(number: number): Probe | undefined {
    const first = this.#probes[0];
    return first === undefined ? undefined : this.#probes[number - first.number];
  }

  /** Those whose fate is known now. */
  loss(now: Instant, newest?: number): LossEstimate | undefined {
    let [of, lost] = [0, 0];
    for (let index = this.#probes.length - 1; index >= 0 && (newest === undefined || of < newest); index--) {
      const probe = this.#probes[index];
      if (probe === undefined || (!probe.answered && (probe.abandoned || probe.lostAt > now))) continue;
      of++;
      if (!probe.answered) lost++;
    }
    return lossOf(lost, of);
  }

  /** Of those that are lost for good, as a share: what is under way is not in it, nor what an outage took. */
  usualLoss(): number {
    let [of, lost] = [0, 0];
    for (const { answered, told, abandoned, outage } of this.#probes) {
      if (!answered && (abandoned || outage || !told)) continue;
      of++;
      if (!answered) lost++;
    }
    return of === 0 ? 0 : lost / of;
  }

  /**
   * The reflector counts what comes to it: between two answers it says how many of the probes between came, and the rest
   * of what is missing was lost on the way back.  What came after the newest answer is nobody's yet.
   */
  directions(): Directions {
    const last = this.#probes.findLast(({ reflector }) => reflector !== undefined);
    if (last?.reflector === undefined) return NEITHER;
    const first = this.#probes.find(({ reflector, epoch }) => reflector !== undefined && epoch === last.epoch);
    if (first?.reflector === undefined || first === last) return NEITHER;
    const sent = last.number - first.number;
    const start = this.#probes[0]?.number ?? 0;
    const between = this.#probes.slice(first.number - start + 1, last.number - start + 1);
    const answered = between.filter((each) => each.answered).length;
    // What was answered came, even where packets that overtook each other make the count look smaller.
    const came = Math.max(answered, Math.min(sent, (last.reflector - first.reflector) | 0));
    return { out: lossOf(sent - came, sent), back: lossOf(came - answered, came) };
  }

  /** Percent of the answers. */
  disorder(): { readonly reordered: number; readonly duplicated: number } {
    let [answers, reordered, duplicated] = [0, 0, 0];
    for (const { answered, disordered, copies } of this.#probes) {
      if (!answered) continue;
      answers++;
      if (disordered) reordered++;
      if (copies > 0) duplicated++;
    }
    const percent = (count: number): number => (answers === 0 ? 0 : (count * 100) / answers);
    return { reordered: percent(reordered), duplicated: percent(duplicated) };
  }

  rtts(): readonly number[] {
    const out: number[] = [];
    for (const { rtt } of this.#probes) if (rtt !== undefined) out.push(rtt);
    return out;
  }

  /** As many as `recent` is made of, the newest first. */
  newestRtts(): readonly number[] {
    const out: number[] = [];
    for (let index = this.#probes.length - 1; index >= 0 && out.length < RECENT; index--) {
      const rtt = this.#probes[index]?.rtt;
      if (rtt !== undefined) out.push(rtt);
    }
    return out;
  }

  forgetDelays(): void {
    for (const probe of this.#probes) probe.rtt = undefined;
  }
  /** The misses that led to death are no loss that is usual. */
  died(): void {
    for (let index = this.#probes.length - 1; index >= 0; index--) {
      const probe = this.#probes[index];
      if (probe === undefined || probe.answered) return;
      probe.outage = true;
    }
  }

  /** What has no answer yet is not waited for, and counts for nothing unless one comes. */
  abandon(): void {
    for (const probe of this.#probes) {
      if (probe.answered || probe.told) continue;
      probe.abandoned = true;
      probe.suspected = true;
      probe.missed = true;
      probe.told = true;
    }
  }
}

const NEITHER: Directions = { out: undefined, back: undefined };
/** RFC 8762 leaves windows to us: at least a hundred probes, and ten seconds of them. */
const LEAST = 100;
const MOST = 600;
const SPAN = 10_000;
const CHUNK = 16;
