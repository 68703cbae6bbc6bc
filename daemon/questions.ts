/** Questions to the routing process that wait for their answers; none waits for ever. */
import type { Clock } from "../base/clock.ts";
import { after, seconds } from "../base/unit.ts";
import type { RoutingAnswer, RoutingQuestion, ToRouting } from "./routing/words.ts";

export class Questions {
  readonly #clock: Clock;
  readonly #tell: (message: ToRouting) => boolean;
  readonly #open = new Map<number, (answer: RoutingAnswer | undefined) => void>();
  #last = 0;

  constructor(clock: Clock, tell: (message: ToRouting) => boolean) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /** undefined: nobody answers. */
  ask(question: RoutingQuestion): Promise<RoutingAnswer | undefined> {
    const n = ++this.#last;
    return new Promise((resolve) => {
      if (!this.#tell({ kind: "ask", n, question })) return resolve(undefined);
      const alarm = this.#clock.wakeAt(after(this.#clock.now(), PATIENCE), () => this.answered(n, undefined));
      this.#open.set(n, (answer) => {
        alarm[Symbol.dispose]();
        resolve(answer);
      });
    });
  }
  answered(n: number, answer: RoutingAnswer | undefined): void {
    const waiting = this.#open.get(n);
    this.#open.delete(n);
    waiting?.(answer);
  }
  /** The process is gone. */
  ended(): void {
    for (const n of this.#open.keys()) this.answered(n, undefined);
  }
}

const PATIENCE = seconds(10);
