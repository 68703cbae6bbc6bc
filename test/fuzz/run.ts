/** Runs inputs through targets, one after the other, each made again from (seed, number) when asked. */
import { makeInput } from "./mutate.ts";
import { Random } from "./random.ts";
import type { Target } from "./target.ts";

export interface Finding {
  readonly target: string;
  readonly seed: number;
  readonly number: number;
  readonly what: string;
  readonly input: string;
}

/** Inputs [from, to) of one target; the first finding, or undefined.  `tick` is told the number before each input. */
export function fuzz(
  target: Target,
  seed: number,
  from: number,
  to: number,
  tick: (number: number) => void = () => undefined,
): Finding | undefined {
  const random = new Random(seed);
  const memory = Buffer.alloc(MOST + 2 * GUARD, 0x0a);
  for (let number = from; number < to; number++) {
    tick(number);
    random.reseed(seed, number);
    const start = GUARD + (number & 7);
    const length = makeInput(target, random, memory, start, MOST - 8);
    try {
      target.run(memory, start, start + length, random);
    } catch (thrown) {
      const what =
        thrown instanceof Error ? `${thrown.name}: ${thrown.message}\n${thrown.stack ?? ""}` : String(thrown);
      return { target: target.name, seed, number, what, input: memory.toString("latin1", start, start + length) };
    }
  }
  return undefined;
}

const MOST = 4_096;
const GUARD = 64;
