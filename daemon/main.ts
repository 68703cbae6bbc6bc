#!/usr/bin/env node
/**
 * The daemon's command: `novaedge run | check | version | help`.  What reads a configuration is loaded when a command
 * needs it, for `run` after the children were started: they load while this process does.
 */
import { VERSION } from "../base/version.ts";
import { placesOf } from "./config/places.ts";
import { type Command, EXIT, type Flags, HELP, parseCommand } from "./flags.ts";
import { Early, likelyDataplanes, PROGRAMS } from "./supervisor/early.ts";
import { Inheritance, passedDescriptors } from "./supervisor/inheritance.ts";

process.title = "novaedge";
const command = parseCommand(process.argv.slice(2));
if (command.ok) {
  // No top-level await: the bundle is a script.  A rejection ends the process as any bug does.
  // An alarm that is still set (a condition to be cleared in minutes, say) must not keep an ended daemon alive.
  void perform(command.value).then((status) => process.exit(status));
} else {
  process.stderr.write(`novaedge: ${command.error}\n`);
  process.exitCode = EXIT.usage;
}

async function perform(command: Command): Promise<number> {
  switch (command.kind) {
    case "run":
      return await start(command.flags);
    case "check": {
      const { check } = await import("./check.ts");
      return check(command.flags);
    }
    case "version":
      process.stdout.write(`novaedge ${VERSION}\n`);
      return EXIT.ok;
    case "help":
      process.stdout.write(HELP);
      return EXIT.ok;
  }
}

async function start(flags: Flags): Promise<number> {
  const { settingsFile } = placesOf(flags.config);
  // Before any child is started, which would inherit them.
  const inheritance = new Inheritance(passedDescriptors(process.env, process.pid));
  const pulse = inheritance.has("pulse") ? 0 : 1;
  await using early = new Early(PROGRAMS, likelyDataplanes(flags.workers, settingsFile), pulse);
  const { run } = await import("./run.ts");
  return await run(flags, early, inheritance);
}
