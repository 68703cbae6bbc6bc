/**
 * Loss of traffic itself, from the packet counters of both ends' devices.  Standards: RFC 8972 §4.5; RFC 6374 §2.2 (direct
 * loss measurement: counters compared at the same packet, so that what is under way counts for neither).
 *
 * Each sample says how many packets had been sent when a probe left, and how many had come when it arrived; what is
 * missing grows by each packet lost.  Its slope over the packets sent, by least squares, is the share lost: one sample
 * that was taken askew (reordering, a busy host) moves it little, and the residuals tell how much to believe it.
 */
import { type Instant, type Ms, since } from "../../base/unit.ts";
import type { LossEstimate, PacketCount } from "../figures.ts";
import { lossOf, Z } from "./loss.ts";

/** One direction, as counters modulo 2^32 tell it at one probe. */
export interface Sample {
  readonly at: Instant;
  readonly sent: number;
  readonly received: number;
  /** From the arrival of the probe until `received` was read: more packets came meanwhile. */
  readonly held: Ms;
}

/** Of one direction. */
export class Traffic {
  #points: Point[] = [];
  #last: Sample | undefined;
  /** What the newest samples miss, since the last restart. */
  #missing: number[] = [];
  #missed = 0;
  /** Before the last restart. */
  #before: PacketCount = { of: 0, lost: 0 };

  /** In the order of their probes; one that comes after a later one is left out. */
  add(sample: Sample): void {
    const last = this.#last;
    if (last !== undefined && sample.at <= last.at) return;
    this.#last = sample;
    const before = this.#points.at(-1);
    if (last === undefined || before === undefined) {
      this.#points = [{ at: sample.at, held: sample.held, sent: 0, received: 0 }];
      return;
    }
    const sent = forward(last.sent, sample.sent);
    const received = forward(last.received, sample.received);
    // A counter that went back belongs to another device, or to the same one after a restart.
    if (sent === undefined || received === undefined || received > sent * MOST_GAIN + SLACK) {
      this.#fold();
      this.#points = [{ at: sample.at, held: sample.held, sent: 0, received: 0 }];
      return;
    }
    const point = {
      at: sample.at,
      held: sample.held,
      sent: before.sent + sent,
      received: before.received + received,
    };
    this.#points.push(point);
    this.#miss(point, sent / Math.max(1, since(before.at, sample.at)));
    while (this.#points.length > MOST || since(this.#points[0]?.at ?? sample.at, sample.at) > OLDEST)
      this.#points.shift();
  }

  /** What was lost over the last `window` before `now`; undefined: fewer packets than `least` were sent. */
  loss(now: Instant, window: Ms, least: number): LossEstimate | undefined {
    const points = this.#points;
    const last = points.at(-1);
    if (last === undefined || since(last.at, now) > window) return undefined;
    // Asked at each probe, mostly on paths that carry nothing: the whole is looked at first.
    if (last.sent - (points[0]?.sent ?? 0) < least) return undefined;
    let from = points.length - 1;
    while (from > 0 && since(points[from - 1]?.at ?? now, now) <= window) from--;
    // The sample before begins the window: otherwise its first packets were nobody's.
    if (from > 0) from--;
    const first = points[from] ?? last;
    const of = last.sent - first.sent;
    if (of < least || points.length - from < 2) return undefined;
    const rate = of / Math.max(1, since(first.at, last.at));
    const { slope, error } = line(points, from, rate);
    // Less than the samples' own noise is none.
    const lost = slope < Z * error ? 0 : Math.round(slope * of);
    return lossOf(lost, of, Z * error);
  }

  /**
   * All that was counted.  A loss does not go away again: what the newest few samples miss at least is lost, whatever one
   * of them that was taken askew says.
   */
  get total(): PacketCount | undefined {
    const of = this.#before.of + (this.#points.at(-1)?.sent ?? 0);
    return of === 0 ? undefined : { of, lost: this.#before.lost + this.#missed };
  }

  /** What comes next is not to be compared with what was. */
  restart(): void {
    this.#fold();
    this.#points = [];
    this.#last = undefined;
  }

  #miss({ sent, received, held }: Point, rate: number): void {
    this.#missing.push(sent - received + rate * held);
    if (this.#missing.length < SURE) return;
    if (this.#missing.length > SURE) this.#missing.shift();
    this.#missed = Math.max(this.#missed, Math.min(sent, Math.round(Math.min(...this.#missing))));
  }

  #fold(): void {
    this.#before = this.total ?? this.#before;
    this.#points = [];
    this.#missing = [];
    this.#missed = 0;
  }
}

interface Point {
  readonly at: Instant;
  readonly held: Ms;
  /** Since the first. */
  readonly sent: number;
  readonly received: number;
}

/** Least squares of what is missing over what was sent, and the standard error of the slope. */
function line(
  points: readonly Point[],
  from: number,
  rate: number,
): { readonly slope: number; readonly error: number } {
  const n = points.length - from;
  const missing = ({ sent, received, held }: Point): number => sent - received + rate * held;
  let [mx, my] = [0, 0];
  for (let index = from; index < points.length; index++) {
    const point = points[index];
    if (point === undefined) continue;
    mx += point.sent / n;
    my += missing(point) / n;
  }
  let [xx, xy, yy] = [0, 0, 0];
  for (let index = from; index < points.length; index++) {
    const point = points[index];
    if (point === undefined) continue;
    const [x, y] = [point.sent - mx, missing(point) - my];
    xx += x * x;
    xy += x * y;
    yy += y * y;
  }
  if (xx === 0) return { slope: 0, error: 0 };
  const slope = xy / xx;
  const error = n > 2 ? Math.sqrt(Math.max(0, yy - slope * xy) / (n - 2) / xx) : 0;
  return { slope, error };
}

/** How far a counter of 32 bits went; undefined: it went back. */
function forward(from: number, to: number): number | undefined {
  const by = (to - from) >>> 0;
  return by < 2 ** 31 ? by : undefined;
}

const MOST = 1024;
/** Samples that agree on what is missing. */
const SURE = 3;
const OLDEST = 60_000;
/** Packets that were under way and come all at once are no gain; half as many again, and some, are none to believe. */
const MOST_GAIN = 1.5;
const SLACK = 2000;
