/** Captures in the fabric: start one, stop it, ask it who answered. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../base/fault.ts";
import type { Lab } from "./build.ts";
import { type Answer, answersFor, type Tenure, tenures } from "./capture/answers.ts";
import { decode, type Frame } from "./capture/pcapng.ts";
import { fabricPort, isPort, type Port } from "./description.ts";

export interface CaptureOptions {
  /** Ports whose sent frames are captured; all by default. */
  readonly ports?: readonly Port[];
  /** Packets sent from these are captured; ARP and neighbour discovery always. */
  readonly addresses?: readonly string[];
  /** All frames, whatever they are. */
  readonly everything?: boolean;
  /** Octets kept of each frame; 128 by default. */
  readonly kept?: number;
  /** Where the pcapng file stays; without it, it is removed with the capture. */
  readonly file?: string;
}

/** What the program is told. */
export interface CaptureOrder {
  readonly ports: readonly string[];
  readonly addresses: readonly string[];
  readonly everything: boolean;
  readonly kept: number;
  readonly file: string;
}

export interface Capture extends AsyncDisposable {
  /** Ends it.  A capture that lost frames proves nothing: that is a Fault. */
  stop(): Promise<Captured>;
}
export interface Captured {
  readonly frames: readonly Frame[];
  /** Everything that claims the address, in the order of time; ports are "host.interface". */
  answers(address: string): readonly Answer[];
  /** Who answered for the address, from when to when: two entries are one clean take-over. */
  tenures(address: string): readonly Tenure[];
}

export async function capture(lab: Lab, options: CaptureOptions = {}): Promise<Capture> {
  const directory = mkdtempSync(join(lab.directory, "capture-"));
  const ports = options.ports ?? lab.description.links.flatMap((link) => [link.from, link.to]).filter(isPort);
  const order: CaptureOrder = {
    ports: ports.map(fabricPort),
    addresses: options.addresses ?? [],
    everything: options.everything ?? false,
    kept: options.kept ?? 128,
    file: options.file ?? join(directory, "frames.pcapng"),
  };
  const running = lab.fabric.node(join(import.meta.dirname, "programs/capture.ts"), [JSON.stringify(order)]);
  await running.says(/"capturing"/);
  let stopped: Promise<Captured> | undefined;
  const stop = async (): Promise<Captured> => {
    running.write("stop\n");
    const { dropped } = JSON.parse(await running.says(/"captured"/)) as { readonly dropped: number };
    await running.finished;
    if (dropped > 0) throw new Fault("LAB", { capture: order.file, dropped });
    const read = decode(readFileSync(order.file));
    if (!read.ok) throw new Fault("LAB", { capture: order.file, malformedAt: read.error.offset });
    const frames = read.value;
    const answers = (address: string): readonly Answer[] => answersFor(frames, address);
    return { frames, answers, tenures: (address) => tenures(answers(address)) };
  };
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
