/**
 * Random and mutated inputs over the decoders:
 *   node test/fuzz/main.ts [--inputs 1000000] [--seed 1] [--target NAME]… [--only NUMBER]
 * `--inputs` is the number over all targets.  A worker does the work; this thread watches that it goes on: an input that
 * takes longer than STALL is a finding like any other.  Every finding prints what makes it again.
 */
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { type Finding, fuzz } from "./run.ts";
import type { Target } from "./target.ts";
import { TARGETS } from "./targets.ts";

interface Job {
  readonly target: string;
  readonly seed: number;
  readonly from: number;
  readonly to: number;
  /** [0]: the number of the input under way. */
  readonly progress: SharedArrayBuffer;
}

function work(job: Job): void {
  const progress = new Int32Array(job.progress);
  const finding = fuzz(targetNamed(job.target), job.seed, job.from, job.to, (number) =>
    Atomics.store(progress, 0, number),
  );
  parentPort?.postMessage(finding);
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      inputs: { type: "string", default: "1000000" },
      seed: { type: "string", default: "1" },
      target: { type: "string", multiple: true, default: TARGETS.map(({ name }) => name) },
      only: { type: "string" },
    },
  });
  const targets = values.target.map(targetNamed);
  const share = Number(values.inputs) / targets.reduce((sum, { slow = 1 }) => sum + 1 / slow, 0);
  let total = 0;
  let failed = 0;
  const begun = performance.now();
  for (const target of targets) {
    const { name, slow = 1 } = target;
    const only = values.only === undefined ? undefined : Number(values.only);
    const from = only ?? 0;
    const to = only === undefined ? Math.ceil(share / slow) : only + 1;
    const start = performance.now();
    const finding = await watched(target, Number(values.seed), from, to);
    const took = (performance.now() - start) / 1000;
    const rate = Math.round((to - from) / took);
    console.log(
      `${name.padEnd(16)} ${String(to - from).padStart(10)} inputs ${took.toFixed(1).padStart(7)} s ${String(rate).padStart(9)} inputs/s`,
    );
    total += to - from;
    if (finding === undefined) continue;
    failed++;
    console.log(`  ${finding.what}\n  input: ${JSON.stringify(finding.input)}`);
    console.log(`  again: node test/fuzz/main.ts --target ${name} --seed ${finding.seed} --only ${finding.number}`);
  }
  const seconds = (performance.now() - begun) / 1000;
  console.log(`${total} inputs in ${seconds.toFixed(1)} s, ${failed} of ${targets.length} targets with findings`);
  return failed === 0 ? 0 : 1;
}

/** Runs a job in a worker and answers with its finding, also when it never comes back. */
async function watched(target: Target, seed: number, from: number, to: number): Promise<Finding | undefined> {
  const progress = new SharedArrayBuffer(4);
  const job: Job = { target: target.name, seed, from, to, progress };
  const worker = new Worker(new URL(import.meta.url), { workerData: job });
  const { promise, resolve, reject } = Promise.withResolvers<Finding | undefined>();
  worker.once("message", resolve);
  worker.once("error", reject);
  let last = -1;
  const watch = setInterval(() => {
    const number = Atomics.load(new Int32Array(progress), 0);
    if (number === last) resolve({ target: target.name, seed, number, what: `no end within ${STALL} ms`, input: "" });
    last = number;
  }, STALL);
  try {
    return await promise;
  } finally {
    clearInterval(watch);
    await worker.terminate();
  }
}

function targetNamed(name: string): Target {
  const target = TARGETS.find((each) => each.name === name);
  if (target === undefined)
    throw new TypeError(`no target ${name}; there are ${TARGETS.map((each) => each.name).join(", ")}`);
  return target;
}

/** The loaded machine of a CI may stop a thread for long; an input takes microseconds. */
const STALL = 10_000;

if (isMainThread) process.exitCode = await main(process.argv.slice(2));
else work(workerData as Job);
