/**
 * A prober alone, as pulse has it: `program.ts '{"paths":[…],"reflectors":[…],"every":250}'`.  Tells each life as it
 * changes, and every so many milliseconds all reports, as lines of JSON on stdout.
 */
import { writeSync } from "node:fs";
import { SILENT } from "../../base/log.ts";
import { after, ms } from "../../base/unit.ts";
import { openLoop } from "../../netstack/kernel/open-loop.ts";
import { lockMemory, raiseScheduling } from "../../netstack/kernel/privileges.ts";
import { Prober } from "../../sdwan/probe/driver/prober.ts";
import type { Order, Said } from "./words.ts";

const { paths, reflectors, every } = JSON.parse(process.argv[2] ?? "{}") as Order;
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
prober.plan(paths, reflectors);
const report = (): void => {
  const reports = paths.flatMap(({ id }) => prober.report(id) ?? []);
  say({ kind: "reports", reports, reflected: prober.reflected() });
  loop.wakeAt(after(loop.now(), ms(every)), report);
};
report();
lockMemory();
loop.run();
