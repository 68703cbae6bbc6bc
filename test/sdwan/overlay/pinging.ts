/** Pings at a steady pace from one namespace, numbered: which of them were answered. */
import { spawnInside } from "../../../netstack/kernel/namespace.ts";
import { linesOf } from "./lines.ts";

export class Pinging implements Disposable {
  readonly #lines: readonly string[];
  readonly #child: ReturnType<typeof spawnInside>;

  constructor(namespace: string, to: string, every = 2) {
    // Without -i it waits 10 ms after each.
    const args = ["-c", "100000", "-i", "1", "-p", String(every), "-t", "1000", to];
    this.#child = spawnInside(namespace, "fping", args, { stdio: ["ignore", "pipe", "ignore"] });
    this.#lines = linesOf(this.#child.stdout);
  }

  get received(): number {
    return this.#answered().size;
  }

  /** Numbers without an answer, up to the last that had one. */
  lost(): readonly number[] {
    const answered = this.#answered();
    const last = Math.max(...answered);
    return Array.from({ length: last + 1 }, (_, number) => number).filter((number) => !answered.has(number));
  }

  /** The newest number that was answered. */
  get newest(): number {
    return Math.max(0, ...this.#answered());
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGINT");
  }

  #answered(): ReadonlySet<number> {
    const numbers = this.#lines.map((line) => / : \[(\d+)\], \d+ bytes, /.exec(line)?.[1]);
    return new Set(numbers.filter((each) => each !== undefined).map(Number));
  }
}
