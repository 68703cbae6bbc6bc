/**
 * Away from what breaks the SLA, to what?  What fails often does not fail alone: of a candidate that loses packets as well
 * it is waited for the verdict, a moment long, and from bad to bad goes only what gains clearly, for a while.
 */
import { type Instant, type Ms, ms, since } from "../../base/unit.ts";
import type { Hold } from "../steer-plan.ts";
import type { Badness } from "./score.ts";

export class Relief {
  #suspectSince: Instant | undefined;
  #gain: { readonly path: string; readonly since: Instant } | undefined;

  /** It keeps the SLA: whatever comes is another story. */
  over(): void {
    this.#suspectSince = undefined;
    this.#gain = undefined;
  }

  /** Whether somebody waits for the verdict on another one. */
  get isWaiting(): boolean {
    return this.#suspectSince !== undefined;
  }

  /** The best candidate is under suspicion: "go" there, "wait" for what comes of it, or "stay" since it gains nothing. */
  toSuspect(from: Badness, to: Badness, hold: Hold, now: Instant): "go" | "wait" | "stay" {
    this.#suspectSince ??= now;
    if (isFarBetter(from, to)) return "go";
    if (since(this.#suspectSince, now) < VERDICT) return "wait";
    return isLessBad(from, to, hold) ? "go" : "stay";
  }

  /** Both are bad.  Called at each evaluation: a gain that was not there once begins anew. */
  toBad(from: Badness, path: string, to: Badness, hold: Hold, now: Instant): boolean {
    if (!isLessBad(from, to, hold)) {
      this.#gain = undefined;
      return false;
    }
    if (this.#gain?.path !== path) this.#gain = { path, since: now };
    return isFarBetter(from, to) || since(this.#gain.since, now) >= LASTING;
  }
}

/** By a quarter at least, and by more than chance explains. */
export function isLessBad(from: Badness, to: Badness, { marginPercent }: Hold): boolean {
  const margin = 1 - Math.max(marginPercent, LEAST_GAIN) / 100;
  return to.value < from.value * margin && to.value <= from.low && to.high <= from.value;
}

/** So much better that nothing needs to last. */
function isFarBetter(from: Badness, to: Badness): boolean {
  return to.high * FAR < from.low;
}

/** Until a suspicion is a verdict, or none, at the pace of an alarm. */
const VERDICT: Ms = ms(1000);
const LASTING: Ms = ms(3000);
const LEAST_GAIN = 25;
const FAR = 3;
