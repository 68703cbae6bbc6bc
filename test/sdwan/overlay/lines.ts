/** What a program writes, line by line, as it comes. */
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

export function linesOf(output: Readable | null): readonly string[] {
  if (output === null) throw new TypeError("a program without output");
  const lines: string[] = [];
  createInterface({ input: output }).on("line", (line) => lines.push(line));
  return lines;
}
