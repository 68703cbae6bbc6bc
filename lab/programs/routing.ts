/**
 * The routing process (daemon/routing) without a control: for benches, tests and trying out.
 *
 *   node lab/programs/routing.ts PLAN.json
 *
 * The file holds a RoutingPlan.  Every message of the process is a line of JSON on standard output; every line of JSON on
 * standard input is a message to it (daemon/routing/words.ts), such as {"kind":"plan","plan":{…}}.  {"kind":"hang-up"}
 * ends its channel, as if control had died.  When standard input ends, the process is told to stop; this program ends
 * with it, by its exit code.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ROUTING_FLAGS } from "../../daemon/routing/flags.ts";
import { openParentChannel } from "../../netstack/kernel/parent-channel.ts";

const [planFile] = process.argv.slice(2);
if (planFile === undefined) {
  console.error("usage: routing.ts PLAN.json");
  process.exit(2);
}
const plan: unknown = JSON.parse(readFileSync(planFile, "utf8"));

const channel = openParentChannel(
  {
    received: (message) => {
      process.stdout.write(`${JSON.stringify(message)}\n`);
    },
    ended: () => undefined,
  },
  false,
);
const [end] = channel.childEnds;
if (end === undefined) throw new TypeError("a channel without an end for the child");
const program = fileURLToPath(new URL("../../daemon/routing/main.ts", import.meta.url));
const child = spawn(process.execPath, [...ROUTING_FLAGS, program], { stdio: ["ignore", "inherit", "inherit", end] });
channel.spawned();
channel.send({ kind: "plan", plan });
child.on("exit", (code) => process.exit(code ?? 1));

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const message = JSON.parse(line) as { readonly kind: string };
  if (message.kind === "hang-up") channel[Symbol.dispose]();
  else channel.send(message);
});
lines.on("close", () => channel.send({ kind: "stop", keep: false }));
