/** What the commands about routing share. */
import { nearest } from "../resources/nearest.ts";
import { type Call, CommandError, EXIT, flagOf } from "./command.ts";

/** The first of `words` stands for none. */
export function chosen<Word extends string>(
  word: string | undefined,
  words: readonly [Word, ...Word[]],
  otherwise?: string,
): Word {
  if (word === undefined) return words[0];
  const found = words.find((each) => each === word);
  if (found !== undefined) return found;
  const near = nearest(word, words);
  const hint = near === undefined ? otherwise : `did you mean ${near}?`;
  throw new CommandError(EXIT.usage, "USAGE", `${JSON.stringify(word)} is none of ${words.join(", ")}`, hint);
}

export function limitOf(call: Call, otherwise: number): string {
  const limit = flagOf(call, "limit") ?? String(otherwise);
  if (/^[1-9][0-9]{0,5}$/.test(limit)) return limit;
  throw new CommandError(EXIT.usage, "USAGE", "--limit takes a number from 1 to 999999");
}

/** "bad-marker=1 auth=3" */
export function counted(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name}=${count}`)
    .join(" ");
}

/** Milliseconds as "50ms", "1.5s"; 0 is not known. */
export function spanOf(milliseconds: number): string | undefined {
  if (milliseconds === 0) return undefined;
  if (milliseconds < 1000) return `${Number(milliseconds.toFixed(1))}ms`;
  return `${Number((milliseconds / 1000).toFixed(1))}s`;
}
