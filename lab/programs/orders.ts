/** What programs of the lab share: lines of JSON on stdin, lines of JSON on stdout, a loop in between. */
import { readSync, writeSync } from "node:fs";
import type { Loop } from "../../netstack/kernel/loop.ts";

/** Calls `line` for each line on stdin, `ended` when the creator closed it or died. */
export function readOrders(loop: Loop, line: (text: string) => void, ended: () => void): void {
  const buffer = Buffer.alloc(65_536);
  let rest = "";
  const watch = loop.watch(0, () => {
    const length = readSync(0, buffer);
    if (length === 0) {
      watch[Symbol.dispose]();
      ended();
      return;
    }
    const lines = (rest + buffer.toString("utf8", 0, length)).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(line);
  });
}

export function say(value: object): void {
  const bytes = Buffer.from(`${JSON.stringify(value)}\n`);
  for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
}

/** Milliseconds since 1970 with fractions: the clock that captures are stamped with. */
export function epoch(): number {
  return performance.timeOrigin + performance.now();
}
