/** What pulse does for WAN paths and nothing else, with a plan as a line of JSON on stdin; ends with its stdin, or with "end". */
import { readSync, writeSync } from "node:fs";
import { SILENT } from "../../base/log.ts";
import { Steering } from "../../daemon/pulse/steering.ts";
import { openLoop } from "../../netstack/kernel/open-loop.ts";
import { raiseScheduling } from "../../netstack/kernel/privileges.ts";
import type { SteerPlan } from "../../sdwan/steer-plan.ts";

raiseScheduling();
const loop = openLoop({ engine: "auto", chunks: 64, log: SILENT });
const alive = new Set<string>();
let sent = 0;
const steering = new Steering({
  loop,
  wall: Date.now,
  tell: (message) => {
    if (message.kind !== "path") return;
    const { id, life } = message.report;
    if (life.kind === "alive") alive.add(id);
    else alive.delete(id);
    sent += message.report.sent;
    if (id === last) say();
  },
});
let last = "";

let rest = "";
const room = Buffer.alloc(1 << 20);
loop.watch(0, () => {
  const length = readSync(0, room);
  if (length === 0) process.exit(0); // whoever gave orders is gone
  const lines = (rest + room.toString("utf8", 0, length)).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) {
    if (line === "end") process.exit(0);
    const plan = JSON.parse(line) as SteerPlan;
    last = plan.paths.at(-1)?.id ?? "";
    steering.plan(plan);
  }
});
writeSync(1, '{"kind":"ready"}\n');
loop.run();

/** Once a second: paths that live, and probes that all of them have sent so far. */
function say(): void {
  writeSync(1, `${JSON.stringify({ kind: "alive", alive: alive.size, sent })}\n`);
  sent = 0;
}
