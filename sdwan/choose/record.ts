/**
 * What was measured, kept for replays: one line of JSON for each path and second in which something changed, one a minute
 * where nothing does.  Numbers stand in a fixed order; an older program's lines are read as long as their version is.
 */
import { err, ok, type Result } from "../../base/result.ts";
import type { CountedPackets, LossEstimate, PacketCount, PathFigures, PathLife, Varied } from "../figures.ts";

/** A path as it was at one time. */
export interface Recorded {
  readonly path: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly life: PathLife;
  readonly figures: PathFigures | undefined;
}

export type BadRecord =
  | { readonly kind: "no-json" }
  | { readonly kind: "version"; readonly got: unknown }
  | { readonly kind: "shape"; readonly what: string };

export function encodeRecord({ path, at, life, figures }: Recorded): string {
  const why = life.kind === "alive" ? null : life.why;
  return JSON.stringify([VERSION, at, path, life.kind, why, figures === undefined ? null : numbersOf(figures)]);
}

export function decodeRecord(line: string): Result<Recorded, BadRecord> {
  const read = parse(line);
  if (!Array.isArray(read)) return err({ kind: "no-json" });
  const [version, at, path, kind, why, numbers] = read as readonly unknown[];
  if (version !== VERSION) return err({ kind: "version", got: version });
  if (typeof at !== "number" || typeof path !== "string") return err({ kind: "shape", what: "time or path" });
  const life = lifeOf(kind, why);
  if (life === undefined) return err({ kind: "shape", what: "life" });
  if (numbers === null) return ok({ path, at, life, figures: undefined });
  if (!isNumbers(numbers)) return err({ kind: "shape", what: "figures" });
  return ok({ path, at, life, figures: figuresOf(numbers, at) });
}

/** Decides what is worth a line. */
export class Recorder {
  readonly #last = new Map<string, Recorded>();

  /** undefined: nothing new. */
  record(now: Recorded): string | undefined {
    const before = this.#last.get(now.path);
    if (before !== undefined && !isNews(before, now)) return undefined;
    this.#last.set(now.path, now);
    return encodeRecord(now);
  }
  /** The path is no more. */
  forget(path: string): void {
    this.#last.delete(path);
  }
}

function isNews(before: Recorded, now: Recorded): boolean {
  if (now.life.kind !== before.life.kind || now.at - before.at >= EVERY) return true;
  const [a, b] = [before.figures, now.figures];
  if (a === undefined || b === undefined) return a !== b;
  return (
    differs(a.rtt?.recent, b.rtt?.recent, 0.05, 0.5) ||
    differs(a.rtt?.median, b.rtt?.median, 0.05, 0.5) ||
    differs(a.jitterOut, b.jitterOut, 0.2, 0.5) ||
    differs(a.jitterBack, b.jitterBack, 0.2, 0.5) ||
    differs(a.jitterRound, b.jitterRound, 0.2, 0.5) ||
    differs(a.mos, b.mos, 0, 0.1) ||
    differs(a.bitsOut, b.bitsOut, 0.2, 100_000) ||
    differs(a.bitsBack, b.bitsBack, 0.2, 100_000) ||
    [a.loss, a.lossOut, a.lossBack].some((each, index) =>
      differs(each?.percent, [b.loss, b.lossOut, b.lossBack][index]?.percent, 0, 0.1),
    ) ||
    lostIn(a.counted) !== lostIn(b.counted)
  );
}

function differs(a: number | undefined, b: number | undefined, share: number, least: number): boolean {
  if (a === undefined || b === undefined) return a !== b;
  return Math.abs(a - b) > Math.max(share * Math.abs(a), least);
}

function lostIn(counted: CountedPackets | undefined): number {
  return (counted?.out?.lost ?? 0) + (counted?.back?.lost ?? 0) + (counted?.round?.lost ?? 0);
}

type Numbers = readonly (number | null)[];

function numbersOf(of: PathFigures): Numbers {
  const { rtt, counted } = of;
  const losses = [of.loss, of.lossOut, of.lossBack, of.lossRecent];
  const counts = [counted?.out, counted?.back, counted?.round];
  const numbers = [
    rtt?.smoothed,
    rtt?.least,
    rtt?.median,
    rtt?.p95,
    rtt?.recent,
    of.jitterOut,
    of.jitterBack,
    of.jitterRound,
    ...losses.flatMap((each) => [each?.percent, each?.low, each?.high, each?.of]),
    ...counts.flatMap((each) => [each?.of, each?.lost]),
    of.reordered,
    of.duplicated,
    of.mos,
    of.bitsOut,
    of.bitsBack,
    ...[of.varied?.out, of.varied?.back, of.varied?.round].flatMap((each) => [each?.of, each?.sum]),
  ];
  return numbers.map((each) => (each === undefined ? null : Number(each.toFixed(3))));
}

function figuresOf(numbers: Numbers, at: number): PathFigures {
  let next = 0;
  const number = (): number | undefined => numbers[next++] ?? undefined;
  const all = (count: number): readonly (number | undefined)[] => Array.from({ length: count }, number);
  const [smoothed, least, median, p95, recent] = all(5);
  const rtt = recent === undefined ? undefined : { smoothed, least, median, p95, recent };
  const [jitterOut, jitterBack, jitterRound] = all(3);
  const [loss, lossOut, lossBack, lossRecent] = [loss4(all(4)), loss4(all(4)), loss4(all(4)), loss4(all(4))];
  const [out, back, round] = [count2(all(2)), count2(all(2)), count2(all(2))];
  const [reordered = 0, duplicated = 0, mos, bitsOut = 0, bitsBack = 0] = all(5);
  const [variedOut, variedBack, variedRound] = [varied2(all(2)), varied2(all(2)), varied2(all(2))];
  const isVaried = variedOut !== undefined || variedBack !== undefined || variedRound !== undefined;
  return {
    at,
    rtt: rtt === undefined ? undefined : filled(rtt, recent ?? 0),
    jitterOut,
    jitterBack,
    jitterRound,
    loss: loss ?? { percent: 0, low: 0, high: 100, of: 0 },
    lossOut,
    lossBack,
    lossRecent,
    counted: out === undefined && back === undefined && round === undefined ? undefined : { out, back, round },
    varied: isVaried ? { out: variedOut, back: variedBack, round: variedRound } : undefined,
    reordered,
    duplicated,
    mos,
    bitsOut,
    bitsBack,
  };
}

function filled(
  rtt: Readonly<Record<"smoothed" | "least" | "median" | "p95" | "recent", number | undefined>>,
  otherwise: number,
): PathFigures["rtt"] {
  const { smoothed = otherwise, least = otherwise, median = otherwise, p95 = otherwise, recent = otherwise } = rtt;
  return { smoothed, least, median, p95, recent };
}
function loss4([percent, low, high, of]: readonly (number | undefined)[]): LossEstimate | undefined {
  return percent === undefined ? undefined : { percent, low: low ?? 0, high: high ?? 100, of: of ?? 0 };
}
function count2([of, lost]: readonly (number | undefined)[]): PacketCount | undefined {
  return of === undefined ? undefined : { of, lost: lost ?? 0 };
}

function varied2([of, sum]: readonly (number | undefined)[]): Varied | undefined {
  return of === undefined ? undefined : { of, sum: sum ?? 0 };
}

function lifeOf(kind: unknown, why: unknown): PathLife | undefined {
  if (kind === "alive") return { kind };
  if ((kind === "dead" || kind === "unknown") && typeof why === "string") return { kind, why };
  return undefined;
}

function isNumbers(value: unknown): value is Numbers {
  return (
    Array.isArray(value) &&
    (value.length === LENGTH || value.length === EARLIER_LENGTH) &&
    value.every((each) => each === null || typeof each === "number")
  );
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    // A line that a crash cut short.
    if (cause instanceof SyntaxError) return undefined;
    throw cause;
  }
}

const VERSION = 1;
/** Before differences were kept. */
const EARLIER_LENGTH = 5 + 3 + 16 + 6 + 5;
const LENGTH = EARLIER_LENGTH + 6;
const EVERY = 60_000;
