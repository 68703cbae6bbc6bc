/** The tunnels' driver as a process that can be killed: the plan as JSON in its argument, what it tells as lines. */
import { writeSync } from "node:fs";
import { SILENT } from "../../../../base/log.ts";
import { openLoop } from "../../../../netstack/kernel/open-loop.ts";
import { Tunnels } from "../../../../sdwan/overlay/driver/tunnels.ts";
import type { OverlayPlan } from "../../../../sdwan/overlay/driver/words.ts";

const loop = openLoop({ engine: "epoll", chunks: 16, log: SILENT });
const tunnels = new Tunnels({
  loop,
  tell: (news) => void writeSync(1, `${JSON.stringify(news)}\n`),
  wall: Date.now,
  runDirectory: undefined,
});
tunnels.plan(JSON.parse(process.argv[2] ?? "") as OverlayPlan);
loop.run();
