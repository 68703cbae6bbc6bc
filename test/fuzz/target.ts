/** What the fuzzer needs to know about a decoder. */
import type { Random } from "./random.ts";

export interface Target {
  readonly name: string;
  /** Good inputs to start from. */
  readonly corpus: readonly Uint8Array[];
  /** Pieces that are put into inputs: what the format gives a meaning to. */
  readonly tokens: readonly Uint8Array[];
  /** Inputs that random changes of octets would hardly ever make; beside mutation. */
  readonly generate?: (random: Random) => Uint8Array;
  /** Takes so many times as long as a decoder of packets, and gets so many times fewer inputs. */
  readonly slow?: number;
  /**
   * Runs the decoder over memory[start, end) and checks what must hold whatever the input; throws a Violation when it
   * does not.  Anything else that is thrown is a finding too.
   */
  run(memory: Buffer, start: number, end: number, random: Random): void;
}

export class Violation extends Error {
  constructor(what: string) {
    super(what);
    this.name = "Violation";
  }
}
export function must(holds: boolean, what: string): void {
  if (!holds) throw new Violation(what);
}
