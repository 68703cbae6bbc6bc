/**
 * A prober alone, as pulse has it.  Reads orders from stdin, a line of JSON each, the last one counts.  Tells each life as
 * it changes, and every so many milliseconds all reports, as lines of JSON on stdout.
 */
import { readSync, writeSync } from "node:fs";
import { SILENT } from "../../base/log.ts";
import { after, ms } from "../../base/unit.ts";
import { openLoop } from "../../netstack/kernel/open-loop.ts";
import { lockMemory, raiseScheduling } from "../../netstack/kernel/privileges.ts";
import { Prober } from "../../sdwan/probe/driver/prober.ts";
import type { Order, Said } from "./words.ts";

const say = (said: Said): void => void writeSync(1, `${JSON.stringify(said)}\n`);

raiseScheduling();
const loop = openLoop({ engine: "auto", chunks: 64, log: SILENT });
const prober = new Prober({
  loop,
  on: {
    life: (path, life) => say({ kind: "life", path, life, at: Date.now() }),
    measured: () => undefined,
    event: (name, fields) => say({ kind: "event", name, fields }),
  },
  wall: Date.now,
});

let reporting: Disposable | undefined;
function obey({ paths, reflectors, every }: Order): void {
  prober.plan(paths, reflectors);
  reporting?.[Symbol.dispose]();
  const report = (): void => {
    const reports = paths.flatMap(({ id }) => prober.report(id) ?? []);
    say({ kind: "reports", reports, reflected: prober.reflected() });
    reporting = loop.wakeAt(after(loop.now(), ms(every)), report);
  };
  report();
}

let rest = "";
const room = Buffer.alloc(65_536);
loop.watch(0, () => {
  const length = readSync(0, room);
  if (length === 0) process.exit(0); // whoever gave orders is gone
  const lines = (rest + room.toString("utf8", 0, length)).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) obey(JSON.parse(line) as Order);
});
say({ kind: "ready" });
lockMemory();
loop.run();
