/** `novactl help`: written from the table of commands. */

import { KIND_NAMES } from "../resources/names.ts";
import { nearest } from "../resources/nearest.ts";
import { type Action, type Command, CommandError, EXIT, type Flag } from "./command.ts";
import { COMMANDS, GLOBAL_FLAGS } from "./commands.ts";
import { usageOf } from "./parse.ts";

// oxlint-disable-next-line require-await -- an Action is asynchronous
export const help: Action = async (call) => {
  const [name] = call.arguments;
  if (name === undefined) {
    call.io.out(overview());
    return EXIT.ok;
  }
  const command = COMMANDS.find((each) => each.name === name);
  if (command === undefined) {
    const near = nearest(
      name,
      COMMANDS.map((each) => each.name),
    );
    const hint = near === undefined ? undefined : `did you mean ${near}?`;
    throw new CommandError(EXIT.usage, "USAGE", `unknown command ${JSON.stringify(name)}`, hint);
  }
  call.io.out(helpOf(command));
  return EXIT.ok;
};

export function overview(): string {
  const kinds = Object.values(KIND_NAMES).map(({ kind, names }) => [names.join(", "), kind] as const);
  return `novactl: ask and tell the NovaEdge daemon of this host

usage: novactl COMMAND [flags]

${rows(COMMANDS.map((each) => [each.name, each.about]))}
Kinds:
${rows(kinds)}
Flags of every command:
${rows(GLOBAL_FLAGS.map(flagRow))}
Exit status: 0 ok, 1 degraded or failed, 3 the daemon does not run, 64 wrong usage, 77 no permission,
78 configuration refused.
`;
}

export function helpOf(command: Command): string {
  const parts = [`${command.name}: ${command.about}\n\nusage: ${usageOf(command)}\n`];
  if (command.flags.length > 0) parts.push(`Flags:\n${rows(command.flags.map(flagRow))}`);
  parts.push(`Flags of every command:\n${rows(GLOBAL_FLAGS.map(flagRow))}`);
  parts.push(`Examples:\n${command.examples.map((each) => `  ${each}\n`).join("")}`);
  return parts.join("\n");
}

function flagRow(flag: Flag): readonly [string, string] {
  const short = flag.short === undefined ? "    " : `-${flag.short}, `;
  const value = flag.value === undefined ? "" : ` ${flag.value.sample}`;
  return [`${short}--${flag.name}${value}`, flag.about];
}

function rows(lines: readonly (readonly [string, string])[]): string {
  const width = Math.max(...lines.map(([left]) => left.length));
  return lines.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join("");
}
