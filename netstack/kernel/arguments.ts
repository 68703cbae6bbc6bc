/**
 * What a child process is started with.  Control starts its children before it knows: a `-` in place of the arguments
 * means that they follow on standard input, a JSON array of texts.  Until then the process has loaded its modules and
 * touched nothing.  When control ends without a word, so does the process.
 */
import { readFileSync } from "node:fs";

export function childArguments(): readonly string[] {
  const args = process.argv.slice(2);
  if (args[0] !== LATER) return args;
  const text = readFileSync(STDIN, "utf8");
  if (text === "") process.exit(0);
  return JSON.parse(text) as readonly string[];
}

/** fd 4, where control says that it is a door (channel.ts). */
export function doorOf(args: readonly string[]): number | undefined {
  return args.includes(DOOR) ? 4 : undefined;
}
export const DOOR = "--door";

/** In place of the arguments. */
export const LATER = "-";
const STDIN = 0;
