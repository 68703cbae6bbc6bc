/** The impaired links of a lab: one relay process for all of them, told what to do while traffic flows. */
import { join } from "node:path";
import { Fault } from "../base/fault.ts";
import { relayEnds } from "./commands.ts";
import { type Description, type Impairment, type LinkImpairment, linkName } from "./description.ts";
import type { Host } from "./host.ts";
import { run } from "./process.ts";
import type { Counts, FromRelay, RelayLink, RelayOrder, ToRelay } from "./relay/messages.ts";

export interface ImpairedLink {
  /** In force when it resolves.  One impairment for both directions, or one for each; a direction left out stays. */
  impair(impairment: Impairment | LinkImpairment): Promise<void>;
  counts(): Promise<{ readonly forward: Counts; readonly backward: Counts }>;
}

export interface Relay {
  link(name: string): ImpairedLink;
}

/** undefined when no link of the description is impaired. */
export async function startRelay(fabric: Host, description: Description, seed: number): Promise<Relay | undefined> {
  const links = description.links.flatMap((link, index): readonly RelayLink[] => {
    if (link.impair === undefined) return [];
    const { left, right } = relayEnds(link, index);
    const { forward = {}, backward = {} } = link.impair;
    return [{ name: linkName(link), left, right, forward, backward }];
  });
  if (links.length === 0) return undefined;
  const order: RelayOrder = { seed, links };
  const program = [join(import.meta.dirname, "programs/relay.ts"), JSON.stringify(order)];
  const waiting = new Map<number, (answer: FromRelay) => void>();
  const line = (text: string, from: "stdout" | "stderr"): void => {
    if (from === "stderr") return;
    const answer = JSON.parse(text) as FromRelay;
    if (answer.kind !== "relaying") waiting.get(answer.n)?.(answer);
  };
  const prefix = await raised();
  const [command = process.execPath, ...args] = [...prefix, process.execPath, ...program];
  const running = fabric.spawn(command, args, { line });
  await running.says(/"relaying"/);

  let last = 0;
  const ask = async (message: (n: number) => ToRelay): Promise<FromRelay> => {
    const n = ++last;
    const answered = new Promise<FromRelay>((resolve) => waiting.set(n, resolve));
    running.write(`${JSON.stringify(message(n))}\n`);
    const ended = running.finished.then((): never => {
      throw new Fault("LAB", { why: "the relay ended", output: running.output().slice(-2000) });
    });
    try {
      return await Promise.race([answered, ended]);
    } finally {
      waiting.delete(n);
    }
  };
  return {
    link(name) {
      if (!links.some((link) => link.name === name)) throw new TypeError(`lab: no impaired link ${name}`);
      return {
        async impair(impairment) {
          const both = isOfLink(impairment) ? impairment : { forward: impairment, backward: impairment };
          await ask((n) => ({ kind: "impair", n, link: name, ...both }));
        },
        async counts() {
          const answer = await ask((n) => ({ kind: "count", n, link: name }));
          if (answer.kind !== "counted") throw new TypeError(`the relay answered ${answer.kind}`);
          return { forward: answer.forward, backward: answer.backward };
        },
      };
    },
  };
}

function isOfLink(impairment: Impairment | LinkImpairment): impairment is LinkImpairment {
  return "forward" in impairment || "backward" in impairment;
}

/** Real-time priority where we may have it: a delay is only as exact as the process that keeps it is prompt. */
async function raised(): Promise<readonly string[]> {
  const tried = await run("chrt", ["--fifo", "20", "true"], { anyCode: true });
  return tried.code === 0 ? ["chrt", "--fifo", "20"] : [];
}
