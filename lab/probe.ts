/** What a client sees while a scenario runs: start a prober on a host, stop it, read its outages. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../base/fault.ts";
import type { Host } from "./host.ts";
import type { ProbeLine, ProbeOrder, ProbeReport, Target } from "./probe/messages.ts";
import { type Outage, outagesOf } from "./probe/outage.ts";
import { decodeSamples, type Sample } from "./probe/samples.ts";

export interface ProbeOptions {
  /** "http://10.77.0.100/path" or "udp://[fd77::100]:7" each; probed in turn. */
  readonly urls: readonly string[];
  /** Milliseconds between two probes; 1 by default. */
  readonly every?: number;
  /** 1,000 by default. */
  readonly timeout?: number;
  /** An answer that took longer counts as outage; 50 by default. */
  readonly late?: number;
  /** Host header of HTTP probes; the address by default. */
  readonly host?: string;
  /** Called with a report each `reportEvery` milliseconds. */
  readonly reported?: (report: ProbeReport) => void;
  readonly reportEvery?: number;
}

export interface Prober extends AsyncDisposable {
  stop(): Promise<Probed>;
}
export interface Probed {
  readonly report: ProbeReport;
  /** In the order of sending. */
  readonly samples: readonly Sample[];
  /** Of all targets together, or of one. */
  outages(target?: number): readonly Outage[];
}

export async function probe(from: Host, options: ProbeOptions): Promise<Prober> {
  const directory = mkdtempSync(join(from.directory, "probe-"));
  const late = options.late ?? 50;
  const order: ProbeOrder = {
    targets: options.urls.map((url) => targetOf(url, options.host ?? "")),
    every: options.every ?? 1,
    timeout: options.timeout ?? 1000,
    late,
    report: options.reported === undefined ? 0 : (options.reportEvery ?? 1000),
    samples: options.reported === undefined ? join(directory, "samples") : undefined,
  };
  const line = (text: string, stream: "stdout" | "stderr"): void => {
    if (stream === "stderr") return;
    const said = JSON.parse(text) as ProbeLine;
    if (said.kind === "report") options.reported?.(said.report);
  };
  const running = from.node(join(import.meta.dirname, "programs/prober.ts"), [JSON.stringify(order)], { line });
  await running.says(/"probing"/);
  const stop = async (): Promise<Probed> => {
    running.write("stop\n");
    const { report } = JSON.parse(await running.says(/"result"/)) as { readonly report: ProbeReport };
    await running.finished;
    const read = order.samples === undefined ? undefined : decodeSamples(readFileSync(order.samples));
    if (read?.ok === false) throw new Fault("LAB", { samples: order.samples, why: read.error });
    const samples = read?.value ?? [];
    return {
      report,
      samples,
      outages: (target) =>
        outagesOf(target === undefined ? samples : samples.filter((sample) => sample.target === target), late),
    };
  };
  let stopped: Promise<Probed> | undefined;
  return {
    stop() {
      stopped ??= stop();
      return stopped;
    },
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function targetOf(text: string, host: string): Target {
  const url = new URL(text);
  const address = url.hostname.replace(/^\[|\]$/g, "");
  const path = `${url.pathname === "" ? "/" : url.pathname}${url.search}`;
  if (url.protocol === "http:") return { kind: "http", address, port: Number(url.port || 80), path, host };
  if (url.protocol === "udp:") return { kind: "udp", address, port: Number(url.port) };
  throw new TypeError(`no prober for ${text}`);
}
