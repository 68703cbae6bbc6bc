/** `novaedge check`: every problem of the configuration with its place; starts nothing. */
import { formatDiagnostic, isError } from "../resources/diagnostic.ts";
import { readKeyed } from "./config/live.ts";
import { placesOf } from "./config/places.ts";
import { EXIT, type Flags } from "./flags.ts";

/** The exit status. */
export function check(flags: Flags): number {
  const read = readKeyed(placesOf(flags.config), flags);
  const findings = read.ok ? read.value.warnings : read.error;
  for (const finding of findings) process.stderr.write(`${formatDiagnostic(finding)}\n`);
  if (read.ok && read.value.files.length === 0)
    process.stderr.write(
      `${read.value.resourceDir}: warning: no *.yaml with resources here: nothing would be served\n`,
    );
  if (read.ok) process.stdout.write(`the configuration is right (${read.value.hash})\n`);
  return findings.some(isError) ? EXIT.config : EXIT.ok;
}
