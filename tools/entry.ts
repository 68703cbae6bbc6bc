/**
 * The file that a bundled command is started by.  It is parsed by whatever Node there is, so it is written as Node ever
 * was, and looks at the version before the bundle, which an older Node cannot even parse.
 */
export const NEEDS = 26;

export function entryOf(command: string): string {
  return `#!/usr/bin/env node
"use strict";
if (parseInt(process.versions.node, 10) < ${NEEDS}) {
  process.stderr.write("${command} needs Node ${NEEDS} or newer; " + process.execPath + " is " + process.version + "\\n");
  process.exitCode = 1;
} else {
  require("./${mainOf(command)}");
}
`;
}

/** The bundle behind it. */
export function mainOf(command: string): string {
  return `${command}-main.cjs`;
}
