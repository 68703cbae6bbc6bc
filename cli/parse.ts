/** argv → a command with its arguments and flags.  Pure; the table of commands is a parameter. */
import { err, ok, type Result } from "../base/result.ts";
import { nearest } from "../resources/nearest.ts";
import type { Argument, Command, Flag } from "./command.ts";

export interface ParsedCall {
  readonly command: Command;
  readonly arguments: readonly string[];
  readonly flags: ReadonlyMap<string, readonly string[]>;
}
export interface Misuse {
  readonly message: string;
  readonly hint: string | undefined;
}

export function parseArguments(
  argv: readonly string[],
  commands: readonly Command[],
  globals: readonly Flag[],
): Result<ParsedCall, Misuse> {
  const words: string[] = [];
  const flags = new Map<string, string[]>();
  const known = (): readonly Flag[] => [...globals, ...(commands.find((each) => each.name === words[0])?.flags ?? [])];
  // Flags may stand before their command: those are read again when it is known.
  const rest = commandFirst(argv, commands, globals);
  for (let index = 0; index < rest.length; index++) {
    const word = rest[index] ?? "";
    if (word === "--") {
      words.push(...rest.slice(index + 1));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      words.push(word);
      continue;
    }
    const { name, short, inline } = split(word);
    const flag = known().find((each) => (short ? each.short === name : each.name === name));
    const dashed = short ? `-${name}` : `--${name}`;
    if (flag === undefined) {
      const near = short
        ? undefined
        : nearest(
            name,
            known().map((each) => each.name),
          );
      return misuse(`unknown flag ${dashed}`, near === undefined ? undefined : `did you mean --${near}?`);
    }
    let value = "";
    if (flag.value === undefined) {
      if (inline !== undefined) return misuse(`${dashed} takes no value`);
    } else {
      const next = inline ?? rest[++index];
      if (next === undefined) return misuse(`${dashed} needs a value`, `${dashed} ${flag.value.sample}`);
      const { choices, many } = flag.value;
      if (choices !== undefined && !choices.includes(next)) {
        return misuse(`${dashed}: ${JSON.stringify(next)} is none of ${choices.join(", ")}`, near(next, choices));
      }
      if (!many && flags.has(flag.name)) return misuse(`${dashed} is given twice`);
      value = next;
    }
    flags.set(flag.name, [...(flags.get(flag.name) ?? []), value]);
  }
  const [name, ...rest2] = words;
  const command = commands.find((each) => each.name === (name ?? "help"));
  if (command === undefined) {
    return misuse(
      `unknown command ${JSON.stringify(name)}`,
      near(
        name ?? "",
        commands.map((each) => each.name),
      ),
    );
  }
  const wrong = flags.has("help") ? undefined : miscounted(command, rest2);
  return wrong === undefined ? ok({ command, arguments: rest2, flags }) : err(wrong);
}

function miscounted(command: Command, words: readonly string[]): Misuse | undefined {
  const usage = `usage: ${usageOf(command)}`;
  const missing = command.arguments[words.length];
  if (missing?.required === true) return { message: `${command.name} needs ${missing.name}`, hint: usage };
  if (words.length <= command.arguments.length) return undefined;
  return { message: `unexpected argument ${JSON.stringify(words[command.arguments.length])}`, hint: usage };
}

export function usageOf(command: Command): string {
  const written = (each: Argument): string => (each.required ? each.name : `[${each.name}]`);
  const flags = command.flags.length > 0 ? ["[flags]"] : [];
  return ["novactl", command.name, ...command.arguments.map(written), ...flags].join(" ");
}

/** Moves the command to the front, past global flags and their values. */
function commandFirst(
  argv: readonly string[],
  commands: readonly Command[],
  globals: readonly Flag[],
): readonly string[] {
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? "";
    if (word === "--") break;
    if (word.startsWith("-") && word !== "-") {
      const { name, short, inline } = split(word);
      const flag = globals.find((each) => (short ? each.short === name : each.name === name));
      if (flag?.value !== undefined && inline === undefined) index++;
      continue;
    }
    if (!commands.some((each) => each.name === word)) break;
    return [word, ...argv.slice(0, index), ...argv.slice(index + 1)];
  }
  return argv;
}

interface Split {
  readonly name: string;
  readonly short: boolean;
  readonly inline: string | undefined;
}
/** "--name", "--name=value", "-n", "-nvalue", "-n=value" */
function split(word: string): Split {
  if (!word.startsWith("--")) {
    const inline = word.slice(2).replace(/^=/, "");
    return { name: word.slice(1, 2), short: true, inline: word.length > 2 ? inline : undefined };
  }
  const equals = word.indexOf("=");
  if (equals < 0) return { name: word.slice(2), short: false, inline: undefined };
  return { name: word.slice(2, equals), short: false, inline: word.slice(equals + 1) };
}

function near(word: string, choices: readonly string[]): string | undefined {
  const found = nearest(word, choices);
  return found === undefined ? undefined : `did you mean ${found}?`;
}
function misuse(message: string, hint?: string): Result<never, Misuse> {
  return err({ message, hint });
}
