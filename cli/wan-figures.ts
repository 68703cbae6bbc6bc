/** Measurements as people read them. */
import type { LossEstimate, PathFigures } from "../sdwan/figures.ts";

export interface ShownFigures {
  readonly rtt: string | undefined;
  readonly jitter: string | undefined;
  readonly mos: string | undefined;
}

export function figuresOf(figures: PathFigures | undefined): ShownFigures {
  const { rtt, jitterOut, jitterBack, mos } = figures ?? {};
  return {
    rtt: rtt === undefined ? undefined : timeOf(rtt.smoothed),
    jitter:
      jitterOut === undefined && jitterBack === undefined
        ? undefined
        : timeOf(Math.max(jitterOut ?? 0, jitterBack ?? 0)),
    mos: mos?.toFixed(2),
  };
}

/** "5.1% (of 1200)": a share of few packets says little. */
export function lossOf(loss: LossEstimate | undefined): string | undefined {
  if (loss === undefined || loss.of === 0) return undefined;
  return `${Number(loss.percent.toFixed(2))}% of ${loss.of}`;
}

function timeOf(milliseconds: number): string {
  return `${Number(milliseconds.toFixed(milliseconds < 10 ? 2 : 1))}ms`;
}

/** Bits per second. */
export function rateOf(bits: number): string {
  return scaled(bits, 1000, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"]);
}
export function sizeOf(octets: number): string {
  return scaled(octets, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]);
}
function scaled(value: number, step: number, units: readonly string[]): string {
  let rest = value;
  let unit = 0;
  while (rest >= step && unit < units.length - 1) {
    rest /= step;
    unit++;
  }
  return `${Number(rest.toFixed(rest < 10 ? 2 : rest < 100 ? 1 : 0))} ${units[unit]}`;
}
