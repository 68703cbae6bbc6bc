#!/usr/bin/env node
/** The daemon's command: `novaedge run | check | version | help`. */
import { VERSION } from "../base/version.ts";
import { formatDiagnostic, isError } from "../resources/diagnostic.ts";
import { readKeyed } from "./config/live.ts";
import { placesOf } from "./config/read.ts";
import { type Command, EXIT, HELP, parseCommand } from "./flags.ts";
import { run } from "./run.ts";

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
      return await run(command.flags);
    case "check":
      return check(command.flags.config, command);
    case "version":
      process.stdout.write(`novaedge ${VERSION}\n`);
      return EXIT.ok;
    case "help":
      process.stdout.write(HELP);
      return EXIT.ok;
  }
}

function check(config: string, { flags }: Extract<Command, { kind: "check" }>): number {
  const read = readKeyed(placesOf(config), flags);
  const findings = read.ok ? read.value.warnings : read.error;
  for (const finding of findings) process.stderr.write(`${formatDiagnostic(finding)}\n`);
  if (read.ok && read.value.files.length === 0)
    process.stderr.write(
      `${read.value.resourceDir}: warning: no *.yaml with resources here: nothing would be served\n`,
    );
  if (read.ok) process.stdout.write(`the configuration is right (${read.value.hash})\n`);
  return findings.some(isError) ? EXIT.config : EXIT.ok;
}
