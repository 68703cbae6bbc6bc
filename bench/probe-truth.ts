/**
 * What is measured of a path against what the lab imposed on it: round trip, jitter, loss; with the machine idle, and with
 * three busy processes for every core.  Ours and fping, on the same path at the same time; errors, so smaller is better.
 */
import { availableParallelism } from "node:os";
import { setTimeout as elapse } from "node:timers/promises";
import { buildLab, type Lab } from "../lab/build.ts";
import { describe, type LinkImpairment } from "../lab/description.ts";
import type { BenchOptions } from "./options.ts";
import { peer } from "./peer.ts";
import { fpingIn, type Measurement, openOurs, type Truth } from "./probe-truth/subjects.ts";
import { type Report, Samples } from "./report.ts";

export async function probeTruth(options: BenchOptions): Promise<Report> {
  peer("fping", "fping");
  const samples = new Samples();
  const seconds = options.quick ? 3 : 12;
  for (let round = 0; round < (options.quick ? 1 : (options.rounds ?? 3)); round++) {
    for (const load of ["idle", "busy"] as const) {
      await using lab = await network();
      await using ours = await openOurs(lab);
      await using _burners = load === "busy" ? await burn(lab) : NOBODY;
      const subjects = { novaedge: ours, fping: fpingIn(lab) };
      // Addresses are resolved, and both programs are as fast as they get.
      await Promise.all(Object.values(subjects).map((each) => each.truth(1.5)));
      for (const each of CASES) await compare(samples, lab, { load, seconds, case: each, subjects });
    }
  }
  return samples.report("probe-truth", ["rtt_error_ms", "p95_error_ms", "jitter_error_ms", "loss_error_points"]);
}

interface Trial {
  readonly load: string;
  readonly seconds: number;
  readonly case: Case;
  readonly subjects: Readonly<Record<string, Measurement>>;
}

async function compare(samples: Samples, lab: Lab, trial: Trial): Promise<void> {
  const { load, seconds, subjects } = trial;
  const { name, impairment, truth } = trial.case;
  await lab.link("wan").impair(impairment);
  await elapse(200); // what was under way has come
  const measured = await Promise.all(
    Object.entries(subjects).map(async ([subject, by]) => [subject, await by.truth(seconds)] as const),
  );
  for (const [subject, said] of measured) {
    const add = (metric: string, unit: string, error: number): void =>
      samples.add(subject, `${load}-${name}`, metric, unit, Math.abs(error));
    add("rtt_error_ms", "ms", printed(said.median) - truth.median);
    add("p95_error_ms", "ms", printed(said.p95) - truth.p95);
    add("jitter_error_ms", "ms", said.jitter - truth.jitter);
    add("loss_error_points", "", said.loss - truth.loss);
    const text = Object.entries(said).map(([key, value]) => `${key} ${Number(value).toFixed(3)}`);
    process.stderr.write(`${load}-${name} ${subject}: ${text.join(", ")}\n`);
  }
}

/** fping prints tenths of milliseconds from 10 ms on: what is finer would be compared with its rounding. */
function printed(value: number): number {
  return value >= 10 ? Math.round(value * 10) / 10 : value;
}

/** Three busy processes for every core. */
async function burn(lab: Lab): Promise<AsyncDisposable> {
  const program = `${import.meta.dirname}/../lab/programs/burner.ts`;
  const burners = Array.from({ length: availableParallelism() * 3 }, () => lab.host("y").node(program, ["86400"]));
  await Promise.all(burners.map((each) => each.says(/burning/, 30_000)));
  return {
    async [Symbol.asyncDispose]() {
      await Promise.all(burners.map((each) => each[Symbol.asyncDispose]()));
    },
  };
}

function network(): Promise<Lab> {
  return buildLab(
    describe({
      hosts: {
        x: { interfaces: { wan0: ["10.0.0.1/24"] }, sysctl: QUIET },
        y: { interfaces: { wan0: ["10.0.0.2/24"] }, sysctl: QUIET },
      },
      switches: [],
      links: [{ name: "wan", from: "x:wan0", to: "y:wan0", impair: {} }],
    }),
  );
}

/** Nothing on the path but what is measured. */
const QUIET = { "net.ipv6.conf.all.disable_ipv6": "1" };

interface Case {
  readonly name: string;
  readonly impairment: LinkImpairment;
  readonly truth: Truth;
}

const UNIMPAIRED = { delay: 0, jitter: 0, loss: 0 };
const STEADY = { jitter: 0, loss: 0 };
const CASES: readonly Case[] = [
  { name: "40ms", impairment: both({ delay: 20, ...STEADY }), truth: { median: 40, p95: 40, jitter: 0, loss: 0 } },
  {
    // Uniform in ±5 ms on the way out: two of them differ by 10/3 ms on the average.
    name: "40ms-jitter",
    impairment: { forward: { delay: 20, jitter: 5, loss: 0 }, backward: { delay: 20, ...STEADY } },
    truth: { median: 40, p95: 44.5, jitter: 10 / 3, loss: 0 },
  },
  {
    // Exactly each 25th: so that chance is no part of the error.
    name: "20ms-loss4",
    impairment: { forward: { delay: 10, jitter: 0, loss: { everyNth: 25 } }, backward: { delay: 10, ...STEADY } },
    truth: { median: 20, p95: 20, jitter: 0, loss: 4 },
  },
  { name: "unimpaired", impairment: both(UNIMPAIRED), truth: { median: 0, p95: 0, jitter: 0, loss: 0 } },
];

function both<T>(impairment: T): { readonly forward: T; readonly backward: T } {
  return { forward: impairment, backward: impairment };
}

const NOBODY: AsyncDisposable = { [Symbol.asyncDispose]: () => Promise.resolve() };
