/** Who measures: ours through two probers, fping beside them on the same path at the same time. */
import type { Lab } from "../../lab/build.ts";
import type { Running } from "../../lab/process.ts";
import type { PathReport, PathSpec } from "../../sdwan/steer-plan.ts";
import type { Order, Said } from "./words.ts";

/** Milliseconds and percent. */
export interface Truth {
  readonly median: number;
  readonly p95: number;
  /** RFC 3550, of the round trip. */
  readonly jitter: number;
  readonly loss: number;
}

/** What each says of the same span. */
export interface Measurement {
  truth(seconds: number): Promise<Truth>;
}

export const PERIOD = 20;

/** Our two ends; they run from case to case, each of which is a path of its own. */
export async function openOurs(lab: Lab): Promise<Measurement & AsyncDisposable> {
  const heard: PathReport[] = [];
  const y = start(lab, "y", () => undefined);
  const x = start(lab, "x", (said) => {
    if (said.kind === "reports") heard.push(...said.reports);
  });
  await Promise.all([x, y].map((each) => each.says(/"ready"/)));
  const reflectors = [{ ifname: "wan0", local: "10.0.0.2", port: 8862, peers: { "10.0.0.1": KEY } }];
  order(y, { paths: [], reflectors, every: 1e6 });
  let number = 0;
  return {
    async truth(seconds) {
      const id = `path-${++number}`;
      order(x, { paths: [pathOf(id)], reflectors: [], every: 250 });
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      const reports = heard.filter((each) => each.id === id && each.figures?.rtt !== undefined);
      const { figures } = reports.at(-1) ?? {};
      if (figures?.rtt === undefined) throw new Error(`nothing was measured: ${x.output().slice(-2000)}`);
      // The filter of RFC 3550 remembers 16 packets: over the span its values are averaged, for fping as for us.
      const jitters = reports.slice(reports.length >> 2).flatMap((each) => each.figures?.jitterOut ?? []);
      const { median, p95 } = figures.rtt;
      return { median, p95, jitter: mean(jitters), loss: figures.lossOut?.percent ?? Number.NaN };
    },
    async [Symbol.asyncDispose]() {
      await x[Symbol.asyncDispose]();
      await y[Symbol.asyncDispose]();
    },
  };
}

export function fpingIn(lab: Lab): Measurement {
  return {
    async truth(seconds) {
      const count = Math.floor((seconds * 1000) / PERIOD);
      // Without -t all answers that take longer than a period would be losses.
      const args = ["-q", "-C", String(count), "-p", String(PERIOD), "-t", "1000", "10.0.0.2"];
      const { stderr } = await lab.host("x").exec("fping", args, { anyCode: true });
      const words = stderr.trim().split(":").at(-1)?.trim().split(/\s+/) ?? [];
      const times = words.filter((word) => word !== "-").map(Number);
      if (words.length !== count || times.length === 0) throw new Error(`fping said: ${stderr.slice(0, 500)}`);
      const sorted = [...times].sort((a, b) => a - b);
      const rank = (q: number): number => sorted[Math.max(0, Math.ceil(sorted.length * q) - 1)] ?? Number.NaN;
      const loss = (100 * (count - times.length)) / count;
      return { median: rank(0.5), p95: rank(0.95), jitter: jitterOf(times), loss };
    },
  };
}

function jitterOf(times: readonly number[]): number {
  const values: number[] = [];
  for (let index = 1; index < times.length; index++) {
    const difference = Math.abs((times[index] ?? 0) - (times[index - 1] ?? 0));
    const before = values.at(-1) ?? difference;
    values.push(before + (difference - before) / 16);
  }
  return mean(values.slice(values.length >> 2));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, each) => sum + each, 0) / values.length;
}

function pathOf(id: string): PathSpec {
  const pace = { interval: PERIOD, inDoubt: PERIOD, deadAfter: 3, alpha: 0.3, octetsPerHour: 1e10 };
  const ends = { local: "10.0.0.1", peer: "10.0.0.2", port: 8862 };
  const names = { id, link: "wan", site: "y", ifname: "wan0", underlay: "wan0", via: "direct", usable: true, why: "" };
  const probe = { kind: "stamp", ...ends, key: KEY, pace, counters: true } as const;
  return { ...names, probe, bfd: undefined, cost: 1, bandwidth: 1e9, metered: false };
}

function start(lab: Lab, host: string, said: (said: Said) => void): Running {
  return lab.host(host).node(`${import.meta.dirname}/program.ts`, [], {
    line: (line, from) => {
      if (from === "stdout") said(JSON.parse(line) as Said);
    },
  });
}

function order(to: Running, what: Order): void {
  to.write(`${JSON.stringify(what)}\n`);
}

const KEY = "5a".repeat(32);
